//! Could a search spell an Individual Number that is stopped in its answer?
//!
//! The field is clear and what stands in it is not: whoever searches it by its beginning learns digit after digit from which
//! records come back. What compares so is told by the catalogue ([`Comparison`]); a comparison counts that holds a digit, or, where whole
//! values are compared, is an Individual Number itself; an order of texts always does.
//! * Where each record of the answer shows what was compared, one in which a number was stopped among it is dropped as if it had
//!   not been found ([`spelled`], [`Judge::spelled`](crate::redact::Judge::spelled)). What was stopped in free text is among it where
//!   free text is compared ([`spells_free_text`]); elsewhere the record stays, without the number.
//! * Where it does not, the parameter is refused by name ([`refuse_unshown`]), whatever is there.

use http::StatusCode;

use super::refusal::Problem;
use crate::catalogue::{Comparison, How, Resolved};
use crate::policy::Categories;
use crate::redact::{holds_digit, means_individual_number};

/// What is compared so that an Individual Number among it could be spelt.
pub(super) fn spelled(comparisons: &[Comparison]) -> Categories {
    // Where nobody's data is compared a number may stand all the same: it is stopped whatever it was taken for.
    let among = |one: &Comparison| if one.categories.is_empty() { Categories::ALL } else { one.categories };
    comparisons.iter().filter(|one| spells(one)).fold(Categories::NONE, |set, one| set.or(among(one)))
}

/// Whether free text is among it.
pub(super) fn spells_free_text(comparisons: &[Comparison]) -> bool {
    comparisons.iter().any(|one| one.free_text && spells(one))
}

/// A comparison that could spell, of what the answer does not show.
pub(super) fn refuse_unshown(resolved: &Resolved<'_>) -> Option<Problem> {
    let unshown = |one: &&Comparison| !one.shown && spells(one);
    resolved.comparisons.iter().find(unshown).filter(|_| !resolved.route.is_open()).map(refused)
}

/// The same of a search of which nothing is answered.
pub(super) fn refuse_any(resolved: &Resolved<'_>) -> Option<Problem> {
    resolved.comparisons.iter().find(|one| spells(one)).map(refused)
}

fn refused(one: &Comparison) -> Problem {
    let what = match one.how {
        How::Order => "texts are put in order only where the answer shows them whole, and brings no other records",
        How::Part => {
            "digits are compared with texts only where the answer shows these whole, and brings no other records"
        }
        How::Whole => "this might be an Individual Number, which is compared only where the answer shows with what",
    };
    let detail = format!("query parameter `{}`: {what}", one.parameter);
    let mut problem = Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", detail);
    problem.names.push(("parameters", vec![one.parameter.clone()]));
    problem
}

fn spells(one: &Comparison) -> bool {
    // `\` takes from a sign its meaning and shows nothing, or of DICOM stands between values.
    let escaped = || one.value.replace('\\', "");
    match one.how {
        How::Order => true,
        How::Part => holds_digit(&one.value),
        How::Whole => {
            let means = |text: &str| text.split([',', '$', '\\']).any(means_individual_number);
            means(&one.value) || means(&escaped())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(how: How, value: &str) -> bool {
        let (parameter, value) = ("p".to_owned(), value.to_owned());
        spells(&Comparison { parameter, value, categories: Categories::ALL, free_text: true, how, shown: true })
    }

    #[test]
    fn a_digit_of_any_script_spells_and_a_numeral_in_a_name_does_not() {
        for digits in ["1", "山田1", "１", "①", "²", "½", "㉑", "١", "१", "❶", "x,9", "\u{1CCF1}", "〡", "Ⅷ8"]
        {
            assert!(told(How::Part, digits), "{digits}");
        }
        // Kanji numerals spell where a word is nothing else: in a value that is a number there is no letter.
        for digits in
            ["一", "一二三", "三*", "*四?", "山田,五", "五十嵐 一", "一－二", "〇", "㊀", "壱", "\u{200B}三\u{FE00}"]
        {
            assert!(told(How::Part, digits), "{digits}");
        }
        for words in ["", "山田", "三浦", "五十嵐一郎", "三浦*", "十", "%_*?", "-", "　", "x,y"] {
            assert!(!told(How::Part, words), "{words}");
        }
        assert!(told(How::Order, ""));
    }

    #[test]
    fn a_whole_value_spells_only_where_it_is_a_number() {
        for number in [
            "123456789018",
            "１２３４－５６７８－９０１８",
            "a,123456789018",
            "|123456789018",
            "mrn|123456789018",
            "http://s|MR|123456789018",
            "1234\\56789018",
            "a\\123456789018",
            "x$123456789018",
            "一二三四五六七八九〇一八",
            "mrn|壱弐参四伍六七八九零壱八",
        ] {
            assert!(told(How::Whole, number), "{number}");
        }
        for other in ["123456789017", "12345", "http://s|123456789018", "urn:oid:1.2|123456789018", "718-7", ""] {
            assert!(!told(How::Whole, other), "{other}");
        }
    }
}
