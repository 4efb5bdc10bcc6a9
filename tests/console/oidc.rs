//! Who comes in by a provider, and who does not?

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use percent_encoding::percent_decode_str;
use sekisho::console::{ProviderSettings, Role};
use serde_json::{Value, json};

use super::super::identity::mint::{RSA, STRANGER, Signer, put};
use super::support::{Answer, Home, Stand, furnished, readings, settings};

const CLIENT: &str = "sekisho console";
/// With what must be escaped in a password (RFC 6749 section 2.3.1).
const SECRET: &str = "s:cr%t +&";
const ORIGIN: &str = "https://console.example";

/// What the provider does the next time.
#[derive(Clone)]
struct Play {
    /// Put into the header and the claims; null takes out.
    header: Value,
    claims: Value,
    signer: &'static Signer,
    /// Instead of the token's answer.
    answer: Option<(u16, &'static str)>,
    issuer: Option<&'static str>,
    is_down: bool,
}

impl Default for Play {
    fn default() -> Play {
        let (header, claims) = (json!({}), json!({}));
        Play { header, claims, signer: &RSA, answer: None, issuer: None, is_down: false }
    }
}

/// A provider on loopback.
struct Fake {
    issuer: String,
    play: Mutex<Play>,
    /// The query of the last browser that was sent here.
    sent: Mutex<BTreeMap<String, String>>,
    /// How often a code was brought.
    brought: Mutex<u32>,
}

fn form(text: &str) -> BTreeMap<String, String> {
    let plain = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8().unwrap().into_owned();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (plain(k), plain(v))).collect()
}

impl Fake {
    async fn start() -> Arc<Fake> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (play, sent, brought) = (Mutex::default(), Mutex::default(), Mutex::default());
        let fake = Arc::new(Fake { issuer, play, sent, brought });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(published))
            .route("/keys", get(async || Json(json!({"keys": [RSA.jwk("k1")]}))))
            .route("/token", post(exchanged))
            .with_state(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    fn plays(&self, play: Play) {
        *self.play.lock().unwrap() = play;
    }
}

async fn published(State(fake): State<Arc<Fake>>) -> Response {
    let play = fake.play.lock().unwrap().clone();
    if play.is_down {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let at = &fake.issuer;
    Json(json!({"issuer": play.issuer.unwrap_or(at), "authorization_endpoint": format!("{at}/authorize"),
        "token_endpoint": format!("{at}/token"), "jwks_uri": format!("{at}/keys")}))
    .into_response()
}

/// Takes a code from the client that it is for, and from nobody else.
async fn exchanged(State(fake): State<Arc<Fake>>, headers: HeaderMap, body: String) -> Response {
    *fake.brought.lock().unwrap() += 1;
    let (play, sent, asked) = (fake.play.lock().unwrap().clone(), fake.sent.lock().unwrap().clone(), form(&body));
    if let Some((status, body)) = play.answer {
        return (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "application/json")], body)
            .into_response();
    }
    let password = headers[header::AUTHORIZATION].to_str().unwrap().strip_prefix("Basic ").unwrap();
    let password = String::from_utf8(STANDARD.decode(password).unwrap()).unwrap();
    let (client, secret) = password.split_once(':').unwrap();
    let plain = |part: &str| form(&format!("x={part}")).remove("x").unwrap();
    assert_eq!((plain(client).as_str(), plain(secret).as_str()), (CLIENT, SECRET));
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, asked["code_verifier"].as_bytes()));
    assert_eq!((asked["grant_type"].as_str(), asked["code"].as_str()), ("authorization_code", "c0de"));
    assert_eq!((asked["redirect_uri"].as_str(), &challenge), (&*sent["redirect_uri"], &sent["code_challenge"]));
    let now = jiff::Timestamp::now().as_second();
    let mut head = json!({"alg": "RS256", "kid": "k1", "typ": "JWT"});
    let mut claims = json!({"iss": fake.issuer, "aud": CLIENT, "sub": "u-7", "iat": now, "exp": now + 300,
        "nonce": sent["nonce"], "groups": ["medicine", "privacy"], "staff": "nr-kudo"});
    put(&mut head, &play.header);
    put(&mut claims, &play.claims);
    let token = play.signer.token(&head, &claims);
    Json(json!({"access_token": "a", "token_type": "Bearer", "id_token": token})).into_response()
}

fn home(fake: &Fake, accounts: &[(&str, Role, &[String])]) -> (Home, sekisho::proxy::settings::Settings) {
    let home = furnished(accounts);
    let secret = home.0.join("keys/oidc-secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut settings = settings(&home.0);
    settings.console.as_mut().unwrap().provider = Some(ProviderSettings {
        issuer: fake.issuer.clone(),
        root: None,
        client: CLIENT.to_owned(),
        secret: Some(secret),
        origin: ORIGIN.to_owned(),
        algorithms: vec!["RS256".to_owned()],
        scopes: vec!["groups".to_owned()],
        roles: [("privacy".to_owned(), Role::PrivacyOfficer)].into(),
        person: "/sub".to_owned(),
        roles_at: "/groups".to_owned(),
        callers_at: Some("/staff".to_owned()),
    });
    assert_eq!(settings.console.as_ref().unwrap().provider.as_ref().unwrap().faults(), []);
    (home, settings)
}

/// Goes to the provider; the cookie that was left, and the address of the way back.
async fn sent(stand: &Stand, fake: &Fake, cookie: &str) -> (String, String) {
    let answer = stand.get("/sign-in/oidc?next=%2Fintegrity", cookie).await;
    assert_eq!(answer.status(), 303, "{}", answer.0);
    let to = answer.field("location").unwrap();
    let query = to.strip_prefix(&format!("{}/authorize?", fake.issuer)).unwrap();
    let asked = form(query);
    let left = answer.field("set-cookie").unwrap();
    assert!(left.ends_with("; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax"), "{left}");
    let back = format!("/sign-in/oidc/return?code=c0de&state={}", asked["state"]);
    *fake.sent.lock().unwrap() = asked;
    (left.split(';').next().unwrap().to_owned(), back)
}

fn session(answer: &Answer) -> Option<String> {
    let lines = answer.0.lines().filter_map(|line| line.split_once(": "));
    let mut cookies = lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).map(|(_, value)| value);
    cookies.find(|value| value.starts_with("__Host-sekisho=")).map(|value| value.split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn whoever_signs_in_at_the_provider_is_let_in_with_the_role_that_is_mapped() {
    let fake = Fake::start().await;
    let (home, settings) = home(&fake, &[]);
    let stand = Stand::of(home, &settings).await;
    let page = stand.get("/sign-in?next=%2Fintegrity", "").await;
    let host = fake.issuer.strip_prefix("http://").unwrap();
    assert!(page.body().contains(&format!("Sign in with {host}")), "{}", page.body());
    assert!(page.body().contains("href=\"/sign-in/oidc?next=/integrity\""), "{}", page.body());
    assert!(!page.body().contains("type=\"password\""), "there is no account that it could be for");
    let (cookie, back) = sent(&stand, &fake, "").await;
    let asked = fake.sent.lock().unwrap().clone();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("scope", "openid groups"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", "https://console.example/sign-in/oidc/return"),
    ] {
        assert_eq!(asked[name], value);
    }
    let answer = stand.get(&back, &cookie).await;
    assert_eq!(answer.status(), 200, "{}", answer.0);
    assert_eq!(answer.field("refresh"), Some("0; url=/integrity"), "a strict cookie does not come along a redirect");
    let lines = answer.0.lines().filter(|line| line.starts_with("set-cookie: "));
    let (set, gone): (Vec<_>, Vec<_>) = lines.partition(|line| line.ends_with("SameSite=Strict"));
    assert!(set.len() == 1 && set[0].ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{set:?}");
    assert!(gone.len() == 1 && gone[0].starts_with("set-cookie: __Host-sekisho-oidc=; "), "{gone:?}");
    let mine = session(&answer).unwrap();
    let shown = stand.get("/integrity", &mine).await;
    assert!(shown.status() == 200 && shown.body().contains("u-7") && shown.body().contains("privacy officer"));

    // The nurse's own break-glass: the provider says that she is this person.
    let reviews = stand.get("/reviews?list=all", &mine).await;
    let (_, rest) = reviews.body().split_once("href=\"/reviews/gate/").unwrap();
    let record = rest.split('"').next().unwrap().to_owned();
    let token = stand.token(&mine).await;
    let accepted = stand.post(&format!("/reviews/gate/{record}/accept"), &mine, &format!("token={token}")).await;
    assert_eq!(accepted.status(), 400, "her own access");

    let home = stand.end().await;
    let first = readings(&home.0).into_iter().find(|record| record["action"] == "sign-in").unwrap();
    assert_eq!((&first["by"]["issuer"], &first["by"]["id"]), (&json!(fake.issuer), &json!("u-7")));
}

#[tokio::test]
async fn a_token_that_does_not_hold_or_says_too_little_lets_nobody_in() {
    let fake = Fake::start().await;
    let (home, settings) = home(&fake, &[]);
    let stand = Stand::of(home, &settings).await;
    let play = |header: Value, claims: Value| Play { header, claims, ..Play::default() };
    let claims = |claims: Value| play(json!({}), claims);
    let answer = |status, body| Play { answer: Some((status, body)), ..Play::default() };
    for (play, status, why) in [
        (claims(json!({"nonce": "another"})), 502, "`nonce`"),
        (claims(json!({"nonce": null})), 502, "`nonce`"),
        (claims(json!({"iss": "https://login.example"})), 502, "`iss`"),
        (claims(json!({"aud": "another"})), 502, "`aud`"),
        (claims(json!({"aud": [CLIENT, "another"]})), 502, "`aud`"),
        (claims(json!({"azp": "another"})), 502, "`aud`"),
        (claims(json!({"exp": 1_000_000})), 502, "`exp`"),
        (claims(json!({"exp": null})), 502, "`exp`"),
        (claims(json!({"iat": null})), 502, "`iat`"),
        (claims(json!({"nbf": 9_999_999_999_i64})), 502, "`nbf`"),
        (claims(json!({"sub": null})), 502, "`sub`"),
        (claims(json!({"sub": "line\nbreak"})), 502, "no id"),
        (claims(json!({"staff": null})), 502, "no caller"),
        (claims(json!({"staff": [7]})), 502, "no caller"),
        (claims(json!({"groups": null})), 403, "no role"),
        (claims(json!({"groups": ["medicine", "Privacy"]})), 403, "no role"),
        (claims(json!({"groups": {"privacy": true}})), 403, "no role"),
        (play(json!({"alg": "none"}), json!({})), 502, "`alg`"),
        (play(json!({"alg": "PS256"}), json!({})), 502, "`alg`"),
        (play(json!({"typ": "at+jwt"}), json!({})), 502, "`typ`"),
        (play(json!({"kid": "k2"}), json!({})), 502, "no such key"),
        (Play { signer: &STRANGER, ..Play::default() }, 502, "signature"),
        (answer(400, r#"{"error":"invalid_grant"}"#), 502, "invalid_grant"),
        (answer(400, r#"{"error":"<b>canary</b>"}"#), 502, "without a code that can be read"),
        (answer(200, r#"{"access_token":"canary","token_type":"Bearer"}"#), 502, "`id_token`"),
        (answer(200, r#"{"access_token":"canary","token_type":"Bearer","id_token":"canary"}"#), 502, "well-formed"),
        (answer(302, ""), 502, "cannot be read"),
        (answer(500, "canary"), 502, "cannot be read"),
    ] {
        fake.plays(play);
        let (cookie, back) = sent(&stand, &fake, "").await;
        let answer = stand.get(&back, &cookie).await;
        assert_eq!(answer.status(), status, "{why}: {}", answer.0);
        assert!(answer.body().contains(why), "{why}: {}", answer.body());
        assert!(session(&answer).is_none() && !answer.body().contains("canary"), "{why}");
    }
    let home = stand.end().await;
    let actions: Vec<_> = readings(&home.0).iter().map(|record| record["action"].clone()).collect();
    assert_eq!(actions.iter().filter(|action| **action == "sign-in-refused").count(), 3, "known, and without a role");
    assert!(!actions.contains(&json!("sign-in")));
}

#[tokio::test]
async fn a_way_back_is_good_once_and_in_the_browser_that_began() {
    let fake = Fake::start().await;
    let (home, settings) = home(&fake, &[]);
    let stand = Stand::of(home, &settings).await;
    let (mine, back) = sent(&stand, &fake, "").await;
    let (other, _) = sent(&stand, &fake, "").await;
    assert_ne!(mine, other);
    let state = back.split_once("state=").unwrap().1.to_owned();
    for (path, cookie) in [
        (back.clone(), ""),
        (back.clone(), other.as_str()),
        (back.clone(), &format!("{mine}; {mine}")),
        (format!("{back}&state={state}"), &mine),
        ("/sign-in/oidc/return?code=c0de".to_owned(), &mine),
        ("/sign-in/oidc/return?code=c0de&state=".to_owned(), &mine),
    ] {
        let answer = stand.get(&path, cookie).await;
        assert!(answer.status() == 400 && session(&answer).is_none(), "{path} {cookie}: {}", answer.status());
    }
    assert_eq!(*fake.brought.lock().unwrap(), 0, "nothing was asked of the provider");
    // A second page of the same browser leaves the first one's way back as it is.
    let (kept, again) = sent(&stand, &fake, &mine).await;
    assert_eq!(kept, mine);
    let answer = stand.get(&again, &mine).await;
    assert!(answer.status() == 200 && session(&answer).is_some(), "{}", answer.0);
    let replayed = stand.get(&again, &mine).await;
    assert!(replayed.status() == 400 && session(&replayed).is_none());
    assert_eq!(*fake.brought.lock().unwrap(), 1);

    let (mine, back) = sent(&stand, &fake, "").await;
    let answer = stand.get(&format!("{back}&iss=https%3A%2F%2Fevil.example"), &mine).await;
    assert!(answer.status() == 400 && answer.body().contains("another issuer"), "{}", answer.0);
    for (error, told) in [("access_denied", "access_denied"), ("%3Cscript%3E", "without a code that can be read")] {
        let (mine, back) = sent(&stand, &fake, "").await;
        let state = back.split_once("state=").unwrap().1;
        let answer = stand.get(&format!("/sign-in/oidc/return?error={error}&state={state}"), &mine).await;
        assert!(answer.status() == 400 && answer.body().contains(told), "{}", answer.0);
    }
    for other in ["/sign-in/oidc/", "/sign-in/oidcx", "/sign-in/oidc/return/x"] {
        assert_eq!(stand.get(other, "").await.status(), 404, "{other}");
    }
    stand.end().await;
}

#[tokio::test]
async fn a_provider_that_is_down_or_another_one_leaves_the_accounts() {
    let fake = Fake::start().await;
    let (home, settings) = home(&fake, &[("viewer", Role::Viewer, &[])]);
    let stand = Stand::of(home, &settings).await;
    for (play, why) in [
        (Play { is_down: true, ..Play::default() }, "502"),
        (Play { issuer: Some("https://login.example"), ..Play::default() }, "another `issuer`"),
    ] {
        fake.plays(play);
        let answer = stand.get("/sign-in/oidc", "").await;
        assert!(answer.status() == 502 && answer.body().contains(why), "{}", answer.0);
    }
    assert!(stand.get("/sign-in", "").await.body().contains("type=\"password\""));
    let mine = stand.sign_in("viewer").await;
    assert_eq!(stand.get("/", &mine).await.status(), 200);
    fake.plays(Play::default());
    let (cookie, back) = sent(&stand, &fake, "").await;
    assert_eq!(stand.get(&back, &cookie).await.status(), 200, "it is there again");
    stand.end().await;
}
