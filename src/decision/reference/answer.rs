//! The groups of the specification, one after the other, for one recipient that the request may be for.

use std::collections::BTreeSet;

use super::{Answer, Forms, Names, Question, Reading, Rule, law};
use crate::decision::Reason;
use crate::policy::facts::{Consent, Organization, Overseas, Relation};
use crate::policy::{Action, Dataset, Form, Window, covers};

type Reasons = BTreeSet<Reason>;

/// Whom a request may be for.
struct Candidate<'a> {
    /// `None`: not resolved.
    recipient: Option<String>,
    entry: Option<&'a Organization>,
    /// Another recipient is named than the one that it is.
    mismatch: bool,
}

impl Reading<'_> {
    /// Answers a question.
    pub fn answer(&self, q: &Question<'_>) -> Answer {
        let mut answer = match q.purpose {
            None => refuse(Reason::PurposeMissing),
            Some(purpose) if !self.purposes.contains(purpose) => refuse(Reason::PurposeUnknown),
            Some(purpose) => self.first_of(q, purpose),
        };
        if !answer.decision && q.organization == Some("principal") {
            answer.obligations.insert("name-contact");
        }
        answer
    }

    /// Several register entries: the first that permits, else the codes of the first.
    fn first_of(&self, q: &Question<'_>, purpose: &str) -> Answer {
        let mut first = None;
        for candidate in self.candidates(q) {
            let answer = Judged::new(self, q, purpose, candidate).answer();
            if answer.decision {
                return answer;
            }
            first.get_or_insert(answer);
        }
        first.unwrap_or_default()
    }

    fn is_staff(&self, q: &Question<'_>) -> bool {
        let has_role = q.roles.iter().any(|role| self.document.roles.iter().any(|r| r.id.text == *role));
        q.organization.is_none() && has_role
    }

    fn candidates<'a>(&self, q: &Question<'a>) -> Vec<Candidate<'a>> {
        let unresolved = || vec![Candidate { recipient: None, entry: None, mismatch: false }];
        let plain = |id: &str| vec![Candidate { recipient: Some(id.to_owned()), entry: None, mismatch: false }];
        // A register entry cannot make anybody internal or the principal.
        let known =
            |id: &str| (self.kinds.contains_key(id) && id != "internal" && id != "principal").then(|| id.to_owned());
        match q.organization {
            Some("principal") => {
                let other = q.recipient.is_some_and(|r| r != "principal");
                let elsewhere = q.for_organization.is_some_and(|o| o != "principal");
                vec![Candidate { recipient: Some("principal".to_owned()), entry: None, mismatch: other || elsewhere }]
            }
            Some("internal") => unresolved(),
            Some(organization) => {
                let entries: Vec<_> = q.register.organizations().iter().filter(|o| o.id == organization).collect();
                if entries.is_empty() {
                    return unresolved();
                }
                let candidate = |entry: &'a Organization| Candidate {
                    recipient: known(&entry.recipient),
                    entry: Some(entry),
                    mismatch: q.recipient.is_some_and(|r| r != entry.recipient)
                        || q.for_organization.is_some_and(|o| o != organization),
                };
                entries.into_iter().map(candidate).collect()
            }
            None if !self.is_staff(q) => unresolved(),
            None if q.recipient.is_some_and(|r| !self.kinds.contains_key(r)) => unresolved(),
            None => match (q.for_organization, q.recipient) {
                (Some(organization), named) => {
                    let entries: Vec<_> = q.register.organizations().iter().filter(|o| o.id == organization).collect();
                    if entries.is_empty() {
                        return unresolved();
                    }
                    let candidate = |entry: &'a Organization| Candidate {
                        recipient: known(&entry.recipient),
                        entry: Some(entry),
                        mismatch: named.is_some_and(|r| r != entry.recipient),
                    };
                    entries.into_iter().map(candidate).collect()
                }
                (None, None) => plain("internal"),
                (None, Some(id @ ("internal" | "principal"))) => plain(id),
                (None, Some(id)) => {
                    let entries: Vec<_> = q.register.organizations().iter().filter(|o| o.recipient == id).collect();
                    if entries.is_empty() {
                        return plain(id);
                    }
                    let of = |entry| Candidate { recipient: Some(id.to_owned()), entry: Some(entry), mismatch: false };
                    entries.into_iter().map(of).collect()
                }
            },
        }
    }
}

fn refuse(reason: Reason) -> Answer {
    Answer { reasons: Reasons::from([reason]), ..Answer::default() }
}

/// One candidate, judged.
struct Judged<'a> {
    reading: &'a Reading<'a>,
    q: &'a Question<'a>,
    purpose: &'a str,
    candidate: Candidate<'a>,
    /// The rules for this purpose and recipient that this side may use on this route.
    rules: Vec<&'a Rule>,
    /// The basis, declared or implied.
    basis: Option<&'a str>,
}

impl<'a> Judged<'a> {
    fn new(reading: &'a Reading<'a>, q: &'a Question<'a>, purpose: &'a str, candidate: Candidate<'a>) -> Judged<'a> {
        let mut judged = Judged { reading, q, purpose, candidate, rules: Vec::new(), basis: None };
        judged.rules = judged.find_rules();
        judged.basis = judged.find_basis();
        judged
    }

    fn answer(&self) -> Answer {
        let refuse =
            |reasons: Reasons| Answer { recipient: self.candidate.recipient.clone(), reasons, ..Answer::default() };
        let standing = self.standing();
        if !standing.is_empty() {
            return refuse(standing);
        }
        let (withheld, restricted) = self.stopped();
        let mut reasons: Reasons = restricted.then_some(Reason::Restricted).into_iter().collect();
        let basis = match self.basis {
            None => Err(if self.q.basis.is_none() { Reason::BasisMissing } else { Reason::BasisNotMet }),
            Some(basis) if !self.opens(basis) => Err(Reason::BasisNotMet),
            Some(basis) => Ok(basis),
        };
        let basis = match basis {
            Ok(basis) => basis,
            Err(reason) => {
                reasons.insert(reason);
                return refuse(reasons);
            }
        };
        reasons.extend(self.proofs(basis));
        if !reasons.is_empty() {
            return refuse(reasons);
        }
        match self.released(basis, &withheld) {
            Err(reasons) => refuse(reasons),
            Ok(release) => Answer {
                decision: true,
                obligations: self.obligations(basis, &release),
                release,
                recipient: self.candidate.recipient.clone(),
                basis: Some(basis.to_owned()),
                reasons: Reasons::new(),
            },
        }
    }

    fn kind(&self) -> &'static str {
        self.candidate.recipient.as_ref().and_then(|id| self.reading.kinds.get(id)).copied().unwrap_or("")
    }

    fn find_rules(&self) -> Vec<&'a Rule> {
        let to = self.candidate.recipient.as_deref().unwrap_or("");
        let staff = self.q.organization.is_none();
        let applies = |rule: &&Rule| {
            rule.to.contains(to)
                && rule.staff.is_none_or(|side| side == staff)
                && (rule.dataset.is_none() || rule.dataset == self.q.dataset)
        };
        self.reading.rules.get(self.purpose).into_iter().flatten().filter(applies).collect()
    }

    // --- (b) ---------------------------------------------------------------------------------------------------------

    fn standing(&self) -> Reasons {
        let (reading, q) = (self.reading, self.q);
        let resolved = self.candidate.recipient.is_some();
        let staff = reading.is_staff(q);
        let serves = |role: &&crate::policy::document::Role| {
            q.roles.contains(&role.id.text.as_str()) && role.serves.iter().any(|s| covers(&s.text, self.purpose))
        };
        let served = reading.document.roles.iter().any(|role| serves(&role));
        let trained = reading.condition("training").is_none() || q.training_until.is_none_or(|until| q.time < until);
        let checks = [
            (self.is_stated_now(), Reason::PurposeNotInForce),
            (!staff || served, Reason::PurposeNotForRole),
            (q.dataset.is_some() || self.is_for_class(), Reason::PurposeNotForSubjectClass),
            (resolved, Reason::RecipientUnknown),
            (!resolved || self.is_permitted(), Reason::RecipientNotPermitted),
            (!resolved || self.is_in_force(), Reason::RecipientNotInForce),
            (!resolved || self.has_overseas_basis(), Reason::OverseasBasisMissing),
            (!self.opted_out(), Reason::OptedOut),
            (!q.person.blocked || self.is_open_to_the_blocked(), Reason::Blocked),
            (!staff || trained, Reason::TrainingExpired),
            (!resolved || self.may_act(), Reason::ActionNotPermitted),
        ];
        checks.into_iter().filter(|(holds, _)| !holds).map(|(_, reason)| reason).collect()
    }

    fn is_stated_now(&self) -> bool {
        let stated = self.reading.document.purposes.iter().find(|p| p.id.text == self.purpose);
        let window = stated.map_or(Ok(Window::ALWAYS), |p| {
            let text = |t: &'a Option<crate::policy::reader::Text>| t.as_ref().map(|t| t.text.as_str());
            Window::read(text(&p.from), text(&p.until), &self.reading.zone)
        });
        self.reading.begins.is_some_and(|from| from <= self.q.time) && window.is_ok_and(|w| w.holds(self.q.time))
    }

    fn is_for_class(&self) -> bool {
        let Some(class) = self.q.class else { return false };
        let document = self.reading.document;
        let used = || document.purposes.iter().any(|p| p.about.iter().any(|c| c.text == class));
        match document.purposes.iter().find(|p| p.id.text == self.purpose) {
            Some(stated) => stated.about.iter().any(|c| c.text == class || (c.text == "*" && used())),
            None => used(), // `exception`, `principal-request`
        }
    }

    fn is_permitted(&self) -> bool {
        if self.candidate.mismatch || self.rules.is_empty() {
            return false;
        }
        let Some(entry) = self.candidate.entry else { return true };
        match &entry.purposes {
            _ if self.purpose == "exception" => true,
            Some(purposes) => purposes.iter().any(|broad| covers(broad, self.purpose)),
            None if self.is_certified() => true, // statistics go to any recipient
            None => self.kind() != "contractor" && self.basis != Some("outsourcing"),
        }
    }

    /// Whether the basis is that of the certified dataset which the route is.
    fn is_certified(&self) -> bool {
        match self.q.dataset {
            None => false,
            Some(dataset) => self.basis == Some(dataset.name()),
        }
    }

    fn is_in_force(&self) -> bool {
        if let Some(entry) = self.candidate.entry {
            return entry.window.holds(self.q.time);
        }
        let written =
            self.reading.document.recipients.iter().find(|r| Some(&r.id.text) == self.candidate.recipient.as_ref());
        let known = matches!(self.kind(), "internal" | "principal" | "authority" | "family" | "third-party");
        known && !written.is_some_and(|r| r.registered) && self.basis != Some("outsourcing")
    }

    fn is_abroad(&self) -> bool {
        let Some(entry) = self.candidate.entry else { return false };
        let written = self.reading.document.recipients.iter().find(|r| r.id.text == entry.recipient);
        let in_japan = entry.country.as_deref().is_some_and(|country| country.eq_ignore_ascii_case("JP"));
        !in_japan || self.kind() == "third-party-overseas" || written.is_some_and(|r| r.overseas)
    }

    /// Whether art. 28 is left to the person's own consent.
    fn rests_on_overseas_consent(&self) -> bool {
        let declared = self.q.basis.is_some_and(law::is_statutory);
        let by_consent =
            self.candidate.entry.and_then(|e| e.overseas).is_some_and(|(kind, _)| kind == Overseas::Consent);
        self.is_abroad() && self.q.dataset.is_none() && !declared && by_consent
    }

    fn has_overseas_basis(&self) -> bool {
        let Some(entry) = self.candidate.entry else { return true };
        if !self.is_abroad() || self.q.dataset.is_some() || self.q.basis.is_some_and(law::is_statutory) {
            return true;
        }
        match entry.overseas.filter(|(_, until)| self.q.time < *until) {
            Some((Overseas::EquivalentSystem | Overseas::DesignatedCountry, _)) => true,
            Some((Overseas::Consent, _)) => self.covers_something(|consent| self.names_recipient(consent)),
            Some((Overseas::Exception, _)) | None => false,
        }
    }

    fn opted_out(&self) -> bool {
        let recipient = self.candidate.recipient.as_deref();
        self.q.person.opt_outs.iter().any(|name| {
            match self.reading.document.opt_outs.iter().find(|o| o.id.text == *name) {
                Some(known) => {
                    known.recipient.as_ref().is_some_and(|r| recipient == Some(r.text.as_str()))
                        || known.purpose.as_ref().is_some_and(|p| covers(&p.text, self.purpose))
                }
                None => recipient == Some(name.as_str()) || covers(name, self.purpose),
            }
        })
    }

    fn is_open_to_the_blocked(&self) -> bool {
        let except = self.reading.condition("block").map(|c| c.except.as_slice()).unwrap_or_default();
        self.purpose == "exception"
            || covers("principal-request", self.purpose)
            || except.iter().any(|broad| covers(&broad.text, self.purpose))
    }

    fn may_act(&self) -> bool {
        let action = self.q.action;
        if let Some(request) = self.purpose.strip_prefix("principal-request.") {
            let handled = match request {
                "correction" | "addition" => action == Action::Update,
                "deletion" | "erasure" => action == Action::Delete,
                "disclosure" | "provision-records" => action.releases(),
                _ => false,
            };
            return match self.q.organization {
                Some("principal") => handled,
                Some(_) => action.releases(),
                None => handled || action.releases(),
            };
        }
        let row = self.reading.row(self.purpose);
        let writes = self.reading.document.views.iter().any(|v| Some(v.id.text.as_str()) == row && v.writes);
        match action {
            Action::Read | Action::Search => true,
            Action::Create | Action::Update => {
                self.purpose != "exception" && writes && matches!(self.kind(), "internal" | "contractor")
            }
            Action::Delete => false,
        }
    }

    // --- (c) ---------------------------------------------------------------------------------------------------------

    fn find_basis(&self) -> Option<&'a str> {
        if let Some(declared) = self.q.basis {
            return law::BASES.contains(&declared).then_some(declared);
        }
        let by_permit = || self.rules.iter().any(|rule| rule.bases.contains("implied-consent"));
        law::implied_for(self.kind()).or_else(|| by_permit().then_some("implied-consent"))
    }

    fn opens(&self, basis: &str) -> bool {
        let stated = self.reading.document.purposes.iter().find(|p| p.id.text == self.purpose);
        let limited = stated.and_then(|p| p.dataset.as_ref()).and_then(|d| Dataset::from_name(&d.text));
        let route = self.q.dataset;
        (limited.is_none() || limited == route)
            && (basis != "anonymised" || route == Some(Dataset::Anonymised))
            && (basis != "statistical" || route == Some(Dataset::Statistical))
            && (basis != "academic-research" || self.kind() == "academic")
            && (basis != "implied-consent" || !self.is_abroad())
            && self.rules.iter().any(|rule| rule.bases.contains(basis))
    }

    // --- (d) ---------------------------------------------------------------------------------------------------------

    /// What objections withhold, and whether everything is stopped.
    fn stopped(&self) -> (Names, bool) {
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

    fn proofs(&self, basis: &str) -> Reasons {
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

    fn is_own_record(&self) -> bool {
        !self.q.caller.is_empty() && self.q.subject == Some(self.q.caller)
    }

    fn unmet(&self, rule: &Rule) -> Reasons {
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

    /// Null in a relation is any, but for `agent.person` and `commissioned-exam.organization`.
    fn relates(&self, relation: &Relation, kind: &str) -> bool {
        let q = self.q;
        let person = match relation.person.as_deref() {
            None => kind != "agent",
            // Staff who fetch for the family are not the family member named.
            Some(_) if kind == "family-contact" && q.organization.is_none() => true,
            Some(named) => named == q.caller,
        };
        let organization = match relation.organization.as_deref() {
            None => kind != "commissioned-exam",
            Some(named) => self.candidate.entry.is_some_and(|entry| entry.id == named),
        };
        let record = relation.records.as_ref().is_none_or(|records| records.iter().any(|r| r == q.record));
        relation.kind == kind && relation.window.holds(q.time) && person && organization && record
    }

    /// Whether a consent covers this recipient.
    fn fits(&self, consent: &Consent) -> bool {
        consent.recipient.as_deref().is_none_or(|r| self.candidate.recipient.as_deref() == Some(r))
            && consent.organization.as_deref().is_none_or(|o| self.candidate.entry.is_some_and(|e| e.id == o))
    }

    /// Whether a consent covers this recipient by naming it, as art. 28 asks.
    fn names_recipient(&self, consent: &Consent) -> bool {
        self.fits(consent) && (consent.recipient.is_some() || consent.organization.is_some())
    }

    fn consents(&self) -> impl Iterator<Item = &'a Consent> {
        let (q, purpose) = (self.q, self.purpose);
        q.person
            .consents
            .iter()
            .filter(move |c| c.window.holds(q.time) && c.purpose.as_deref().is_some_and(|broad| covers(broad, purpose)))
    }

    /// Whether such consents cover anything asked for; where nothing is asked, whether there is one.
    fn covers_something(&self, meant: impl Fn(&Consent) -> bool) -> bool {
        let covers = |consent: &Consent| match consent.categories {
            None => true,
            Some(set) if self.q.categories.is_empty() => !set.is_empty(),
            Some(set) => self.q.categories.iter().any(|name| self.reading.names(set).contains(*name)),
        };
        self.consents().filter(|consent| meant(consent)).any(covers)
    }

    /// What the consents that the answer rests on cover.
    fn reach(&self, basis: &str) -> Reach {
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

    // --- (e) ---------------------------------------------------------------------------------------------------------

    /// What the applicable permits give: of each category the most revealing form.
    fn given(&self, basis: &str, withheld: &Names) -> Forms {
        let mut given = Forms::new();
        for rule in self.rules.iter().filter(|r| r.bases.contains(basis) && self.unmet(r).is_empty()) {
            for (category, form) in &rule.forms {
                let there = given.entry(category.clone()).or_insert(*form);
                *there = (*there).max(*form);
            }
        }
        let reach = self.reach(basis);
        given.retain(|category, _| reach.has(category) && !withheld.contains(category));
        if let Some(dataset) = self.q.dataset {
            let items = self.items(dataset);
            given = given.into_iter().filter_map(|(c, form)| items.get(&c).map(|most| (c, form.min(*most)))).collect();
        }
        given
    }

    /// What a certified route holds at most.
    fn items(&self, dataset: Dataset) -> Forms {
        let reading = self.reading;
        match dataset {
            Dataset::Statistical => reading.beneath("aggregate").into_iter().map(|c| (c, Form::Clear)).collect(),
            Dataset::Anonymised => {
                let published = reading.document.datasets.iter().find(|d| d.id.text == "anonymised");
                published.map(|d| reading.view(&d.view.text)).unwrap_or_default()
            }
        }
    }

    fn capped(&self, basis: &str, given: &Forms) -> Forms {
        let to = self.candidate.recipient.as_deref().unwrap_or("");
        let act = |name: &str| self.reading.vocabulary.act(name);
        let mut capped = given.clone();
        for ban in &self.reading.bans {
            let lifted = ban.unless.as_ref().is_some_and(|(unless, cited)| {
                let same = |cited: &String| self.q.act.and_then(act).is_some_and(|a| act(cited) == Some(a));
                unless == basis && cited.as_ref().is_none_or(same)
            });
            let here = ban.purposes.as_ref().is_none_or(|p| p.iter().any(|broad| covers(broad, self.purpose)))
                && ban.to.as_ref().is_none_or(|names| names.contains(to));
            if here && !lifted {
                for (_, form) in capped.iter_mut().filter(|(category, _)| ban.data.contains(*category)) {
                    *form = (*form).min(ban.cap);
                }
            }
        }
        // The credential goes to nobody; level `specific` to the person, not to an agent.
        let agent = self.q.organization == Some("principal") && !self.is_own_record();
        capped.retain(|category, form| {
            *form != Form::Withheld
                && category != law::CREDENTIAL
                && !(agent && self.reading.specific.contains(category))
        });
        capped
    }

    /// What may not leave beside what is released.
    fn apart(&self, capped: &Forms) -> Names {
        let leaves = |names: &Names| self.q.categories.iter().any(|c| capped.contains_key(*c) && names.contains(*c));
        let bites = self.reading.aparts.iter().filter(|(_, beside)| leaves(beside));
        bites.flat_map(|(withhold, _)| withhold.iter().cloned()).collect()
    }

    fn released(&self, basis: &str, withheld: &Names) -> Result<Forms, Reasons> {
        let q = self.q;
        if q.action == Action::Delete {
            return Ok(Forms::new());
        }
        let given = self.given(basis, withheld);
        let capped = self.capped(basis, &given);
        let apart = self.apart(&capped);
        let open: Forms = capped.iter().filter(|(c, _)| !apart.contains(*c)).map(|(c, f)| (c.clone(), *f)).collect();
        let clear = |name: &&str| open.get(*name) == Some(&Form::Clear);
        let released: Forms =
            open.iter().filter(|(c, _)| q.categories.contains(&c.as_str())).map(|(c, f)| (c.clone(), *f)).collect();
        let lacking: Vec<&&str> = match q.action.writes() {
            true => q.categories.iter().filter(|name| !clear(name)).collect(),
            false if released.is_empty() => q.categories.iter().collect(),
            false => Vec::new(),
        };
        let mut reasons = Reasons::new();
        for name in lacking {
            let banned = given.get(*name).is_some_and(|form| match q.action.writes() {
                true => *form == Form::Clear,
                false => true,
            });
            let never = self.reading.specific.contains(*name) || *name == law::CREDENTIAL || apart.contains(*name);
            // On a write: what a forbid took away altogether, too.
            let taken = given.contains_key(*name) && !open.contains_key(*name);
            reasons.insert(if never || banned || taken { Reason::Prohibited } else { Reason::CategoryNotPermitted });
        }
        if q.categories.is_empty() {
            reasons.insert(Reason::CategoryNotPermitted);
        }
        if q.action.releases() && !q.query.iter().all(|name| clear(&name)) {
            reasons.insert(Reason::SearchNotPermitted);
        }
        if reasons.is_empty() { Ok(released) } else { Err(reasons) }
    }

    fn obligations(&self, basis: &str, release: &Forms) -> BTreeSet<&'static str> {
        let q = self.q;
        let provided = q.action.releases() && !matches!(self.kind(), "internal" | "principal");
        let gives = |rule: &Rule| release.keys().any(|category| rule.forms.contains_key(category));
        let asked_by_rule = self.rules.iter().any(|rule| {
            rule.bases.contains(basis)
                && self.unmet(rule).is_empty()
                && rule.needs.contains("review")
                && (q.action == Action::Delete || gives(rule))
        });
        let review = law::asks_for_reason(basis) || self.purpose == "exception" || asked_by_rule;
        let told = q.action == Action::Create && self.reading.condition("notify").is_some();
        let all = [
            (provided, "record-provision"),
            (provided && self.is_abroad(), "record-overseas-provision"),
            (review, "review"),
            (told, "notify-principal"),
        ];
        all.into_iter().filter(|(so, _)| *so).map(|(_, name)| name).collect()
    }
}

/// What consents cover.
enum Reach {
    All,
    Only(Names),
}

impl Reach {
    fn and(self, other: Reach) -> Reach {
        match (self, other) {
            (Reach::All, reach) | (reach, Reach::All) => reach,
            (Reach::Only(a), Reach::Only(b)) => Reach::Only(a.intersection(&b).cloned().collect()),
        }
    }

    fn has(&self, category: &str) -> bool {
        match self {
            Reach::All => true,
            Reach::Only(names) => names.contains(category),
        }
    }

    /// Whether nothing asked for is covered.
    fn is_empty_for(&self, q: &Question<'_>) -> bool {
        match (self, q.categories) {
            (Reach::All, _) => false,
            (Reach::Only(names), []) => names.is_empty(),
            (Reach::Only(names), asked) => !asked.iter().any(|name| names.contains(*name)),
        }
    }
}
