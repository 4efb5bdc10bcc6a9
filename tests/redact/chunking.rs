//! Where the network cuts the body must not change what leaves.

use super::support::*;
use sekisho::redact::*;

fn corpus() -> Vec<(Setup, Vec<u8>)> {
    let small: &[&str] = &[
        r#"{"items":[{"id":"a\u0062","sex":"\ud83d\ude00日本"},{"id":"no"},{"id":"c","born":"1987-05"}],"kind":1}"#,
        r#"{ "items" : [ ] , "total" : 12 , "kind" : "\\" }"#,
        r#"{"items":[{"name":{"a":[1,{"b":2}]},"id":12,"phone":[1],"raw":{"x":"}\"]"}}],"next":"http://inside/x"}"#,
        "\r\n{\"items\":[\n {\"id\" : \"é\" , \"\\u0073ex\":-1.5e+3,\"x\":null}\n]\n}\n",
        r#"{"items":[7,"x",null,[{}],{"id":"a","codes":[1,true,"z"]}]}"#,
        r#"{"items":[{"id":"a","home":{"pref":"京都府x"},"tests":[{"by":1},{"value":"日"}]}]}"#,
    ];
    let mut cases: Vec<(Setup, Vec<u8>)> = small.iter().map(|b| (people(), b.as_bytes().to_vec())).collect();
    let lines = "{\"id\":\"a\"}\r\n\n{\"id\":\"no\"}\n {\"id\":\"b\",\"sex\":12}\n";
    let setup = Setup::new(Shape::Lines { subjects: at("/id") }, people_tree(""), None, false);
    cases.push((setup, lines.as_bytes().to_vec()));
    for settled in [false, true] {
        let limits = Limits { entry_bytes_max: 40, ..Limits::default() };
        let setup = Setup::with(list("/items/*", "/id"), people_tree("/items/*"), None, settled, limits, release());
        let body =
            r#"{"items":[{"id":"a","sex":"日本\u0041日本語日本語日本語日本語","phone":"09012345678"},{"id":"b"}]}"#;
        cases.push((setup, body.as_bytes().to_vec()));
    }
    for (body, _) in super::hazards::malformed().into_iter().filter(|(body, _)| body.len() <= 100) {
        cases.push((people(), body));
    }
    cases.extend(super::resources::corpus());
    cases
}

#[test]
fn output_does_not_depend_on_chunking() {
    for (setup, body) in corpus() {
        let (whole, end) = setup.run(&[&body]);
        let end = end.map(|tally| (tally.released, tally.dropped, tally.unclassified));
        let same = |pieces: &[&[u8]], what: &str| {
            for (out, this) in [setup.run(pieces), setup.run_gathered(pieces)] {
                let this = this.map(|tally| (tally.released, tally.dropped, tally.unclassified));
                assert!(out == whole && this == end, "{what} of {}", String::from_utf8_lossy(&body));
            }
        };
        same(&body.chunks(1).collect::<Vec<_>>(), "single bytes");
        for i in 0..=body.len() {
            same(&[&body[..i], &body[i..]], &format!("cut {i}"));
            if body.len() <= 200 {
                for j in i..=body.len() {
                    same(&[&body[..i], &body[i..j], &body[j..]], &format!("cuts {i}, {j}"));
                }
            }
        }
    }
}

/// What a faulty body leaves before its fault is a beginning of the judged one; cut or not, it is the same one.
#[test]
fn what_leaves_before_a_fault_does_not_depend_on_chunking() {
    let setup = super::resources::bundle();
    let body = r#"{"total":1,"resourceType":"Bundle","link":[{"relation":"self"}],"entry":[]}"#;
    for fault_at in 0..body.len() {
        let mut faulty = body.as_bytes().to_vec();
        faulty[fault_at] = 5;
        let (whole, end) = setup.run(&[&faulty]);
        assert!(end.is_err());
        for i in 0..=body.len() {
            for j in i..=body.len() {
                let (out, end) = setup.run(&[&faulty[..i], &faulty[i..j], &faulty[j..]]);
                assert!(end.is_err() && out == whole, "fault at {fault_at}, cuts {i}, {j}");
            }
        }
    }
}

/// Somebody waits for the other end of a slow body: an entry that has ended leaves, though more crumbs could be waited for.
#[test]
fn an_entry_in_single_bytes_leaves_with_its_last_one() {
    let lines = Setup::new(Shape::Lines { subjects: at("/id") }, people_tree(""), None, false);
    let nested = r#"{"id":"a","raw":{"x":[{"y":"}]}"},[[]],{}]},"sex":"}"}"#;
    let list =
        format!(r#"{{"items":[{nested},{{"id":"b"}} , {{"raw":[[[[{nested}]]]],"id":"c"}},{nested}],"kind":1}}"#);
    let line = format!("{nested}\n{{\"id\":\"b\"}}\n\n{nested}\n");
    for (setup, body) in [(people(), list), (lines, line)] {
        let (mut at_once, mut waits) = (setup.redactor().at_once(), setup.redactor());
        let (mut out, mut gathered, mut released) = (Vec::new(), Vec::new(), 0);
        for byte in body.as_bytes() {
            at_once.push(&[*byte], &mut out).unwrap();
            waits.push(&[*byte], &mut gathered).unwrap();
            if at_once.tally().released > released {
                released = at_once.tally().released;
                assert_eq!(waits.tally().released, released);
                assert_eq!(gathered, out, "after entry {released}");
            }
        }
        assert!(released >= 3);
    }
}

/// What is held of an entry is noted while it is read: of one with many parts, or that lies in many pieces, less or otherwise.
#[test]
fn an_entry_of_any_number_of_parts_is_judged_and_cut_alike() {
    let setup = people();
    for count in [1, 800, 1023, 1024, 1025, 1400, 5000] {
        let tests = vec![r#"{"value":1.0,"by":"Dr"}"#; count].join(" , ");
        let entry = |id: &str| format!(r#"{{"tests":[{tests}],"\u0069d":"{id}","sex":"m"}}"#);
        let body = format!(r#"{{"items":[{}, {},{}],"kind":1}}"#, entry("a"), entry("no"), entry("b"));
        let kept = vec![r#"{"value":1.0}"#; count].join(" , ");
        let expected = format!(r#"{{"tests":[{kept}],"\u0069d":"P(1)","sex":"m"}}"#);
        let expected = format!(r#"{{"items":[{expected},{expected}],"kind":1}}"#);
        for piece in [body.len(), 16 << 10, 1400, 97] {
            let (out, tally) = setup.run(&body.as_bytes().chunks(piece).collect::<Vec<_>>());
            assert!(tally.is_ok_and(|tally| (tally.released, tally.dropped) == (2, 1)), "{count}, {piece}");
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{count}, {piece}");
        }
    }
}

/// What is plainly right is passed by a shortcut, and all else by the letter: the bounds hold in both.
#[test]
fn bounds_inside_an_entry_hold_whatever_the_cuts() {
    let limits = Limits {
        depth_max: 6,
        key_bytes_max: 6,
        keys_max: 20,
        number_bytes_max: 4,
        string_bytes_max: 9,
        ..Limits::default()
    };
    let setup = Setup::with(list("/items/*", "/id"), people_tree("/items/*"), None, false, limits, release());
    let names = |count: usize| (0..count).map(|i| format!(r#","k{i}":1"#)).collect::<String>();
    for (inside, fault) in [
        (r#","sex":"123456789""#.to_owned(), None),
        (r#","sex":"1234567890""#.to_owned(), Some(Fault::StringTooLong)),
        (r#","sex":1234"#.to_owned(), None),
        (r#","sex":12345"#.to_owned(), Some(Fault::NumberTooLong)),
        (r#","123456":1"#.to_owned(), None),
        (r#","1234567":1"#.to_owned(), Some(Fault::KeyTooLong)),
        (r#","raw":[[[[]]]]"#.to_owned(), Some(Fault::TooDeep)),
        (r#","raw":[[[]]]"#.to_owned(), None),
        (r#","raw":[{"a":1,"b":2,"\u0061":3}]"#.to_owned(), Some(Fault::DuplicateKey)),
        (names(18), None),
        (names(19), Some(Fault::TooManyKeys)),
        (r#","raw":[1 2]"#.to_owned(), Some(Fault::Grammar)),
        (r#","raw":{"a":1,}"#.to_owned(), Some(Fault::Grammar)),
        (r#","raw":["a":1]"#.to_owned(), Some(Fault::Grammar)),
        (r#","raw":{"a",1}"#.to_owned(), Some(Fault::Grammar)),
        (r#","raw":{"a"}"#.to_owned(), Some(Fault::Grammar)),
        (r#","raw":[1}"#.to_owned(), Some(Fault::Grammar)),
        (r#","raw":{]"#.to_owned(), Some(Fault::Grammar)),
        (r#","raw":[,]"#.to_owned(), Some(Fault::Grammar)),
        (r#","raw":[01]"#.to_owned(), Some(Fault::Grammar)),
        (r#","raw":[nul]"#.to_owned(), Some(Fault::Grammar)),
    ] {
        // Before it so much that is right that it is far from the end of what is read at once.
        let right = r#"{"id":"a","sex":"日本","raw":[]},"#.repeat(20);
        let body = format!(r#"{{"items":[{right}{{"id":"b"{inside}}},{{"id":"c"}}]}}"#);
        let (whole, end) = setup.run(&[body.as_bytes()]);
        assert_eq!(end.err(), fault, "{inside}");
        for piece in [1, 3, 64, 500] {
            let (out, end) = setup.run(&body.as_bytes().chunks(piece).collect::<Vec<_>>());
            assert_eq!((out == whole, end.err()), (true, fault), "{inside} in pieces of {piece}");
        }
    }
}

/// What comes before a Bundle has said what it is has one bound, whether it comes in one piece or in many.
#[test]
fn the_bound_of_what_comes_before_the_type_of_a_bundle_holds_whatever_the_cuts() {
    let limits = Limits { entry_bytes_max: 200, ..Limits::default() };
    let (types, root) = (super::trees::types(), super::trees::bundle_root());
    let setup = Setup::with(Shape::FhirBundle, root, Some(types), true, limits, release());
    let body = |length: usize| {
        let outcome = r#"{"resource":{"resourceType":"OperationOutcome","issue":1}}"#;
        let link = format!(r#"[{{"relation":"{}"}}]"#, "x".repeat(length));
        format!(r#"{{"entry":[{outcome}],"total":1,"link":{link},"resourceType":"Bundle","type":"searchset"}}"#)
    };
    let (mut released, mut refused) = (0, 0);
    for length in 0..120 {
        let body = body(length);
        let (whole, end) = setup.run(&[body.as_bytes()]);
        let end = end.map(|tally| tally.released);
        match &end {
            Ok(_) => released += 1,
            Err(fault) => {
                assert_eq!((*fault, whole.as_slice()), (Fault::Layout, [].as_slice()), "{length}");
                refused += 1;
            }
        }
        for piece in [1, 2, 7, 64, 100] {
            let pieces: Vec<&[u8]> = body.as_bytes().chunks(piece).collect();
            for (out, this) in [setup.run(&pieces), setup.run_gathered(&pieces)] {
                let this = this.map(|tally| tally.released);
                assert!(out == whole && this == end, "{length} in pieces of {piece}: {this:?}, not {end:?}");
            }
        }
    }
    assert!(released > 20 && refused > 20, "{released} {refused}");
}
