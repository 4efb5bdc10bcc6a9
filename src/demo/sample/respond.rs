//! What does a careless backend answer? Lists with paging, filters and sorting, single records, sub-collections, exports
//! line by line, statistics; and it takes writes. It asks nobody who they are: that is the gate's work.

use std::cmp::Ordering;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Kind, Org, Records, Sample, Statistic};

/// One answer. No `Debug`: it holds people's data, if synthetic.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type; empty where there is no body.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

const JSON: &str = "application/json";
/// How many entries a page has, and may have.
const SIZE: (usize, usize) = (20, 500);
/// The portrait that every chart has: a PNG of one black pixel.
const PORTRAIT: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\nIDAT\x78\x9c\x63\x60\0\0\0\x02\0\x01\x48\xaf\xa4\x71\0\0\0\0IEND\xae\x42\x60\x82";

impl Sample {
    /// The answer to a request: `path` and `query` as they are on the wire (the query without `?`), the body's bytes.
    ///
    /// Whatever it cannot serve is 400, 404, 405, 409 or 422, with a problem as JSON.
    pub fn respond(&self, method: &str, path: &str, query: Option<&str>, body: &[u8]) -> Answer {
        let mut steps = Vec::new();
        for raw in path.split('/').skip(1) {
            match percent_decode_str(raw).decode_utf8() {
                Ok(step) => steps.push(step.into_owned()),
                Err(_) => return problem(400, "path is not utf-8"),
            }
        }
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let query = Query::read(query.unwrap_or(""));
        let method = if method == "HEAD" { "GET" } else { method };
        let mut records = self.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match (method, steps.as_slice()) {
            ("GET", ["export", collection]) => self.export(&records, collection),
            ("GET", ["statistics", name]) => self.statistic(&records, name),
            ("GET", ["patients", id, "photo"]) if self.org == Org::Sakura => match find(&records, "patients", id) {
                Some(_) => Answer { status: 200, content_type: "image/png", body: PORTRAIT.to_vec() },
                None => problem(404, "no such record"),
            },
            ("GET", ["platform", "dataset"]) if self.org == Org::Cellspect => self.dataset(&records, &query),
            (_, [collection, rest @ ..]) if rest.len() < 2 => match self.kind(collection, None) {
                Some(kind) => Access { kind, parent: None, records: &mut records }.answer(method, rest, &query, body),
                None => problem(404, "no such collection"),
            },
            (_, [parent, id, collection, rest @ ..]) if rest.len() < 2 => match self.kind(collection, Some(parent)) {
                Some(_) if find(&records, parent, id).is_none() => problem(404, "no such record"),
                Some(kind) => {
                    let parent = kind.parent.map(|(_, member)| (member, *id));
                    Access { kind, parent, records: &mut records }.answer(method, rest, &query, body)
                }
                None => problem(404, "no such collection"),
            },
            _ => problem(404, "no such path"),
        }
    }

    fn kind(&self, collection: &str, parent: Option<&str>) -> Option<&'static Kind> {
        let fits = |kind: &&Kind| kind.collection == collection && kind.parent.map(|(name, _)| name) == parent;
        self.org.kinds().iter().filter(|kind| kind.dataset.is_none()).find(fits)
    }

    fn export(&self, records: &Records, collection: &str) -> Answer {
        let exported = self.org.kinds().iter().any(|kind| kind.export && kind.collection == collection);
        let Some(lines) = records.get(collection).filter(|_| exported) else { return problem(404, "no such export") };
        let mut body = Vec::new();
        for record in lines {
            body.extend_from_slice(record.to_string().as_bytes());
            body.push(b'\n');
        }
        Answer { status: 200, content_type: "application/x-ndjson", body }
    }

    fn dataset(&self, records: &Records, query: &Query) -> Answer {
        let kind = self.org.kinds().iter().find(|kind| kind.dataset.is_some());
        let rows = kind.and_then(|kind| records.get(kind.collection)).map(Vec::as_slice).unwrap_or_default();
        let (page, size) = query.page();
        let some: Vec<&Value> = rows.iter().skip(page.saturating_sub(1).saturating_mul(size)).take(size).collect();
        json_answer(200, &json!({ "published": "2024-04-01", "records": some }))
    }

    /// Persons by prefecture or the like, in order; small cells too, for withholding them is the gate's work.
    fn statistic(&self, records: &Records, name: &str) -> Answer {
        let found = self.org.statistics().iter().find(|statistic| statistic.name == name);
        let Some(Statistic { collection, by, .. }) = found else { return problem(404, "no such statistics") };
        let mut cells: Vec<(String, u64)> = Vec::new();
        for record in records.get(collection).into_iter().flatten() {
            let group = text_at(record, by).unwrap_or_default();
            match cells.iter_mut().find(|(name, _)| *name == group) {
                Some((_, persons)) => *persons += 1,
                None => cells.push((group, 1)),
            }
        }
        cells.sort();
        let cells: Vec<Value> =
            cells.into_iter().map(|(group, persons)| json!({ "group": group, "persons": persons })).collect();
        json_answer(200, &json!({ "published": "2026-04-01", "cells": cells }))
    }
}

/// One collection, or the part of it that lies beneath one record.
struct Access<'r> {
    kind: &'static Kind,
    /// Member and id of the record it lies beneath.
    parent: Option<(&'static str, &'r str)>,
    records: &'r mut Records,
}

impl Access<'_> {
    fn answer(&mut self, method: &str, rest: &[&str], query: &Query, body: &[u8]) -> Answer {
        if method != "GET" && !self.kind.writes.contains(&method) {
            return problem(405, "method not allowed");
        }
        match (method, rest.first()) {
            ("GET", None) => self.list(query),
            ("GET", Some(id)) => match self.position(id).and_then(|at| self.all().get(at)) {
                Some(record) => json_answer(200, record),
                None => problem(404, "no such record"),
            },
            ("POST", None) => self.create(body),
            ("PUT" | "PATCH", Some(id)) => self.update(id, body, method == "PATCH"),
            ("DELETE", Some(id)) => match self.position(id) {
                Some(at) => {
                    self.all_mut().remove(at);
                    Answer { status: 204, content_type: "", body: Vec::new() }
                }
                None => problem(404, "no such record"),
            },
            _ => problem(405, "method not allowed"),
        }
    }

    fn all(&self) -> &[Value] {
        self.records.get(self.kind.collection).map(Vec::as_slice).unwrap_or_default()
    }

    fn all_mut(&mut self) -> &mut Vec<Value> {
        self.records.entry(self.kind.collection).or_default()
    }

    fn is_mine(&self, record: &Value) -> bool {
        self.parent.is_none_or(|(member, id)| text_at(record, member).as_deref() == Some(id))
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.all().iter().position(|record| self.is_mine(record) && text_at(record, "id").as_deref() == Some(id))
    }

    fn list(&self, query: &Query) -> Answer {
        let wanted = |record: &&Value| {
            self.is_mine(record)
                && self.kind.filters.iter().all(|(name, member)| {
                    query.get(name).is_none_or(|value| text_at(record, member).as_deref() == Some(value))
                })
        };
        let mut found: Vec<&Value> = self.all().iter().filter(wanted).collect();
        if let Some(sort) = query.get("sort") {
            let (member, down) = sort.strip_prefix('-').map_or((sort, false), |member| (member, true));
            found.sort_by(|a, b| {
                let order = text_at(a, member).cmp(&text_at(b, member));
                if down { order.reverse() } else { order.then(Ordering::Equal) }
            });
        }
        let (page, size) = query.page();
        let skipped = page.saturating_sub(1).saturating_mul(size);
        let items: Vec<&Value> = found.iter().copied().skip(skipped).take(size).collect();
        let more = skipped.saturating_add(items.len()) < found.len();
        let next = more.then(|| format!("{}?{}", self.path(), query.with_page(page + 1)));
        json_answer(200, &json!({ "total": found.len(), "page": page, "next": next, "items": items }))
    }

    fn path(&self) -> String {
        match (self.kind.parent, self.parent) {
            (Some((above, _)), Some((_, id))) => format!("/{above}/{id}/{}", self.kind.collection),
            _ => format!("/{}", self.kind.collection),
        }
    }

    fn create(&mut self, body: &[u8]) -> Answer {
        let Ok(Value::Object(mut record)) = serde_json::from_slice(body) else { return problem(400, "no json object") };
        if let Some((member, id)) = self.parent {
            record.insert(member.to_owned(), id.into());
        }
        let new = format!("{}-new-{:04}", self.kind.prefix, self.all().len() + 1);
        let id = record.entry("id").or_insert(Value::String(new)).as_str().map(str::to_owned);
        let Some(id) = id else { return problem(422, "id is to be a text") };
        if self.position(&id).is_some() {
            return problem(409, "there is such a record");
        }
        let record = Value::Object(record);
        let answer = json_answer(201, &record);
        self.all_mut().push(record);
        answer
    }

    fn update(&mut self, id: &str, body: &[u8], merge: bool) -> Answer {
        let Ok(Value::Object(mut sent)) = serde_json::from_slice(body) else { return problem(400, "no json object") };
        sent.insert("id".to_owned(), id.into());
        if let Some((member, parent)) = self.parent {
            sent.insert(member.to_owned(), parent.into());
        }
        let record = self.position(id).and_then(|at| self.all_mut().get_mut(at));
        let Some(record) = record else { return problem(404, "no such record") };
        if merge {
            merge_patch(record, Value::Object(sent));
        } else {
            *record = Value::Object(sent);
        }
        json_answer(200, record)
    }
}

/// RFC 7396.
fn merge_patch(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge_patch(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn find<'r>(records: &'r Records, collection: &str, id: &str) -> Option<&'r Value> {
    records.get(collection)?.iter().find(|record| text_at(record, "id").as_deref() == Some(id))
}

/// The value at a dotted place, as it would be compared; `None` where there is none or it is a container.
fn text_at(record: &Value, dotted: &str) -> Option<String> {
    let value = dotted.split('.').try_fold(record, |value, step| value.get(step))?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The parameters, the last of a name first, as lenient servers read them.
struct Query {
    raw: String,
    parameters: Vec<(String, String)>,
}

impl Query {
    fn read(raw: &str) -> Query {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pieces = raw.split('&').rev().filter_map(|piece| piece.split_once('='));
        let parameters = pieces.map(|(name, value)| (decode(name), decode(value))).collect();
        Query { raw: raw.to_owned(), parameters }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn page(&self) -> (usize, usize) {
        let number = |name| self.get(name).and_then(|value| value.parse::<usize>().ok());
        (number("page").unwrap_or(1).max(1), number("size").unwrap_or(SIZE.0).clamp(1, SIZE.1))
    }

    fn with_page(&self, page: usize) -> String {
        let others = self.raw.split('&').filter(|piece| !piece.is_empty() && !piece.starts_with("page="));
        others.map(str::to_owned).chain([format!("page={page}")]).collect::<Vec<_>>().join("&")
    }
}

fn json_answer(status: u16, value: &Value) -> Answer {
    Answer { status, content_type: JSON, body: value.to_string().into_bytes() }
}

fn problem(status: u16, detail: &str) -> Answer {
    json_answer(status, &json!({ "status": status, "detail": detail }))
}
