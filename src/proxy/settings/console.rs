//! `[console]`: the pages over the log, on a door of their own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::console::{ProviderSettings, Role};
use crate::policy::reader::{Table, Text};

use super::{TlsFiles, address, limits, tls};

/// What the table says.
#[derive(Clone, Debug)]
pub struct ConsoleSettings {
    /// Where browsers connect.
    pub listen: SocketAddr,
    /// TLS; none: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Plain HTTP on an address that others can reach, for a console behind something that ends TLS.
    pub insecure_plaintext: bool,
    /// Names besides `localhost` and addresses that `Host` may hold.
    pub hosts: Vec<String>,
    /// The file of its own accounts.
    pub accounts: PathBuf,
    /// Who else says who somebody is.
    pub provider: Option<ProviderSettings>,
    /// How long a review may wait, in milliseconds.
    pub review_due_ms: u64,
}

impl ConsoleSettings {
    /// What holds where nothing is said.
    pub fn default_in(keys: &Path) -> ConsoleSettings {
        ConsoleSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], 9465)),
            tls: None,
            insecure_plaintext: false,
            hosts: Vec::new(),
            accounts: keys.join("console-accounts"),
            provider: None,
            review_due_ms: REVIEW_DAYS * DAY_MS,
        }
    }
}

/// `None` where there is no such table: then `sekisho serve` has no console.
pub(super) fn read(root: &Table<'_>, folder: &Path, keys: &Path) -> Option<ConsoleSettings> {
    let table = root.table("console")?;
    let default = ConsoleSettings::default_in(keys);
    let listen = address(&table, "listen", Some(default.listen)).unwrap_or(default.listen);
    let tls = tls(&table, folder);
    let insecure_plaintext = table.flag("insecure-plaintext");
    let mut hosts: Vec<String> = table.texts("hosts").into_iter().map(|host| host.text.to_ascii_lowercase()).collect();
    let provider = table.table("oidc").and_then(|oidc| provider(&oidc, folder));
    // Browsers are sent back to it.
    let origin = provider.as_ref().and_then(|provider| provider.origin.parse::<http::Uri>().ok());
    hosts.extend(origin.as_ref().and_then(|origin| origin.host()).map(str::to_ascii_lowercase));
    let accounts = table.text("accounts").map_or(default.accounts, |path| folder.join(path.text));
    let days = limits::number(&table, "console", "review-days", 1, 366, REVIEW_DAYS);
    table.finish();
    if tls.is_none() && !insecure_plaintext && !listen.ip().is_loopback() {
        let help = "set `tls = { certificate = \"…\", key = \"…\" }`, or `insecure-plaintext = true` where something before the console ends TLS";
        let message = format!("`console.listen`: `{listen}` is not a loopback address and there is no `console.tls`");
        table.reader().fault(table.span_of("listen"), message, Some(help.to_owned()));
    }
    Some(ConsoleSettings { listen, tls, insecure_plaintext, hosts, accounts, provider, review_due_ms: days * DAY_MS })
}

/// `[console.oidc]`: a provider of sign-ins.
fn provider(table: &Table<'_>, folder: &Path) -> Option<ProviderSettings> {
    let texts = |key| table.texts(key).into_iter().map(|text| text.text).collect::<Vec<_>>();
    let file = |key| table.text(key).map(|path| folder.join(path.text));
    let mut roles = BTreeMap::new();
    for (value, named) in table.lists("roles") {
        let role = <[Text; 1]>::try_from(named).ok().and_then(|[role]| Role::from_name(&role.text));
        match role {
            Some(role) => drop(roles.insert(value.text, role)),
            None => {
                let known = Role::ALL.map(|role| format!("`{}`", role.name())).join(" ");
                let message = format!("`console.oidc.roles`: `{}` stands for one of {known}", value.text);
                table.reader().fault(value.span, message, None);
            }
        }
    }
    let claims = table.table("claims");
    let claim = |key| claims.as_ref().and_then(|claims| claims.text(key)).map(|text| text.text);
    let settings = ProviderSettings {
        issuer: table.required("issuer").text,
        root: file("root"),
        client: table.required("client-id").text,
        secret: file("client-secret"),
        origin: table.required("origin").text,
        algorithms: if table.has("algorithms") { texts("algorithms") } else { vec!["RS256".to_owned()] },
        scopes: texts("scopes"),
        roles,
        person: claim("person").unwrap_or_else(|| "/sub".to_owned()),
        roles_at: claim("roles").unwrap_or_else(|| "/roles".to_owned()),
        callers_at: claim("callers"),
    };
    if let Some(claims) = &claims {
        claims.finish();
    }
    table.finish();
    let faults = settings.faults();
    for (key, why) in &faults {
        table.reader().fault(table.span_of(key), format!("`console.oidc.{key}`: {why}"), None);
    }
    faults.is_empty().then_some(settings)
}

const DAY_MS: u64 = 86_400_000;
const REVIEW_DAYS: u64 = 7;
