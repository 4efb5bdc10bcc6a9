//! Which elements do types and data types have? Their lines, findable by path, before they become nodes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::words::{Kind, Line, Says};
use crate::catalogue::fields::Meaning;
use crate::policy::reader::Table;

/// What tells whose parts an object's members are: a type or a data type, by its number in [`Definitions`].
pub(super) type Owner = usize;

/// The lines of one type or data type.
pub(super) struct Definition {
    pub(super) name: Box<str>,
    lines: Vec<Line>,
    by_path: HashMap<Box<str>, usize>,
    /// The path of a container (empty: the top) → its lines.
    inside: HashMap<Box<str>, Vec<usize>>,
    /// Of a data type whose meaning a member's value tells.
    pub(super) by: Option<Told>,
    /// What a resource type is; `None`: a data type. A resource's parts may carry modifier extensions, and nothing but its
    /// own lines stand at its top.
    pub(super) resource: Option<Meaning>,
}

/// A data type of which one member's value tells what all of it is.
pub(super) struct Told {
    pub(super) member: Box<str>,
    pub(super) cases: Vec<(Arc<str>, Meaning)>,
    pub(super) otherwise: Meaning,
}

impl Definition {
    /// A later line replaces an earlier one of the same path.
    pub(super) fn new(name: &str, lines: Vec<Line>, resource: Option<Meaning>) -> Definition {
        let mut definition = Definition {
            name: name.into(),
            lines: Vec::with_capacity(lines.len()),
            by_path: HashMap::new(),
            inside: HashMap::new(),
            by: None,
            resource,
        };
        for line in lines {
            let path: Box<str> = line.path.text.as_str().into();
            if let Some(old) = definition.by_path.get(&path).and_then(|at| definition.lines.get_mut(*at)) {
                *old = line;
                continue;
            }
            let at = definition.lines.len();
            definition.inside.entry(line.parent().into()).or_default().push(at);
            definition.by_path.insert(path, at);
            definition.lines.push(line);
        }
        definition
    }

    /// Of a reference: the line of the link itself. All of it is what the link is; what an element's own line says of a
    /// reference is what it tells that there is one.
    pub(super) fn link(&self) -> Option<&Line> {
        self.line("reference").filter(|_| self.resource.is_none())
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn line(&self, path: &str) -> Option<&Line> {
        self.by_path.get(path).and_then(|at| self.lines.get(*at))
    }

    /// The lines of what lies in a container.
    pub(super) fn inside(&self, path: &str) -> impl Iterator<Item = &Line> {
        self.inside.get(path).into_iter().flatten().filter_map(|at| self.lines.get(*at))
    }
}

/// Every type and data type of the document.
#[derive(Default)]
pub(super) struct Definitions {
    all: Vec<Definition>,
    by_name: HashMap<Box<str>, Owner>,
    /// Data types that can contain themselves.
    endless: HashSet<Owner>,
}

impl Definitions {
    pub(super) fn add(&mut self, definition: Definition) -> Owner {
        let owner = self.all.len();
        self.by_name.insert(definition.name.clone(), owner);
        self.all.push(definition);
        owner
    }

    pub(super) fn get(&self, owner: Owner) -> Option<&Definition> {
        self.all.get(owner)
    }

    pub(super) fn named(&self, name: &str) -> Option<Owner> {
        self.by_name.get(name).copied()
    }

    /// To be asked once all data types are there.
    pub(super) fn find_endless(&mut self) {
        self.endless = (0..self.all.len()).filter(|owner| self.reaches_itself(*owner)).collect();
        // What contains one of them does not end either.
        let mut grown = true;
        while grown {
            let more: Vec<Owner> = (0..self.all.len())
                .filter(|owner| !self.endless.contains(owner))
                .filter(|owner| self.directly(*owner).any(|inner| self.endless.contains(&inner)))
                .collect();
            grown = !more.is_empty();
            self.endless.extend(more);
        }
    }

    pub(super) fn is_endless(&self, owner: Owner) -> bool {
        self.endless.contains(&owner)
    }

    fn directly(&self, owner: Owner) -> impl Iterator<Item = Owner> {
        let lines = self.all.get(owner).map(Definition::lines).unwrap_or_default();
        lines.iter().filter_map(|line| match &line.kind {
            Kind::Datatype(name) => self.named(name),
            Kind::Leaf | Kind::Parts | Kind::Like(_) | Kind::Resource | Kind::Extension => None,
        })
    }

    fn reaches_itself(&self, owner: Owner) -> bool {
        let mut seen = HashSet::new();
        let mut open: Vec<Owner> = self.directly(owner).collect();
        while let Some(next) = open.pop() {
            if next == owner {
                return true;
            }
            if seen.insert(next) {
                open.extend(self.directly(next));
            }
        }
        false
    }
}

/// Reports lines that lie in nothing, are like nothing, or are called what no element is called.
pub(super) fn check(table: &Table<'_>, definition: &Definition) {
    for line in definition.lines() {
        let plain = |step: &str| !step.is_empty() && step.bytes().all(|b| b.is_ascii_alphanumeric());
        let holds = |path: &str| definition.line(path).is_some_and(|outer| outer.kind == Kind::Parts);
        let parent = line.parent();
        let message = if !line.path.text.split('.').all(plain) {
            format!("`{}` is no element", line.path.text)
        } else if !parent.is_empty() && !holds(parent) {
            format!("`{parent}` has no `parts` for `{}` to be one of", line.path.text)
        } else if let Kind::Like(path) = &line.kind
            && !holds(path)
        {
            format!("`{path}` has no parts to be like")
        } else if line.kind != Kind::Leaf && line.generaliser.is_some() {
            format!("only a value can be made coarser, not `{}`", line.path.text)
        } else if line.kind != Kind::Leaf && line.whole {
            format!("`{}` has parts, each with a line of its own: it is not `whole`", line.path.text)
        } else if line.kind != Kind::Leaf && (line.besides.is_some() || line.system.is_some() || line.fixed_format) {
            format!("`also:`, `system:` and `fixed` are said of a value, not of `{}`", line.path.text)
        } else {
            continue;
        };
        table.reader().fault(line.path.span.clone(), message, None);
    }
}

/// What an element is, in what lies in something of the meaning `own`.
pub(super) fn meaning(line: &Line, own: Meaning) -> Meaning {
    match line.says {
        Says::Own => own,
        Says::Is(meaning) => meaning,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;
    use crate::policy::reader::Text;

    fn line(path: &str, kind: Kind) -> Line {
        let path = Text { text: path.to_owned(), span: 0..0 };
        Line {
            path,
            says: Says::Own,
            kind,
            generaliser: None,
            many: false,
            required: false,
            reference: false,
            whole: false,
            besides: None,
            system: None,
            fixed_format: false,
        }
    }

    fn datatype(name: &str) -> Kind {
        Kind::Datatype(name.into())
    }

    #[test]
    fn what_can_contain_itself_is_found_and_so_is_what_contains_it() {
        let mut definitions = Definitions::default();
        for (name, inner) in
            [("Reference", "Identifier"), ("Identifier", "Reference"), ("Note", "Reference"), ("Age", "Code")]
        {
            definitions.add(Definition::new(name, vec![line("inner", datatype(inner))], None));
        }
        definitions.add(Definition::new("Code", vec![line("code", Kind::Leaf)], None));
        definitions.find_endless();
        let endless = |name: &str| definitions.is_endless(definitions.named(name).unwrap());
        assert!(["Reference", "Identifier", "Note"].into_iter().all(endless));
        assert!(!["Age", "Code"].into_iter().any(endless));
    }

    #[test]
    fn a_later_line_of_the_same_path_replaces_the_common_one() {
        let lines =
            vec![line("id", Kind::Leaf), line("id", Kind::Resource), line("a", Kind::Parts), line("a.b", Kind::Leaf)];
        let definition = Definition::new("T", lines, Some(Meaning::Open));
        assert_eq!(definition.inside("").map(Line::name).collect::<Vec<_>>(), ["id", "a"]);
        assert_eq!(definition.line("id").unwrap().kind, Kind::Resource);
        assert_eq!(definition.inside("a").map(Line::name).collect::<Vec<_>>(), ["b"]);
    }
}
