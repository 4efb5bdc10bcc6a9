//! Which names may a report show? Those of fields, never those that are data.

/// Whether `raw` is a number of digits only.
pub(in crate::redact) fn is_digits(raw: &[u8]) -> bool {
    !raw.is_empty() && raw.iter().all(u8::is_ascii_digit)
}

/// Appends a segment to a pointer for a report: its name, or `*` for an element and for a name that looks like data.
pub(in crate::redact) fn push_segment(path: &mut Vec<u8>, key: Option<&[u8]>) {
    path.push(b'/');
    match key {
        Some(name) if looks_like_a_field(name) => path.extend_from_slice(name),
        _ => path.push(b'*'),
    }
}

/// Names in a map keyed by persons, ids, dates or addresses are data: what is not plain, but for two digits.
fn looks_like_a_field(name: &[u8]) -> bool {
    let digits = name.iter().filter(|b| b.is_ascii_digit()).count();
    let plain = name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    plain && digits <= 2 && (1..=64).contains(&name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_may_be_a_persons_or_a_number_is_not_reported() {
        let told = |name: &str| {
            let mut path = Vec::new();
            push_segment(&mut path, Some(name.as_bytes()));
            String::from_utf8_lossy(&path).into_owned()
        };
        for name in ["birthDate", "_birthDate", "given-name", "line2", "a10"] {
            assert_eq!(told(name), format!("/{name}"));
        }
        for name in ["山田花子", "O'Brien", "a@b", "123", "a/b", "a~b", "a b", "", "x\n", &"x".repeat(65)] {
            assert_eq!(told(name), "/*", "{name}");
        }
    }
}
