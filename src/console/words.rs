//! How are the log's words told to people? Codes stand as they are, beside what they mean.

use maud::{Markup, html};

use super::lang::Lang;
use crate::index::{Outcome, Row};

/// What came of it.
pub(super) const fn outcome(lang: Lang, outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Open => lang.pick("open", "進行中"),
        Outcome::Completed => lang.pick("released", "提供済み"),
        Outcome::Aborted => lang.pick("cut off", "中断"),
        Outcome::Failed => lang.pick("failed", "失敗"),
        Outcome::Interrupted => lang.pick("interrupted", "停止"),
        Outcome::Refused => lang.pick("refused", "拒否"),
        Outcome::Told => lang.pick("asked only", "照会のみ"),
    }
}

/// The same as a mark that does not rely on its colour.
pub(super) fn outcome_mark(lang: Lang, row: &Row) -> Markup {
    let class = match row.outcome {
        Outcome::Completed => "good",
        Outcome::Refused => "refused",
        Outcome::Aborted | Outcome::Failed | Outcome::Interrupted => "bad",
        _ => "plain",
    };
    html! { span class={ "mark-" (class) } { (outcome(lang, row.outcome)) } }
}

/// A form, as the notice calls it.
pub(super) fn form(lang: Lang, form: &str) -> &str {
    match form {
        "clear" => lang.pick("in clear", "そのまま"),
        "pseudonymised" => lang.pick("as pseudonyms", "仮名"),
        "generalised" => lang.pick("made coarser", "粗くして"),
        "masked" => lang.pick("masked", "伏せて"),
        "withheld" => lang.pick("withheld", "非提供"),
        other => other,
    }
}

/// What a filter narrows by.
pub(super) fn facet(lang: Lang, name: &str) -> &'static str {
    match name {
        "outcome" => lang.pick("Outcome", "結果"),
        "purpose" => lang.pick("Purpose", "利用目的"),
        "recipient" => lang.pick("Recipient", "提供先"),
        "organization" => lang.pick("Organisation", "組織"),
        "caller" => lang.pick("Caller", "利用者"),
        "role" => lang.pick("Role", "役割"),
        "clause" => lang.pick("Clause", "条項"),
        "route" => lang.pick("Route", "経路"),
        "action" => lang.pick("Action", "操作"),
        "category" => lang.pick("Category", "情報区分"),
        "form" => lang.pick("Form", "形式"),
        "reason" => lang.pick("Refused because", "拒否理由"),
        "subject" => lang.pick("Person", "本人"),
        "review" => lang.pick("To be reviewed", "要事後確認"),
        "unclassified" => lang.pick("With unclassified fields", "未分類項目あり"),
        "abroad" => lang.pick("Abroad", "国外"),
        "dry-run" => lang.pick("Asked only", "照会のみ"),
        "q" => lang.pick("Text", "文字列"),
        _ => "",
    }
}

/// Bytes, in units that people read.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS.get(unit).copied().unwrap_or_default())
}

/// The beginning of a sealed person: enough to tell rows apart on a screen.
pub(super) fn sealed(sealed: &str) -> String {
    sealed.chars().take(10).collect::<String>() + "…"
}
