//! Which accesses are asked for?

use super::access::Column;
use super::queries::Snapshot;
use super::words::{Kind, is_true};
use super::{Flags, Outcome};

/// What must hold of an access. Empty lists ask nothing; of a list one must hold, of all members together each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this log only.
    pub log: Option<String>,
    /// Not before this moment, milliseconds since the epoch.
    pub from_ms: Option<u64>,
    /// Before this moment.
    pub until_ms: Option<u64>,
    /// How it came out.
    pub outcome: Vec<Outcome>,
    /// Its purpose; the empty text: none was declared. So in all lists of words.
    pub purpose: Vec<String>,
    /// The recipient id of the policy.
    pub recipient: Vec<String>,
    /// The organisation of caller or recipient.
    pub organization: Vec<String>,
    /// The caller's id.
    pub caller: Vec<String>,
    /// A role that the caller held.
    pub role: Vec<String>,
    /// A clause that it relied on, or that refused.
    pub clause: Vec<String>,
    /// The route's template.
    pub route: Vec<String>,
    /// `read`, `search` …
    pub action: Vec<String>,
    /// A category that was decided about; with `form`: in that form.
    pub category: Vec<String>,
    /// A form in which something left, or `withheld`.
    pub form: Option<String>,
    /// A reason of a refusal.
    pub reason: Vec<String>,
    /// A person, as sealed in the log.
    pub subject: Option<String>,
    /// All of these.
    pub flags: Flags,
    /// Words, each of which must be in caller, organisation, route or a clause (letters of any case), or begin the id of
    /// the decision or trace (from 4 letters on), or be the record's number.
    pub text: String,
}

/// A column that must have one of some values.
pub(super) struct Must {
    pub(super) column: Column,
    /// By value.
    pub(super) allowed: Vec<bool>,
}

/// A word of [`Filter::text`]: any of these.
pub(super) struct Term {
    pub(super) any: Vec<Must>,
    pub(super) text: String,
    pub(super) number: Option<u64>,
}

/// A filter in the numbers of one commit.
pub(super) struct Asked {
    pub(super) log: Option<u32>,
    /// Whether nothing can match: a log that is not there.
    pub(super) is_nothing: bool,
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
    pub(super) must: Vec<Must>,
    pub(super) person: Option<u64>,
    pub(super) terms: Vec<Term>,
}

impl Asked {
    pub(super) fn new(filter: &Filter, snapshot: &Snapshot) -> Asked {
        let words = &snapshot.words;
        let mut must = Vec::new();
        let mut single = |column, kind, asked: &[String]| {
            if !asked.is_empty() {
                must.push(Must { column, allowed: words.which(kind, |word| asked.iter().any(|one| one == word)) });
            }
        };
        single(Column::Purpose, Kind::Purpose, &filter.purpose);
        single(Column::Recipient, Kind::Recipient, &filter.recipient);
        single(Column::Organization, Kind::Organization, &filter.organization);
        single(Column::Caller, Kind::Caller, &filter.caller);
        single(Column::Route, Kind::Route, &filter.route);
        single(Column::Action, Kind::Action, &filter.action);
        let mut several = |column, set, kind, asked: &[String]| {
            if !asked.is_empty() {
                let which = words.which(kind, |word| !word.is_empty() && asked.iter().any(|one| one == word));
                let mut allowed = words.holding(set, &which);
                if let Some(none) = allowed.first_mut() {
                    *none = asked.iter().any(String::is_empty);
                }
                must.push(Must { column, allowed });
            }
        };
        several(Column::Roles, Kind::Roles, Kind::Role, &filter.role);
        several(Column::Clauses, Kind::Clauses, Kind::Clause, &filter.clause);
        several(Column::Reasons, Kind::Reasons, Kind::Reason, &filter.reason);
        if !filter.category.is_empty() || filter.form.is_some() {
            let holds = |word: &str| {
                let (form, category) = word.split_once(' ').unwrap_or_default();
                (filter.category.is_empty() || filter.category.iter().any(|one| one == category))
                    && filter.form.as_deref().is_none_or(|asked| asked == form)
                    && !word.is_empty()
            };
            must.push(Must {
                column: Column::Forms,
                allowed: words.holding(Kind::Forms, &words.which(Kind::Form, holds)),
            });
        }
        if !filter.outcome.is_empty() {
            let allowed = Outcome::ALL.iter().map(|one| filter.outcome.contains(one)).collect();
            must.push(Must { column: Column::Outcome, allowed });
        }
        if filter.flags != Flags::default() {
            let allowed = (0..FLAGS).map(|flags| Flags(flags).has(filter.flags)).collect();
            must.push(Must { column: Column::Flags, allowed });
        }
        let log =
            filter.log.as_ref().map(|name| snapshot.logs.iter().find(|(_, known)| *known == name).map(|(id, _)| *id));
        Asked {
            is_nothing: log == Some(None),
            log: log.flatten(),
            from_ms: filter.from_ms.unwrap_or(0),
            until_ms: filter.until_ms.unwrap_or(u64::MAX),
            must,
            person: filter.subject.as_deref().map(super::block::hash),
            terms: filter.text.split_whitespace().take(TERMS_MAX).map(|term| Term::new(term, snapshot)).collect(),
        }
    }
}

impl Term {
    fn new(text: &str, snapshot: &Snapshot) -> Term {
        let words = &snapshot.words;
        let lower = text.to_lowercase();
        let holds = |word: &str| word.to_lowercase().contains(&lower);
        let clauses = words.holding(Kind::Clauses, &words.which(Kind::Clause, holds));
        let any = vec![
            Must { column: Column::Caller, allowed: words.which(Kind::Caller, holds) },
            Must { column: Column::Organization, allowed: words.which(Kind::Organization, holds) },
            Must { column: Column::Route, allowed: words.which(Kind::Route, holds) },
            Must { column: Column::Clauses, allowed: clauses },
        ];
        Term { any, text: text.to_owned(), number: text.parse().ok() }
    }
}

impl Must {
    pub(super) fn takes(&self, value: u32) -> bool {
        is_true(&self.allowed, value)
    }
}

/// More than any combination of flags.
const FLAGS: u32 = 32;
/// Words of a search.
const TERMS_MAX: usize = 8;
