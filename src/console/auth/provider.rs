//! What does the provider say? OpenID Connect Discovery 1.0, and the exchange of a code (RFC 6749 section 4.1.3, RFC 7636).
//!
//! It is asked at the addresses that it publishes under the issuer of the settings, over `https` (or `http` to a loopback
//! address), without following redirects, and believed for what its keys sign, no more. Its access token is not used and
//! not kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    StandardRevocableToken, StandardTokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::begun::Begun;
use crate::console::Role;
use crate::identity::{
    ClaimPointers, FetchError, Given, IdToken, IssuerDraft, IssuerSettings, Web, address, strict_object,
};

/// A provider of sign-ins, and whom of its people the console lets in.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// `iss`, compared exactly; what it publishes stands below it.
    pub issuer: String,
    /// The only root certificates (PEM) trusted for it; none: the Web's.
    pub root: Option<PathBuf>,
    /// As what the console is registered there.
    pub client: String,
    /// The file of its secret; none: a client without one.
    pub secret: Option<PathBuf>,
    /// Where browsers reach the console: `https://console.example`.
    pub origin: String,
    /// Names of [`Algorithm`](crate::identity::Algorithm) that its tokens may be signed by.
    pub algorithms: Vec<String>,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// A value of the roles claim → a role here. Who has none of them is not let in.
    pub roles: BTreeMap<String, Role>,
    /// Where in its token the person's id stands: a JSON Pointer.
    pub person: String,
    /// Where the roles stand.
    pub roles_at: String,
    /// Where the ids stand under which the person calls the gate, besides its own.
    pub callers_at: Option<String>,
}

impl ProviderSettings {
    /// As an issuer whose keys are at `jwks`.
    fn issuer_at(&self, jwks: String) -> IssuerDraft {
        IssuerDraft {
            id: self.issuer.clone(),
            jwks,
            jwks_root: self.root.clone(),
            audience: vec![self.client.clone()],
            algorithms: self.algorithms.clone(),
            types: vec!["JWT".to_owned()],
            // Read by the console itself, and named here so that they are looked at as pointers.
            claims: ClaimPointers {
                caller: self.person.clone(),
                roles: Some(self.roles_at.clone()),
                purpose: self.callers_at.clone(),
                ..ClaimPointers::default()
            },
            ..IssuerDraft::default()
        }
    }

    fn discovery(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'))
    }

    /// What is wrong with them: the key, and why.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let key = |named: &str| match named {
            "id" | "jwks" => "issuer",
            "jwks-root" => "root",
            "audience" => "client-id",
            "algorithms" => "algorithms",
            _ => "claims",
        };
        let issuer = IssuerSettings::new(self.issuer_at(self.discovery())).err().unwrap_or_default();
        // Keys of a caller's issuer may lie in a file; a provider is asked.
        let mut faults: Vec<_> =
            address(&self.discovery()).err().into_iter().map(|_| ("issuer", NOT_ASKED.to_owned())).collect();
        let issuer = issuer.into_iter().filter(|fault| fault.key != "jwks" || faults.is_empty());
        let issuer: Vec<_> = issuer.map(|fault| (key(fault.key), fault.message)).collect();
        faults.extend(issuer);
        let origin = address(&self.origin).and_then(|uri| match uri.path_and_query().map(|rest| rest.as_str()) {
            None | Some("/" | "") if !self.origin.ends_with('/') => Ok(()),
            _ => Err(format!("`{}` is more than scheme, host and port", self.origin)),
        });
        faults.extend(origin.err().map(|why| ("origin", why)));
        if self.roles.is_empty() {
            faults.push(("roles", "names no role: nobody could sign in".to_owned()));
        }
        faults
    }
}

/// The provider, at work.
pub(super) struct Provider {
    pub(super) settings: ProviderSettings,
    secret: Option<Zeroizing<String>>,
    web: Web,
    known: Mutex<Option<(Instant, Arc<Published>)>>,
    /// It is asked by so many sign-ins at once, at most.
    asking: Semaphore,
}

/// What it publishes.
struct Published {
    authorization: String,
    token: String,
    keys: String,
    /// Whether it wants the secret in the form rather than as a password (RFC 6749 section 2.3.1).
    secret_in_form: bool,
}

#[derive(Debug, Deserialize, Serialize)]
struct WithIdToken {
    id_token: String,
}

impl ExtraTokenFields for WithIdToken {}

type Client = oauth2::Client<
    BasicErrorResponse,
    StandardTokenResponse<WithIdToken, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl Provider {
    pub(super) fn new(settings: ProviderSettings, secret: Option<Zeroizing<String>>) -> Result<Provider, String> {
        let is_plain = settings.issuer.starts_with("http://");
        let web = Web::new(settings.root.as_deref(), is_plain)?;
        Ok(Provider { settings, secret, web, known: Mutex::default(), asking: Semaphore::new(ASKING_MAX) })
    }

    /// How a person knows it: its host.
    pub(super) fn name(&self) -> &str {
        let rest = self.settings.issuer.split_once("://").map_or("", |(_, rest)| rest);
        rest.split('/').next().unwrap_or(rest)
    }

    /// Where to send a browser.
    pub(super) async fn authorization(&self, state: &str, begun: &Begun) -> Result<String, String> {
        let published = self.published().await?;
        let verifier = PkceCodeVerifier::new(begun.verifier.clone());
        let scopes = self.settings.scopes.iter().map(|scope| Scope::new(scope.clone()));
        let (url, _) = self
            .client(&published)?
            .authorize_url(|| CsrfToken::new(state.to_owned()))
            .add_scope(Scope::new("openid".to_owned()))
            .add_scopes(scopes)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_extra_param("nonce", begun.nonce.clone())
            .url();
        Ok(url.into())
    }

    /// Who signed in there, by the code that his browser brought.
    pub(super) async fn signed_in(&self, code: &str, begun: &Begun, now_s: i64) -> Result<IdToken, String> {
        let published = self.published().await?;
        let _turn = self.turn()?;
        let web = self.web.clone();
        let ask = move |request: http::Request<Vec<u8>>| {
            let web = web.clone();
            async move {
                let answer = web.send(request.map(|body| Full::new(Bytes::from(body))), DEADLINE).await?;
                Ok::<_, FetchError>(answer.map(|body| body.to_vec()))
            }
        };
        let answer = self
            .client(&published)?
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()))
            .request_async(&ask)
            .await
            .map_err(|error| match error {
                RequestTokenError::Request(FetchError::Deadline) => "it did not answer in time".to_owned(),
                RequestTokenError::Request(_) => "it cannot be reached".to_owned(),
                RequestTokenError::ServerResponse(refusal) => {
                    format!("it does not take the code: {}", error_code(refusal.error().as_ref()))
                }
                // Its words may hold what it was sent.
                _ => "its answer to the code cannot be read, or holds no `id_token`".to_owned(),
            })?;
        let issuer = IssuerSettings::new(self.settings.issuer_at(published.keys.clone()));
        let issuer = issuer.map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let token = &answer.extra_fields().id_token;
        let given = Given { token, client: &self.settings.client, nonce: &begun.nonce, now_s };
        IdToken::verified(issuer, &given, DEADLINE).await
    }

    fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, String> {
        self.asking.try_acquire().map_err(|_| "too many sign in at once; try again".to_owned())
    }

    fn client(&self, published: &Published) -> Result<Client, String> {
        let not_url = |_| "one of its addresses is none".to_owned();
        let redirect = RedirectUrl::new(format!("{}{RETURN}", self.settings.origin)).map_err(not_url)?;
        let client = oauth2::Client::new(ClientId::new(self.settings.client.clone()))
            .set_auth_uri(AuthUrl::new(published.authorization.clone()).map_err(not_url)?)
            .set_token_uri(TokenUrl::new(published.token.clone()).map_err(not_url)?)
            .set_auth_type(if published.secret_in_form { AuthType::RequestBody } else { AuthType::BasicAuth })
            .set_redirect_uri(redirect);
        Ok(match &self.secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.to_string())),
            None => client,
        })
    }

    /// What it publishes, as of some minutes ago at most.
    async fn published(&self) -> Result<Arc<Published>, String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, published)) = known.filter(|(at, _)| at.elapsed() < KNOWN) {
            return Ok(published);
        }
        let _turn = self.turn()?;
        let uri: Uri = address(&self.settings.discovery())?;
        let text = self.web.get(&uri, DEADLINE).await.map_err(|error| match error {
            FetchError::Status(status) => format!("it answered {} at {uri}", status.as_u16()),
            FetchError::Deadline => "it did not answer in time".to_owned(),
            FetchError::Connection | FetchError::Body => "it cannot be reached".to_owned(),
        })?;
        let published = Arc::new(published(&text, &self.settings.issuer)?);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&published)));
        Ok(published)
    }
}

/// Source: OpenID Connect Discovery 1.0, sections 3 and 4.3.
fn published(text: &[u8], issuer: &str) -> Result<Published, String> {
    let members = strict_object(text).ok_or("what it publishes is no JSON object with each member once")?;
    if members.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err("what it publishes is of another `issuer`".to_owned());
    }
    let at = |name: &str| {
        let url = members.get(name).and_then(Value::as_str).ok_or_else(|| format!("it publishes no `{name}`"))?;
        // Its own words are not repeated: they would stand in a page and in messages.
        address(url).map(|_| url.to_owned()).map_err(|_| format!("its `{name}` {NOT_ASKED}"))
    };
    let ways = members.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
    let takes = |way: &str| ways.is_some_and(|ways| ways.iter().any(|known| known == way));
    Ok(Published {
        authorization: at("authorization_endpoint")?,
        token: at("token_endpoint")?,
        keys: at("jwks_uri")?,
        // Without the member: as a password.
        secret_in_form: takes("client_secret_post") && !takes("client_secret_basic"),
    })
}

/// An error code of RFC 6749, or that it is none: what a provider or a link says is not repeated otherwise.
pub(super) fn error_code(code: &str) -> &str {
    let is_one = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_one { code } else { "without a code that can be read" }
}

/// Where the provider sends browsers back to.
pub(super) const RETURN: &str = "/sign-in/oidc/return";
const NOT_ASKED: &str = "must be an `https` URL, or an `http` one to a loopback address such as `127.0.0.1`";
const ASKING_MAX: usize = 16;
const DEADLINE: Duration = Duration::from_secs(10);
const KNOWN: Duration = Duration::from_secs(600);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::{error_code, published};

    fn with(from: &str, to: &str) -> Result<super::Published, String> {
        let good = r#"{"issuer":"https://login.example","authorization_endpoint":"https://login.example/a?b=c",
            "token_endpoint":"https://login.example/t","jwks_uri":"https://keys.example/k",
            "token_endpoint_auth_methods_supported":["client_secret_post"]}"#;
        assert!(good.contains(from), "{from}");
        published(good.replace(from, to).as_bytes(), "https://login.example")
    }

    #[test]
    fn what_another_issuer_publishes_or_would_be_asked_in_the_clear_is_not_believed() {
        assert!(with("", "").unwrap().secret_in_form);
        assert!(!with("[\"client", "[\"client_secret_basic\",\"client").unwrap().secret_in_form);
        for (from, to) in [
            ("\"https://login.example\"", "\"https://login.example/\""),
            ("\"issuer\"", "\"isuer\""),
            ("\"jwks_uri\"", "\"jwks\""),
            ("\"token_endpoint\":", "\"issuer\":\"https://login.example\",\"token_endpoint\":"),
            ("https://login.example/t", "http://login.example/t"),
            ("https://login.example/a", "javascript:alert(1)//login.example/a"),
            ("https://keys.example/k", "/etc/passwd"),
            ("https://keys.example/k", "https://me@keys.example/k"),
            ("{", "["),
        ] {
            assert!(with(from, to).is_err(), "{from} → {to}");
        }
    }

    #[test]
    fn only_codes_are_repeated() {
        assert_eq!(error_code("access_denied"), "access_denied");
        for other in ["", "<b>", "Call 0120-000-000", &"a".repeat(65)] {
            assert_eq!(error_code(other), "without a code that can be read");
        }
    }
}
