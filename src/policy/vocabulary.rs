//! Which words do all policies share? Categories and levels, bases and proofs, restrictions, acts, codes.
//!
//! Read from `policy/vocabulary.toml`, which is compiled in; so that a reform of the Act is a change of data.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::category::{Categories, Category};
use super::fault::{Faults, Source};
use super::kind::{Action, Dataset, Kind, Kinds, read_kinds};
use super::reader::{Reader, Table, Text};

/// The compiled-in document.
const COMPILED_IN: &str = include_str!("../../policy/vocabulary.toml");

/// An index among the vocabulary's bases, below 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BasisId(pub(crate) u8);

impl BasisId {
    /// The basis as a bit of a mask.
    pub const fn bit(self) -> u32 {
        1 << self.0
    }
}

/// An index among the vocabulary's acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ActId(pub(crate) u16);

/// What lifts a stop, as bits: see [`Basis::lifts`].
pub mod lift {
    /// Beats `stop-use`, `erased` and any restriction that is not known.
    pub const STOP_USE: u8 = 1;
    /// Beats `stop-third-party-provision`.
    pub const STOP_PROVISION: u8 = 2;
    /// Beats an objection.
    pub const OBJECTION: u8 = 4;
}

/// A ground for handling data, with what proves it.
#[derive(Clone, Debug)]
pub struct Basis {
    /// Its name on the wire.
    pub name: String,
    /// The article it is named after.
    pub article: String,
    /// A consent of this person has to be on file.
    pub needs_consent: bool,
    /// `reference` and `act` have to be given.
    pub needs_reference: bool,
    /// A written `reason` has to be given.
    pub needs_reason: bool,
    /// A contract in force that names the purpose has to be in the register.
    pub needs_contract: bool,
    /// An exception of art. 27(1).
    pub statutory: bool,
    /// A person looks at it afterwards.
    pub review: bool,
    /// Only for a recipient in Japan.
    pub domestic: bool,
    /// Need not be declared wherever a permit names it.
    pub implied_by_permit: bool,
    /// Only on a route certified as this.
    pub dataset: Option<Dataset>,
    /// The kinds for whom it need not be declared.
    pub implied_for: Kinds,
    /// The only kinds it can open for; 0 is any.
    pub only_to: Kinds,
    /// The restrictions that it beats: bits of [`lift`].
    pub lifts: u8,
    /// Under the purpose `exception`: the kinds that staff may provide to.
    pub exception_to: Kinds,
    /// Under the purpose `exception`: the kinds that may declare it for themselves.
    pub exception_by: Kinds,
}

/// A principal's request (arts. 32–35): what it lets the person do.
#[derive(Clone, Debug)]
pub struct RequestKind {
    /// Its name beneath `principal-request`.
    pub name: String,
    /// The actions open to the person, as bits.
    pub actions: u8,
    /// What is released to the person, or may be written by the person.
    pub data: Categories,
}

/// The words that all policies share; see the module.
pub struct Vocabulary {
    names: Vec<String>,
    levels: Vec<(String, Categories)>,
    subtrees: HashMap<String, Categories>,
    by_name_only: Categories,
    never: Categories,
    classes: Vec<String>,
    /// Recipients that every policy has.
    pub recipients: Vec<(String, Kind)>,
    /// The bases, by [`BasisId`].
    pub bases: Vec<Basis>,
    /// The kinds each known restriction stops.
    pub restrictions: Vec<(String, Kinds)>,
    /// The principal's requests.
    pub requests: Vec<RequestKind>,
    /// Relations to a person, each with what in an entry has to match.
    pub relations: Vec<(String, Vec<String>)>,
    acts: HashMap<String, ActId>,
    act_names: Vec<String>,
    codes: Vec<(String, Vec<String>, Vec<String>)>,
}

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

    /// The leaf category of that name; `None` for an unknown name and for one that only groups others.
    pub fn category(&self, name: &str) -> Option<Category> {
        let set = self.subtrees.get(name)?;
        let category = set.iter().next()?;
        (set.len() == 1 && self.name(category) == name).then_some(category)
    }

    /// The name of a category.
    pub fn name(&self, category: Category) -> &str {
        self.names.get(category.index()).map_or("", String::as_str)
    }

    /// Every category's name, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Every category.
    pub fn all(&self) -> Categories {
        (0..self.names.len()).filter_map(Category::from_index).collect()
    }

    /// The leaves at or beneath a name, guarded ones included; empty for an unknown name.
    pub fn subtree(&self, name: &str) -> Categories {
        self.subtrees.get(name).copied().unwrap_or_default()
    }

    /// What a selector of a permit or view reaches: a leaf, a subtree (`identity` or `identity.*`), `*`, or
    /// `level:sensitive`. A wide one never reaches what is guarded by name. `None`: unknown.
    pub fn selector(&self, selector: &str) -> Option<Categories> {
        if let Some(category) = self.category(selector) {
            return Some(category.only());
        }
        if let Some(level) = selector.strip_prefix("level:") {
            return self.level(level);
        }
        let wide = match selector.strip_suffix(".*").unwrap_or(selector) {
            "*" => self.all(),
            prefix => *self.subtrees.get(prefix)?,
        };
        Some(wide.without(self.by_name_only))
    }

    /// Every word that a selector may be, for "did you mean".
    pub fn selectors(&self) -> impl Iterator<Item = &str> {
        self.subtrees.keys().map(String::as_str)
    }

    /// The categories of a level.
    pub fn level(&self, name: &str) -> Option<Categories> {
        self.levels.iter().find(|(level, _)| level == name).map(|(_, set)| *set)
    }

    /// Released to nobody.
    pub fn never(&self) -> Categories {
        self.never
    }

    /// The subject class of that name, as an index below 32.
    pub fn class(&self, name: &str) -> Option<u8> {
        self.classes.iter().position(|class| class == name).and_then(|i| u8::try_from(i).ok()).filter(|i| *i < 32)
    }

    /// The subject classes, by index.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().map(String::as_str)
    }

    /// The basis of that name.
    pub fn basis_id(&self, name: &str) -> Option<BasisId> {
        self.bases.iter().position(|b| b.name == name).and_then(|i| u8::try_from(i).ok()).map(BasisId)
    }

    /// A basis.
    pub fn basis(&self, id: BasisId) -> Option<&Basis> {
        self.bases.get(usize::from(id.0))
    }

    /// Every basis with its id.
    pub fn bases(&self) -> impl Iterator<Item = (BasisId, &Basis)> {
        (0u8..).map(BasisId).zip(&self.bases)
    }

    /// What in a relation's entry has to match; anything else that is null there is any.
    pub fn must_match(&self, relation: &str) -> &[String] {
        self.relations.iter().find(|(name, _)| name == relation).map_or(&[], |(_, keys)| keys)
    }

    /// The basis that need not be declared for this kind.
    pub fn implied(&self, kind: Kind) -> Option<BasisId> {
        self.bases.iter().position(|b| b.implied_for & kind.bit() != 0).and_then(|i| u8::try_from(i).ok()).map(BasisId)
    }

    /// The kinds that a restriction stops; `None` where it is not known.
    pub fn restriction(&self, name: &str) -> Option<Kinds> {
        self.restrictions.iter().find(|(known, _)| known == name).map(|(_, kinds)| *kinds)
    }

    /// Every restriction's name.
    pub fn restrictions(&self) -> impl Iterator<Item = &str> {
        self.restrictions.iter().map(|(name, _)| name.as_str())
    }

    /// Every relation's name.
    pub fn relations(&self) -> impl Iterator<Item = &str> {
        self.relations.iter().map(|(name, _)| name.as_str())
    }

    /// The act that is meant, by any of its names, after NFKC and case folding.
    pub fn act(&self, name: &str) -> Option<ActId> {
        self.acts.get(&folded(name)).copied()
    }

    /// Every act's id.
    pub fn acts(&self) -> impl Iterator<Item = &str> {
        self.act_names.iter().map(String::as_str)
    }

    /// The id of an act, as policies cite it.
    pub fn act_name(&self, act: ActId) -> &str {
        self.act_names.get(usize::from(act.0)).map_or("", String::as_str)
    }

    /// Whether `hl7:TREAT` or `dpv:Marketing` is a code of a known system.
    pub fn knows_code(&self, code: &str) -> bool {
        let Some((system, code)) = code.split_once(':') else { return false };
        self.codes.iter().any(|(name, _, codes)| name == system && codes.iter().any(|known| known == code))
    }

    /// `TREAT`, `hl7:TREAT`, `http://…/v3-ActReason|TREAT` or `urn:oid:…#TREAT` as `hl7:TREAT`; `None` for any other word.
    pub fn code(&self, written: &str) -> Option<String> {
        let short = |name: &String, codes: &[String]| {
            let code = written.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix(':'));
            code.is_some_and(|code| codes.iter().any(|known| known == code))
        };
        if self.codes.iter().any(|(name, _, codes)| short(name, codes)) {
            return Some(written.to_owned());
        }
        let (system, code) = match written.rsplit_once(['|', '#']) {
            Some((system, code)) => (Some(system), code),
            None => (None, written),
        };
        let (name, _, _) = self.codes.iter().find(|(name, systems, codes)| {
            let of_system = system.map_or(name == "hl7", |s| systems.iter().any(|known| known == s));
            of_system && codes.iter().any(|known| known == code)
        })?;
        Some(format!("{name}:{code}"))
    }
}

/// `a.b.c` → `a`, `a.b`, `a.b.c`.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| at).chain([name.len()]).filter_map(|end| name.get(..end))
}

/// NFKC, white space folded, lower case: how names of acts are compared.
fn folded(name: &str) -> String {
    let name: String = name.nfkc().collect::<String>().to_lowercase();
    name.split_whitespace().collect::<Vec<_>>().join(" ")
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests;
