//! Which spellings are one value? Made one before a pseudonym is made of it, or one person becomes two.
//!
//! In this order: marks that show nothing are left out (variation selectors: 葛 is one name in whichever of its shapes; zero
//! width characters); NFKC (width, composition, `㈱`); dashes are one, and `ー` between digits is one of them; white space is
//! one blank, and none at either end. Case counts, as FHIR has it of identifiers, save where a system is known not to care.
//! Kana and kanji of one name are two values: the person is one by the pseudonym of his id.

use unicode_normalization::UnicodeNormalization;

use super::is_dash;

/// The one spelling of a value.
pub(in crate::redact) fn canonical(value: &str) -> String {
    let shown = value.chars().filter(|c| !is_unseen(*c));
    let folded: Vec<char> = shown.nfkc().map(|c| if is_dash(c) { '-' } else { c }).collect();
    let mut text = String::with_capacity(value.len());
    let mut blank = false;
    for (at, c) in folded.iter().enumerate() {
        if c.is_whitespace() {
            blank = !text.is_empty();
            continue;
        }
        if std::mem::take(&mut blank) {
            text.push(' ');
        }
        let beside = |at: Option<usize>| at.and_then(|at| folded.get(at)).is_some_and(char::is_ascii_digit);
        let dash = *c == 'ー' && beside(at.checked_sub(1)) && beside(at.checked_add(1));
        text.push(if dash { '-' } else { *c });
    }
    text
}

/// A value and the system that it is unique in, as one: no two pairs read alike.
pub(in crate::redact) fn identified(system: &str, value: &str) -> String {
    let (system, mut value) = (canonical(system), canonical(value));
    // UUIDs and OIDs (RFC 3986 as FHIR names it) are the same in either case.
    let lower = value.to_ascii_lowercase();
    if system.eq_ignore_ascii_case("urn:ietf:rfc:3986")
        && (lower.starts_with("urn:uuid:") || lower.starts_with("urn:oid:"))
    {
        value = lower;
    }
    format!("{}:{system}|{value}", system.len())
}

/// Zero width characters, soft hyphens, variation selectors, byte order marks.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{180B}'..='\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0100}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_value_in_many_spellings_is_one() {
        for (one, other) in [
            ("ガ１２", " ｶﾞ12　"),
            ("山田　太郎", "山田 太郎"),
            ("葛\u{E0100}城", "葛城"),
            ("０３−１２３４", "03-1234"),
            ("03ー1234", "03-1234"),
            ("\u{FEFF}A-1", "Ａ‐1"),
            ("㈱関所", "(株)関所"),
        ] {
            assert_eq!(canonical(one), canonical(other), "{one} {other}");
        }
        for (one, other) in
            [("ab", "AB"), ("ヤマダ", "やまだ"), ("高", "髙"), ("スーパー", "ス-パ-"), ("1 2", "12"), ("01", "1")]
        {
            assert_ne!(canonical(one), canonical(other), "{one} {other}");
        }
    }

    #[test]
    fn a_value_is_told_apart_by_its_system() {
        assert_ne!(identified("urn:a", "1"), identified("urn:b", "1"));
        assert_ne!(identified("a|b", "c"), identified("a", "b|c"));
        assert_eq!(identified("http://x ", "１"), identified("http://x", "1"));
        let uuid = "urn:uuid:6BA7B810-9DAD-11D1-80B4-00C04FD430C8";
        assert_eq!(identified("urn:ietf:rfc:3986", uuid), identified("urn:ietf:rfc:3986", &uuid.to_lowercase()));
        assert_ne!(identified("http://x", "a"), identified("http://x", "A"));
    }

    fn wide(text: &str) -> String {
        let widen = |c: char| match c {
            '!'..='~' => char::from_u32(u32::from(c) + 0xFEE0).unwrap_or(c),
            ' ' => '\u{3000}',
            c => c,
        };
        text.chars().map(widen).collect()
    }

    proptest! {
        #[test]
        fn twice_is_once(text in "\\PC{0,30}") {
            let once = canonical(&text);
            prop_assert_eq!(canonical(&once), once);
        }

        #[test]
        fn width_and_outer_space_do_not_matter(text in "[ -~]{0,30}") {
            prop_assert_eq!(canonical(&wide(&text)), canonical(&text));
            prop_assert_eq!(canonical(&format!("　 {text}\t")), canonical(&text));
        }

        #[test]
        fn different_ascii_words_stay_different(one in "[!-~]{1,20}", other in "[!-~]{1,20}") {
            prop_assert_eq!(canonical(&one) == canonical(&other), one == other);
        }

        #[test]
        fn pairs_do_not_run_together(a in "[a-z|:0-9]{0,6}", b in "[a-z|:0-9]{0,6}", c in "[a-z|:0-9]{0,6}", d in "[a-z|:0-9]{0,6}") {
            prop_assert_eq!(identified(&a, &b) == identified(&c, &d), (a, b) == (c, d));
        }
    }
}
