//! The slow reading: every line as JSON, every question a loop over all accesses.

use super::support::*;
use sekisho::audit::Reader;
use sekisho::index::{Filter, Outcome};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An access as the lines tell it.
#[derive(Clone, Debug, Default)]
pub(super) struct Slow {
    pub(super) log: String,
    pub(super) seq: u64,
    pub(super) order_ms: u64,
    pub(super) time_ms: u64,
    pub(super) begun: Value,
    pub(super) windows: Vec<Value>,
    pub(super) end: Option<Value>,
}

pub(super) fn read(disks: &Disks) -> Vec<Slow> {
    let mut all = Vec::new();
    for (name, disk) in disks {
        let mut reader = Reader::new(disk);
        let mut of_log: BTreeMap<u64, Slow> = BTreeMap::new();
        let mut newest = 0;
        while let Some(line) = reader.next_line().unwrap() {
            let record: Value = serde_json::from_slice(&line.bytes).unwrap();
            let seq = record["seq"].as_u64().unwrap();
            let begin = record["begin"].as_u64().and_then(|begin| of_log.get_mut(&begin));
            match (record["kind"].as_str().unwrap(), begin) {
                ("begin" | "refusal", _) => {
                    let time: jiff::Timestamp = record["time"].as_str().unwrap().parse().unwrap();
                    let time_ms = time.as_millisecond() as u64;
                    newest = time_ms.max(newest);
                    let log = name.clone();
                    of_log.insert(seq, Slow { log, seq, order_ms: newest, time_ms, begun: record, ..Slow::default() });
                }
                ("continuation", Some(access)) => access.windows.push(record),
                ("end", Some(access)) => access.end = Some(record),
                _ => {}
            }
        }
        all.extend(of_log.into_values());
    }
    all.sort_by(|a, b| (a.order_ms, &a.log, a.seq).cmp(&(b.order_ms, &b.log, b.seq)));
    all.reverse();
    all
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect()
}

impl Slow {
    pub(super) fn text(&self, path: &str) -> String {
        self.begun.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(super) fn outcome(&self) -> &str {
        if self.begun["kind"] == "refusal" {
            let told = self.reasons().iter().all(|code| code == "help" || code == "dry-run");
            return if told { "told" } else { "refused" };
        }
        self.end.as_ref().map_or("open", |end| end["outcome"].as_str().unwrap())
    }

    pub(super) fn organization(&self) -> String {
        let own = self.text("/caller/organization");
        if own.is_empty() { self.text("/recipient/organization") } else { own }
    }

    pub(super) fn reasons(&self) -> BTreeSet<String> {
        let list = self.begun["reasons"].as_array().into_iter().flatten();
        list.map(|reason| reason["code"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn clauses(&self) -> BTreeSet<String> {
        let list = self.begun["reasons"].as_array().into_iter().flatten();
        let refusing = list.filter_map(|reason| reason["clause"].as_str().map(str::to_owned));
        texts(&self.begun["clauses"]).into_iter().chain(refusing).collect()
    }

    pub(super) fn forms(&self) -> BTreeSet<String> {
        let windows = self.windows.iter().flat_map(|window| window["disclosed"].as_array().unwrap());
        let mut all = BTreeSet::new();
        for holder in std::iter::once(&self.begun).chain(windows) {
            for (form, categories) in holder["forms"].as_object().into_iter().flatten() {
                all.extend(texts(categories).into_iter().map(|category| format!("{form} {category}")));
            }
        }
        all
    }

    pub(super) fn entries_about(&self, person: &str) -> u64 {
        let windows = self.windows.iter().flat_map(|window| window["disclosed"].as_array().unwrap());
        windows.flat_map(|group| texts(&group["subjects"])).filter(|one| one == person).count() as u64
    }

    pub(super) fn names(&self, person: &str) -> bool {
        texts(&self.begun["subjects"]).iter().any(|one| one == person) || self.entries_about(person) > 0
    }

    pub(super) fn set(&self, member: &str) -> BTreeSet<String> {
        match member {
            "roles" => texts(&self.begun["caller"]["roles"]).into_iter().collect(),
            "obligations" => texts(&self.begun["obligations"]).into_iter().collect(),
            "unclassified" => self.end.iter().flat_map(|end| texts(&end["unclassified"])).collect(),
            other => panic!("{other}"),
        }
    }

    pub(super) fn is_review(&self) -> bool {
        self.set("obligations").contains("review")
    }

    fn has_text(&self, term: &str) -> bool {
        let lower = term.to_lowercase();
        let words = [self.text("/caller/id"), self.organization(), self.text("/route")];
        words.iter().chain(&self.clauses()).any(|word| word.to_lowercase().contains(&lower))
            || (term.len() >= 4 && [self.text("/id"), self.text("/trace_id")].iter().any(|id| id.starts_with(term)))
            || term.parse() == Ok(self.seq)
    }

    pub(super) fn matches(&self, filter: &Filter) -> bool {
        let is = |asked: &[String], found: String| asked.is_empty() || asked.contains(&found);
        let holds = |asked: &[String], found: BTreeSet<String>| {
            asked.is_empty()
                || asked.iter().any(|one| found.contains(one))
                || (found.is_empty() && asked.iter().any(String::is_empty))
        };
        let outcome = |one: &Outcome| one.name() == self.outcome();
        let category = self.forms().iter().any(|word| {
            let (form, category) = word.split_once(' ').unwrap();
            (filter.category.is_empty() || filter.category.iter().any(|one| one == category))
                && filter.form.as_deref().is_none_or(|asked| asked == form)
        });
        filter.log.as_ref().is_none_or(|log| *log == self.log)
            && filter.from_ms.is_none_or(|from| self.time_ms >= from)
            && filter.until_ms.is_none_or(|until| self.time_ms < until)
            && (filter.outcome.is_empty() || filter.outcome.iter().any(outcome))
            && is(&filter.purpose, self.text("/purpose"))
            && is(&filter.recipient, self.text("/recipient/id"))
            && is(&filter.organization, self.organization())
            && is(&filter.caller, self.text("/caller/id"))
            && is(&filter.route, self.text("/route"))
            && is(&filter.action, self.text("/action"))
            && holds(&filter.role, self.set("roles"))
            && holds(&filter.clause, self.clauses())
            && holds(&filter.reason, self.reasons())
            && ((filter.category.is_empty() && filter.form.is_none()) || category)
            && filter.subject.as_ref().is_none_or(|person| self.names(person))
            && (!filter.flags.has(sekisho::index::Flags::REVIEW) || self.is_review())
            && (!filter.flags.has(sekisho::index::Flags::LIST) || !self.windows.is_empty())
            && (!filter.flags.has(sekisho::index::Flags::ABROAD)
                || !["", "JP"].contains(&self.text("/recipient/country").as_str()))
            && filter.text.split_whitespace().all(|term| self.has_text(term))
    }
}

/// A question by chance; most ask for little, so that something is found.
pub(super) fn filter(chance: &mut Chance, all: &[Slow]) -> Filter {
    let mut filter = Filter::default();
    let owned = |text: &str| vec![text.to_owned()];
    for _ in 0..=chance.below(3) {
        let access = &all[chance.below(all.len() as u64) as usize];
        match chance.below(18) {
            0 => filter.from_ms = Some(access.time_ms),
            1 => filter.until_ms = Some(access.time_ms + chance.below(2)),
            2 => filter.outcome = vec![Outcome::ALL[chance.below(7) as usize], Outcome::Completed],
            3 => filter.purpose = vec![access.text("/purpose"), "none such".to_owned()],
            4 => filter.recipient = vec![access.text("/recipient/id")],
            5 => filter.organization = vec![access.organization()],
            6 => filter.caller = vec![access.text("/caller/id")],
            7 => filter.role = if chance.below(4) == 0 { owned("") } else { owned(chance.of(&ROLES)) },
            8 => filter.clause = vec![chance.of(&CLAUSES).to_owned(), chance.of(&CLAUSES).to_owned()],
            9 => filter.route = vec![access.text("/route")],
            10 => filter.action = vec![access.text("/action")],
            11 => filter.category = owned(chance.of(&CATEGORIES)),
            12 => filter.form = Some(chance.of(&FORMS).to_owned()),
            13 => filter.reason = owned(chance.of(&REASONS)),
            14 => filter.subject = Some(sealed(chance.below(13)).as_str().to_owned()),
            15 => {
                let flags = [sekisho::index::Flags::REVIEW, sekisho::index::Flags::LIST, sekisho::index::Flags::ABROAD];
                filter.flags = flags[chance.below(3) as usize];
            }
            16 => {
                let id = access.text(if chance.below(2) == 0 { "/id" } else { "/trace_id" });
                filter.text = id.chars().take(3 + chance.below(30) as usize).collect();
            }
            _ => {
                let words = ["univ", "DONORS", "II.3.1", "drop table", "%", "_", "人", &access.seq.to_string()];
                filter.text = chance.of(&words).to_owned();
            }
        }
    }
    filter
}
