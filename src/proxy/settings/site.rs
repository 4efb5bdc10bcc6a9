//! `[[site]]`: what stands behind the gate, and by which policy it is judged.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::super::limits::UpstreamLimits;
use super::super::upstream::check_origin;
use super::limits::number;
use crate::policy::reader::{Table, Text};

/// One API behind the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteSettings {
    /// `Host` without port, in lower case; `*`: any.
    pub host: String,
    /// Paths at and below this one; it is cut off. Begins with `/` and has none at its end; empty: all.
    pub prefix: String,
    /// The origin that callers reach the gate by; links are made absolute with it. Empty: they are paths.
    pub public_origin: String,
    /// The folder of the policy.
    pub policy: PathBuf,
    /// What the API says.
    pub catalogue: CatalogueAt,
    /// The backend: `http://host:port`, without a path.
    pub upstream: String,
    /// The only authorities (PEM) believed for an `https` backend.
    pub upstream_roots: Option<PathBuf>,
    /// Origins whose scripts may call.
    pub cors_origins: Vec<String>,
    /// Longest request body.
    pub request_body_bytes_max: usize,
    /// How much of an entry is held until it is judged.
    pub entry_bytes_max: usize,
    /// Bounds on the backend.
    pub limits: UpstreamLimits,
}

/// Where a catalogue comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogueAt {
    /// The compiled-in one of FHIR R4.
    FhirR4,
    /// The compiled-in one of DICOMweb.
    Dicomweb,
    /// A file.
    File(PathBuf),
}

pub(super) fn read(root: &Table<'_>, folder: &Path) -> Vec<SiteSettings> {
    let mut sites: Vec<SiteSettings> = Vec::new();
    for table in root.tables("site") {
        let site = site(&table, folder);
        table.finish();
        if sites.iter().any(|other| (&other.host, &other.prefix) == (&site.host, &site.prefix)) {
            let message = format!("two sites at host `{}`, path `{}/`", site.host, site.prefix);
            root.reader().fault(table.span(), message, None);
        }
        sites.push(site);
    }
    if sites.is_empty() {
        root.reader().fault(root.span(), "no `[[site]]`: nothing stands behind the gate", None);
    }
    sites
}

fn site(table: &Table<'_>, folder: &Path) -> SiteSettings {
    let policy = folder.join(table.required("policy").text);
    let catalogue = match table.text("catalogue") {
        Some(name) if name.text == "fhir-r4" => CatalogueAt::FhirR4,
        Some(name) if name.text == "dicomweb" => CatalogueAt::Dicomweb,
        Some(file) => CatalogueAt::File(folder.join(file.text)),
        None => CatalogueAt::File(policy.join("catalogue.toml")),
    };
    let upstream = table.required("upstream");
    let path_of = |url: &str| url.split_once("://").is_some_and(|(_, rest)| rest.trim_end_matches('/').contains('/'));
    if table.has("upstream") {
        if let Err(error) = check_origin(&upstream.text) {
            table.reader().fault(upstream.span.clone(), error.to_string(), None);
        } else if path_of(&upstream.text) {
            // Links of the backend are recognised by its origin, and rewritten.
            let message = format!(
                "`upstream`: `{}` has a path; an origin such as `http://127.0.0.1:9000` has none",
                upstream.text
            );
            table.reader().fault(upstream.span.clone(), message, None);
        }
    }
    let roots = table.text("upstream-roots");
    if let Some(roots) = roots.as_ref().filter(|_| !upstream.text.starts_with("https://")) {
        table.reader().fault(roots.span.clone(), "`upstream-roots` is only used with an `https` upstream", None);
    }
    let default = crate::layer::GateLimits::default();
    SiteSettings {
        host: host(table),
        prefix: prefix(table),
        public_origin: public_origin(table),
        policy,
        catalogue,
        upstream: upstream.text.trim_end_matches('/').to_owned(),
        upstream_roots: roots.map(|roots| folder.join(roots.text)),
        cors_origins: origins(table),
        request_body_bytes_max: bytes(table, "request-body-bytes-max", default.request_body_bytes_max),
        entry_bytes_max: bytes(table, "entry-bytes-max", 1 << 20),
        limits: limits(table),
    }
}

fn host(table: &Table<'_>) -> String {
    let host = table.text("host").unwrap_or(Text { text: "*".to_owned(), span: table.span() });
    let lower = host.text.to_ascii_lowercase();
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'[' | b']');
    let bracketed = lower.starts_with('[') && lower.ends_with(']');
    let name = lower.bytes().all(good) && !lower.is_empty();
    if lower != "*" && !name && !bracketed {
        let message = format!("`host`: `{}` is not a name without port, nor `*`", host.text);
        table.reader().fault(host.span, message, None);
    }
    lower.trim_end_matches('.').to_owned()
}

fn prefix(table: &Table<'_>) -> String {
    let Some(path) = table.text("path") else { return String::new() };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~');
    let segments = path.text.trim_matches('/').split('/').all(|segment| !matches!(segment, "." | ".."));
    if !path.text.starts_with('/') || !path.text.bytes().all(plain) || path.text.contains("//") || !segments {
        let message = format!("`path`: `{}` is not a plain path such as `/fhir`", path.text);
        table.reader().fault(path.span, message, None);
    }
    path.text.trim_end_matches('/').to_owned()
}

fn public_origin(table: &Table<'_>) -> String {
    let Some(origin) = table.text("public-origin") else { return String::new() };
    if !is_origin(&origin.text) {
        let message = format!("`public-origin`: `{}` is not an origin such as `https://api.example`", origin.text);
        table.reader().fault(origin.span, message, None);
    }
    origin.text
}

fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '*', '@', '?', '#', ' ']))
}

fn origins(table: &Table<'_>) -> Vec<String> {
    let mut origins = Vec::new();
    for origin in table.texts("cors-origins") {
        if !is_origin(&origin.text) {
            let message = format!("`cors-origins`: `{}` is not an origin such as `https://app.example`", origin.text);
            table.reader().fault(origin.span.clone(), message, None);
        }
        origins.push(origin.text);
    }
    origins
}

/// What `request-body-bytes-max` and `entry-bytes-max` may be, in bytes.
pub const HELD_BYTES: RangeInclusive<usize> = 1024..=256 << 20;

fn bytes(table: &Table<'_>, key: &'static str, default: usize) -> usize {
    number(table, "site", key, *HELD_BYTES.start(), *HELD_BYTES.end(), default)
}

fn limits(table: &Table<'_>) -> UpstreamLimits {
    let mut limits = UpstreamLimits::default();
    let Some(table) = table.table("limits") else { return limits };
    let UpstreamLimits {
        connect_ms,
        first_byte_ms,
        idle_ms,
        total_ms,
        header_bytes_max,
        header_count_max,
        decoded_bytes_max,
        decoded_ratio_max,
    } = &mut limits;
    const HOUR_MS: u32 = 3_600_000;
    let keys: [(&mut u32, &'static str, u32, u32); 7] = [
        (connect_ms, "connect-ms", 1, HOUR_MS),
        (first_byte_ms, "first-byte-ms", 1, HOUR_MS),
        (idle_ms, "idle-ms", 1, HOUR_MS),
        (total_ms, "total-ms", 1, 24 * HOUR_MS),
        (header_bytes_max, "header-bytes-max", 8192, 1 << 20),
        (header_count_max, "header-count-max", 8, 1000),
        (decoded_ratio_max, "decoded-ratio-max", 2, 2000),
    ];
    for (limit, key, from, to) in keys {
        *limit = number(&table, "site.limits", key, from, to, *limit);
    }
    *decoded_bytes_max = number(&table, "site.limits", "decoded-bytes-max", 1 << 10, 1 << 50, *decoded_bytes_max);
    table.finish();
    limits
}
