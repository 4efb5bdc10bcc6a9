//! The groups of the specification, one after the other, for one recipient that the request may be for.

mod proof;
mod release;

use std::collections::BTreeSet;

use super::{Answer, Question, Reading, Rule, law};
use crate::decision::Reason;
use crate::policy::facts::{Organization, Overseas};
use crate::policy::{Action, Dataset, Window, covers};

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
        // Nobody registers the organisation itself, nor the person.
        if matches!(self.kind(), "internal" | "principal") {
            return true;
        }
        let known = matches!(self.kind(), "authority" | "family" | "third-party");
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
        let ground = entry.overseas.filter(|(ground, until)| self.q.time < *until && self.counts_here(*ground));
        match ground {
            Some((Overseas::EquivalentSystem | Overseas::DesignatedCountry, _)) => true,
            Some((Overseas::Consent, _)) => self.covers_something(|consent| self.names_recipient(consent)),
            Some((Overseas::Exception, _)) | None => false,
        }
    }

    /// Whether the clause that names the recipient leaves it this ground of art. 28: where it names grounds, those only.
    fn counts_here(&self, ground: Overseas) -> bool {
        let written =
            self.reading.document.recipients.iter().find(|r| Some(&r.id.text) == self.candidate.recipient.as_ref());
        written.is_none_or(|r| r.overseas_basis.is_empty() || r.overseas_basis.iter().any(|b| b.text == ground.name()))
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
            // The person's own list, whoever names the person; those who handle it look into the record besides.
            return match self.kind() {
                "principal" => handled,
                "internal" => handled || action.releases(),
                _ => action.releases(),
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
}
