//! Who signs in? By an account of the console's own, or at a provider (`oidc`).
//!
//! `GET /sign-in` shows the form; `POST /sign-in` takes it: too many wrong tries → 429; a wrong name or password → the
//! form again, the same for both, after the same work; else the sign-in is put on record and, once that is durable, a
//! session begins. What was typed as a name is on record only where it is an account's.

mod accounts;
mod begun;
mod oidc;
mod provider;
mod tries;

use std::path::PathBuf;
use std::sync::Arc;

use axum::response::{Html, IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderValue, Method, StatusCode, header};
use maud::{Markup, html};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::ConsoleError;
use super::door::{Entering, SESSION, joined};
use super::error::Trouble;
use super::lang::Lang;
use super::person::Person;
use super::reading::Reading;
use super::shell;
use super::state::State;
use crate::audit::AuditError;
pub use accounts::{Account, Accounts, PASSWORD_MIN, account, account_id};
pub(super) use oidc::BROWSER;
use oidc::Oidc;
pub use provider::ProviderSettings;

/// Whom the console knows.
#[derive(Clone)]
pub struct AuthSettings {
    /// The file of its own accounts; it need not be there.
    pub accounts: PathBuf,
    /// Who else says who somebody is, and the secret by which the console is known there.
    pub provider: Option<(ProviderSettings, Option<Zeroizing<String>>)>,
}

/// Those who may come in.
pub(super) struct Auth {
    accounts: Arc<Accounts>,
    tries: tries::Tries,
    /// Passwords are hashed in two places at most: each takes memory.
    hashing: Arc<Semaphore>,
    oidc: Option<Oidc>,
}

impl Auth {
    pub(super) fn new(settings: AuthSettings) -> Result<Auth, ConsoleError> {
        let accounts = Accounts::new(settings.accounts);
        accounts.all().map_err(ConsoleError)?;
        let oidc = settings.provider.map(|(settings, secret)| Oidc::new(settings, secret)).transpose();
        Ok(Auth {
            accounts: Arc::new(accounts),
            tries: tries::Tries::default(),
            hashing: Arc::new(Semaphore::new(2)),
            oidc: oidc.map_err(ConsoleError)?,
        })
    }

    /// Whether somebody who signed in is still let in: his account is there, as it was. Of a provider's people nothing newer is
    /// known than what it said when they signed in.
    pub(super) fn still(&self, person: &Person) -> bool {
        if person.issuer != accounts::ISSUER {
            return self.oidc.as_ref().is_some_and(|oidc| oidc.is_issuer(&person.issuer));
        }
        match self.accounts.all() {
            Ok(known) => known.iter().any(|account| account.person() == *person),
            Err(error) => {
                tracing::error!(%error, "the console's accounts cannot be read: nobody is let in");
                false
            }
        }
    }

    /// Answers everything below `/sign-in`.
    pub(super) async fn serve(&self, state: &State, entering: Entering) -> Response {
        match (entering.path.as_str(), &entering.method, &self.oidc) {
            ("/sign-in", &Method::GET | &Method::HEAD, _) => self.form(StatusCode::OK, &entering, None),
            ("/sign-in", &Method::POST, _) => self.sign_in(state, &entering).await,
            (path, _, Some(oidc)) if path.starts_with(oidc::BEGIN) => oidc.serve(state, &entering).await,
            _ => shell::trouble(entering.lang, None, &Trouble::Missing),
        }
    }

    async fn sign_in(&self, state: &State, entering: &Entering) -> Response {
        let lang = entering.lang;
        // What no account can be called is nobody's, whatever it is.
        let id = account_id(entering.field("name")).ok();
        let password = Zeroizing::new(entering.field("password").to_owned());
        let accounts = match self.accounts.all() {
            Ok(accounts) => accounts,
            Err(error) => return shell::trouble(lang, None, &Trouble::Unable(error)),
        };
        if let Some(wait_s) = self.tries.take(id.as_deref(), entering.peer, state.now_ms()) {
            let said = lang.pick(
                "Too many wrong tries. Wait some minutes.",
                "失敗が多すぎます。数分待ってからやり直してください。",
            );
            let mut response = self.form(StatusCode::TOO_MANY_REQUESTS, entering, Some(said));
            response.headers_mut().insert(header::RETRY_AFTER, wait_s.into());
            return response;
        }
        let Ok(permit) = Arc::clone(&self.hashing).acquire_owned().await else {
            return shell::trouble(lang, None, &Trouble::Unable("the console ends".to_owned()));
        };
        let found = accounts.iter().find(|account| Some(&account.id) == id.as_ref()).cloned();
        let known = found.clone();
        let matched = tokio::task::spawn_blocking(move || {
            // Held until the hash is done, also where whoever asked hung up long before.
            let _permit = permit;
            match &found {
                Some(account) => account.is_password(&password),
                None => {
                    accounts::waste(&password);
                    false
                }
            }
        });
        let matched = matched.await.unwrap_or(false);
        match known {
            Some(account) if matched => {
                self.tries.right(id.as_deref(), entering.peer);
                let to = next(entering.field("next"));
                begin(state, entering, account.person()).await.map_or_else(
                    |no| no,
                    |cookie| {
                        (StatusCode::SEE_OTHER, [(header::LOCATION, to)], [(header::SET_COOKIE, cookie)])
                            .into_response()
                    },
                )
            }
            known => {
                refused(state, entering, known.as_ref());
                let said = lang.pick("Name or password are wrong.", "名前またはパスワードが違います。");
                self.form(StatusCode::UNAUTHORIZED, entering, Some(said))
            }
        }
    }

    fn form(&self, status: StatusCode, entering: &Entering, said: Option<&str>) -> Response {
        let lang = entering.lang;
        let wanted = match entering.method {
            Method::POST => entering.field("next"),
            _ => entering.asked("next"),
        };
        let wanted = next(wanted);
        let title = lang.pick("Sign in", "サインイン");
        // Without an account the form would take nobody. One that cannot be read is said when it is tried.
        let has_accounts = self.accounts.all().map_or(true, |all| !all.is_empty());
        let body = html! {
            h1 { (title) }
            @if let Some(said) = said { p.notice.bad role="alert" { (said) } }
            @if let Some(oidc) = &self.oidc {
                p.sign-in {
                    a.button href=(format!("{}?{}", oidc::BEGIN, joined([("next", wanted.as_str())].into_iter()))) {
                        (lang.pick("Sign in with", "次でサインイン:")) " " (oidc.name())
                    }
                }
            }
            @if has_accounts || self.oidc.is_none() { (fields(lang, &wanted)) }
            p.soft { (lang.pick(
                "What you look at here is on record under your name.",
                "ここでの閲覧は、あなたの名前で記録されます。")) }
        };
        let page = shell::plain(lang, "/sign-in", title, &body);
        (status, Html(page.into_string())).into_response()
    }
}

/// Puts a sign-in, or a refused one, on record; whether it is.
async fn on_record(
    state: &State,
    entering: &Entering,
    person: &Person,
    action: &'static str,
) -> Result<(), AuditError> {
    let peer = entering.peer.map(|address| address.to_string());
    let reading = Reading { action, page: "sign-in", ..Reading::default() };
    let recorded = state.readings.record(person, peer.as_deref(), &reading).await;
    if let Err(error) = &recorded {
        tracing::error!(%error, action, "a sign-in is not on record");
    }
    recorded
}

/// On record, then a session; its cookie, or the page that says why there is none.
async fn begin(state: &State, entering: &Entering, person: Person) -> Result<HeaderValue, Response> {
    let no = |why: String| shell::trouble(entering.lang, None, &Trouble::Unable(why));
    let recorded = on_record(state, entering, &person, "sign-in").await;
    recorded.map_err(|error| no(format!("the sign-in cannot be recorded: {error}")))?;
    let cookie = state.sessions.begin(person, state.now_ms()).map_err(|error| no(error.to_string()))?;
    let cookie = format!("{SESSION}={cookie}; Path=/; Secure; HttpOnly; SameSite=Strict");
    HeaderValue::try_from(cookie).map_err(|error| no(error.to_string()))
}

/// A wrong password is on record with the account it was for, one of nobody's is counted. Nobody waits for it to be
/// durable: that takes a flush, and would tell by its time that the account is there.
fn refused(state: &State, entering: &Entering, account: Option<&Account>) {
    let Some(account) = account else {
        if let Some(address) = entering.peer {
            state.readings.log().stranger(address, "sign-in-refused");
        }
        return;
    };
    let (readings, person) = (state.readings.clone(), account.person());
    let peer = entering.peer.map(|address| address.to_string());
    let mut recorded = Box::pin(async move {
        let reading = Reading { action: "sign-in-refused", page: "sign-in", ..Reading::default() };
        if let Err(error) = readings.record(&person, peer.as_deref(), &reading).await {
            tracing::error!(%error, "a refused sign-in is not on record");
        }
    });
    // Handed to the log now, whatever becomes of the answer.
    if recorded.as_mut().now_or_never().is_none() {
        tokio::spawn(recorded);
    }
}

/// A path of this origin, or the overview: nobody is sent elsewhere by a link that he was given.
fn next(wanted: &str) -> String {
    let is_own = wanted.starts_with('/')
        && wanted.len() <= NEXT_BYTES_MAX
        && !wanted.starts_with("//")
        && !wanted.contains('\\')
        && wanted.bytes().all(|byte| byte.is_ascii_graphic());
    if is_own { wanted.to_owned() } else { "/".to_owned() }
}

fn fields(lang: Lang, next: &str) -> Markup {
    html! {
        form.sign-in method="post" action="/sign-in" {
            input type="hidden" name="next" value=(next);
            label { (lang.pick("Name", "名前")) input name="name" autocomplete="username" autocapitalize="none" required autofocus; }
            label { (lang.pick("Password", "パスワード")) input type="password" name="password" autocomplete="current-password" required; }
            button type="submit" { (lang.pick("Sign in", "サインイン")) }
        }
    }
}

/// Longer than any filter: whoever is not signed in cannot make the console keep more.
const NEXT_BYTES_MAX: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::{NEXT_BYTES_MAX, next};

    #[test]
    fn nobody_is_sent_to_another_origin_after_signing_in() {
        for own in ["/", "/search?caller=rc-sato", "/record/gate/1"] {
            assert_eq!(next(own), own);
        }
        assert_eq!(next(&format!("/{}", "a".repeat(NEXT_BYTES_MAX))), "/", "too long to be kept");
        for other in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/ x",
            "evil",
            "/\r\nSet-Cookie: a=b",
        ] {
            assert_eq!(next(other), "/", "{other:?}");
        }
    }
}
