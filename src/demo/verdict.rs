//! Is an answer what a step of the script expects? By its status, its reasons, what stands in it and what may not.

use serde_json::Value;

use super::Answer;
use super::sample::Sample;
use super::script::Step;

/// Labels whose values may stand in no answer at all.
const NEVER: [&str; 3] = ["identity.credential", "unnamed", "never"];
const MY_NUMBER: &str = "identity.my-number";

/// What is not as the step expects.
pub(super) fn expected(
    step: &Step,
    answer: &Answer,
    body: &Value,
    behind: &Value,
    clause: &str,
    codes: &[String],
    faults: &mut Vec<String>,
) {
    let expect = &step.expect;
    let mut unless = |holds: bool, fault: String| {
        if !holds {
            faults.push(fault);
        }
    };
    unless(
        answer.status.as_u16() == expect.status,
        format!("status {} instead of {}", answer.status.as_u16(), expect.status),
    );
    unless(
        expect.clause.is_empty() || clause == expect.clause,
        format!("clause `{clause}` instead of `{}`", expect.clause),
    );
    let named = expect.code.is_empty() || codes.iter().any(|code| code == expect.code);
    unless(named, format!("`{}` instead of `{}`", codes.join("`, `"), expect.code));
    for place in expect.present {
        unless(body.pointer(place).is_some_and(|value| !value.is_null()), format!("`{place}` is not there"));
    }
    for place in expect.absent {
        unless(!body.is_null() && body.pointer(place).is_none(), format!("`{place}` is there"));
    }
    for place in expect.changed {
        let (here, there) = (body.pointer(place), behind.pointer(place));
        unless(here.is_some() && there.is_some() && here != there, format!("`{place}` is not changed"));
    }
    for (place, count) in expect.count {
        let found = body.pointer(place).and_then(Value::as_array).map(Vec::len);
        unless(found == Some(*count), format!("`{place}` has {found:?} entries instead of {count}"));
    }
    if step.fields.contains(&("accept-encoding", "gzip")) {
        unless(answer.coding.as_deref() == Some("gzip"), "the answer is not gzip".to_owned());
    }
}

/// Values that may not leave.
pub(super) struct Watch {
    never: Vec<String>,
    my_numbers: Vec<String>,
}

impl Watch {
    pub(super) fn new(sample: &Sample) -> Watch {
        Watch { never: sample.secrets(&NEVER), my_numbers: sample.secrets(&[MY_NUMBER]) }
    }

    pub(super) fn leaks(&self, body: &[u8], shows_my_number: bool) -> Vec<String> {
        let holds = |value: &String| memchr::memmem::find(body, value.as_bytes()).is_some();
        let mut faults = Vec::new();
        if self.never.iter().any(holds) {
            faults.push("a credential or an unnamed field left".to_owned());
        }
        if !shows_my_number && self.my_numbers.iter().any(holds) {
            faults.push("an Individual Number left".to_owned());
        }
        faults
    }
}

/// `{/pointer}` in a target, filled from the previous answer.
pub(super) fn filled(target: &str, before: &Value) -> String {
    let Some((head, rest)) = target.split_once('{') else { return target.to_owned() };
    let Some((pointer, tail)) = rest.split_once('}') else { return target.to_owned() };
    format!("{head}{}{tail}", before.pointer(pointer).and_then(Value::as_str).unwrap_or("nothing"))
}

/// A parameter of the decision field; the gate's clauses hold no `"`.
pub(super) fn parameter(decision: &str, name: &str) -> String {
    let from = decision.split_once(&format!(";{name}=\"")).map_or("", |(_, from)| from);
    from.split('"').next().unwrap_or("").to_owned()
}

/// The codes of a refusal: its problem first.
pub(super) fn codes(body: &Value) -> Vec<String> {
    let problem = body.pointer("/type").and_then(Value::as_str).and_then(|text| text.rsplit(':').next());
    let mut codes: Vec<String> = problem.map(str::to_owned).into_iter().collect();
    for reason in body.pointer("/reasons").and_then(Value::as_array).into_iter().flatten() {
        if let Some(code) = reason.pointer("/code").and_then(Value::as_str)
            && !codes.iter().any(|known| known == code)
        {
            codes.push(code.to_owned());
        }
    }
    codes
}

pub(super) fn entries(value: &Value) -> Option<usize> {
    let list = ["/items", "/cells", "/records"].iter().find_map(|place| value.pointer(place)).unwrap_or(value);
    list.as_array().map(Vec::len)
}

/// Members of the first entry (or of the record) that were cut or changed, by name.
pub(super) fn compare(behind: &Value, body: &Value, at: &str, cut: &mut Vec<String>, changed: &mut Vec<String>) {
    match (behind, body) {
        (Value::Object(there), Value::Object(here)) => {
            for (name, value) in there {
                let below = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                match here.get(name) {
                    Some(other) if matches!(name.as_str(), "items" | "cells" | "records") => {
                        compare(value, other, at, cut, changed);
                    }
                    // A link leads to the gate instead; nothing of it is coarser.
                    Some(_) if name == "next" => {}
                    Some(other) => compare(value, other, &below, cut, changed),
                    None => cut.push(below),
                }
            }
        }
        (Value::Array(there), Value::Array(here)) => {
            if let (Some(there), Some(here)) = (there.first(), here.first()) {
                compare(there, here, at, cut, changed);
            }
        }
        (there, here) if there != here => changed.push(at.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;
    use crate::demo::sample::Org;
    use crate::demo::script;

    fn faults(step: &Step, status: u16, body: &Value, behind: &Value) -> Vec<String> {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.to_string().into(),
            coding: None,
        };
        let mut faults = Vec::new();
        expected(step, &answer, body, behind, "", &codes(body), &mut faults);
        faults
    }

    #[test]
    fn a_tour_over_a_gate_that_lets_everything_through_would_fail_at_every_step() {
        for org in Org::ALL {
            let sample = Sample::new(org, 1);
            for step in script::steps(org).iter().filter(|step| step.method == "GET") {
                let target = if step.behind.is_empty() { step.target } else { step.behind };
                let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
                let body = sample.respond("GET", path, query, b"").body;
                let text = String::from_utf8(body.clone()).unwrap();
                let value: Value = serde_json::from_str(&text).unwrap_or_else(|_| {
                    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect()
                });
                let leaks = Watch::new(&sample).leaks(&body, step.expect.shows_my_number);
                let found = faults(step, 200, &value, &value);
                assert!(!leaks.is_empty() || !found.is_empty() || !step.expect.clause.is_empty(), "{}", step.story);
            }
        }
    }

    #[test]
    fn what_should_be_there_and_what_should_not_are_both_seen() {
        const WANTED: Step = Step {
            expect: script::Expect {
                present: &["/a"],
                absent: &["/b"],
                changed: &["/c"],
                count: &[("/d", 1)],
                ..script::EXPECT
            },
            ..script::STEP
        };
        let behind = json!({"a": 1, "b": 2, "c": 3, "d": [1, 2]});
        assert_eq!(faults(&WANTED, 200, &json!({"a": 1, "c": 4, "d": [1]}), &behind), [""; 0]);
        assert_eq!(faults(&WANTED, 200, &behind, &behind).len(), 3);
        assert_eq!(faults(&WANTED, 403, &json!({}), &behind).len(), 4);
    }

    #[test]
    fn a_cut_and_a_changed_member_are_told_apart() {
        let (mut cut, mut changed) = (Vec::new(), Vec::new());
        let behind = json!({"items": [{"id": "d-1", "name": {"kanji": "x", "kana": "y"}, "born": "2000-01-01"}]});
        let body = json!({"items": [{"id": "P", "name": {"kanji": "x"}, "born": "2000-01-01"}]});
        compare(&behind, &body, "", &mut cut, &mut changed);
        assert_eq!((cut, changed), (vec!["name.kana".to_owned()], vec!["id".to_owned()]));
    }

    #[test]
    fn a_place_of_the_answer_before_fills_a_target() {
        assert_eq!(filled("/donors/{/items/0/id}/exams", &json!({"items": [{"id": "P1"}]})), "/donors/P1/exams");
        assert_eq!(filled("/donors", &Value::Null), "/donors");
    }
}
