//! Whatever goes wrong, nothing more leaves: the table of what fails closed, and failures known from other gates.

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use sekisho::demo::sample::{Org, Sample};
use sekisho::layer::Timeout;

use super::support::{Act, Answer, Ask, Script, Stand, Step};
use super::{researcher, staff};

const PURPOSE: &str = "coordination";

fn clerk() -> serde_json::Value {
    staff("coordination-staff")
}

fn donor(stand: &Stand) -> (String, String) {
    let id = stand.backend.sample.ids("donors")[0].clone();
    (format!("/donors/{id}"), id)
}

fn data(text: impl Into<String>) -> Step {
    Step::Data(text.into().into())
}

async fn list(stand: &Stand) -> Answer {
    stand.get(clerk(), PURPOSE, "/donors").await
}

/// Entries of these donors, large enough that each is released before the next is read.
fn entries(ids: &[String]) -> Vec<String> {
    let wide = "x".repeat(20_000);
    ids.iter().map(|id| format!(r#"{{"id":"{id}","phone":"phone-of-{id}","email":"{wide}"}},"#)).collect()
}

#[tokio::test]
async fn a_failing_redactor_never_passes_the_raw_body_on() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, id) = donor(&stand);
    let deep = format!("{}sekret{}", "[".repeat(5000), "]".repeat(5000));
    for body in [
        format!(r#"{{"id":"{id}","phone":"sekret","phone":"sekret"}}"#),
        format!(r#"{{"id":"{id}","ph\u006fne":"sekret","phone":"sekret"}}"#),
        format!(r#"{{"id":"{id}","phone":"\ud800 sekret"}}"#),
        format!(r#"{{"id":"{id}","phone":{deep}}}"#),
        format!(r#"{{"id":"{id}","phone":"sekret""#),
        format!(r#"{{"id":"{id}"}}{{"id":"sekret"}}"#),
        format!(r#"{{"id":"{id}","phone":NaN,"email":"sekret"}}"#),
        "sekret".into(),
    ] {
        stand.next_body(body.clone(), "application/json");
        let answer = stand.get(clerk(), PURPOSE, &target).await;
        assert!(!answer.body.contains("sekret"), "{body}");
        assert!(answer.cut || answer.status == StatusCode::BAD_GATEWAY, "{body}: {}", answer.status);
        assert_eq!(stand.last("end")["outcome"], "failed");
    }
    let mut bytes = format!(r#"{{"id":"{id}","phone":"sekret"#).into_bytes();
    bytes.extend(*b"\xff\"}");
    stand.next_body(bytes, "application/json");
    let answer = stand.get(clerk(), PURPOSE, &target).await;
    assert!(!answer.body.contains("sekret"), "{}", answer.body);
}

#[tokio::test]
async fn a_coded_or_mislabelled_body_does_not_slip_past_the_redactor() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, id) = donor(&stand);
    let fields = [
        ("content-encoding", "gzip"),
        ("content-encoding", "identity"),
        ("content-type", "text/html"),
        ("content-type", "application/json; charset=shift_jis"),
        ("content-type", "application/xml"),
        ("content-type", "multipart/related"),
    ];
    for (name, value) in fields {
        let mut response = Response::new(format!(r#"{{"id":"{id}","phone":"sekret"}}"#).into());
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        response.headers_mut().insert(name, value.parse().unwrap());
        *stand.backend.instead.lock().unwrap() = Some(response);
        let answer = stand.get(clerk(), PURPOSE, &target).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{name}: {value}: {}", answer.body);
        assert!(!answer.body.contains("sekret"));
    }
}

#[tokio::test]
async fn an_error_or_odd_status_of_the_backend_brings_nothing_of_its_body_or_fields() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, id) = donor(&stand);
    for status in [100_u16, 206, 300, 302, 304, 401, 403, 404, 409, 410, 418, 429, 500, 503, 504, 599] {
        let response = Response::builder().status(status).header("content-type", "application/json");
        let response = response.header("location", "/sekret").header("set-cookie", "sekret").header("x-a", "sekret");
        let response = response.header("www-authenticate", "sekret").header("content-range", "bytes 0-1/sekret");
        *stand.backend.instead.lock().unwrap() =
            Some(response.body(format!(r#"{{"id":"{id}","phone":"sekret"}}"#).into()).unwrap());
        let answer = stand.get(clerk(), PURPOSE, &target).await;
        assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{status}: {}", answer.status);
        assert!(!format!("{:?}{}", answer.headers, answer.body).contains("sekret"), "{status}");
    }
    let response = Response::builder().header("content-type", "application/json").header("x-name", "sekret");
    let response = response.header("set-cookie", "sekret").header("etag", "sekret").header("link", "</sekret>");
    *stand.backend.instead.lock().unwrap() = Some(response.body(format!(r#"{{"id":"{id}"}}"#).into()).unwrap());
    let answer = stand.get(clerk(), PURPOSE, &target).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!format!("{:?}", answer.headers).contains("sekret"), "{:?}", answer.headers);
}

#[tokio::test]
async fn a_backend_that_is_away_slow_or_panics_is_told_apart_and_recorded_as_failed() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, id) = donor(&stand);
    let body = format!(r#"{{"id":"{id}","phone":"1"}}"#);
    for method in ["GET", "PATCH"] {
        for (case, status) in [("away", 502), ("slow", 504), ("panics", 500)] {
            stand.hook(move || match case {
                "away" => Err("no route to host".into()),
                "slow" => Err(Box::new(Timeout)),
                _ => panic!("sekret"),
            });
            let body = if method == "PATCH" { body.as_str() } else { "" };
            let ask = Ask { method, target: &target, claims: clerk(), purpose: PURPOSE, body, ..Ask::default() };
            let answer = stand.ask(ask).await;
            assert_eq!(answer.status.as_u16(), status, "{method} {case}");
            assert!(!answer.body.contains("sekret") && !answer.body.contains("host"), "{}", answer.body);
            assert_eq!(stand.last("end")["outcome"], "failed", "{method} {case}");
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_cut_and_recorded_as_failed() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let ids = stand.backend.sample.ids("donors");
    let all = entries(&ids);
    let begun = || [data(r#"{"items":["#), data(all[0].as_str()), data(all[1].as_str())];
    for end in [Step::Break, data("]}]"), data("")] {
        stand.next_script(begun().into_iter().chain([end]).collect());
        let answer = list(&stand).await;
        assert!(answer.cut && answer.status == StatusCode::OK, "{}", answer.status);
        assert!(answer.body.contains(&format!("phone-of-{}", ids[0])), "what was judged had left");
        assert_eq!(stand.last("end")["outcome"], "failed");
    }
}

#[tokio::test]
async fn trailers_and_first_chunks_pass_no_unjudged_word() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let (target, id) = donor(&stand);
    let mut fields = HeaderMap::new();
    fields.insert("x-name", "sekret".parse().unwrap());
    let body = format!(r#"{{"id":"{id}","my_number":"sekret","phone":"1"}}"#);
    let (first, rest) = body.split_at(20);
    stand.next_script(vec![data(first), data(""), data(rest), Step::Trailers(fields)]);
    let answer = stand.get(clerk(), PURPOSE, &target).await;
    assert_eq!(answer.json()["phone"], "1");
    assert!(!answer.body.contains("sekret"), "{}", answer.body);
}

#[tokio::test]
async fn a_restriction_that_comes_while_a_list_is_read_holds_from_the_next_entry() {
    let stand = Arc::new(Stand::new(Org::Jmdp, &[]));
    let ids = stand.backend.sample.ids("donors");
    let all = entries(&ids);
    let (other, id) = (Arc::downgrade(&stand), ids[1].clone());
    let act = move || other.upgrade().unwrap().add("restriction", &format!("subject={id} name=stop-use"));
    let tail = format!("{}]}}", all[2].trim_end_matches(','));
    stand.next_script(vec![
        data(r#"{"items":["#),
        data(all[0].as_str()),
        Step::Do(Box::new(act)),
        data(all[1].as_str()),
        data(tail),
    ]);
    let answer = list(&stand).await;
    assert!(!answer.cut);
    let left: Vec<bool> = ids[..3].iter().map(|id| answer.body.contains(&format!("phone-of-{id}"))).collect();
    assert_eq!(left, [true, false, true]);
}

/// How often the phone of each of the first three donors left, of a list of these of them in one piece: between its first two
/// entries the second donor has the use of his data stopped.
async fn stopped_between(listed: [usize; 3]) -> [usize; 3] {
    let stand = Arc::new(Stand::new(Org::Jmdp, &[]));
    let ids = stand.backend.sample.ids("donors");
    let all = entries(&ids);
    let (other, id) = (Arc::downgrade(&stand), ids[1].clone());
    let mut looks = 0;
    let look = move || {
        looks += 1;
        if looks == 2 {
            other.upgrade().unwrap().add("restriction", &format!("subject={id} name=stop-use"));
        }
    };
    let armed = Arc::clone(&stand.tick);
    let arm = move || *armed.lock().unwrap() = Some(Box::new(look) as Act);
    let piece = format!("{}]}}", listed.map(|at| all[at].as_str()).concat().trim_end_matches(','));
    stand.next_script(vec![data(r#"{"items":["#), Step::Do(Box::new(arm)), data(piece)]);
    let answer = list(&stand).await;
    *stand.tick.lock().unwrap() = None;
    [0, 1, 2].map(|at| answer.body.matches(&format!("phone-of-{}", ids[at])).count())
}

#[tokio::test]
async fn a_restriction_that_comes_between_two_entries_of_one_piece_holds_for_the_second() {
    assert_eq!(stopped_between([0, 1, 2]).await, [1, 0, 1]);
}

/// The same at one moment, of one person: what was decided of him before is not taken for what is to be decided.
#[tokio::test]
async fn a_restriction_that_comes_between_two_entries_of_one_person_holds_for_the_second() {
    assert_eq!(stopped_between([1, 1, 2]).await, [0, 1, 1]);
}

#[tokio::test]
async fn a_registry_lost_while_a_list_is_read_ends_it() {
    let stand = Arc::new(Stand::new(Org::Jmdp, &[]));
    let ids = stand.backend.sample.ids("donors");
    let all = entries(&ids);
    let other = Arc::downgrade(&stand);
    let act = move || other.upgrade().unwrap().lose_registry();
    let steps = vec![
        data(r#"{"items":["#),
        data(all[0].as_str()),
        Step::Do(Box::new(act)),
        data(all[1].as_str()),
        data("{}]}"),
    ];
    stand.next_script(steps);
    let answer = list(&stand).await;
    assert!(answer.cut && !answer.body.contains(&format!("phone-of-{}", ids[1])));
    assert_eq!(stand.last("end")["code"], "registry-unreadable");
    let (asked, (target, _)) = (stand.asked(), donor(&stand));
    assert_eq!(stand.get(clerk(), PURPOSE, &target).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stand.asked(), asked, "forwarded without knowing what is on file");
}

#[tokio::test]
async fn a_log_that_fails_in_a_list_lets_no_further_entry_go() {
    for flushes in 0..3 {
        let stand = Stand::new(Org::Jmdp, &[]);
        let ids = stand.backend.sample.ids("donors");
        let all = entries(&ids);
        let mut steps = vec![data(r#"{"items":["#)];
        steps.extend(all.iter().take(4).map(|entry| data(entry.as_str())));
        steps.push(data("{}]}"));
        stand.next_script(steps);
        stand.disk.fail_flush_after(flushes);
        let answer = list(&stand).await;
        // Entries that were there by the time of the flush before go in one window: two flushes may be all it takes.
        let left = ids.iter().filter(|id| answer.body.contains(&format!("phone-of-{id}"))).count();
        let stopped = answer.cut || answer.status == StatusCode::SERVICE_UNAVAILABLE;
        assert!(stopped || flushes == 2 && left == 4, "{flushes}: {}, {left} entries", answer.status);
        let lines = stand.lines();
        let records = lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let disclosed: usize = records.filter_map(|record| record["disclosed"].as_array().map(Vec::len)).sum();
        assert!(left <= disclosed, "{left} entries left, {disclosed} on durable records");
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_one_ending() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let all = entries(&stand.backend.sample.ids("donors"));
    let ask = || Ask { method: "GET", target: "/donors", claims: clerk(), purpose: PURPOSE, ..Ask::default() };
    for read in [false, true] {
        stand.next_script(vec![data(r#"{"items":["#), data(all[0].as_str()), Step::Hang]);
        let mut response = stand.open(ask()).await;
        if read {
            response.body_mut().frame().await.unwrap().unwrap();
        }
        drop(response);
        assert_eq!(stand.last("end")["outcome"], "aborted");
    }
    // Before the backend has answered: the request's future is dropped while it waits.
    stand.next_script(vec![Step::Hang]);
    let open = stand.open(ask());
    let waited = tokio::time::timeout(std::time::Duration::from_millis(50), open).await;
    assert!(waited.is_err());
    assert_eq!(stand.last("end")["outcome"], "aborted");
}

#[tokio::test]
async fn many_requests_at_once_keep_their_answers_and_records_apart() {
    let stand = Stand::new(Org::Jmdp, researcher::FACTS);
    let ids = &stand.backend.sample.ids("donors");
    let asked = (0..64).map(|at| {
        let stand = &stand;
        let id = &ids[at % ids.len()];
        async move {
            if at % 2 == 0 {
                let answer = stand.get(clerk(), PURPOSE, &format!("/donors/{id}")).await;
                assert_eq!(answer.json()["id"], id.as_str());
            } else {
                let answer = stand.get(researcher::claims(), "research;basis=\"academic-research\"", "/donors").await;
                assert!(answer.status.is_success() && !ids.iter().any(|id| answer.body.contains(id.as_str())));
            }
        }
    });
    let set: Vec<_> = asked.map(Box::pin).collect();
    join(set).await;
    assert_eq!(stand.records().iter().filter(|record| record["kind"] == "end").count(), 64);
}

/// Polls all of them in turn until each is done.
async fn join<F: Future<Output = ()> + Unpin>(mut set: Vec<F>) {
    std::future::poll_fn(|context| {
        set.retain_mut(|one| std::pin::Pin::new(one).poll(context).is_pending());
        if set.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[tokio::test]
async fn a_panic_in_the_backends_body_is_recorded_as_failed() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let all = entries(&stand.backend.sample.ids("donors"));
    stand.hook(move || {
        let response = Response::builder().header("content-type", "application/json");
        Ok(response.body(Script::of([data(r#"{"items":["#), data(all[0].as_str()), Step::Panic])).unwrap())
    });
    let ask = Ask { method: "GET", target: "/donors", claims: clerk(), purpose: PURPOSE, ..Ask::default() };
    let response = stand.open(ask).await;
    // The next piece is read while the log flushes the first: whether anything had begun is a matter of time.
    if response.status() == StatusCode::OK {
        let read = tokio::spawn(response.into_body().collect());
        assert!(read.await.is_err(), "the connection's task ends");
    } else {
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(stand.last("end")["outcome"], "failed");
}

/// What is not read inside leaves whole: a stream that never ends, and parts, are no whole.
#[tokio::test]
async fn a_stream_of_events_is_no_file() {
    let catalogue =
        Org::Sakura.catalogue().replace(r#"opaque = ["identity.image"]"#, r#"opaque = ["health.exam-result"]"#);
    let stand = Stand::with(Sample::new(Org::Sakura, 1), &catalogue, &[]);
    let target = format!("/patients/{}/photo", stand.backend.sample.ids("patients")[0]);
    for (media, status) in [
        ("image/png", 200),
        ("application/pdf", 200),
        ("text/event-stream", 502),
        ("Text/Event-Stream; charset=utf-8; odd", 502),
        ("multipart/byteranges; boundary=x", 502),
        ("multipart/x-mixed-replace; boundary=x", 502),
    ] {
        stand.next_body("sekret", media);
        let answer = stand.get(serde_json::json!({"roles": ["physician"]}), "care", &target).await;
        assert_eq!(answer.status, status, "{media}: {}", answer.body);
        assert_eq!(answer.body == "sekret", status == 200, "{media}: {}", answer.body);
    }
}
