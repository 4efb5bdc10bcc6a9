//! In what shape does what a permit gives leave? By which plan, under which pseudonyms, with which links.
//!
//! One place for a request through the gate and for a look at a document beforehand: what is seen there is what leaves here.

use std::fmt::Write as _;
use std::sync::{Arc, RwLock};

use super::gate::Generation;
use super::layout::{Means, PlanKey, Side};
use crate::catalogue::{Catalogue, Route, Shape};
use crate::decision::{Named, Permit};
use crate::policy::{Categories, Category, Form, Policy, PurposeId, Release};
use crate::redact::{LinkRewriter, Plan, Pseudonymiser, Pseudonyms, Receiver, Spec, TokenTable};

/// The category of a subject's own id.
const SUBJECT_ID: &str = "identity.number";

/// Where a release takes place.
pub(super) struct Releasing<'a> {
    pub(super) policy: &'a Policy,
    pub(super) generation: &'a Generation,
    pub(super) route: Option<&'a Route>,
    /// All that an answer can carry: what free text in it counts as.
    pub(super) all: Categories,
    /// The organisation that receives, as the caller is known or as he declares.
    pub(super) organization: Option<&'a str>,
    /// Where the backend's own URLs begin.
    pub(super) origin: &'a str,
    /// What stands before the path in rewritten links.
    pub(super) prefix: &'a str,
    /// What pseudonyms stand for that cannot be opened by themselves; `None`: those are one-way.
    pub(super) tokens: Option<&'a Arc<dyn TokenTable>>,
}

impl Releasing<'_> {
    /// The pseudonyms of this receiver and purpose. Derives their keys: some microseconds.
    pub(super) fn pseudonyms(&self, permit: &Permit) -> Option<Pseudonyms> {
        let (receiver, purpose) = self.context(permit);
        let keys = &self.generation.pseudonyms;
        let pseudonyms = Pseudonyms::new(&keys.master, receiver, purpose, keys.epoch, &keys.accepted)?;
        Some(pseudonyms.with_tokens(self.tokens.cloned()))
    }

    /// Who shares pseudonyms: those who receive, and for what.
    fn context(&self, permit: &Permit) -> (Receiver<'_>, &str) {
        let recipient = self.policy.recipient(permit.recipient()).map_or("", |r| r.name.as_str());
        let purpose = self.policy.purpose(permit.purpose()).map_or("", |p| p.name.as_str());
        (self.organization.map_or(Receiver::Recipient(recipient), Receiver::Organisation), purpose)
    }

    /// The category of ids.
    pub(super) fn id_category(&self) -> Option<Category> {
        self.policy.vocabulary.category(SUBJECT_ID)
    }

    /// The form in which this permit shows ids.
    pub(super) fn form_of_id(&self, permit: &Permit) -> Form {
        let category = self.id_category();
        category.map_or(Form::Withheld, |category| permit.release().form(category))
    }

    /// The plan of a release on the route.
    pub(super) fn plan(&self, spec: &Arc<Spec>, side: Side, release: Release, permit: Option<&Permit>) -> Arc<Plan> {
        let form_of_id = permit.map_or(Form::Withheld, |permit| self.form_of_id(permit));
        let shows_ids = form_of_id == Form::Clear;
        // What a DICOM link leads to is a record by its ids alone: it passes with other ids in their places.
        let renames = form_of_id == Form::Pseudonymised && self.route.is_some_and(|route| route.dicom().is_some());
        let ids = match (shows_ids, renames) {
            (true, _) => "+ids",
            (false, true) => "+renamed",
            (false, false) => "",
        };
        let open = self.route.is_some_and(Route::is_open);
        let clear = match permit {
            Some(permit) => permit.release().having(Form::Clear, Categories::ALL),
            None => Categories::NONE,
        };
        let context = permit.map_or_else(String::new, |permit| self.context_name(permit));
        let key = PlanKey {
            route: self.route.map_or_else(String::new, |route| route.id().to_owned()),
            side,
            spec: Arc::as_ptr(spec) as usize,
            release,
            all: self.all,
            told: permit.map_or(Categories::NONE, Permit::told),
            clear,
            context: context + ids,
        };
        self.generation.layouts.plan(key, spec, || {
            let pseudonyms = permit.and_then(|permit| self.pseudonyms(permit)).map(Arc::new);
            let renamed = pseudonyms.clone().filter(|_| renames);
            Means {
                pseudonymiser: pseudonyms.map(|p| p as Arc<dyn Pseudonymiser>),
                links: Some(Arc::new(Links {
                    renamed,
                    ..self.links(shows_ids || open, Some(clear).filter(|_| !open))
                })),
                individual_number: self.policy.vocabulary.level("specific").and_then(|specific| specific.iter().next()),
            }
        })
    }

    /// A name of who shares pseudonyms, for caches: no two contexts have the same.
    fn context_name(&self, permit: &Permit) -> String {
        let (receiver, purpose) = self.context(permit);
        let (kind, receiver) = match receiver {
            Receiver::Organisation(name) => ('o', name),
            Receiver::Recipient(name) => ('r', name),
        };
        let mut name = String::with_capacity(receiver.len() + purpose.len() + 48);
        let epoch = self.generation.pseudonyms.epoch;
        let _ = write!(name, "{kind}{}:{receiver}:{purpose}:{epoch}", receiver.len()); // a string takes all that is written
        name
    }

    /// Rewrites links; see [`Links`].
    pub(super) fn links(&self, pass: bool, clear: Option<Categories>) -> Links {
        let catalogue = Arc::clone(&self.generation.catalogue);
        let in_list = self.route.is_some_and(|route| route.shape() == Shape::List);
        let (origin, prefix) = (self.origin.to_owned(), self.prefix.to_owned());
        Links { origin, prefix, catalogue, pass, clear, in_list, renamed: None, records: RwLock::default() }
    }
}

/// Whether contents that cannot be read inside may leave: they count as every category of the route.
pub(super) fn shows_everything(route: &Route, permit: &Permit) -> bool {
    let all = route.everything();
    permit.release().having(Form::Clear, all) == all
}

/// The class of a route's subjects. Records of no one are of whatever class the purpose is for.
pub(super) fn class(policy: &Policy, route: Option<&Route>, purpose: Named<PurposeId>) -> Named<u8> {
    let Some(route) = route else { return Named::Missing };
    match route.subject_class_index() {
        Some(class) => Named::Known(class),
        None if route.is_of_no_one() => {
            let classes = purpose.known().and_then(|id| policy.purpose(id)).map_or(0, |p| p.classes);
            let first = u8::try_from(classes.trailing_zeros()).ok().filter(|class| *class < 32);
            first.map_or(Named::Missing, Named::Known)
        }
        None => Named::Missing,
    }
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
    /// In a list, links lead to records: where the list goes on, the gate says itself.
    in_list: bool,
    /// Ids are not shown, and these stand in their places.
    renamed: Option<Arc<Pseudonyms>>,
    /// The beginnings of paths that lead to a record by any id after them: the entries of a list mostly have the same.
    records: RwLock<Vec<Box<str>>>,
}

/// Of so many beginnings of paths it is known.
const RECORDS_MAX: usize = 64;

impl Links {
    /// Whether it is a request of this API that this caller might make himself: a query may hold any value.
    fn could_be_asked(&self, target: &str) -> bool {
        let Some(clear) = self.clear else { return true };
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let head = self.catalogue.head_of_id(path).filter(|_| query.is_none());
        if head.is_some_and(|head| self.records.read().is_ok_and(|known| known.iter().any(|one| **one == *head))) {
            return true;
        }
        let Ok(resolved) = self.catalogue.resolve("GET", path, query) else { return false };
        let record = resolved.route.shape() != Shape::List && query.is_none();
        let could = clear.covers(resolved.query_categories) && (record || !self.in_list);
        // A DICOM id is told from others by its form.
        if let (true, Some(head), None) = (could, head, resolved.route.dicom())
            && let Ok(mut known) = self.records.write()
            && known.len() < RECORDS_MAX
        {
            known.push(head.into());
        }
        could
    }

    /// The same request by pseudonyms; `None`: it is none of a DICOMweb route without a query, or an id has none, or it leads
    /// from a list to another list.
    fn by_pseudonyms(&self, pseudonyms: &Pseudonyms, path: &str) -> Option<String> {
        let resolved = self.catalogue.resolve("GET", path, None).ok()?;
        resolved.route.dicom()?;
        if self.in_list && resolved.route.shape() == Shape::List {
            return None;
        }
        let mut renamed = path.to_owned();
        let mut ids = resolved.ids;
        ids.sort_by_key(|named| std::cmp::Reverse(named.raw.start));
        for named in ids {
            renamed.replace_range(named.raw.clone(), &pseudonyms.uid(&named.id)?);
        }
        Some(renamed)
    }
}

impl LinkRewriter for Links {
    fn rewrite(&self, url: &str) -> Option<String> {
        if (1..=16).contains(&url.len()) && url.bytes().all(|b| b.is_ascii_alphabetic()) {
            return (self.pass && !self.in_list).then(|| url.to_owned());
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
