//! Who comes in, what he may, and whether it is on record before he sees it.

use super::support::{PASSWORD, Stand, furnished, readings, settings};
use http::Request;
use http_body_util::BodyExt as _;
use sekisho::audit::Seal;
use sekisho::console::{Accounts, AuthSettings, Console, Parts, Role};
use sekisho::policy::Vocabulary;
use sekisho::proxy::console::ConsoleServer;
use sekisho::proxy::keys::Keys;
use sekisho::registry::{self, Registry};
use serde_json::json;
use tower::ServiceExt as _;

const PAGES: [&str; 18] = [
    "/",
    "/search",
    "/search/export.csv",
    "/search/export.jsonl",
    "/record/gate/10",
    "/record/gate/10/proof",
    "/record/gate/10/proof.txt",
    "/record/gate/10/today",
    "/subjects",
    "/subject/x",
    "/recipients",
    "/recipient?recipient=internal",
    "/policy",
    "/policy/sakura",
    "/reviews",
    "/integrity",
    "/live",
    "/live/rows",
];
const FORMS: [&str; 10] = [
    "/sign-out",
    "/search/person",
    "/views",
    "/views/remove",
    "/record/gate/10/reveal",
    "/subjects",
    "/reviews/gate/10/accept",
    "/reviews/gate/10/object",
    "/integrity/verify",
    "/no-such-form",
];

#[tokio::test]
async fn nobody_sees_anything_before_he_signed_in() {
    let stand = Stand::new().await;
    for cookie in ["", "__Host-sekisho=", "__Host-sekisho=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        for page in PAGES.iter().chain(&["/no-such-page", "/record/gate/10/nothing"]) {
            let answer = stand.get(page, cookie).await;
            assert_eq!((answer.status(), answer.body()), (303, ""), "{page}");
            assert!(answer.field("location").unwrap().starts_with("/sign-in?next=%2F"), "{page}");
        }
        for form in FORMS {
            let answer = stand.post(form, cookie, "token=x").await;
            assert_eq!((answer.status(), answer.body()), (303, ""), "{form}");
        }
    }
    let mine = stand.sign_in("viewer").await;
    let doubled = stand.get("/", &format!("{mine}; {mine}")).await;
    assert_eq!(doubled.status(), 303, "two cookies of the name are none");
    assert_eq!(stand.get("/", &mine).await.status(), 200);
    assert!(stand.readings().iter().all(|record| record["page"] != "record"), "nothing was read");
    stand.end().await;
}

#[tokio::test]
async fn a_page_elsewhere_cannot_make_its_name_point_here_nor_send_a_form() {
    let stand = Stand::new().await;
    let head = |host: &str| format!("GET /sign-in HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
    for ours in ["localhost", "127.0.0.1:9465", "[::1]", "console.example", "CONSOLE.example:443"] {
        assert_eq!(stand.raw(head(&format!("Host: {ours}\r\n")).as_bytes()).await.status(), 200, "{ours}");
    }
    for other in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "xconsole.example", ""] {
        let status = stand.raw(head(&format!("Host: {other}\r\n")).as_bytes()).await.status();
        assert!([400, 421].contains(&status), "{other}: {status}");
    }
    let doubled = stand.raw(head("Host: localhost\r\nHost: localhost\r\n").as_bytes()).await.status();
    assert!([400, 421].contains(&doubled), "{doubled}");
    let mine = stand.sign_in("viewer").await;
    let token = stand.token(&mine).await;
    let form = format!("token={token}&name=kept&query=caller%3Dx");
    for fields in [
        "",
        "Origin: null\r\n",
        "Origin: http://evil.example\r\n",
        "Origin: http://localhost.evil.example\r\n",
        "Origin: http://localhost:1\r\n",
        "Origin: http://localhost\r\nSec-Fetch-Site: cross-site\r\n",
        "Origin: http://localhost\r\nSec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: none\r\n",
    ] {
        let answer = stand.post_with("/views", &mine, &form, fields).await;
        assert_eq!(answer.status(), 403, "{fields}");
    }
    let other = stand.sign_in("auditor").await;
    let foreign = stand.token(&other).await;
    for token in ["", "token=", "token=x", &format!("token={foreign}")] {
        let answer = stand.post("/views", &mine, &format!("{token}&name=kept&query=caller%3Dx")).await;
        assert_eq!(answer.status(), 403, "{token}");
    }
    assert!(!stand.get("/", &mine).await.body().contains("kept"), "nothing was done");
    let large = format!("token={token}&name={}", "x".repeat(70_000));
    assert_eq!(stand.post("/views", &mine, &large).await.status(), 413);
    assert_eq!(stand.post("/views", &mine, &form).await.status(), 303);
    assert!(stand.get("/", &mine).await.body().contains("kept"));
    stand.end().await;
}

#[tokio::test]
async fn every_answer_keeps_a_browser_from_asking_and_telling_elsewhere() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("privacy-officer").await;
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let mut pages: Vec<&str> = PAGES.to_vec();
    pages.extend(["/sign-in", "/no-such-page", "/asset/0.1.0/style.css", "/asset/nothing"]);
    for page in pages {
        let answer = stand.get(page, &mine).await;
        for (name, value) in [
            ("content-security-policy", policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.field(name), Some(value), "{page}");
        }
        let is_asset = page.starts_with("/asset/0");
        assert_eq!(answer.field("cache-control") == Some("no-store"), !is_asset, "{page}");
        let body = answer.body();
        if answer.field("content-type").is_some_and(|media| media.starts_with("text/html")) {
            let scripts = body.matches("<script").count();
            assert!(scripts <= 1 && scripts == body.matches("<script src=\"/asset/").count(), "{page}");
            for forbidden in
                [" style=\"", " onclick", " onload", "javascript:", "src=\"http", "href=\"http", "href=\"//"]
            {
                assert!(!body.contains(forbidden), "{page}: {forbidden}");
            }
        }
    }
    let form = format!("name=viewer&password={}", PASSWORD.replace(' ', "+"));
    let answer = stand.post("/sign-in", "", &form).await;
    let cookie = answer.field("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-sekisho="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
    stand.end().await;
}

#[tokio::test]
async fn who_may_not_know_persons_is_never_told_one() {
    let stand = Stand::new().await;
    let (viewer, auditor) = (stand.sign_in("viewer").await, stand.sign_in("auditor").await);
    let (reviewer, officer) = (stand.sign_in("reviewer").await, stand.sign_in("privacy-officer").await);
    for cookie in [&viewer, &auditor, &reviewer] {
        let token = stand.token(cookie).await;
        for page in ["/subjects", "/subject/x", "/search?subject=x"] {
            assert_eq!(stand.get(page, cookie).await.status(), 403, "{page}");
        }
        for form in ["/subjects", "/search/person", "/record/gate/10/reveal"] {
            let answer = stand.post(form, cookie, &format!("token={token}&person=p-0117&why=because")).await;
            assert_eq!(answer.status(), 403, "{form}");
        }
        for page in PAGES {
            let answer = stand.get(page, cookie).await;
            assert!(!answer.body().contains("p-0"), "{page} names a person");
        }
    }
    for cookie in [&viewer, &auditor] {
        let token = stand.token(cookie).await;
        let answer = stand.post("/reviews/gate/10/accept", cookie, &format!("token={token}")).await;
        assert_eq!(answer.status(), 403);
    }
    assert_eq!(stand.get("/search/export.csv", &auditor).await.status(), 403, "an auditor reads and verifies");
    let token = stand.token(&officer).await;
    let answer = stand.post("/subjects", &officer, &format!("token={token}&person=p-0117&why=")).await;
    assert_eq!(answer.status(), 400, "without a reason nothing is opened");
    let form = format!("token={token}&person=p-0117&why=complaint+of+a+neighbour");
    let answer = stand.post("/subjects", &officer, &form).await;
    assert!(answer.status() == 200 && answer.body().contains("rc-sato") && answer.body().contains("p-0117"));
    let home = stand.end().await;
    let last = readings(&home.0);
    let reveal: Vec<_> = last.iter().filter(|record| record["action"] == "reveal").collect();
    assert_eq!(reveal.len(), 1);
    assert_eq!(reveal[0]["by"]["id"], "privacy-officer");
    assert!(reveal[0]["reason"].is_string() && reveal[0]["subjects"].as_array().unwrap().len() == 1);
    let refused = last.iter().filter(|record| record["action"] == "refused").count();
    assert_eq!(refused, 3 * 8 + 2 + 2 + 1, "each refusal is on record");
    for (file, text) in every_file(&home.0) {
        for canary in ["p-0117", "complaint of a neighbour", PASSWORD] {
            let is_there = text.windows(canary.len()).any(|window| window == canary.as_bytes());
            // The registry is about persons; the log, and what was made of it, is not.
            assert!(!is_there || file.contains("registry.sqlite"), "{file} holds `{canary}`");
        }
    }
}

fn every_file(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(every_file(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

#[tokio::test]
async fn what_is_looked_at_is_on_record_and_else_is_not_shown() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("viewer").await;
    let before = stand.readings().len();
    for page in ["/", "/search?caller=rc-sato&q=typed", "/record/gate/10", "/integrity", "/live"] {
        assert_eq!(stand.get(page, &mine).await.status(), 200);
    }
    let written = stand.readings();
    let new: Vec<_> =
        written[before..].iter().map(|record| (record["action"].clone(), record["page"].clone())).collect();
    let read = |page: &str| (json!("read"), json!(page));
    assert_eq!(new, ["overview", "search", "record", "integrity", "live"].map(read));
    let search = &written[before + 1];
    assert!(search["asked"].as_str().unwrap().contains("caller=rc-sato"), "{search}");
    assert!(!search.to_string().contains("typed") && search["reason"].is_string(), "what was typed is sealed");
    assert_eq!(search["by"]["id"], "viewer");
    assert_eq!(search["by"]["address"], "127.0.0.1");
    stand.end().await;
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_shown() {
    let home = furnished(&[("viewer", Role::Viewer, &[])]);
    let console = console(&home.0);
    assert!(console.index_once());
    let mine = asked(&console, sign_in(), "").await.1;
    let mine = mine.unwrap();
    let (status, _, body) = asked(&console, Request::get("/search?caller=rc-sato"), &mine).await;
    assert!(status == 200 && body.contains("rc-sato"));
    // The chain of readings takes no more.
    console.stop();
    // This console has no policy to show.
    for page in PAGES.into_iter().filter(|page| *page != "/policy/sakura") {
        let (status, _, body) = asked(&console, Request::get(page), &mine).await;
        let is_silent = page == "/live/rows";
        assert!([503, 403].contains(&status) || is_silent, "{page}: {status}");
        assert!(!body.contains("rc-sato") && !body.contains("<table") && !body.contains("<dl"), "{page}");
    }
    let (status, cookie, _) = asked(&console, sign_in(), "").await;
    assert_eq!((status, cookie), (503, None), "nor does anybody come in");
}

/// A console without a listener.
fn console(home: &std::path::Path) -> Console {
    let settings = settings(home);
    let keys = std::sync::Arc::new(Keys::read(&settings.data.keys).unwrap());
    let vocabulary = std::sync::Arc::new(Vocabulary::compiled_in().unwrap());
    let zone = jiff::tz::TimeZone::get("Asia/Tokyo").unwrap();
    let options = registry::Options { create: false, staleness_ms_max: 2000 };
    let registry = Registry::open(&settings.data.registry(), &vocabulary, &zone, options).unwrap();
    let seal = std::sync::Arc::new(Seal::new(keys.subjects.clone()));
    let made = Console::new(Parts {
        data: settings.data.directory.clone(),
        options: settings.audit.clone(),
        clock: std::sync::Arc::new(sekisho::proxy::sites::now_ms),
        seal,
        signer: std::sync::Arc::new(move |log: &str| keys.signer("sakura-1", log)),
        registry: std::sync::Arc::new(registry),
        policies: std::sync::Arc::new(Vec::new),
        zone,
        hosts: Vec::new(),
        auth: AuthSettings { accounts: settings.console.unwrap().accounts },
        review_due_ms: 1,
    });
    made.unwrap()
}

fn sign_in() -> http::request::Builder {
    Request::post("/sign-in")
        .header("origin", "http://localhost")
        .header("content-type", "application/x-www-form-urlencoded")
}

/// Status, cookie and body of an answer.
async fn asked(console: &Console, request: http::request::Builder, cookie: &str) -> (u16, Option<String>, String) {
    let form = format!("name=viewer&password={}", PASSWORD.replace(' ', "+"));
    let request = request.header("host", "localhost").header("cookie", cookie).body(axum::body::Body::from(form));
    let answer = console.service().oneshot(request.unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    let cookie =
        head.headers.get("set-cookie").map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned());
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), cookie, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn a_session_ends_with_its_account_its_password_and_its_owners_wish() {
    let stand = Stand::new().await;
    let file = settings(&stand.home.0).console.unwrap().accounts;
    let accounts = Accounts::new(file.clone());
    let (viewer, auditor) = (stand.sign_in("viewer").await, stand.sign_in("auditor").await);
    let officer = stand.sign_in("privacy-officer").await;
    let token = stand.token(&officer).await;
    assert_eq!(stand.post("/sign-out", &officer, &format!("token={token}")).await.status(), 303);
    assert_eq!(stand.get("/", &officer).await.status(), 303, "signed out");
    accounts
        .change(|all| {
            all.retain(|one| one.id != "viewer");
            Ok(())
        })
        .unwrap();
    assert_eq!(stand.get("/", &viewer).await.status(), 303, "the account is gone");
    let changed = accounts
        .all()
        .unwrap()
        .iter()
        .find(|one| one.id == "auditor")
        .unwrap()
        .with_password("another long password")
        .unwrap();
    accounts
        .change(|all| {
            all.iter_mut().filter(|one| one.id == "auditor").for_each(|one| *one = changed.clone());
            Ok(())
        })
        .unwrap();
    assert_eq!(stand.get("/", &auditor).await.status(), 303, "another password");
    let reviewer = stand.sign_in("reviewer").await;
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(stand.get("/", &reviewer).await.status(), 303, "a file that others may read is nobody's");
    let form = format!("name=reviewer&password={}", PASSWORD.replace(' ', "+"));
    assert_eq!(stand.post("/sign-in", "", &form).await.status(), 503);
    stand.end().await;
}

#[tokio::test]
async fn a_wrong_name_is_told_as_a_wrong_password_and_guessing_ends() {
    let stand = Stand::new().await;
    let body = |name: &str, password: &str| format!("name={name}&password={password}&next=/live");
    let wrong = stand.post("/sign-in", "", &body("viewer", "wrong")).await;
    let nobody = stand.post("/sign-in", "", &body("nobody-at-all", "wrong")).await;
    assert_eq!((wrong.status(), nobody.status()), (401, 401));
    assert_eq!(wrong.body(), nobody.body());
    assert!(wrong.field("set-cookie").is_none());
    for _ in 0..4 {
        assert_eq!(stand.post("/sign-in", "", &body("viewer", "wrong")).await.status(), 401);
    }
    let shut = stand.post("/sign-in", "", &body("viewer", &PASSWORD.replace(' ', "+"))).await;
    assert_eq!(shut.status(), 429, "even the right one");
    assert!(shut.field("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    let other = stand.post("/sign-in", "", &body("auditor", &PASSWORD.replace(' ', "+"))).await;
    assert_eq!((other.status(), other.field("location")), (303, Some("/live")), "a colleague is not shut out");
    let home = stand.end().await;
    let refused: Vec<_> =
        readings(&home.0).into_iter().filter(|record| record["action"] == "sign-in-refused").collect();
    assert_eq!(refused.len(), 5);
    assert!(refused.iter().all(|record| record["by"]["id"] == "viewer"));
    let all: String = readings(&home.0).iter().map(ToString::to_string).collect();
    assert!(!all.contains("nobody-at-all"), "what nobody's name is stands nowhere");
}

#[tokio::test]
async fn an_address_that_says_nothing_sensible_is_a_fault_and_opens_nothing() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("privacy-officer").await;
    for (page, status) in [
        ("/search?caler=x", 400),
        ("/search?from=yesterday", 400),
        ("/search?from=2026-10-31&until=2026-10-01", 400),
        ("/search?outcome=nice", 400),
        ("/search?before=1", 400),
        ("/search?days=0", 400),
        ("/reviews?list=none", 400),
        ("/live/rows?after=x", 400),
        ("/recipient", 400),
        ("/record/gate/0", 404),
        ("/record/gate/99999999999999999999999", 404),
        ("/record/gate/x", 404),
        ("/record/..%2F..%2Fkeys/1", 404),
        ("/record/..%2F..%2Fkeys/1/proof", 404),
        ("/record/%2e%2e/1", 404),
        ("/subject/AAAA", 404),
        ("/policy/jmdp", 404),
        ("/policy/sakura?revision=1999", 404),
        ("/reviews/gate/10", 404),
    ] {
        assert_eq!(stand.get(page, &mine).await.status(), status, "{page}");
    }
    let token = stand.token(&mine).await;
    let traversal = stand.post("/integrity/verify", &mine, &format!("token={token}&log=..%2F..%2Fkeys")).await;
    assert_eq!(traversal.status(), 404);
    for hostile in [
        "%3Cscript%3Ealert(1)%3C/script%3E",
        "%22%3E%3Cimg%20src=x%3E",
        "%00%01",
        "%ff%fe",
        "%E2%80%AE",
        "%27%20OR%201=1--",
    ] {
        let answer = stand.get(&format!("/search?q={hostile}&caller={hostile}"), &mine).await;
        assert_eq!(answer.status(), 200, "{hostile}");
        for raw in ["<script>alert", "\"><img", "<img"] {
            assert!(!answer.body().contains(raw), "{hostile}");
        }
    }
    stand.end().await;
}

#[tokio::test]
async fn nobody_reviews_his_own_access_and_a_verdict_stands() {
    let stand = Stand::new().await;
    let (reviewer, officer) = (stand.sign_in("reviewer").await, stand.sign_in("privacy-officer").await);
    let page = stand.get("/reviews?list=all", &reviewer).await;
    let (_, rest) = page.body().split_once("href=\"/reviews/gate/").unwrap();
    let record = rest.split('"').next().unwrap().to_owned();
    let own = stand.token(&reviewer).await;
    let path = format!("/reviews/gate/{record}");
    assert!(!stand.get(&path, &reviewer).await.body().contains("/accept\""), "it is not even offered");
    let answer = stand.post(&format!("{path}/accept"), &reviewer, &format!("token={own}")).await;
    assert_eq!(answer.status(), 400, "the reviewer calls as the nurse does");
    let token = stand.token(&officer).await;
    let empty = stand.post(&format!("{path}/object"), &officer, &format!("token={token}&action=&remark=x")).await;
    assert_eq!(empty.status(), 400, "an objection says what is done");
    let accepted = stand.post(&format!("{path}/accept"), &officer, &format!("token={token}&remark=seen")).await;
    assert_eq!(accepted.status(), 303);
    let again = stand.post(&format!("{path}/accept"), &officer, &format!("token={token}&remark=seen")).await;
    assert_eq!(again.status(), 400, "it is decided");
    let told = stand.get(&path, &officer).await;
    assert!(told.body().contains("accepted") && told.body().contains("seen"));
    stand.end().await;
}

#[tokio::test]
async fn a_second_console_over_the_same_folder_says_so() {
    let stand = Stand::new().await;
    let second = ConsoleServer::alone(&settings(&stand.home.0)).err().unwrap().to_string();
    assert!(second.contains("console"), "{second}");
    stand.end().await;
    let nobody = furnished(&[("x", Role::Viewer, &[])]);
    std::fs::remove_dir_all(nobody.0.join("log")).unwrap();
    let none = ConsoleServer::alone(&settings(&nobody.0)).err().unwrap().to_string();
    assert!(none.contains("no log"), "{none}");
}
