//! What does the settings file say, and does it make sense?
//!
//! One TOML file, read for spelling and for meaning at once, so that every fault is told together, each with its line:
//! key, value found, values accepted. Paths in it are relative to it. Whatever the gate is told by files, others may
//! not write: settings, policies, catalogues and keys that a group or the world may write are refused
//! ([`files::read`]).

mod audit;
mod console;
pub mod files;
mod issuer;
mod limits;
mod site;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::error::ProxyError;
use super::limits::Limits;
use crate::identity::IssuerSettings;
use crate::policy::Source;
use crate::policy::reader::{Reader, Table};

use audit::AuditSettings;
pub use audit::{MirrorSettings, SinkSettings};
pub use console::ConsoleSettings;
pub use site::{CatalogueAt, HELD_BYTES, SiteSettings};

/// An annotated example.
pub const EXAMPLE: &str = include_str!("example.toml");

/// The settings, checked.
#[derive(Clone)]
pub struct Settings {
    /// The file they were read from.
    pub path: PathBuf,
    /// The gate's own door.
    pub gate: GateSettings,
    /// The door of health and metrics.
    pub admin: AdminSettings,
    /// The pages over the log; none: `serve` has none.
    pub console: Option<ConsoleSettings>,
    /// Where state lies.
    pub data: DataSettings,
    /// What stands behind the gate; the longest path of a host counts.
    pub sites: Vec<SiteSettings>,
    /// Who is believed.
    pub issuers: Vec<IssuerSettings>,
    /// Bounds on callers.
    pub limits: Limits,
    /// The access log.
    pub audit: crate::audit::Options,
    /// From how much of its room on, in hundredths, the log is said to be about to be full.
    pub alarm_percent: u64,
    /// Where else its checkpoints go.
    pub mirrors: MirrorSettings,
    /// Where its records go.
    pub sinks: Vec<SinkSettings>,
    /// The process's own messages.
    pub log: LogSettings,
    /// Key sets of issuers that lie in files.
    pub issuer_files: Vec<PathBuf>,
}

/// `[log]`: the process's own messages, on standard error. Never what callers send or get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A JSON object a line, rather than text for people.
    pub json: bool,
    /// The least severe that is told: `error` `warn` `info` `debug`.
    pub level: tracing::Level,
}

/// `[gate]`.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// Where callers connect.
    pub listen: SocketAddr,
    /// TLS; none: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Plain HTTP on an address that others can reach, for a gate behind something that ends TLS.
    pub insecure_plaintext: bool,
}

/// `gate.tls`: PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Authorities whose client certificates are accepted; none: no certificate is asked for.
    pub client_roots: Option<PathBuf>,
    /// Whether a caller without a certificate is refused in the handshake.
    pub client_required: bool,
}

/// `[admin]`.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub listen: SocketAddr,
    /// Names besides `localhost` and addresses that `Host` may hold.
    pub hosts: Vec<String>,
}

/// `[data]`.
#[derive(Clone, Debug)]
pub struct DataSettings {
    /// Registry and log.
    pub directory: PathBuf,
    /// The folder of key files.
    pub keys: PathBuf,
    /// How long a registry that cannot be read may be answered from, in milliseconds; at most a minute.
    pub staleness_ms_max: u32,
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read or that others may write; every fault of it.
    pub fn read(path: &Path) -> Result<Settings, ProxyError> {
        let text = files::read(path)?;
        let path = std::path::absolute(path).map_err(|error| ProxyError::file(path, error))?;
        Settings::parse(&text, &path)
    }

    /// Reads a text as if it lay at `path`. Opens no file.
    ///
    /// # Errors
    /// Every fault.
    pub fn parse(text: &str, path: &Path) -> Result<Settings, ProxyError> {
        let reader = Reader::new(Source::new(path.display().to_string(), text));
        let folder = path.parent().unwrap_or(Path::new(""));
        let settings = reader.read(|root| settings(root, folder, path));
        let faults = reader.faults();
        match settings {
            Some(settings) if faults.is_empty() => Ok(settings),
            Some(_) | None => Err(ProxyError::Faults(faults)),
        }
    }
}

fn settings(root: &Table<'_>, folder: &Path, path: &Path) -> Option<Settings> {
    let reader = root.reader();
    let gate = gate(root, folder);
    let admin = admin(root);
    let data = data(root, folder);
    let keys = data.as_ref().map_or(folder, |data| &data.keys);
    let console = console::read(root, folder, keys);
    let limits = limits::read(root);
    let mut issuers = Vec::new();
    let mut issuer_files = Vec::new();
    for (issuer, file) in root.tables("issuer").iter().filter_map(|table| issuer::read(table, folder)) {
        issuers.push(issuer);
        issuer_files.extend(file);
    }
    let sites = site::read(root, folder);
    let AuditSettings { options: audit, alarm_percent, mirrors, sinks } = audit::read(root, folder);
    if !root.has("issuer") {
        reader.fault(root.span(), "no `[[issuer]]`: nobody could prove who he is", None);
    }
    let log = log(root);
    let path = path.to_owned();
    let settings = Settings {
        path,
        gate: gate?,
        admin,
        console,
        data: data?,
        sites,
        issuers,
        limits,
        audit,
        alarm_percent,
        mirrors,
        sinks,
        log,
        issuer_files,
    };
    if settings.admin.listen == settings.gate.listen && settings.gate.listen.port() != 0 {
        reader.fault(root.span(), "`admin.listen` is `gate.listen`: health and metrics have a door of their own", None);
    }
    if let Some(console) = &settings.console {
        let others = [("gate", settings.gate.listen), ("admin", settings.admin.listen)];
        for (name, _) in others.iter().filter(|(_, other)| *other == console.listen && other.port() != 0) {
            let message = format!("`console.listen` is `{name}.listen`: the console has a door of its own");
            reader.fault(root.span(), message, None);
        }
    }
    Some(settings)
}

fn gate(root: &Table<'_>, folder: &Path) -> Option<GateSettings> {
    let Some(table) = root.table("gate") else {
        root.missing("gate");
        return None;
    };
    let listen = address(&table, "listen", None);
    let insecure_plaintext = table.flag("insecure-plaintext");
    let tls = tls(&table, folder);
    table.finish();
    let listen = listen?;
    if tls.is_none() && !insecure_plaintext && !listen.ip().is_loopback() {
        let help = "set `tls = { certificate = \"…\", key = \"…\" }`, or `insecure-plaintext = true` where something before the gate ends TLS";
        let message = format!("`gate.listen`: `{listen}` is not a loopback address and there is no `gate.tls`");
        table.reader().fault(table.span_of("listen"), message, Some(help.to_owned()));
    }
    Some(GateSettings { listen, tls, insecure_plaintext })
}

/// `tls = { … }` of a door.
fn tls(table: &Table<'_>, folder: &Path) -> Option<TlsFiles> {
    table.table("tls").map(|tls| {
        let files = TlsFiles {
            certificate: folder.join(tls.required("certificate").text),
            key: folder.join(tls.required("key").text),
            client_roots: tls.text("client-roots").map(|roots| folder.join(roots.text)),
            client_required: tls.flag("client-required"),
        };
        if files.client_required && files.client_roots.is_none() {
            tls.reader().fault(tls.span(), "`client-required` needs `client-roots`", None);
        }
        tls.finish();
        files
    })
}

fn admin(root: &Table<'_>) -> AdminSettings {
    let default = SocketAddr::from(([127, 0, 0, 1], 9464));
    let Some(table) = root.table("admin") else { return AdminSettings { listen: default, hosts: Vec::new() } };
    let listen = address(&table, "listen", Some(default)).unwrap_or(default);
    let hosts = table.texts("hosts").into_iter().map(|host| host.text.to_ascii_lowercase()).collect();
    table.finish();
    AdminSettings { listen, hosts }
}

fn data(root: &Table<'_>, folder: &Path) -> Option<DataSettings> {
    let Some(table) = root.table("data") else {
        root.missing("data");
        return None;
    };
    let data = DataSettings {
        directory: folder.join(table.required("directory").text),
        keys: folder.join(table.required("keys").text),
        staleness_ms_max: limits::number(&table, "data", "staleness-ms-max", 0, 60_000, 2000),
    };
    table.finish();
    Some(data)
}

fn log(root: &Table<'_>) -> LogSettings {
    let mut log = LogSettings { json: false, level: tracing::Level::INFO };
    let Some(table) = root.table("log") else { return log };
    if let Some(format) = table.text("format") {
        log.json = format.text == "json";
        if !matches!(format.text.as_str(), "json" | "human") {
            let message = format!("`log.format`: `{}` is not `human` or `json`", format.text);
            table.reader().fault(format.span, message, None);
        }
    }
    if let Some(level) = table.text("level") {
        match level.text.as_str() {
            "error" => log.level = tracing::Level::ERROR,
            "warn" => log.level = tracing::Level::WARN,
            "info" => log.level = tracing::Level::INFO,
            "debug" => log.level = tracing::Level::DEBUG,
            other => {
                let message = format!("`log.level`: `{other}` is not `error`, `warn`, `info` or `debug`");
                table.reader().fault(level.span, message, None);
            }
        }
    }
    table.finish();
    log
}

fn address(table: &Table<'_>, key: &'static str, default: Option<SocketAddr>) -> Option<SocketAddr> {
    let text = match default {
        Some(default) => match table.text(key) {
            Some(text) => text,
            None => return Some(default),
        },
        None => table.required(key),
    };
    let address = text.text.parse().ok();
    if address.is_none() && table.has(key) {
        let message = format!("`{key}`: `{}` is not an address with a port such as `127.0.0.1:8443`", text.text);
        table.reader().fault(text.span, message, None);
    }
    address
}
