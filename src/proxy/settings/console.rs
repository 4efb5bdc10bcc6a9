//! `[console]`: the pages over the log, on a door of their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::policy::reader::Table;

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
    let hosts = table.texts("hosts").into_iter().map(|host| host.text.to_ascii_lowercase()).collect();
    let accounts = table.text("accounts").map_or(default.accounts, |path| folder.join(path.text));
    let days = limits::number(&table, "console", "review-days", 1, 366, REVIEW_DAYS);
    table.finish();
    if tls.is_none() && !insecure_plaintext && !listen.ip().is_loopback() {
        let help = "set `tls = { certificate = \"…\", key = \"…\" }`, or `insecure-plaintext = true` where something before the console ends TLS";
        let message = format!("`console.listen`: `{listen}` is not a loopback address and there is no `console.tls`");
        table.reader().fault(table.span_of("listen"), message, Some(help.to_owned()));
    }
    Some(ConsoleSettings { listen, tls, insecure_plaintext, hosts, accounts, review_due_ms: days * DAY_MS })
}

const DAY_MS: u64 = 86_400_000;
const REVIEW_DAYS: u64 = 7;
