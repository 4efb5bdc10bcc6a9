//! Who comes in, and how long does he stay?

use super::support::{PAGES, PASSWORD, Stand, furnished, readings, settings};
use sekisho::console::{Accounts, Role};
use sekisho::proxy::console::ConsoleServer;

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
    let whole =
        |target: &str| format!("GET http://{target}/sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(stand.raw(whole("localhost").as_bytes()).await.status(), 200);
    assert_eq!(stand.raw(whole("evil.example").as_bytes()).await.status(), 421, "two names in one head");
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
async fn a_session_ends_with_its_account_its_password_and_its_owners_wish() {
    let stand = Stand::new().await;
    let file = settings(&stand.home.0).console.unwrap().accounts;
    let accounts = Accounts::new(file.clone());
    let (viewer, auditor) = (stand.sign_in("viewer").await, stand.sign_in("auditor").await);
    let officer = stand.sign_in("privacy-officer").await;
    let token = stand.token(&officer).await;
    assert_eq!(stand.post("/sign-out", &officer, &format!("token={token}")).await.status(), 303);
    assert_eq!(stand.get("/", &officer).await.status(), 303, "signed out");
    accounts.remove("viewer").unwrap();
    assert_eq!(stand.get("/", &viewer).await.status(), 303, "the account is gone");
    accounts.set_password("auditor", "another long password").unwrap();
    assert_eq!(stand.get("/", &auditor).await.status(), 303, "another password");
    let reviewer = stand.sign_in("reviewer").await;
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(stand.get("/", &reviewer).await.status(), 303, "a file that others may read is nobody's");
    let form = format!("name=reviewer&password={}", PASSWORD.replace(' ', "+"));
    assert_eq!(stand.post("/sign-in", "", &form).await.status(), 503);
    stand.end().await;
}

#[tokio::test]
async fn accounts_that_cannot_be_understood_let_nobody_in() {
    let stand = Stand::new().await;
    let file = settings(&stand.home.0).console.unwrap().accounts;
    let mine = stand.sign_in("viewer").await;
    let whole = std::fs::read_to_string(&file).unwrap();
    let foreign = whole.replace("\"auditor\"]", "\"root\"]");
    assert_ne!(foreign, whole);
    for text in [foreign, format!("{whole}{whole}"), format!("{whole}\n<<"), String::from("account = 1")] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(stand.get("/", &mine).await.status(), 303, "who was in is in no more");
        let form = format!("name=viewer&password={}", PASSWORD.replace(' ', "+"));
        let answer = stand.post("/sign-in", "", &form).await;
        assert_eq!((answer.status(), answer.field("set-cookie")), (503, None));
    }
    std::fs::write(&file, whole).unwrap();
    assert_eq!(stand.get("/", &mine).await.status(), 200);
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

#[tokio::test]
async fn what_is_wrong_is_said_in_the_readers_language() {
    let stand = Stand::new().await;
    let mine = stand.sign_in("reviewer").await;
    let token = stand.token(&mine).await;
    let japanese = format!("{mine}; sekisho-language=ja");
    for (path, en, ja) in [
        ("/search?days=0", "is not from 1 to 366", "は1〜366ではありません"),
        ("/search?q=a&q=b", "is there twice", "が重複しています"),
        ("/search?colour=red", "nothing that can be asked for", "という条件はありません"),
        ("/search?before=x", "is no place", "位置の指定ではありません"),
        ("/live?caller=x", "shows every access", "すべてのアクセスを表示します"),
        ("/reviews?list=x", "is none", "という一覧はありません"),
    ] {
        let answer = stand.get(path, &mine).await;
        assert!(answer.status() == 400 && answer.body().contains(en), "{path}: {}", answer.0);
        let answer = stand.get(path, &japanese).await;
        assert!(answer.status() == 400 && answer.body().contains(ja) && !answer.body().contains(en), "{path}");
    }
    let page = stand.get("/reviews?list=all", &mine).await;
    let (_, rest) = page.body().split_once("href=\"/reviews/gate/").unwrap();
    let path = format!("/reviews/gate/{}/accept", rest.split('"').next().unwrap());
    let own = stand.post(&path, &japanese, &format!("token={token}")).await;
    assert!(own.status() == 400 && own.body().contains("ご自身のアクセスは確認できません"), "{}", own.0);
    stand.end().await;
}
