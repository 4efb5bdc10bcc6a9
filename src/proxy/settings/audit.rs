//! `[audit]`: how long the log is kept, within which room, and where else its checkpoints and records go.

use std::path::{Path, PathBuf};

use crate::audit;
use crate::audit::export::Format;
use crate::policy::reader::{Table, Text};

use super::limits;
use crate::proxy::mirror::Place;

/// What the table says.
pub(super) struct AuditSettings {
    pub(super) options: audit::Options,
    pub(super) alarm_percent: u64,
    pub(super) mirrors: MirrorSettings,
    pub(super) sinks: Vec<SinkSettings>,
}

/// Where checkpoints of the log go.
#[derive(Clone, Debug, Default)]
pub struct MirrorSettings {
    /// Each of them gets every newest one.
    pub places: Vec<Place>,
    /// Whom to believe for `https`; the Web's authorities where none is named.
    pub root: Option<PathBuf>,
}

/// `[[audit.sink]]`: one place that records are sent to as they come.
#[derive(Clone, Debug)]
pub struct SinkSettings {
    /// Its name: of metrics, and of the file that says where it stands.
    pub name: String,
    /// In whose words.
    pub format: Format,
    /// Where to.
    pub place: Place,
    /// A file whose first line is a field for each `POST`.
    pub header_file: Option<PathBuf>,
    /// Whom to believe for `https`; the Web's authorities where none is named.
    pub root: Option<PathBuf>,
}

pub(super) fn read(root: &Table<'_>, folder: &Path) -> AuditSettings {
    let (mut mirrors, mut sinks) = (MirrorSettings::default(), Vec::new());
    let node = root.text("node").map_or_else(|| "gate".to_owned(), |node| node.text);
    if node.is_empty() || node.len() > 64 || !node.bytes().all(|b| b.is_ascii_graphic()) {
        root.reader().fault(
            root.span_of("node"),
            format!("`node`: `{node}` is not 1 to 64 visible ASCII letters"),
            None,
        );
    }
    let mut options = audit::Options { node, ..audit::Options::default() };
    let mut alarm_percent = 80;
    if let Some(table) = root.table("audit") {
        let audit::Options { node: _, segment_bytes, segment_ms, retention_ms, disk_bytes_max, reserve_bytes } =
            &mut options;
        *segment_ms = HOUR_MS * limits::number(&table, "audit", "segment-hours", 1, 8784, *segment_ms / HOUR_MS);
        let days = retention_ms.map_or(RETENTION_DAYS_MAX, |kept_ms| kept_ms / DAY_MS);
        let days = limits::number(&table, "audit", "retention-days", RETENTION_DAYS_MIN, RETENTION_DAYS_MAX, days);
        *retention_ms = Some(days * DAY_MS);
        alarm_percent = limits::number(&table, "audit", "alarm-percent", 1, 100, alarm_percent);
        *segment_bytes = limits::number(&table, "audit", "segment-bytes", 1 << 20, 1 << 40, *segment_bytes);
        *disk_bytes_max = limits::number(&table, "audit", "disk-bytes-max", 4 << 20, 1 << 50, *disk_bytes_max);
        *reserve_bytes = limits::number(&table, "audit", "reserve-bytes", 1 << 16, 1 << 40, *reserve_bytes);
        if *reserve_bytes > *disk_bytes_max / 2 {
            let message = format!("`audit.reserve-bytes`: `{reserve_bytes}` is more than half of `disk-bytes-max`");
            table.reader().fault(table.span_of("reserve-bytes"), message, None);
        }
        mirrors = mirror_settings(&table, folder);
        sinks = sink_settings(&table, folder);
        table.finish();
    }
    AuditSettings { options, alarm_percent, mirrors, sinks }
}

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Three years of 365.25 days: records of provision (APPI art. 29 and 30, rules art. 21).
const RETENTION_DAYS_MIN: u64 = 1096;
const RETENTION_DAYS_MAX: u64 = 36_525;

fn mirror_settings(table: &Table<'_>, folder: &Path) -> MirrorSettings {
    let mut places = Vec::new();
    for text in table.texts("checkpoints-to") {
        places.extend(place(table, "audit.checkpoints-to", &text, folder));
    }
    MirrorSettings { places, root: table.text("checkpoints-root").map(|root| folder.join(root.text)) }
}

fn sink_settings(table: &Table<'_>, folder: &Path) -> Vec<SinkSettings> {
    let mut sinks: Vec<SinkSettings> = Vec::new();
    for sink in table.tables("sink") {
        let name = sink.required("name");
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=32).contains(&name.text.len()) || !name.text.bytes().all(is_name) {
            let message = format!("`audit.sink.name`: `{}` is not 1 to 32 of a-z, 0-9 and -", name.text);
            sink.reader().fault(name.span.clone(), message, None);
        } else if sinks.iter().any(|known| known.name == name.text) {
            let message = format!("`audit.sink.name`: `{}` is there twice: each has a position of its own", name.text);
            sink.reader().fault(name.span.clone(), message, None);
        }
        let format = sink.required("format");
        let parsed = format.text.parse::<Format>();
        if let Err(message) = &parsed {
            sink.reader().fault(format.span.clone(), format!("`audit.sink.format`: {message}"), None);
        }
        let to = sink.required("to");
        let place = place(&sink, "audit.sink.to", &to, folder);
        let below = |key| sink.text(key).map(|path| folder.join(path.text));
        let (header_file, root) = (below("header-file"), below("root"));
        if let (Ok(format), Some(place)) = (parsed, place) {
            if matches!(place, Place::Syslog { .. }) && format != Format::Syslog {
                let message = format!("`audit.sink.format`: a collector of syslog takes `syslog`, not `{format}`");
                sink.reader().fault(sink.span_of("format"), message, None);
            }
            sinks.push(SinkSettings { name: name.text, format, place, header_file, root });
        }
        sink.finish();
    }
    sinks
}

fn place(table: &Table<'_>, name: &str, text: &Text, folder: &Path) -> Option<Place> {
    let place = Place::read(&text.text, folder);
    if place.is_none() {
        let message = format!(
            "`{name}`: `{}` is not `file:PATH`, `https://…`, `syslog://HOST:PORT` or `syslog+tcp://HOST:PORT`",
            text.text
        );
        let help = "`http` is taken for loopback addresses only; no user and password".to_owned();
        table.reader().fault(text.span.clone(), message, Some(help));
    }
    place
}
