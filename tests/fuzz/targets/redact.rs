//! Bodies: pieces change nothing, what is no JSON is a fault, and nothing withheld is in what left.
#![no_main]

#[path = "../../redact/support.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod support;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sekisho::redact::Shape;
use serde_json::Value;
use support::{Setup, at, people, people_tree};

struct Setups([Setup; 2]);

static SETUPS: LazyLock<Setups> = LazyLock::new(|| {
    Setups([people(), Setup::new(Shape::Object { subjects: at("/id") }, people_tree(""), None, false)])
});

/// What may stand in an entry, and in the list around it.
const RELEASED: [&str; 10] = ["id", "sex", "phone", "born", "home", "tests", "self", "ids", "codes", "raw"];
const AROUND: [&str; 4] = ["items", "next", "kind", "total"];

fuzz_target!(|bytes: &[u8]| {
    let [choice, body @ ..] = bytes else { return };
    let which = usize::from(choice & 1);
    let setup = &SETUPS.0[which];
    let (whole, end) = setup.run(&[body]);
    let each = usize::from(choice >> 1) + 1;
    let (pieces, same) = setup.run(&body.chunks(each).collect::<Vec<_>>());
    assert!(pieces == whole && same.is_ok() == end.is_ok(), "pieces of {each} bytes change what leaves");
    let Ok(tally) = end else { return };
    serde_json::from_slice::<serde::de::IgnoredAny>(body).expect("what is no JSON passed");
    if whole.is_empty() {
        return;
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&whole).expect("what left is no JSON");
    let Ok(left) = serde_json::from_slice::<Value>(&whole) else { return }; // a number that this reader cannot hold
    let names = |value: &Value| value.as_object().into_iter().flatten().map(|(k, _)| k.clone()).collect::<Vec<_>>();
    let known = |name: &String| AROUND.contains(&name.as_str()) || RELEASED.contains(&name.as_str());
    assert!(names(&left).iter().all(known), "an unnamed member left");
    let entry = |entry: &Value| {
        assert!(entry["phone"].is_null() || entry["phone"] == "***", "a masked value left");
        assert!(entry["home"].as_object().is_none_or(|home| home.keys().all(|k| k == "pref")), "an address left");
    };
    if which == 0 {
        for item in left["items"].as_array().into_iter().flatten() {
            assert!(names(item).iter().all(|name| RELEASED.contains(&name.as_str())), "an unnamed member left");
            entry(item);
        }
    } else if tally.released > 0 {
        entry(&left);
    }
});
