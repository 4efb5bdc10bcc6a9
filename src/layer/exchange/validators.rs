//! Has the caller's view of a record changed? The view's own tag, and the conditions that are judged by it.
//!
//! The tag is a keyed hash of **what is released**, bound to caller, declaration, policy, catalogue, epoch and path: never of
//! the backend's validator, which would change with what is withheld and tell that something of it did. Two callers' tags of
//! one record cannot be joined. What cannot be released has no tag: a refusal comes before any condition is looked at, and
//! the backend is always asked, unconditionally, so that a 304 says what is so now.
//!
//! The backend has to give a validator of its own, or there is no tag: a write under it could not be held to a version.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, StatusCode, header};
use sha2::Sha256;

use super::{Out, Ready};
use crate::catalogue::Shape;
use crate::layer::judgement::Judgement;
use crate::layer::paging;
use crate::layer::refusal::{Problem, insert};
use crate::policy::Action;

/// The longest view that has a tag, in bytes: it waits as a whole for its head.
pub(super) const TAGGED_BYTES_MAX: usize = 1 << 20;
/// The longest validator of a backend that is kept, in bytes.
const BACKEND_TAG_BYTES_MAX: usize = 256;

/// Whether the answer is a view that has a tag: one judged record, to which the backend gave a validator.
pub(super) fn has_tag(ready: &Ready, fields: &HeaderMap) -> bool {
    let one =
        ready.judgement.route().is_some_and(|route| route.shape() == Shape::Object && route.certified().is_none());
    let read = ready.judgement.route.as_ref().is_some_and(|reference| reference.action == Action::Read);
    one && read && ready.permit.is_some() && backend_tag(fields).is_some()
}

/// The backend's own validator; `None`: none, several, or no entity tag (RFC 9110 §8.8.3).
pub(super) fn backend_tag(fields: &HeaderMap) -> Option<&str> {
    let mut values = fields.get_all(header::ETAG).iter();
    let (tag, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    let opaque = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
    (tag.len() <= BACKEND_TAG_BYTES_MAX && !opaque.contains(['"', ' '])).then_some(tag)
}

/// The tag of a view: these bytes, in this order, as this caller is shown the record at this path.
pub(super) fn tag_of<'b>(
    judgement: &Judgement,
    path: &str,
    view: impl IntoIterator<Item = &'b [u8]>,
) -> Option<String> {
    let key = judgement.generation.pseudonyms.master.derive("view-tags")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&*key).ok()?;
    let scope = paging::view_scope(judgement, path);
    mac.update(&scope.len().to_be_bytes());
    mac.update(&scope);
    view.into_iter().for_each(|piece| mac.update(piece));
    let digest = mac.finalize().into_bytes();
    Some(format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(digest.get(..16)?)))
}

/// The same of a view that waits in pieces.
pub(super) fn tag_of_pieces(ready: &Ready, pieces: &VecDeque<Bytes>) -> Option<String> {
    tag_of(&ready.judgement, path(&ready.target), pieces.iter().map(AsRef::as_ref))
}

/// The answer, with its tag.
pub(super) fn with(mut out: Out, tag: Option<&str>) -> Out {
    if let Some(tag) = tag {
        insert(out.headers_mut(), header::ETAG, tag);
    }
    out
}

/// The path of a target.
pub(super) fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// What a read's conditions ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The view.
    View,
    /// No view, for the caller has it: 304.
    Unchanged,
    /// No view, for it is not the one that he named: 412.
    Changed,
}

/// What a read's conditions ask for, where the view has this tag (RFC 9110 §13.2.2). Dates are passed over: a view has none.
/// Tags are compared weakly in `If-Match` too, as FHIR does.
pub(super) fn asked(fields: &HeaderMap, tag: Option<&str>) -> Asked {
    let names = |name| names(fields, name, tag);
    match (names(header::IF_MATCH), names(header::IF_NONE_MATCH)) {
        (Some(false), _) => Asked::Changed,
        (_, Some(true)) => Asked::Unchanged,
        (Some(true) | None, Some(false) | None) => Asked::View,
    }
}

/// Whether the field names this tag; `None`: there is no such field. `*` names any; what is no tag names none.
fn names(fields: &HeaderMap, name: header::HeaderName, tag: Option<&str>) -> Option<bool> {
    let mut values = fields.get_all(name).iter().peekable();
    values.peek()?;
    let Some(tag) = tag else { return Some(false) };
    let named = |text: &str| text.split(',').map(str::trim).any(|one| one == "*" || opaque(one) == opaque(tag));
    Some(values.any(|value| value.to_str().is_ok_and(named)))
}

/// A tag without its mark of weakness.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The one tag that a write's `If-Match` names, or `*`; doubled, several or none at all is 400.
pub(super) fn one_tag(fields: &HeaderMap) -> Result<Option<&str>, Box<Problem>> {
    let mut values = fields.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let tag = text.filter(|text| {
        let quoted = text.strip_prefix("W/\"").and_then(|rest| rest.strip_suffix('"'));
        *text == "*" || quoted.is_some_and(|inner| !inner.is_empty() && !inner.contains(['"', ',', ' ']))
    });
    tag.map(Some).ok_or_else(|| {
        let detail = "`If-Match` is one tag of the record, as its last read gave it in `ETag`";
        Problem::new(StatusCode::BAD_REQUEST, "condition-refused", detail).into()
    })
}

/// The record is not the one that the caller named.
pub(super) fn changed() -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", "the record has another version by now")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn fields(given: &[(&'static str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in given {
            fields.append(*name, HeaderValue::from_str(value).unwrap());
        }
        fields
    }

    #[test]
    fn a_condition_that_names_another_view_never_spares_the_caller_this_one() {
        let tag = Some("W/\"abc\"");
        for (given, wanted) in [
            (&[][..], Asked::View),
            (&[("if-none-match", "W/\"abc\"")], Asked::Unchanged),
            (&[("if-none-match", "\"abc\"")], Asked::Unchanged),
            (&[("if-none-match", "\"x\", W/\"abc\"")], Asked::Unchanged),
            (&[("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")], Asked::Unchanged),
            (&[("if-none-match", "*")], Asked::Unchanged),
            (&[("if-none-match", "abc")], Asked::View),
            (&[("if-none-match", "W/\"ABC\"")], Asked::View),
            (&[("if-none-match", "")], Asked::View),
            (&[("if-match", "W/\"abc\"")], Asked::View),
            (&[("if-match", "*")], Asked::View),
            (&[("if-match", "\"x\"")], Asked::Changed),
            (&[("if-match", "\"x\""), ("if-none-match", "\"abc\"")], Asked::Changed),
            (&[("if-modified-since", "Sun, 22 Nov 2026 00:00:00 GMT")], Asked::View),
        ] {
            assert_eq!(asked(&fields(given), tag), wanted, "{given:?}");
        }
        assert_eq!(asked(&fields(&[("if-none-match", "*")]), None), Asked::View, "there is no tag to say it by");
        assert_eq!(asked(&fields(&[("if-match", "*")]), None), Asked::Changed);
    }

    #[test]
    fn a_write_is_held_to_one_tag_or_refused() {
        assert!(matches!(one_tag(&fields(&[])), Ok(None)));
        for good in ["*", "W/\"3\"", "W/\"a_b-\""] {
            assert_eq!(one_tag(&fields(&[("if-match", good)])).ok().flatten(), Some(good));
        }
        for bad in
            ["", "3", "W/3", "\"3\"", "W/\"\"", "\"\"", "\"3", "\"3\", \"4\"", "\"3\",\"4\"", "w/\"3\"", "\"a\"b\""]
        {
            assert!(one_tag(&fields(&[("if-match", bad)])).is_err(), "{bad}");
        }
        assert!(one_tag(&fields(&[("if-match", "W/\"3\""), ("if-match", "W/\"3\"")])).is_err(), "doubled");
    }

    #[test]
    fn a_backends_tag_that_could_be_read_in_two_ways_is_none() {
        for good in ["W/\"3\"", "\"a,b\"", "\"\""] {
            assert_eq!(backend_tag(&fields(&[("etag", good)])), Some(good));
        }
        for bad in ["3", "W/3", "\"a\"b\"", "\"a b\"", ""] {
            assert_eq!(backend_tag(&fields(&[("etag", bad)])), None, "{bad}");
        }
        assert_eq!(backend_tag(&fields(&[("etag", "\"3\""), ("etag", "\"4\"")])), None);
    }
}
