//! Lists, lines and single objects of a plain API.

use sekisho::catalogue::fields::Meaning;
use sekisho::catalogue::party::Bystanders;
use sekisho::policy::Form;
use sekisho::redact::*;

use super::support::*;

#[test]
fn each_form_does_what_it_says_and_leaves_the_rest_alone() {
    let body = r#"{ "items" : [ {"id":"a1", "name":"Taro", "sex" : "m" , "phone":"090", "born":"1987-05-02",
      "home":{"pref":"東京都港区","street":"x"}, "tests":[{"value":1.00, "by":"Dr"} ,{"value":-0}], "notes":"n" ,
      "secret":1, "self":"http://inside/a1", "raw": { "k" : [ 1e2 , {} ] } } ], "total":1, "next":"http://else/", "kind":"K" }"#;
    let expected = r#"{ "items" : [ {"id":"P(2)", "sex" : "m" , "phone":"***", "born":"1987",
      "home":{"pref":"東京都"}, "tests":[{"value":1.00} ,{"value":-0}], "self":"https://gate/a1", "raw": { "k" : [ 1e2 , {} ] } } ], "kind":"K" }"#;
    assert_eq!(people().text(body), expected);
}

#[test]
fn a_dropped_entry_leaves_no_trace_wherever_it_stands() {
    let setup = people();
    let entry = |id: &str| format!(r#"{{"id":"{id}","sex":"m"}}"#);
    for mask in 0..16u8 {
        let ids = (0..4).map(|i| if mask >> i & 1 == 1 { format!("no{i}") } else { format!("y{i}") });
        let body: Vec<String> = ids.map(|id| entry(&id)).collect();
        let kept = (0..4).filter(|i| mask >> i & 1 == 0).map(|_| r#"{"id":"P(2)","sex":"m"}"#.to_owned());
        let expected = format!(r#"{{"items":[{}],"kind":1}}"#, kept.collect::<Vec<_>>().join(","));
        assert_eq!(setup.text(&format!(r#"{{"items":[{}],"kind":1}}"#, body.join(","))), expected);
    }
}

#[test]
fn entries_without_one_subject_are_dropped_and_counted() {
    let subjects = Subjects::At(vec![
        SubjectAt { pointer: Pointer::parse("/id").unwrap(), reference_to: None, bystanders: Bystanders::default() },
        SubjectAt {
            pointer: Pointer::parse("/refs/*").unwrap(),
            reference_to: Some("Patient".into()),
            bystanders: Bystanders::default(),
        },
    ]);
    let shape = Shape::List { entries: Pointer::parse("/*").unwrap(), subjects };
    let root = tree(&[("/*/sex", of(CLEAR)), ("/*/id", of(CLEAR))]);
    let setup = Setup::new(shape, root, None, false);
    let body = br#"[{"sex":1},{"id":null},{"id":"a","refs":["Patient/b"]},{"id":"a","refs":["Group/a"]},{"id":{}},7,"x",
        {"id":"a","refs":["Patient/a"]},{"id":"a","refs":["Patient/a","Patient/a/_history/2"]},{"id":12},{"id":""},{"id":1.5}]"#;
    let (out, tally) = setup.run(&[body]);
    let tally = tally.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(String::from_utf8(out).unwrap(), "[\n        {\"id\":\"a\"},{\"id\":\"a\"},{\"id\":12}]");
    assert_eq!((tally.released, tally.dropped, tally.dropped_subject), (3, 9, 9));
}

#[test]
fn unclassified_members_are_removed_counted_and_named_once() {
    let setup = people();
    let body = br#"{"items":[{"id":"1","new":1,"home":{"x":1}},{"id":"2","new":2,"tests":[5,{"deep":{"a":1}}]}],"extra":{},"2026-01":1}"#;
    let (out, tally) = setup.run(&[body]);
    let tally = tally.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(String::from_utf8(out).unwrap(), r#"{"items":[{"id":"P(1)"},{"id":"P(1)"}]}"#);
    assert_eq!(tally.unclassified, 6);
    let places: Vec<&str> = tally.unclassified_places.iter().map(|p| &**p).collect();
    assert_eq!(places, ["/items/*/new", "/items/*/tests/*", "/items/*/tests/*/deep", "/extra", "/*"]);
}

#[test]
fn what_is_nobodys_data_passes_no_member_that_nobody_named() {
    let root = tree(&[("/items/*/id", of(CLEAR)), ("/items/*/status", node(Meaning::Open))]);
    let setup = Setup::new(list("/items/*", "/id"), root, None, false);
    for (status, left) in [
        (r#""a""#, r#","status":"a""#),
        (r#"["a",[1]]"#, r#","status":["a",[1]]"#),
        // One that named something is gone as well: that it is there would tell that it names nothing.
        ("{}", ""),
        ("[]", ""),
        (r#"{"name":"Taro"}"#, ""),
        (r#"{"by":{"name":"Taro"}}"#, ""),
        (r#"["a",{"name":"Taro"},[{"name":["Taro"]}]]"#, r#","status":["a"]"#),
    ] {
        let (out, tally) = setup.run(&[format!(r#"{{"items":[{{"id":"1","status":{status}}}]}}"#).as_bytes()]);
        assert_eq!(String::from_utf8(out).unwrap(), format!(r#"{{"items":[{{"id":"1"{left}}}]}}"#));
        assert_eq!(tally.unwrap().unclassified > 0, status.contains("Taro"), "{status}");
    }
}

/// Every member of which something may be withheld, in every shape of "none": not told from one that is filled.
#[test]
fn what_is_withheld_tells_nothing_by_being_empty() {
    let setup = people();
    let with = |member: &str| setup.text(&format!(r#"{{"items":[{{"id":"a1"{member},"sex":"m"}}]}}"#));
    let without = with("");
    let filled = r#"[{"by":"Dr"},{"by":"Dr"}]"#;
    assert_eq!(with(&format!(r#","tests":{filled}"#)), without);
    for name in ["name", "_name", "home", "tests", "notes", "secret", "ids", "born", "self", "unheard-of"] {
        for empty in ["[]", "{}", "[ ]", "{ }", "[null]", "[[]]", "[{}]", "[[],{}]", "[[[]]]"] {
            for body in [format!(r#","{name}":{empty}"#), format!(r#" , "{name}" : {empty} "#)] {
                assert_eq!(with(&body).replace(' ', ""), without, "{body}");
            }
        }
        assert_eq!(with(&format!(r#","{name}":null"#)), without, "{name}");
    }
    // Where all that could stand there leaves in clear, there is nothing to tell apart.
    for (name, empty) in [("codes", "[]"), ("codes", "[[]]"), ("raw", "{}"), ("raw", "[]")] {
        let member = format!(r#","{name}":{empty}"#);
        assert!(with(&member).contains(&member), "{member}");
    }
    // The root and the way to the entries stay: they say nothing of anybody.
    assert_eq!(setup.text(r#"{"items":[]}"#), r#"{"items":[]}"#);
    assert_eq!(setup.text(r#"{"items":[{"id":"no"}]}"#), r#"{"items":[]}"#);
    assert_eq!(setup.text("{}"), "{}");
}

#[test]
fn the_tally_counts_by_category_and_each_entry_says_what_it_disclosed() {
    let setup = people();
    let mut redactor = setup.redactor();
    let mut out = Vec::new();
    redactor
        .push(br#"{"items":[{"id":"a","name":"x","born":"bad"},{"id":"no"},{"id":"b","sex":"f"}]}"#, &mut out)
        .unwrap();
    let windows = redactor.take_windows();
    assert_eq!(windows.len(), 1);
    assert_eq!(windows[0].end, out.len() as u64);
    let [first, second] = windows[0].disclosures.as_slice() else { panic!("two entries") };
    assert_eq!((first.subject.as_deref(), first.exact), (Some("a"), true));
    assert_eq!(first.occurred.of(Form::Withheld), cat(WITHHELD).only().or(cat(COARSE).only()));
    assert_eq!(first.occurred.of(Form::Pseudonymised), cat(PSEUDONYM).only());
    assert!(first.occurred.of(Form::Clear).is_empty());
    assert_eq!(second.occurred.of(Form::Clear), cat(CLEAR).only());
    let Ok(tally) = redactor.finish(&mut out) else { panic!("whole") };
    assert_eq!(tally.category(cat(PSEUDONYM)).of(Form::Pseudonymised), 2);
    assert_eq!((tally.released, tally.dropped, tally.dropped_refused), (2, 1, 1));
}

#[test]
fn a_window_holds_at_most_256_entries_and_64_kib_or_one_entry() {
    let setup = people();
    let filler = "y".repeat(30_000);
    let mut items: Vec<String> = (0..1000).map(|i| format!(r#"{{"id":"{i}"}}"#)).collect();
    items.extend((0..5).map(|i| format!(r#"{{"id":"{i}","sex":"{filler}"}}"#)));
    items.push(format!(r#"{{"id":"1","sex":"{}"}}"#, "z".repeat(200_000)));
    let body = format!(r#"{{"items":[{}]}}"#, items.join(","));
    let mut redactor = setup.redactor();
    let mut out = Vec::new();
    redactor.push(body.as_bytes(), &mut out).unwrap();
    let windows = redactor.take_windows();
    let mut start = 0;
    for window in &windows {
        assert!(window.disclosures.len() <= 256);
        assert!(window.end - start <= 64 << 10 || window.disclosures.len() == 1);
        start = window.end;
    }
    assert_eq!(start, out.len() as u64);
    assert_eq!(windows.iter().map(|w| w.disclosures.len()).sum::<usize>(), 1006);
}

#[test]
fn lines_are_judged_one_by_one() {
    let setup = Setup::new(Shape::Lines { subjects: at("/id") }, people_tree(""), None, false);
    let (out, tally) =
        setup.run(&[b"{\"id\":\"a\",\"sex\":1}\r\n{\"id\":\"no\"}\n\n  {\"id\":\"b\"} \n{\"id\":\"c\",\"name\":2}"]);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"id\":\"P(1)\",\"sex\":1}\r\n  {\"id\":\"P(1)\"} \n{\"id\":\"P(1)\"}"
    );
    assert_eq!(tally.unwrap_or_else(|f| panic!("{f}")).released, 3);
    for bad in ["{}{}", "{} {}", "{\"id\":\n1}", "[1,\n2]", "{\"id\":\"a\"},\n"] {
        assert!(setup.run(&[bad.as_bytes()]).1.is_err(), "{bad}");
    }
}

#[test]
fn a_single_object_that_is_refused_leaves_nothing_at_all() {
    let setup = Setup::new(Shape::Object { subjects: at("/id") }, people_tree(""), None, false);
    assert_eq!(setup.text(r#" {"id":"a","sex":"m"} "#), r#" {"id":"P(1)","sex":"m"} "#);
    assert_eq!(setup.text(r#" {"id":"no","sex":"m"} "#), "");
    assert_eq!(setup.text(r#" {"sex":"m"} "#), "");
}

#[test]
fn a_root_of_which_nothing_may_leave_is_empty_json() {
    let setup = Setup::new(Shape::Object { subjects: Subjects::NoOne }, tree(&[("", of(WITHHELD))]), None, false);
    for (body, left) in [(r#"{"a":1}"#, "{}"), ("[1]", "[]"), ("\"x\"", "null"), ("7", "null"), (" {} ", " {} ")] {
        assert_eq!(setup.text(body), left);
    }
    let unnamed = Setup::new(Shape::Object { subjects: Subjects::NoOne }, tree(&[("/a", of(CLEAR))]), None, false);
    for (body, left) in [(r#"{"b":[1],"c":{}}"#, "{}"), (r#"[1,{"a":1}]"#, "[]"), ("\"x\"", "null")] {
        assert_eq!(unnamed.text(body), left);
    }
}

#[test]
fn entries_in_another_place_than_the_catalogue_says_are_never_envelope() {
    let setup = Setup::new(list("/*", "/id"), people_tree("/*"), None, false);
    for body in [r#"{"a":{"sex":"m"}}"#, r#"{"items":[]}"#] {
        assert_eq!(setup.run(&[body.as_bytes()]).1.err(), Some(Fault::Layout), "{body}");
    }
    assert_eq!(people().run(&[br#"{"items":{"a":{"sex":1}}}"#]).1.err(), Some(Fault::Layout));
    assert_eq!(people().run(&[b"[1]"]).1.err(), Some(Fault::Layout));
    assert_eq!(people().text(r#"{"items":null}"#), "{}");
}

#[test]
fn a_pseudonymised_object_keeps_nothing_under_names_that_nobody_spelt_out() {
    let body = r#"{"items":[{"id":7,"ids":{"mrn":"123","by":{"k1234":"x","n":[1,"ab",null]},"t":true}},{"id":1.5}]}"#;
    let setup = Setup::new(
        Shape::List { entries: Pointer::parse("/items/*").unwrap(), subjects: Subjects::NoOne },
        people_tree("/items/*"),
        None,
        false,
    );
    assert_eq!(setup.text(body), r#"{"items":[{"id":"P(1)"},{}]}"#);
}

#[test]
fn escaped_names_are_the_names_they_spell() {
    let body = r#"{"\u0069tems":[{"i\u0064":"a","n\u0061me":"Taro","s\u0065x":"m","Name":1,"nаme":2}]}"#;
    assert_eq!(people().text(body), r#"{"\u0069tems":[{"i\u0064":"P(1)","s\u0065x":"m"}]}"#);
}

#[test]
fn an_entry_too_large_to_hold_is_dropped_unless_its_subject_is_settled() {
    let limits = Limits { entry_bytes_max: 64, ..Limits::default() };
    let big = format!(r#"{{"id":"a","sex":"{}","name":"n","raw":[1,2]}}"#, "x".repeat(100));
    let shape = || list("/items/*", "/id");
    let body = format!(r#"{{"items":[{{"id":"b"}},{big},{{"id":"c"}}]}}"#);
    let held = Setup::with(shape(), people_tree("/items/*"), None, false, limits, release());
    assert_eq!(held.text(&body), r#"{"items":[{"id":"P(1)"},{"id":"P(1)"}]}"#);
    let settled = Setup::with(shape(), people_tree("/items/*"), None, true, limits, release());
    let kept = format!(r#"{{"id":"P(1)","sex":"{}","raw":[1,2]}}"#, "x".repeat(100));
    assert_eq!(settled.text(&body), format!(r#"{{"items":[{{"id":"P(1)"}},{kept},{{"id":"P(1)"}}]}}"#));
}
