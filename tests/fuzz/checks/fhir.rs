//! FHIR R4, by the catalogue's own trees: resources, Bundles and lines grown out of the input along the elements that the
//! standard names, cut anywhere, compared with the slow redactor. What a release withholds is marked as it is grown, and
//! none of the marks leaves; that knows nothing of either redactor.
//!
//! Input: a release, a shape, where to cut (two bytes), then what is grown of it; a byte at its end may damage the text.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use sekisho::catalogue::Catalogue;
use sekisho::catalogue::fields::{Meaning, Node};
use sekisho::policy::{Categories, Category, Form, Release, Vocabulary};
use sekisho::redact::*;

use super::redact::Case;
use super::slow::Memo;
use super::support::{Gate, Plain};
use super::trees::Dice;

struct Fhir {
    catalogue: Catalogue,
    number: Option<Category>,
    /// Every category that any type can hold.
    everything: Categories,
    types: Arc<Types>,
    /// The names of types, and of each node's members, in one order everywhere.
    names: Vec<Box<str>>,
}

static FHIR: LazyLock<Fhir> = LazyLock::new(|| {
    let vocabulary = Vocabulary::compiled_in().expect("the vocabulary");
    let catalogue = Catalogue::read([Catalogue::fhir_r4_source()], &vocabulary).expect("the catalogue");
    let types = catalogue.types().iter().map(|(name, known)| {
        let subjects = match &known.subject {
            Some(path) => {
                let pointer = Pointer::parse(&path.pointer().to_string()).expect("a pointer");
                let reference_to = path.is_reference().then(|| "Patient".into());
                Subjects::At(vec![SubjectAt { pointer, reference_to, bystanders: path.bystanders().clone() }])
            }
            None => Subjects::NoOne,
        };
        (name.clone(), ResourceType { node: Arc::clone(&known.node), subjects })
    });
    let types = Arc::new(Types(types.collect()));
    let mut names: Vec<Box<str>> = types.0.keys().cloned().collect();
    names.sort();
    let of_type = |known: &ResourceType| sekisho::catalogue::categories_of(&known.node, Categories::NONE);
    let everything = types.0.values().fold(Categories::NONE, |all, known| all.or(of_type(known)));
    let number = vocabulary.level("specific").and_then(|specific| specific.iter().next());
    Fhir { catalogue, number, everything, types, names }
});

/// How many releases there are: everything in clear, everything in each other form, then by dice.
pub(crate) const RELEASES: u8 = 24;

fn release(choice: u8) -> (Release, Categories) {
    let everything = FHIR.everything;
    let forms = [Form::Clear, Form::Withheld, Form::Masked, Form::Generalised, Form::Pseudonymised];
    let mut dice = Dice(u64::from(choice));
    let nothing = Release::clear(Categories::NONE);
    let release = everything.iter().fold(nothing, |release, category| {
        let form = match forms.get(usize::from(choice)) {
            Some(form) => *form,
            None => forms[dice.roll(forms.len())],
        };
        if form == Form::Withheld { release } else { release.most(&Release::of(category.only(), form)) }
    });
    (release, everything)
}

/// The three shapes of FHIR bodies.
pub(crate) const SHAPES: u8 = 3;

pub(crate) fn case(choice: u8, shape: u8) -> Case {
    let (release, all) = release(choice % RELEASES);
    let (shape, root) = match shape % SHAPES {
        0 => (Shape::FhirResource, Arc::default()),
        1 => {
            let list = FHIR.catalogue.resolve("GET", "/Observation", None).expect("a route");
            (Shape::FhirBundle, Arc::clone(list.route.root()))
        }
        _ => (Shape::FhirLines, Arc::default()),
    };
    let terms = Terms {
        release,
        all,
        pseudonymiser: Some(Arc::new(Plain)),
        links: Some(Arc::new(Gate)),
        individual_number: FHIR.number,
    };
    let (limits, memo) = (Limits::default(), Memo::default());
    Case {
        shape,
        root,
        types: Arc::clone(&FHIR.types),
        settled: choice.is_multiple_of(2),
        limits,
        terms,
        streams: false,
        memo,
    }
}

/// Grows a text along field trees, as the input says.
struct Grower<'a> {
    rest: &'a [u8],
    out: String,
    release: Release,
    /// Marks of what must not leave.
    withheld: Vec<String>,
    marks: usize,
}

const DEPTH_MAX: usize = 9;

impl Grower<'_> {
    /// A number below `sides`; 0 once the input is used up.
    fn roll(&mut self, sides: usize) -> usize {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        match (sides > 256, rest.split_first()) {
            (true, Some((second, rest))) => {
                self.rest = rest;
                (usize::from(*first) << 8 | usize::from(*second)) % sides
            }
            _ => usize::from(*first) % sides,
        }
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// A text that occurs once. `told`: whether the catalogue alone says what becomes of it.
    fn mark(&mut self, meaning: Option<Meaning>, told: bool) {
        self.marks += 1;
        let mark = format!("mark{}k", self.marks);
        let _ = write!(self.out, "\"{mark}\"");
        let leaves = match meaning {
            Some(Meaning::Category(category)) => self.release.form(category) == Form::Clear,
            Some(Meaning::Open | Meaning::Count | Meaning::Everything) => true,
            Some(Meaning::Never | Meaning::Link) | None => false,
        };
        if told && !leaves {
            self.withheld.push(mark);
        }
    }

    fn leaf(&mut self, meaning: Option<Meaning>, told: bool) {
        const OTHERS: [&str; 22] = [
            "1.00",
            "0.010",
            "-1.5E+3",
            "123456789012345678901234567890",
            "7",
            "true",
            "null",
            "[]",
            "{}",
            "\"\"",
            "\"1987-05-02\"",
            "\"1987-05-02T10:11:12.123+09:00\"",
            "\"Patient/p1\"",
            "\"Patient/p2\"",
            "\"#q\"",
            "\"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0\"",
            "\"http://inside/Patient/p1\"",
            "\"http://terminology.hl7.org/CodeSystem/v3-ObservationValue\"",
            "\"123456789018\"",
            "\"\\u5c71\\ud83d\\ude00\\/\"",
            "[[{}],7,\"x\",null]",
            "{\"url\":\"u\",\"value\":[1]}",
        ];
        match self.roll(OTHERS.len() + 8).checked_sub(8) {
            Some(other) => self.put(OTHERS[other]),
            None => self.mark(meaning, told),
        }
    }

    fn value(&mut self, node: Option<&Node>, above: Option<Meaning>, told: bool, depth: usize) {
        let meaning = node.and_then(|node| node.meaning).or(above);
        let Some(node) = node.filter(|_| depth < DEPTH_MAX) else { return self.leaf(meaning, told) };
        if self.roll(24) == 23 {
            // Of another kind than the standard has it.
            return self.leaf(meaning, false);
        }
        let told = told && node.by.is_none();
        if node.resource {
            return self.resource(depth + 1);
        }
        match &node.any {
            _ if !node.members.is_empty() => self.object(node, meaning, told, depth + 1, ""),
            Some(any) => {
                self.put("[");
                for at in 0..self.roll(4) {
                    self.put(if at == 0 { "" } else { "," });
                    self.value(Some(any), meaning, told, depth + 1);
                }
                self.put("]");
            }
            None => self.leaf(meaning, told),
        }
    }

    /// Members by their place in the order of names; now and then one that nobody named, or the shadow of one.
    fn object(&mut self, node: &Node, meaning: Option<Meaning>, told: bool, depth: usize, first: &str) {
        let mut names: Vec<&str> = node.members.keys().map(AsRef::as_ref).collect();
        names.retain(|name| !first.contains(&format!("\"{name}\":")));
        names.sort_unstable();
        self.put("{");
        self.put(first);
        let mut separator = if first.is_empty() { "" } else { "," };
        for _ in 0..self.roll(7) {
            if names.is_empty() {
                break;
            }
            self.put(separator);
            separator = [",", " ,\n "][usize::from(self.rest.len().is_multiple_of(7))];
            let which = self.roll(names.len());
            // A name comes twice only where the input insists.
            let name = if self.roll(200) == 199 { names[which] } else { names.swap_remove(which) };
            match self.roll(32) {
                0..=27 => {
                    let _ = write!(self.out, "\"{name}\":");
                    self.value(node.members.get(name).map(|child| &**child), meaning, told, depth);
                }
                28 => {
                    let escaped: String = name.chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
                    let _ = write!(self.out, "\"{escaped}\" : ");
                    self.value(node.members.get(name).map(|child| &**child), meaning, told, depth);
                }
                29 => {
                    let _ = write!(self.out, "\"_{name}\":");
                    self.value(node.members.get(&*format!("_{name}")).map(|child| &**child), None, false, depth);
                }
                _ => {
                    let _ = write!(self.out, "\"x{name}-1\":");
                    self.leaf(None, node.any.is_none() && meaning.is_none());
                }
            }
        }
        self.put("}");
    }

    /// Who takes part.
    fn parties(&mut self) -> String {
        const PARTIES: [&str; 8] = [
            r#"{"reference":"Patient/p1"}"#,
            r#"{"reference":"Practitioner/d1","type":"Practitioner"}"#,
            r#"{"reference":"\u004cocation\/l1\/_history/2"}"#,
            r#"{"reference":"Patient/no1"}"#,
            r#"{"reference":"Practitioner/d1","type":"Patient"}"#,
            r#"{"reference":"Device/v1"}"#,
            r#"{"display":"B"}"#,
            "null",
        ];
        let parties: Vec<String> =
            (0..self.roll(4)).map(|_| format!("{{\"actor\":{}}}", PARTIES[self.roll(PARTIES.len())])).collect();
        format!(",\"participant\":[{}]", parties.join(","))
    }

    fn resource(&mut self, depth: usize) {
        let count = FHIR.names.len();
        let name = match self.roll(8) {
            0 => "Patient",
            1 => "Observation",
            2 => "Nope",
            3 => "Appointment",
            _ => {
                let which = self.roll(count);
                &FHIR.names[which]
            }
        };
        let subject = match (name, self.roll(3)) {
            ("Appointment", 1..) => self.parties(),
            (_, 1) => r#","subject":{"reference":"Patient/p1"}"#.to_owned(),
            (_, 2) => r#","subject":{"reference":"Patient/no1"}"#.to_owned(),
            _ => String::new(),
        };
        let (id, first) = (["", r#","id":"p1""#, r#","id":"q""#][self.roll(3)], self.roll(4));
        let said = format!("\"resourceType\":\"{name}\"{id}{subject}");
        match FHIR.types.get(name) {
            Some(known) if depth < DEPTH_MAX && first > 0 => self.object(&known.node, None, true, depth, &said),
            _ => self.put(&format!("{{{said}}}")),
        }
    }

    fn body(&mut self, case: &Case) {
        match case.shape {
            Shape::FhirBundle => {
                self.put(r#"{"resourceType":"Bundle","total":2,"entry":["#);
                for at in 0..=self.roll(4) {
                    self.put(if at == 0 { "" } else { "," });
                    let url = self.roll(2);
                    self.put(["{\"fullUrl\":\"http://inside/Patient/p1\",", "{"][url]);
                    self.put("\"resource\":");
                    self.resource(2);
                    self.put("}");
                }
                self.put("],\"link\":[{\"relation\":\"next\",\"url\":\"http://inside/x\"}]}");
            }
            Shape::FhirLines => {
                for _ in 0..=self.roll(3) {
                    self.resource(1);
                    self.put("\n");
                }
            }
            _ => self.resource(1),
        }
    }
}

thread_local! {
    static CASES: RefCell<HashMap<(u8, u8), &'static Case>> = RefCell::default();
}

/// Panics where a promise is broken.
pub fn check(bytes: &[u8]) {
    let [choice, shape, a, b, rest @ ..] = bytes else { return };
    let key = (choice % RELEASES, shape % SHAPES);
    // Kept for good: there are few.
    let case =
        CASES.with_borrow_mut(|cases| *cases.entry(key).or_insert_with(|| Box::leak(Box::new(case(key.0, key.1)))));
    let (release, marks) = (case.terms.release, Vec::new());
    let mut grower = Grower { rest, out: String::new(), release, withheld: marks, marks: 0 };
    grower.body(case);
    let (mut body, marks) = (grower.out.into_bytes(), grower.withheld);
    if let ([.., at, flip], 255) = (rest, *b)
        && !body.is_empty()
    {
        let at = usize::from(*at) * body.len() / 256;
        body[at] ^= flip;
    }
    if body.len() > 24 << 10 {
        return;
    }
    let out = case.compare(&body, [*a, *b], usize::MAX);
    let out = String::from_utf8_lossy(&out);
    for mark in marks {
        // Marks of damaged bodies may stand in other places than they were meant for.
        assert!(*b == 255 || !out.contains(&format!("\"{mark}\"")), "`{mark}` left: {out}");
    }
}
