//! Does the document mean something, and what? Names are resolved, rules expanded into cells, assertions checked.
//!
//! Every fault is reported; a policy with any is not built.

mod rules;
mod words;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::category::Categories;
use super::document::Document;
use super::fault::{Faults, Source};
use super::form::Release;
use super::kind::{Dataset, read_kinds};
use super::moment::{Window, start};
use super::reader::{Reader, Text};
use super::table::{ClauseId, Conditions, Policy, PurposeId, Recipient, RecipientId};
use super::vocabulary::Vocabulary;

/// Reads and compiles one revision.
///
/// # Errors
/// Every fault of the document.
pub fn compile(source: Source, vocabulary: &Arc<Vocabulary>) -> Result<Policy, Faults> {
    let (document, mut faults) = Document::read(source);
    if !document.is_toml {
        return Err(faults);
    }
    let compiler = Compiler::new(&document, vocabulary);
    let policy = compiler.policy(vocabulary);
    faults.0.extend(compiler.reader.faults().0);
    if faults.is_empty() { Ok(policy) } else { Err(faults) }
}

struct Compiler<'d> {
    document: &'d Document,
    vocabulary: &'d Vocabulary,
    reader: Reader,
    zone: TimeZone,
    clauses: HashMap<&'d str, ClauseId>,
    views: HashMap<&'d str, (Release, bool)>,
}

impl<'d> Compiler<'d> {
    fn new(document: &'d Document, vocabulary: &'d Vocabulary) -> Compiler<'d> {
        let reader = Reader::new(document.source.clone());
        let mut clauses = HashMap::new();
        for (index, clause) in (0u16..).zip(&document.clauses) {
            if clauses.insert(clause.id.text.as_str(), ClauseId(index)).is_some() {
                reader.fault(clause.id.span.clone(), format!("clause `{}` stands twice", clause.id.text), None);
            }
        }
        let zone = TimeZone::get(&document.meta.time_zone.text).unwrap_or_else(|_| {
            let zone = &document.meta.time_zone;
            reader.fault(
                zone.span.clone(),
                format!("unknown time zone `{}`", zone.text),
                Some("e.g. `Asia/Tokyo`".into()),
            );
            TimeZone::UTC
        });
        let mut this = Compiler { document, vocabulary, reader, zone, clauses, views: HashMap::new() };
        for view in &document.views {
            let compiled = this.view(view);
            if this.views.insert(&view.id.text, compiled).is_some() {
                this.twice("view", &view.id);
            }
        }
        this
    }

    fn twice(&self, what: &str, id: &Text) {
        self.reader.fault(id.span.clone(), format!("{what} `{}` stands twice", id.text), None);
    }

    fn policy(&self, vocabulary: &Arc<Vocabulary>) -> Policy {
        let purposes = self.purposes();
        let purpose_ids: HashMap<String, PurposeId> =
            (0u32..).map(PurposeId).zip(&purposes).map(|(id, p)| (p.name.clone(), id)).collect();
        let recipients = self.recipients();
        let recipient_ids =
            (0u16..).map(RecipientId).zip(&recipients).map(|(id, r): (_, &Recipient)| (r.name.clone(), id)).collect();
        let mut policy = Policy {
            vocabulary: Arc::clone(vocabulary),
            document: self.document.clone(),
            digest: hex(&Sha256::digest(self.document.source.text.as_bytes())),
            zone: self.zone.clone(),
            in_force: self.in_force(),
            clauses: self.document.clauses.iter().map(|c| c.id.text.clone()).collect(),
            purposes,
            purpose_ids,
            recipients,
            recipient_ids,
            roles: Vec::new(),
            rules: Vec::new(),
            cells: Vec::new(),
            grants: Vec::new(),
            caps: Vec::new(),
            aparts: Vec::new(),
            opt_outs: Vec::new(),
            relations: Vec::new(),
            anonymised: Release::NOTHING,
            statistical: Release::clear(self.vocabulary.level("statistical").unwrap_or_default()),
            specific: self.vocabulary.level("specific").unwrap_or_default().or(self.vocabulary.never()),
            conditions: Conditions::default(),
            anonymised_clauses: Vec::new(),
        };
        self.roles(&mut policy);
        self.conditions(&mut policy);
        self.datasets(&mut policy);
        let permits = self.permits(&mut policy);
        let forbids = self.forbids(&mut policy);
        self.aparts(&mut policy);
        self.opt_outs(&mut policy);
        rules::cells(&mut policy, &permits, &forbids);
        super::assertion::check(self.document, &policy, &self.reader);
        policy
    }

    fn in_force(&self) -> Window {
        let meta = &self.document.meta;
        let mut first = i64::MIN;
        for written in [&meta.announced, &meta.effective].into_iter().flatten() {
            match start(&written.text, &self.zone) {
                Ok(moment) => first = first.max(moment),
                Err(_) => self.reader.fault(written.span.clone(), "no date or date-time with offset", None),
            }
        }
        Window { from: first, until: i64::MAX }
    }

    // --- names -------------------------------------------------------------------------------------------------------

    fn cited(&self, names: &[Text]) -> Vec<ClauseId> {
        let mut cited = Vec::new();
        for name in names {
            match self.clauses.get(name.text.as_str()) {
                Some(id) => cited.push(*id),
                None => self.reader.unknown("clause", name, self.clauses.keys().copied()),
            }
        }
        cited
    }

    fn selected(&self, selectors: &[Text]) -> Categories {
        let mut set = Categories::NONE;
        for selector in selectors {
            match self.vocabulary.selector(&selector.text) {
                Some(categories) => set = set.or(categories),
                None => self.reader.unknown("category", selector, self.vocabulary.selectors()),
            }
        }
        set
    }

    fn bases(&self, names: &[Text]) -> u32 {
        let mut bases = 0;
        for name in names {
            match self.vocabulary.basis_id(&name.text) {
                Some(id) => bases |= id.bit(),
                None => self.reader.unknown("basis", name, self.vocabulary.bases.iter().map(|b| b.name.as_str())),
            }
        }
        bases
    }

    fn dataset(&self, name: Option<&Text>) -> Option<Dataset> {
        let name = name?;
        let dataset = Dataset::from_name(&name.text);
        if dataset.is_none() {
            self.reader.unknown("dataset", name, ["anonymised", "statistical"]);
        }
        dataset
    }

    fn purpose_named(&self, policy: &Policy, name: &Text) -> Option<PurposeId> {
        let id = policy.purpose_id(&name.text);
        if id.is_none() {
            self.reader.unknown("purpose", name, policy.purpose_ids.keys().map(String::as_str));
        }
        id
    }
}

/// Recipient ids, `kind:…`, `*`, each possibly with `!` before it (then all others are meant).
pub(super) fn recipients_named(reader: &Reader, policy: &Policy, names: &[Text]) -> Vec<RecipientId> {
    let mut chosen: Vec<RecipientId> = Vec::new();
    for name in names {
        let (negated, word) = match name.text.strip_prefix('!') {
            Some(word) => (true, word),
            None => (false, name.text.as_str()),
        };
        let matches: Vec<RecipientId> = match (word, word.strip_prefix("kind:")) {
            ("*", _) => policy.recipients().map(|(id, _)| id).collect(),
            (_, Some(kind)) => {
                let kinds = read_kinds(reader, &[Text { text: kind.to_owned(), span: name.span.clone() }]);
                policy.recipients().filter(|(_, r)| r.kind.bit() & kinds != 0).map(|(id, _)| id).collect()
            }
            (id, None) => policy.recipient_id(id).into_iter().collect(),
        };
        if matches.is_empty() && !word.starts_with("kind:") {
            reader.unknown("recipient", name, policy.recipient_ids.keys().map(String::as_str));
        }
        chosen.extend(policy.recipients().map(|(id, _)| id).filter(|id| matches.contains(id) != negated));
    }
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
