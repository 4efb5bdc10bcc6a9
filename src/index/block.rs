//! How do up to 8192 accesses lie in columns, and how is a column read?
//!
//! ```text
//! part  column 0..   head  values in it, ascending, each with how often; body: 0, 1 or 2 bytes an access: which of them
//!       number 64..  head  smallest value and width; body: what comes on top of it, 0, 1, 2, 4 or 8 bytes an access
//!       ids, counts, people  one after the other, see `access`
//! posting            bucket → (rest of the hash, row)… : who is named, which ids begin with these 4 bytes
//! ```
//! A block never spans two segments of a log: it goes when its segment was removed.

use super::IndexError;
use super::access::{Access, Column, Number};
use super::bytes::{Bytes, put};
use super::schema::signed;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The most accesses of a block: their places are 16 bits.
pub(super) const ROWS_MAX: usize = 8192;
/// Of each kind of posting.
const BUCKETS: u64 = 256;

/// Columns that are no [`Column`] and no [`Number`].
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Heap {
    Ids = 128,
    Counts = 129,
    People = 130,
}

/// One column of a block: which values are in it, and which each access has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Codes {
    pub(super) values: Vec<(u32, u32)>,
    /// Places in `values`; empty where there is one value only.
    pub(super) codes: Vec<u16>,
}

/// A block as the directory of blocks has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) id: u64,
    pub(super) log: u32,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) rows: usize,
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
    /// The newest time on any access of the log before this block.
    pub(super) order_ms: u64,
}

/// Writes a block anew, or for the first time.
pub(super) fn write(connection: &Connection, block: &Block, rows: &[Access]) -> Result<(), IndexError> {
    connection.prepare_cached("INSERT OR REPLACE INTO block VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(
        params![
            signed(block.id),
            block.log,
            signed(block.first),
            signed(block.last),
            signed(block.rows as u64),
            signed(block.from_ms),
            signed(block.until_ms),
            signed(block.order_ms)
        ],
    )?;
    let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO part VALUES (?1, ?2, ?3)")?;
    for column in Column::ALL {
        let (head, body) = encode_codes(rows.iter().map(|row| row.cell(column)).collect());
        insert.execute(params![key(column as u8, block.id), head, body])?;
    }
    for number in Number::ALL {
        let (head, body) = encode_numbers(&rows.iter().map(|row| row.number(number)).collect::<Vec<_>>());
        insert.execute(params![key(64 + number as u8, block.id), head, body])?;
    }
    type Write = fn(&Access, &mut Vec<u8>);
    let heaps: [(Heap, Write); 3] =
        [(Heap::Ids, Access::write_ids), (Heap::Counts, Access::write_counts), (Heap::People, Access::write_people)];
    for (heap, write) in heaps {
        let mut body = Vec::new();
        rows.iter().for_each(|row| write(row, &mut body));
        insert.execute(params![key(heap as u8, block.id), b"", body])?;
    }
    write_postings(connection, block.id, rows)
}

/// The whole of a block's accesses, to change some of them.
pub(super) fn read(connection: &Connection, block: &Block) -> Result<Vec<Access>, IndexError> {
    let mut rows = vec![Access::default(); block.rows];
    for column in Column::ALL {
        let codes = read_codes(connection, column, block)?;
        for (at, row) in rows.iter_mut().enumerate() {
            row.set(column, codes.value(at));
        }
    }
    for number in Number::ALL {
        let values = read_numbers(connection, number, block)?;
        rows.iter_mut().zip(values).for_each(|(row, value)| row.set_number(number, value));
    }
    let ids = heap(connection, Heap::Ids, block)?;
    let counts = heap(connection, Heap::Counts, block)?;
    let people = heap(connection, Heap::People, block)?;
    let (mut ids, mut counts, mut people) = (Bytes(&ids), Bytes(&counts), Bytes(&people));
    for row in &mut rows {
        row.read_ids(&mut ids)?;
        row.counts = super::access::read_counts(&mut counts)?;
        row.people = super::access::read_people(&mut people)?;
    }
    Ok(rows)
}

/// Some of a block's accesses, by their places in ascending order; without what left by category.
pub(super) fn read_some(connection: &Connection, block: &Block, places: &[usize]) -> Result<Vec<Access>, IndexError> {
    let mut rows = vec![Access::default(); places.len()];
    for column in Column::ALL {
        let codes = read_codes(connection, column, block)?;
        rows.iter_mut().zip(places).for_each(|(row, at)| row.set(column, codes.value(*at)));
    }
    for number in Number::ALL {
        let values = read_numbers(connection, number, block)?;
        let value = |at: &usize| values.get(*at).copied().unwrap_or(0);
        rows.iter_mut().zip(places).for_each(|(row, at)| row.set_number(number, value(at)));
    }
    let (ids, people) = (heap(connection, Heap::Ids, block)?, heap(connection, Heap::People, block)?);
    let (mut ids, mut people) = (Bytes(&ids), Bytes(&people));
    let mut at = 0;
    for (row, place) in rows.iter_mut().zip(places) {
        while at < *place {
            Access::skip_ids(&mut ids)?;
            super::access::read_people(&mut people)?;
            at += 1;
        }
        row.read_ids(&mut ids)?;
        row.people = super::access::read_people(&mut people)?;
        at += 1;
    }
    Ok(rows)
}

/// Takes blocks away.
pub(super) fn remove(connection: &Connection, id: u64) -> Result<(), IndexError> {
    connection.execute("DELETE FROM block WHERE id = ?1", [signed(id)])?;
    let mut part = connection.prepare_cached("DELETE FROM part WHERE key = ?1")?;
    for number in 0..=u8::MAX {
        part.execute([key(number, id)])?;
    }
    let mut posting = connection.prepare_cached("DELETE FROM posting WHERE key = ?1")?;
    for bucket in 0..2 * BUCKETS {
        posting.execute([posting_key(bucket, id)])?;
    }
    Ok(())
}

/// The values of a column with how often, without the column itself.
pub(super) fn read_head(connection: &Connection, column: Column, block: &Block) -> Result<Vec<(u32, u32)>, IndexError> {
    let mut read = connection.prepare_cached("SELECT head FROM part WHERE key = ?1")?;
    read.query_row([key(column as u8, block.id)], |row| {
        Ok(row.get_ref(0)?.as_blob().map_err(|_| IndexError::Damaged("a column is no blob")).and_then(decode_head))
    })?
}

/// A column.
pub(super) fn read_codes(connection: &Connection, column: Column, block: &Block) -> Result<Codes, IndexError> {
    let mut read = connection.prepare_cached("SELECT head, body FROM part WHERE key = ?1")?;
    let mut rows = read.query([key(column as u8, block.id)])?;
    let row = rows.next()?.ok_or(IndexError::Damaged("a column is missing"))?;
    let head = row.get_ref(0)?.as_blob().map_err(|_| IndexError::Damaged("a column is no blob"))?;
    let body = row.get_ref(1)?.as_blob().map_err(|_| IndexError::Damaged("a column is no blob"))?;
    let values = decode_head(head)?;
    let codes: Vec<u16> = match values.len() {
        0 | 1 => Vec::new(),
        2..=256 => body.iter().map(|byte| u16::from(*byte)).collect(),
        _ => body.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect(),
    };
    let rows = values.iter().fold(0usize, |sum, (_, count)| sum + usize::try_from(*count).unwrap_or(0));
    if rows != block.rows || (values.len() > 1 && codes.len() != block.rows) {
        return Err(IndexError::Damaged("a column has another length than its block"));
    }
    Ok(Codes { values, codes })
}

/// A column of numbers of any size.
pub(super) fn read_numbers(connection: &Connection, number: Number, block: &Block) -> Result<Vec<u64>, IndexError> {
    let mut read = connection.prepare_cached("SELECT head, body FROM part WHERE key = ?1")?;
    let mut rows = read.query([key(64 + number as u8, block.id)])?;
    let row = rows.next()?.ok_or(IndexError::Damaged("a column is missing"))?;
    let mut head = Bytes(row.get_ref(0)?.as_blob().map_err(|_| IndexError::Damaged("a column is no blob"))?);
    let body = row.get_ref(1)?.as_blob().map_err(|_| IndexError::Damaged("a column is no blob"))?;
    let (least, width) = (head.number()?, head.length()?);
    if body.len() != width * block.rows {
        return Err(IndexError::Damaged("a column has another length than its block"));
    }
    Ok(match width {
        0 => vec![least; block.rows],
        1 => body.iter().map(|byte| least + u64::from(*byte)).collect(),
        2 => body.as_chunks::<2>().0.iter().map(|b| least + u64::from(u16::from_le_bytes(*b))).collect(),
        4 => body.as_chunks::<4>().0.iter().map(|b| least + u64::from(u32::from_le_bytes(*b))).collect(),
        _ => body.as_chunks::<8>().0.iter().map(|b| least.wrapping_add(u64::from_le_bytes(*b))).collect(),
    })
}

/// The bytes of what lies one after the other.
pub(super) fn heap(connection: &Connection, heap: Heap, block: &Block) -> Result<Vec<u8>, IndexError> {
    let mut read = connection.prepare_cached("SELECT body FROM part WHERE key = ?1")?;
    Ok(read.query_row([key(heap as u8, block.id)], |row| row.get(0))?)
}

/// The hash by which a person's sealed id is known: 64 bits of SHA-256. Two of ten million persons share one with a
/// probability of 1 in 370,000; the record itself says who it is.
pub(super) fn hash(sealed: &str) -> u64 {
    let digest = Sha256::digest(sealed.as_bytes());
    digest.first_chunk::<8>().map_or(0, |first| u64::from_le_bytes(*first))
}

/// Accesses of a block that name a person.
pub(super) fn rows_of_person(connection: &Connection, hash: u64, block: u64) -> Result<Vec<u16>, IndexError> {
    let mut found = Vec::new();
    each_posting(connection, hash % BUCKETS, block, |entry, row| {
        if entry == hash >> 8 {
            found.push(row);
        }
    })?;
    Ok(found)
}

/// Accesses of a block that may have an id with this beginning, of which 4 bytes must be known.
pub(super) fn rows_of_id(connection: &Connection, beginning: &str, block: u64) -> Result<Vec<u16>, IndexError> {
    let Some(first) = beginning.as_bytes().first_chunk::<4>() else { return Ok(Vec::new()) };
    let known = beginning.as_bytes().get(4..).unwrap_or_default();
    let mut found = Vec::new();
    each_posting(connection, BUCKETS + bucket_of_id(first), block, |entry, row| {
        let kept = entry.to_le_bytes();
        if kept.iter().zip(first.iter().chain(known)).all(|(kept, asked)| kept == asked) {
            found.push(row);
        }
    })?;
    Ok(found)
}

impl Codes {
    pub(super) fn value(&self, at: usize) -> u32 {
        let code = if self.codes.is_empty() { 0 } else { self.codes.get(at).copied().unwrap_or(0) };
        self.values.get(usize::from(code)).map_or(0, |(value, _)| *value)
    }

    /// From the accesses themselves.
    pub(super) fn of(cells: &[u32]) -> Codes {
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        let mut before = None;
        for cell in cells {
            // Runs are common, and looking up is what costs.
            match before.as_mut() {
                Some((value, count)) if value == cell => *count += 1,
                _ => {
                    if let Some((value, count)) = before.replace((*cell, 1)) {
                        *counts.entry(value).or_default() += count;
                    }
                }
            }
        }
        if let Some((value, count)) = before {
            *counts.entry(value).or_default() += count;
        }
        let values: Vec<(u32, u32)> = counts.into_iter().collect();
        if values.len() < 2 {
            return Codes { values, codes: Vec::new() };
        }
        let mut place: std::collections::HashMap<u32, u16> = std::collections::HashMap::with_capacity(values.len());
        values.iter().zip(0u16..).for_each(|((value, _), at)| {
            place.insert(*value, at);
        });
        let mut last = (u32::MAX, 0);
        let codes = cells.iter().map(|cell| {
            if last.0 != *cell {
                last = (*cell, place.get(cell).copied().unwrap_or(0));
            }
            last.1
        });
        let codes = codes.collect();
        Codes { values, codes }
    }
}

fn encode_codes(cells: Vec<u32>) -> (Vec<u8>, Vec<u8>) {
    let Codes { values, codes } = Codes::of(&cells);
    let mut head = Vec::with_capacity(4 * values.len());
    let mut before = 0;
    for (value, count) in &values {
        put(&mut head, u64::from(value - before));
        put(&mut head, u64::from(*count));
        before = *value;
    }
    let body = match values.len() {
        0..=256 => codes.iter().map(|code| u8::try_from(*code).unwrap_or(0)).collect(),
        _ => codes.iter().flat_map(|code| code.to_le_bytes()).collect(),
    };
    (head, body)
}

fn decode_head(head: &[u8]) -> Result<Vec<(u32, u32)>, IndexError> {
    let mut bytes = Bytes(head);
    let mut values = Vec::new();
    let mut before = 0u32;
    while !bytes.0.is_empty() {
        before = before.wrapping_add(bytes.small()?);
        values.push((before, bytes.small()?));
    }
    Ok(values)
}

fn encode_numbers(values: &[u64]) -> (Vec<u8>, Vec<u8>) {
    let least = values.iter().copied().min().unwrap_or(0);
    let most = values.iter().copied().max().unwrap_or(0) - least;
    let width = match most {
        0 => 0,
        1..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    };
    let mut head = Vec::new();
    put(&mut head, least);
    put(&mut head, width as u64);
    let mut body = Vec::with_capacity(width * values.len());
    for value in values {
        body.extend((value - least).to_le_bytes().into_iter().take(width));
    }
    (head, body)
}

/// Per bucket: the row and the rest of the hash, 10 bytes each; ids as their first 8 bytes.
fn write_postings(connection: &Connection, block: u64, rows: &[Access]) -> Result<(), IndexError> {
    let mut buckets: Vec<Vec<u8>> = vec![Vec::new(); 2 * usize::try_from(BUCKETS).unwrap_or(0)];
    let mut add = |bucket: u64, entry: u64, row: u16| {
        if let Some(bucket) = usize::try_from(bucket).ok().and_then(|bucket| buckets.get_mut(bucket)) {
            bucket.extend_from_slice(&entry.to_le_bytes());
            bucket.extend_from_slice(&row.to_le_bytes());
        }
    };
    for (row, at) in rows.iter().zip(0u16..) {
        for person in &row.people {
            add(person.hash % BUCKETS, person.hash >> 8, at);
        }
        for id in [&row.id, &row.trace] {
            if let Some(first) = id.as_bytes().first_chunk::<4>() {
                add(BUCKETS + bucket_of_id(first), beginning_of(id), at);
            }
        }
    }
    let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO posting VALUES (?1, ?2)")?;
    let mut delete = connection.prepare_cached("DELETE FROM posting WHERE key = ?1")?;
    for (bucket, body) in buckets.iter().zip(0u64..).map(|(body, bucket)| (bucket, body)) {
        if body.is_empty() {
            delete.execute([posting_key(bucket, block)])?;
        } else {
            insert.execute(params![posting_key(bucket, block), body])?;
        }
    }
    Ok(())
}

fn each_posting(
    connection: &Connection,
    bucket: u64,
    block: u64,
    mut each: impl FnMut(u64, u16),
) -> Result<(), IndexError> {
    let mut read = connection.prepare_cached("SELECT body FROM posting WHERE key = ?1")?;
    let body: Option<Vec<u8>> = read.query_row([posting_key(bucket, block)], |row| row.get(0)).optional()?;
    for entry in body.unwrap_or_default().as_chunks::<10>().0 {
        let [a, b, c, d, e, f, g, h, i, j] = *entry;
        each(u64::from_le_bytes([a, b, c, d, e, f, g, h]), u16::from_le_bytes([i, j]));
    }
    Ok(())
}

/// The first 8 bytes of an id, with zeros behind a shorter one.
fn beginning_of(id: &str) -> u64 {
    let mut first = [0u8; 8];
    first.iter_mut().zip(id.bytes()).for_each(|(place, byte)| *place = byte);
    u64::from_le_bytes(first)
}

fn bucket_of_id(first: &[u8; 4]) -> u64 {
    u64::from(u32::from_le_bytes(*first).wrapping_mul(0x9E37_79B1) >> 24)
}

fn key(part: u8, block: u64) -> i64 {
    signed(u64::from(part) << 40 | block)
}

fn posting_key(bucket: u64, block: u64) -> i64 {
    signed(bucket << 40 | block)
}
