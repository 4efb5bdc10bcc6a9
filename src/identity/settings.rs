//! May these settings of an issuer be used?
//!
//! [`IssuerDraft`] is what a settings file says; [`IssuerSettings`] is what was checked, every fault at once.
//! Nothing outside these settings chooses where keys come from: not `jku`, `x5u`, `iss` or `kid` of a token.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;

use super::caller::PRINCIPAL;
use super::draft::{Algorithm, Allowed, ClaimPointers, IssuerDraft, LEEWAY_S_MAX, MayAssert};

/// Names that mean a kind of caller, never an organisation of the register.
const RESERVED_ORGANIZATIONS: [&str; 2] = [PRINCIPAL, "internal"];

/// An issuer whose settings were checked by [`IssuerSettings::new`].
#[derive(Clone)]
pub struct IssuerSettings {
    pub(super) id: String,
    pub(super) source: KeySource,
    pub(super) audience: Vec<String>,
    /// INVARIANT: never `none`; HMAC only together with [`KeySource::Demo`].
    pub(super) algorithms: Vec<jsonwebtoken::Algorithm>,
    pub(super) types: Vec<String>,
    pub(super) type_may_be_missing: bool,
    pub(super) leeway_s: u32,
    pub(super) claims: ClaimPointers,
    pub(super) may_assert: MayAssert,
}

#[derive(Clone)]
pub(super) enum KeySource {
    Remote {
        uri: Uri,
        root: Option<PathBuf>,
    },
    File(PathBuf),
    #[cfg(feature = "demo")]
    Demo(jsonwebtoken::DecodingKey),
}

/// A key of an issuer's settings that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsFault {
    /// The key, as in the file: `leeway-s`, `claims.roles`.
    pub key: &'static str,
    /// What was found and what is accepted.
    pub message: String,
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "issuer.{}: {}", self.key, self.message)
    }
}

impl std::error::Error for SettingsFault {}

impl IssuerSettings {
    /// The roles of the policy that it may assert.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.may_assert.roles.values().map(String::as_str)
    }

    /// The file that its keys are in, where it is one.
    pub fn key_file(&self) -> Option<&std::path::Path> {
        match &self.source {
            KeySource::File(path) => Some(path),
            _ => None,
        }
    }

    /// Checks a draft.
    ///
    /// # Errors
    /// Every fault of the draft, in the order of its keys. Files are not opened here.
    pub fn new(draft: IssuerDraft) -> Result<IssuerSettings, Vec<SettingsFault>> {
        // Taken apart, so that a new key does not compile until it is handled.
        let IssuerDraft {
            id,
            jwks,
            jwks_root,
            audience,
            algorithms,
            types,
            type_may_be_missing,
            leeway_s,
            claims,
            may_assert,
        } = draft;
        let mut faults = Faults(Vec::new());
        faults.unless(!id.is_empty(), "id", || "must not be empty".to_owned());
        let source = faults.take("jwks", source(&jwks, jwks_root));
        faults.unless(!audience.is_empty(), "audience", || "must name at least one value".to_owned());
        faults.unless(!audience.iter().any(String::is_empty), "audience", || "must not hold an empty value".to_owned());
        let algorithms = faults.take("algorithms", checked_algorithms(&algorithms));
        faults.unless(type_may_be_missing || !types.is_empty(), "types", || "no token would be accepted".to_owned());
        faults.unless(!types.iter().any(String::is_empty), "types", || "must not hold an empty value".to_owned());
        faults.unless(leeway_s <= LEEWAY_S_MAX, "leeway-s", || format!("`{leeway_s}` is not in 0..={LEEWAY_S_MAX}"));
        check_pointers(&claims, &mut faults);
        check_assertions(&claims, &may_assert, &mut faults);
        match (source, algorithms) {
            (Some(source), Some(algorithms)) if faults.0.is_empty() => Ok(IssuerSettings {
                id,
                source,
                audience,
                algorithms,
                types,
                type_may_be_missing,
                leeway_s,
                claims,
                may_assert,
            }),
            _ => Err(faults.0),
        }
    }

    /// An issuer that signs with a shared secret (HS256), for `sekisho demo` and nothing else: whoever can verify such
    /// a token can also make one. `jwks`, `jwks_root` and `algorithms` of the draft are not read.
    ///
    /// # Errors
    /// As [`IssuerSettings::new`]; a secret shorter than 32 bytes.
    #[cfg(feature = "demo")]
    pub fn with_demo_secret(draft: IssuerDraft, secret: &[u8]) -> Result<IssuerSettings, Vec<SettingsFault>> {
        let fault = SettingsFault { key: "secret", message: "must have at least 32 bytes".to_owned() };
        let draft = IssuerDraft {
            jwks: "/dev/null".to_owned(),
            jwks_root: None,
            algorithms: vec![Algorithm::EdDsa.name().to_owned()],
            ..draft
        };
        let mut settings = IssuerSettings::new(draft)?;
        if secret.len() < 32 {
            return Err(vec![fault]);
        }
        settings.source = KeySource::Demo(jsonwebtoken::DecodingKey::from_secret(secret));
        settings.algorithms = vec![jsonwebtoken::Algorithm::HS256];
        Ok(settings)
    }

    /// `iss`, compared exactly.
    pub fn id(&self) -> &str {
        &self.id
    }
}

struct Faults(Vec<SettingsFault>);

impl Faults {
    fn unless(&mut self, holds: bool, key: &'static str, message: impl FnOnce() -> String) {
        if !holds {
            self.0.push(SettingsFault { key, message: message() });
        }
    }

    fn take<T>(&mut self, key: &'static str, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.0.push(SettingsFault { key, message })).ok()
    }
}

/// Only `https`, or `http` to a loopback address written as such: a name could resolve to anywhere.
fn source(jwks: &str, root: Option<PathBuf>) -> Result<KeySource, String> {
    if jwks.is_empty() {
        return Err("must not be empty".to_owned());
    }
    let Some((scheme, _)) = jwks.split_once("://") else {
        return match root {
            None => Ok(KeySource::File(PathBuf::from(jwks))),
            Some(_) => Err("a root certificate is only used with an `https` key set".to_owned()),
        };
    };
    let uri = address(jwks)?;
    match (scheme.eq_ignore_ascii_case("https"), root) {
        (false, Some(_)) => Err("a root certificate is only used with an `https` key set".to_owned()),
        (_, root) => Ok(KeySource::Remote { uri, root }),
    }
}

/// A URL that may be asked: `https`, or `http` to a loopback address; without credentials and fragment.
///
/// # Errors
/// In words: why not.
pub(crate) fn address(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|_| format!("`{text}` is not a URL"))?;
    let authority = uri.authority().ok_or_else(|| format!("`{text}` names no host"))?;
    if authority.as_str().contains('@') {
        return Err("a URL with credentials in it is not accepted".to_owned());
    }
    if text.contains('#') {
        return Err(format!("`{text}`: a fragment is never sent"));
    }
    match uri.scheme_str().unwrap_or_default().to_ascii_lowercase().as_str() {
        "https" => Ok(uri),
        "http" if is_loopback(authority.host()) => Ok(uri),
        "http" => {
            Err(format!("`{text}`: `http` only to a loopback address such as `127.0.0.1` or `[::1]`; use `https`"))
        }
        other => Err(format!("`{other}` is not `https`, `http` or a file")),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn checked_algorithms(names: &[String]) -> Result<Vec<jsonwebtoken::Algorithm>, String> {
    let accepted = Algorithm::ALL.map(|algorithm| format!("`{}`", algorithm.name())).join(" ");
    if names.is_empty() {
        return Err(format!("must name at least one of {accepted}"));
    }
    let mut algorithms = Vec::new();
    for name in names {
        let algorithm = Algorithm::from_name(name).ok_or_else(|| format!("`{name}` is not one of {accepted}"))?.wire();
        if !algorithms.contains(&algorithm) {
            algorithms.push(algorithm);
        }
    }
    Ok(algorithms)
}

fn check_pointers(claims: &ClaimPointers, faults: &mut Faults) {
    let ClaimPointers { caller, organization, roles, purpose, identity, training_until } = claims;
    let named = [
        ("claims.caller", Some(caller)),
        ("claims.organization", organization.as_ref()),
        ("claims.roles", roles.as_ref()),
        ("claims.purpose", purpose.as_ref()),
        ("claims.identity", identity.as_ref()),
        ("claims.training-until", training_until.as_ref()),
    ];
    for (key, pointer) in named {
        if let Some(pointer) = pointer {
            faults.unless(is_pointer(pointer), key, || format!("`{pointer}` is not a JSON Pointer such as `/sub`"));
        }
    }
}

/// RFC 6901 §3, without the pointer to the whole document.
fn is_pointer(text: &str) -> bool {
    let escapes_hold = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    text.starts_with('/') && escapes_hold
}

/// A permission that could never be used is a misunderstanding: said at once, not found out in service.
fn check_assertions(claims: &ClaimPointers, may: &MayAssert, faults: &mut Faults) {
    let MayAssert { roles, organizations, principal, purposes } = may;
    faults.unless(roles.is_empty() || claims.roles.is_some(), "may-assert.roles", || {
        "has no effect without `claims.roles`".to_owned()
    });
    faults.unless(!roles.iter().any(|(value, role)| value.is_empty() || role.is_empty()), "may-assert.roles", || {
        "must not hold an empty name".to_owned()
    });
    let reads_organization = claims.organization.is_some();
    faults.unless(reads_organization || *organizations == Allowed::Nothing, "may-assert.organizations", || {
        "has no effect without `claims.organization`".to_owned()
    });
    faults.unless(reads_organization || !principal, "may-assert.principal", || {
        "has no effect without `claims.organization`".to_owned()
    });
    for reserved in RESERVED_ORGANIZATIONS {
        let listed = matches!(organizations, Allowed::Listed(names) if names.contains(reserved));
        faults.unless(!listed, "may-assert.organizations", || format!("`{reserved}` is reserved"));
    }
    for (key, allowed) in [("may-assert.organizations", organizations), ("may-assert.purposes", purposes)] {
        let has_empty = matches!(allowed, Allowed::Listed(names) if names.is_empty() || names.contains(""));
        faults.unless(!has_empty, key, || "a list must hold at least one name and no empty one".to_owned());
    }
}

/// May `name` be asserted as an organisation by an issuer with these permissions?
pub(super) fn may_assert_organization(may: &MayAssert, name: &str) -> bool {
    if name == PRINCIPAL {
        return may.principal;
    }
    !RESERVED_ORGANIZATIONS.contains(&name) && !name.is_empty() && may.organizations.contains(name)
}
