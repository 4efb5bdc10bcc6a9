//! What did the last writer leave, and what must be said about it before anything new is written?
//!
//! 1. The newest segment is read from its first line, which tells what is open; older ones are `verify`'s matter.
//! 2. A bad end is judged: a *tear* is what a crash leaves of a batch that nobody was told about; anything else is
//!    *damage*, on which the log does not open and nothing is changed. Every line tells where its batch began, and a
//!    batch is written only when the one before was flushed: so a bad line that some later whole line claims to be
//!    flushed was not torn but changed, and so was a whole line of the right number that does not fit.
//! 3. A tear is copied to a `.torn` file, made durable there, and then cut off.
//! 4. One `recovery` record says how much was cut; each beginning without an ending gets one, `interrupted`.
//!
//! A crash anywhere in here is recovered by the next start, and nothing is said twice or not at all.
//! Not to be told from a tear: the very last batch, changed into something unreadable. Its bytes are kept aside.

use super::chain::{Chain, Fault, Tree, claim_of};
use super::commit::{Committer, behind, new_segment, used_bytes};
use super::log::Options;
use super::pin::{self, Pin};
use super::queue::Shared;
use super::read::{Line, Reader, aside_name, first_of, is_packed, segment_name, segments};
use super::record::{Administrative, Detail};
use super::tree::leaf;
use super::verify::BadRecord;
use super::{AuditError, write};
use super::{entry, time};
use crate::store::{Disk, Entry, Flush, NewName, Segment, is_full};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a start found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The number of the last record that was there; 0 in a new log.
    pub last_sequence: u64,
    /// What was cut off.
    pub torn: Option<Torn>,
    /// Beginnings that were ended as interrupted.
    pub interrupted: u64,
    /// By how much the clock is behind the newest record, if that is too much.
    pub clock_behind_ms: Option<u64>,
}

/// What a crash left of records that nobody was told were durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment that it was cut from.
    pub segment: String,
    /// Where it began.
    pub offset: u64,
    /// How much it was.
    pub torn_bytes: u64,
    /// The file that holds it now.
    pub aside: String,
}

/// The newest segment, read.
struct Scan {
    chain: Chain,
    /// Whether it had to be read from the oldest record on what the tree is: early logs do not say it.
    tells_no_tree: bool,
    /// Whether any of its lines is in order: if not, it is made anew.
    begun: bool,
    /// Where its last batch begins, in bytes: everything before was durable when that was written.
    last_batch: u64,
    tail: Option<Tail>,
}

/// From the first bad line on.
struct Tail {
    offset: u64,
    bytes: Vec<u8>,
}

/// Leaves a log that can be written to. The caller holds the lock.
pub(super) fn recover(
    disk: Arc<dyn Disk>,
    options: Options,
    shared: Arc<Shared>,
) -> Result<(Committer, Recovery), AuditError> {
    let now_ms = shared.clock.now_ms();
    let mut segments = segments(&*disk)?;
    let last = segments.pop();
    let before = segments.pop();
    let Some(last) = last else {
        let segment = new_segment(&*disk, &options, 1).map_err(full_or_disk)?;
        let committer = start(disk, options, shared, Chain::new(), segment, 1, now_ms)?;
        return Ok((committer, Recovery::default()));
    };
    if is_packed(&last.name) {
        // The newest two never are.
        return Err(AuditError::Options("the newest segment is packed: newer ones were taken away, put them back"));
    }
    let scan = scan(&*disk, &last, before.as_ref())?;
    let size = scan.chain.tree.as_ref().map_or(0, |tree| tree.frontier.size());
    if let Some(cut) = pin::repair(&*disk, size)? {
        // It was made when those records were durable: no crash explains that they are not there.
        let fault = Fault::Cut { last: (scan.chain.next - 1).saturating_add(cut.size() - size) };
        return Err(damaged(&last.name, scan.chain.next, fault));
    }
    let torn = scan.tail.as_ref().map(|tail| Torn {
        segment: last.name.clone(),
        offset: tail.offset,
        torn_bytes: tail.bytes.len() as u64,
        aside: aside_name(scan.chain.next),
    });
    let mut segment = reopen(&*disk, &options, &last.name)?;
    // A writer that was killed, or that gave up on a failed flush, left bytes that are read and perhaps not durable:
    // those of its last batch, and perhaps the name. The line that is written next claims that they are.
    segment.rewrite(scan.last_batch)?;
    segment.flush(Flush::Inherited)?;
    disk.sync_directory(NewName::Segment)?;
    if let (Some(tail), Some(torn)) = (&scan.tail, &torn) {
        set_aside(&*disk, &torn.aside, &tail.bytes)?;
        segment.truncate(tail.offset)?;
    }
    let torn = match torn {
        Some(torn) => Some(torn),
        None => cut_but_not_said(&*disk, &last, &scan.chain)?,
    };
    let first = first_of(&last.name).filter(|_| scan.begun).unwrap_or(scan.chain.next);
    let recovery = Recovery {
        last_sequence: scan.chain.next - 1,
        torn,
        interrupted: scan.chain.open.len() as u64,
        clock_behind_ms: behind(scan.chain.newest_ms, now_ms),
    };
    let mut committer = start(disk, options, shared, scan.chain, segment, first, now_ms)?;
    if scan.tells_no_tree && committer.rotate(now_ms)? {
        committer.append(Flush::Batch)?;
    }
    say(&mut committer, &recovery, now_ms)?;
    Ok((committer, recovery))
}

/// Reads the newest segment; where not even its first line is in order, the one before tells the state.
fn scan(disk: &dyn Disk, last: &Entry, before: Option<&Entry>) -> Result<Scan, AuditError> {
    let Some(first) = first_of(&last.name) else { return Err(AuditError::Options("a segment without a number")) };
    let (mut chain, last_batch, tail) = walk(disk, last, joined_at(first))?;
    if chain.next > first {
        let tells_no_tree = chain.tree.is_none();
        if tells_no_tree {
            chain.tree = Some(grown(disk, chain.next)?);
        }
        return Ok(Scan { chain, tells_no_tree, begun: true, last_batch, tail });
    }
    let mut chain = match before {
        None if first == 1 => Chain::new(),
        None => return Err(damaged(&last.name, first, Fault::Opening)),
        Some(before) => {
            let (chain, _, broken) = walk(disk, before, joined_at(first_of(&before.name).unwrap_or(0)))?;
            if let Some(tail) = broken {
                // It was flushed before the newer one was made: no crash tears it.
                let bad = BadRecord { offset: tail.offset, ..bad_at(&before.name, chain.next, Fault::Unreadable) };
                return Err(AuditError::Damaged(Box::new(bad)));
            }
            chain
        }
    };
    if chain.next != first {
        return Err(damaged(&last.name, first, Fault::Sequence { expected: chain.next, found: first }));
    }
    if chain.tree.is_none() {
        chain.tree = Some(grown(disk, chain.next)?);
    }
    Ok(Scan { chain, tells_no_tree: false, begun: false, last_batch: 0, tail })
}

/// Before a segment. The very first line has nothing before it, and says so.
fn joined_at(first: u64) -> Chain {
    if first == 1 { Chain::new() } else { Chain::joining(first) }
}

/// The tree over every record that is here and comes before `next`. Reads the whole log: once, after the program first
/// came to know the tree.
fn grown(disk: &dyn Disk, next: u64) -> io::Result<Tree> {
    let first = segments(disk)?.first().and_then(|oldest| first_of(&oldest.name)).unwrap_or(next);
    let mut tree = Tree::new(first);
    let mut reader = Reader::new(disk);
    while first + tree.frontier.size() < next {
        let Some(line) = reader.next_line()? else {
            // A tree over fewer records than there were would be signed, and believed.
            let why = "records are missing from the middle of the log: `sekisho audit verify` names the first";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        };
        tree.frontier.push(leaf(&line.bytes));
    }
    Ok(tree)
}

/// Follows one segment to its first bad line, and judges what comes after. Also tells where its last batch begins.
fn walk(disk: &dyn Disk, entry: &Entry, mut chain: Chain) -> Result<(Chain, u64, Option<Tail>), AuditError> {
    let mut last_batch = 0;
    let mut reader = Reader::of_segment(disk, &entry.name)?;
    loop {
        let Some(line) = reader.next_line()?.or_else(|| reader.unfinished()) else {
            return Ok((chain, last_batch, None));
        };
        let batch = chain.batch;
        let fault = match line.finished {
            true => chain.accept(&line.bytes, line.line == 1).err(),
            false => Some(Fault::Unfinished),
        };
        if chain.batch != batch {
            last_batch = line.offset;
        }
        if let Some(fault) = fault {
            let tail = tail(disk, entry, line.offset)?;
            if !is_tear(&chain, &line, &tail.bytes) {
                return Err(AuditError::Damaged(Box::new(BadRecord::new(&line, chain.next, fault))));
            }
            return Ok((chain, last_batch, Some(tail)));
        }
    }
}

/// Whether a crash explains the bad line and what comes after it: see the module's second step.
fn is_tear(chain: &Chain, bad: &Line, tail: &[u8]) -> bool {
    if bad.finished && claim_of(&bad.bytes).is_some_and(|claim| claim.seq == chain.next) {
        return false;
    }
    tail.split(|byte| *byte == b'\n').filter_map(claim_of).all(|claim| claim.batch <= chain.next)
}

fn tail(disk: &dyn Disk, entry: &Entry, offset: u64) -> io::Result<Tail> {
    let mut bytes = Vec::new();
    disk.read(&entry.name, offset)?.read_to_end(&mut bytes)?;
    Ok(Tail { offset, bytes })
}

/// Copies what is about to be cut, durably. Appends: an earlier copy, of a start that was itself cut off, stays.
fn set_aside(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut aside = match disk.create(name, 0) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open(name, 0)?,
        made => made?,
    };
    aside.append(bytes)?;
    aside.flush(Flush::Aside)?;
    disk.sync_directory(NewName::Aside)
}

/// A start that cut and then stopped before it could say so left its copy, named by the number that is still to come;
/// or, where the whole segment was cut, by that of the segment's first line, with nothing after it.
fn cut_but_not_said(disk: &dyn Disk, last: &Entry, chain: &Chain) -> io::Result<Option<Torn>> {
    let only_opened = first_of(&last.name).filter(|first| chain.next == first + 1);
    let names = [Some(chain.next), only_opened].map(|number| number.map(aside_name));
    let found = disk.list()?.into_iter().find(|entry| names.iter().flatten().any(|name| *name == entry.name));
    Ok(found.map(|entry| Torn {
        segment: last.name.clone(),
        offset: last.bytes,
        torn_bytes: entry.bytes,
        aside: entry.name,
    }))
}

/// Opens the newest segment. A full disk is no reason not to: endings may still fit.
fn reopen(disk: &dyn Disk, options: &Options, name: &str) -> io::Result<Box<dyn Segment>> {
    match disk.open(name, options.segment_bytes + options.reserve_bytes) {
        Err(error) if is_full(&error) => disk.open(name, 0),
        opened => opened,
    }
}

/// A committer at the end of the chain. A segment without a first line gets one; not yet durable.
fn start(
    disk: Arc<dyn Disk>,
    options: Options,
    shared: Arc<Shared>,
    chain: Chain,
    segment: Box<dyn Segment>,
    segment_first: u64,
    now_ms: u64,
) -> Result<Committer, AuditError> {
    let used_bytes = used_bytes(&*disk)?;
    let is_empty = segment.bytes() == 0;
    let (out, frame) = (Vec::new(), Vec::new());
    let mut committer = Committer {
        disk,
        shared,
        options,
        chain,
        segment,
        segment_first,
        segment_ms: now_ms,
        used_bytes,
        out,
        frame,
        no_room: false,
        recounted: false,
        pin: Pin::default(),
    };
    committer.start_batch(now_ms);
    if is_empty {
        committer.open_segment(now_ms);
    } else {
        committer.segment_ms = begun_ms(&*committer.disk, &segment_name(segment_first))?.unwrap_or(now_ms);
    }
    committer.chain.newest_ms = committer.chain.newest_ms.max(now_ms);
    committer.shared.newest_ms.store(committer.chain.newest_ms, Ordering::Relaxed);
    committer.append(Flush::Batch)?;
    committer.look_for_room()?;
    Ok(committer)
}

/// When a segment's first line was written.
fn begun_ms(disk: &dyn Disk, name: &str) -> io::Result<Option<u64>> {
    let line = Reader::of_segment(disk, name)?.next_line()?;
    Ok(line.and_then(|line| entry::Entry::read(&line.bytes).ok().and_then(|entry| time::read(&entry.time))))
}

/// The fourth step.
fn say(committer: &mut Committer, recovery: &Recovery, now_ms: u64) -> Result<(), AuditError> {
    if recovery.torn.is_none() && recovery.interrupted == 0 {
        return Ok(());
    }
    committer.start_batch(now_ms);
    let mut details = vec![
        ("last_sequence", Detail::Number(recovery.last_sequence)),
        ("interrupted", Detail::Number(recovery.interrupted)),
    ];
    if let Some(torn) = &recovery.torn {
        details.push(("torn_bytes", Detail::Number(torn.torn_bytes)));
        details.push(("torn_segment", Detail::Text(&torn.segment)));
        details.push(("torn_file", Detail::Text(&torn.aside)));
        details.push(("why", Detail::Text("the end of the log was incomplete, as a crash leaves it")));
    }
    let mut body = Vec::new();
    write::administrative(&mut body, &Administrative { action: "recovery", details: &details, ..Default::default() });
    committer.line(&body);
    for (begin, id) in std::mem::take(&mut committer.chain.open) {
        body.clear();
        write::interrupted(&mut body, begin, &id);
        committer.line(&body);
    }
    Ok(committer.append(Flush::Batch)?)
}

fn full_or_disk(error: io::Error) -> AuditError {
    if is_full(&error) { AuditError::Full } else { error.into() }
}

fn damaged(segment: &str, sequence: u64, fault: Fault) -> AuditError {
    AuditError::Damaged(Box::new(bad_at(segment, sequence, fault)))
}

fn bad_at(segment: &str, sequence: u64, fault: Fault) -> BadRecord {
    BadRecord { segment: segment.to_owned(), line: 1, offset: 0, sequence, fault }
}
