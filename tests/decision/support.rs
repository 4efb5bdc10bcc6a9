//! Policies with their documents, requests by name, and facts on which as much as possible is permitted.

use std::collections::BTreeSet;
use std::sync::Arc;

use sekisho::decision::reference::{Answer, Question, Reading};
use sekisho::decision::{Caller, Named, Permit, Refusal, Request, decide};
use sekisho::policy::document::Document;
use sekisho::policy::facts::{
    Approval, Consent, Informed, Objection, Organization, Overseas, Person, Register, Relation,
};
use sekisho::policy::{Action, Categories, Form, Moment, Policy, Source, Vocabulary, Window, compile, instant};

/// The five organisations.
pub(super) const ORGS: [&str; 5] = ["jsco", "jmdp", "22cemit", "cellspect", "sakura"];

/// A policy, compiled and as written.
pub(super) struct Loaded {
    pub policy: Policy,
    pub document: Document,
    pub vocabulary: Arc<Vocabulary>,
}

impl Loaded {
    pub(super) fn from_text(name: &str, text: &str) -> Loaded {
        let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
        let policy = compile(Source::new(name, text), &vocabulary).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
        let (document, _) = Document::read(Source::new(name, text));
        Loaded { policy, document, vocabulary }
    }

    pub(super) fn of(org: &str) -> Loaded {
        Loaded::from_text(org, &text_of(org))
    }

    pub(super) fn reading(&self) -> Reading<'_> {
        Reading::new(&self.document, &self.vocabulary)
    }
}

/// The text of an organisation's policy.
pub(super) fn text_of(org: &str) -> String {
    let path = format!("{}/policy/{org}/policy.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

pub(super) fn at(text: &str) -> Moment {
    instant(text).unwrap()
}

/// The same question for the judge: names resolved by the policy, as the evaluation of a request does.
pub(super) fn request<'a>(q: &Question<'a>, policy: &Policy) -> Request<'a> {
    let vocabulary = &policy.vocabulary;
    let set = |names: &[&str]| names.iter().filter_map(|n| vocabulary.category(n)).collect::<Categories>();
    let unknown = |names: &[&str]| names.iter().any(|n| vocabulary.category(n).is_none());
    Request {
        caller: Caller {
            id: q.caller,
            organization: q.organization,
            roles: policy.roles_of(q.roles.iter().copied()),
            verified: q.verified,
            training_until: q.training_until,
        },
        action: q.action,
        record: q.record,
        class: Named::from(q.class.map(|name| vocabulary.class(name))),
        subject: q.subject,
        dataset: q.dataset,
        asked: set(q.categories),
        asked_unknown: unknown(q.categories),
        query: set(q.query),
        query_unknown: unknown(q.query),
        purpose: Named::from(q.purpose.map(|name| policy.purpose_id(name))),
        basis: Named::from(q.basis.map(|name| vocabulary.basis_id(name))),
        recipient: Named::from(q.recipient.map(|name| policy.recipient_id(name))),
        organization: q.for_organization,
        reason: q.reason,
        reference: q.reference,
        act: Named::from(q.act.map(|name| vocabulary.act(name))),
        source: q.source,
        time: q.time,
        register: q.register,
        person: Some(q.person),
    }
}

/// A decision in the reference reading's words.
pub(super) fn in_words(policy: &Policy, decision: &Result<Permit, Refusal>) -> Answer {
    let name = |id| policy.recipient(id).unwrap().name.clone();
    match decision {
        Ok(permit) => {
            let leaves = policy.vocabulary.all();
            let forms = leaves.iter().map(|c| (policy.vocabulary.name(c).to_owned(), permit.release().form(c)));
            Answer {
                decision: true,
                release: forms.filter(|(_, form)| *form != Form::Withheld).collect(),
                recipient: Some(name(permit.recipient())),
                basis: policy.vocabulary.basis(permit.basis()).map(|b| b.name.clone()),
                reasons: BTreeSet::new(),
                obligations: permit.obligations().names().collect(),
            }
        }
        Err(refusal) => Answer {
            recipient: refusal.recipient.map(name),
            reasons: refusal.reasons.iter().collect(),
            obligations: refusal.obligations.names().collect(),
            ..Answer::default()
        },
    }
}

/// Where the two readings differ, in words.
pub(super) fn difference(policy: &Policy, reading: &Reading<'_>, q: &Question<'_>) -> Result<Answer, String> {
    let decision = decide(policy, &request(q, policy));
    let (judged, read) = (in_words(policy, &decision), reading.answer(q));
    if let Err(refusal) = &decision {
        assert!(!refusal.reasons.is_empty(), "a refusal without a reason: {}", told(q));
        assert!(refusal.clauses.iter().next().is_some(), "a refusal without a clause: {}", told(q));
    }
    if let Ok(permit) = &decision {
        assert!(permit.clauses().iter().next().is_some(), "a permit without a clause: {}", told(q));
    }
    if judged == read { Ok(read) } else { Err(format!("{}\n  judge     {judged:?}\n  reference {read:?}", told(q))) }
}

/// What a permit may tell of besides is what could have been searched on too, with the same answer: by the slow reading, one
/// category after the other.
pub(super) fn tells_as_a_search_would(policy: &Policy, reading: &Reading<'_>, q: &Question<'_>) {
    let Ok(permit) = decide(policy, &request(q, policy)) else { return };
    let plain = reading.answer(q);
    for category in policy.vocabulary.all().iter() {
        let name = policy.vocabulary.name(category);
        let query: Vec<&str> = q.query.iter().copied().chain([name]).collect();
        let searched = reading.answer(&Question { query: &query, ..*q });
        let same = q.action.releases() && searched.decision && searched.release == plain.release;
        assert_eq!(permit.told().contains(category), same, "{name}: {}", told(q));
    }
}

/// A question, for a message.
pub(super) fn told(q: &Question<'_>) -> String {
    format!(
        "{} {:?}: caller {} of {:?} as {:?}, for {:?} {:?}, basis {:?}, class {:?}, subject {:?}, dataset {:?}, asks {:?}, query {:?}, act {:?}",
        q.action.name(),
        q.purpose,
        q.caller,
        q.organization,
        q.roles,
        q.recipient,
        q.for_organization,
        q.basis,
        q.class,
        q.subject,
        q.dataset.map(|d| d.name()),
        q.categories,
        q.query,
        q.act,
    )
}

/// What is on file, and what the request shows besides who asks for what.
#[derive(Clone)]
pub(super) struct Facts {
    pub organizations: Vec<Organization>,
    pub approvals: Vec<Approval>,
    pub person: Person,
    pub register: Register,
}

impl Facts {
    /// The same with a change.
    pub(super) fn but(&self, change: impl FnOnce(&mut Facts)) -> Facts {
        let mut facts = self.clone();
        change(&mut facts);
        facts.register = Register::new(facts.organizations.clone(), facts.approvals.clone());
        facts
    }
}

/// The moment of every question, if it says no other.
pub(super) const NOW: &str = "2026-11-22T09:00:00+09:00";

/// An organisation of every recipient id, entrusted and approved for everything; consents to everything; every relation.
pub(super) fn good(loaded: &Loaded) -> Facts {
    let year = Window { from: at("2026-01-01T00:00:00+09:00"), until: at("2027-01-01T00:00:00+09:00") };
    let purposes: Vec<String> = loaded.document.purposes.iter().map(|p| p.id.text.clone()).collect();
    let mut organizations = Vec::new();
    let mut approvals = Vec::new();
    for (_, recipient) in loaded.policy.recipients() {
        let id = format!("org-{}", recipient.name);
        organizations.push(Organization {
            id: id.clone(),
            recipient: recipient.name.clone(),
            country: Some(if recipient.overseas { "US" } else { "JP" }.to_owned()),
            window: year,
            purposes: Some(purposes.clone()),
            overseas: recipient.overseas.then_some((Overseas::EquivalentSystem, year.until)),
        });
        for purpose in &purposes {
            approvals.push(Approval { organization: id.clone(), purpose: Some(purpose.clone()), window: year });
        }
    }
    let consent = |purpose: &String| Consent {
        purpose: Some(purpose.clone()),
        recipient: None,
        organization: None,
        categories: None,
        window: year,
    };
    let relation = |kind: &str, organization: Option<&str>, person: Option<&str>| Relation {
        kind: kind.to_owned(),
        organization: organization.map(str::to_owned),
        person: person.map(str::to_owned),
        records: None,
        window: year,
    };
    let person = Person {
        consents: purposes.iter().map(consent).collect(),
        relations: vec![
            relation("agent", None, Some("agent-1")),
            relation("family-contact", None, None),
            relation("commissioned-exam", Some("org-employer"), None),
            relation("commissioned-exam", Some("org-commissioner"), None),
        ],
        informed: purposes.iter().map(|p| Informed { purpose: p.clone(), at: year.from }).collect(),
        ..Person::default()
    };
    let register = Register::new(organizations.clone(), approvals.clone());
    Facts { organizations, approvals, person, register }
}

/// An objection to anything, narrowed by the caller.
pub(super) fn objection() -> Objection {
    Objection { purpose: None, recipient: None, categories: None, window: Window::ALWAYS }
}

/// A question with everything shown that a proof may ask for.
pub(super) fn question<'a>(facts: &'a Facts) -> Question<'a> {
    Question {
        caller: "caller-1",
        organization: None,
        roles: &[],
        verified: true,
        training_until: None,
        action: Action::Read,
        record: "record-1",
        class: None,
        subject: Some("person-1"),
        dataset: None,
        categories: &[],
        query: &[],
        purpose: None,
        basis: None,
        recipient: None,
        for_organization: None,
        reason: true,
        reference: true,
        act: Some("番号法"),
        source: true,
        time: at(NOW),
        register: &facts.register,
        person: &facts.person,
    }
}

/// Small, repeatable randomness (xorshift64*): a failure prints the seed that shows it again.
pub(super) struct Dice(u64);

impl Dice {
    /// From `SEKISHO_SEED`, else from the clock; the seed is printed.
    pub(super) fn thrown(what: &str) -> Dice {
        let given = std::env::var("SEKISHO_SEED").ok().and_then(|s| s.parse().ok());
        let clock =
            || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
        let seed: u64 = given.unwrap_or_else(clock).max(1);
        println!("{what}: SEKISHO_SEED={seed}");
        Dice(seed)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }

    pub(super) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}
