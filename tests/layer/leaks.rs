//! Ways out that were open once, each as a test.

use bytes::Bytes;
use http::{Response, StatusCode};
use sekisho::demo::sample::{Org, Sample};
use sekisho::policy::Source;
use serde_json::json;

use super::support::{Ask, NOW_MS, Script, Stand, Step};
use super::{researcher, staff};

const RESEARCH: &str = "research;basis=\"academic-research\"";

fn masked(body: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(body).unwrap();
    value["decision"] = json!("");
    value.to_string()
}

/// A joint user has four items of each donor, and a history is none of them.
#[tokio::test]
async fn a_list_that_is_withheld_does_not_tell_that_it_is_empty() {
    let facts = [("organization", "id=keio-tc recipient=transplant-center country=JP purposes=coordination")];
    let stand = Stand::new(Org::Jmdp, &facts);
    let mut left = Vec::new();
    for history in [
        "",
        r#","history":["gout"]"#,
        r#","history":[]"#,
        r#","history":{}"#,
        r#","history":null"#,
        r#","history":[null]"#,
        r#","history":[[]]"#,
        r#","body":{}"#,
        r#","address":{}"#,
    ] {
        let body = format!(r#"{{"items":[{{"id":"d-1","name":{{"kanji":"山田"}}{history},"hla":{{"a":"A2"}}}}]}}"#);
        stand.next_body(body, "application/json");
        let answer = stand.get(json!({"sub": "dr", "org": "keio-tc"}), "coordination", "/donors").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(answer.body.contains("山田"), "{}", answer.body);
        left.push(answer.body);
    }
    assert!(left.iter().all(|body| *body == left[0]), "{left:?}");
}

/// All of it is of a category that the caller sees in clear, were it a value.
#[tokio::test]
async fn an_object_where_a_value_is_catalogued_leaves_nothing_and_is_on_record() {
    let facts = [("organization", "id=keio-tc recipient=transplant-center country=JP purposes=coordination")];
    let stand = Stand::new(Org::Jmdp, &facts);
    let whole = r#"{"items":[{"id":"d-1","name":{"kanji":"山田"},"hla":{"a":["A2"]}}]}"#;
    for (name, hla) in [
        (r#"{"kanji":"山田","kana":{"secretNote":"canary"}}"#, r#"{"a":["A2"]}"#),
        (r#"{"kanji":"山田"}"#, r#"{"b":{"note":["canary"]},"a":["A2",{"note":"canary"}]}"#),
    ] {
        let body = format!(r#"{{"items":[{{"id":"d-1","name":{name},"hla":{hla}}}]}}"#);
        stand.next_body(body, "application/json");
        let answer = stand.get(json!({"sub": "dr", "org": "keio-tc"}), "coordination", "/donors").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let left = &answer.json()["items"][0];
        let expected: serde_json::Value = serde_json::from_str(whole).unwrap();
        assert_eq!((&left["name"], &left["hla"]), (&expected["items"][0]["name"], &expected["items"][0]["hla"]));
        let end = stand.last("end");
        assert!(end["unclassified"].as_array().is_some_and(|places| !places.is_empty()), "{end}");
    }
}

#[tokio::test]
async fn a_dry_run_does_not_tell_outsiders_who_is_on_file() {
    let stand = Stand::new(Org::Jmdp, researcher::FACTS);
    let list = stand.get(researcher::claims(), RESEARCH, "/donors").await.json();
    let restricted = stand.backend.sample.ids("donors")[1].clone();
    stand.add("restriction", &format!("subject={restricted} name=stop-use"));
    let mut answers = Vec::new();
    for entry in 0..2 {
        let target = format!("/donors/{}", list["items"][entry]["id"].as_str().unwrap());
        let fields = [("purpose-of-use-dry-run", "?1")];
        let (method, claims) = ("GET", researcher::claims());
        let dry =
            stand.ask(Ask { method, target: &target, claims, purpose: RESEARCH, fields: &fields, ..Ask::default() });
        let dry = dry.await;
        answers.push((dry.status, masked(&dry.body)));
        assert_eq!(stand.last("refusal")["subjects"].as_array().map(Vec::len), Some(1), "on record with its subject");
        let real = stand.get(researcher::claims(), RESEARCH, &target).await;
        assert_eq!(real.status, [StatusCode::OK, StatusCode::NOT_FOUND][entry]);
    }
    assert_eq!(answers[0], answers[1]);
}

/// A hospital that sees ids in clear, and no employer of anybody, before routes of one record, of a file that holds ids and of one that holds none.
const CHARTS: &str = r#"
surface = "rest"
subject-class = "patient"
[[route]]
id = "chart"
path = "/charts/{id}"
methods = { GET = "read" }
shape = "object"
fields = { "/id" = "identity.number", "/name" = "identity.name", "/phone" = "contact.phone", "/work" = "work.employer" }
references = ["/id"]
subject = { path = "id", entry = "/id" }
[[route]]
id = "scan"
path = "/charts/{id}/scan"
methods = { GET = "read" }
shape = "opaque"
opaque = ["identity.number", "identity.name", "contact.phone"]
subject = { path = "id" }
[[route]]
id = "photo"
path = "/charts/{id}/photo"
methods = { GET = "read" }
shape = "opaque"
opaque = ["identity.name", "contact.phone"]
subject = { path = "id" }
"#;

const HOSPITAL: &[(&str, &str)] = &[
    ("organization", "id=minato recipient=hospital country=JP from=2024-04-01 until=2099-03-31"),
    ("objection", "subject=p-obj purpose=care.coordination categories=identity,contact"),
    ("objection", "subject=p-part purpose=care.coordination categories=contact"),
    ("objection", "subject=p-part purpose=care categories=contact"),
    ("objection", "subject=p-cond purpose=care.coordination categories=health.condition"),
    ("consent", "subject=p-cons purpose=care.coordination recipient=hospital categories=work.employer from=2026-01-01"),
    ("restriction", "subject=p-stop name=stop-use"),
];

/// What `minato` is answered; of `p-none` the backend knows nothing.
async fn told(stand: &Stand, purpose: &str, target: &str, dry: bool) -> (u16, String) {
    let fields: &[(&str, &str)] = if dry { &[("purpose-of-use-dry-run", "?1")] } else { &[] };
    let claims = json!({"sub": "h", "org": "minato"});
    let answer = stand.ask(Ask { method: "GET", target, claims, purpose, fields, ..Ask::default() }).await;
    let problem = answer.headers.get("content-type").is_some_and(|media| media != "image/png");
    // A FHIR problem says its decision in a sentence.
    let decision = answer.headers.get("purpose-of-use-decision").and_then(|field| field.to_str().ok());
    let id = decision.and_then(|field| field.split('"').nth(1)).unwrap_or("no decision").to_owned();
    let body = answer.body.replace(&id, "").replace("p-none", "p").replace("p-obj", "p").replace("p-cons", "p");
    let body = body.replace("p-cond", "p").replace("p-stop", "p").replace("p-part", "p").replace("p-ok", "p");
    (answer.status.as_u16(), if problem && body.starts_with('{') { masked(&body) } else { body })
}

fn charts() -> Stand {
    let stand = Stand::before(Source::new("catalogue.toml", CHARTS), Org::Sakura, HOSPITAL);
    let answer = |head: &http::request::Parts, _: &bytes::Bytes| {
        let path = head.uri.path();
        let id = path.split('/').nth(2).unwrap_or_default();
        let (status, media, body) = match path.ends_with(id) {
            _ if id == "p-none" => (404, "application/json", String::new()),
            true => (200, "application/json", format!(r#"{{"id":"{id}","name":"N","phone":"1"}}"#)),
            false => (200, "image/png", "PNG".to_owned()),
        };
        Response::builder().status(status).header("content-type", media).body(body.into()).unwrap()
    };
    *stand.backend.always.lock().unwrap() = Some(std::sync::Arc::new(answer));
    stand
}

/// Whoever objected to some categories, or consented to few, so that nothing of the route is left, is as one whom nobody knows.
#[tokio::test]
async fn outsiders_are_not_told_of_an_objection_to_some_nor_of_a_consent_to_few() {
    let stand = charts();
    let by_consent = "care.coordination;basis=\"consent\"";
    for (purpose, person) in
        [("care.coordination", "p-obj"), ("care.coordination", "p-stop"), (by_consent, "p-cons"), (by_consent, "p-obj")]
    {
        let unknown = told(&stand, purpose, "/charts/p-none", false).await;
        assert_eq!(unknown.0, 404, "{}", unknown.1);
        assert_eq!(told(&stand, purpose, &format!("/charts/{person}"), false).await, unknown, "{purpose} {person}");
        let unknown = told(&stand, purpose, "/charts/p-none", true).await;
        assert_eq!(unknown.0, 200, "{}", unknown.1);
        assert_eq!(told(&stand, purpose, &format!("/charts/{person}"), true).await, unknown, "{purpose} {person}");
    }
    // Others are shown what they are to be, and own staff are told why not.
    assert_eq!(told(&stand, "care.coordination", "/charts/p-ok", false).await.0, 200);
    stand.add("objection", "subject=p-obj purpose=care categories=identity,contact");
    let answer = stand.get(json!({"sub": "dr", "roles": ["physician"]}), "care", "/charts/p-obj").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.body);
}

/// FHIR: a search that names its person, in a dry run.
#[tokio::test]
async fn a_dry_run_of_a_fhir_search_does_not_tell_outsiders_of_an_objection_to_some() {
    let text = "surface = \"fhir-r4\"\nbased-on = \"fhir-r4\"\n";
    let stand = Stand::before(Source::new("catalogue.toml", text), Org::Sakura, HOSPITAL);
    let dry = async |person: &str| {
        told(&stand, "care.coordination", &format!("/Condition?patient=Patient/{person}"), true).await
    };
    let unknown = dry("p-none").await;
    assert_eq!(unknown.0, 200, "{}", unknown.1);
    for person in ["p-cond", "p-obj", "p-stop", "p-ok"] {
        assert_eq!(dry(person).await, unknown, "{person}");
    }
    assert_eq!(stand.asked(), 0);
    // Not dry, it is refused as any other.
    let refused = async |person: &str| {
        told(&stand, "care.coordination", &format!("/Condition?patient=Patient/{person}"), false).await
    };
    let stopped = refused("p-stop").await;
    assert_eq!((stopped.0, refused("p-cond").await), (404, stopped), "one refusal");
}

/// A file of which this person withholds part is refused before the backend is asked.
#[tokio::test]
async fn a_file_of_which_the_person_withholds_part_is_not_asked_for() {
    let stand = charts();
    let unknown = told(&stand, "care.coordination", "/charts/p-none/scan", false).await;
    assert_eq!(unknown.0, 404);
    let times = stand.asked();
    assert_eq!(told(&stand, "care.coordination", "/charts/p-part/scan", false).await, unknown);
    let answer = stand.get(json!({"sub": "dr", "roles": ["physician"]}), "care", "/charts/p-part/scan").await;
    assert_eq!((answer.status.as_u16(), stand.asked() - times), (403, 0), "{}", answer.body);
    assert!(answer.body.contains("not-whole"), "{}", answer.body);
    assert_eq!(stand.last("refusal")["subjects"].as_array().map(Vec::len), Some(1));
    let whole = told(&stand, "care.coordination", "/charts/p-ok/scan", false).await;
    assert_eq!((whole.0, whole.1.as_str()), (200, "PNG"));
}

/// Whoever sees ids in clear names them so on a route that carries none.
#[tokio::test]
async fn a_route_without_ids_is_read_by_the_ids_that_the_caller_sees() {
    let stand = charts();
    let chart = told(&stand, "care.coordination", "/charts/p-ok", false).await;
    assert!(chart.0 == 200 && chart.1.contains("\"id\":\"p\""), "{chart:?}");
    let photo = told(&stand, "care.coordination", "/charts/p-ok/photo", false).await;
    assert_eq!((photo.0, photo.1.as_str()), (200, "PNG"));
}

const OPEN: &str = r#"
surface = "rest"
[[route]]
id = "version"
path = "/version"
methods = { GET = "read" }
shape = "object"
subject = "none"
fields = { "/version" = "open" }
[[route]]
id = "donors.sought"
path = "/donors/{id}"
methods = { GET = "read", PATCH = "update" }
shape = "object"
subject-class = "donor"
subject = { path = "id", body = "/id", entry = "/id" }
query = { name = "identity.name" }
fields = { "/id" = "identity.number", "/phone" = "contact.phone" }
"#;

#[tokio::test]
async fn a_dry_run_where_nobody_is_concerned_reaches_no_backend() {
    let stand = Stand::with(Sample::new(Org::Jmdp, 1), OPEN, &[]);
    for (dry, asked) in [("?1", 0), ("?0", 1)] {
        stand.next_body(r#"{"version":"1","secret":"x"}"#, "application/json");
        let fields = [("purpose-of-use-dry-run", dry)];
        let claims = staff("coordination-staff");
        let answer = stand.ask(Ask { method: "GET", target: "/version", claims, fields: &fields, ..Ask::default() });
        let answer = answer.await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(!answer.body.contains("secret"), "{}", answer.body);
        assert_eq!(stand.asked(), asked);
    }
}

#[tokio::test]
async fn a_write_cannot_be_made_to_depend_on_a_search() {
    let stand = Stand::with(Sample::new(Org::Jmdp, 1), OPEN, &[]);
    let id = stand.backend.sample.ids("donors")[0].clone();
    for (query, status) in [("", 200), ("?name=x", 400)] {
        let (target, body) = (format!("/donors/{id}{query}"), format!(r#"{{"id":"{id}","phone":"1"}}"#));
        let (claims, purpose) = (staff("coordination-staff"), "coordination");
        let ask = Ask { method: "PATCH", target: &target, claims, purpose, body: &body, ..Ask::default() };
        let answer = stand.ask(ask).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    }
    assert_eq!(stand.asked(), 1);
}

#[tokio::test]
async fn a_record_that_names_nobody_is_not_taken_for_the_one_in_the_path() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let id = stand.backend.sample.ids("donors")[0].clone();
    for body in [r#"{"phone":"sekret"}"#, r#"{"id":null,"phone":"sekret"}"#, r#"{"id":["D"],"phone":"sekret"}"#] {
        stand.next_body(body, "application/json");
        let answer = stand.get(staff("coordination-staff"), "coordination", &format!("/donors/{id}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{body}: {}", answer.body);
        stand.next_body(format!(r#"{{"items":[{body}]}}"#), "application/json");
        let list = stand.get(staff("coordination-staff"), "coordination", &format!("/donors/{id}/exams")).await;
        assert!(!list.body.contains("sekret"), "{body}: {}", list.body);
    }
}

#[tokio::test]
async fn a_write_that_stands_is_not_told_as_a_refusal() {
    let stand = Stand::new(Org::Sakura, &[]);
    let id = stand.backend.sample.ids("patients")[0].clone();
    let (target, body) = (format!("/patients/{id}"), format!(r#"{{"id":"{id}","phone":"1"}}"#));
    for (answer, media, coding) in [
        (r#"{"id":"another","phone":"sekret"}"#, "application/json", None),
        ("sekret", "text/plain", None),
        (r#"{"id":"sekret"}"#, "application/json", Some("gzip")),
    ] {
        let mut response = Response::builder().header("content-type", media);
        if let Some(coding) = coding {
            response = response.header("content-encoding", coding);
        }
        *stand.backend.instead.lock().unwrap() = Some(response.body(answer.into()).unwrap());
        let (claims, purpose) = (staff("physician"), "care");
        let ask = Ask { method: "PATCH", target: &target, claims, purpose, body: &body, ..Ask::default() };
        let told = stand.ask(ask).await;
        assert_eq!((told.status, told.body.as_str()), (StatusCode::OK, ""), "{answer}");
        assert_eq!(stand.last("end")["code"], "answer-not-released");
    }
}

/// The same where its answer breaks off or cannot be judged, or where the gate cannot know: a client would send it again.
#[tokio::test]
async fn a_write_that_stands_is_not_to_be_made_twice() {
    let stand = Stand::new(Org::Sakura, &[]);
    let id = stand.backend.sample.ids("patients")[0].clone();
    let (one, many) = (format!("/patients/{id}"), format!("/patients/{id}/visits"));
    let registry = stand.registry();
    let cut = || vec![Step::Data(Bytes::from_static(b"{\"id\":\"sek")), Step::Break];
    for (method, target, status, steps) in [
        ("PATCH", &one, 200, cut()),
        ("POST", &many, 201, cut()),
        ("POST", &many, 201, vec![Step::Data(Bytes::from_static(b"{\"id\":\"sek\""))]),
        ("PATCH", &one, 200, vec![Step::Data(format!("{{\"id\":\"{id}\",\"id\":\"sek\"}}").into())]),
        ("POST", &many, 201, vec![Step::Data(Bytes::from_static(b"{\"note\":\"sek\",\"note\":\"\"}"))]),
        (
            "PATCH",
            &one,
            200,
            vec![
                Step::Data(Bytes::from_static(b"{")),
                Step::Do(Box::new(move || std::fs::remove_file(registry).unwrap())),
                Step::Data(format!("\"id\":\"{id}\",\"phone\":\"sek\"}}").into()),
            ],
        ),
    ] {
        let response = Response::builder().status(status).header("content-type", "application/json");
        stand.hook(move || Ok(response.body(Script::of(steps)).unwrap()));
        let body = if method == "POST" { "{}".to_owned() } else { format!(r#"{{"id":"{id}","phone":"1"}}"#) };
        let (claims, purpose) = (staff("physician"), "care");
        let told = stand.ask(Ask { method, target, claims, purpose, body: &body, ..Ask::default() }).await;
        assert_eq!((told.status.as_u16(), told.body.as_str()), (status, ""), "{method} {target}");
        assert!(!told.headers.contains_key("retry-after"), "{:?}", told.headers);
        let decision = told.headers["purpose-of-use-decision"].to_str().unwrap();
        assert!(decision.starts_with("permit"), "{decision}");
        assert_eq!(stand.last("end")["code"], "answer-not-released");
    }
}

#[tokio::test]
async fn a_location_names_nobody_but_the_one_written_about() {
    let stand = Stand::new(Org::Sakura, &[]);
    let ids = stand.backend.sample.ids("patients");
    let target = format!("/patients/{}/visits", ids[0]);
    let own = format!("/patients/{}/visits/v-1", ids[0]);
    let theirs = [
        format!("/patients/{}/visits/v-1", ids[1]),
        format!("{own}?name=sekret"),
        "/sekret".into(),
        "//evil.test/x".into(),
        format!("/\\evil.test{own}"),
    ];
    let allowed = [(own.clone(), true), (format!("http://backend.test{own}"), true)];
    for (location, passes) in allowed.into_iter().chain(theirs.map(|l| (l, false))) {
        for method in ["POST", "GET"] {
            let response = Response::builder().status(201).header("location", &location);
            let response = response.header("content-type", "application/json").body("{}".into()).unwrap();
            *stand.backend.instead.lock().unwrap() = Some(response);
            let (claims, purpose, body) = (staff("physician"), "care", if method == "POST" { "{}" } else { "" });
            let answer = stand.ask(Ask { method, target: &target, claims, purpose, body, ..Ask::default() }).await;
            assert!(answer.status.is_success(), "{}", answer.body);
            let told = answer.headers.get("location").map(|value| value.to_str().unwrap());
            assert_eq!(told, (passes && method == "POST").then_some(own.as_str()), "{method} {location}");
        }
    }
}

#[tokio::test]
async fn an_export_of_which_nothing_is_left_tells_nothing_of_those_left_out() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let id = stand.backend.sample.ids("donors")[0].clone();
    stand.add("restriction", &format!("subject={id} name=stop-use"));
    for body in [format!("{{\"id\":\"{id}\"}}\n"), "\n".to_owned()] {
        stand.next_body(body.clone(), "application/x-ndjson");
        let answer = stand.get(staff("coordination-staff"), "coordination", "/export/donors").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.body.trim(), "");
    }
}

#[tokio::test]
async fn a_subject_that_the_gate_cannot_read_in_a_body_is_not_forwarded() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let id = stand.backend.sample.ids("donors")[0].clone();
    for named in [r#"["D-9"]"#, r#"{"v":"D-9"}"#, "1.5", "true", r#""a/b""#, r#""""#, "null"] {
        let (target, body) = (format!("/donors/{id}"), format!(r#"{{"id":{named},"phone":"1"}}"#));
        let (claims, purpose) = (staff("coordination-staff"), "coordination");
        let ask = Ask { method: "PATCH", target: &target, claims, purpose, body: &body, ..Ask::default() };
        let answer = stand.ask(ask).await;
        assert!(answer.status.is_client_error(), "{named}: {}", answer.body);
    }
    assert_eq!(stand.asked(), 0);
}

#[tokio::test]
async fn a_slow_body_is_judged_by_the_time_at_which_it_has_come() {
    use tower::ServiceExt;
    let stand = Stand::new(Org::Jmdp, &[]);
    let id = stand.backend.sample.ids("donors")[0].clone();
    let clock = std::sync::Arc::clone(&stand.clock_ms);
    let late = move || clock.store(NOW_MS + 60_000, std::sync::atomic::Ordering::SeqCst);
    let body = Script::of([Step::Do(Box::new(late)), Step::Data(format!(r#"{{"id":"{id}","phone":"1"}}"#).into())]);
    let request = http::Request::patch(format!("/donors/{id}"))
        .header("authorization", format!("Bearer {}", super::support::token(&staff("coordination-staff"))))
        .header("purpose-of-use", "coordination")
        .header("content-type", "application/json; x=\"; charset=utf-16\"")
        .body(body)
        .unwrap();
    let response = stand.service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    drop(response);
    let begin = stand.last("begin").to_string();
    assert!(begin.contains("09:01:00") || begin.contains("00:01:00"), "{begin}");
    let (_, fields) = stand.backend.last.lock().unwrap().take().unwrap();
    assert_eq!(fields["content-type"], "application/json", "only what was judged goes on");
}

#[tokio::test]
async fn a_count_of_statistics_is_nobodys_id_in_the_log() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (claims, target) = (staff("privacy-officer"), "/statistics/donors-by-prefecture");
    let mut told = 0;
    for purpose in ["improvement", "coordination", "research", "website.troubleshooting"] {
        for role in ["research-staff", "coordination-staff", "site-operator"] {
            stand.next_body(r#"{"cells":[{"group":"x","persons":17},{"group":"y","persons":3}]}"#, "application/json");
            let answer = stand.get(staff(role), purpose, target).await;
            assert!(!answer.body.contains("\"y\""), "a small cell left: {}", answer.body);
            told += usize::from(answer.body.contains("17"));
        }
    }
    drop(claims);
    assert!(told > 0, "nothing was released at all");
    for record in stand.records() {
        let subjects = record["disclosed"].as_array().into_iter().flatten().map(|d| d["subjects"].clone());
        assert!(subjects.into_iter().all(|s| s.as_array().is_none_or(Vec::is_empty)), "{record}");
    }
}

#[tokio::test]
async fn a_blocked_caller_gets_nothing_of_no_one_either() {
    let stand = Stand::new(Org::Jmdp, &[("block-caller", "issuer=https://issuer.test caller=staff-1")]);
    for purpose in ["improvement", "research"] {
        let answer = stand.get(staff("research-staff"), purpose, "/statistics/donors-by-prefecture").await;
        assert!(answer.status.is_client_error(), "{}", answer.body);
    }
    assert_eq!(stand.asked(), 0);
}

#[tokio::test]
async fn the_help_of_a_gate_that_cannot_know_is_no_empty_page() {
    let stand = Stand::new(Org::Sakura, &[]);
    let (target, claims) = ("/.well-known/purpose-of-use", staff("physician"));
    let head = stand.ask(Ask { method: "HEAD", target, claims: claims.clone(), ..Ask::default() }).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    let mut narrow = claims.clone();
    narrow["purpose"] = json!(["care.second-opinion"]);
    let page = stand.get(narrow, "", target).await;
    let names: Vec<_> = page.json()["purposes"].as_array().unwrap().iter().map(|p| p["purpose"].clone()).collect();
    assert_eq!(names, ["care.second-opinion"], "what the token does not grant");
    // Without a recipient, staff are asked for nothing.
    let routes = page.json()["purposes"][0]["routes"].clone();
    assert_eq!(routes[0]["bases"], json!([]), "{routes}");
    stand.lose_registry();
    assert_eq!(stand.get(claims, "", target).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// It takes long to make: ten at once, then one a second, however many refusals are left.
#[tokio::test]
async fn the_help_is_not_made_for_whoever_asks_too_often() {
    let stand = Stand::new(Org::Sakura, &[]);
    let target = "/.well-known/purpose-of-use";
    for number in 0..12 {
        let status = stand.get(staff("physician"), "", target).await.status.as_u16();
        assert_eq!(status, if number < 10 { 200 } else { 429 }, "{number}");
    }
    stand.clock_ms.store(NOW_MS + 1000, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(stand.get(staff("physician"), "", target).await.status, StatusCode::OK);
    assert_eq!(stand.get(staff("physician"), "", target).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn the_help_names_the_bases_that_open_a_route() {
    let stand = Stand::new(Org::Jmdp, researcher::FACTS);
    let page = stand.get(researcher::claims(), "", "/.well-known/purpose-of-use").await.json();
    let research = page["purposes"].as_array().unwrap().iter().find(|p| p["purpose"] == "research").unwrap().clone();
    let donors = research["routes"].as_array().unwrap().iter().find(|r| r["route"] == "/donors").unwrap().clone();
    assert_eq!(donors, json!({"method": "GET", "route": "/donors", "bases": ["consent", "academic-research"]}));
    for basis in ["consent", "academic-research"] {
        let purpose = format!("research;basis=\"{basis}\"");
        assert_eq!(stand.get(researcher::claims(), &purpose, "/donors").await.status, StatusCode::OK, "{basis}");
    }
    assert_eq!(stand.get(researcher::claims(), "hl7:HRESCH;basis=\"consent\"", "/donors").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_link_of_a_hostile_record_leads_to_no_other_host() {
    let stand = Stand::new(Org::Jmdp, &[]);
    for (link, followed) in [
        ("/donors?page=2", true),
        ("http://backend.test/donors?page=2", true),
        // What a server adds of its own accord and says nothing of anybody.
        ("/donors?page=2&size=1&sort=born", true),
        ("/donors?page=2&my_number=1", false),
        ("/donors?page=2#my_number=1", false),
        ("/nothing/sekret", false),
        ("//evil.test/", false),
        (r"/\\evil.test/", false),
        ("http://backend.test.evil.test/", false),
        ("https://evil.test/", false),
        ("javascript:alert(1)", false),
    ] {
        let body = format!(r#"{{"next":"{link}","first":"{link}","items":[]}}"#);
        stand.next_body(body, "application/json");
        let asked = stand.asked();
        let answer = stand.get(staff("coordination-staff"), "coordination", "/donors?size=1").await;
        if followed {
            assert!(stand.asked() - asked > 1 && !answer.cut, "{link}: {}", answer.body);
            let next = answer.json()["next"].as_str().unwrap().to_owned();
            assert!(next.starts_with("/donors?page-cursor=") && !answer.body.contains("page=2"), "{link}: {next}");
        } else {
            assert!(stand.asked() - asked == 1 && answer.status == 502, "{link}: {}", answer.body);
            assert_eq!(stand.last("end")["code"], "page-link", "{link}");
        }
    }
}

#[tokio::test]
async fn another_record_of_the_same_person_is_not_released_for_the_one_asked_for() {
    let facts = [
        ("organization", "id=acme recipient=employer country=JP"),
        ("relation", "subject=p-0005 relation=commissioned-exam organization=acme"),
    ];
    let stand = Stand::new(Org::Sakura, &facts);
    let purpose = "employer-notification;recipient=\"employer\";organization=\"acme\"";
    let target = "/patients/p-0005/commissioned-exams/ce-0005-1";
    let one = stand.get(staff("health-check-clerk"), purpose, target).await;
    assert_eq!(one.status, StatusCode::OK, "{}", one.body);
    stand.next_body(r#"{"id":"ce-0005-2","patient_id":"p-0005","name":"n","result":"B"}"#, "application/json");
    let other = stand.get(staff("health-check-clerk"), purpose, target).await;
    assert_eq!(other.status, StatusCode::BAD_GATEWAY, "{}", other.body);
    assert!(!other.body.contains("\"B\""), "{}", other.body);
}
