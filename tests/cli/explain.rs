//! `sekisho explain`: the answer is the judge's own, and what is said to turn it does.

use serde_json::Value;

use super::support::{Ran, sekisho, sekisho_fed};

const RESEARCHER: &str = "an approved researcher sees results, never names";

fn case(organisation: &str, name: &str) -> Ran {
    let ran = sekisho(&["explain", "--policy", &format!("policy/{organisation}"), "--case", name]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.assert_fits();
    ran
}

/// The text as one line, so that a sentence is found however it is wrapped.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_says(ran: &Ran, sentences: &[&str]) {
    let text = flowing(&ran.out);
    for sentence in sentences {
        assert!(text.contains(sentence), "`{sentence}` is not in\n{}", ran.out);
    }
}

#[test]
fn a_permit_is_told_with_each_category_and_the_rule_that_gave_it() {
    assert_says(
        &case("jmdp", RESEARCHER),
        &[
            "PERMITTED - 19 released, 11 withheld",
            "who `c-1` of organisation `univ-a`",
            "for whom `researcher` (academic institution), organisation `univ-a`",
            "basis `academic-research`, declared (27(1)(vii))",
            "+ organisation `univ-a`, registered as `researcher`",
            "+ permit `research-of-academics` [II.3.10, II.6]",
            "- permit `research` [II.3.10, II.6]: basis: it asks for `consent`",
            "- permit `inside`: recipient: it is for `internal`",
            "pseudonymised identity.number (by permit `research-of-academics`)",
            "(no permit that applies releases it for `research`)",
            "II.3.10 provision to approved organisations and researchers",
            "Obligations record-provision",
        ],
    );
}

#[test]
fn an_ended_approval_is_named_with_its_day_and_a_new_one_would_turn_it() {
    let ran = case("jmdp", &format!("{RESEARCHER}: the approval ended yesterday"));
    assert_says(
        &ran,
        &[
            "REFUSED - approval-missing",
            "- approval of `univ-a` for `research`: not in force: ",
            "until 2026-11-21",
            "✗ approval-missing: no approval in force names this organisation for this purpose",
            "(e) does the purpose release this data? not judged",
            "need: it asks for an approval of the organisation for this purpose",
            "* an approval of `univ-a` for `research`, on file: clear",
        ],
    );
}

#[test]
fn a_wrong_role_is_told_which_role_serves() {
    assert_says(
        &case(
            "jmdp",
            "coordination staff see what coordination needs, and no money data: accounting staff do not serve coordination",
        ),
        &[
            "✗ purpose-not-for-role: none of the caller's roles serves this purpose: it is served by `coordination-staff`",
            "ask somebody in role `coordination-staff`",
        ],
    );
}

#[test]
fn an_undeclared_purpose_ends_the_judgement_at_its_first_group() {
    let request = r#"{"subject":{"type":"caller","id":"s-1","properties":{"roles":["coordination-staff"]}},"action":{"name":"read"},"resource":{"type":"record","id":"r-1","properties":{"subject_class":"donor","subject":"d-1","categories":["identity.name"]}},"context":{"time":"2026-11-22T09:00:00+09:00"}}"#;
    let ran = sekisho_fed(&["explain", "--policy", "policy/jmdp"], request.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_says(
        &ran,
        &[
            "REFUSED - purpose-missing",
            "(b) may this caller have it for this purpose, now and here? not judged",
            "* declare purpose `coordination`: clear identity.name",
        ],
    );
}

#[test]
fn what_nobody_may_have_is_said_to_be_so() {
    let request = r#"{"subject":{"type":"caller","id":"s-1","properties":{"roles":["coordination-staff"]}},"action":{"name":"read"},"resource":{"type":"record","id":"r-1","properties":{"subject_class":"donor","subject":"d-1","categories":["identity.credential"]}},"context":{"purpose":"coordination","time":"2026-11-22T09:00:00+09:00"}}"#;
    let ran = sekisho_fed(&["explain", "--policy", "policy/jmdp"], request.as_bytes());
    assert_says(
        &ran,
        &[
            "REFUSED - prohibited",
            "never released to anybody",
            "nothing small does",
            "no purpose releases to this recipient, whatever is declared: `identity.credential`",
        ],
    );
}

#[test]
fn the_answer_told_is_the_one_that_decide_gives() {
    let request = sekisho(&["explain", "--policy", "policy/jmdp", "--case", RESEARCHER, "--json"]);
    let told = request.json();
    assert_eq!(told["answer"]["decision"], true);
    assert_eq!(told["remedies"], Value::Null);
    let forms = told["answer"]["context"]["release"].as_object().unwrap();
    for category in told["categories"].as_array().unwrap() {
        assert_eq!(forms[category["category"].as_str().unwrap()], category["form"]);
        assert!(!category["why"].as_array().unwrap().is_empty());
    }
    assert!(told["groups"].as_array().unwrap().iter().all(|group| group["judged"] == true));
}

#[test]
fn a_request_that_cannot_be_judged_is_wrong_usage() {
    let policy = ["explain", "--policy", "policy/jmdp"];
    for input in [&b"{"[..], b"[]", b"{\"subject\": {\"type\": \"c\", \"id\": 1}}", b"\xff", b""] {
        let ran = sekisho_fed(&policy, input);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains("error:"), "{}", ran.err);
    }
    let with_case = |name: &str| sekisho(&["explain", "--policy", "policy/jmdp", "--case", name]);
    assert!(with_case("researcher").err.contains("cases are called like"));
    assert!(with_case("no such case").err.contains("no case is called like"));
    assert_eq!(with_case("no such case").code, 2);
}

#[test]
fn every_explanation_tells_why_for_a_sample_of_every_policy() {
    for (organisation, filter) in
        [("22cemit", "My Number"), ("cellspect", "credential"), ("jsco", "stop-use"), ("sakura", "agent")]
    {
        let report = sekisho(&["coverage", &format!("policy/{organisation}"), "--json"]).json();
        let clauses = report["clauses"].as_array().unwrap();
        let named = clauses.iter().flat_map(|c| c["refused"].as_array().unwrap());
        let names = named.map(|c| c["name"].as_str().unwrap()).filter(|name| name.contains(filter));
        for name in names.take(2) {
            let ran = case(organisation, name);
            assert!(ran.out.starts_with("REFUSED - "), "{name}\n{}", ran.out);
            assert!(ran.out.contains('✗'), "{name}\n{}", ran.out);
        }
    }
}

#[test]
fn every_case_is_explained_with_exactly_the_codes_and_forms_of_its_answer() {
    use sekisho::decision::{decide, evaluation::Evaluation, explain::explain};
    for organisation in super::support::ORGANISATIONS {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policy").join(organisation);
        let revisions = sekisho::cli::documents::revisions(&folder).unwrap();
        for case in sekisho::cli::documents::cases(&folder).unwrap() {
            let name = &case.name;
            let Ok(evaluation) = Evaluation::from_value(case.request(), revisions.newest().unwrap(), 0) else {
                continue;
            };
            let policy = revisions.at(evaluation.time()).unwrap();
            let request = evaluation.request(policy);
            let told = explain(policy, &request, evaluation.categories());
            let failed: Vec<_> = told.groups.iter().flat_map(|g| &g.checks).filter_map(|check| check.failed).collect();
            match decide(policy, &request) {
                Ok(permit) => {
                    assert!(told.permitted && failed.is_empty(), "{organisation}: {name}");
                    assert!(told.rules.iter().any(|rule| rule.applies && rule.effect == "permit"), "{name}");
                    for category in &told.categories {
                        let asked = policy.vocabulary.category(&category.name);
                        let form = asked.map(|category| permit.release().form(category)).unwrap_or_default();
                        assert_eq!(category.form, form, "{organisation}: {name}");
                        let given = category.why.iter().any(|why| why.contains("by permit"));
                        let cut =
                            category.why.iter().any(|why| !why.contains("by permit") && why != "a consent covers it");
                        let withheld = form == sekisho::policy::Form::Withheld;
                        assert!(if withheld { cut } else { given }, "{name}: {} {:?}", category.name, category.why);
                    }
                }
                Err(refusal) => {
                    assert!(!told.permitted);
                    let mut codes: Vec<_> = refusal.reasons.iter().collect();
                    let mut failed = failed;
                    codes.sort();
                    failed.sort();
                    assert_eq!(failed, codes, "{organisation}: {name}");
                }
            }
        }
    }
}
