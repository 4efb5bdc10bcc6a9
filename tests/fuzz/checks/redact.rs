//! Bodies: any bytes, by layouts of every kind. Where they are cut changes nothing, what leaves is what a slow, obvious
//! redactor leaves or both refuse, and every value that left stands where one may, even of a body that ends in a fault.
//!
//! Input: a layout, where to cut (two bytes), then the body.

use std::sync::Arc;

use sekisho::catalogue::fields::{Meaning, Node};
use sekisho::policy::Form;
use sekisho::redact::*;

use super::slow::body::Layout;
use super::slow::conform::conforms;
use super::slow::json::Json;
use super::slow::{Memo, Slow, Value, Walk};
use super::support::*;
use super::trees::*;

/// A longer body could end in a bound on what waits, which the slow redactor does not have.
const BODY_BYTES_MAX: usize = 32 << 10;

/// A layout, and what is granted of it.
pub(crate) struct Case {
    pub(crate) shape: Shape,
    pub(crate) root: Arc<Node>,
    pub(crate) types: Arc<Types>,
    pub(crate) settled: bool,
    pub(crate) limits: Limits,
    pub(crate) terms: Terms,
    /// Compared once more with entries that are too large to hold.
    pub(crate) streams: bool,
    pub(crate) memo: Memo,
}

impl Case {
    fn new(shape: Shape, root: Arc<Node>, types: Types, settled: bool) -> Case {
        let (types, limits, memo) = (Arc::new(types), Limits::default(), Memo::default());
        Case { shape, root, types, settled, limits, terms: terms(release(), 5), streams: false, memo }
    }

    fn fhir(&self) -> bool {
        matches!(self.shape, Shape::FhirBundle | Shape::FhirLines | Shape::FhirResource)
    }

    fn lines(&self) -> bool {
        matches!(self.shape, Shape::Lines { .. } | Shape::FhirLines)
    }

    pub(crate) fn setup(&self, entry_bytes_max: usize) -> Setup {
        let limits = Limits { entry_bytes_max, ..self.limits };
        let types = Some(Arc::clone(&self.types));
        let spec = Spec::new(self.shape.clone(), Arc::clone(&self.root), types, limits, self.settled);
        let spec = Arc::new(spec.expect("a layout"));
        let plan = Arc::new(Plan::join(&spec, self.terms.clone()));
        Setup { spec, plan }
    }

    /// What the slow redactor leaves of it, document by document; `None`: it refuses.
    fn slowly(&self, body: &[u8], held_bytes_max: usize) -> Option<Vec<Json>> {
        let form = |value: &Value<'_>| formed(&self.terms, value);
        let slow = self.slow(&form, held_bytes_max);
        let documents = match self.lines() {
            true => Json::read_lines(body, &self.limits)?,
            false => vec![Json::read(body, &self.limits)?],
        };
        let mut left = Vec::new();
        for document in documents {
            left.extend(slow.document(&self.layout(), &document).ok()?);
        }
        Some(left)
    }

    fn slow<'a>(&'a self, form: &'a dyn Fn(&Value<'_>) -> Option<Json>, held_bytes_max: usize) -> Slow<'a> {
        Slow {
            types: &self.types,
            release: self.terms.release,
            all: self.terms.all,
            fhir: self.fhir(),
            judged: !matches!(self.shape, Shape::Object { .. } | Shape::FhirResource),
            links: self.terms.links.is_some(),
            individual_number: self.terms.individual_number,
            held_bytes_max,
            form,
            memo: &self.memo,
        }
    }

    fn layout(&self) -> Layout<'_> {
        let judge = &|subject: Option<&str>| !subject.is_some_and(|subject| subject.starts_with("no"));
        Layout { shape: &self.shape, root: &self.root, settled: self.settled, judge }
    }

    /// Compares all readings of a body; answers what leaves of it.
    pub(crate) fn compare(&self, body: &[u8], cuts: [u8; 2], held_bytes_max: usize) -> Vec<u8> {
        let setup = self.setup(held_bytes_max.min(1 << 20));
        let (out, end) = setup.run(&[body]);
        let [a, b] = cuts.map(|cut| usize::from(cut) * (body.len() + 1) / 256);
        let (a, b) = (a.min(b), a.max(b));
        let thirds = [&body[..a], &body[a..b], &body[b..]];
        let pieces: Vec<&[u8]> = body.chunks(usize::from(cuts[0]) + 1).collect();
        for (how, (left, ended)) in [
            ("three pieces", setup.run(&thirds)),
            ("pieces of one size", setup.run(&pieces)),
            ("crumbs that wait", setup.run_gathered(&pieces)),
            ("no vector instructions", run_portable(&setup, &thirds)),
        ] {
            let same = match (&ended, &end) {
                (Ok(mine), Ok(whole)) => (mine.released, mine.dropped) == (whole.released, whole.dropped),
                // Of two faults in one body, whichever a reading meets first.
                (Err(_), Err(_)) => true,
                _ => false,
            };
            let (shown, ended) = (String::from_utf8_lossy(body), ended.err());
            assert!(same, "{how} end in {ended:?}, not in {:?}: {shown}", end.as_ref().err());
            let (left, whole) = (String::from_utf8_lossy(&left), String::from_utf8_lossy(&out));
            assert!(
                left == whole,
                "{how} let {left} leave ({ended:?}), not {whole} ({:?}): {shown}",
                end.as_ref().err()
            );
        }
        self.compare_slowly(body, &out, end.err(), held_bytes_max);
        let form = |value: &Value<'_>| formed(&self.terms, value);
        let slow = self.slow(&form, held_bytes_max);
        let walk = Walk::entry(&slow, None, false);
        for line in out.split(|byte| self.lines() && *byte == b'\n') {
            if let Some(document) = Json::begun(line) {
                conforms(&walk, &self.layout(), &document);
            }
        }
        out
    }

    fn compare_slowly(&self, body: &[u8], out: &[u8], fault: Option<Fault>, held_bytes_max: usize) {
        let shown = String::from_utf8_lossy(body);
        let expected = self.slowly(body, held_bytes_max);
        let (Some(expected), None) = (&expected, fault) else {
            return assert!(expected.is_none() && fault.is_some(), "{fault:?}, but slowly {expected:?}: {shown}");
        };
        let left = match (self.lines(), out) {
            (true, _) => Json::read_lines(out, &Limits::default()),
            (false, []) => Some(Vec::new()),
            (false, _) => Json::read(out, &Limits::default()).map(|document| vec![document]),
        };
        let print = |documents: &[Json]| documents.iter().map(Json::compact).collect::<Vec<_>>().join("\n");
        let left = left.unwrap_or_else(|| panic!("what left is no JSON: {}", String::from_utf8_lossy(out)));
        assert_eq!(print(&left), print(expected), "left, and slowly, of {shown}");
    }
}

fn run_portable(setup: &Setup, pieces: &[&[u8]]) -> (Vec<u8>, Result<Tally, Fault>) {
    let mut redactor = setup.redactor().portable().at_once();
    let mut out = Vec::new();
    let pushed = pieces.iter().try_for_each(|piece| redactor.push(piece, &mut out));
    let end = pushed.and_then(|()| redactor.finish(&mut out));
    (out, end)
}

/// What a single value becomes, by the product itself, in a record that has nothing else.
fn formed(terms: &Terms, value: &Value<'_>) -> Option<Json> {
    let unknown = value.streams && value.in_a_system;
    let released = |meaning| match meaning {
        Meaning::Category(category) => terms.release.form(category),
        _ => Form::Clear,
    };
    if unknown && released(value.held.meaning) == Form::Pseudonymised {
        return None;
    }
    let node = Node {
        meaning: Some(value.held.meaning),
        generaliser: value.held.generaliser,
        reference: value.held.reference,
        as_string: value.held.as_string,
        fixed_format: value.held.fixed_format,
        system: (value.in_a_system && !unknown).then(|| "system".into()),
        ..Node::default()
    };
    let open = Meaning::Open;
    let system = Node { meaning: Some(open), fixed_format: true, ..Node::default() };
    let root = tree(&[("/system", system), ("/value", node)]);
    let mut members = Vec::new();
    members.extend(value.system.as_deref().map(|system| ("system".into(), Json::Text(system.into()))));
    members.push(("value".into(), value.json.clone()));
    let shape = Shape::Object { subjects: Subjects::NoOne };
    let spec = Arc::new(Spec::new(shape, root, None, Limits::default(), true).expect("a layout"));
    let plan = Arc::new(Plan::join(&spec, terms.clone()));
    let (out, end) = Setup { spec, plan }.run(&[Json::Map(members).compact().as_bytes()]);
    assert!(end.is_ok(), "a single value is refused");
    Json::parse(std::str::from_utf8(&out).expect("UTF-8")).get("value").cloned()
}

/// How many layouts of each kind are made by dice.
const MADE: u64 = 16;

fn cases() -> Vec<Case> {
    let none = || Types::default();
    let nobody = || Shape::Object { subjects: Subjects::NoOne };
    let empty = || Arc::new(Node::default());
    let strict = Limits {
        depth_max: 5,
        key_bytes_max: 8,
        keys_max: 6,
        number_bytes_max: 6,
        string_bytes_max: 12,
        ..Limits::default()
    };
    let mut cases = vec![
        Case::new(list("/items/*", "/id"), people_tree("/items/*"), none(), false),
        Case::new(Shape::Object { subjects: at("/id") }, people_tree(""), none(), false),
        Case::new(Shape::Lines { subjects: at("/id") }, people_tree(""), none(), false),
        Case { limits: strict, ..Case::new(list("/items/*", "/id"), people_tree("/items/*"), none(), false) },
        Case::new(Shape::FhirResource, empty(), types(), false),
        Case::new(Shape::FhirBundle, bundle_root(), types(), false),
        Case::new(Shape::FhirLines, empty(), types(), false),
        Case { streams: true, ..Case::new(Shape::FhirResource, empty(), extended(), true) },
        Case { limits: strict, ..Case::new(nobody(), tree(&[("", deep(of(CLEAR)))]), none(), true) },
        Case { streams: true, ..Case::new(list("/items/*", "/id"), people_tree("/items/*"), none(), false) },
    ];
    for seed in 0..MADE {
        let mut dice = Dice(seed);
        let number = Terms { individual_number: (seed % 2 == 0).then(|| cat(1)), ..terms(release(), 5) };
        let root = Arc::new(some_node(&mut dice, 4));
        cases.push(Case { streams: true, terms: number.clone(), ..Case::new(nobody(), root, none(), true) });
        let items = Node { any: Some(Arc::new(some_node(&mut dice, 3))), ..Node::default() };
        let mut root = some_node(&mut dice, 2);
        root.members.insert("items".into(), Arc::new(items));
        let judged = Case::new(list("/items/*", "/id"), Arc::new(root), none(), seed % 3 == 0);
        cases.push(Case { terms: number.clone(), ..judged });
        let mut made = |name: &str| {
            let mut node = some_type(&mut dice, 3);
            node.resource = false;
            node.members.remove("resourceType");
            (name.into(), ResourceType { node: Arc::new(node), subjects: Subjects::NoOne })
        };
        let types = Types([made("A"), made("B")].into());
        cases.push(Case { streams: true, terms: number, ..Case::new(Shape::FhirResource, empty(), types, true) });
    }
    cases
}

thread_local! {
    static CASES: Vec<Case> = cases();
}

/// Runs with the layout of this number.
pub(crate) fn with_case<T>(number: usize, run: impl FnOnce(&Case) -> T) -> T {
    CASES.with(|cases| run(&cases[number % cases.len()]))
}

/// Panics where a promise is broken.
pub fn check(bytes: &[u8]) {
    let [choice, a, b, body @ ..] = bytes else { return };
    if body.len() > BODY_BYTES_MAX {
        return;
    }
    with_case(usize::from(*choice), |case| {
        drop(case.compare(body, [*a, *b], usize::MAX));
        let Some(read) = Json::read(body, &case.limits).filter(|_| case.streams) else { return };
        // A type has to be at hand when an entry proves too large.
        let first = match &read {
            Json::Map(members) => members.first().map(|(name, _)| name.raw()),
            _ => None,
        };
        // Of what streams a modifier extension ends the answer.
        let text = read.compact();
        if case.fhir() && (text.contains("modifierExtension") || text.contains("\\u")) {
            return;
        }
        if !case.fhir() || first == Some("resourceType") {
            drop(case.compare(read.compact().as_bytes(), [*a, *b], 40 + usize::from(*b)));
        }
    });
}
