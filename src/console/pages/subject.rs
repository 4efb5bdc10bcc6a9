//! What was told about one person, to whom, and why? The accounting of disclosures, as the law lets the person ask for
//! it (APPI art. 33(5); records of provision: art. 29, 30). One page, to be printed.

use maud::{Markup, html};

use super::record::{pair, why};
use super::rows::href;
use crate::console::asked::{known_place, place_text};
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::page::{Asking, Page};
use crate::console::person::Right;
use crate::console::reading::Reading;
use crate::console::shell::{self, Place, number};
use crate::console::state::State;
use crate::console::{when, words};
use crate::index::{About, Outcome};

/// Who is it about?
pub(super) fn ask(_: &State, asking: &Asking) -> Result<Page, Trouble> {
    asking.must(Right::Reveal)?;
    let lang = asking.lang;
    let title = lang.pick("Disclosures about a person", "本人への開示の記録");
    let body = html! {
        h1 { (title) }
        form.reveal method="post" action="/subjects" {
            (shell::token(asking))
            label { (lang.pick("The person's id, as the APIs have it", "本人のID(APIで使われるもの)"))
                input name="person" required autocomplete="off" autofocus; }
            label { (lang.pick("Why you need it (on record)", "必要な理由(記録されます)")) input name="why" required maxlength="500"; }
            button type="submit" { (lang.pick("List disclosures", "開示の一覧を表示")) }
        }
        p.soft { (lang.pick(
            "That you looked this person up is on record, with your reason, sealed.",
            "照会したことと理由は、封印して記録されます。")) }
    };
    Ok(Page::html(Reading::of("subjects", ""), Place::Subjects, title, body))
}

/// The page about a person whose id was typed in; his id stands on it, and in no address.
pub(super) fn named(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    asking.must(Right::Reveal)?;
    let sealed = seal(state, asking)?;
    let why = why(state, asking)?;
    let found = state.queries.subject(sealed.as_str(), None, ROWS_MAX + 1)?;
    let body = accounting(state, asking, sealed.as_str(), Some(asking.field("person")), found.clone(), None);
    let mut reading = Reading::of("subject", "").with_records(found.len());
    reading.action = "reveal";
    reading.subjects = vec![sealed];
    reading.why = Some(why);
    Ok(Page::html(reading, Place::Subjects, asking.lang.pick("Disclosures", "開示の記録"), body))
}

/// The same by the sealed id: an address that can be kept.
pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    asking.must(Right::Reveal)?;
    let sealed = asking.part("sealed")?;
    let clear = state.seal.open_subject(sealed).map_err(|_| Trouble::Missing)?;
    let before = asking.one("before").map(|text| known_place(state, asking, "before", text)).transpose()?;
    let found = state.queries.subject(sealed, before.as_ref(), ROWS_MAX + 1)?;
    let from = before.as_ref().map(|place| format!("before {}", place_text(place))).unwrap_or_default();
    let mut reading = Reading::of("subject", from).with_records(found.len());
    reading.subjects = vec![state.seal.subject(&clear).map_err(Trouble::unable)?];
    let body = accounting(state, asking, sealed, None, found, before.as_ref().map(|_| ()));
    Ok(Page::html(reading, Place::Subjects, asking.lang.pick("Disclosures", "開示の記録"), body))
}

/// A search, narrowed to one person.
pub(super) fn narrow(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    asking.must(Right::Reveal)?;
    let sealed = seal(state, asking)?;
    let why = why(state, asking)?;
    let mut query = crate::console::door::pairs(asking.field("query").as_bytes());
    query.retain(|(name, _)| name != "subject");
    query.push(("subject".to_owned(), sealed.as_str().to_owned()));
    let query = crate::console::door::joined(query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut reading = Reading::of("search", "");
    reading.action = "reveal";
    reading.subjects = vec![sealed];
    reading.why = Some(why);
    Ok(Page::elsewhere(reading, format!("/search?{query}")))
}

fn seal(state: &State, asking: &Asking) -> Result<crate::audit::Sealed, Trouble> {
    let person = asking.field("person");
    if person.is_empty() {
        return Err(asking.wrong("name the person's id", "本人のIDを入力してください"));
    }
    state.seal.subject(person).map_err(|error| Trouble::Asked(error.to_string()))
}

fn accounting(
    state: &State,
    asking: &Asking,
    sealed: &str,
    clear: Option<&str>,
    mut found: Vec<About>,
    turned: Option<()>,
) -> Markup {
    let lang = asking.lang;
    let more = found.len() > ROWS_MAX;
    found.truncate(ROWS_MAX);
    let is_inside = |about: &&About| matches!(&*about.row.recipient, "" | "internal" | "principal");
    let released: Vec<&About> = found.iter().filter(|about| was_released(about)).collect();
    let (inside, provided): (Vec<&About>, Vec<&About>) = released.into_iter().partition(is_inside);
    let rest: Vec<&About> = found.iter().filter(|about| !was_released(about)).collect();
    let span = (found.last(), found.first());
    html! {
        article.accounting {
            h1 { (lang.pick("Accounting of disclosures", "個人情報の利用・提供の記録")) }
            dl {
                (pair(lang.pick("Person", "本人"), html! {
                    @match clear { Some(clear) => span.opened { (clear) }, None => code { (words::sealed(sealed)) } }
                }))
                @if let (Some(oldest), Some(newest)) = span {
                    (pair(lang.pick("From – to", "期間"), html! {
                        (when::minute(oldest.row.time_ms, &state.zone)) " – " (when::minute(newest.row.time_ms, &state.zone))
                    }))
                }
                (pair(lang.pick("Made", "作成"), html! { (when::minute(state.now_ms(), &state.zone)) ", " (asking.person().id) }))
            }
            @if found.is_empty() { p.nothing { (lang.pick("No access names this person.", "この本人に関するアクセスはありません。")) } }
            (section(state, lang, lang.pick("Provided to others", "第三者等への提供"), &provided))
            (section(state, lang, lang.pick("Used inside, and shown to the person", "内部での利用・本人への開示"), &inside))
            (section(state, lang, lang.pick("Refused, or nothing left", "拒否・提供なし"), &rest))
            nav.pages.no-print aria-label=(lang.pick("Pages", "ページ")) {
                @if turned.is_some() || clear.is_some() {
                    a.button href=(format!("/subject/{sealed}")) { @if turned.is_some() { (lang.pick("Newest", "最新へ")) } @else { (lang.pick("Permanent link", "固定リンク")) } }
                }
                @if let Some(last) = found.last().filter(|_| more) {
                    a.button rel="next" href=(format!("/subject/{sealed}?before={}", place_text(&last.row.place))) { (lang.pick("Older", "さらに古い")) }
                }
                button type="button" data-print hidden { (lang.pick("Print", "印刷")) }
            }
            @if more { p.notice { (lang.pick("There is more: this page holds the newest 500 accesses.", "続きがあります。このページは新しい500件です。")) } }
        }
    }
}

fn was_released(about: &About) -> bool {
    !matches!(about.row.outcome, Outcome::Refused | Outcome::Told)
}

fn section(state: &State, lang: Lang, title: &str, list: &[&About]) -> Markup {
    html! {
        @if !list.is_empty() {
            section {
                h2 { (title) " " span.soft { (number(list.len() as u64)) } }
                div.wide-table tabindex="0" role="region" aria-label=(title) { table.rows {
                    thead { tr {
                        th scope="col" { (lang.pick("When", "日時")) }
                        th scope="col" { (lang.pick("To whom", "相手")) }
                        th scope="col" { (lang.pick("For what, on what basis", "目的と根拠")) }
                        th scope="col" { (lang.pick("What", "内容")) }
                        th scope="col" { (lang.pick("Clauses", "条項")) }
                    } }
                    tbody { @for about in list { (line(state, lang, about)) } }
                } }
            }
        }
    }
}

fn line(state: &State, lang: Lang, about: &About) -> Markup {
    let row = &about.row;
    let forms = if about.forms.is_empty() { &row.forms } else { &about.forms };
    let mut by_form: Vec<(&str, Vec<&str>)> = Vec::new();
    for (form, category) in forms.iter().filter_map(|one| one.split_once(' ')).filter(|(form, _)| *form != "withheld") {
        match by_form.iter_mut().find(|(known, _)| *known == form) {
            Some((_, list)) => list.push(category),
            None => by_form.push((form, vec![category])),
        }
    }
    html! {
        tr {
            td.time data-label=(lang.pick("When", "日時")) { a href=(href(row)) { (when::second(row.time_ms, &state.zone)) } }
            td data-label=(lang.pick("To whom", "相手")) {
                (row.caller)
                @if !row.organization.is_empty() { span.soft { " @" (row.organization) } }
                @if !row.recipient.is_empty() { br; (row.recipient) }
                @if !row.country.is_empty() { " " (row.country) }
            }
            td data-label=(lang.pick("For what", "目的")) { (row.purpose) @if !row.basis.is_empty() { br; span.soft { (row.basis) } } }
            td data-label=(lang.pick("What", "内容")) {
                @match row.outcome {
                    Outcome::Refused => { (words::outcome_mark(lang, row)) " " code { (row.reasons.first().map(|one| &**one).unwrap_or_default()) } }
                    _ => {
                        @for (form, categories) in &by_form { div { span.soft { (words::form(lang, form)) ": " } (categories.join(", ")) } }
                        @if about.entries > 0 { div.soft { (number(about.entries)) " " (lang.pick("entries", "件")) } }
                        @if !matches!(row.outcome, Outcome::Completed) { (words::outcome_mark(lang, row)) }
                    }
                }
            }
            td data-label=(lang.pick("Clauses", "条項")) { (row.clauses.iter().map(|clause| &**clause).collect::<Vec<_>>().join(", ")) }
        }
    }
}

const ROWS_MAX: usize = 500;
