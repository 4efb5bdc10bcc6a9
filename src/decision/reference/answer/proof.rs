//! (d) Is the basis proved, and has the person nothing stopped?

use super::{Judged, Reasons};
use crate::decision::Reason;
use crate::decision::reference::{Names, Question, Rule, law};
use crate::policy::covers;
use crate::policy::facts::{Consent, Organization, Relation};

impl<'a> Judged<'a> {
    /// What objections withhold, and whether everything is stopped.
    pub(super) fn stopped(&self) -> (Names, bool) {
        let q = self.q;
        if q.dataset.is_some() {
            return (Names::new(), false);
        }
        let request = covers("principal-request", self.purpose);
        let beaten = |what: &str| request || self.basis.is_some_and(|basis| law::beats(basis, what));
        let mut all = q.person.restrictions.iter().any(|r| law::stops(r, self.kind()) && !beaten(r));
        let mut withheld = Names::new();
        for objection in q.person.objections.iter().filter(|_| !beaten("objection")) {
            let meant = objection.window.holds(q.time)
                && objection.purpose.as_deref().is_none_or(|broad| covers(broad, self.purpose))
                && objection.recipient.as_deref().is_none_or(|r| self.candidate.recipient.as_deref() == Some(r));
            match objection.categories {
                _ if !meant => {}
                None => all = true,
                Some(set) => withheld.extend(self.reading.names(set)),
            }
        }
        all |= !q.categories.is_empty() && q.categories.iter().all(|name| withheld.contains(*name));
        (withheld, all)
    }

    pub(super) fn proofs(&self, basis: &str) -> Reasons {
        let q = self.q;
        let mut reasons = Reasons::new();
        let mut ask = |holds: bool, reason| {
            if !holds {
                reasons.insert(reason);
            }
        };
        ask(!law::asks_for_reason(basis) || q.reason, Reason::ReasonMissing);
        ask(basis != "law" || (q.reference && q.act.is_some()), Reason::ReferenceMissing);
        let sourced = self.reading.condition("source").map(|c| self.reading.select_all(&c.data)).unwrap_or_default();
        let writes_sourced = q.action.writes() && q.categories.iter().any(|name| sourced.contains(*name));
        ask(!writes_sourced || q.source, Reason::ReferenceMissing);
        let consented = || self.covers_something(|consent| self.fits(consent)) && !self.reach(basis).is_empty_for(q);
        ask(basis != "consent" || q.dataset.is_some() || consented(), Reason::ConsentMissing);
        if q.organization == Some("principal") {
            ask(q.verified, Reason::IdentityNotVerified);
            let agent = || !q.caller.is_empty() && q.person.relations.iter().any(|r| self.relates(r, "agent"));
            ask(self.is_own_record() || agent(), Reason::RelationMissing);
        }
        let rules: Vec<_> = self.rules.iter().filter(|rule| rule.bases.contains(basis)).collect();
        if !rules.iter().any(|rule| self.unmet(rule).is_empty()) {
            reasons.extend(rules.iter().flat_map(|rule| self.unmet(rule)));
        }
        reasons
    }

    pub(super) fn is_own_record(&self) -> bool {
        !self.q.caller.is_empty() && self.q.subject == Some(self.q.caller)
    }

    pub(super) fn unmet(&self, rule: &Rule) -> Reasons {
        let q = self.q;
        let mut reasons = Reasons::new();
        for need in &rule.needs {
            let (met, reason) = match need.as_str() {
                "reason" => (q.reason, Reason::ReasonMissing),
                "approval" => {
                    let approves = |entry: &Organization| q.register.approves(&entry.id, self.purpose, q.time);
                    (self.candidate.entry.is_some_and(approves), Reason::ApprovalMissing)
                }
                "informed" => {
                    let told = q.person.informed.iter().any(|i| i.purpose == self.purpose && i.at <= q.time);
                    (told, Reason::NotInformed)
                }
                "review" => continue,
                relation => {
                    let kind = relation.strip_prefix("relation:").unwrap_or("");
                    (q.person.relations.iter().any(|r| self.relates(r, kind)), Reason::RelationMissing)
                }
            };
            if !met {
                reasons.insert(reason);
            }
        }
        reasons
    }

    /// Null in a relation is any, but for `agent.person` and `commissioned-exam.organization`. The person of an agent is
    /// the agent, that of an examination the examined, that of a family contact the contact.
    pub(super) fn relates(&self, relation: &Relation, kind: &str) -> bool {
        let q = self.q;
        let person = match (kind, relation.person.as_deref()) {
            (_, None) => kind != "agent",
            ("commissioned-exam", Some(named)) => q.subject == Some(named),
            // Staff who fetch for the family are not the contact named, nor can they say which of an organisation's it is;
            // where the relation names a person alone, the organisation that they name has to be that one.
            ("family-contact", Some(named)) if q.organization.is_none() => match q.for_organization {
                Some(organization) if relation.organization.is_none() => named == organization,
                _ => true,
            },
            (_, Some(named)) => named == q.caller || self.candidate.entry.is_some_and(|entry| entry.id == named),
        };
        let organization = match relation.organization.as_deref() {
            None => kind != "commissioned-exam",
            Some(named) => self.candidate.entry.is_some_and(|entry| entry.id == named),
        };
        let record = relation.records.as_ref().is_none_or(|records| records.iter().any(|r| r == q.record));
        relation.kind == kind && relation.window.holds(q.time) && person && organization && record
    }

    /// Whether a consent covers this recipient.
    pub(super) fn fits(&self, consent: &Consent) -> bool {
        consent.recipient.as_deref().is_none_or(|r| self.candidate.recipient.as_deref() == Some(r))
            && consent.organization.as_deref().is_none_or(|o| self.candidate.entry.is_some_and(|e| e.id == o))
    }

    /// Whether a consent covers this recipient by naming it, as art. 28 asks.
    pub(super) fn names_recipient(&self, consent: &Consent) -> bool {
        self.fits(consent) && (consent.recipient.is_some() || consent.organization.is_some())
    }

    pub(super) fn consents(&self) -> impl Iterator<Item = &'a Consent> {
        let (q, purpose) = (self.q, self.purpose);
        q.person
            .consents
            .iter()
            .filter(move |c| c.window.holds(q.time) && c.purpose.as_deref().is_some_and(|broad| covers(broad, purpose)))
    }

    /// Whether such consents cover anything asked for; where nothing is asked, whether there is one.
    pub(super) fn covers_something(&self, meant: impl Fn(&Consent) -> bool) -> bool {
        let covers = |consent: &Consent| match consent.categories {
            None => true,
            Some(set) if self.q.categories.is_empty() => !set.is_empty(),
            Some(set) => self.q.categories.iter().any(|name| self.reading.names(set).contains(*name)),
        };
        self.consents().filter(|consent| meant(consent)).any(covers)
    }

    /// What the consents that the answer rests on cover.
    pub(super) fn reach(&self, basis: &str) -> Reach {
        let covered = |meant: &dyn Fn(&Consent) -> bool| {
            let mut names = Names::new();
            for consent in self.consents().filter(|consent| meant(consent)) {
                match consent.categories {
                    None => return Reach::All,
                    Some(set) => names.extend(self.reading.names(set)),
                }
            }
            Reach::Only(names)
        };
        let inside = match basis == "consent" && self.q.dataset.is_none() {
            true => covered(&|consent| self.fits(consent)),
            false => Reach::All,
        };
        let abroad = match self.rests_on_overseas_consent() {
            true => covered(&|consent| self.names_recipient(consent)),
            false => Reach::All,
        };
        inside.and(abroad)
    }
}

/// What consents cover.
pub(super) enum Reach {
    All,
    Only(Names),
}

impl Reach {
    pub(super) fn and(self, other: Reach) -> Reach {
        match (self, other) {
            (Reach::All, reach) | (reach, Reach::All) => reach,
            (Reach::Only(a), Reach::Only(b)) => Reach::Only(a.intersection(&b).cloned().collect()),
        }
    }

    pub(super) fn has(&self, category: &str) -> bool {
        match self {
            Reach::All => true,
            Reach::Only(names) => names.contains(category),
        }
    }

    /// Whether nothing asked for is covered.
    pub(super) fn is_empty_for(&self, q: &Question<'_>) -> bool {
        match (self, q.categories) {
            (Reach::All, _) => false,
            (Reach::Only(names), []) => names.is_empty(),
            (Reach::Only(names), asked) => !asked.iter().any(|name| names.contains(*name)),
        }
    }
}
