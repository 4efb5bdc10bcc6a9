//! How is the vocabulary read? Each part of its document, with every fault; names that others go by come first.

use std::collections::HashMap;

use super::super::category::{Categories, Category};
use super::super::fault::{Faults, Source};
use super::super::kind::{Action, Dataset, Kind, read_kinds};
use super::super::reader::{Reader, Table, Text};
use super::{ActId, Basis, RequestKind, Vocabulary, folded, lift};

/// The compiled-in document.
const COMPILED_IN: &str = include_str!("../../../policy/vocabulary.toml");

impl Vocabulary {
    /// The vocabulary compiled into the binary.
    ///
    /// # Errors
    /// The faults of the document; a test reads it, so that a release cannot have any.
    pub fn compiled_in() -> Result<Vocabulary, Faults> {
        Vocabulary::read(Source::new("vocabulary.toml", COMPILED_IN))
    }

    /// Reads a vocabulary.
    ///
    /// # Errors
    /// Every fault of the document.
    pub fn read(source: Source) -> Result<Vocabulary, Faults> {
        let reader = Reader::new(source);
        let vocabulary = reader.read(Vocabulary::from_table);
        let faults = reader.faults();
        if faults.is_empty() { Ok(vocabulary) } else { Err(faults) }
    }

    fn from_table(root: &Table<'_>) -> Vocabulary {
        let mut this = Vocabulary {
            names: Vec::new(),
            levels: Vec::new(),
            subtrees: HashMap::new(),
            by_name_only: Categories::NONE,
            never: Categories::NONE,
            classes: Vec::new(),
            recipients: Vec::new(),
            bases: Vec::new(),
            restrictions: Vec::new(),
            requests: Vec::new(),
            relations: Vec::new(),
            acts: HashMap::new(),
            act_names: Vec::new(),
            codes: Vec::new(),
        };
        this.read_categories(root);
        if let Some(subject) = root.table("subject") {
            this.classes = subject.texts("classes").into_iter().map(|t| t.text).collect();
            subject.finish();
        }
        this.read_recipients(root);
        this.read_bases(root);
        this.read_restrictions(root);
        this.read_requests(root);
        this.relations = root
            .lists("relation")
            .into_iter()
            .map(|(name, keys)| (name.text, keys.into_iter().map(|k| k.text).collect()))
            .collect();
        this.read_acts(root);
        this.read_codes(root);
        this
    }

    fn read_categories(&mut self, root: &Table<'_>) {
        for (level, leaves) in root.lists("level") {
            let mut of_level = Categories::NONE;
            for leaf in leaves {
                match Category::from_index(self.names.len()) {
                    Some(category) => of_level = of_level.or(category.only()),
                    None => root.reader().fault(leaf.span.clone(), "more than 128 categories", None),
                }
                self.names.push(leaf.text);
            }
            self.levels.push((level.text, of_level));
        }
        for (index, name) in self.names.iter().enumerate() {
            let Some(category) = Category::from_index(index) else { continue };
            for prefix in prefixes(name) {
                let subtree = self.subtrees.entry(prefix.to_owned()).or_default();
                *subtree = subtree.or(category.only());
            }
        }
        if let Some(guarded) = root.table("guarded") {
            self.by_name_only = self.leaves(root, &guarded.texts("by-name-only"));
            self.never = self.leaves(root, &guarded.texts("never"));
            guarded.finish();
        }
    }

    fn leaves(&self, root: &Table<'_>, names: &[Text]) -> Categories {
        let mut set = Categories::NONE;
        for name in names {
            match self.category(&name.text) {
                Some(category) => set = set.or(category.only()),
                None => root.reader().unknown("category", name, self.names.iter().map(String::as_str)),
            }
        }
        set
    }

    fn read_recipients(&mut self, root: &Table<'_>) {
        for (id, kind) in root.lists("recipient") {
            let kinds = read_kinds(root.reader(), &kind);
            match Kind::ALL.into_iter().find(|k| k.bit() == kinds) {
                Some(kind) => self.recipients.push((id.text, kind)),
                None => root.reader().fault(id.span, "a recipient is of exactly one kind", None),
            }
        }
    }

    fn read_bases(&mut self, root: &Table<'_>) {
        for (name, table) in root.named("basis") {
            let proofs = table.texts("proof");
            for proof in &proofs {
                if !["consent", "reference", "reason", "contract"].contains(&proof.text.as_str()) {
                    root.reader().unknown("proof", proof, ["consent", "reference", "reason", "contract"]);
                }
            }
            let proof = |name: &str| proofs.iter().any(|p| p.text == name);
            let dataset = table.text("dataset").and_then(|text| {
                let dataset = Dataset::from_name(&text.text);
                if dataset.is_none() {
                    root.reader().unknown("dataset", &text, ["anonymised", "statistical"]);
                }
                dataset
            });
            let kinds = |key| read_kinds(root.reader(), &table.texts(key));
            self.bases.push(Basis {
                article: table.required("article").text,
                needs_consent: proof("consent"),
                needs_reference: proof("reference"),
                needs_reason: proof("reason"),
                needs_contract: proof("contract"),
                statutory: table.flag("statutory"),
                review: table.flag("review"),
                domestic: table.flag("domestic"),
                implied_by_permit: table.flag("implied-by-permit"),
                dataset,
                implied_for: kinds("implied-for"),
                only_to: kinds("only-to"),
                lifts: read_lifts(root.reader(), &table.texts("lifts")),
                exception_to: kinds("exception-to"),
                exception_by: kinds("exception-by"),
                name: name.text,
            });
            table.finish();
        }
        if self.bases.len() > 32 {
            root.reader().fault(root.span(), "more than 32 bases", None);
        }
    }

    fn read_restrictions(&mut self, root: &Table<'_>) {
        for (name, table) in root.named("restriction") {
            let kinds = read_kinds(root.reader(), &table.texts("stops")) & !Kind::Principal.bit();
            self.restrictions.push((name.text, kinds));
            table.finish();
        }
    }

    fn read_requests(&mut self, root: &Table<'_>) {
        for (name, table) in root.named("request") {
            let mut actions = 0;
            for action in table.texts("actions") {
                match Action::from_name(&action.text) {
                    Some(action) => actions |= action.bit(),
                    None => root.reader().unknown("action", &action, Action::ALL.iter().map(|a| a.name())),
                }
            }
            let mut data = Categories::NONE;
            for selector in table.texts("data") {
                match self.selector(&selector.text) {
                    Some(categories) => data = data.or(categories),
                    None => root.reader().unknown("category", &selector, self.selectors()),
                }
            }
            self.requests.push(RequestKind { name: name.text, actions, data });
            table.finish();
        }
    }

    fn read_acts(&mut self, root: &Table<'_>) {
        for (id, table) in root.named("act") {
            let Ok(index) = u16::try_from(self.act_names.len()) else { break };
            self.acts.insert(folded(&id.text), ActId(index));
            for name in table.texts("names") {
                self.acts.insert(folded(&name.text), ActId(index));
            }
            self.act_names.push(id.text);
            table.finish();
        }
    }

    fn read_codes(&mut self, root: &Table<'_>) {
        let Some(code) = root.table("code") else { return };
        for name in ["hl7", "dpv"] {
            let Some(table) = code.table(name) else { continue };
            let texts = |key| table.texts(key).into_iter().map(|t| t.text).collect();
            self.codes.push((name.to_owned(), texts("systems"), texts("codes")));
            table.finish();
        }
        code.finish();
    }
}

/// `a.b.c` → `a`, `a.b`, `a.b.c`.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| at).chain([name.len()]).filter_map(|end| name.get(..end))
}

fn read_lifts(reader: &Reader, names: &[Text]) -> u8 {
    let mut lifts = 0;
    for name in names {
        match name.text.as_str() {
            "stop-use" | "erased" => lifts |= lift::STOP_USE,
            "stop-third-party-provision" => lifts |= lift::STOP_PROVISION,
            "objection" => lifts |= lift::OBJECTION,
            _ => reader.unknown("restriction", name, ["stop-use", "erased", "stop-third-party-provision", "objection"]),
        }
    }
    lifts
}
