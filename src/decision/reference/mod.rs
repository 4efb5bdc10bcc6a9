//! What does the document say, read slowly? The reference reading, for tests only: names as texts, sets as ordered sets.
//!
//! Nothing here is fast and nothing is shared with [`decide`](super::decide): the document is read again, by its words
//! alone, and what the bases, the restrictions and the principal's requests mean stands here a second time, from the
//! articles of the Act and not from `vocabulary.toml`. `tests/decision/` holds the two readings against each other over
//! every cell of the five policies, and over generated ones.
//!
//! 1. [`Reading`]: the document with its selectors spelt out.
//! 2. [`Question`]: what is asked, by name.
//! 3. [`Reading::answer`]: the groups of the specification, one after the other.

mod answer;
mod law;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::Reason;
use crate::policy::document::Document;
use crate::policy::facts::{Person, Register};
use crate::policy::reader::Text;
use crate::policy::{Action, Categories, Dataset, Form, Moment, Vocabulary, Window, covers};

/// Names of categories, recipients, purposes or classes.
pub(super) type Names = BTreeSet<String>;
/// A form per category; what is not named is withheld.
pub(super) type Forms = BTreeMap<String, Form>;

/// What is asked, by name.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The caller's id.
    pub caller: &'a str,
    /// The organisation that the caller comes from.
    pub organization: Option<&'a str>,
    /// The caller's roles.
    pub roles: &'a [&'a str],
    /// Whether the identity was verified.
    pub verified: bool,
    /// First moment at which the training no longer holds.
    pub training_until: Option<Moment>,
    /// What is to be done.
    pub action: Action,
    /// The record.
    pub record: &'a str,
    /// The class of the person that it is about.
    pub class: Option<&'a str>,
    /// That person.
    pub subject: Option<&'a str>,
    /// What the route is certified as.
    pub dataset: Option<Dataset>,
    /// The categories asked for.
    pub categories: &'a [&'a str],
    /// The categories searched on.
    pub query: &'a [&'a str],
    /// The declared purpose.
    pub purpose: Option<&'a str>,
    /// The declared basis.
    pub basis: Option<&'a str>,
    /// The declared recipient.
    pub recipient: Option<&'a str>,
    /// The declared organisation.
    pub for_organization: Option<&'a str>,
    /// Whether a written reason is given.
    pub reason: bool,
    /// Whether a reference is given.
    pub reference: bool,
    /// The act cited.
    pub act: Option<&'a str>,
    /// Whether the source of written data is named.
    pub source: bool,
    /// When.
    pub time: Moment,
    /// The organisations on file.
    pub register: &'a Register,
    /// What is on file about the person.
    pub person: &'a Person,
}

/// What the document answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether it permits.
    pub decision: bool,
    /// The categories released, by name; withheld ones are not named.
    pub release: BTreeMap<String, Form>,
    /// The recipient, where it is resolved.
    pub recipient: Option<String>,
    /// The basis of a permit.
    pub basis: Option<String>,
    /// Why not.
    pub reasons: BTreeSet<Reason>,
    /// What goes with it.
    pub obligations: BTreeSet<&'static str>,
}

/// A permit for one purpose, with its selectors spelt out. What the Act gives (requests, exceptions) takes the same shape.
pub(super) struct Rule {
    purpose: String,
    to: Names,
    bases: Names,
    needs: Names,
    /// `Some(true)`: only staff may use it; `Some(false)`: only the recipient itself.
    staff: Option<bool>,
    dataset: Option<Dataset>,
    forms: Forms,
}

pub(super) struct Ban {
    purposes: Option<Names>,
    to: Option<Names>,
    data: Names,
    cap: Form,
    unless: Option<(String, Option<String>)>,
}

/// A document, read by its words.
pub struct Reading<'d> {
    document: &'d Document,
    vocabulary: &'d Vocabulary,
    zone: TimeZone,
    kinds: BTreeMap<String, &'static str>,
    /// Every purpose that can be declared.
    purposes: Names,
    /// The rules, by purpose.
    rules: BTreeMap<String, Vec<Rule>>,
    bans: Vec<Ban>,
    aparts: Vec<(Names, Names)>,
    specific: Names,
    /// The revision's first moment, as far as it says so itself; `None`: never, for it cannot be read.
    begins: Option<Moment>,
}

impl<'d> Reading<'d> {
    /// Reads a document that has no fault: what a fault would name is passed over here.
    pub fn new(document: &'d Document, vocabulary: &'d Vocabulary) -> Reading<'d> {
        let mut reading = Reading {
            document,
            vocabulary,
            zone: TimeZone::get(&document.meta.time_zone.text).unwrap_or(TimeZone::UTC),
            kinds: kinds(document),
            purposes: declarable(document),
            rules: BTreeMap::new(),
            bans: Vec::new(),
            aparts: Vec::new(),
            specific: Names::new(),
            begins: None,
        };
        reading.begins = reading.first_moment();
        reading.specific = reading.select("level:specific");
        for rule in reading.permits().into_iter().chain(reading.requests()).chain(reading.exceptions()) {
            reading.rules.entry(rule.purpose.clone()).or_default().push(rule);
        }
        reading.bans = reading.forbids();
        reading.aparts = reading.pairs_apart();
        reading
    }

    /// Names of a set of the vocabulary's.
    fn names(&self, set: Categories) -> Names {
        set.iter().map(|category| self.vocabulary.name(category).to_owned()).collect()
    }

    /// Every category at or beneath a name.
    fn beneath(&self, name: &str) -> Names {
        self.vocabulary.names().filter(|leaf| covers(name, leaf)).map(str::to_owned).collect()
    }

    /// What a selector names. A wide one never reaches level `specific` nor `identity.credential`.
    fn select(&self, selector: &str) -> Names {
        if let Some(level) = selector.strip_prefix("level:") {
            return self.vocabulary.level(level).map(|set| self.names(set)).unwrap_or_default();
        }
        if self.vocabulary.names().any(|leaf| leaf == selector) {
            return Names::from([selector.to_owned()]);
        }
        let mut wide = match selector.strip_suffix(".*").unwrap_or(selector) {
            "*" => self.vocabulary.names().map(str::to_owned).collect(),
            name => self.beneath(name),
        };
        wide.retain(|name| name != law::CREDENTIAL && name != law::MY_NUMBER);
        wide
    }

    fn select_all(&self, selectors: &[Text]) -> Names {
        selectors.iter().flat_map(|selector| self.select(&selector.text)).collect()
    }

    /// Recipients: ids, `kind:…`, `*`; `!` means all others.
    fn recipients(&self, words: &[Text]) -> Names {
        let meant = |word: &str, id: &String, kind: &str| match word.strip_prefix("kind:") {
            Some(named) => named == kind,
            None => word == "*" || word == id,
        };
        let mut chosen = Names::new();
        for word in words {
            for (id, kind) in &self.kinds {
                let so = match word.text.strip_prefix('!') {
                    Some(not) => !meant(not, id, kind),
                    None => meant(&word.text, id, kind),
                };
                if so {
                    chosen.insert(id.clone());
                }
            }
        }
        chosen
    }

    /// The forms of a view; of several for one category the most revealing.
    fn view(&self, name: &str) -> Forms {
        let mut forms = Forms::new();
        let Some(view) = self.document.views.iter().find(|view| view.id.text == name) else { return forms };
        for (form, selectors) in
            [Form::Masked, Form::Generalised, Form::Pseudonymised, Form::Clear].into_iter().zip(&view.forms)
        {
            for category in self.select_all(selectors) {
                let there = forms.entry(category).or_insert(form);
                *there = form.max(*there);
            }
        }
        forms
    }

    /// The name of the view of a purpose: its own, or that of the nearest above it.
    fn row(&self, purpose: &str) -> Option<&'d str> {
        let mut name = purpose;
        loop {
            let stated = self.document.purposes.iter().find(|p| p.id.text == name);
            if let Some(view) = stated.and_then(|p| p.view.as_ref()) {
                return Some(&view.text);
            }
            name = name.rsplit_once('.')?.0;
        }
    }

    fn permits(&self) -> Vec<Rule> {
        let stated = |name: &&String| self.document.purposes.iter().any(|p| p.id.text == **name);
        let mut rules = Vec::new();
        for permit in &self.document.permits {
            let named = |purpose: &String| {
                permit.purposes.iter().any(|p| match (p.text.as_str(), permit.exact) {
                    ("stated", _) => true,
                    (name, true) => name == purpose,
                    (name, false) => covers(name, purpose),
                })
            };
            let left_out = |purpose: &String| permit.except.iter().any(|p| covers(&p.text, purpose));
            for purpose in self.purposes.iter().filter(stated).filter(|p| named(p) && !left_out(p)) {
                let view = permit.view.as_ref().map(|own| own.text.as_str()).or_else(|| self.row(purpose));
                rules.push(Rule {
                    purpose: purpose.clone(),
                    to: self.recipients(&permit.to),
                    bases: permit.bases.iter().map(|b| b.text.clone()).collect(),
                    needs: permit.needs.iter().map(|n| n.text.clone()).collect(),
                    staff: None,
                    dataset: permit.dataset.as_ref().and_then(|d| Dataset::from_name(&d.text)),
                    forms: view.map(|view| self.view(view)).unwrap_or_default(),
                });
            }
        }
        rules
    }

    fn forbids(&self) -> Vec<Ban> {
        let read = |forbid: &crate::policy::document::Forbid| Ban {
            purposes: (!forbid.purposes.is_empty()).then(|| forbid.purposes.iter().map(|p| p.text.clone()).collect()),
            to: (!forbid.to.is_empty()).then(|| self.recipients(&forbid.to)),
            data: self.select_all(&forbid.data),
            cap: forbid.form.as_ref().and_then(|f| Form::from_name(&f.text)).unwrap_or(Form::Withheld),
            unless: forbid
                .unless_basis
                .as_ref()
                .map(|basis| (basis.text.clone(), forbid.unless_act.as_ref().map(|act| act.text.clone()))),
        };
        self.document.forbids.iter().map(read).collect()
    }

    fn pairs_apart(&self) -> Vec<(Names, Names)> {
        let beside = |names: &[Text]| {
            // Any of the subtree, what has to be named elsewhere too.
            names.iter().flat_map(|n| self.select(&n.text).into_iter().chain(self.beneath(&n.text))).collect()
        };
        self.document.aparts.iter().map(|a| (self.select_all(&a.withhold), beside(&a.beside))).collect()
    }

    /// Announced and effective: both have to have come.
    fn first_moment(&self) -> Option<Moment> {
        let meta = &self.document.meta;
        let mut first = Moment::MIN;
        for written in [&meta.announced, &meta.effective].into_iter().flatten() {
            first = first.max(Window::read(Some(&written.text), None, &self.zone).ok()?.from);
        }
        Some(first)
    }

    fn condition(&self, name: &str) -> Option<&'d crate::policy::document::Condition> {
        self.document.conditions.iter().find(|c| c.id.text == name)
    }
}

/// Each recipient id with its kind: the document's, and those that every policy has.
fn kinds(document: &Document) -> BTreeMap<String, &'static str> {
    let mut kinds: BTreeMap<String, &'static str> = law::RECIPIENTS.into_iter().map(|id| (id.to_owned(), id)).collect();
    for recipient in &document.recipients {
        if let Some(kind) = law::KINDS.into_iter().find(|kind| *kind == recipient.kind.text) {
            kinds.insert(recipient.id.text.clone(), kind);
        }
    }
    kinds
}

fn declarable(document: &Document) -> Names {
    let stated = document.purposes.iter().filter(|p| !p.grouping).map(|p| p.id.text.clone());
    let requests = law::REQUESTS.into_iter().map(|request| format!("principal-request.{request}"));
    stated.chain(requests).chain(["exception".to_owned()]).collect()
}
