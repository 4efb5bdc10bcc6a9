//! Objects whose members nobody named one by one: keyed by ids, dates, names of persons.

use sekisho::catalogue::fields::Generaliser;
use sekisho::policy::Form;
use sekisho::redact::*;

use super::support::*;

fn maps(limits: Limits) -> Setup {
    let root = tree(&[
        ("/borns/*", generalised(Generaliser::Year)),
        ("/borns/2024-01-01", generalised(Generaliser::Year)),
        ("/charts/*", of(PSEUDONYM)),
        ("/masks/*", of(MASKED)),
        ("/clears/*", of(CLEAR)),
        ("/all", deep(of(MASKED))),
        ("/all/sex", of(CLEAR)),
    ]);
    Setup::with(Shape::Object { subjects: Subjects::NoOne }, root, None, true, limits, release())
}

/// A member, what is left of it, and as what of which category it counts.
const MEMBERS: [(&str, &str, &str, usize, Form); 14] = [
    ("borns", r#""1987-05-02":"1987-05-02""#, "", COARSE, Form::Withheld),
    ("borns", r#""1987-05-03":["1987-05-03"]"#, "", COARSE, Form::Withheld),
    ("borns", r#""1987-05-04":{"x":1}"#, "", COARSE, Form::Withheld),
    ("borns", r#""first":"1987-05-02""#, "", COARSE, Form::Withheld),
    ("borns", r#""2024-01-01":"1987-05-02""#, r#""2024-01-01":"1987""#, COARSE, Form::Generalised),
    ("charts", r#""山田太郎":"A-1""#, "", PSEUDONYM, Form::Withheld),
    ("charts", r#""\u5c71田":"A-1""#, "", PSEUDONYM, Form::Withheld),
    ("charts", r#""Yamada":"A-1""#, "", PSEUDONYM, Form::Withheld),
    ("masks", r#""090-1234":"x""#, "", MASKED, Form::Withheld),
    ("masks", r#""090-1235":5"#, "", MASKED, Form::Withheld),
    ("masks", r#""Yamada":"x""#, "", MASKED, Form::Withheld),
    ("clears", r#""2024-01":"x""#, r#""2024-01":"x""#, CLEAR, Form::Clear),
    ("all", r#""山田次郎":"x""#, "", MASKED, Form::Withheld),
    ("all", r#""Suzuki":"x","sex":"m""#, r#""sex":"m""#, MASKED, Form::Withheld),
];

/// A map keyed by birthdays or patients tells in its names what its values do not.
#[test]
fn a_name_that_no_rule_spells_out_does_not_leave_beside_a_value_that_must_not_be_recognised() {
    for entry_bytes_max in [1 << 20, 1] {
        let setup = maps(Limits { entry_bytes_max, ..Limits::default() });
        for (map, member, left, category, form) in MEMBERS {
            let body = format!(r#"{{"{map}":{{{member}}}}}"#);
            let left = if left.is_empty() { "{}".to_owned() } else { format!(r#"{{"{map}":{{{left}}}}}"#) };
            for cut in 0..body.len() {
                let (out, end) = setup.run(&[&body.as_bytes()[..cut], &body.as_bytes()[cut..]]);
                assert_eq!(String::from_utf8(out).unwrap(), left, "{body} cut at {cut}");
                let tally = end.unwrap();
                assert_eq!(tally.category(cat(category)).of(form), 1, "{body}");
                assert_eq!(tally.unclassified, 0, "{body}");
            }
        }
        let beside = r#"{"borns":{"1987-05-02":"1987-05-02","2024-01-01":"1987-05-02"},"masks":{"a":1,"山":2,"b":3}}"#;
        assert_eq!(setup.text(beside), r#"{"borns":{"2024-01-01":"1987"}}"#);
    }
}
