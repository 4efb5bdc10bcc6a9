//! How is one value made less? Generalised values, pseudonymous references, and names fit for a report.

use crate::catalogue::fields::Generaliser;

use super::plan::LinkRewriter;
use super::prefecture;
use super::pseudonym::Pseudonymiser;

/// The coarser value; `None` where the input is not exactly of a known form.
pub(super) fn generalise(how: Generaliser, value: &str) -> Option<String> {
    match how {
        Generaliser::Year => year(value).map(str::to_owned),
        Generaliser::Decade => year(value).and_then(|year| year.get(..3)).map(|three| format!("{three}0")),
        Generaliser::Prefecture => prefecture::of_address(value).map(str::to_owned),
        Generaliser::Postal3 => postal3(value),
    }
}

/// The year of an ISO 8601 date: `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, or that with a time after `T`.
fn year(value: &str) -> Option<&str> {
    let (date, time) = value.split_once('T').map_or((value, None), |(date, time)| (date, Some(time)));
    let mut parts = date.split('-');
    let year = parts.next().filter(|y| y.len() == 4 && digits(y) && *y != "0000")?;
    let (month, day) = (parts.next(), parts.next());
    let in_range =
        |part: &str, max: u8| part.len() == 2 && digits(part) && part.parse::<u8>().is_ok_and(|n| 0 < n && n <= max);
    let shape = month.is_none_or(|m| in_range(m, 12)) && day.is_none_or(|d| in_range(d, 31)) && parts.next().is_none();
    let timed = time.is_none_or(|time| day.is_some() && is_time(time));
    (shape && timed).then_some(year)
}

/// `hh:mm`, seconds and a fraction if given, and a zone if given.
fn is_time(time: &str) -> bool {
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let zone_fits = match zone.strip_prefix(['+', '-']) {
        Some(offset) => two_digits(offset, 2..=2),
        None => zone.is_empty() || zone == "Z",
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    zone_fits && digits(fraction) && two_digits(clock, 2..=3)
}

/// Groups of two digits between colons.
fn two_digits(text: &str, groups: std::ops::RangeInclusive<usize>) -> bool {
    text.split(':').all(|part| part.len() == 2 && digits(part)) && groups.contains(&text.split(':').count())
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The first three digits of a Japanese postal code: `105-0012`, `1050012`, with `〒` or in full width too.
fn postal3(value: &str) -> Option<String> {
    let narrow: String = value
        .strip_prefix('〒')
        .unwrap_or(value)
        .trim()
        .chars()
        .map(|c| match c {
            '０'..='９' => char::from_u32(u32::from(c) - u32::from('０') + u32::from('0')).unwrap_or(c),
            '－' | '−' | '‐' | '‑' | '–' | 'ー' => '-',
            c => c,
        })
        .collect();
    let (first, rest) = match narrow.split_once('-') {
        Some(parts) => parts,
        None => narrow.split_at_checked(3)?,
    };
    (first.len() == 3 && rest.len() == 4 && digits(first) && digits(rest)).then(|| first.to_owned())
}

/// An id, or the id in a reference, as a pseudonym: the same id gives the same pseudonym in every shape.
///
/// `id`, `Type/id` (a version after it is left out), `#id`, `urn:uuid:…`; an absolute URL ending in `Type/id` where
/// links can be rewritten to lead to the gate. Anything else, and any URL with a query, is withheld.
pub(super) fn pseudonymous_reference(
    pseudonyms: &dyn Pseudonymiser,
    links: Option<&dyn LinkRewriter>,
    value: &str,
) -> Option<String> {
    if let Some(uuid) = value.strip_prefix("urn:uuid:") {
        return Some(format!("urn:uuid:{}", pseudonyms.uuid(uuid)?));
    }
    if value.contains(['?', '%', '\\']) {
        return None;
    }
    if let Some(local) = value.strip_prefix('#') {
        return Some(format!("#{}", pseudonyms.id(local)?));
    }
    let path = value.split_once("/_history/").map_or(value, |(path, _)| path);
    if let Some((_, after_scheme)) = path.split_once("://") {
        let (base, id) = path.rsplit_once('/')?;
        // Host, type and id: a host alone is no type.
        let resource_type = base.rsplit_once('/').filter(|_| after_scheme.matches('/').count() >= 2)?.1;
        let rewritten = is_type(resource_type).then(|| pseudonyms.id(id)).flatten()?;
        return links?.rewrite(&format!("{base}/{rewritten}"));
    }
    match path.split_once('/') {
        None if value.contains(':') && value.starts_with("urn") => None,
        None => pseudonyms.id(path),
        Some((resource_type, id)) if is_type(resource_type) && !id.contains('/') => {
            Some(format!("{resource_type}/{}", pseudonyms.id(id)?))
        }
        Some(_) => None,
    }
}

/// A type or collection: letters, so that it holds no one's data.
fn is_type(segment: &str) -> bool {
    (2..=64).contains(&segment.len()) && segment.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_'))
}

/// Whether `raw` is a number of digits only.
pub(super) fn is_digits(raw: &[u8]) -> bool {
    !raw.is_empty() && raw.iter().all(u8::is_ascii_digit)
}

/// Whether an unforeseen name looks like a field's name rather than like data: ASCII letters, `_` and `-`, not long.
pub(super) fn is_plain_name(name: &[u8]) -> bool {
    name.len() <= 64 && name.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'-'))
}

/// Appends a segment to a pointer for a report: its name, or `*` for an element and for a name that looks like data.
pub(super) fn push_segment(path: &mut Vec<u8>, key: Option<&[u8]>) {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn only_dates_of_a_known_form_become_years() {
        for good in [
            "1987",
            "1987-05",
            "1987-05-02",
            "1987-05-02T10:00:00+09:00",
            "1987-05-02T10:00Z",
            "1987-05-02T10:00:00.5Z",
        ] {
            assert_eq!(generalise(Generaliser::Year, good).as_deref(), Some("1987"), "{good}");
            assert_eq!(generalise(Generaliser::Decade, good).as_deref(), Some("1980"), "{good}");
        }
        for bad in [
            "",
            "87",
            "19870502",
            "1987/05/02",
            "昭和62年",
            "1987-13",
            "1987-05-32",
            "1987-05-02 taro",
            "1987-05-02T",
            "1987-5-2",
            "0000",
            "１９８７",
            "1987-",
            "1987-05T10:00",
            "1987-05-02T10",
            "1987-05-02T10:00+0900",
            "+987",
        ] {
            assert_eq!(generalise(Generaliser::Year, bad), None, "{bad}");
        }
    }

    #[test]
    fn only_postal_codes_become_three_digits() {
        for good in ["105-0012", "1050012", "〒105-0012", "〒 105-0012", "１０５－００１２", "１０５００１２"]
        {
            assert_eq!(generalise(Generaliser::Postal3, good).as_deref(), Some("105"), "{good}");
        }
        for bad in ["", "105", "105-001", "10-50012", "105-0012 港区", "abc-defg", "105-00123", "10500123"] {
            assert_eq!(generalise(Generaliser::Postal3, bad), None, "{bad}");
        }
    }
}
