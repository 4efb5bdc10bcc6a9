//! What waits for somebody to look at it, and who looked? The queue, and one access of it with both buttons.

use maud::{Markup, html};

use super::record::{escaped, find, named, pair, warning};
use super::rows::{href, people};
use crate::console::asked::{known_place, place_text};
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::page::{Asking, Page};
use crate::console::person::{Person, Right};
use crate::console::reading::Reading;
use crate::console::shell::{self, Place, number};
use crate::console::state::State;
use crate::console::when;
use crate::review::{Decision, Item, QueueFilter, ReviewError, Reviewer, State as Reviewed, Sums, Verdict, Which};

/// The lists, by their names in an address.
const LISTS: [(&str, Which, &str, &str); 5] = [
    ("open", Which::Open, "Open", "未確認"),
    ("overdue", Which::Overdue, "Overdue", "期限超過"),
    ("accepted", Which::Accepted, "Accepted", "承認済み"),
    ("objected", Which::Objected, "Objected", "異議あり"),
    ("all", Which::All, "All", "すべて"),
];

impl From<ReviewError> for Trouble {
    fn from(error: ReviewError) -> Trouble {
        match error {
            ReviewError::NoAccess { .. } | ReviewError::NoReview { .. } => Trouble::Missing,
            ReviewError::Own
            | ReviewError::Decided { .. }
            | ReviewError::NoAction
            | ReviewError::TooLong { .. }
            | ReviewError::Unverified { .. }
            | ReviewError::Changed { .. }
            | ReviewError::Busy => Trouble::Asked(error.to_string()),
            other => Trouble::unable(other),
        }
    }
}

/// Why a verdict is not taken, where that is the reader's to mend.
fn in_japanese(error: &ReviewError) -> Option<String> {
    Some(match error {
        ReviewError::Own => "ご自身のアクセスは確認できません。他の方が確認します".to_owned(),
        ReviewError::Decided { by, .. } => format!("{by} が既に確認しています"),
        ReviewError::NoAction => "異議には、取った措置を入力してください".to_owned(),
        ReviewError::TooLong { bytes_max, .. } => format!("入力が長すぎます({bytes_max}バイトまで)"),
        ReviewError::Unverified { .. } => "ログが破損している箇所より後の記録のため、確認できません".to_owned(),
        ReviewError::Changed { .. } => {
            "この記録は索引の作成後に変更されています。「完全性」を確認してください".to_owned()
        }
        ReviewError::Busy => "他の処理が書き込み中です。もう一度お試しください".to_owned(),
        _ => return None,
    })
}

pub(super) fn list(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    let chosen = asking.one("list").unwrap_or("open");
    let which = LISTS.iter().find(|(name, ..)| *name == chosen).map(|(_, which, ..)| *which);
    let fault =
        || asking.wrong(format!("`list`: `{chosen}` is none"), format!("`list`: `{chosen}` という一覧はありません"));
    let which = which.ok_or_else(fault)?;
    let before = asking.one("before").map(|text| known_place(state, asking, "before", text)).transpose()?;
    let filter = QueueFilter { which, before: before.as_ref(), limit: ROWS + 1 };
    let mut items = state.journal.queue(&state.queries, &filter)?;
    let more = items.len() > ROWS;
    items.truncate(ROWS);
    let sums = state.journal.sums(&state.queries, state.now_ms())?;
    let title = lang.pick("Reviews", "事後確認");
    let body = html! {
        h1 { (title) }
        p.soft { (lang.pick(
            "Accesses under an exception, or with another duty to look at them afterwards. Nobody reviews his own.",
            "例外規定などにより事後確認が必要なアクセス。本人のアクセスは本人では確認できません。")) }
        nav.ranges aria-label=(lang.pick("Lists", "一覧")) {
            @for (name, which, en, ja) in LISTS {
                a href=(format!("/reviews?list={name}")) aria-current=[(name == chosen).then_some("true")] {
                    (lang.pick(en, ja)) @if let Some(sum) = sum(&sums, which) { " " (number(sum)) }
                }
            }
        }
        @if items.is_empty() { p.nothing { (lang.pick("Nothing is in this list.", "この一覧は空です。")) } }
        @else { (table(state, lang, &items)) }
        @if let Some(last) = items.last().filter(|_| more) {
            nav.pages { a.button rel="next" href=(format!("/reviews?list={chosen}&before={}", place_text(&last.row.place))) { (lang.pick("More", "続き")) } }
        }
    };
    let from = before.as_ref().map(|place| format!(" before {}", place_text(place))).unwrap_or_default();
    Ok(Page::html(
        Reading::of("reviews", format!("{chosen}{from}")).with_records(items.len()),
        Place::Reviews,
        title,
        body,
    ))
}

fn sum(sums: &Sums, which: Which) -> Option<u64> {
    match which {
        Which::Open => Some(sums.open),
        Which::Overdue => Some(sums.overdue),
        Which::Accepted => Some(sums.accepted),
        Which::Objected => Some(sums.objected),
        Which::All => None,
    }
}

fn table(state: &State, lang: Lang, items: &[Item]) -> Markup {
    html! {
        div.wide-table tabindex="0" role="region" aria-label=(lang.pick("Reviews", "事後確認")) { table.rows {
            thead { tr {
                th scope="col" { (lang.pick("Access", "アクセス")) }
                th scope="col" { (lang.pick("Caller", "利用者")) }
                th scope="col" { (lang.pick("Purpose, basis", "目的・根拠")) }
                th scope="col" { (lang.pick("State", "状態")) }
                th scope="col" { (lang.pick("Due", "期限")) }
            } }
            tbody { @for item in items { tr {
                td.time data-label=(lang.pick("Access", "アクセス")) {
                    a href=(format!("/reviews/{}", named(&item.row))) { (when::second(item.row.time_ms, &state.zone)) }
                }
                td data-label=(lang.pick("Caller", "利用者")) { (item.row.caller) @if item.row.people > 0 { span.soft { " · " (people(lang, item.row.people)) } } }
                td data-label=(lang.pick("Purpose, basis", "目的・根拠")) { (item.row.purpose) " " span.soft { (item.row.basis) } }
                td data-label=(lang.pick("State", "状態")) { (mark(state, lang, item)) }
                td data-label=(lang.pick("Due", "期限")) { (when::day(lang, item.due_ms, &state.zone)) }
            } } }
        } }
    }
}

fn mark(state: &State, lang: Lang, item: &Item) -> Markup {
    html! {
        @match &item.state {
            Reviewed::Open if item.due_ms <= state.now_ms() => span.mark-bad { (lang.pick("overdue", "期限超過")) },
            Reviewed::Open => span.mark-review { (lang.pick("open", "未確認")) },
            Reviewed::Accepted(verdict) => { span.mark-good { (lang.pick("accepted", "承認")) } " " span.soft { (verdict.by) } }
            Reviewed::Objected(verdict) => { span.mark-bad { (lang.pick("objected", "異議")) } " " span.soft { (verdict.by) } }
        }
    }
}

/// One access, to be decided.
pub(super) fn one(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let found = find(state, asking)?;
    let item = state.journal.item(&found.row)?.ok_or(Trouble::Missing)?;
    let body = html! {
        (warning(state, asking.lang, &found)?)
        (body(state, asking, &item))
    };
    Ok(Page::html(
        Reading::of("review", named(&item.row)),
        Place::Reviews,
        asking.lang.pick("Review", "事後確認"),
        body,
    ))
}

fn body(state: &State, asking: &Asking, item: &Item) -> Markup {
    let lang = asking.lang;
    let row = &item.row;
    let is_own = reviewer(asking.person()).is_caller(&row.caller);
    html! {
        h1 { (lang.pick("Review of record ", "事後確認: 記録 ")) (number(row.place.seq)) " " (mark(state, lang, item)) }
        dl {
            (pair(lang.pick("Access", "アクセス"), html! { a href=(href(row)) { (when::second(row.time_ms, &state.zone)) } }))
            (pair(lang.pick("Caller", "利用者"), html! { a href=(format!("/search?caller={}", escaped(&row.caller))) { (row.caller) }
                @if !row.roles.is_empty() { span.soft { " · " (row.roles.iter().map(|role| &**role).collect::<Vec<_>>().join(", ")) } } }))
            (pair(lang.pick("Purpose", "利用目的"), html! { (row.purpose) ", " strong { (row.basis) } @if !row.recipient.is_empty() { " → " (row.recipient) } }))
            (pair(lang.pick("Asked", "対象"), html! { code { (row.action) " " (row.route) } @if row.people > 0 { " · " (people(lang, row.people)) } }))
            (pair(lang.pick("Clauses", "条項"), html! { (row.clauses.iter().map(|clause| &**clause).collect::<Vec<_>>().join(", ")) }))
            (pair(lang.pick("Due", "期限"), html! { (when::minute(item.due_ms, &state.zone)) }))
        }
        p { a href=(href(row)) { (lang.pick("The whole record: reasons, categories, neighbours", "記録の全体: 理由・情報区分・前後のアクセス")) } }
        @match &item.state {
            Reviewed::Open => {}
            Reviewed::Accepted(verdict) | Reviewed::Objected(verdict) => (told(state, asking, verdict)),
        }
        @if is_own { p.notice { (lang.pick("This is your own access: somebody else reviews it.", "ご自身のアクセスのため、他の方が確認します。")) } }
        @else if asking.may(Right::Review) { (forms(asking, item)) }
    }
}

fn told(state: &State, asking: &Asking, verdict: &Verdict) -> Markup {
    let lang = asking.lang;
    html! {
        section { h2 { (lang.pick("What was decided", "確認結果")) }
            dl {
                (pair(lang.pick("By", "確認者"), html! { (verdict.by) ", " (when::second(verdict.time_ms, &state.zone)) }))
                @if let Some(action) = &verdict.action_taken { (pair(lang.pick("What is done", "措置"), html! { (action) })) }
                @if asking.may(Right::Review) {
                    @if let Some(remark) = verdict.remark.as_ref().filter(|remark| !remark.is_empty()) { (pair(lang.pick("Remark", "所見"), html! { (remark.as_str()) })) }
                }
                (pair(lang.pick("In the journal", "台帳"), html! { code { "review/" (verdict.record) } }))
            }
        }
    }
}

fn forms(asking: &Asking, item: &Item) -> Markup {
    let lang = asking.lang;
    let base = format!("/reviews/{}", named(&item.row));
    html! {
        div.two {
            @if matches!(item.state, Reviewed::Open) {
                form.decide method="post" action={ (base) "/accept" } {
                    h2 { (lang.pick("Accept", "承認する")) }
                    (shell::token(asking))
                    label { (lang.pick("Remark", "所見")) textarea name="remark" rows="3" maxlength="1000" {} }
                    button type="submit" { (lang.pick("Accept", "承認する")) }
                }
            }
            @if !matches!(item.state, Reviewed::Objected(_)) {
                form.decide method="post" action={ (base) "/object" } {
                    h2 { (lang.pick("Object", "異議を記録する")) }
                    (shell::token(asking))
                    label { (lang.pick("What is done about it", "措置の内容")) input name="action" required maxlength="200"; }
                    label { (lang.pick("Remark", "所見")) textarea name="remark" rows="3" maxlength="1000" {} }
                    button.danger type="submit" { (lang.pick("Object", "異議を記録する")) }
                }
            }
        }
        p.soft { (lang.pick(
            "The verdict goes into a journal that is part of the evidence; the remark is sealed in it.",
            "結果は証拠となる台帳に記録され、所見は封印されます。")) }
    }
}

pub(super) fn accept(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    decide(state, asking, Decision::Accept { remark: asking.field("remark").to_owned() }, "review-accept")
}

pub(super) fn object(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let decision =
        Decision::Object { action_taken: asking.field("action").to_owned(), remark: asking.field("remark").to_owned() };
    decide(state, asking, decision, "review-object")
}

fn decide(state: &State, asking: &Asking, decision: Decision, action: &'static str) -> Result<Page, Trouble> {
    asking.must(Right::Review)?;
    let found = find(state, asking)?;
    let place = &found.row.place;
    let decided = state.journal.decide(&state.queries, &place.log, place.seq, &reviewer(asking.person()), decision);
    decided.map_err(|error| match in_japanese(&error) {
        Some(said) if asking.lang == Lang::Ja => Trouble::Asked(said),
        _ => error.into(),
    })?;
    let reading = Reading { action, ..Reading::of("review", named(&found.row)) };
    Ok(Page::elsewhere(reading, format!("/reviews/{}", named(&found.row))))
}

fn reviewer(person: &Person) -> Reviewer {
    Reviewer {
        issuer: person.issuer.clone(),
        id: person.id.clone(),
        roles: person.roles.iter().map(|role| role.name().to_owned()).collect(),
        callers: person.callers.clone(),
    }
}

/// For the overview.
pub(super) fn summary(state: &State, asking: &Asking) -> Result<Markup, Trouble> {
    let lang = asking.lang;
    let sums = state.journal.sums(&state.queries, state.now_ms())?;
    Ok(html! {
        section aria-labelledby="reviews" {
            h2 id="reviews" { a href="/reviews" { (lang.pick("Review queue", "事後確認")) } }
            ul.plain { @for (name, which, en, ja) in LISTS {
                @if let Some(sum) = sum(&sums, which) {
                    li { a href=(format!("/reviews?list={name}")) { (lang.pick(en, ja)) } " " (number(sum))
                        @if matches!(which, Which::Overdue) && sum > 0 { " " span.mark-bad { (lang.pick("late", "要対応")) } } }
                }
            } }
        }
    })
}

const ROWS: usize = 50;
