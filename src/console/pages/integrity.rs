//! Is the log what was written? What the index saw when it read it, and a whole verification when somebody asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use maud::{Markup, html};

use super::record::pair;
use crate::audit::{Report, Trust, prove, verify_by};
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

/// Verifications of whole logs, by the log's name: the last one, or that it is under way.
#[derive(Clone, Default)]
pub(in crate::console) struct Verification(Arc<Mutex<BTreeMap<String, Verified>>>);

#[derive(Clone)]
enum Verified {
    UnderWay { since_ms: u64 },
    Done { at_ms: u64, report: Result<Box<Report>, String> },
}

impl Verification {
    fn of(&self, log: &str) -> Option<Verified> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(log).cloned()
    }

    /// Notes that it begins; false where it is under way already, or another is: one reads the disk at a time.
    fn begin(&self, log: &str, since_ms: u64) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.values().any(|one| matches!(one, Verified::UnderWay { .. })) {
            return false;
        }
        known.insert(log.to_owned(), Verified::UnderWay { since_ms });
        true
    }

    fn end(&self, log: &str, at_ms: u64, report: Result<Box<Report>, String>) {
        let done = Verified::Done { at_ms, report };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(log.to_owned(), done);
    }
}

pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    let logs = state.queries.integrity()?;
    let title = lang.pick("Integrity", "完全性");
    let body = html! {
        h1 { (title) }
        p { (lang.pick(
            "Each record carries the hash of the one before; signed checkpoints pin how many there are. The index held every line against the chain when it read it; a whole verification reads the disk again now.",
            "各記録は直前の記録のハッシュを持ち、署名されたチェックポイントが記録数を固定します。索引は読み込み時に連鎖を検証済みです。全体検証はディスクを今読み直します。")) }
        @for log in &logs { (one(state, asking, log)) }
    };
    Ok(Page::html(Reading::of("integrity", ""), Place::Integrity, title, body))
}

fn one(state: &State, asking: &Asking, log: &Integrity) -> Markup {
    let lang = asking.lang;
    html! {
        section.log {
            h2 { code { (log.log) } " " (mark(lang, log)) }
            dl {
                (pair(lang.pick("Records", "記録数"), html! { (number(log.last)) }))
                (pair(lang.pick("Whole up to", "連鎖が正しい範囲"), html! { (number(log.verified)) }))
                (pair(lang.pick("Newest", "最新"), html! { (when::second(log.newest_ms, &state.zone)) }))
                @if !log.hash.is_empty() { (pair(lang.pick("Hash of the last", "最終ハッシュ"), html! { code.hash { (log.hash) } })) }
                (pair(lang.pick("Newest signed checkpoint", "最新の署名"), signed(state, lang, &log.log)))
                @if log.passed_over > 0 { (pair(lang.pick("Lines of no known version", "読めない行"), html! { (number(log.passed_over)) })) }
            }
            @for fault in &log.faults {
                p.notice.bad { (lang.pick("Not in order from record ", "不整合のある記録: ")) (fault.seq) ": " (fault.said) }
            }
            (verified(state, lang, &log.log))
            @if asking.may(Right::Verify) {
                form method="post" action="/integrity/verify" {
                    (shell::token(asking))
                    input type="hidden" name="log" value=(log.log);
                    button type="submit" { (lang.pick("Verify all of it now", "今すぐ全体を検証")) }
                }
            }
            details {
                summary { (number(log.segments.len() as u64)) " " (lang.pick("segments", "セグメント")) }
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
    }
}

fn mark(lang: Lang, log: &Integrity) -> Markup {
    html! {
        @if log.faults.is_empty() { span.mark-good { (lang.pick("whole", "正常")) } }
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

fn verified(state: &State, lang: Lang, log: &str) -> Markup {
    html! {
        @match state.verification.of(log) {
            None => {}
            Some(Verified::UnderWay { since_ms }) => p.notice role="status" {
                (lang.pick("Being verified since ", "検証中。開始: ")) (when::second(since_ms, &state.zone)) ". "
                a href="/integrity" { (lang.pick("Look again", "更新")) }
            },
            Some(Verified::Done { at_ms, report: Err(why) }) => p.notice.bad role="status" {
                (when::second(at_ms, &state.zone)) ": " (lang.pick("it could not be read: ", "読み取れませんでした: ")) (why)
            },
            Some(Verified::Done { at_ms, report: Ok(report) }) => @match &report.bad {
                None => p.notice.good role="status" {
                    (when::second(at_ms, &state.zone)) ": " (lang.pick("verified, ", "検証済み、")) (number(report.records))
                    (lang.pick(" records; ", "件。")) (number(report.signed.agreed)) (lang.pick(" checkpoints agree, the last up to record ", "個の署名が一致、最終は記録"))
                    (number(report.signed.last_sequence))
                    @if !report.signed.by_key { " – " strong { (lang.pick("not signed by this gate's key", "この鍵の署名なし")) } }
                },
                Some(bad) => p.notice.bad role="alert" {
                    (when::second(at_ms, &state.zone)) ": " (lang.pick("BAD: ", "不正: ")) (bad)
                },
            }
        }
    }
}

/// Begins to verify one log, on a thread of its own.
pub(super) fn verify(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    asking.must(Right::Verify)?;
    let log = asking.field("log").to_owned();
    // A name of the index, never a path that somebody made up.
    if !state.queries.integrity()?.iter().any(|known| known.log == log) {
        return Err(Trouble::Missing);
    }
    if state.verification.begin(&log, state.now_ms()) {
        let folder = state.data.join("log").join(&log);
        let trust = Trust { keys: (state.signer)(&log).public(), kept: Vec::new() };
        let (verification, clock, of) = (state.verification.clone(), Arc::clone(&state.clock), log.clone());
        let begun = std::thread::Builder::new().name("verify".to_owned()).spawn(move || {
            let report = Directory::open_to_read(&folder).and_then(|disk| verify_by(&disk, &trust));
            verification.end(&of, clock.now_ms(), report.map(Box::new).map_err(|error| error.to_string()));
        });
        if let Err(error) = begun {
            state.verification.end(&log, state.now_ms(), Err(error.to_string()));
        }
    }
    let mut reading = Reading::of("integrity", log);
    reading.action = "verify";
    Ok(Page::elsewhere(reading, "/integrity"))
}

/// For the overview.
pub(super) fn summary(state: &State, asking: &Asking) -> Result<Markup, Trouble> {
    let lang = asking.lang;
    let logs = state.queries.integrity()?;
    Ok(html! {
        section aria-labelledby="integrity" {
            h2 id="integrity" { a href="/integrity" { (lang.pick("Integrity", "完全性")) } }
            ul.plain { @for log in &logs { li {
                code { (log.log) } " " (mark(lang, log)) " " (number(log.last)) " " (lang.pick("records", "件"))
            } } }
        }
    })
}
