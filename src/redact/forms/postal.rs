//! Where, roughly, does a Japanese postal code lie?

use super::{digits, is_dash};

/// The first three digits of a postal code: `105-0012`, `1050012`, with `〒` or in full width too.
pub(super) fn first_three(value: &str) -> Option<String> {
    let narrow: String = value
        .strip_prefix('〒')
        .unwrap_or(value)
        .trim()
        .chars()
        .map(|c| match c {
            '０'..='９' => char::from_u32(u32::from(c) - u32::from('０') + u32::from('0')).unwrap_or(c),
            'ー' => '-',
            c if is_dash(c) => '-',
            c => c,
        })
        .collect();
    let (first, rest) = match narrow.split_once('-') {
        Some(parts) => parts,
        None => narrow.split_at_checked(3)?,
    };
    (first.len() == 3 && rest.len() == 4 && digits(first) && digits(rest)).then(|| first.to_owned())
}
