//! How does a decision travel as JSON? Evaluation requests and answers of the OpenID AuthZEN Authorization API 1.0.
//!
//! `subject` is the *caller*; the person the data is about is under `resource`. Fields that are not named here are ignored;
//! a wrong type, an unknown action or dataset, a bad date or a time without offset is a malformed request.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::json::{Object, parse};
use super::{Caller, Named, Permit, Reason, Refusal, Request, clauses_of, decide};
use crate::policy::facts::{
    Approval, Consent, Informed, Objection, Organization, Overseas, Person, Register, Relation,
};
use crate::policy::{
    Action, Categories, ClauseId, Dataset, Form, Moment, Policy, Release, Revisions, Vocabulary, Window, instant, start,
};

/// A request as it was written, its facts included.
pub struct Evaluation {
    caller: String,
    organization: Option<String>,
    roles: Vec<String>,
    verified: bool,
    training_until: Option<Moment>,
    action: Action,
    record: String,
    class: Option<String>,
    subject: Option<String>,
    dataset: Option<Dataset>,
    categories: Vec<String>,
    query_categories: Vec<String>,
    purpose: Option<String>,
    basis: Option<String>,
    recipient: Option<String>,
    for_organization: Option<String>,
    reason: bool,
    reference: bool,
    act: Option<String>,
    source: bool,
    time: Moment,
    register: Register,
    person: Person,
}

/// A category set from names; what names no leaf is told apart.
struct Asked {
    known: Categories,
    unknown: bool,
}

impl Evaluation {
    /// Reads one request. `now` is its time where it names none.
    ///
    /// # Errors
    /// What is malformed in it, in words.
    pub fn read(text: &str, policy: &Policy, now: Moment) -> Result<Evaluation, String> {
        let value = parse(text)?;
        Evaluation::from_value(&value, policy, now)
    }

    /// The same from a parsed value.
    ///
    /// # Errors
    /// What is malformed in it, in words.
    pub fn from_value(value: &Value, policy: &Policy, now: Moment) -> Result<Evaluation, String> {
        let root = Object::root(value)?;
        let (subject, action) = (root.object("subject")?, root.object("action")?);
        let (resource, context) = (root.object("resource")?, root.object("context")?);
        let (caller, record) = (subject.object("properties")?, resource.object("properties")?);
        subject.required("type")?;
        resource.required("type")?;
        let (register, person) = facts(&context.object("facts")?, &policy.vocabulary, &policy.zone)?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let written = |key| -> Result<bool, String> { Ok(context.text(key)?.is_some_and(|t| !t.trim().is_empty())) };
        let list = |object: &Object<'_>, key| -> Result<Vec<String>, String> {
            Ok(object.texts(key)?.unwrap_or_default().into_iter().map(str::to_owned).collect())
        };
        let time = context.text("time")?;
        let time = time.map_or(Ok(now), |text| instant(text).map_err(|bad| not_a_time("context.time", &bad)))?;
        Ok(Evaluation {
            caller: subject.required("id")?.to_owned(),
            organization: owned(caller.text("organization")?),
            roles: list(&caller, "roles")?,
            verified: caller.text("identity")? == Some("verified"),
            training_until: window(&caller, None, Some("training_until"), &policy.zone)?.1,
            action: named(&action, "name", Action::from_name)?.ok_or("`action.name` is missing")?,
            record: resource.required("id")?.to_owned(),
            class: owned(record.text("subject_class")?),
            subject: owned(record.text("subject")?),
            dataset: named(&record, "dataset", Dataset::from_name)?,
            categories: list(&record, "categories")?,
            query_categories: list(&record, "query_categories")?,
            purpose: owned(context.text("purpose")?),
            basis: owned(context.text("basis")?),
            recipient: owned(context.text("recipient")?),
            for_organization: owned(context.text("organization")?),
            reason: written("reason")?,
            reference: written("reference")?,
            act: owned(context.text("act")?).filter(|act| !act.trim().is_empty()),
            source: written("source")?,
            time,
            register,
            person,
        })
    }

    /// The time that decides which revision answers.
    pub fn time(&self) -> Moment {
        self.time
    }

    /// The categories asked for, as written.
    pub fn categories(&self) -> &[String] {
        &self.categories
    }

    /// The person that the record is about.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// The request, with every name resolved by this policy.
    pub fn request<'a>(&'a self, policy: &Policy) -> Request<'a> {
        let vocabulary = &policy.vocabulary;
        let asked = asked(&self.categories, vocabulary);
        let query = self::asked(&self.query_categories, vocabulary);
        let text = |text: &'a Option<String>| text.as_deref();
        Request {
            caller: Caller {
                id: &self.caller,
                organization: text(&self.organization),
                roles: policy.roles_of(self.roles.iter().map(String::as_str)),
                verified: self.verified,
                training_until: self.training_until,
            },
            action: self.action,
            record: &self.record,
            class: Named::from(text(&self.class).map(|name| vocabulary.class(name))),
            subject: text(&self.subject),
            dataset: self.dataset,
            asked: asked.known,
            asked_unknown: asked.unknown,
            query: query.known,
            query_unknown: query.unknown,
            purpose: Named::from(text(&self.purpose).map(|name| policy.purpose_id(name))),
            basis: Named::from(text(&self.basis).map(|name| vocabulary.basis_id(name))),
            recipient: Named::from(text(&self.recipient).map(|name| policy.recipient_id(name))),
            organization: text(&self.for_organization),
            reason: self.reason,
            reference: self.reference,
            act: Named::from(text(&self.act).map(|name| vocabulary.act(name))),
            source: self.source,
            time: self.time,
            register: &self.register,
            person: Some(&self.person),
        }
    }
}

/// Answers one request given as text: the whole of `sekisho decide` for a line.
///
/// # Errors
/// What is malformed in it, in words.
pub fn evaluate(text: &str, revisions: &Revisions, now: Moment) -> Result<Value, String> {
    evaluate_value(&parse(text)?, revisions, now)
}

/// The same from a parsed value.
///
/// # Errors
/// What is malformed in it, in words.
pub fn evaluate_value(value: &Value, revisions: &Revisions, now: Moment) -> Result<Value, String> {
    let newest = revisions.newest().ok_or("there is no revision")?;
    // Dates are read in the policy's zone and categories by its vocabulary: the same in all its revisions.
    let evaluation = Evaluation::from_value(value, newest, now)?;
    let policy = revisions.at(evaluation.time).ok_or("there is no revision")?;
    let request = evaluation.request(policy);
    Ok(answer(policy, &request, &evaluation.categories, &decide(policy, &request)))
}

/// The answer as JSON. `categories`: as they were asked for, unknown ones too.
pub fn answer(
    policy: &Policy,
    request: &Request<'_>,
    categories: &[String],
    decision: &Result<Permit, Refusal>,
) -> Value {
    let nothing = Release::NOTHING;
    let release = decision.as_ref().map_or(&nothing, Permit::release);
    let mut forms = Map::new();
    for name in categories.iter().filter(|_| request.action != Action::Delete) {
        let form = policy.vocabulary.category(name).map_or(Form::Withheld, |category| release.form(category));
        forms.insert(name.clone(), form.name().into());
    }
    let recipient = |id| policy.recipient(id).map(|r| r.name.as_str());
    let basis = |id| policy.vocabulary.basis(id).map(|b| b.name.as_str());
    let clauses = |ids: &mut dyn Iterator<Item = ClauseId>| ids.map(|id| policy.clause(id)).collect::<Vec<_>>();
    match decision {
        Ok(permit) => json!({"decision": true, "context": {
            "release": forms,
            "recipient": recipient(permit.recipient()),
            "basis": basis(permit.basis()),
            "rules": permit.rules().iter().filter_map(|id| policy.rule(id)).map(|r| r.name.as_str()).collect::<Vec<_>>(),
            "clauses": clauses(&mut permit.clauses().iter()),
            "obligations": permit.obligations().names().collect::<Vec<_>>(),
            "reasons": [],
        }}),
        Err(refusal) => json!({"decision": false, "context": {
            "release": forms,
            "recipient": refusal.recipient.and_then(recipient),
            "basis": refusal.basis.and_then(basis),
            "rules": [],
            "clauses": clauses(&mut refusal.clauses.iter()),
            "obligations": refusal.obligations.names().collect::<Vec<_>>(),
            "reasons": refusal.reasons.iter().map(|r| reason(policy, request, refusal, r)).collect::<Vec<_>>(),
        }}),
    }
}

fn reason(policy: &Policy, request: &Request<'_>, refusal: &Refusal, reason: Reason) -> Value {
    let clause = clauses_of(policy, request.purpose.known(), refusal, reason).iter().next().map(|id| policy.clause(id));
    json!({"code": reason.code(), "clause": clause, "detail": reason.detail()})
}

fn asked(names: &[String], vocabulary: &Vocabulary) -> Asked {
    let mut asked = Asked { known: Categories::NONE, unknown: false };
    for name in names {
        match vocabulary.category(name) {
            Some(category) => asked.known = asked.known.or(category.only()),
            None => asked.unknown = true,
        }
    }
    asked
}

fn named<T>(object: &Object<'_>, key: &str, from: impl Fn(&str) -> Option<T>) -> Result<Option<T>, String> {
    let Some(name) = object.text(key)? else { return Ok(None) };
    match from(name) {
        Some(value) => Ok(Some(value)),
        None => Err(format!("`{}` is unknown: `{}`", object.path(key), name.escape_default())),
    }
}

fn not_a_time(path: &str, bad: &str) -> String {
    format!("`{path}` is no date or date-time with offset: `{}`", bad.escape_default())
}

/// A window, and the end of it where one is written.
fn window(
    object: &Object<'_>,
    from: Option<&str>,
    until: Option<&str>,
    zone: &TimeZone,
) -> Result<(Window, Option<Moment>), String> {
    let text = |key: Option<&str>| key.map_or(Ok(None), |key| object.text(key));
    let (from_text, until_text) = (text(from)?, text(until)?);
    let window = Window::read(from_text, until_text, zone);
    let window = window.map_err(|bad| {
        let key = if from_text == Some(bad.as_str()) { from } else { until };
        not_a_time(&object.path(key.unwrap_or_default()), &bad)
    })?;
    Ok((window, until_text.map(|_| window.until)))
}

/// The facts of a request: the register and what is on file about the person.
fn facts(object: &Object<'_>, vocabulary: &Vocabulary, zone: &TimeZone) -> Result<(Register, Person), String> {
    let each = |key: &str| object.objects(key);
    let dates = |o: &Object<'_>| window(o, Some("from"), Some("until"), zone).map(|(window, _)| window);
    let owned = |o: &Object<'_>, key: &str| -> Result<Option<String>, String> { Ok(o.text(key)?.map(str::to_owned)) };
    let categories = |o: &Object<'_>| -> Result<Option<Categories>, String> {
        let names = o.texts("categories")?;
        Ok(names.map(|names| names.iter().fold(Categories::NONE, |set, name| set.or(vocabulary.subtree(name)))))
    };
    let mut organizations = Vec::new();
    for o in each("organizations")? {
        organizations.extend(organization(&o, zone)?);
    }
    let mut approvals = Vec::new();
    for o in each("approvals")? {
        // One that names no organisation approves none.
        let (organization, purpose, window) = (owned(&o, "organization")?, owned(&o, "purpose")?, dates(&o)?);
        approvals.extend(organization.map(|organization| Approval { organization, purpose, window }));
    }
    let mut person = Person { blocked: object.flag("blocked")?, ..Person::default() };
    for o in each("consents")? {
        person.consents.push(Consent {
            purpose: owned(&o, "purpose")?,
            recipient: owned(&o, "recipient")?,
            organization: owned(&o, "organization")?,
            categories: categories(&o)?,
            window: dates(&o)?,
        });
    }
    for o in each("objections")? {
        // An objection to a name that is no category objects to something: to everything, as nobody can tell to what.
        let unclear =
            o.texts("categories")?.is_some_and(|names| names.iter().any(|n| vocabulary.subtree(n).is_empty()));
        person.objections.push(Objection {
            purpose: owned(&o, "purpose")?,
            recipient: owned(&o, "recipient")?,
            categories: categories(&o)?.filter(|_| !unclear),
            window: dates(&o)?,
        });
    }
    for o in each("relations")? {
        let records = o.one_or_more("records")?;
        person.relations.push(Relation {
            kind: o.text("kind")?.unwrap_or_default().to_owned(),
            organization: owned(&o, "organization")?,
            person: owned(&o, "person")?,
            records: records.map(|records| records.into_iter().map(str::to_owned).collect()),
            window: dates(&o)?,
        });
    }
    for o in each("informed")? {
        let at = o.text("at")?.map_or(Ok(Moment::MIN), |text| start(text, zone));
        let at = at.map_err(|bad| not_a_time(&o.path("at"), &bad))?;
        person.informed.push(Informed { purpose: o.text("purpose")?.unwrap_or_default().to_owned(), at });
    }
    let texts = |key| -> Result<Vec<String>, String> {
        Ok(object.texts(key)?.unwrap_or_default().into_iter().map(str::to_owned).collect())
    };
    person.restrictions = texts("restrictions")?;
    person.opt_outs = texts("opt_outs")?;
    Ok((Register::new(organizations, approvals), person))
}

/// A register entry; one without an id is nobody's.
fn organization(o: &Object<'_>, zone: &TimeZone) -> Result<Option<Organization>, String> {
    let basis = o.object("overseas_basis")?;
    let overseas = basis.text("kind")?.and_then(Overseas::from_name);
    let (overseas_window, _) = window(&basis, None, Some("until"), zone)?;
    let purposes = o.texts("purposes")?;
    let id = o.text("id")?.map(str::to_owned);
    let window = window(o, Some("from"), Some("until"), zone)?.0;
    let entry = |id| -> Result<Organization, String> {
        Ok(Organization {
            id,
            recipient: o.text("recipient")?.unwrap_or_default().to_owned(),
            country: o.text("country")?.map(str::to_owned),
            window,
            purposes: purposes.clone().map(|purposes| purposes.into_iter().map(str::to_owned).collect()),
            overseas: overseas.map(|kind| (kind, overseas_window.until)),
        })
    };
    id.map(entry).transpose()
}
