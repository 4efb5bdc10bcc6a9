//! Group (e): does the purpose release the categories, and may they be searched on?

use super::{Case, PRINCIPAL};
use crate::decision::{Clauses, Named, Obligations, Permit, Reason, Reasons, Refusal, Rules};
use crate::policy::{
    Action, Apart, Basis, BasisId, Categories, Family, Form, Grant, Recipient, RecipientId, Release, need,
};

impl<'a> Case<'a> {
    pub(super) fn release(
        &self,
        id: RecipientId,
        recipient: &Recipient,
        (basis_id, basis): (BasisId, &Basis),
        reach: Categories,
    ) -> Result<Permit, Refusal> {
        let (policy, request, purpose) = (self.judge.policy, self.judge.request, self.judge.purpose);
        let mut granted = Release::NOTHING;
        let applying = || self.grants().filter(|g| g.bases & basis_id.bit() != 0 && self.unmet(g).is_empty());
        for grant in applying() {
            granted = granted.most(&grant.release);
        }
        granted = granted.only(reach);
        if let Some(dataset) = request.dataset {
            granted = granted.least(policy.items(dataset));
        }
        let mut capped = self.capped(id, basis_id, granted).only(policy.vocabulary.never().not());
        if request.caller.organization == Some(PRINCIPAL) && request.subject != Some(request.caller.id) {
            // Level `specific` goes to the person, not to an agent.
            capped = capped.only(policy.specific().not());
        }
        let apart = self.apart(&capped);
        let release = capped.only(apart.not());
        let reasons = self.refused_categories(&granted, &release, apart);
        if !reasons.is_empty() {
            return Err(self.refuse(reasons));
        }
        let released = match request.action {
            Action::Delete => Release::NOTHING,
            _ => release.only(request.asked),
        };
        let (mut rules, mut clauses) = (Rules::new(), Clauses::new());
        let counts = |grant: &Grant| request.action == Action::Delete || grant.release.any().meets(released.any());
        let mut review = basis.review || purpose.family == Family::Exception;
        for grant in applying().filter(|grant| counts(grant)) {
            rules.add(grant.rule);
            clauses.add_all(policy.rule(grant.rule).map_or(&[], |rule| &rule.clauses));
            review |= grant.needs & need::REVIEW != 0;
        }
        // A forbid that the basis lifted is part of the ground on which its data is released.
        for cap in policy.caps(self.judge.id, id).iter().filter(|cap| cap.categories.meets(released.any())) {
            rules.add(cap.rule);
            clauses.add_all(policy.rule(cap.rule).map_or(&[], |rule| &rule.clauses));
        }
        // What was withheld beside what is released, or lies outside a dataset's items, was withheld by a clause too.
        for cut in policy.aparts().iter().filter(|cut| cut.withhold.and(apart).meets(capped.any().and(request.asked))) {
            clauses.add_all(policy.rule(cut.rule).map_or(&[], |rule| &rule.clauses));
        }
        clauses.add_all(request.dataset.map_or(&[], |dataset| policy.items_clauses(dataset)));
        clauses.add_all(&purpose.clauses);
        clauses.add_all(&recipient.clauses);
        let notify = policy.conditions().notify.as_ref().filter(|_| request.action == Action::Create);
        clauses.add_all(notify.map_or(&[], Vec::as_slice));
        clauses.add_all(&policy.conditions().default);
        let provides = request.action.releases() && !recipient.kind.is_own();
        Ok(Permit {
            release: released,
            asked: request.asked,
            told: self.told(&release),
            purpose: self.judge.id,
            recipient: id,
            entry: self.place,
            basis: basis_id,
            overseas: self.is_abroad(),
            provisional: request.person.is_none(),
            rules,
            clauses,
            obligations: Obligations::NONE
                .with_if(provides, Obligations::RECORD_PROVISION)
                .with_if(provides && self.is_abroad(), Obligations::RECORD_OVERSEAS_PROVISION)
                .with_if(review, Obligations::REVIEW)
                .with_if(notify.is_some(), Obligations::NOTIFY_PRINCIPAL),
        })
    }

    pub(super) fn capped(&self, id: RecipientId, basis: BasisId, granted: Release) -> Release {
        let (policy, request) = (self.judge.policy, self.judge.request);
        let mut release = granted;
        for cap in policy.caps(self.judge.id, id) {
            let act = cap.unless_act.is_none_or(|act| request.act == Named::Known(act));
            if cap.unless_bases & basis.bit() == 0 || !act {
                release = release.capped(cap.categories, cap.form);
            }
        }
        release
    }

    /// What has to be withheld because of what is released beside it.
    pub(super) fn apart(&self, release: &Release) -> Categories {
        // What is searched on stands beside what is released: the caller knows it of every hit.
        let request = self.judge.request;
        let released = release.any().and(request.asked.or(request.query));
        let bite = |apart: &&Apart| apart.beside.meets(released);
        self.judge.policy.aparts().iter().filter(bite).fold(Categories::NONE, |all, apart| all.or(apart.withhold))
    }

    /// See [`Permit::told`]: what is clear, but for that beside which something would be withheld that is released or searched on.
    fn told(&self, release: &Release) -> Categories {
        let request = self.judge.request;
        if !request.action.releases() {
            return Categories::NONE;
        }
        let known = release.any().and(request.asked).or(request.query);
        self.judge.policy.aparts().iter().fold(release.having(Form::Clear, Categories::ALL), |told, apart| {
            let bites = if apart.withhold.meets(known) { Categories::ALL } else { apart.withhold };
            told.without(apart.beside.and(bites))
        })
    }

    /// Why the categories refuse; none where they do not.
    pub(super) fn refused_categories(&self, granted: &Release, release: &Release, apart: Categories) -> Reasons {
        let (policy, request) = (self.judge.policy, self.judge.request);
        let mut reasons = Reasons::NONE;
        let clear = release.having(Form::Clear, Categories::ALL);
        let (asked, unknown) = (request.asked, request.asked_unknown);
        let searchable = !request.query_unknown && clear.covers(request.query);
        // What the answer to a write tells, by its status, is found out as by a search.
        reasons.add_if(!searchable, Reason::SearchNotPermitted);
        let lacking = match request.action {
            Action::Delete => return reasons,
            Action::Create | Action::Update => asked.without(clear),
            Action::Read | Action::Search if release.any().meets(asked) => Categories::NONE,
            Action::Read | Action::Search => asked,
        };
        let judged = request.action.writes() || !release.any().meets(asked);
        let forbidden = apart.or(granted.any().without(release.any())).or(policy.specific());
        // A write needs every category in clear: one that a forbid made coarser is forbidden too.
        let coarser = granted.having(Form::Clear, Categories::ALL).without(clear);
        let prohibited = lacking.and(forbidden.or(coarser));
        let empty = asked.is_empty() && !unknown;
        let not_permitted = judged && (!lacking.without(prohibited).is_empty() || unknown || empty);
        reasons.add_if(not_permitted, Reason::CategoryNotPermitted);
        reasons.add_if(!prohibited.is_empty(), Reason::Prohibited);
        reasons
    }
}
