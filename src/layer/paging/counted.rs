//! Which entries does a page hold, where the caller counts them himself: `limit` and `offset` of a DICOMweb search?
//!
//! PS3.18 section 8.3.4.4 gives a list no link by which it goes on. So what a caller counts is what he sees: the gate reads the
//! archive's list from its beginning, passes over as many entries as he has had, and releases as many as he asks for. What
//! was left out counts for nothing, wherever it stands.
//! * without `limit` he gets all, whatever the archive answers at once;
//! * the list has ended where the archive answers no entry: a page shorter than was asked for says nothing;
//! * more than the pager's bound of pages are not read: the answer ends as a fault ([`TOO_LONG`]). A page that ended short
//!   would say that the list has ended.

use std::hash::{DefaultHasher, Hasher};

use http::StatusCode;

use super::{Broken, parameters};
use crate::layer::refusal::Problem;

pub(super) const LIMIT: &str = "limit";
const OFFSET: &str = "offset";
/// How many entries the archive is asked for at once, at most; and at least, where its first page did not suffice.
const ASKED_MAX: u64 = 1000;
const ASKED_FURTHER: u64 = 100;
/// The list was not read to where the caller asks.
pub(in crate::layer) const TOO_LONG: Broken = "list-too-long";

/// What a caller asks for by counting, and how far the archive's list was read.
pub(in crate::layer) struct Counted {
    path: String,
    /// The list's own parameters, as they stand, and where among them `limit` stood.
    parameters: Vec<String>,
    place: Option<usize>,
    limit: Option<u64>,
    offset: u64,
    /// How many entries were read: of the pages before, and of this one.
    read: u64,
    here: u64,
    /// What the page before held, and what this one holds.
    former: Option<u64>,
    bytes: DefaultHasher,
}

impl Counted {
    /// Of a target with a query.
    pub(in crate::layer) fn new(target: &str) -> Counted {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (mut kept, mut place, mut limit, mut offset) = (Vec::new(), None, None, 0);
        for piece in query.split('&').filter(|piece| !piece.is_empty()) {
            let number = || parameters(piece).next().and_then(|(_, value)| value.parse::<u64>().ok());
            match parameters(piece).next().as_ref().map(|(name, _)| name.as_str()) {
                Some(LIMIT) => (place, limit) = (Some(kept.len()), number()),
                Some(OFFSET) => offset = number().unwrap_or(0),
                Some(_) | None => kept.push(piece.to_owned()),
            }
        }
        let path = path.to_owned();
        let (read, here, former, bytes) = (0, 0, None, DefaultHasher::new());
        Counted { path, parameters: kept, place, limit, offset, read, here, former, bytes }
    }

    pub(super) fn limit(&self) -> Option<u64> {
        self.limit
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// What the archive is asked first.
    pub(in crate::layer) fn first(&self) -> String {
        self.target(self.limit.map(|limit| self.offset.saturating_add(limit).min(ASKED_MAX)), 0)
    }

    fn target(&self, limit: Option<u64>, offset: u64) -> String {
        let mut all = self.parameters.clone();
        if let Some(limit) = limit {
            all.insert(self.place.unwrap_or(all.len()), format!("{LIMIT}={limit}"));
        }
        if offset > 0 {
            all.push(format!("{OFFSET}={offset}"));
        }
        let question = if all.is_empty() { "" } else { "?" };
        format!("{}{question}{}", self.path, all.join("&"))
    }

    /// A piece of the archive's page.
    pub(super) fn sees(&mut self, piece: &[u8]) {
        self.bytes.write(piece);
    }

    /// An entry of it.
    pub(super) fn reads(&mut self) {
        self.here += 1;
    }

    /// A page has ended: what is to be asked next; `None`: nothing. `full`: as many were released as are asked for.
    pub(super) fn next(&mut self, full: bool) -> Result<Option<String>, Broken> {
        let here = std::mem::take(&mut self.here);
        let bytes = std::mem::take(&mut self.bytes).finish();
        self.read += here;
        if here == 0 || full {
            return Ok(None);
        }
        // An archive that takes no `offset` answers the same for ever.
        if self.former.replace(bytes) == Some(bytes) {
            return Err("backend-page");
        }
        let wanted = self.limit.map_or(here, |limit| self.offset.saturating_add(limit));
        Ok(Some(self.target(Some(wanted.clamp(ASKED_FURTHER, ASKED_MAX)), self.read)))
    }
}

/// Whether a query asks for no entry, or for none that can be counted.
pub(in crate::layer) fn is_of_none(query: &str) -> bool {
    parameters(query).any(|(name, value)| match name.as_str() {
        LIMIT => value.parse::<u64>().is_ok_and(|limit| limit == 0) || !is_number(&value),
        OFFSET => !is_number(&value),
        _ => false,
    })
}

fn is_number(value: &str) -> bool {
    (1..=15).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
}

/// What a caller is told who asks past the pager's bound.
pub(in crate::layer) fn too_long() -> Problem {
    let detail = "the list is read from its beginning, and not as far as this: narrow the search";
    Problem::new(StatusCode::BAD_REQUEST, TOO_LONG, detail)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_asked_from_the_beginning_and_everything_else_stays() {
        for (target, first) in [
            ("/studies", "/studies"),
            ("/studies?a=%20b", "/studies?a=%20b"),
            ("/studies?limit=3&a=b", "/studies?limit=3&a=b"),
            ("/studies?a=b&off%73et=7&c=d&%6cimit=5&e=f", "/studies?a=b&c=d&limit=12&e=f"),
            ("/studies?offset=5", "/studies"),
            ("/studies?limit=5&offset=100000", "/studies?limit=1000"),
        ] {
            assert_eq!(Counted::new(target).first(), first, "{target}");
        }
    }

    #[test]
    fn a_list_goes_on_until_it_is_full_or_has_ended() {
        let ended = |counted: &mut Counted, entries: u64, full| {
            counted.bytes.write_u64(counted.read);
            counted.here = entries;
            counted.next(full)
        };
        let of = |target: &str| Counted::new(target);
        assert_eq!(ended(&mut of("/s?limit=3"), 3, true), Ok(None));
        assert_eq!(ended(&mut of("/s?limit=3"), 0, false), Ok(None));
        assert_eq!(ended(&mut of("/s"), 9, false), Ok(Some("/s?limit=100&offset=9".to_owned())));
        assert_eq!(ended(&mut of("/s"), 700, false), Ok(Some("/s?limit=700&offset=700".to_owned())));
        let mut counted = of("/s?limit=3&offset=2");
        assert_eq!(ended(&mut counted, 5, false), Ok(Some("/s?limit=100&offset=5".to_owned())));
        assert_eq!(ended(&mut counted, 1, false), Ok(Some("/s?limit=100&offset=6".to_owned())));
        assert_eq!(ended(&mut counted, 0, false), Ok(None));
        let mut same = of("/s?limit=3");
        same.here = 1;
        assert!(same.next(false).unwrap().is_some());
        same.here = 1;
        assert_eq!(same.next(false), Err("backend-page"));
    }

    #[test]
    fn what_cannot_be_counted_is_told_apart() {
        for (query, none) in [
            ("limit=1&offset=0", false),
            ("a=0", false),
            ("limit=0", true),
            ("limit=00", true),
            ("limit=-1", true),
            ("limit=1e3", true),
            ("offset=x", true),
            ("offset=9999999999999999", true),
            ("%6cimit=0", true),
        ] {
            assert_eq!(is_of_none(query), none, "{query}");
        }
    }
}
