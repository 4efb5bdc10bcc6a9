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
