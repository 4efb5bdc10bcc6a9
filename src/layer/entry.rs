//! Each entry of an answer, judged for its own subject while it is held.

use std::sync::{Arc, Mutex, PoisonError};

use super::judgement::{Judgement, Whose};
use super::layout::{Means, PlanKey, Side};
use crate::catalogue::{Catalogue, Route};
use crate::decision::{Permit, Refusal};
use crate::policy::{Action, Categories, Form, Release};
use crate::redact::{Entry, Judge, LinkRewriter, Plan, Pseudonymiser, Pseudonyms, Spec, Verdict};

/// What the judge of entries noticed, for the one who drives the redactor.
#[derive(Default)]
pub(super) struct Notes {
    /// Why the last entry was refused.
    pub(super) refusal: Option<Refusal>,
    /// The permit of the last entry released.
    pub(super) permit: Option<Permit>,
    /// The registry could not be read: nothing further may be judged.
    pub(super) blind: bool,
}

/// Who the entries are about, as far as it is known before they are seen.
#[derive(Clone)]
pub(super) enum Settled {
    /// Each entry says.
    Each,
    /// This person; an entry about another is dropped.
    Person(String),
    /// Nobody. With a minimum, entries are cells of statistics and say how many persons they count.
    NoOne {
        /// The least count that may be shown.
        count_min: Option<u64>,
    },
    /// A route without anyone's data: nothing to decide.
    Open,
}

/// Judges entries; see the module.
pub(super) struct EntryJudge {
    pub(super) judgement: Arc<Judgement>,
    pub(super) spec: Arc<Spec>,
    pub(super) side: Side,
    pub(super) settled: Settled,
    pub(super) notes: Arc<Mutex<Notes>>,
    /// What is asked of each entry: read or search, and all that an answer can carry.
    pub(super) asked: (Action, Categories),
}

impl Judge for EntryJudge {
    fn judge(&mut self, entry: &Entry<'_>) -> Verdict {
        let Some(route) = self.judgement.route() else { return Verdict::Drop };
        if route.is_fhir() && entry.resource_type != route.resource_type() {
            return Verdict::Drop;
        }
        let whose = match (&self.settled, entry.subject) {
            (Settled::Open, _) => return Verdict::Release(self.plan(Release::NOTHING, None)),
            (Settled::Each, Some(subject)) => Whose::Of(subject),
            (Settled::Each, None) => return Verdict::Drop,
            (Settled::Person(person), Some(subject)) if subject != person => return Verdict::Drop,
            // Where a record is to say whom it is about, silence is no proof that it is he.
            (Settled::Person(_), None) if self.names_subject(route, entry.resource_type) => return Verdict::Drop,
            (Settled::Person(person), _) => Whose::Of(person),
            (Settled::NoOne { count_min: None }, _) => Whose::NoOnes,
            (Settled::NoOne { count_min: Some(least) }, count) => {
                match count.and_then(|digits| digits.parse::<u64>().ok()) {
                    Some(count) if count >= *least => Whose::NoOnes,
                    _ => return Verdict::Drop,
                }
            }
        };
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.judgement.gate.now_ms();
        let Ok(view) = self.judgement.gate.registry.facts(now) else {
            notes.blind = true;
            return Verdict::Drop;
        };
        match self.judgement.decide_as(whose, entry.id.unwrap_or(""), &view, now, self.asked) {
            Ok(permit) => {
                notes.permit = Some(permit);
                Verdict::Release(self.plan(*permit.release(), Some(&permit)))
            }
            Err(refusal) => {
                notes.refusal = Some(refusal);
                Verdict::Drop
            }
        }
    }
}

impl EntryJudge {
    /// Whether the catalogue says where such an entry names its subject.
    fn names_subject(&self, route: &Route, resource_type: Option<&str>) -> bool {
        if route.is_fhir() {
            let known = resource_type.and_then(|name| self.judgement.generation.catalogue.types().get(name));
            return known.is_none_or(|known| known.subject.is_some());
        }
        match self.side {
            Side::Answer => route.entry_subject().is_some(),
            Side::Written => route.body_subject().is_some(),
        }
    }

    fn plan(&self, release: Release, permit: Option<&Permit>) -> Arc<Plan> {
        plan(&self.judgement, &self.spec, self.side, release, permit)
    }
}

/// The plan of a release on the request's route.
pub(super) fn plan(
    judgement: &Judgement,
    spec: &Arc<Spec>,
    side: Side,
    release: Release,
    permit: Option<&Permit>,
) -> Arc<Plan> {
    let pseudonyms = permit.and_then(|permit| judgement.pseudonyms(permit));
    let form_of_id = permit.map_or(Form::Withheld, |permit| judgement.form_of_id(permit));
    let shows_ids = form_of_id == Form::Clear;
    let (pseudonyms, context) = pseudonyms.map_or((None, String::new()), |(p, context)| (Some(Arc::new(p)), context));
    let route = judgement.route();
    // What a DICOM link leads to is a record by its ids alone: it passes with other ids in their places.
    let renamed = (form_of_id == Form::Pseudonymised && route.is_some_and(|route| route.dicom().is_some()))
        .then(|| pseudonyms.clone())
        .flatten();
    let open = route.is_some_and(Route::is_open);
    let clear = match permit {
        Some(permit) => permit.release().having(Form::Clear, Categories::ALL),
        None => Categories::NONE,
    };
    let key = PlanKey {
        route: route.map_or_else(String::new, |route| route.id().to_owned()),
        side,
        spec: Arc::as_ptr(spec) as usize,
        release,
        clear,
        context: format!("{context}{}", if shows_ids { "+ids" } else { "" }),
    };
    let all = route.map_or(Categories::ALL, crate::catalogue::Route::everything);
    judgement.generation.layouts.plan(key, spec, all, || Means {
        pseudonymiser: pseudonyms.map(|p| p as Arc<dyn Pseudonymiser>),
        links: Some(Arc::new(Links {
            renamed,
            ..Links::of(judgement, shows_ids || open, Some(clear).filter(|_| !open))
        })),
    })
}

/// Rewrites the backend's own URLs to the gate; any other is withheld. A bare word passes with them: what relation a
/// link has (`next`) makes no sense without its URL.
pub(super) struct Links {
    origin: String,
    prefix: String,
    catalogue: Arc<Catalogue>,
    /// A link holds the request that made it, ids included: it passes where ids do, and where there are none.
    pass: bool,
    /// What it may filter and sort on, besides; `None`: anything, where there is nobody's data.
    clear: Option<Categories>,
    /// Ids are not shown, and these stand in their places.
    renamed: Option<Arc<Pseudonyms>>,
}

impl Links {
    pub(super) fn of(judgement: &Judgement, pass: bool, clear: Option<Categories>) -> Links {
        let (gate, catalogue) = (&judgement.gate, Arc::clone(&judgement.generation.catalogue));
        let (origin, prefix) = (gate.upstream_origin.clone(), gate.public_prefix.clone());
        Links { origin, prefix, catalogue, pass, clear, renamed: None }
    }

    /// The same request by pseudonyms; `None`: it is none of a DICOMweb route without a query, or an id has none.
    fn by_pseudonyms(&self, pseudonyms: &Pseudonyms, path: &str) -> Option<String> {
        let resolved = self.catalogue.resolve("GET", path, None).ok()?;
        resolved.route.dicom()?;
        let mut renamed = path.to_owned();
        let mut ids = resolved.ids;
        ids.sort_by_key(|named| std::cmp::Reverse(named.raw.start));
        for named in ids {
            renamed.replace_range(named.raw.clone(), &pseudonyms.uid(&named.id)?);
        }
        Some(renamed)
    }

    /// Whether it is a request of this API that this caller might make himself: a query may hold any value.
    fn could_be_asked(&self, target: &str) -> bool {
        let Some(clear) = self.clear else { return true };
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let resolved = self.catalogue.resolve("GET", path, query);
        resolved.is_ok_and(|resolved| clear.covers(resolved.query_categories))
    }
}

impl LinkRewriter for Links {
    fn rewrite(&self, url: &str) -> Option<String> {
        if (1..=16).contains(&url.len()) && url.bytes().all(|b| b.is_ascii_alphabetic()) {
            return self.pass.then(|| url.to_owned());
        }
        let path = match url.strip_prefix(self.origin.as_str()) {
            Some(rest) => rest,
            None => url,
        };
        // A browser takes `/\` for `//`: another host.
        let here = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n', '\t']);
        if let Some(pseudonyms) = self.renamed.as_deref().filter(|_| here) {
            return Some(format!("{}{}", self.prefix, self.by_pseudonyms(pseudonyms, path)?));
        }
        (self.pass && here && self.could_be_asked(path)).then(|| format!("{}{path}", self.prefix))
    }

    fn leads_past(&self, url: &str) -> bool {
        let Some((origin, rest)) = url.split_at_checked(self.origin.len()) else { return false };
        origin.eq_ignore_ascii_case(&self.origin) && (rest.is_empty() || rest.starts_with(['/', '?', '#']))
    }
}
