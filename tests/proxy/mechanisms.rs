//! The mechanisms that clauses cite, each over a whole gate on sockets: `default-deny`, `minimised-log`, `contact`,
//! `registry`, `revision-gate`. The others have theirs in `failing`, `nonsense`, `running`, `unable` and `tls`.

use serde_json::json;

use super::gate::{DONOR, ISSUER, Place, Setup, approve, coordinator, fields, researcher, token};
use super::process::sekisho;
use super::support::Then;

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_declared_gets_nothing() {
    let place = Place::new(Setup::default()).await;
    place.add("organization", "id=tc recipient=transplant-center country=JP");
    let gate = place.start();
    let centre = |purpose: &str| fields(json!({"org": "tc"}), purpose);
    let role = |role: &str| fields(json!({"roles": [role]}), "coordination");
    let cases = [
        ("a route", 404, "no-such-route", "/donors/d-1/diary", coordinator()),
        ("a method", 405, "no-such-method", "/export/donors", coordinator()),
        ("a parameter", 400, "unknown-parameter", "/donors?colour=red", coordinator()),
        ("a purpose", 403, "purpose-unknown", "/donors/d-1", fields(json!({"roles": ["coord"]}), "curiosity")),
        ("no purpose", 400, "purpose-missing", "/donors/d-1", coordinator().replace("Purpose-Of-Use: ", "X: ")),
        ("a role that the issuer may not assert", 403, "recipient-unknown", "/donors/d-1", role("coordination-staff")),
        ("a role of another purpose", 403, "purpose-not-for-role", "/donors/d-1", role("books")),
        ("no role", 403, "recipient-unknown", "/donors/d-1", fields(json!({}), "coordination")),
        ("an organisation in no register", 403, "recipient-unknown", "/donors/d-1", researcher()),
        ("a recipient whom no rule names", 403, "recipient-not-permitted", "/donors/d-1", centre("research")),
        ("a search by what is not shown", 403, "search-not-permitted", "/donors?gender=f", centre("coordination")),
    ];
    for (what, status, kind, target, fields) in &cases {
        let method = if *what == "a method" { "PURGE" } else { "GET" };
        let got = gate.send(method, target, fields, "").await;
        got.is_problem(*status, kind, what);
    }
    assert_eq!(gate.place.stage.asked(), 0);
    // A field that the catalogue does not name, and one that the purpose does not release.
    let got = gate.read().await;
    assert_eq!(got.status, 200, "{}", got.bytes);
    assert_eq!(got.json(), json!({"id": "d-1", "name": {"kanji": "sekret-name"}, "phone": "sekret-phone"}));
    let log = gate.end().await.log();
    assert_eq!(log.refusals().len(), cases.len(), "{:?}", log.refusals());
    let end = log.of("end")[0];
    assert_eq!((&end["unclassified"], &end["unclassified_fields"]), (&json!(["/new_field"]), &json!(1)), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_on_disk_holds_no_subject_reason_reference_token_value_or_name() {
    let place = Place::new(Setup::default()).await;
    approve(&place);
    let gate = place.start();
    let words = "exception;basis=\"law\";recipient=\"authority\";act=\"Numbers Act\";reference=\"zz-reference\";reason=\"zz-reason\"";
    let token =
        token(json!({}), json!({"sub": "s-7", "roles": ["coord"], "name": "zz-caller-name", "jti": "zz-token-id"}));
    let bearer =
        |purpose: &str| format!("Authorization: Bearer {token}\r\nPurpose-Of-Use: {purpose}\r\nX-Trace: zz-field\r\n");
    let one = r#"{"id":"zz-subject","name":{"kanji":"zz-name"},"phone":"zz-phone","zz-note":"zz-value"}"#;
    gate.place.stage.body(one);
    assert_eq!(gate.get("/donors/zz-subject", &bearer("coordination")).await.status, 200);
    assert_eq!(gate.get("/donors/zz-subject", &bearer(words)).await.status, 403);
    let write = r#"{"id":"zz-subject","phone":"zz-written"}"#;
    assert_eq!(gate.send("PATCH", "/donors/zz-subject", &bearer("coordination"), write).await.status, 200);
    gate.place.stage.body(&format!(r#"{{"items":[{one}]}}"#));
    assert_eq!(gate.get("/donors?name=zz-query", &bearer("coordination")).await.status, 200);
    assert_eq!(gate.get("/donors", &researcher()).await.status, 200);
    for target in ["/zz-path/zz-subject", "/donors?zz-parameter=zz-query", "/donors?name=%zz"] {
        assert!(gate.get(target, &bearer("coordination")).await.status >= 400);
    }
    gate.get("/donors/zz-subject", &format!("Authorization: Bearer {token}x\r\n")).await;
    let place = gate.end().await;
    let log = place.log();
    assert!(log.of("begin").len() == 4 && log.of("refusal").len() == 4 && log.of("continuation").len() == 2);
    let mut files = 0;
    for entry in std::fs::read_dir(place.path("data/log/gate")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        // The name of a member that the catalogue does not know is told, so that somebody can name it there.
        let text = text.replace("\"/zz-note\"", "").replace("\"/items/*/zz-note\"", "");
        let found = text.find("zz-").map(|at| &text[at.saturating_sub(200)..at + 40]);
        assert_eq!(found, None);
        assert!(!token.split('.').any(|part| text.contains(part)), "a token");
        files += usize::from(text.contains("\"kind\":\"begin\""));
    }
    assert_eq!(files, 1, "no record was looked at");
    assert!(log.of("begin")[0]["subjects"][0].is_string() && log.of("begin")[0]["caller"]["id"] == "s-7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_who_is_refused_is_told_whom_to_turn_to_and_nobody_else_is() {
    let place = Place::new(Setup::default()).await;
    approve(&place);
    let gate = place.start();
    let contact = "General Affairs Department";
    let person = |identity: bool, purpose: &str| {
        fields(json!({"sub": "d-1", "org": "principal", "identity": identity}), purpose)
    };
    let disclosure = "principal-request.disclosure";
    let refused = [
        ("not under coordination", "recipient-not-permitted", "/donors/d-1", person(true, "coordination")),
        ("identity not shown", "identity-not-verified", "/donors/d-1", person(false, disclosure)),
    ];
    for (what, kind, target, fields) in refused {
        let problem = gate.get(target, &fields).await.is_problem(403, kind, what);
        assert!(problem["contact"].as_str().unwrap().contains(contact), "{what}: {problem}");
    }
    // Of another's record, and of his own where there is none: the same, and whom to turn to.
    let other = gate.get("/donors/d-2", &person(true, disclosure)).await;
    gate.place.stage.will("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Then::Close);
    let own = gate.get("/donors/d-1", &person(true, disclosure)).await;
    gate.place.stage.body(DONOR);
    for got in [&other, &own] {
        let problem = got.is_problem(404, "not-available", "of a person");
        assert!(problem["contact"].as_str().unwrap().contains(contact), "{problem}");
        assert_eq!(got.body.len(), other.body.len());
    }
    let got = gate.get("/donors/d-1", &person(true, disclosure)).await;
    assert!(got.status == 200 && !got.bytes.contains(contact), "the person's own record: {}", got.bytes);
    for (status, kind, fields) in [
        (403, "purpose-not-for-role", fields(json!({"roles": ["books"]}), "coordination")),
        (403, "recipient-not-permitted", self::fields(json!({"org": "univ-a"}), "coordination")),
        (404, "not-available", researcher()),
    ] {
        let problem = gate.get("/donors/d-1", &fields).await.is_problem(status, kind, kind);
        assert!(problem.get("contact").is_none(), "{problem}");
    }
    assert_eq!(gate.place.stage.asked(), 2);
    let log = gate.end().await.log();
    assert_eq!(log.of("refusal")[0]["obligations"], json!(["name-contact"]), "{}", log.of("refusal")[0]);
    // The same in the words of FHIR.
    let gate = Place::new(Setup { site: "catalogue = \"fhir-r4\"", ..Setup::default() }).await.start();
    for (status, target) in [(403, "/Patient/d-1"), (404, "/Patient/d-2")] {
        let purpose = if status == 403 { "coordination" } else { disclosure };
        let got = gate.get(target, &person(true, purpose)).await;
        assert_eq!((got.status, got.field("content-type")), (status, Some("application/fhir+json")), "{}", got.bytes);
        let issues = got.json()["issue"].as_array().unwrap().clone();
        assert!(issues.iter().any(|issue| issue["diagnostics"].as_str().unwrap().contains(contact)), "{issues:?}");
    }
    assert_eq!(gate.place.stage.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_blocked_at_an_issuer_nobody_knows_is_no_entry() {
    let gate = Place::new(Setup::default()).await.start();
    let block = |issuer: &str| {
        let issuer = format!("issuer={issuer}");
        sekisho(&gate.place, &["registry", "add", "block-caller", &issuer, "caller=s-1"])
    };
    let misspelt = block(&format!("{ISSUER}/"));
    assert_eq!(misspelt.status.code(), Some(2));
    let told = String::from_utf8(misspelt.stderr).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("none of the settings") && told.contains(&format!("did you mean `{ISSUER}`?")), "{told}");
    assert!(block(ISSUER).status.success());
    gate.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_enters_or_ends_counts_from_the_next_request() {
    let place = Place::new(Setup::default()).await;
    place.add("organization", "id=reg recipient=approved-organization country=JP purposes=research");
    place.add("approval", "organization=reg purpose=research from=2020-01-01 until=2099-12-31");
    let gate = place.start();
    let desk = |words: &str| {
        let words: Vec<&str> = ["registry"].into_iter().chain(words.split(' ')).collect();
        let done = sekisho(&gate.place, &words);
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    assert_eq!(gate.read().await.status, 200);
    desk("add restriction subject=d-1 name=stop-use");
    gate.read().await.is_problem(403, "restricted", "entered");
    desk("end restriction subject=d-1 name=stop-use");
    assert_eq!(gate.read().await.status, 200, "ended");
    // A consent opens, and its end closes.
    let consented = fields(json!({"org": "reg"}), "research;basis=\"consent\"");
    gate.place.stage.body(&format!(r#"{{"items":[{DONOR}]}}"#));
    let seen = async || {
        let got = gate.get("/donors", &consented).await;
        assert_eq!(got.status, 200, "{}", got.bytes);
        got.json()["items"].as_array().unwrap().len()
    };
    assert_eq!(seen().await, 0, "nobody has consented");
    desk("add consent subject=d-1 purpose=research recipient=approved-organization organization=reg");
    assert_eq!(seen().await, 1, "consented");
    desk("end consent subject=d-1 purpose=research recipient=approved-organization organization=reg");
    assert_eq!(seen().await, 0, "withdrawn");
    // On another connection of this process it is no different.
    gate.place.add("block", "subject=d-1");
    gate.read().await.is_problem(403, "blocked", "blocked");
    let place = gate.end().await;
    assert_eq!(place.log().refusals(), [("restricted", 403), ("blocked", 403)]);
    let chain = sekisho::store::Directory::open_to_read(&place.path("data/log/registry")).unwrap();
    assert!(sekisho::audit::verify(&chain).unwrap().is_intact());
    let actions: Vec<_> =
        std::fs::read_dir(place.path("data/log/registry")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let text: String = actions.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert_eq!(text.matches("\"action\":\"registry-add\"").count(), 2);
    assert_eq!(text.matches("\"action\":\"registry-end\"").count(), 2);
    assert!(!text.contains("d-1\""), "a subject in plain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_purpose_counts_only_with_its_relation_to_an_old_one() {
    let gate = Place::new(Setup::default()).await.start();
    let newsletter = fields(json!({"roles": ["coord"]}), "newsletter");
    let old = std::fs::read_to_string(gate.place.path("jmdp/policy.toml")).unwrap();
    gate.place.scratch.write("jmdp/revisions/2022-04.toml", &old, 0o644);
    let next = |relation: &str| {
        let changes = [
            (
                "revision = \"2022-04\"",
                "revision = \"2023-04\"\nsupersedes = \"2022-04\"\nlaw = \"Act No. 57 of 2003\"",
            ),
            ("announced = 2022-03-15", "announced = 2023-03-15"),
            ("effective = 2022-04-01", "effective = 2023-04-01"),
            ("serves = [\"coordination\", ", "serves = [\"coordination\", \"newsletter\", "),
        ];
        let text = changes.iter().fold(old.clone(), |text, (from, to)| text.replacen(from, to, 1));
        let purpose = "[purpose.\"newsletter\"]\nclause = \"II.3.11\"\nabout = [\"donor\"]\nview = \"messages\"\n";
        gate.place.scratch.write("jmdp/policy.toml", &format!("{text}\n{purpose}{relation}"), 0o644);
        gate.reloader.reload()
    };
    let error = next("").unwrap_err().to_string();
    assert!(error.contains("purpose `newsletter` is new"), "{error}");
    gate.get("/donors/d-1", &newsletter).await.is_problem(403, "purpose-unknown", "without a relation");
    assert_eq!(gate.read().await.status, 200);
    next("related-to = \"campaign\"\n").unwrap();
    let got = gate.get("/donors/d-1", &newsletter).await;
    assert_eq!(got.status, 200, "{}", got.bytes);
    assert_eq!(got.json(), json!({"name": {"kanji": "sekret-name"}, "phone": "sekret-phone"}));
    let log = gate.end().await.log();
    let revisions: Vec<_> = log.of("begin").iter().map(|record| record["policy"]["revision"].clone()).collect();
    assert_eq!(revisions, ["2022-04", "2023-04"]);
}
