//! Who signs in?
//!
//! `GET /sign-in` shows the form; `POST /sign-in` takes it: too many wrong tries → 429; a wrong name or password → the
//! form again, the same for both, after the same work; else the sign-in is put on record and, once that is durable, a
//! session begins. What was typed as a name is on record only where it is an account's.

mod accounts;
mod tries;

use std::path::PathBuf;
use std::sync::Arc;

use axum::response::{Html, IntoResponse, Response};
use http::{Method, StatusCode, header};
use maud::{Markup, html};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::ConsoleError;
use super::door::{Entering, SESSION};
use super::error::Trouble;
use super::lang::Lang;
use super::person::Person;
use super::reading::Reading;
use super::shell;
use super::state::State;
pub use accounts::{Account, Accounts, PASSWORD_MIN, account, account_id};

/// Whom the console knows.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// The file of its own accounts; it need not be there.
    pub accounts: PathBuf,
}

/// Those who may come in.
pub(super) struct Auth {
    accounts: Arc<Accounts>,
    tries: tries::Tries,
    /// Passwords are hashed in two places at most: each takes memory.
    hashing: Arc<Semaphore>,
}

impl Auth {
    pub(super) fn new(settings: AuthSettings) -> Result<Auth, ConsoleError> {
        let accounts = Accounts::new(settings.accounts);
        accounts.all().map_err(ConsoleError)?;
        Ok(Auth { accounts: Arc::new(accounts), tries: tries::Tries::default(), hashing: Arc::new(Semaphore::new(2)) })
    }

    /// Whether somebody who signed in is still let in: his account is there, as it was.
    pub(super) fn still(&self, person: &Person) -> bool {
        if person.issuer != accounts::ISSUER {
            return true;
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
        match (entering.path.as_str(), &entering.method) {
            ("/sign-in", &Method::GET | &Method::HEAD) => form(StatusCode::OK, &entering, None),
            ("/sign-in", &Method::POST) => self.sign_in(state, &entering).await,
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
            let mut response = form(StatusCode::TOO_MANY_REQUESTS, entering, Some(said));
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
                begin(state, entering, account.person()).await
            }
            known => {
                refused(state, entering, known.as_ref()).await;
                let said = lang.pick("Name or password are wrong.", "名前またはパスワードが違います。");
                form(StatusCode::UNAUTHORIZED, entering, Some(said))
            }
        }
    }
}

/// On record, then a session, then where he wanted to go.
async fn begin(state: &State, entering: &Entering, person: Person) -> Response {
    let peer = entering.peer.map(|address| address.to_string());
    let reading = Reading { action: "sign-in", page: "sign-in", ..Reading::default() };
    if let Err(error) = state.readings.record(&person, peer.as_deref(), &reading).await {
        let trouble = Trouble::Unable(format!("the sign-in cannot be recorded: {error}"));
        return shell::trouble(entering.lang, None, &trouble);
    }
    let cookie = match state.sessions.begin(person, state.now_ms()) {
        Ok(cookie) => cookie,
        Err(error) => return shell::trouble(entering.lang, None, &Trouble::unable(error)),
    };
    let cookie = format!("{SESSION}={cookie}; Path=/; Secure; HttpOnly; SameSite=Strict");
    let to = next(entering.field("next"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to), (header::SET_COOKIE, cookie)]).into_response()
}

/// A wrong password is on record with the account it was for, one of nobody's is counted.
async fn refused(state: &State, entering: &Entering, account: Option<&Account>) {
    let Some(account) = account else {
        if let Some(address) = entering.peer {
            state.readings.log().stranger(address, "sign-in-refused");
        }
        return;
    };
    let peer = entering.peer.map(|address| address.to_string());
    let reading = Reading { action: "sign-in-refused", page: "sign-in", ..Reading::default() };
    if let Err(error) = state.readings.record(&account.person(), peer.as_deref(), &reading).await {
        tracing::error!(%error, "a refused sign-in is not on record");
    }
}

/// A path of this origin, or the overview: nobody is sent elsewhere by a link that he was given.
fn next(wanted: &str) -> String {
    let is_own = wanted.starts_with('/')
        && !wanted.starts_with("//")
        && !wanted.contains('\\')
        && wanted.bytes().all(|byte| byte.is_ascii_graphic());
    if is_own { wanted.to_owned() } else { "/".to_owned() }
}

fn form(status: StatusCode, entering: &Entering, said: Option<&str>) -> Response {
    let lang = entering.lang;
    let wanted = match entering.method {
        Method::POST => entering.field("next"),
        _ => entering.query.iter().find(|(name, _)| name == "next").map_or("", |(_, value)| value),
    };
    let title = lang.pick("Sign in", "サインイン");
    let body = fields(lang, &next(wanted), said);
    let page = shell::plain(lang, "/sign-in", title, &body);
    (status, Html(page.into_string())).into_response()
}

fn fields(lang: Lang, next: &str, said: Option<&str>) -> Markup {
    html! {
        h1 { (lang.pick("Sign in", "サインイン")) }
        @if let Some(said) = said { p.notice.bad role="alert" { (said) } }
        form.sign-in method="post" action="/sign-in" {
            input type="hidden" name="next" value=(next);
            label { (lang.pick("Name", "名前")) input name="name" autocomplete="username" autocapitalize="none" required autofocus; }
            label { (lang.pick("Password", "パスワード")) input type="password" name="password" autocomplete="current-password" required; }
            button type="submit" { (lang.pick("Sign in", "サインイン")) }
        }
        p.soft { (lang.pick(
            "What you look at here is on record under your name.",
            "ここでの閲覧は、あなたの名前で記録されます。")) }
    }
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn nobody_is_sent_to_another_origin_after_signing_in() {
        for own in ["/", "/search?caller=rc-sato", "/record/gate/1"] {
            assert_eq!(next(own), own);
        }
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
