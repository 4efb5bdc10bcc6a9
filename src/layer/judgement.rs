//! One request's judgement: who calls and what is declared, met with each subject's facts by [`decide`].

use std::borrow::Cow;
use std::sync::Arc;

use super::declaration::Declaration;
use super::gate::{Gate, Generation};
use super::looked::Looked;
use super::releasing::{Releasing, class};
use super::spelling::{spelled, spells_free_text};
use crate::catalogue::patch::Patched;
use crate::catalogue::{Charge, Resolved, Route};
use crate::decision::{Caller, Named, Permit, Refusal, Request, decide};
use crate::identity;
use crate::policy::facts::Person;
use crate::policy::{Action, Categories, Category, Form, Moment, Policy, PurposeId, RoleSet, Window, covers};
use crate::redact::Unkept;
use crate::registry::View;

/// What stays the same for every subject of a request.
pub(super) struct Judgement {
    pub(super) gate: Arc<Gate>,
    pub(super) generation: Arc<Generation>,
    pub(super) policy: Arc<Policy>,
    pub(super) caller: Arc<identity::Caller>,
    pub(super) declaration: Declaration,
    pub(super) purpose: Named<PurposeId>,
    pub(super) roles: RoleSet,
    pub(super) training_until: Option<Moment>,
    pub(super) route: Option<RouteRef>,
    /// What was on file when the request was judged, once that was read: what the record tells is what was judged.
    pub(super) view: Option<Arc<View>>,
    /// Of an entry of a transaction: where what it is judged by is noted.
    pub(super) looked: Option<Arc<Looked>>,
}

/// What the catalogue said of the request, without a borrow of the catalogue.
#[derive(Clone)]
pub(super) struct RouteRef {
    index: usize,
    pub(super) action: Action,
    pub(super) asked: Categories,
    pub(super) query: Categories,
    /// What each of its parameters filters and sorts on.
    pub(super) charges: Arc<[Charge]>,
    /// FHIR: types whose records may be in the answer beside the route's own, and all categories that they can carry.
    pub(super) included: Arc<[Box<str>]>,
    pub(super) brought: Categories,
    /// What it compares so that an Individual Number among it could be spelt.
    pub(super) spelled: Categories,
    pub(super) spells_free_text: bool,
    /// A write that replaces what is there, seen or not.
    pub(super) replaces: bool,
    /// A write that is merged: whether its body names what the caller may not see in clear, which is not written.
    pub(super) names_hidden: bool,
    /// FHIR: what a patch finds out, and what it changes; `None`: the record is written whole.
    pub(super) patch: Option<Arc<Patched>>,
}

impl RouteRef {
    pub(super) fn new(
        generation: &Generation,
        route: &Route,
        action: Action,
        asked: Categories,
        query: Categories,
    ) -> RouteRef {
        let same = |other: &Route| std::ptr::eq(other, route);
        let index = generation.catalogue.routes().iter().position(same).unwrap_or(usize::MAX);
        let (charges, included) = (Arc::default(), Arc::default());
        RouteRef {
            index,
            action,
            asked,
            query,
            charges,
            included,
            brought: Categories::NONE,
            spelled: Categories::NONE,
            spells_free_text: false,
            replaces: false,
            names_hidden: false,
            patch: None,
        }
    }

    /// What a request means to the catalogue.
    pub(super) fn of(generation: &Generation, resolved: &Resolved<'_>) -> RouteRef {
        let (route, types) = (resolved.route, generation.catalogue.types());
        let query = resolved.query_categories.or(route.told_by_type());
        let brought = resolved.included.iter().filter_map(|kind| types.get(kind));
        RouteRef {
            charges: resolved.charges.clone().into(),
            included: resolved.included.clone().into(),
            spelled: spelled(&resolved.comparisons),
            spells_free_text: spells_free_text(&resolved.comparisons),
            brought: brought.fold(Categories::NONE, |set, known| set.or(known.categories)),
            ..RouteRef::new(generation, route, resolved.action, resolved.asked, query)
        }
    }
}

/// Whose record is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose<'a> {
    /// Not known yet: could any person's record be released?
    Anybodys,
    /// This person's.
    Of(&'a str),
    /// Nobody's.
    NoOnes,
}

impl Judgement {
    /// The route; there always is one once it was resolved.
    pub(super) fn route(&self) -> Option<&Route> {
        self.generation.catalogue.routes().get(self.route.as_ref()?.index)
    }

    /// The same caller and declaration, at another route of the catalogue.
    pub(super) fn reading(&self, resolved: &Resolved<'_>) -> Judgement {
        self.at(Some(RouteRef::of(&self.generation, resolved)))
    }

    /// The same request, of which it was found that it makes what is not there.
    pub(super) fn making(&self) -> Judgement {
        self.at(self.route.clone().map(|route| RouteRef { action: Action::Create, ..route }))
    }

    fn at(&self, route: Option<RouteRef>) -> Judgement {
        Judgement {
            gate: Arc::clone(&self.gate),
            generation: Arc::clone(&self.generation),
            policy: Arc::clone(&self.policy),
            caller: Arc::clone(&self.caller),
            declaration: self.declaration.clone(),
            purpose: self.purpose,
            roles: self.roles,
            training_until: self.training_until,
            route,
            view: self.view.clone(),
            looked: self.looked.clone(),
        }
    }

    /// Decides about one subject, with the facts of this view.
    pub(super) fn decide(&self, whose: Whose<'_>, view: &View, at: Moment) -> Result<Permit, Refusal> {
        self.decide_record(whose, "", view, at)
    }

    /// The same about one record of that subject (empty: not known).
    pub(super) fn decide_record(
        &self,
        whose: Whose<'_>,
        record: &str,
        view: &View,
        at: Moment,
    ) -> Result<Permit, Refusal> {
        let reference = self.route.as_ref();
        let (action, asked) = reference.map_or((Action::Read, Categories::NONE), |r| (r.action, r.asked));
        self.decide_as(whose, record, view, at, (action, asked))
    }

    /// The same about one record (empty: not known), for another action and other categories.
    pub(super) fn decide_as(
        &self,
        whose: Whose<'_>,
        record: &str,
        view: &View,
        at: Moment,
        asked: (Action, Categories),
    ) -> Result<Permit, Refusal> {
        let query = self.route.as_ref().map_or(Categories::NONE, |reference| reference.query);
        self.decide_searching(whose, record, view, at, asked, query)
    }

    /// The same, where these categories are filtered and sorted on, or told by whether there is a record: by a read, and by the status
    /// of a change or deletion. A new record is told of by nothing.
    pub(super) fn decide_searching(
        &self,
        whose: Whose<'_>,
        record: &str,
        view: &View,
        at: Moment,
        asked: (Action, Categories),
        query: Categories,
    ) -> Result<Permit, Refusal> {
        let query = if asked.0 == Action::Create { Categories::NONE } else { query };
        let person: Option<Cow<'_, Person>> = match whose {
            Whose::Anybodys => None,
            Whose::Of(subject) => Some(view.person_for(subject, &self.caller.issuer, &self.caller.id)),
            Whose::NoOnes => Some(view.person_for("", &self.caller.issuer, &self.caller.id)),
        };
        let subject = match whose {
            Whose::Of(subject) => Some(subject),
            Whose::Anybodys | Whose::NoOnes => None,
        };
        if let Some(looked) = &self.looked {
            looked.note(view, subject.unwrap_or_default(), &self.caller.issuer, &self.caller.id);
        }
        decide(&self.policy, &Request { record, query, ..self.request(subject, person.as_deref(), view, at, asked) })
    }

    fn request<'a>(
        &'a self,
        subject: Option<&'a str>,
        person: Option<&'a Person>,
        view: &'a View,
        at: Moment,
        (action, asked): (Action, Categories),
    ) -> Request<'a> {
        let (caller, declared, vocabulary) = (&self.caller, &self.declaration, &self.policy.vocabulary);
        let route = self.route();
        let written = |text: &Option<String>| text.as_deref().is_some_and(|t| !t.trim().is_empty());
        Request {
            caller: Caller {
                id: &caller.id,
                organization: caller.organization.as_deref(),
                roles: self.roles,
                verified: caller.identity_verified,
                training_until: self.training_until,
            },
            action,
            record: "",
            class: class(&self.policy, route, self.purpose),
            subject,
            dataset: route.and_then(Route::certified).map(|certified| certified.dataset),
            asked,
            asked_unknown: false,
            query: Categories::NONE,
            query_unknown: false,
            purpose: self.purpose,
            basis: Named::from(declared.basis.as_deref().map(|name| vocabulary.basis_id(name))),
            recipient: Named::from(declared.recipient.as_deref().map(|name| self.policy.recipient_id(name))),
            organization: declared.organization.as_deref(),
            reason: written(&declared.reason),
            reference: written(&declared.reference),
            act: Named::from(declared.act.as_deref().filter(|a| !a.trim().is_empty()).map(|name| vocabulary.act(name))),
            source: written(&declared.source),
            time: at,
            register: view.register(),
            person,
        }
    }

    /// Where what is permitted is released.
    pub(super) fn releasing(&self) -> Releasing<'_> {
        Releasing {
            policy: &self.policy,
            generation: &self.generation,
            route: self.route(),
            all: self.everything(),
            organization: self.caller.organization.as_deref().or(self.declaration.organization.as_deref()),
            origin: &self.gate.upstream_origin,
            prefix: &self.gate.public_prefix,
            tokens: self.gate.tokens.as_ref(),
        }
    }

    /// The id that a name in path, query or body stands for. Where the caller may see ids in clear it is the id; else
    /// only a pseudonym of this receiver, purpose and epoch is one. Own staff, and the person himself, to whom ids are withheld
    /// altogether (a permit to delete shows nothing) have no pseudonyms to name: they name the id. `form`: see [`Judgement::form_of_ids`].
    ///
    /// # Errors
    /// [`Unkept`] if what pseudonyms stand for cannot be read: whether this is one cannot be told.
    pub(super) fn original<'n>(
        &self,
        named: &'n str,
        permit: &Permit,
        form: Form,
    ) -> Result<Option<Cow<'n, str>>, Unkept> {
        match form {
            Form::Clear => Ok(Some(Cow::Borrowed(named))),
            Form::Withheld if self.is_staff() || self.caller.is_principal() => Ok(Some(Cow::Borrowed(named))),
            _ => match self.releasing().pseudonyms(permit) {
                Some(pseudonyms) => Ok(pseudonyms.original(named)?.map(Cow::Owned)),
                None => Ok(None),
            },
        }
    }

    /// The form in which this caller sees ids on this route. A permit shows none that was not asked for: a permit to write or
    /// delete, and one to read what carries none. There it is what he would read, ids among it, that tells whether he knows
    /// ids or pseudonyms.
    pub(super) fn form_of_ids(&self, action: Action, route: &Route, general: &Permit, view: &View, at: Moment) -> Form {
        let own = self.form_of_id(general);
        let Some(ids) = self.releasing().id_category().map(Category::only) else { return own };
        if own == Form::Clear || (action.releases() && general.asked().covers(ids)) {
            return own;
        }
        let all = if action.releases() { general.asked() } else { route.everything() };
        let read = if action.releases() { action } else { Action::Read };
        let read = self.decide_as(Whose::Anybodys, "", view, at, (read, all.or(ids)));
        match read.map(|read| self.form_of_id(&read)) {
            Ok(form @ (Form::Clear | Form::Pseudonymised)) => form,
            Ok(_) | Err(_) => own,
        }
    }

    /// The form in which this permit shows ids.
    pub(super) fn form_of_id(&self, permit: &Permit) -> Form {
        self.releasing().form_of_id(permit)
    }

    /// All that an answer to this request can carry: what free text in it counts as.
    pub(super) fn everything(&self) -> Categories {
        let brought = self.route.as_ref().map_or(Categories::NONE, |reference| reference.brought);
        self.route().map_or(Categories::ALL, Route::everything).or(brought)
    }

    /// The parameters that search on what this caller may not see in clear of anybody.
    pub(super) fn hidden_parameters(&self, at: Moment) -> Vec<String> {
        let (Some(reference), Some(view)) = (&self.route, &self.view) else { return Vec::new() };
        let all = reference.charges.iter().fold(Categories::NONE, |set, charge| set.or(charge.categories));
        let shown = self.decide_searching(Whose::Anybodys, "", view, at, (reference.action, all), Categories::NONE);
        let clear = shown.map_or(Categories::NONE, |permit| permit.release().having(Form::Clear, all));
        let hidden = reference.charges.iter().filter(|charge| !clear.covers(charge.categories));
        let mut names: Vec<String> = hidden.map(|charge| charge.parameter.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Own staff are told why; others only what does not depend on the person.
    pub(super) fn is_staff(&self) -> bool {
        is_staff(self.caller.organization.is_some(), self.roles)
    }

    /// Whether the token grants this purpose; one that says nothing of purposes narrows nothing.
    pub(super) fn token_grants(&self, purpose: Named<PurposeId>) -> bool {
        let Some(granted) = &self.caller.purposes else { return true };
        let Some(declared) = purpose.known().and_then(|id| self.policy.purpose(id)) else { return true };
        granted.iter().any(|word| match self.policy.declared(word) {
            Ok(Some(id)) => self.policy.purpose(id).is_some_and(|broad| covers(&broad.name, &declared.name)),
            Ok(None) => false,
            Err(meant) => meant.iter().any(|path| *path == declared.name),
        })
    }
}

/// Whether it is somebody of the organisation whose policy this is: no other is named for him, and he has a role in this one.
pub(super) const fn is_staff(of_another: bool, roles: RoleSet) -> bool {
    !of_another && roles != 0
}

/// The first moment at which a training no longer holds; what cannot be read has expired.
pub(super) fn training_until(text: Option<&str>, policy: &Policy) -> Option<Moment> {
    text.map(|text| Window::read(None, Some(text), &policy.zone).map_or(Moment::MIN, |window| window.until))
}
