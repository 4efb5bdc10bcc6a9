//! One request's judgement: who calls and what is declared, met with each subject's facts by [`decide`].

use std::borrow::Cow;
use std::sync::Arc;

use super::declaration::Declaration;
use super::gate::{Gate, Generation};
use crate::catalogue::Route;
use crate::decision::{Caller, Named, Permit, Refusal, Request, decide};
use crate::identity;
use crate::policy::facts::Person;
use crate::policy::{Action, Categories, Form, Moment, Policy, PurposeId, RoleSet, Window, covers};
use crate::redact::{Pseudonyms, Receiver, Unkept};
use crate::registry::View;

/// The category of a subject's own id.
pub(super) const SUBJECT_ID: &str = "identity.number";

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
}

/// What the catalogue said of the request, without a borrow of the catalogue.
#[derive(Clone)]
pub(super) struct RouteRef {
    index: usize,
    pub(super) action: Action,
    pub(super) asked: Categories,
    pub(super) query: Categories,
    /// A write that replaces what is there, seen or not.
    pub(super) replaces: bool,
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
        RouteRef { index, action, asked, query, replaces: false }
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
        let person: Option<Cow<'_, Person>> = match whose {
            Whose::Anybodys => None,
            Whose::Of(subject) => Some(view.person_for(subject, &self.caller.issuer, &self.caller.id)),
            Whose::NoOnes => Some(view.person_for("", &self.caller.issuer, &self.caller.id)),
        };
        let subject = match whose {
            Whose::Of(subject) => Some(subject),
            Whose::Anybodys | Whose::NoOnes => None,
        };
        decide(&self.policy, &Request { record, ..self.request(subject, person.as_deref(), view, at, asked) })
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
        let query = if action.releases() {
            self.route.as_ref().map_or(Categories::NONE, |r| r.query)
        } else {
            Categories::NONE
        };
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
            class: self.class(route),
            subject,
            dataset: route.and_then(Route::certified).map(|certified| certified.dataset),
            asked,
            asked_unknown: false,
            query,
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

    /// The class of the route's subjects. Records of no one are of whatever class the purpose is for.
    fn class(&self, route: Option<&Route>) -> Named<u8> {
        let Some(route) = route else { return Named::Missing };
        match route.subject_class_index() {
            Some(class) => Named::Known(class),
            None if route.is_of_no_one() => {
                let classes = self.purpose.known().and_then(|id| self.policy.purpose(id)).map_or(0, |p| p.classes);
                let first = u8::try_from(classes.trailing_zeros()).ok().filter(|class| *class < 32);
                first.map_or(Named::Missing, Named::Known)
            }
            None => Named::Missing,
        }
    }

    /// The pseudonyms of this request's receiver and purpose, and a name of their context for caches.
    pub(super) fn pseudonyms(&self, permit: &Permit) -> Option<(Pseudonyms, String)> {
        let recipient = self.policy.recipient(permit.recipient()).map_or("", |r| r.name.as_str());
        let organization = self.caller.organization.as_deref().or(self.declaration.organization.as_deref());
        let receiver = match organization {
            Some(organization) => Receiver::Organisation(organization),
            None => Receiver::Recipient(recipient),
        };
        let purpose = self.policy.purpose(permit.purpose()).map_or("", |p| p.name.as_str());
        let keys = &self.generation.pseudonyms;
        let pseudonyms = Pseudonyms::new(&keys.master, receiver, purpose, keys.epoch, &keys.accepted)?;
        let pseudonyms = pseudonyms.with_tokens(self.gate.tokens.clone());
        let kind = if organization.is_some() { 'o' } else { 'r' };
        let receiver = organization.unwrap_or(recipient);
        Some((pseudonyms, format!("{kind}{}:{receiver}:{purpose}:{}", receiver.len(), keys.epoch)))
    }

    /// The id that a name in path, query or body stands for. Where the caller may see ids in clear it is the id; else
    /// only a pseudonym of this receiver, purpose and epoch is one. Own staff to whom ids are withheld altogether have
    /// no pseudonyms to name: they name the id. `form`: see [`Judgement::form_of_ids`].
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
            Form::Withheld if self.is_staff() => Ok(Some(Cow::Borrowed(named))),
            _ => match self.pseudonyms(permit) {
                Some((pseudonyms, _)) => Ok(pseudonyms.original(named)?.map(Cow::Owned)),
                None => Ok(None),
            },
        }
    }

    /// The form in which this caller sees ids on this route. A permit to write or delete shows none that was not asked
    /// for: there it is what he would read that tells whether he knows ids or pseudonyms.
    pub(super) fn form_of_ids(&self, action: Action, route: &Route, general: &Permit, view: &View, at: Moment) -> Form {
        let own = self.form_of_id(general);
        if action.releases() || own == Form::Clear {
            return own;
        }
        let read = self.decide_as(Whose::Anybodys, "", view, at, (Action::Read, route.everything()));
        read.map_or(own, |read| self.form_of_id(&read))
    }

    /// The form in which this permit shows ids.
    pub(super) fn form_of_id(&self, permit: &Permit) -> Form {
        let category = self.policy.vocabulary.category(SUBJECT_ID);
        category.map_or(Form::Withheld, |category| permit.release().form(category))
    }

    /// Own staff are told why; others only what does not depend on the person.
    pub(super) fn is_staff(&self) -> bool {
        self.caller.organization.is_none() && self.roles != 0
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

/// The first moment at which a training no longer holds; what cannot be read has expired.
pub(super) fn training_until(text: Option<&str>, policy: &Policy) -> Option<Moment> {
    text.map(|text| Window::read(None, Some(text), &policy.zone).map_or(Moment::MIN, |window| window.until))
}
