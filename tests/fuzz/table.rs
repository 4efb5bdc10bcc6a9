//! Each hazard of JSON by its name: what is to become of it, at every cut, and that the slow redactor says the same.

use super::checks::redact::with_case;

/// Layouts of the fuzzer's bodies, by their numbers there.
const PEOPLE: usize = 0;
const LINES: usize = 2;
/// Bounds so small that a short body reaches them: 5 deep, names of 8 bytes, 6 names, numbers of 6 bytes, strings of 12.
const BOUNDED: usize = 8;
const RESOURCE: usize = 4;
const BUNDLE: usize = 5;

enum Then {
    Refused,
    Same,
    Leaves(&'static str),
}
use Then::{Leaves, Refused, Same};

const LABEL: &str = r#""meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"PSEUDED"}],"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#;

type Row = (&'static str, usize, &'static [u8], Then);

const ROWS: &[Row] = &[
    ("a name twice", PEOPLE, br#"{"kind":1,"kind":2}"#, Refused),
    ("a name twice, once escaped", PEOPLE, br#"{"kind":1,"k\u0069nd":2}"#, Refused),
    ("a name twice below what is withheld", PEOPLE, br#"{"items":[{"id":"a","name":{"k":[{"x":1,"x":2}]}}]}"#, Refused),
    ("a name twice in an entry that is dropped", PEOPLE, br#"{"items":[{"id":"no","sex":1,"\u0073ex":2}]}"#, Refused),
    ("the same name in two objects", PEOPLE, br#"{"items":[{"id":"a","raw":[{"k":1},{"k":2}]}]}"#, Leaves(r#"{"items":[{"id":"P(1)","raw":[{"k":1},{"k":2}]}]}"#)),
    ("an escaped name is its meaning", PEOPLE, br#"{"items":[{"\u0069d":"a","\u0073ex":"m","n\u0061me":"x"}]}"#, Leaves(r#"{"items":[{"\u0069d":"P(1)","\u0073ex":"m"}]}"#)),
    ("a name in another case or width is another", PEOPLE, "{\"items\":[{\"id\":\"a\",\"Sex\":1,\"ｓex\":2,\"se\u{301}x\":3}]}".as_bytes(), Leaves(r#"{"items":[{"id":"P(1)"}]}"#)),
    ("numbers stay as they are spelt", PEOPLE, br#"{"kind":[1.00,0.010,-0,1E+400,1e-7,-1.5E3,123456789012345678901234567890,0.10e+05]}"#, Same),
    ("a number too large for any float", PEOPLE, br#"{"items":[{"id":12345678901234567890123,"sex":1.0}]}"#, Leaves(r#"{"items":[{"id":"P(23)","sex":1.0}]}"#)),
    ("a leading zero", PEOPLE, br#"{"kind":01}"#, Refused),
    ("as deep as may be", BOUNDED, b"[[[[[]]]]]", Same),
    ("deeper", BOUNDED, b"[[[[[[]]]]]]", Refused),
    ("a name as long as may be", BOUNDED, br#"{"12345678":1}"#, Same),
    ("a longer one", BOUNDED, br#"{"123456789":1}"#, Refused),
    ("as many names as may be", BOUNDED, br#"{"a":{"b":1,"c":2},"d":3,"e":{"f":1,"g":2,"h":3}}"#, Same),
    ("more", BOUNDED, br#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}"#, Refused),
    ("a number as long as may be", BOUNDED, b"[123456]", Same),
    ("a longer number", BOUNDED, b"[1234567]", Refused),
    ("a string as long as may be", BOUNDED, "[\"\u{65e5}\u{672c}\u{8a9e}123\"]".as_bytes(), Same),
    ("a longer string", BOUNDED, "[\"\u{65e5}\u{672c}\u{8a9e}1234\"]".as_bytes(), Refused),
    ("a byte order mark", PEOPLE, b"\xef\xbb\xbf{}", Refused),
    ("UTF-16", PEOPLE, b"{\0}\0", Refused),
    ("a byte that is no UTF-8", PEOPLE, b"{\"kind\":\"a\xffb\"}", Refused),
    ("an overlong form", PEOPLE, b"{\"kind\":\"\xc0\xaf\"}", Refused),
    ("a surrogate in UTF-8", PEOPLE, b"{\"kind\":\"\xed\xa0\xbd\"}", Refused),
    ("half a character in what is withheld", PEOPLE, b"{\"items\":[{\"id\":\"a\",\"name\":\"\xe5\xb1\"}]}", Refused),
    ("half a pair", PEOPLE, br#"{"kind":"\ud83d"}"#, Refused),
    ("the other half", PEOPLE, br#"{"kind":"\ude00\ud83d"}"#, Refused),
    ("half a pair in a name", PEOPLE, br#"{"\ud83d":1}"#, Refused),
    ("a pair", PEOPLE, br#"{"kind":"\ud83d\ude00\u0000"}"#, Same),
    ("what follows the document", PEOPLE, b"{} x", Refused),
    ("two documents", PEOPLE, b"{}{}", Refused),
    ("two documents, with a comma", PEOPLE, b"{},{}", Refused),
    ("NaN", PEOPLE, br#"{"kind":NaN}"#, Refused),
    ("infinity", PEOPLE, br#"{"kind":-Infinity}"#, Refused),
    ("a comment", PEOPLE, br#"{/**/"kind":1}"#, Refused),
    ("a comment at the end", PEOPLE, b"{} // x", Refused),
    ("a comma too many", PEOPLE, br#"{"kind":[1,],}"#, Refused),
    ("JSONP", PEOPLE, b"cb({})", Refused),
    ("nothing", PEOPLE, b" \n", Refused),
    ("a root that is a text", PEOPLE, br#""x""#, Leaves("null")),
    ("a root that is a number", PEOPLE, b"1.0", Leaves("null")),
    ("a root that is a list where an object leads to the entries", PEOPLE, br#"[{"id":"a"}]"#, Refused),
    ("entries that are no list", PEOPLE, br#"{"items":{"id":"a"}}"#, Refused),
    ("a list of everything", PEOPLE, br#"{"items":[7,"x",null,[{}],{"id":"a","codes":[1,true,"z",null,[2]]}]}"#, Leaves(r#"{"items":[{"id":"P(1)","codes":[1,true,"z",null,[2]]}]}"#)),
    ("text that holds JSON", PEOPLE, br#"{"items":[{"id":"a","sex":"{\"name\":\"x\"}","name":"}],\"kind\":\"x"}]}"#, Leaves(r#"{"items":[{"id":"P(1)","sex":"{\"name\":\"x\"}"}]}"#)),
    ("a line of its own kind each", LINES, b"{\"id\":\"a\",\"name\":1}\r\n\n[1]\n{\"id\":\"no\"}\n{\"id\":\"b\"}", Leaves("{\"id\":\"P(1)\"}\r\n{\"id\":\"P(1)\"}")),
    ("a document over two lines", LINES, b"{\"id\":\n\"a\"}", Refused),
    ("a line that is cut off", LINES, b"{\"id\":\"a\"}\n{\"id\":", Refused),
    ("the shadow of what is withheld", RESOURCE, br#"{"resourceType":"Patient","id":"p","gender":"f","_birthDate":{"id":"x"},"_name":[{"id":"y"}],"_gender":{"id":"z"}}"#, Leaves(r#"{"resourceType":"Patient","id":"P(1)","gender":"f",$}"#)),
    ("a modifier extension that cannot leave", RESOURCE, br#"{"resourceType":"Patient","id":"p","modifierExtension":[{"url":"x"}],"gender":"f"}"#, Leaves("")),
    ("extensions that nobody named", RESOURCE, br#"{"resourceType":"Patient","id":"p","extension":[{"url":"x","valueString":"y"}],"gender":"f"}"#, Leaves(r#"{"resourceType":"Patient","id":"P(1)","gender":"f",$}"#)),
    ("one contained that is about another", RESOURCE, br#"{"resourceType":"Patient","id":"p","contained":[{"resourceType":"Patient","id":"q","gender":"m"},{"resourceType":"OperationOutcome","issue":"i"}]}"#, Leaves(r#"{"resourceType":"Patient","id":"P(1)","contained":[{"resourceType":"OperationOutcome","issue":"i"}],$}"#)),
    ("another choice of a value than the one that is named", RESOURCE, br#"{"resourceType":"Observation","subject":{"reference":"Patient/p"},"valueQuantity":{"value":1.00},"valueString":"x","_valueQuantity":{"id":"y"}}"#, Leaves(r#"{"resourceType":"Observation","subject":{"reference":"Patient/P(1)"},"valueQuantity":{"value":1.00},$}"#)),
    ("content that nobody named", RESOURCE, br#"{"resourceType":"Patient","id":"p","photo":[{"contentType":"image/png","data":"iVBORw0KGgo="}]}"#, Leaves(r#"{"resourceType":"Patient","id":"P(1)",$}"#)),
    ("a type in a list", RESOURCE, br#"{"resourceType":["Patient"],"id":"p"}"#, Leaves("")),
    ("two types", RESOURCE, br#"{"resourceType":"Device","resource\u0054ype":"Patient"}"#, Refused),
    ("a Bundle that is none", BUNDLE, br#"{"resourceType":"Patient","id":"p"}"#, Refused),
    ("an entry of an unknown type", BUNDLE, br#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Nope"}}]}"#, Leaves(r#"{"resourceType":"Bundle","entry":[]}"#)),
];

#[test]
fn each_hazard_of_json_is_met_at_every_cut() {
    for (name, layout, body, then) in ROWS {
        with_case(*layout, |case| {
            let setup = case.setup(1 << 20);
            let (out, end) = setup.run(&[*body]);
            let fault = end.err();
            let text = String::from_utf8_lossy(&out);
            match then {
                Refused => assert!(fault.is_some(), "{name}: {text}"),
                Same => assert!(fault.is_none() && out == *body, "{name}: {fault:?} {text}"),
                Leaves(left) => {
                    assert!(fault.is_none(), "{name}: {fault:?}");
                    assert_eq!(text, left.replace('$', LABEL), "{name}");
                }
            }
            drop(case.compare(body, [90, 170], usize::MAX));
            let same = |pieces: &[&[u8]]| {
                let (this, end) = setup.run(pieces);
                assert!(
                    this == out && end.err() == fault,
                    "{name}, cut as {:?}",
                    pieces.iter().map(|p| p.len()).collect::<Vec<_>>()
                );
            };
            for i in 0..=body.len() {
                same(&[&body[..i], &body[i..]]);
                for j in (i..=body.len()).filter(|_| body.len() <= 200) {
                    same(&[&body[..i], &body[i..j], &body[j..]]);
                }
            }
        });
    }
}
