//! What does each search parameter of a type compare? Its paths followed through the lines, and what stands there.

use super::definitions::{Definitions, Owner, meaning};
use super::search::{SearchKind, SearchParameter, SearchParameters};
use super::words::{Kind, Line, split};
use crate::catalogue::fields::Meaning;
use crate::catalogue::pointer::SubjectPath;
use crate::policy::reader::{Table, Text};
use crate::policy::{Categories, Category};

/// Reads the parameters of one type.
pub(super) struct Parameters<'d> {
    pub(super) definitions: &'d Definitions,
    pub(super) owner: Owner,
    /// What the type is.
    pub(super) own: Meaning,
    /// Every category of the type: what free text counts as.
    pub(super) everything: Categories,
    /// Every type, for a reference that may lead to any.
    pub(super) types: &'d [Box<str>],
    pub(super) subject: Option<&'d SubjectPath>,
}

/// The type that subjects are of.
const PATIENT: &str = "Patient";

/// One parameter's line, taken apart.
struct Told<'t> {
    kind: SearchKind,
    paths: Vec<&'t Text>,
    targets: Vec<&'t Text>,
    components: Vec<&'t Text>,
}

impl Parameters<'_> {
    /// The parameters of these tables; a later one of the same name counts. Faults go to the tables' reader.
    pub(super) fn read<'t>(&self, tables: impl IntoIterator<Item = &'t Table<'t>>) -> SearchParameters {
        let mut parameters = SearchParameters::new();
        for table in tables {
            for (name, texts) in table.lists("search") {
                let plain = name.text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
                if !plain {
                    table.reader().fault(name.span.clone(), "no modifiers and no chains here", None);
                }
                let words: Vec<Text> = texts.iter().flat_map(split).collect();
                if let Some(parameter) = self.parameter(table, &name, &words) {
                    parameters.insert(name.text.into(), parameter);
                }
            }
        }
        self.compose(&mut parameters);
        parameters
    }

    /// `None`: not to be searched by, for it compares what is never released; or a fault.
    fn parameter(&self, table: &Table<'_>, name: &Text, words: &[Text]) -> Option<SearchParameter> {
        let Some(told) = taken_apart(words) else {
            let kinds = SearchKind::ALL.map(SearchKind::name);
            match words.first() {
                Some(first) => table.reader().unknown("kind of search parameter", first, kinds),
                None => table.reader().fault(name.span.clone(), "the kind is missing", None),
            }
            return None;
        };
        let token = told.kind == SearchKind::Token;
        let (mut categories, mut ids) = (Categories::NONE, token);
        for path in &told.paths {
            let line = self.followed(&path.text).map(|(line, ..)| line);
            ids &= line.is_some_and(|line| line.reference);
            let Some(found) = self.compared(&path.text, told.kind) else {
                table.reader().fault(path.span.clone(), format!("`{}` is no element of the type", path.text), None);
                return None;
            };
            categories = categories.or(found?);
        }
        let mut targets: Vec<Box<str>> = Vec::new();
        for target in &told.targets {
            match target.text.as_str() {
                "Any" => targets.extend_from_slice(self.types),
                name if self.types.iter().any(|known| **known == *name) => targets.push(name.into()),
                _ => table.reader().unknown("type", target, self.types.iter().map(AsRef::as_ref)),
            }
        }
        targets.sort_unstable();
        let components = told.components.iter().map(|name| name.text.as_str().into()).collect();
        let subject = matches!(told.paths.as_slice(), [path] if self.is_subject(path, &told.targets));
        let within = self.within(&told.paths);
        Some(SearchParameter { kind: told.kind, categories, targets, components, subject, ids, within })
    }

    /// The elements of the type to which these paths lead; none where one is, or looks like, one choice of several names: another
    /// begins with the same word and goes on with another.
    fn within(&self, paths: &[&Text]) -> Vec<Box<str>> {
        let first = |path: &str| path.split(['.', ':']).next().unwrap_or_default().to_owned();
        let names: Vec<String> = paths.iter().map(|path| first(&path.text)).collect();
        let lines = self.definitions.get(self.owner).into_iter().flat_map(|definition| definition.lines());
        let elements: Vec<&str> =
            lines.map(|line| line.path.text.as_str()).filter(|path| !path.contains('.')).collect();
        let words = |name: &str| name.find(|c: char| c.is_ascii_uppercase());
        let is_choice = |name: &String| {
            let begun = words(name).and_then(|at| name.get(..at));
            let same = |other: &&&str| **other != name.as_str() && words(other).and_then(|at| other.get(..at)) == begun;
            begun.is_some() && elements.iter().any(|other| same(&other))
        };
        if names.iter().any(is_choice) { Vec::new() } else { names.into_iter().map(Into::into).collect() }
    }

    /// Whether the path is where the type names its subject, and a patient's id is what is looked for there: an id that
    /// may be anything's settles nothing.
    fn is_subject(&self, path: &Text, targets: &[&Text]) -> bool {
        let Some(subject) = self.subject else { return false };
        if subject.is_reference() && !targets.iter().any(|target| target.text == PATIENT) {
            return false;
        }
        let mut steps: Vec<&str> = subject.pointer().steps().filter(|step| *step != "*").collect();
        if subject.is_reference() {
            steps.pop();
        }
        path.text.split('.').eq(steps)
    }

    /// Composites compare what their components do; one with a component that is not there goes.
    fn compose(&self, parameters: &mut SearchParameters) {
        let of = |parameters: &SearchParameters, names: &[Box<str>]| {
            let parts = names.iter().map(|name| parameters.get(name)).collect::<Option<Vec<_>>>()?;
            let categories = parts.iter().fold(Categories::NONE, |all, part| all.or(part.categories));
            let known = parts.iter().all(|part| !part.within.is_empty());
            let within = parts.iter().filter(|_| known).flat_map(|part| part.within.clone()).collect();
            Some((categories, within))
        };
        let composites: Vec<_> = parameters
            .iter()
            .filter(|(_, parameter)| parameter.kind == SearchKind::Composite)
            .map(|(name, parameter)| (name.clone(), of(parameters, &parameter.components)))
            .collect();
        for (name, categories) in composites {
            match (categories, parameters.get_mut(&name)) {
                (Some((categories, within)), Some(parameter)) => {
                    (parameter.categories, parameter.within) = (categories, within);
                }
                _ => {
                    parameters.remove(&name);
                }
            }
        }
    }

    /// What a comparison at this path tells. `None`: there is no such path; `Some(None)`: it is never released.
    #[allow(clippy::option_option, reason = "two different answers: a fault of the table, and a parameter to refuse")]
    fn compared(&self, path: &str, kind: SearchKind) -> Option<Option<Categories>> {
        let (line, own, case) = self.followed(path)?;
        Some(self.at(line, own, case, kind))
    }

    /// The line that a path leads to, what is there, and the case that it names.
    fn followed<'p>(&self, path: &'p str) -> Option<(&Line, Meaning, Option<&'p str>)> {
        let (path, case) = path.split_once(':').map_or((path, None), |(path, case)| (path, Some(case)));
        let (mut owner, mut within, mut own) = (self.owner, String::new(), self.own);
        let mut found: Option<&Line> = None;
        for step in path.split('.') {
            if let Some(line) = found {
                match &line.kind {
                    Kind::Datatype(name) => {
                        owner = self.definitions.named(name)?;
                        within.clear();
                    }
                    Kind::Like(path) => {
                        within.clear();
                        within.push_str(path);
                    }
                    Kind::Parts => {
                        within.clear();
                        within.push_str(&line.path.text);
                    }
                    Kind::Leaf | Kind::Resource | Kind::Extension => return None,
                }
            }
            let full = if within.is_empty() { step.to_owned() } else { format!("{within}.{step}") };
            let line = self.definitions.get(owner)?.line(&full)?;
            own = meaning(line, own);
            found = Some(line);
        }
        Some((found?, own, case))
    }

    fn at(&self, line: &Line, own: Meaning, case: Option<&str>, kind: SearchKind) -> Option<Categories> {
        match &line.kind {
            Kind::Leaf => Some(self.of(own)?.or(line.besides.map_or(Categories::NONE, Category::only))),
            Kind::Datatype(name) => {
                let owner = self.definitions.named(name)?;
                match kind {
                    // The link: who it leads to, and what that there is one tells. What it displays is not compared.
                    SearchKind::Reference => {
                        let id = self.definitions.get(owner)?.line("reference")?;
                        Some(self.of(meaning(id, own))?.or(self.of(own)?))
                    }
                    _ => self.parts(owner, own, case),
                }
            }
            Kind::Parts | Kind::Like(_) | Kind::Resource | Kind::Extension => None,
        }
    }

    /// All that a data type's members are, but for what it refers to.
    fn parts(&self, owner: Owner, own: Meaning, case: Option<&str>) -> Option<Categories> {
        let definition = self.definitions.get(owner)?;
        let owns: Vec<Meaning> = match (&definition.by, case) {
            (Some(told), Some(case)) => {
                told.cases.iter().filter(|(name, _)| **name == *case).map(|(_, meaning)| *meaning).collect()
            }
            (Some(told), None) => told.cases.iter().map(|(_, meaning)| *meaning).chain([told.otherwise]).collect(),
            (None, _) => vec![own],
        };
        if owns.is_empty() {
            return None; // a case that the data type does not tell apart
        }
        let mut all = Categories::NONE;
        for own in owns {
            for line in definition.lines() {
                all = all.or(self.part(line, meaning(line, own)));
            }
        }
        Some(all)
    }

    fn part(&self, line: &Line, own: Meaning) -> Categories {
        let found = match &line.kind {
            Kind::Leaf => self.of(own),
            Kind::Datatype(name) => match self.definitions.named(name) {
                Some(owner) if !self.definitions.is_endless(owner) => self.parts(owner, own, None),
                _ => None,
            },
            Kind::Parts | Kind::Like(_) | Kind::Resource | Kind::Extension => None,
        };
        found.unwrap_or(Categories::NONE)
    }

    fn of(&self, meaning: Meaning) -> Option<Categories> {
        match meaning {
            Meaning::Category(category) => Some(category.only()),
            Meaning::Everything => Some(self.everything),
            Meaning::Open => Some(Categories::NONE),
            Meaning::Count | Meaning::Link | Meaning::Never => None,
        }
    }
}

/// `kind path path > Target & component`.
fn taken_apart(words: &[Text]) -> Option<Told<'_>> {
    let (first, rest) = words.split_first()?;
    let kind = SearchKind::from_name(&first.text)?;
    let mut told = Told { kind, paths: Vec::new(), targets: Vec::new(), components: Vec::new() };
    let mut part = 0u8;
    for word in rest {
        match (word.text.as_str(), part) {
            (">", _) => part = 1,
            ("&", _) => part = 2,
            (_, 0) => told.paths.push(word),
            (_, 1) => told.targets.push(word),
            _ => told.components.push(word),
        }
    }
    Some(told)
}
