//! What do bases, restrictions and requests mean, whatever the policy? The articles, as tables of words.

use super::{Forms, Names, Reading, Rule};
use crate::policy::Form;

/// Released to nobody.
pub(super) const CREDENTIAL: &str = "identity.credential";
/// Level `specific`.
pub(super) const MY_NUMBER: &str = "identity.my-number";

/// Recipients that every policy has; each is named after its kind.
pub(super) const RECIPIENTS: [&str; 7] =
    ["internal", "principal", "authority", "third-party", "third-party-overseas", "contractor", "successor"];

pub(super) const KINDS: [&str; 11] = [
    "internal",
    "principal",
    "family",
    "contractor",
    "successor",
    "joint-user",
    "third-party",
    "third-party-overseas",
    "authority",
    "academic",
    "public",
];

pub(super) const BASES: [&str; 14] = [
    "stated-purpose",
    "implied-consent",
    "consent",
    "law",
    "vital-interest",
    "public-health",
    "government-cooperation",
    "academic-research",
    "outsourcing",
    "joint-use",
    "succession",
    "principal-request",
    "anonymised",
    "statistical",
];

pub(super) const REQUESTS: [&str; 9] = [
    "disclosure",
    "provision-records",
    "notification",
    "correction",
    "addition",
    "deletion",
    "erasure",
    "stop-use",
    "stop-third-party-provision",
];

/// Art. 27(1): an exception is its own basis of art. 28 too.
pub(super) fn is_statutory(basis: &str) -> bool {
    matches!(basis, "law" | "vital-interest" | "public-health" | "government-cooperation" | "academic-research")
}

/// The bases whose proof is a written reason; a person looks at each afterwards.
pub(super) fn asks_for_reason(basis: &str) -> bool {
    matches!(basis, "vital-interest" | "public-health" | "government-cooperation")
}

/// The basis that need not be declared for a recipient of this kind.
pub(super) fn implied_for(kind: &str) -> Option<&'static str> {
    match kind {
        "internal" => Some("stated-purpose"),
        "principal" => Some("principal-request"),
        "contractor" => Some("outsourcing"),
        "joint-user" => Some("joint-use"),
        "successor" => Some("succession"),
        _ => None,
    }
}

/// Whether a restriction stops a recipient of this kind, leaving aside what beats it. One that is not known stops all.
pub(super) fn stops(restriction: &str, kind: &str) -> bool {
    match restriction {
        "stop-third-party-provision" => {
            matches!(kind, "third-party" | "third-party-overseas" | "academic" | "family" | "authority" | "public")
        }
        "stop-use" | "erased" => kind != "principal",
        _ => true,
    }
}

/// Whether the basis beats the restriction, or (`objection`) an objection.
pub(super) fn beats(basis: &str, restriction: &str) -> bool {
    match basis {
        "law" | "principal-request" => true,
        "vital-interest" => matches!(restriction, "stop-third-party-provision" | "objection"),
        _ => false,
    }
}

/// Under the purpose `exception`: the kinds that staff may provide to under this basis.
fn exception_to(basis: &str) -> &'static [&'static str] {
    match basis {
        "law" | "government-cooperation" => &["authority"],
        "vital-interest" => &["authority", "third-party", "third-party-overseas", "family"],
        "public-health" => &["authority", "third-party", "academic"],
        "academic-research" => &["academic"],
        _ => &[],
    }
}

/// Under the purpose `exception`: the kinds that may declare it for themselves.
fn exception_by(basis: &str) -> &'static [&'static str] {
    match basis {
        "law" | "government-cooperation" => &["authority"],
        "academic-research" => &["academic"],
        _ => &[],
    }
}

impl Reading<'_> {
    fn of_kind(&self, kinds: &[&str]) -> Names {
        self.kinds.iter().filter(|(_, kind)| kinds.contains(*kind)).map(|(id, _)| id.clone()).collect()
    }

    /// All in clear, but for what is named.
    fn all_but(&self, guarded: &[&str]) -> Forms {
        let open = self.vocabulary.names().filter(|name| !guarded.contains(name));
        open.map(|name| (name.to_owned(), Form::Clear)).collect()
    }

    /// The purpose `exception`, per basis that the organisation has.
    pub(super) fn exceptions(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (basis, _) in &self.document.exception {
            for (kinds, staff) in [(exception_to(&basis.text), true), (exception_by(&basis.text), false)] {
                rules.push(Rule {
                    purpose: "exception".to_owned(),
                    to: self.of_kind(kinds),
                    bases: Names::from([basis.text.clone()]),
                    needs: Names::new(),
                    staff: Some(staff),
                    dataset: None,
                    forms: self.all_but(&[CREDENTIAL]),
                });
            }
        }
        rules
    }

    /// The principal's requests: the person, and staff who fetch for the person, under each one's own list; staff who
    /// handle it inside under the row `rest`.
    pub(super) fn requests(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for request in REQUESTS {
            let purpose = format!("principal-request.{request}");
            let own = match request {
                "disclosure" => self.all_but(&[CREDENTIAL]),
                "provision-records" => Forms::from([("record.provision".to_owned(), Form::Clear)]),
                "correction" | "addition" | "deletion" | "erasure" => self.all_but(&[CREDENTIAL, MY_NUMBER]),
                _ => Forms::new(),
            };
            let rest = self.all_but(&[CREDENTIAL, MY_NUMBER]);
            let fetched: Forms =
                own.iter().filter(|(name, _)| *name != MY_NUMBER).map(|(n, f)| (n.clone(), *f)).collect();
            for (to, basis, staff, forms) in [
                ("principal", "principal-request", false, own),
                ("principal", "principal-request", true, fetched),
                ("internal", "stated-purpose", true, rest),
            ] {
                rules.push(Rule {
                    purpose: purpose.clone(),
                    to: Names::from([to.to_owned()]),
                    bases: Names::from([basis.to_owned()]),
                    needs: Names::new(),
                    staff: Some(staff),
                    dataset: None,
                    forms,
                });
            }
        }
        rules
    }
}
