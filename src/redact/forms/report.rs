//! Which names may a report show? Those of fields, never those that are data.

/// Whether `raw` is a number of digits only.
pub(in crate::redact) fn is_digits(raw: &[u8]) -> bool {
    !raw.is_empty() && raw.iter().all(u8::is_ascii_digit)
}

/// Appends a segment to a pointer for a report: its name, or `*` for an element and for a name that looks like data.
pub(in crate::redact) fn push_segment(path: &mut Vec<u8>, key: Option<&[u8]>) {
    path.push(b'/');
    match key {
        Some(name) if !looks_like_data(name) => {
            for byte in name {
                match byte {
                    b'~' => path.extend_from_slice(b"~0"),
                    b'/' => path.extend_from_slice(b"~1"),
                    0x00..0x20 | 0x7F => path.push(b'?'),
                    _ => path.push(*byte),
                }
            }
        }
        _ => path.push(b'*'),
    }
}

/// A name is data in a map keyed by ids, dates or addresses: long, with `@`, or with three digits or more.
fn looks_like_data(name: &[u8]) -> bool {
    name.len() > 64 || name.contains(&b'@') || name.iter().filter(|b| b.is_ascii_digit()).count() >= 3
}
