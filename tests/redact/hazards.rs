//! Bodies that are not what they say.

use sekisho::redact::*;

use super::support::*;

/// What no reader should agree on, and the fault it ends in.
pub(super) fn malformed() -> Vec<(Vec<u8>, Fault)> {
    let text: &[(&str, Fault)] = &[
        ("", Fault::Truncated),
        (" ", Fault::Truncated),
        ("{", Fault::Truncated),
        (r#"{"items":[{"id":"a"}]"#, Fault::Truncated),
        (r#"{"items":[{"id":"a"#, Fault::Truncated),
        (r#"{"items":[{"id":"a\"#, Fault::Truncated),
        (r#"{"items":[{"id":"a","x":1"#, Fault::Truncated),
        ("\u{feff}{}", Fault::Grammar),
        ("{}x", Fault::Grammar),
        ("{}{}", Fault::Grammar),
        ("{},{}", Fault::Grammar),
        (r#"{"items":[]]"#, Fault::Grammar),
        (r#"{"items":[}"#, Fault::Grammar),
        (r#"{"items":[{"id":"a"]}"#, Fault::Grammar),
        (r#"{"a":1,}"#, Fault::Grammar),
        (r#"{,"a":1}"#, Fault::Grammar),
        (r#"{"items":[1,]}"#, Fault::Grammar),
        (r#"{"items":[,1]}"#, Fault::Grammar),
        (r#"{"items":[1 2]}"#, Fault::Grammar),
        (r#"{"a" 1}"#, Fault::Grammar),
        (r#"{"a":}"#, Fault::Grammar),
        (r#"{"a"}"#, Fault::Grammar),
        (r#"{a:1}"#, Fault::Grammar),
        (r#"{'a':1}"#, Fault::Grammar),
        (r#"{"a":NaN}"#, Fault::Grammar),
        (r#"{"a":Infinity}"#, Fault::Grammar),
        (r#"{"a":nul}"#, Fault::Grammar),
        (r#"{"a":True}"#, Fault::Grammar),
        (r#"{"a":01}"#, Fault::Grammar),
        (r#"{"a":1.}"#, Fault::Grammar),
        (r#"{"a":.5}"#, Fault::Grammar),
        (r#"{"a":+1}"#, Fault::Grammar),
        (r#"{"a":1e}"#, Fault::Grammar),
        (r#"{"a":-}"#, Fault::Grammar),
        (r#"{"a":0x1}"#, Fault::Grammar),
        (r#"{/*c*/"a":1}"#, Fault::Grammar),
        ("{\"a\":1}//c", Fault::Grammar),
        (r#"callback({"a":1})"#, Fault::Grammar),
        (r#"{"a":"\x41"}"#, Fault::Grammar),
        (r#"{"a":"\u12"}"#, Fault::Grammar),
        (r#"{"a":"\u12G4"}"#, Fault::Grammar),
        ("{\"a\":\"x\ny\"}", Fault::Grammar),
        ("{\"a\tb\":1}", Fault::Grammar),
        ("{\"a\":\"\u{0}\"}", Fault::Grammar),
        ("\u{a0}{}", Fault::Grammar),
        (r#"{"a":"\ud83d"}"#, Fault::Surrogate),
        (r#"{"a":"\ude00"}"#, Fault::Surrogate),
        (r#"{"a":"\ud83d\ud83d"}"#, Fault::Surrogate),
        (r#"{"a":"\ud83dA"}"#, Fault::Surrogate),
        (r#"{"\ud83d":1}"#, Fault::Surrogate),
        (r#"{"a":1,"a":2}"#, Fault::DuplicateKey),
        (r#"{"name":1,"n\u0061me":2}"#, Fault::DuplicateKey),
        (r#"{"items":[{"id":"a","sex":"x","sex":"y"}]}"#, Fault::DuplicateKey),
        (r#"{"items":[{"id":"a","raw":{"k":1,"\u006b":2}}]}"#, Fault::DuplicateKey),
        (r#"{"items":[{"id":"no","name":{"k":1,"k":2}}]}"#, Fault::DuplicateKey),
    ];
    let mut cases: Vec<(Vec<u8>, Fault)> = text.iter().map(|(t, f)| (t.as_bytes().to_vec(), *f)).collect();
    for bad in [
        &[0xFF][..],
        &[0xC0, 0x80],
        &[0xE3, 0x81],
        &[0xED, 0xA0, 0x80],
        &[0xF5, 0x80, 0x80, 0x80],
        &[0xF0, 0x80, 0x80, 0x80],
        &[0x80],
        &[0xE0, 0x80, 0x80],
        &[0xF4, 0x90, 0x80, 0x80],
    ] {
        let within = |before: &str, after: &str| [before.as_bytes(), bad, after.as_bytes()].concat();
        cases.push((within(r#"{"kind":"ab"#, r#"cd"}"#), Fault::Utf8));
        cases.push((within(r#"{"ab"#, r#"":1}"#), Fault::Utf8));
        cases.push((within(r#"{"items":[{"id":"a","name":"long enough for a word "#, r#""}]}"#), Fault::Utf8));
    }
    cases.push(([b"[".repeat(200), b"]".repeat(200)].concat(), Fault::Layout));
    cases.push(([&b"{\"raw\":"[..], &b"[".repeat(200)].concat(), Fault::TooDeep));
    cases.push((format!(r#"{{"{}":1}}"#, "k".repeat(1025)).into_bytes(), Fault::KeyTooLong));
    cases.push((format!(r#"{{"kind":{}}}"#, "1".repeat(1025)).into_bytes(), Fault::NumberTooLong));
    cases.push((format!("{{{}", " ".repeat(70_000)).into_bytes(), Fault::PendingTooLong));
    let keys: Vec<String> = (0..17_000).map(|i| format!(r#""{i}":1"#)).collect();
    cases.push((format!("{{{}}}", keys.join(",")).into_bytes(), Fault::TooManyKeys));
    cases
}

#[test]
fn what_is_not_json_ends_in_its_fault_and_nothing_leaves_after_it() {
    let setup = people();
    for (body, expected) in malformed() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let (out, end) = setup.run(&[&body]);
        assert_eq!(end.err(), Some(expected), "{shown}");
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        let (bytewise, end) = setup.run(&bytes);
        assert_eq!(end.err(), Some(expected), "bytewise {shown}");
        assert_eq!(bytewise, out, "{shown}");
    }
}

#[test]
fn a_fault_after_an_entry_stops_what_follows_it() {
    let setup = people();
    let (out, end) = setup.run(&[br#"{"items":[{"id":"a","sex":"m"},{"id":"b","sex":"SECOND","sex":"x"}]}"#]);
    assert_eq!(end.err(), Some(Fault::DuplicateKey));
    assert_eq!(String::from_utf8(out).unwrap(), r#"{"items":[{"id":"P(1)","sex":"m"}"#);
}

#[test]
fn a_string_longer_than_its_bound_ends_the_body_at_the_same_byte_whatever_the_cuts() {
    let limits = Limits { string_bytes_max: 10, ..Limits::default() };
    let root = tree(&[("/a", of(CLEAR))]);
    let setup = Setup::with(Shape::Object { subjects: Subjects::NoOne }, root, None, true, limits, release());
    assert!(setup.run(&[r#"{"a":"0123456789"}"#.as_bytes()]).1.is_ok());
    let body = r#"{"a":"012345678日"}"#.as_bytes();
    let whole = setup.run(&[body]);
    assert_eq!(whole.1.err(), Some(Fault::StringTooLong));
    for cut in 0..body.len() {
        assert_eq!(setup.run(&[&body[..cut], &body[cut..]]).0, whole.0);
    }
}

#[test]
fn every_valid_shape_of_number_and_escape_passes_unchanged() {
    let root = tree(&[("", deep(of(CLEAR)))]);
    let setup = Setup::new(Shape::Object { subjects: Subjects::NoOne }, root, None, false);
    for body in [
        "0",
        "-0",
        "1.00",
        "0.010",
        "1E+400",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        "\"\"",
        r#""\"\\\/\b\f\n\r\t\u0000\uD83D\uDE00\uFFFF""#,
        "[]",
        "{}",
        "[[],{}]",
        "\t\r\n [ 1 ,\n2 ] \n",
        "\"\u{7f}日本語😀\"",
    ] {
        assert_eq!(setup.text(body), body);
    }
}
