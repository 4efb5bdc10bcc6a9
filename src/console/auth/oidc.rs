//! Signing in at a provider: OpenID Connect, the code flow with PKCE.
//!
//! 1. `GET /sign-in/oidc` sends the browser there, and leaves it a cookie to be recognised by
//! 2. `GET /sign-in/oidc/return`: begun in this browser, not long ago, and not taken yet     else 400
//! 3. from this issuer, with a code (RFC 9207)                                                else 400
//! 4. the code gets a token, and the token holds                                               else 502
//! 5. the token says who, in a role that the settings map                                   else 403, on record
//! 6. on record, then a session begins, then he goes on to where he wanted
//!
//! The session's cookie is `SameSite=Strict`: a browser does not send it along a redirect from the provider. So the return is a
//! page of its own, which goes on at once.

use axum::response::{AppendHeaders, Html, IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use maud::html;
use zeroize::Zeroizing;

use super::begun::Begins;
use super::provider::{Provider, ProviderSettings, RETURN, error_code};
use super::{begin, next, on_record};
use crate::console::door::Entering;
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::person::Person;
use crate::console::session::random;
use crate::console::shell;
use crate::console::state::State;
use crate::identity::IdToken;

/// The cookie by which a browser is recognised when it comes back. Sent along a link from the provider, and good for no page.
pub(in crate::console) const BROWSER: &str = "__Host-sekisho-oidc";

pub(super) struct Oidc {
    provider: Provider,
    begins: Begins,
}

impl Oidc {
    pub(super) fn new(settings: ProviderSettings, secret: Option<Zeroizing<String>>) -> Result<Oidc, String> {
        Ok(Oidc { provider: Provider::new(settings, secret)?, begins: Begins::default() })
    }

    pub(super) fn name(&self) -> &str {
        self.provider.name()
    }

    pub(super) fn is_issuer(&self, issuer: &str) -> bool {
        self.provider.settings.issuer == issuer
    }

    /// Answers everything below `/sign-in/oidc`.
    pub(super) async fn serve(&self, state: &State, entering: &Entering) -> Response {
        let lang = entering.lang;
        let answered = match (entering.path.as_str(), &entering.method) {
            (BEGIN, &Method::GET) => self.go(state, entering).await,
            (RETURN, &Method::GET) => self.returned(state, entering).await,
            _ => return shell::trouble(lang, None, &Trouble::Missing),
        };
        answered.unwrap_or_else(|no| {
            tracing::warn!(why = %no.why, "a sign-in at the provider came to nothing");
            let heading = lang.pick("You are not signed in", "サインインできませんでした");
            let body = html! {
                h1 { (heading) }
                p.notice.bad role="alert" { (no.why) }
                p { a.button href="/sign-in" { (lang.pick("Back to signing in", "サインインに戻る")) } }
            };
            (no.status, Html(shell::plain(lang, "/sign-in", heading, &body).into_string())).into_response()
        })
    }

    async fn go(&self, state: &State, entering: &Entering) -> Result<Response, No> {
        let wanted = entering.asked("next");
        // A second page of the same browser may sign in too.
        let known = entering.browser.as_deref().filter(|known| known.len() == COOKIE_BYTES);
        let browser = match known {
            Some(known) => known.to_owned(),
            None => random().map_err(|error| No::unable(&error.to_string()))?,
        };
        let begun = self.begins.begin(&browser, next(wanted), state.now_ms());
        let (asked, begun) = begun.map_err(|error| No::unable(&error.to_string()))?;
        let to = self.provider.authorization(&asked, &begun).await.map_err(|why| self.no(entering.lang, &why))?;
        let kept = format!("{BROWSER}={browser}; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax");
        Ok((StatusCode::SEE_OTHER, [(header::LOCATION, to), (header::SET_COOKIE, kept)]).into_response())
    }

    async fn returned(&self, state: &State, entering: &Entering) -> Result<Response, No> {
        let lang = entering.lang;
        let browser = entering.browser.as_deref().unwrap_or_default();
        let begun = self.begins.take(browser, entering.asked("state"), state.now_ms());
        let begun = begun.ok_or_else(|| {
            No::asked(lang.pick(
                "This sign-in was not begun in this browser, took more than ten minutes, or is done already. Begin again.",
                "このサインインは、このブラウザで開始されていないか、10分を過ぎたか、すでに完了しています。最初からやり直してください。",
            ))
        })?;
        let issuer = entering.asked("iss");
        if !issuer.is_empty() && !self.is_issuer(issuer) {
            let said = lang.pick("The answer is from another issuer.", "別の発行者からの応答です。");
            return Err(No::asked(said));
        }
        let code = entering.asked("code");
        if code.is_empty() {
            let said = lang.pick("The provider refused: ", "プロバイダーが拒否しました: ");
            return Err(No::asked(&format!("{said}{}", error_code(entering.asked("error")))));
        }
        let now_s = i64::try_from(state.now_ms() / 1000).unwrap_or(i64::MAX);
        let token = self.provider.signed_in(code, &begun, now_s).await.map_err(|why| self.no(lang, &why))?;
        let person = self.person(lang, &token)?;
        if person.roles.is_empty() {
            drop(on_record(state, entering, &person, "sign-in-refused").await);
            return Err(No {
                status: StatusCode::FORBIDDEN,
                why: lang
                    .pick(
                        "The provider knows who you are, but you have no role here. Whoever runs this console can map one.",
                        "本人確認はできましたが、このコンソールでの役割がありません。管理者に連絡してください。",
                    )
                    .to_owned(),
            });
        }
        let session = begin(state, entering, person).await;
        Ok(session.map_or_else(|no| no, |cookie| entered(lang, &begun.next, cookie)))
    }

    /// Whom the token describes.
    fn person(&self, lang: Lang, token: &IdToken) -> Result<Person, No> {
        let settings = &self.provider.settings;
        let id = token.text(&settings.person);
        let id = id.ok_or_else(|| self.no(lang, &format!("its token holds no id at `{}`", settings.person)))?;
        let mut callers = vec![id.to_owned()];
        if let Some(pointer) = &settings.callers_at {
            // Without them somebody could review his own access.
            let more = token.texts(pointer).filter(|more| !more.is_empty());
            callers
                .extend(more.ok_or_else(|| self.no(lang, &format!("its token holds no caller's id at `{pointer}`")))?);
        }
        let said = token.texts(&settings.roles_at).unwrap_or_default();
        let mut roles: Vec<_> = said.iter().filter_map(|word| settings.roles.get(word)).copied().collect();
        roles.sort_unstable();
        roles.dedup();
        Ok(Person { issuer: settings.issuer.clone(), id: id.to_owned(), roles, callers, credential: String::new() })
    }

    fn no(&self, lang: Lang, why: &str) -> No {
        let said = lang.pick("Signing in at", "次のプロバイダーでサインインできません:");
        let failed = lang.pick("came to nothing:", "—");
        No { status: StatusCode::BAD_GATEWAY, why: format!("{said} {} {failed} {why}", self.name()) }
    }
}

/// The page that goes on.
fn entered(lang: Lang, to: &str, session: HeaderValue) -> Response {
    let heading = lang.pick("You are signed in", "サインインしました");
    let body = html! {
        h1 { (heading) }
        p { a.button href=(to) { (lang.pick("Go on", "続ける")) } }
    };
    let gone = HeaderValue::from_static(GONE);
    let cookies = AppendHeaders([(header::SET_COOKIE, session), (header::SET_COOKIE, gone)]);
    let page = Html(shell::plain(lang, "/", heading, &body).into_string());
    ([(header::REFRESH, format!("0; url={to}"))], cookies, page).into_response()
}

/// Why somebody is not signed in.
struct No {
    status: StatusCode,
    why: String,
}

impl No {
    fn asked(why: &str) -> No {
        No { status: StatusCode::BAD_REQUEST, why: why.to_owned() }
    }

    fn unable(why: &str) -> No {
        No { status: StatusCode::SERVICE_UNAVAILABLE, why: why.to_owned() }
    }
}

/// Where the sign-in page's link goes.
pub(super) const BEGIN: &str = "/sign-in/oidc";
const GONE: &str = "__Host-sekisho-oidc=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax";
/// Of 32 bytes in base64url.
const COOKIE_BYTES: usize = 43;
