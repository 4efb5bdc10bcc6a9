//! A record as a message of RFC 5424: facility 13 (log audit), `MSGID` the record's kind, the line as it is as the message.

use super::super::entry::Entry;

/// `<PRI>1 TIME HOST APP PROCID MSGID SD MSG`, without framing. The host is the node, as far as RFC 5424 lets it be one.
pub(super) fn message(entry: &Entry<'_>, line: &[u8]) -> Vec<u8> {
    // 5: notice, what somebody should see; 6: informational.
    let severity = match &*entry.kind {
        "refusal" | "strangers" | "administrative" => 5,
        "end" if entry.outcome.as_deref() != Some("completed") => 5,
        _ => 6,
    };
    let host: String = entry.node.chars().filter(char::is_ascii_graphic).collect();
    let head = format!("<{}>1 {} {host} sekisho - {} - ", FACILITY * 8 + severity, entry.time, entry.kind);
    let mut message = head.into_bytes();
    message.extend_from_slice(line);
    message
}

/// Log audit.
pub(crate) const FACILITY: u32 = 13;
