//! How is the document laid out, where are the entries that are judged, and how much of it may be held?

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::catalogue::fields::Node;
use crate::catalogue::party::Bystanders;

/// Bounds on what a body may ask for. Every one of them ends in a [`Fault`](super::Fault), save `entry_bytes_max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How deep objects and arrays may nest.
    pub depth_max: usize,
    /// The longest member name, in bytes between its quotes.
    pub key_bytes_max: usize,
    /// How many names all open objects may have between them.
    pub keys_max: usize,
    /// The longest number, in bytes.
    pub number_bytes_max: usize,
    /// The longest string, in bytes between its quotes.
    pub string_bytes_max: usize,
    /// How much white space and how many names may wait for the value that decides on them, in bytes.
    pub pending_bytes_max: usize,
    /// The longest string that is pseudonymised, generalised or rewritten, in bytes; a longer one is withheld.
    pub treated_bytes_max: usize,
    /// How much of an entry is held while it is not judged, in bytes; past it see [`Spec`].
    pub entry_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth_max: 128,
            key_bytes_max: 1024,
            keys_max: 16_384,
            number_bytes_max: 1024,
            string_bytes_max: 256 << 20,
            pending_bytes_max: 64 << 10,
            treated_bytes_max: 8 << 10,
            entry_bytes_max: 1 << 20,
        }
    }
}

/// One step of a [`Pointer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Name(Box<str>),
    Any,
}

/// A JSON Pointer (RFC 6901) in which `*` stands for any element of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    steps: Box<[Step]>,
}

impl Pointer {
    /// Reads a pointer; `None` if it neither is empty nor begins with `/`, or has a bad `~` escape.
    pub fn parse(text: &str) -> Option<Pointer> {
        if text.is_empty() {
            return Some(Pointer { steps: Box::default() });
        }
        let steps = text.strip_prefix('/')?.split('/').map(|segment| {
            let name = segment.replace("~1", "/").replace("~0", "~");
            let escapes_left = segment.replace("~1", "").replace("~0", "").contains('~');
            match segment {
                "*" => Some(Step::Any),
                _ if escapes_left => None,
                _ => Some(Step::Name(name.into())),
            }
        });
        Some(Pointer { steps: steps.collect::<Option<_>>()? })
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| match step {
            Step::Any => f.write_str("/*"),
            Step::Name(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")),
        })
    }
}

/// A place of an entry where it names its subject.
#[derive(Clone, Debug)]
pub struct SubjectAt {
    /// Where, from the entry (for FHIR: from the resource).
    pub pointer: Pointer,
    /// `Some("Patient")`: the value is a relative reference to this type, `Patient/<id>`, and the subject is its id;
    /// a reference of another shape or type is a subject that cannot be read, and the entry is dropped.
    pub reference_to: Option<Box<str>>,
    /// References to these types name nobody there; with nobody else beside them, nobody knows whom the entry is about.
    pub bystanders: Bystanders,
}

/// Who is an entry about?
#[derive(Clone, Debug)]
pub enum Subjects {
    /// About whom these places say. Each that is there must say the same.
    At(Vec<SubjectAt>),
    /// About no one (practitioners, medications): none is looked for.
    NoOne,
}

/// A resource type of a FHIR surface.
#[derive(Clone, Debug)]
pub struct ResourceType {
    /// What its members are.
    pub node: Arc<Node>,
    /// Who a resource of this type is about.
    pub subjects: Subjects,
}

/// The resource types a surface knows; a resource of any other is never released.
#[derive(Clone, Debug, Default)]
pub struct Types(pub HashMap<Box<str>, ResourceType>);

impl Types {
    /// The type of this name.
    pub fn get(&self, resource_type: &str) -> Option<&ResourceType> {
        self.0.get(resource_type)
    }
}

/// Where the judged entries of a body are.
#[derive(Clone, Debug)]
pub enum Shape {
    /// The whole document is the one entry.
    Object {
        /// Who it is about.
        subjects: Subjects,
    },
    /// An array of entries somewhere in the document.
    List {
        /// Its elements: `/items/*`, `/*`. Ends with `*`; each `*` is an array.
        entries: Pointer,
        /// Who an entry is about.
        subjects: Subjects,
    },
    /// One entry a line (NDJSON).
    Lines {
        /// Who a line is about.
        subjects: Subjects,
    },
    /// One FHIR resource a line (NDJSON, bulk data), each as [`Shape::FhirResource`].
    FhirLines,
    /// One FHIR resource: the document is the one entry, its type says what it is and who it is about.
    FhirResource,
    /// A FHIR Bundle: entries at `/entry/*`, each about whom its `resource` is about.
    FhirBundle,
}

/// Everything about a body that does not depend on who asks.
///
/// An entry is held until it is whole, so that it is judged before its first byte leaves. One larger than
/// `entry_bytes_max` is dropped to its end, unless `settled`: then the judge is asked with what is at hand
/// ([`Entry::whole`](super::Entry) is false) and the entry leaves as it streams, its nested resources still held one
/// by one. For FHIR its `resourceType` must be at hand by then. What the entry says of its subject further on is not
/// compared with what was settled: a judge that wants it compared drops what names no subject and is not whole.
#[derive(Clone, Debug)]
pub struct Spec {
    pub(super) shape: Shape,
    pub(super) root: Arc<Node>,
    pub(super) types: Arc<Types>,
    pub(super) limits: Limits,
    pub(super) settled: bool,
    pub(super) entries: Pointer,
}

/// A layout that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecFault {
    /// The entries' pointer does not end with `*`.
    EntriesNotElements,
    /// The tree names nothing at the entries' place: no byte of an entry could leave.
    EntriesUnnamed,
    /// A FHIR shape without resource types.
    NoTypes,
}

impl fmt::Display for SpecFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SpecFault::EntriesNotElements => "the entries' pointer does not end with `*`",
            SpecFault::EntriesUnnamed => "no field is named at the entries' place",
            SpecFault::NoTypes => "a FHIR shape needs resource types",
        })
    }
}

impl std::error::Error for SpecFault {}

impl Spec {
    /// A layout. `root` is the tree of the whole document; for [`Shape::FhirBundle`] the Bundle's own, whose
    /// `/entry/*/resource` is a `resource` node; for [`Shape::FhirResource`] and
    /// [`Shape::FhirLines`] it is not used.
    ///
    /// `settled`: the subject is known from path or query (or there is none), so an entry need not name one; one that
    /// it does name is still told to the judge.
    ///
    /// # Errors
    /// [`SpecFault`], which says what is wrong with the catalogue.
    pub fn new(
        shape: Shape,
        root: Arc<Node>,
        types: Option<Arc<Types>>,
        limits: Limits,
        settled: bool,
    ) -> Result<Spec, SpecFault> {
        let types = types.unwrap_or_default();
        let entries = match &shape {
            Shape::List { entries, .. } => entries.clone(),
            Shape::FhirBundle => Pointer { steps: [Step::Name("entry".into()), Step::Any].into() },
            Shape::Object { .. } | Shape::Lines { .. } | Shape::FhirResource | Shape::FhirLines => {
                Pointer { steps: Box::default() }
            }
        };
        let typed_root = matches!(shape, Shape::FhirResource | Shape::FhirLines);
        let fhir = typed_root || matches!(shape, Shape::FhirBundle);
        if fhir && types.0.is_empty() {
            return Err(SpecFault::NoTypes);
        }
        if matches!(shape, Shape::List { .. }) && entries.steps.last() != Some(&Step::Any) {
            return Err(SpecFault::EntriesNotElements);
        }
        if !typed_root && !reaches(&root, &entries.steps) {
            return Err(SpecFault::EntriesUnnamed);
        }
        Ok(Spec { shape, root, types, limits, settled, entries })
    }

    /// Whether entries are judged one by one, so that totals and page links would betray those dropped.
    pub fn judges_entries(&self) -> bool {
        matches!(self.shape, Shape::List { .. } | Shape::Lines { .. } | Shape::FhirLines | Shape::FhirBundle)
    }

    pub(super) const fn lines(&self) -> bool {
        matches!(self.shape, Shape::Lines { .. } | Shape::FhirLines)
    }

    pub(super) const fn fhir(&self) -> bool {
        matches!(self.shape, Shape::FhirResource | Shape::FhirLines | Shape::FhirBundle)
    }
}

fn reaches(node: &Node, steps: &[Step]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let next = match step {
        Step::Any => node.any.as_ref(),
        Step::Name(name) => node.members.get(name).or(node.any.as_ref()),
    };
    next.is_some_and(|next| reaches(next, rest)) || node.meaning.is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn pointers_unescape_and_print_back() {
        for text in ["", "/items/*", "/*", "/a~1b/~0c/*"] {
            assert_eq!(Pointer::parse(text).unwrap().to_string(), text);
        }
        for bad in ["items", "/a~2", "/~"] {
            assert!(Pointer::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Pointer::parse("/~01").unwrap().steps(), [Step::Name("~1".into())]);
    }

    #[test]
    fn a_list_whose_entries_nobody_named_is_refused() {
        let shape = Shape::List { entries: Pointer::parse("/items/*").unwrap(), subjects: Subjects::NoOne };
        let spec = Spec::new(shape, Arc::new(Node::default()), None, Limits::default(), false);
        assert_eq!(spec.err(), Some(SpecFault::EntriesUnnamed));
    }
}
