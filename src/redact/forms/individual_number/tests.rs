//! The spellings of an Individual Number, and what is none.

use super::super::super::slice::Finder;
use super::*;
use proptest::prelude::*;

fn hit(value: &str) -> bool {
    is_individual_number(&serde_json::to_vec(value).unwrap())
}

/// By the ordinance's own words, digit by digit.
fn by_the_book(digits: &str) -> u8 {
    let p = |n: usize| u32::from(digits.as_bytes()[11 - n] - b'0');
    let q = |n: usize| u32::try_from(if n <= 6 { n + 1 } else { n - 5 }).unwrap();
    let remainder = (1..=11).map(|n| p(n) * q(n)).sum::<u32>() % 11;
    if remainder <= 1 { 0 } else { u8::try_from(11 - remainder).unwrap() }
}

/// A string's token, every unit of it as an escape where `escaped`.
fn token(value: &str, escaped: bool) -> String {
    if !escaped {
        return serde_json::to_string(value).unwrap();
    }
    format!("\"{}\"", value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>())
}

#[test]
fn a_number_is_known_however_it_is_spelt() {
    for good in [
        "123456789018",
        "1234 5678 9018",
        "1234-5678-9018",
        "１２３４５６７８９０１８",
        "1234－5678－9018",
        " 123456789018　",
        "1234ー5678−9018",
        "①②③④５６７８９０１８",
        "1234 - 5678 - 9018",
        "1234 56789018",
        "12-3456789018",
        "1234-5678-901-8",
        "\u{FEFF}123456789018",
        "1234\u{200B}5678\u{2060}9018\u{AD}",
        "1\u{FE0F}\u{20E3}23456789018",
        "١٢٣٤٥٦٧٨٩٠١٨",
        "१२३४५६७८९०१८",
        "❶❷❸④⑤⑥⑦⑧⑨0①⑧",
        "1234\u{1680}5678\u{3164}9018",
        "1234ｰ5678〜9018",
        "一二三四五六七八九〇一八",
        "一二三四　五六七八　九〇一八",
        "壱弐参四－伍六七八－九零壱八",
        "壹貳參肆伍陸漆捌玖零一八",
        "弌弍弎肆五陆柒8９〇①八",
        "㊀㆓㆔四五六七八九〇一八",
        "⼀⼆三四五六七⼋九〇一八",
        "一二三四五六七八九○一八",
        "１２３４５６７８９◯１８",
        "❶❷❸❹❺❻❼❽❾⓿❶❽",
        "一二叄四五六桼八九〇一八",
        "1234\u{384}5678\u{385}9018",
    ] {
        assert!(hit(good), "{good}");
    }
    assert!(is_individual_number(br#""\u0031\u0032\u0033456789018""#));
    for bad in [
        "123456789017",
        "12345678901",
        "1234567890180",
        "1234_5678_9018",
        "A123456789018",
        "123456789018 です",
        "1234.5678.9018",
        "",
        "            ",
        "---------------",
        "一二三四五六七八九〇一七",
        "一二三四五六七八九〇一",
        "一二三四五六七八九〇一八番",
        "百二三四五六七八九〇一八",
        "二十三番地四丁目五十六号七",
        "三浦一郎五十嵐二三四五六",
        "四月一日五六七八九",
        "○○○○○○○○○○○○",
    ] {
        assert!(!hit(bad), "{bad}");
    }
}

#[test]
fn a_container_is_looked_through_to_its_end_and_not_beyond() {
    for quiet in [r#"{"a":["b",{"c":"\\\"]"}],"n":123456789018}"123456789018""#, "[]", "[[]]", r#"["12345678901"]"#] {
        assert!(Finder::new().no_string(quiet.as_bytes(), may_hold_number), "{quiet}");
    }
    let loud =
        [r#"["123456789018"]"#, r#"{"a":{"b":"1234 5678 9018"}}"#, r#"{"a":["b""#, "[[]", "", r#"["a"#, r#""a""#];
    for loud in loud.into_iter().chain([r#"["\u0031\u0032\u0033456789018"]"#]) {
        assert!(!Finder::new().no_string(loud.as_bytes(), may_hold_number), "{loud}");
    }
}

proptest! {
    #[test]
    fn the_check_digit_is_the_ordinances(digits in "[0-9]{11}") {
        let check = by_the_book(&digits);
        for last in 0..10 {
            prop_assert_eq!(hit(&format!("{digits}{last}")), last == check);
        }
    }

    /// Whatever shows nothing, blanks and dashes, anywhere; digits of any script.
    #[test]
    fn a_number_is_seen_through_any_marks(
        digits in "[0-9]{11}",
        marks in proptest::collection::vec(
            "[\\p{Pd}\\p{Z}\\t\\n\\x00\u{2212}\u{30FC}\u{FF70}\u{FEFF}\u{200B}-\u{200F}\u{2060}\u{AD}\u{FE00}-\u{FE0F}\u{E0100}-\u{E01EF}\u{1680}]{0,4}",
            13,
        ),
        script in "\\p{Nd}",
        blanks in 0..600usize,
        escaped in any::<bool>(),
    ) {
        let number = format!("{digits}{}", by_the_book(&digits));
        let from_zero = number.chars().map(|c| digit(c).unwrap());
        let zero = digit(script.chars().next().unwrap()).unwrap();
        let zero = u32::from(script.chars().next().unwrap()) - u32::from(zero);
        let spelt: Vec<char> = from_zero.map(|digit| char::from_u32(zero + u32::from(digit)).unwrap()).collect();
        let mut text = format!("{}{}", marks[12], " ".repeat(blanks));
        for (mark, digit) in marks.iter().zip(&spelt) {
            text.push_str(mark);
            text.push(*digit);
        }
        let raw = token(&text, escaped);
        prop_assert!(is_individual_number(raw.as_bytes()), "{:?}", text);
        let mut cuts = (1..raw.len()).step_by(1 + raw.len() / 40);
        prop_assert!(cuts.all(|cut| may_become_number(&raw.as_bytes()[..cut])), "{:?}", text);
        let fewer: String = text.chars().filter(|c| *c != spelt[3] || digit(*c).is_none()).collect();
        prop_assert!(!is_individual_number(token(&fewer, escaped).as_bytes()), "{:?}", fewer);
    }

    #[test]
    fn what_goes_on_in_words_becomes_none(blank in "[ 　\u{200B}0-9]{0,300}", word in "[a-z山田ガ十]{1,9}") {
        let raw = format!("\"{blank}{word}{}", " ".repeat(30));
        prop_assert!(!may_become_number(raw.as_bytes()), "{}", raw);
    }

    #[test]
    fn a_number_in_kanji_is_seen_and_no_other(digits in "[0-9]{11}", shapes in proptest::collection::vec(0..6usize, 12), last in 0u8..10, escaped in any::<bool>()) {
        const SHAPES: [&str; 10] = ["〇零０", "一壱壹弌1", "二弐貳", "三参參", "四肆", "五伍", "六陸", "七漆柒", "八捌", "九玖"];
        let spelt = |text: &str| -> String {
            let one = |(digit, shape): (char, &usize)| {
                let shapes: Vec<char> = SHAPES[digit.to_digit(10).unwrap() as usize].chars().collect();
                shapes[shape % shapes.len()]
            };
            text.chars().zip(&shapes).map(one).collect()
        };
        let raw = token(&spelt(&format!("{digits}{last}")), escaped);
        let check = by_the_book(&digits);
        prop_assert_eq!(is_individual_number(raw.as_bytes()), last == check, "{}", raw);
        let mut cuts = 1..raw.len();
        prop_assert!(last != check || cuts.all(|cut| may_become_number(&raw.as_bytes()[..cut])), "{}", raw);
    }

    #[test]
    fn the_quick_look_never_says_no_to_one(digits in "[0-9]{11}", wide in any::<bool>(), dashes in any::<bool>()) {
        let mut text = format!("{digits}{}", by_the_book(&digits));
        if dashes {
            text = format!("{}-{}-{}", &text[..4], &text[4..8], &text[8..]);
        }
        if wide {
            text = text.chars().map(|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap()).collect();
        }
        prop_assert!(hit(&text), "{}", text);
    }
}
