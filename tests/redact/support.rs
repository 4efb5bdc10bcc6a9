//! Trees, plans and judges in a line each.

use std::sync::Arc;

use sekisho::catalogue::fields::{Covers, Generaliser, Meaning, Node};
use sekisho::catalogue::party::Bystanders;
use sekisho::policy::{Categories, Category, Form, Release};
use sekisho::redact::*;

pub(crate) fn cat(index: usize) -> Category {
    Category::from_index(index).unwrap()
}

pub(crate) fn all(count: usize) -> Categories {
    (0..count).map(cat).collect()
}

/// The categories of the test trees, by the form each is released in.
pub(crate) const CLEAR: usize = 0;
pub(crate) const WITHHELD: usize = 1;
pub(crate) const MASKED: usize = 2;
pub(crate) const PSEUDONYM: usize = 3;
pub(crate) const COARSE: usize = 4;

pub(crate) fn release() -> Release {
    Release::clear(cat(CLEAR).only())
        .most(&Release::of(cat(MASKED).only(), Form::Masked))
        .most(&Release::of(cat(PSEUDONYM).only(), Form::Pseudonymised))
        .most(&Release::of(cat(COARSE).only(), Form::Generalised))
}

pub(crate) fn node(meaning: Meaning) -> Node {
    Node { meaning: Some(meaning), ..Node::default() }
}

pub(crate) fn of(index: usize) -> Node {
    node(Meaning::Category(cat(index)))
}

/// The same with all that lies beneath.
pub(crate) fn deep(node: Node) -> Node {
    Node { covers: Covers::Deep, ..node }
}

/// Builds a tree from `pointer` → node.
pub(crate) fn tree(fields: &[(&str, Node)]) -> Arc<Node> {
    let mut root = Node::default();
    for (pointer, leaf) in fields {
        insert(&mut root, pointer.split('/').skip(1), leaf);
    }
    Arc::new(root)
}

fn insert<'a>(at: &mut Node, mut steps: impl Iterator<Item = &'a str>, leaf: &Node) {
    match steps.next() {
        None => {
            let (members, any) = (std::mem::take(&mut at.members), at.any.take());
            *at = leaf.clone();
            at.members.extend(members);
            at.any = any.or(at.any.take());
        }
        Some("*") => {
            let mut child = at.any.take().map_or_else(Node::default, |n| (*n).clone());
            insert(&mut child, steps, leaf);
            at.any = Some(Arc::new(child));
        }
        Some(name) => {
            let mut child = at.members.remove(name).map_or_else(Node::default, |n| (*n).clone());
            insert(&mut child, steps, leaf);
            at.members.insert(name.into(), Arc::new(child));
        }
    }
}

pub(crate) fn generalised(how: Generaliser) -> Node {
    Node { generaliser: Some(how), ..of(COARSE) }
}

/// A pseudonymiser whose results can be read: `P(x)`.
pub(crate) struct Plain;

impl Pseudonymiser for Plain {
    fn id(&self, id: &str) -> Option<String> {
        Some(format!("P({})", id.len()))
    }
    fn value(&self, value: &str) -> Option<String> {
        Some(format!("V({})", value.len()))
    }
    fn uuid(&self, uuid: &str) -> Option<String> {
        Some(format!("U({})", uuid.len()))
    }
    fn uid(&self, uid: &str) -> Option<String> {
        Some(format!("2.25.{}", uid.len()))
    }
    fn short(&self, value: &str) -> Option<String> {
        Some(format!("S({})", value.len()))
    }
}

pub(crate) struct Gate;

impl LinkRewriter for Gate {
    fn rewrite(&self, url: &str) -> Option<String> {
        url.strip_prefix("http://inside/").map(|rest| format!("https://gate/{rest}"))
    }

    fn leads_past(&self, url: &str) -> bool {
        url.starts_with("http://inside")
    }
}

pub(crate) fn terms(release: Release, categories: usize) -> Terms {
    Terms {
        release,
        all: all(categories),
        pseudonymiser: Some(Arc::new(Plain)),
        links: Some(Arc::new(Gate)),
        individual_number: None,
    }
}

pub(crate) fn at(pointer: &str) -> Subjects {
    Subjects::At(vec![SubjectAt {
        pointer: Pointer::parse(pointer).unwrap(),
        reference_to: None,
        bystanders: Bystanders::default(),
    }])
}

pub(crate) fn list(entries: &str, subject: &str) -> Shape {
    Shape::List { entries: Pointer::parse(entries).unwrap(), subjects: at(subject) }
}

/// A layout with its plans; releases every entry but those of a subject that begins with `no`.
pub(crate) struct Setup {
    pub(crate) spec: Arc<Spec>,
    pub(crate) plan: Arc<Plan>,
}

impl Setup {
    pub(crate) fn new(shape: Shape, root: Arc<Node>, types: Option<Types>, settled: bool) -> Setup {
        Setup::with(shape, root, types, settled, Limits::default(), release())
    }

    pub(crate) fn with(
        shape: Shape,
        root: Arc<Node>,
        types: Option<Types>,
        settled: bool,
        limits: Limits,
        release: Release,
    ) -> Setup {
        let spec = Arc::new(Spec::new(shape, root, types.map(Arc::new), limits, settled).unwrap());
        let plan = Arc::new(Plan::join(&spec, terms(release, 5)));
        Setup { spec, plan }
    }

    pub(crate) fn redactor(&self) -> Redactor<impl Judge + use<>> {
        let plan = Arc::clone(&self.plan);
        let judge = move |entry: &Entry<'_>| match entry.subject {
            Some(subject) if subject.starts_with("no") => Verdict::Drop,
            _ => Verdict::Release(Arc::clone(&plan)),
        };
        Redactor::new(Arc::clone(&self.spec), judge, Arc::clone(&self.plan), KeySeed::new([1, 2]))
    }

    /// What leaves, and how it ended; each piece is read at once, however small. The same leaves where each value is looked at
    /// closely.
    #[track_caller]
    pub(crate) fn run(&self, pieces: &[&[u8]]) -> (Vec<u8>, Result<Tally, Fault>) {
        let (out, end) = self.run_by(self.redactor().at_once(), pieces);
        let (left, ended) = self.run_by(self.redactor().at_once().closely(), pieces);
        assert!(ended == end, "looked at closely it ends otherwise: {}", String::from_utf8_lossy(&pieces.concat()));
        assert_eq!(
            String::from_utf8_lossy(&left),
            String::from_utf8_lossy(&out),
            "left is what leaves closely looked at"
        );
        (out, end)
    }

    /// The same as a body is read in earnest.
    pub(crate) fn run_gathered(&self, pieces: &[&[u8]]) -> (Vec<u8>, Result<Tally, Fault>) {
        self.run_by(self.redactor(), pieces)
    }

    fn run_by(&self, mut redactor: Redactor<impl Judge>, pieces: &[&[u8]]) -> (Vec<u8>, Result<Tally, Fault>) {
        let mut out = Vec::new();
        for piece in pieces {
            if let Err(fault) = redactor.push(piece, &mut out) {
                let length = out.len();
                assert_eq!(redactor.push(b" ", &mut out).err(), Some(fault), "a fault is final");
                assert!(redactor.finish(&mut out).is_err());
                assert_eq!(out.len(), length, "nothing leaves after a fault");
                return (out, Err(fault));
            }
        }
        let end = redactor.finish(&mut out);
        (out, end)
    }

    #[track_caller]
    pub(crate) fn text(&self, body: &str) -> String {
        let (out, end) = self.run(&[body.as_bytes()]);
        assert!(end.is_ok(), "{:?} for {body}", end.err());
        let out = String::from_utf8(out).unwrap();
        if !out.is_empty() {
            serde_json::from_str::<serde::de::IgnoredAny>(&out).unwrap_or_else(|e| panic!("{e}: {out}"));
        }
        out
    }
}

/// A list of people with a field of each form.
pub(crate) fn people() -> Setup {
    Setup::new(list("/items/*", "/id"), people_tree("/items/*"), None, false)
}

pub(crate) fn people_tree(at: &str) -> Arc<Node> {
    let fields = [
        ("/id", Node { reference: true, as_string: true, ..of(PSEUDONYM) }),
        ("/name", of(WITHHELD)),
        ("/sex", of(CLEAR)),
        ("/phone", of(MASKED)),
        ("/born", generalised(Generaliser::Year)),
        ("/home", deep(of(WITHHELD))),
        ("/home/pref", generalised(Generaliser::Prefecture)),
        ("/tests/*/value", of(CLEAR)),
        ("/tests/*/by", of(WITHHELD)),
        ("/notes", node(Meaning::Everything)),
        ("/secret", node(Meaning::Never)),
        ("/self", node(Meaning::Link)),
        ("/ids", deep(of(PSEUDONYM))),
        ("/codes/*", of(CLEAR)),
        ("/raw", deep(of(CLEAR))),
    ];
    let mut fields: Vec<(String, Node)> = fields.into_iter().map(|(p, n)| (format!("{at}{p}"), n)).collect();
    fields.push(("/total".into(), node(Meaning::Count)));
    fields.push(("/next".into(), node(Meaning::Link)));
    fields.push(("/kind".into(), node(Meaning::Open)));
    tree(&fields.iter().map(|(p, n)| (p.as_str(), n.clone())).collect::<Vec<_>>())
}
