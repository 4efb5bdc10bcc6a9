//! In which of Japan's 47 prefectures is an address?

use super::forms::is_dash;

/// The prefectures by their full names, in the order of their codes (JIS X 0401).
const NAMES: [&str; 47] = [
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
];

/// The prefecture that an address begins with, after a postal code if there is one.
///
/// Only full names count: a town's name inside an address may be another prefecture's.
pub(super) fn of_address(address: &str) -> Option<&'static str> {
    let digit_or_dash =
        |c: char| c.is_ascii_digit() || ('０'..='９').contains(&c) || matches!(c, '〒' | 'ー') || is_dash(c);
    let rest = address.trim_start_matches(|c: char| c.is_whitespace() || digit_or_dash(c));
    NAMES.into_iter().find(|name| rest.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_its_prefecture_and_nothing_else() {
        assert_eq!(of_address("東京都港区芝1-2-3"), Some("東京都"));
        assert_eq!(of_address("〒605-0001 京都府京都市東山区"), Some("京都府"));
        assert_eq!(of_address("１０５－００１２　東京都港区"), Some("東京都"));
        assert_eq!(of_address("港区芝1-2-3"), None);
        assert_eq!(of_address("港区 東京都"), None);
        assert_eq!(of_address("福島区大阪府"), None);
        assert_eq!(of_address(""), None);
    }
}
