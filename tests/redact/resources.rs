//! FHIR resources and Bundles.

use std::sync::Arc;

use sekisho::catalogue::fields::{Meaning, Node};
use sekisho::catalogue::party::Bystanders;
use sekisho::policy::Categories;
use sekisho::redact::*;

use super::slow::{ABSENT, MASK, PSEUDO, SECURITY, TAG};
use super::support::*;
use super::trees::*;

fn meta() -> String {
    format!(r#""meta":{{"security":[{SECURITY}],"tag":[{TAG}]}}"#)
}

/// Of a resource in which an id is a pseudonym.
fn renamed() -> String {
    format!(r#""meta":{{"security":[{SECURITY},{PSEUDO}],"tag":[{TAG}]}}"#)
}

fn single(limits: Limits, settled: bool) -> Setup {
    let root = Arc::new(Node::default());
    Setup::with(Shape::FhirResource, root, Some(types()), settled, limits, release())
}

pub(super) fn bundle() -> Setup {
    Setup::new(Shape::FhirBundle, bundle_root(), Some(types()), false)
}

pub(super) fn corpus() -> Vec<(Setup, Vec<u8>)> {
    let patient = r#"{"gender":"male","id":"p1","name":[{"family":"山田"}],"_gender":{"id":"x"},"meta":{"versionId":"3"},"resourceType":"Patient"}"#;
    let observation = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"category":[{"a":1}],"subject":{"reference":"Patient/p1","display":"山田"},"contained":[{"id":"q","resourceType":"Device"}]}"#;
    let long = format!(
        r#"{{"resourceType":"Patient","contained":[{observation},{patient}],"id":"p1","gender":"male","telecom":["a"]}}"#
    );
    let root = || Arc::new(Node::default());
    let extended = |entry_bytes_max| {
        let limits = Limits { entry_bytes_max, ..Limits::default() };
        Setup::with(Shape::FhirResource, root(), Some(extended()), true, limits, release())
    };
    let short = Limits { entry_bytes_max: 170, ..Limits::default() };
    vec![
        (extended(1 << 20), EXTENDED.into()),
        (extended(60), EXTENDED.into()),
        (single(Limits::default(), false), patient.into()),
        (single(Limits::default(), false), observation.into()),
        (single(short, true), long.clone().into()),
        (single(short, false), long.into()),
        (bundle(), format!(r#"{{"resourceType":"Bundle","entry":[{{"fullUrl":"urn:uuid:x","resource":{patient}}},{{"resource":{observation}}}]}}"#).into()),
    ]
}

#[test]
fn a_patient_leaves_with_its_label_and_without_what_is_withheld() {
    let setup = single(Limits::default(), false);
    let body = r#"{"resourceType":"Patient","id":"p1","name":[{"family":"山田"}],"_name":[{}],"gender":"male","_gender":{"extension":[{"url":"u","valueString":"山田"}]},"birthDate":"1987-05-02","_birthDate":{"id":"b"},"text":{"div":"x"},"extension":[{}]}"#;
    let expected =
        format!(r#"{{"resourceType":"Patient","id":"P(2)","gender":"male","birthDate":"1987",{}}}"#, renamed());
    assert_eq!(setup.text(body), expected);
}

#[test]
fn the_label_joins_the_meta_that_is_there() {
    let setup = single(Limits::default(), false);
    let with = |meta: &str| setup.text(&format!(r#"{{"resourceType":"Patient","id":"p","meta":{meta}}}"#));
    let expected = |meta: String| format!(r#"{{"resourceType":"Patient","id":"P(1)",{meta}}}"#);
    let both = format!(r#""security":[{SECURITY},{PSEUDO}],"tag":[{TAG}]"#);
    assert_eq!(with("{}"), expected(renamed()));
    assert_eq!(with(r#"{"versionId":"3"}"#), expected(format!(r#""meta":{{"versionId":"3",{both}}}"#)));
    assert_eq!(
        with(r#"{"security":[{"code":"R"}]}"#),
        expected(format!(r#""meta":{{"security":[{{"code":"R"}},{SECURITY},{PSEUDO}],"tag":[{TAG}]}}"#))
    );
    assert_eq!(
        with(r#"{"security":"x","tag":[{"code":"t"}]}"#),
        expected(format!(r#""meta":{{"tag":[{TAG}],"security":[{SECURITY},{PSEUDO}]}}"#))
    );
    for odd in ["7", "\"x\"", "[{}]", "null"] {
        assert_eq!(with(odd), expected(renamed()));
    }
}

#[test]
fn the_label_is_decided_by_the_plan_not_by_the_data() {
    let setup = single(Limits::default(), true);
    assert_eq!(setup.text(r#"{"resourceType":"Patient"}"#), format!(r#"{{"resourceType":"Patient",{}}}"#, meta()));
    let device = r#"{"resourceType":"Device","id":"d"}"#;
    assert_eq!(setup.text(device), device);
}

#[test]
fn a_required_element_that_is_withheld_says_that_it_is_masked() {
    let setup = single(Limits::default(), false);
    let body = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"category":[{"text":"y"}],"marks":["m"],"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":1.00}}"#;
    let expected = format!(
        r#"{{"resourceType":"Observation","_status":{ABSENT},"code":{ABSENT},"category":[{ABSENT}],"_marks":[{ABSENT}],"subject":{{"reference":"Patient/P(2)"}},"valueQuantity":{{"value":1.00}},{}}}"#,
        renamed()
    );
    assert_eq!(setup.text(body), expected);
}

/// Whatever the backend writes where nothing of it may be told: the answer is the same.
#[test]
fn a_required_element_says_that_it_is_masked_whether_it_is_filled_or_not() {
    let setup = single(Limits::default(), false);
    let of = |status: &str, code: &str, category: &str, marks: &str| {
        setup.text(&format!(
            r#"{{"resourceType":"Observation","status":{status},"code":{code},"category":{category},"marks":{marks},"subject":{{"reference":"Patient/p1"}}}}"#
        ))
    };
    let filled = of(r#""final""#, r#"{"text":"x"}"#, r#"[{"text":"y"}]"#, r#"["m","n"]"#);
    assert!(filled.contains("_status") && filled.contains("_marks") && filled.contains("\"category\":["), "{filled}");
    for empty in ["null", "[]", "{}", "[null]", "[[]]", "[{}]", "7"] {
        assert_eq!(of(empty, empty, empty, empty), filled, "{empty}");
    }
}

#[test]
fn the_shadow_of_what_is_nobodys_or_clear_carries_nothing_out() {
    let setup = single(Limits::default(), false);
    let shadow = r#"{"id":"山田","extension":[{"url":"u","valueString":"山田"}]}"#;
    let body = format!(
        r#"{{"resourceType":"Patient","_resourceType":{shadow},"id":"p1","meta":{{"versionId":"1","_versionId":{shadow}}},"gender":"f","_gender":{shadow},"_id":{shadow}}}"#
    );
    let out = setup.text(&body);
    assert!(out.contains(r#""versionId":"1""#) && out.contains(r#""gender":"f""#), "{out}");
    assert!(!out.contains("山田") && !out.contains("\"_"), "{out}");
}

#[test]
fn contained_resources_are_judged_by_their_own_type_and_unknown_ones_go() {
    let setup = single(Limits::default(), false);
    let body = r#"{"resourceType":"Patient","id":"p","contained":[{"id":"d","resourceType":"Device"},{"resourceType":"Nope","a":1},{"a":1},"x",{"gender":"male","name":[{"family":"山田"}],"resourceType":"Patient"}]}"#;
    let expected = format!(
        r#"{{"resourceType":"Patient","id":"P(1)","contained":[{{"id":"d","resourceType":"Device"}},{{"gender":"male","resourceType":"Patient"}}],{}}}"#,
        renamed()
    );
    assert_eq!(setup.text(body), expected);
}

const EXTENDED: &str = r#"{"resourceType":"Patient","extension":[{"valueCode":"a","url":"urn:open"},{"url":"urn:other","valueCode":"\u5c71"},{"valueString":"山田"},{"\u0075rl":"urn:gender","valueCode":"f"},{"url":"urn:open","valueString":"山田","valueCode":"b"},{"url":["urn:open"],"valueCode":"山田"},"urn:open"],"_gender":{"extension":[{"url":"urn:other"},{"url":"urn:open","valueCode":"c"}]}}"#;

#[test]
fn an_object_is_what_its_own_member_says() {
    let root = Arc::new(Node::default());
    let setup = Setup::with(Shape::FhirResource, root, Some(extended()), true, Limits::default(), release());
    let expected = format!(
        r#"{{"resourceType":"Patient","extension":[{{"valueCode":"a","url":"urn:open"}},{{"\u0075rl":"urn:gender","valueCode":"f"}},{{"url":"urn:open","valueCode":"b"}}],"_gender":{{"extension":[{{"url":"urn:open","valueCode":"c"}}]}},{}}}"#,
        meta()
    );
    assert_eq!(setup.text(EXTENDED), expected);
    // As it streams, each is held until it says what it is; one too large to be held goes.
    for (entry_bytes_max, kept) in [(60, true), (20, false)] {
        let root = Arc::new(Node::default());
        let limits = Limits { entry_bytes_max: entry_bytes_max.max(30), ..Limits::default() };
        let setup = Setup::with(Shape::FhirResource, root, Some(extended()), true, limits, release());
        let out = setup.text(EXTENDED);
        assert_eq!(out.contains("urn:open"), kept, "{out}");
        assert!(out.contains("Patient") && !out.contains("山田") && !out.contains("5c71"), "{out}");
    }
}

#[test]
fn a_bundle_keeps_only_entries_of_a_known_type_and_a_permitted_subject() {
    let patient = |id: &str| {
        format!(
            r#"{{"fullUrl":"http://inside/Patient/{id}","resource":{{"id":"{id}","resourceType":"Patient"}},"search":{{"mode":"match","score":1}}}}"#
        )
    };
    let outcome = r#"{"resource":{"resourceType":"OperationOutcome","issue":["x"]}}"#;
    let body = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","total":5,"link":[{{"relation":"self","url":"http://inside/Patient?a=b"}},{{"relation":"x","url":"http://out/"}}],"entry":[{},{},{{"resource":{{"resourceType":"Nope"}}}},{{"fullUrl":"x"}},{outcome},{}]}}"#,
        patient("no1"),
        patient("a"),
        patient("b")
    );
    let kept = format!(
        r#"{{"fullUrl":"https://gate/Patient/P(1)","resource":{{"id":"P(1)","resourceType":"Patient",{}}},"search":{{"mode":"match"}}}}"#,
        renamed()
    );
    let expected = format!(
        r#"{{"resourceType":"Bundle","type":"searchset","link":[{{"relation":"self","url":"https://gate/Patient?a=b"}},{{"relation":"x"}}],"entry":[{kept},{outcome},{kept}]}}"#
    );
    assert_eq!(bundle().text(&body), expected);
}

#[test]
fn a_large_resource_streams_only_if_its_subject_is_settled_and_its_type_at_hand() {
    let limits = Limits { entry_bytes_max: 100, ..Limits::default() };
    let filler = "male".repeat(40);
    let typed = format!(
        r#"{{"resourceType":"Patient","gender":"{filler}","name":[{{"family":"x"}}],"contained":[{{"issue":1,"resourceType":"OperationOutcome"}},{{"gender":"f","resourceType":"Patient"}},{{"resourceType":"OperationOutcome","issue":"{filler}"}}]}}"#
    );
    let expected = format!(
        r#"{{"resourceType":"Patient","gender":"{filler}","contained":[{{"issue":1,"resourceType":"OperationOutcome"}}],"meta":{{"security":[{SECURITY},{MASK},{PSEUDO}],"tag":[{TAG}]}}}}"#
    );
    assert_eq!(single(limits, true).text(&typed), expected);
    assert_eq!(single(limits, false).text(&typed), "");
    let late = format!(r#"{{"gender":"{filler}","resourceType":"Patient"}}"#);
    assert_eq!(single(limits, true).text(&late), "");
}

#[test]
fn lines_of_resources_are_each_judged_by_their_type() {
    let root = Arc::new(Node::default());
    let setup = Setup::new(Shape::FhirLines, root, Some(types()), false);
    let body = "{\"id\":\"p\",\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Nope\"}\n[]\n{\"resourceType\":\"Device\"}\n{\"resourceType\":\"OperationOutcome\"}\n";
    let expected = format!(
        "{{\"id\":\"P(1)\",\"resourceType\":\"Patient\",{}}}\n{{\"resourceType\":\"OperationOutcome\"}}\n",
        renamed()
    );
    assert_eq!(String::from_utf8(setup.run(&[body.as_bytes()]).0).unwrap(), expected);
}

/// A resource inside another was judged with it, for its person and for nobody else.
#[test]
fn what_is_contained_is_about_nobody_but_the_person_of_its_record() {
    let clear = |fields: &[&str]| {
        let fields: Vec<(&str, Node)> = fields.iter().map(|field| (*field, of(CLEAR))).collect();
        let mut node = (*tree(&fields)).clone();
        let inside = Node { any: Some(Arc::new(Node { resource: true, ..Node::default() })), ..Node::default() };
        node.members.insert("contained".into(), Arc::new(inside));
        Arc::new(node)
    };
    let patient = SubjectAt {
        pointer: Pointer::parse("/subject").unwrap(),
        reference_to: Some("Patient".into()),
        bystanders: Bystanders::default(),
    };
    let types = Types(
        [
            ("O".into(), ResourceType { node: clear(&["/subject", "/v"]), subjects: Subjects::At(vec![patient]) }),
            ("D".into(), ResourceType { node: clear(&["/v"]), subjects: Subjects::NoOne }),
        ]
        .into(),
    );
    let root = Arc::new(Node::default());
    let setup = Setup::new(Shape::FhirResource, root, Some(types), false);
    let record = |kind: &str, inside: &str| {
        let subject = if kind == "O" { r#""subject":"Patient/p1","# } else { "" };
        setup.text(&format!(r#"{{"resourceType":"{kind}",{subject}"contained":[{inside}],"v":"own"}}"#))
    };
    let about = |who: &str| format!(r#"{{"resourceType":"O","subject":"{who}","v":"inner"}}"#);
    let wrapped = |inside: &str| format!(r#"{{"resourceType":"D","contained":[{inside}],"v":"d"}}"#);
    for stays in [about("Patient/p1"), r#"{"resourceType":"O","v":"inner"}"#.into(), wrapped(&about("Patient/p1"))] {
        assert!(record("O", &stays).contains("inner"), "{stays}");
    }
    for goes in [about("Patient/p2"), about("#"), about("Group/p1"), wrapped(&about("Patient/p2"))] {
        assert!(!record("O", &goes).contains("inner"), "{goes}");
    }
    for goes in [about("Patient/p1"), r#"{"resourceType":"O","v":"inner"}"#.into(), wrapped(&about("Patient/p1"))] {
        let left = record("D", &goes);
        assert!(!left.contains("inner") && left.contains("own"), "{left}");
    }
}

/// That one is there tells what its type is about: it goes where that is not clear, unless the plan says that it may be told.
#[test]
fn what_is_contained_goes_where_its_type_may_not_be_told_of() {
    let types = |told| {
        let inside = tree(&[("/v", of(CLEAR))]);
        let inside = Arc::new(Node { told, ..(*inside).clone() });
        let around = tree(&[("/contained/*", Node { resource: true, ..Node::default() }), ("/v", of(CLEAR))]);
        let of_no_one = |node| ResourceType { node, subjects: Subjects::NoOne };
        Types([("In".into(), of_no_one(inside)), ("Out".into(), of_no_one(around))].into())
    };
    let body = r#"{"resourceType":"Out","contained":[{"resourceType":"In","v":"told"}],"v":"own"}"#;
    for (told, telling, stays) in [
        (Categories::NONE, Categories::NONE, true),
        (cat(CLEAR).only(), Categories::NONE, true),
        (cat(MASKED).only(), Categories::NONE, false),
        (cat(COARSE).only(), Categories::NONE, false),
        (cat(WITHHELD).only(), Categories::NONE, false),
        (cat(WITHHELD).only(), cat(WITHHELD).only(), true),
        (cat(WITHHELD).only(), cat(MASKED).only(), false),
        (cat(CLEAR).only().or(cat(MASKED).only()), Categories::NONE, false),
        (cat(7).only(), Categories::NONE, false),
        (cat(7).only(), cat(7).only(), true),
    ] {
        let mut setup = Setup::new(Shape::FhirResource, Arc::default(), Some(types(told)), true);
        let plan = Plan::join(&setup.spec, terms(release(), 5)).telling(telling);
        setup.plan = Arc::new(plan);
        let left = setup.text(body);
        assert_eq!(left.contains("told"), stays, "{told:?} {telling:?}: {left}");
        assert!(left.contains("own"), "{left}");
    }
}

/// What answers a search with another resource than a Bundle would leave by the Bundle's plan, judged for nobody.
#[test]
fn a_list_whose_root_is_no_bundle_is_a_fault() {
    let entry = tree(&[("/entry/*/resource", Node { resource: true, ..Node::default() }), ("/id", of(CLEAR))]);
    let mut root = (*entry).clone();
    root.members.insert("resourceType".into(), Arc::new(node(Meaning::Open)));
    let types =
        Types([("D".into(), ResourceType { node: tree(&[("/v", of(CLEAR))]), subjects: Subjects::NoOne })].into());
    let setup = Setup::new(Shape::FhirBundle, Arc::new(root), Some(types), false);
    let body = r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"D","v":1}}]}"#;
    assert_eq!(setup.text(body), body);
    for body in [
        r#"{"resourceType":"Patient","id":"p1"}"#,
        r#"{"resourceType":["Bundle"],"id":"p1"}"#,
        r#"{"resourceType":"B\u0075ndle","id":"p1"}"#,
        r#"{"resourceType":null}"#,
        r#"{"id":"p1"}"#,
        "{}",
    ] {
        for size in [body.len(), 1, 7] {
            let (out, end) = setup.run(&body.as_bytes().chunks(size).collect::<Vec<_>>());
            assert_eq!((out, end.err()), (Vec::new(), Some(Fault::Layout)), "{body} by {size}");
        }
    }
}

/// However the backend's bytes come: until it says that it is a Bundle nothing of it leaves, and no entry is on record.
#[test]
fn nothing_of_a_list_leaves_before_it_says_that_it_is_a_bundle() {
    let resource = Node { resource: true, ..Node::default() };
    let fields = [("/entry/*/resource", resource), ("/id", of(CLEAR)), ("/resourceType", node(Meaning::Open))];
    let types =
        || Types([("D".into(), ResourceType { node: tree(&[("/v", of(CLEAR))]), subjects: Subjects::NoOne })].into());
    let limits = Limits { entry_bytes_max: 2000, ..Limits::default() };
    let setup = Setup::with(Shape::FhirBundle, tree(&fields), Some(types()), false, limits, release());
    let entries = r#""id":"p1","entry":[{"resource":{"resourceType":"D","v":1}}]"#;
    let body = format!(r#"{{{entries},"resourceType":"Bundle"}}"#);
    let says = body.find(r#""Bundle""#).unwrap() + 8;
    for size in [1, 3, 16, 50] {
        let mut redactor = setup.redactor().at_once();
        let (mut out, mut read, mut end) = (Vec::new(), 0, 0);
        for piece in body.as_bytes().chunks(size) {
            redactor.push(piece, &mut out).unwrap();
            read += piece.len();
            let (windows, said) = (redactor.take_windows(), read >= says);
            assert!(said || (out.is_empty() && windows.is_empty()), "{} of {body}", read);
            end = windows.last().map_or(end, |window| window.end);
        }
        redactor.finish(&mut out).map(|_| ()).unwrap();
        end = redactor.take_windows().last().map_or(end, |window| window.end);
        assert_eq!(end, body.len() as u64);
        assert_eq!(String::from_utf8(out).unwrap(), body);
    }
    for other in [format!(r#"{{{entries},"resourceType":"D"}}"#), format!("{{{entries}}}")] {
        for size in [1, 16, other.len()] {
            let (out, end) = setup.run(&other.as_bytes().chunks(size).collect::<Vec<_>>());
            assert_eq!((out, end.err()), (Vec::new(), Some(Fault::Layout)), "{other}");
        }
    }
    // What does not say it soon enough is not waited for without end.
    let more = vec![r#"{"resource":{"resourceType":"D","v":1}}"#; 100].join(",");
    let late = format!(r#"{{"entry":[{more}],"resourceType":"Bundle"}}"#);
    let (out, end) = setup.run(&[late.as_bytes().get(..3000).unwrap(), late.as_bytes().get(3000..).unwrap()]);
    assert_eq!((out, end.err()), (Vec::new(), Some(Fault::Layout)));
}

/// What was done to a resource is said of that one, once, and not of its neighbours.
#[test]
fn labels_say_what_was_done_to_this_resource_and_to_no_other() {
    let setup = single(Limits::default(), true);
    let labels = |body: &str| {
        let out: serde_json::Value = serde_json::from_str(&setup.text(body)).unwrap();
        let codes = out["meta"]["security"].as_array().unwrap().iter();
        let codes: Vec<String> = codes.map(|coding| coding["code"].as_str().unwrap().to_owned()).collect();
        codes.join(" ")
    };
    assert_eq!(labels(r#"{"resourceType":"Patient","gender":"f"}"#), "REDACTED");
    assert_eq!(labels(r#"{"resourceType":"Patient","id":"p"}"#), "REDACTED PSEUDED");
    assert_eq!(labels(r#"{"resourceType":"Patient","telecom":["a"]}"#), "REDACTED MASKED");
    assert_eq!(labels(r#"{"resourceType":"Patient","meta":{},"telecom":7}"#), "REDACTED MASKED");
    assert_eq!(
        labels(r#"{"telecom":"a","id":"p","meta":{"security":[]},"resourceType":"Patient"}"#),
        "REDACTED MASKED PSEUDED"
    );
    let contained = r#"{"resourceType":"Patient","id":"p","meta":{"tag":[]},"contained":[{"resourceType":"Patient","telecom":"a"}]}"#;
    assert_eq!(labels(contained), "REDACTED MASKED PSEUDED");
    // What was only generalised is neither.
    assert_eq!(labels(r#"{"resourceType":"Patient","birthDate":"1987-05-02"}"#), "REDACTED");
    let of_two = bundle().text(r#"{"resourceType":"Bundle","entry":[{"fullUrl":"x","resource":{"resourceType":"Patient","id":"a","telecom":"t"}},{"fullUrl":"y","resource":{"resourceType":"Patient","id":"b","gender":"f"}}]}"#);
    assert_eq!((of_two.matches("\"MASKED\"").count(), of_two.matches("\"PSEUDED\"").count()), (1, 2), "{of_two}");
}

#[test]
fn a_label_that_the_resource_bears_is_not_written_twice() {
    let coding = tree(&[("/system", node(Meaning::Open)), ("/code", node(Meaning::Open))]);
    let patient = tree(&[
        ("/id", id()),
        ("/meta/security/*", (*coding).clone()),
        ("/meta/tag/*", (*coding).clone()),
        ("/name", of(WITHHELD)),
    ]);
    let known = Types([("Patient".into(), ResourceType { node: patient, subjects: Subjects::NoOne })].into());
    let setup =
        Setup::with(Shape::FhirResource, Arc::new(Node::default()), Some(known), true, Limits::default(), release());
    let with = |security: &str, tag: &str| {
        let meta = format!(r#""meta":{{"security":[{security}],"tag":[{tag}]}}"#);
        (setup.text(&format!(r#"{{"resourceType":"Patient",{meta},"id":"p"}}"#)), meta)
    };
    let own = r#"{"system":"urn:own","code":"REDACTED"}"#;
    for (security, tag, security_then, tag_then) in [
        (SECURITY.to_owned(), TAG.into(), format!("{SECURITY},{PSEUDO}"), TAG.into()),
        (PSEUDO.to_owned(), String::new(), format!("{PSEUDO},{SECURITY}"), TAG.into()),
        (format!("{SECURITY} , {PSEUDO} "), TAG.into(), format!("{SECURITY} , {PSEUDO} "), TAG.into()),
        (own.into(), own.into(), format!("{own},{SECURITY},{PSEUDO}"), format!("{own},{TAG}")),
    ] {
        let expected = format!(
            r#"{{"resourceType":"Patient","meta":{{"security":[{security_then}],"tag":[{tag_then}]}},"id":"P(1)"}}"#
        );
        assert_eq!(with(&security, &tag).0, expected);
    }
}

#[test]
fn what_a_tag_says_is_no_security_label() {
    let coding = tree(&[("/system", node(Meaning::Open)), ("/code", node(Meaning::Open))]);
    let patient = tree(&[
        ("/id", id()),
        ("/meta/security/*", (*coding).clone()),
        ("/meta/tag/*", (*coding).clone()),
        ("/name", of(WITHHELD)),
    ]);
    let known = Types([("Patient".into(), ResourceType { node: patient, subjects: Subjects::NoOne })].into());
    let setup = Setup::new(Shape::FhirResource, Arc::new(Node::default()), Some(known), true);
    let body =
        format!(r#"{{"resourceType":"Patient","meta":{{"tag":[{SECURITY},{PSEUDO}],"security":[{TAG}]}},"id":"p"}}"#);
    let expected = format!(
        r#"{{"resourceType":"Patient","meta":{{"tag":[{SECURITY},{PSEUDO},{TAG}],"security":[{TAG},{SECURITY},{PSEUDO}]}},"id":"P(1)"}}"#
    );
    assert_eq!(setup.text(&body), expected);
}
