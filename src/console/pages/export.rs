//! Exactly what is filtered, in a file: the records of those accesses, as `sekisho audit export` would tell them.
//!
//! The index tells which records; their lines come from the log, in one pass over its segments from the first that is
//! wanted. More than [`ACCESSES_MAX`] accesses are not for a browser: `sekisho audit export` tells any number.

use std::collections::BTreeSet;

use super::verified::is_whole;
use crate::audit::Follow;
use crate::audit::export::{Exporter, Format};
use crate::console::asked::Asked;
use crate::console::error::Trouble;
use crate::console::page::{Asking, Chunks, Content, Page};
use crate::console::person::Right;
use crate::console::shell::number;
use crate::console::state::State;
use crate::index::Queries;
use crate::store::Directory;

pub(super) fn csv(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    file(state, asking, Format::Csv, "csv", "text/csv; charset=utf-8")
}

pub(super) fn jsonl(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    file(state, asking, Format::Jsonl, "jsonl", "application/x-ndjson")
}

fn file(state: &State, asking: &Asking, format: Format, extension: &str, media: &'static str) -> Result<Page, Trouble> {
    asking.must(Right::Export)?;
    if !asking.hears_cuts {
        return Err(asking.wrong(
            "over HTTP/1.0 nobody can tell a whole file from one that was cut off: ask by HTTP/1.1 (of a proxy before the console: `proxy_http_version 1.1`)",
            "HTTP/1.0では途中で切れたファイルを見分けられません。HTTP/1.1を使ってください(前段のプロキシ: `proxy_http_version 1.1`)",
        ));
    }
    let asked = Asked::read(state, asking)?;
    whole(state, asking)?;
    if state.queries.count(&asked.filter)? > ACCESSES_MAX {
        let most = number(ACCESSES_MAX);
        return Err(asking.wrong(
            format!(
                "it is more than the {most} accesses that a browser is given: narrow it down, or use `sekisho audit export --since … --until …`"
            ),
            format!(
                "ブラウザへの上限{most}件を超えています。条件を絞るか `sekisho audit export --since … --until …` を使ってください"
            ),
        ));
    }
    let wanted = wanted(&state.queries, &asked)?;
    let mut reading = asked.reading(state, "search")?;
    reading.action = "export";
    reading.records = Some(wanted.len() as u64);
    let disk = Directory::open_to_read(&state.data.join("log").join(LOG)).map_err(Trouble::unable)?;
    let chunks = chunks(disk, wanted, format)?;
    Ok(Page { reading, content: Content::File { name: format!("accesses.{extension}"), media, chunks } })
}

/// What is missing from a log cannot be seen in a file of it: of one that is not whole none is given.
fn whole(state: &State, asking: &Asking) -> Result<(), Trouble> {
    let log = state.queries.integrity()?.into_iter().find(|log| log.log == LOG);
    if log.map_or(Ok(true), |log| is_whole(state, &log))? {
        return Ok(());
    }
    Err(asking.wrong(
        "the log is not whole, and a file of it would look as if it were: see Integrity; `sekisho audit export` tells as far as the log can be read",
        "記録が欠損しており、書き出したファイルは完全なものに見えてしまいます。「完全性」を確認してください。`sekisho audit export` は読める範囲を書き出します",
    ))
}

/// The numbers of every record of the accesses that match.
fn wanted(queries: &Queries, asked: &Asked) -> Result<BTreeSet<u64>, Trouble> {
    let mut wanted = BTreeSet::new();
    let mut before = None;
    loop {
        let found = queries.search(&asked.filter, before.as_ref(), PAGE)?;
        for row in found.iter().filter(|row| row.place.log == LOG) {
            wanted.insert(row.place.seq);
            wanted.extend(row.windows.iter().copied().chain(row.end));
        }
        match found.last() {
            Some(last) if found.len() == PAGE => before = Some(last.place.clone()),
            _ => return Ok(wanted),
        }
    }
}

fn chunks(disk: Directory, wanted: BTreeSet<u64>, format: Format) -> Result<Chunks, Trouble> {
    let (sender, receiver) = std::sync::mpsc::sync_channel::<Result<Vec<u8>, Trouble>>(4);
    let told = move || {
        let ended = tell(&disk, &wanted, format, &|chunk| sender.send(Ok(chunk)).is_ok());
        if let Err(trouble) = ended {
            // Whoever waited may be gone.
            let _gone = sender.send(Err(trouble));
        }
    };
    std::thread::Builder::new().name("export".to_owned()).spawn(told).map_err(Trouble::unable)?;
    Ok(Box::new(receiver.into_iter()))
}

/// Hands out the wanted lines; false from `take` ends it.
fn tell(
    disk: &Directory,
    wanted: &BTreeSet<u64>,
    format: Format,
    take: &dyn Fn(Vec<u8>) -> bool,
) -> Result<(), Trouble> {
    let (mut chunk, mut told) = (format.head().into_bytes(), 0);
    if let (Some(first), Some(last)) = (wanted.first(), wanted.last()) {
        let mut exporter = Exporter::new(format, 0);
        let mut follow = Follow::from(disk, *first).map_err(Trouble::unable)?;
        let mut messages = Vec::new();
        while let Some(line) = follow.next_line().map_err(Trouble::unable)? {
            let seq = follow.position().saturating_sub(1);
            if wanted.contains(&seq) {
                exporter.take(&line.bytes, &mut messages).map_err(Trouble::unable)?;
                chunk.extend(format.body(&messages).0);
                messages.clear();
                told += 1;
            }
            if chunk.len() >= CHUNK_BYTES && !take(std::mem::take(&mut chunk)) {
                return Ok(());
            }
            if seq >= *last {
                break;
            }
        }
    }
    if told < wanted.len() {
        // The log ends before what the index has read of it: it was cut, and the file must not look whole.
        return Err(Trouble::Unable(format!("the log holds {told} of {} records that the index knows", wanted.len())));
    }
    if !chunk.is_empty() {
        take(chunk);
    }
    Ok(())
}

/// The log that accesses are in.
const LOG: &str = "gate";
const ACCESSES_MAX: u64 = 100_000;
const PAGE: usize = 2000;
const CHUNK_BYTES: usize = 64 << 10;
