//! Is the log what was written? What the index saw when it read it, and a whole verification when somebody asks.

use maud::{Markup, html};

use super::record::pair;
use super::verified::{Verified, is_whole};
use crate::audit::prove;
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::page::{Asking, Page};
use crate::console::person::Right;
use crate::console::reading::Reading;
use crate::console::shell::{self, Place, number};
use crate::console::state::State;
use crate::console::{when, words};
use crate::index::Integrity;
use crate::store::Directory;

pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    let logs = state.queries.integrity()?;
    let title = lang.pick("Integrity", "完全性");
    let body = html! {
        h1 { (title) }
        p { (lang.pick(
            "Each record carries the hash of the one before; signed checkpoints pin how many there are. The index held every line against the chain when it read it; a whole verification reads the disk again now.",
            "各記録は直前の記録のハッシュを持ち、署名されたチェックポイントが記録数を固定します。索引は読み込み時に連鎖を検証済みです。全体検証はディスクを今読み直します。")) }
        @for log in &logs { (one(state, asking, log)?) }
    };
    Ok(Page::html(Reading::of("integrity", ""), Place::Integrity, title, body))
}

fn one(state: &State, asking: &Asking, log: &Integrity) -> Result<Markup, Trouble> {
    let lang = asking.lang;
    Ok(html! {
        section.log {
            h2 { code { (log.log) } " " (mark(lang, is_whole(state, log)?)) }
            dl {
                (pair(lang.pick("Records", "記録数"), html! { (number(log.last)) }))
                (pair(lang.pick("Whole up to, when read", "読込み時に正しい範囲"), html! { (number(log.verified)) }))
                (pair(lang.pick("Newest", "最新"), html! { (when::second(log.newest_ms, &state.zone)) }))
                @if !log.hash.is_empty() { (pair(lang.pick("Hash of the last", "最終ハッシュ"), html! { code.hash { (log.hash) } })) }
                (pair(lang.pick("Newest signed checkpoint", "最新の署名"), signed(state, lang, &log.log)))
                @if log.passed_over > 0 { (pair(lang.pick("Lines of no known version", "読めない行"), html! { (number(log.passed_over)) })) }
            }
            @for fault in &log.faults {
                p.notice.bad { (lang.pick("Not in order from record ", "不整合のある記録: ")) (fault.seq) ": " (fault.said) }
            }
            @if !log.lost.is_empty() { p.notice.bad role="alert" { (lang.pick("Records are missing: ", "記録が失われています: ")) (log.lost) } }
            (verified(state, lang, &log.log)?)
            @if asking.may(Right::Verify) {
                form method="post" action="/integrity/verify" {
                    (shell::token(asking))
                    input type="hidden" name="log" value=(log.log);
                    button type="submit" { (lang.pick("Verify all of it now", "今すぐ全体を検証")) }
                }
            }
            details {
                summary { (number(log.segments.len() as u64)) " " (lang.pick(if log.segments.len() == 1 { "segment" } else { "segments" }, "セグメント")) }
                div.wide-table tabindex="0" role="region" aria-label=(lang.pick("Segments", "セグメント")) { table {
                    thead { tr {
                        th scope="col" { (lang.pick("File", "ファイル")) }
                        th.number scope="col" { (lang.pick("From", "開始")) }
                        th.number scope="col" { (lang.pick("To", "終了")) }
                        th.number scope="col" { (lang.pick("Size", "サイズ")) }
                        th scope="col" { (lang.pick("Chain", "連鎖")) }
                    } }
                    tbody { @for segment in log.segments.iter().rev() { tr {
                        td { code { (segment.name) } }
                        td.number { (number(segment.first)) }
                        td.number { (number(segment.last)) }
                        td.number { (words::bytes(segment.bytes)) }
                        td { @if segment.is_verified { span.mark-good { (lang.pick("whole", "正常")) } } @else { span.mark-bad { (lang.pick("NOT whole", "欠損")) } } }
                    } } }
                } }
            }
        }
    })
}

fn mark(lang: Lang, is_whole: bool) -> Markup {
    html! {
        @if is_whole { span.mark-good { (lang.pick("whole", "正常")) } }
        @else { span.mark-bad { (lang.pick("NOT whole", "欠損あり")) } }
    }
}

fn signed(state: &State, lang: Lang, log: &str) -> Markup {
    let folder = state.data.join("log").join(log);
    let keys = (state.signer)(log).public();
    let newest =
        Directory::open_to_read(&folder).map_err(prove::ProofError::Disk).and_then(|disk| prove::newest(&disk));
    html! {
        @match newest {
            Ok(note) => {
                (lang.pick("up to record ", "記録 ")) (number(note.checkpoint.size)) " "
                @if note.verify(&keys).is_ok() { span.mark-good { (lang.pick("signature good", "署名正常")) } }
                @else { span.mark-bad { (lang.pick("NOT signed by this gate's key", "この鍵の署名ではありません")) } }
            }
            Err(error) => (error),
        }
    }
}

fn verified(state: &State, lang: Lang, log: &str) -> Result<Markup, Trouble> {
    let since_ms = state.verification.since_ms(log);
    let last = Verified::last(&state.kept, log)?;
    Ok(html! {
        @if let Some(since_ms) = since_ms { p.notice role="status" {
            (lang.pick("Being verified since ", "検証中。開始: ")) (when::second(since_ms, &state.zone)) ". "
            a href="/integrity" { (lang.pick("Look again", "更新")) }
        } }
        @match &last {
            None => {}
            Some(last) if !last.failed.is_empty() => p.notice.bad role="status" {
                (when::second(last.at_ms, &state.zone)) ": " (lang.pick("it could not be read: ", "読み取れませんでした: ")) (last.failed)
                @if last.is_bad() { " " (lang.pick("Before that, BAD: ", "以前の結果は不正: ")) (last.bad) }
            },
            Some(last) if last.is_bad() => p.notice.bad role="alert" {
                (when::second(last.at_ms, &state.zone)) ": " (lang.pick("BAD: ", "不正: ")) (last.bad)
            },
            Some(last) => p.notice.good role="status" {
                (when::second(last.at_ms, &state.zone)) ": " (lang.pick("verified, ", "検証済み、")) (number(last.records))
                (lang.pick(" records; ", "件。")) (number(last.agreed)) (lang.pick(" checkpoints agree, the last up to record ", "個の署名が一致、最終は記録"))
                (number(last.signed))
                @if !last.by_key { " – " strong { (lang.pick("not signed by this gate's key", "この鍵の署名なし")) } }
            },
        }
    })
}

/// For the overview.
pub(super) fn summary(state: &State, asking: &Asking) -> Result<Markup, Trouble> {
    let lang = asking.lang;
    let logs = state.queries.integrity()?;
    let logs: Vec<(Integrity, bool)> = logs
        .into_iter()
        .map(|log| is_whole(state, &log).map(|is_whole| (log, is_whole)))
        .collect::<Result<_, Trouble>>()?;
    Ok(html! {
        section aria-labelledby="integrity" {
            h2 id="integrity" { a href="/integrity" { (lang.pick("Integrity", "完全性")) } }
            ul.plain { @for (log, is_whole) in &logs { li {
                code { (log.log) } " " (mark(lang, *is_whole)) " " (number(log.last)) " " (lang.pick("records", "件"))
            } } }
        }
    })
}
