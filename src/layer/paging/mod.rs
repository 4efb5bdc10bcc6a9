//! How many entries has a page, and where does the list go on?
//!
//! Of a judged list entries are dropped. A page that grew short by it would tell how many, and so would the backend's own
//! positions in a link. So the gate fills each page to the size that was asked for, from up to [`PAGES_MAX`] pages of the
//! backend, and says where the list goes on by a [`Cursor`] of its own:
//! * the size is the caller's, else as many as the backend's first page has ([`page_size`]);
//! * it follows the backend's `next` itself, to the same origin and list only ([`Pager::follow`]);
//! * where every entry is judged for itself, a full page reads on until one more may be released: a `next` that leads to
//!   nothing would tell that something is there. That one is not released here; the cursor says where to take it up;
//! * a page that [`PAGES_MAX`] pages do not fill, or after which they show nobody, ends with a cursor.
//!
//! A search of DICOMweb has no links: there the caller counts himself, and what he counts is what he sees ([`Counted`]).
//!
//! Nothing of it is held but the envelope's end, and what comes along with the entries ([`Along`]): entries leave as they are
//! judged and recorded, page after page.

mod along;
mod counted;
mod cursor;
mod links;
mod outline;
mod progress;
mod splice;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};

use self::along::{Along, Belongs};
pub(super) use self::counted::{Counted, TOO_LONG, is_of_none, too_long};
pub(super) use self::cursor::{Cursor, scope, view_scope};
use self::outline::{Outline, Seen, Step};
pub(super) use self::progress::{Progress, Turn};
use self::splice::Splice;
use super::entry::EntryJudge;
use super::exchange::{Forward, ForwardBody, caught};
use super::headers;
use super::judgement::Judgement;
use super::pump::{Remake, Upstream};
use crate::catalogue::{Route, Shape};
use crate::redact::Redactor;

/// The most pages of the backend that one page of the gate is filled from.
const PAGES_MAX: usize = 20;
/// The least size of a page that the backend of a FHIR list is asked for where entries may be dropped: [`PAGES_MAX`] pages of
/// one entry each would soon be passed, and that they were would tell how many are there.
const BACKEND_SIZE_MIN: u64 = 50;
/// The parameter that says it.
const FHIR_SIZE: &str = "_count";
/// How many entries a page has where neither the caller nor the backend says.
const SIZE_DEFAULT: u64 = 20;
/// The parameter that holds a cursor.
const FHIR_CURSOR: &str = "_cursor";
const REST_CURSOR: &str = "page-cursor";
/// Parameters by which a caller says how many entries he wants.
const SIZES: [&str; 9] =
    [FHIR_SIZE, "size", "limit", "per_page", "per-page", "page_size", "page-size", "pageSize", "count"];
/// What FHIR servers add to the links of their pages, besides the surface's own.
const FHIR_PAGING: [&str; 5] = ["_bundletype", "_format", "_pretty", "_total", "_skip"];

/// How a list says where it goes on.
enum Next {
    /// `link` of a FHIR Bundle.
    Bundle,
    /// A member `next` of the root.
    Member,
    /// It does not say: the caller counts.
    Unsaid,
}

impl Next {
    /// Looks as deep as that link lies.
    fn outline(&self) -> Outline {
        match self {
            Next::Bundle => Outline::new(3).into_only("link"),
            Next::Member | Next::Unsaid => Outline::new(1),
        }
    }
}

/// The caller's own request, as he wrote it.
pub(super) struct Own {
    pub(super) path: String,
    pub(super) query: String,
    pub(super) form: Option<String>,
    /// Which entries he asks for, where he counts them.
    pub(super) counted: Option<Counted>,
}

/// What a [`Pager`] begins with.
pub(super) struct Start {
    pub(super) judgement: Arc<Judgement>,
    pub(super) forward: Forward,
    pub(super) fields: HeaderMap,
    pub(super) own: Own,
    /// What the backend is asked at first for the caller's request, pseudonyms resolved: target and form.
    pub(super) asked: (String, String),
    /// Where the page begins, if a cursor said so.
    pub(super) cursor: Option<Cursor>,
    /// Each entry is judged for its own person.
    pub(super) hides: bool,
    pub(super) progress: Arc<Mutex<Progress>>,
    pub(super) redactor: Remake,
}

/// Fills one page.
pub(super) struct Pager {
    start: Start,
    next: Next,
    /// Parameters of the list, decoded: what every further page is a page of.
    parameters: Vec<(String, String)>,
    outline: Outline,
    relation: Option<String>,
    url: Option<String>,
    /// The backend's `next`, of the page that is read.
    found: Option<String>,
    splice: Splice,
    /// The pages asked for, in order; the last is being read.
    targets: Vec<String>,
}

/// Why a page cannot go on: a code for the record.
pub(super) type Broken = &'static str;

/// What was judged cannot be written as one list.
const NO_LIST: Broken = "body-not-judged";
/// More comes along than is held.
const TOO_MUCH: Broken = "included-too-large";

/// Whether the route's lists are filled.
pub(super) fn fills(route: &Route) -> bool {
    next_of(route).is_some()
}

fn next_of(route: &Route) -> Option<Next> {
    let lists = route.shape() == Shape::List;
    let names = route.entries().steps().count();
    match route.is_fhir() {
        true if lists => Some(Next::Bundle),
        false if lists && counts(route) => Some(Next::Unsaid),
        false if lists && names > 1 && route.next_link() => Some(Next::Member),
        _ => None,
    }
}

/// What a FHIR backend is asked for a list of which entries may be dropped, target and form (where it is asked by one that is not
/// empty): pages of [`BACKEND_SIZE_MIN`] entries at least, whether the caller says a size, in whatever spelling, or none.
pub(super) fn widened(target: &str, form: Option<&str>) -> (String, Option<String>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let sized = parameters(query).chain(parameters(form.unwrap_or(""))).any(|(name, _)| name == FHIR_SIZE);
    let wide = |pieces: &str, adds: bool| {
        let added = adds.then(|| format!("{FHIR_SIZE}={BACKEND_SIZE_MIN}"));
        let asked = pieces.split('&').filter(|piece| !piece.is_empty()).map(wide_piece);
        asked.chain(added).collect::<Vec<_>>().join("&")
    };
    let query = wide(query, !sized && form.is_none());
    let question = if query.is_empty() { "" } else { "?" };
    (format!("{path}{question}{query}"), form.map(|form| wide(form, !sized)))
}

/// The same of one parameter, as it is spelled unless it says fewer.
fn wide_piece(piece: &str) -> String {
    let fewer = |(name, size): (String, String)| {
        name == FHIR_SIZE && size.parse::<u64>().is_ok_and(|size| size < BACKEND_SIZE_MIN)
    };
    match parameters(piece).any(fewer) {
        true => format!("{FHIR_SIZE}={BACKEND_SIZE_MIN}"),
        false => piece.to_owned(),
    }
}

/// How many entries the gate's own page has, now that the backend's first has ended, with `backends` entries: as many as were asked
/// for, else as many as those. Where entries are dropped it is not more than the backend's own page has, or
/// [`BACKEND_SIZE_MIN`]: a larger one would be ended by [`PAGES_MAX`], and be as much shorter as was dropped.
fn page_size(asked: Option<u64>, backends: u64, hides: bool) -> u64 {
    match asked {
        None if backends > 0 => backends,
        None => SIZE_DEFAULT,
        Some(asked) if hides => asked.min(backends.max(BACKEND_SIZE_MIN)),
        Some(asked) => asked,
    }
}

/// Whether the caller counts the entries of the route's lists himself.
pub(super) fn counts(route: &Route) -> bool {
    route.dicom().is_some() && route.is_page_parameter(counted::LIMIT)
}

/// Whether the route's lists go on by a cursor.
pub(super) fn goes_on(route: &Route) -> bool {
    fills(route) && !counts(route)
}

/// The name and value of a query that is nothing but a cursor.
pub(super) fn cursor_in(query: Option<&str>) -> Option<(&'static str, &str)> {
    let (name, value) = query?.split_once('=')?;
    let known = [FHIR_CURSOR, REST_CURSOR].into_iter().find(|known| *known == name)?;
    (!value.contains('&')).then_some((known, value))
}

/// The parameter that holds the route's cursors.
pub(super) fn cursor_name(route: &Route) -> &'static str {
    if route.is_fhir() { FHIR_CURSOR } else { REST_CURSOR }
}

impl Pager {
    /// `None`: the route's lists are not filled.
    pub(super) fn new(start: Start) -> Option<Box<Pager>> {
        let route = start.judgement.route()?;
        let next = next_of(route)?;
        let mut entries: Vec<Box<str>> = route.entries().steps().map(Into::into).collect();
        entries.pop();
        if entries.iter().any(|step| **step == *"*") {
            return None;
        }
        let (target, form) = &start.asked;
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let parameters: Vec<(String, String)> = parameters(query).chain(parameters(form)).collect();
        let own = self::parameters(&start.own.query).chain(self::parameters(start.own.form.as_deref().unwrap_or("")));
        let size = { own }.find(|(name, _)| SIZES.contains(&name.as_str()) && route.is_page_parameter(name));
        let size = size.and_then(|(_, size)| size.parse::<u64>().ok()).filter(|size| *size > 0);
        let first = start.cursor.as_ref().map_or(target.clone(), |cursor| cursor.upstream.clone());
        let mut progress = lock(&start.progress);
        (progress.size, progress.skip) = match &start.cursor {
            Some(cursor) => (Some(cursor.size), cursor.skip),
            None => (size, 0),
        };
        progress.hides = start.hides && start.own.counted.is_none();
        if let Some(counted) = &start.own.counted {
            (progress.size, progress.before) = (counted.limit(), counted.offset());
        }
        progress.tells_along =
            !route.is_everything() && start.judgement.route.as_ref().is_some_and(|asked| !asked.included.is_empty());
        let tells_along = progress.tells_along;
        let iterates = |(name, _): &(String, String)| name.ends_with(":iterate") || name.ends_with(":recurse");
        let belongs = match (start.hides, parameters.iter().any(iterates)) {
            (false, _) => Belongs::All,
            (true, false) => Belongs::Direct,
            (true, true) => Belongs::Iterated,
        };
        drop(progress);
        let splice = match next {
            Next::Bundle if tells_along => Splice::omitting_empty(entries.into()).holding(Along::new(belongs)),
            Next::Bundle => Splice::omitting_empty(entries.into()),
            Next::Member | Next::Unsaid => Splice::new(entries.into()),
        };
        Some(Box::new(Pager {
            outline: next.outline(),
            next,
            parameters,
            relation: None,
            url: None,
            found: None,
            splice,
            targets: vec![first],
            start,
        }))
    }

    /// A piece of the backend's body, before it is judged.
    pub(super) fn read(&mut self, piece: &[u8]) {
        let Pager { outline, next, relation, url, found, start, .. } = self;
        if let Some(counted) = &mut start.own.counted {
            counted.sees(piece);
        }
        outline.feed(piece, |path, seen, _| match (&next, path) {
            (Next::Unsaid, [Step::Element]) if seen == Seen::Open => {
                start.own.counted.iter_mut().for_each(Counted::reads);
            }
            (Next::Member, [Step::Member(name)]) if name == "next" => {
                if let Seen::Text(text) = seen {
                    *found = Some(text.unwrap_or_default().to_owned());
                }
            }
            (Next::Bundle, [Step::Member(link), Step::Element]) if link == "link" => {
                if seen == Seen::Close && relation.as_deref() == Some("next") {
                    *found = Some(url.take().unwrap_or_default());
                }
                (*relation, *url) = (None, None);
            }
            (Next::Bundle, [Step::Member(link), Step::Element, Step::Member(name)]) if link == "link" => {
                if let Seen::Text(text) = seen {
                    match name.as_str() {
                        "relation" => *relation = text.map(str::to_owned),
                        "url" => *url = text.map(str::to_owned),
                        _ => {}
                    }
                }
            }
            (Next::Member | Next::Bundle | Next::Unsaid, _) => {}
        });
    }

    /// What of the judged output leaves now.
    pub(super) fn write(&mut self, out: &[u8]) -> Result<Vec<u8>, Broken> {
        if let Some(along) = self.splice.along() {
            along.expects(lock(&self.start.progress).released_along.drain(..));
        }
        let written = self.splice.push(out);
        written.map_err(|_| if self.splice.along().is_some_and(|along| along.is_over()) { TOO_MUCH } else { NO_LIST })
    }

    /// A page of the backend has ended: the end of the gate's own page, or `None` if another is needed.
    pub(super) fn page_ends(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        if self.start.own.counted.is_some() {
            return self.counted_page_ends();
        }
        let mut progress = lock(&self.start.progress);
        let first = self.targets.len() == 1 && self.start.cursor.is_none();
        let size = match progress.size {
            Some(size) if !first => size,
            asked => page_size(asked, progress.consumed, progress.hides),
        };
        progress.size = Some(size);
        let (full, left, consumed) = (progress.is_full(), progress.left, progress.consumed);
        drop(progress);
        let much = self.splice.along().is_some_and(|along| along.is_much());
        let following = self.found.take().map(|url| self.follow(&url).ok_or("page-link")).transpose()?;
        let goes_on = match (left, following) {
            (true, _) => Some((self.targets.last().cloned().unwrap_or_default(), consumed)),
            (false, Some(target)) if (full && !self.start.hides) || self.targets.len() >= PAGES_MAX || much => {
                Some((target, 0))
            }
            (false, Some(target)) => {
                self.targets.push(target);
                return Ok(None);
            }
            (false, None) => None,
        };
        let members = self.members(goes_on, size)?;
        self.splice.end(&members).map(Some).map_err(|_| NO_LIST)
    }

    /// The page that [`Pager::page_ends`] needs cannot be had: the end of the gate's own where it is full already, for what
    /// follows is the next page's to fail at.
    pub(super) fn ends_unread(&mut self) -> Option<Vec<u8>> {
        let (full, size) = {
            let progress = lock(&self.start.progress);
            (progress.is_full(), progress.size.unwrap_or(SIZE_DEFAULT))
        };
        let target = self.targets.last().cloned().filter(|_| full)?;
        let members = self.members(Some((target, 0)), size).ok()?;
        self.splice.end(&members).ok()
    }

    /// The same, where the caller counts.
    fn counted_page_ends(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let Some(counted) = &mut self.start.own.counted else { return Err("failed") };
        let full = lock(&self.start.progress).is_full();
        match counted.next(full)? {
            None => self.splice.end("").map(Some).map_err(|_| NO_LIST),
            Some(_) if self.targets.len() >= PAGES_MAX => Err(TOO_LONG),
            Some(target) => {
                self.targets.push(target);
                Ok(None)
            }
        }
    }

    /// Asks for the page that [`Pager::page_ends`] needs.
    pub(super) async fn turn(&mut self) -> Result<(Upstream, Box<Redactor<EntryJudge>>), Broken> {
        let mut request: Request<ForwardBody> = Request::new(Full::new(Bytes::new()));
        let target = self.targets.last().map_or("", String::as_str);
        *request.uri_mut() = target.parse().map_err(|_| "page-link")?;
        *request.headers_mut() = self.start.fields.clone();
        let forward = &mut self.start.forward;
        let answered = caught(async { forward(request).await }).await.ok_or("failed")?;
        let (parts, mut body) = answered.map_err(|_| "backend-page")?.into_parts();
        let none = parts.status == StatusCode::NO_CONTENT && self.start.own.counted.is_some();
        if none {
            body = text("[]");
        }
        let json = headers::media_type(&parts.headers).as_deref().is_some_and(headers::is_json);
        let listed = parts.status == StatusCode::OK && json;
        if !(listed || none) || parts.headers.contains_key(http::header::CONTENT_ENCODING) {
            return Err("backend-page");
        }
        self.outline = self.next.outline();
        (self.relation, self.url) = (None, None);
        self.splice.next_body();
        let mut progress = lock(&self.start.progress);
        (progress.skip, progress.consumed) = (0, 0);
        drop(progress);
        Ok((body, (self.start.redactor)()))
    }

    /// How many entries were dropped only because the page was full, or had been on a page before.
    pub(super) fn passed_over(&self) -> u64 {
        lock(&self.start.progress).passed_over
    }
}

/// A body of the gate's own in the place of a backend's.
pub(super) fn text(text: &'static str) -> Upstream {
    bytes(Bytes::from_static(text.as_bytes()))
}

/// The same of bytes that lie here already.
pub(super) fn bytes(bytes: Bytes) -> Upstream {
    Box::pin(Full::new(bytes).map_err(|never| match never {}))
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The parameters of a query or form, decoded as a server does.
fn parameters(query: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| match text.contains(['+', '%']) {
        true => percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned(),
        false => text.to_owned(),
    };
    query.split('&').filter(|piece| !piece.is_empty()).map(move |piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (decoded(name), decoded(value))
    })
}
