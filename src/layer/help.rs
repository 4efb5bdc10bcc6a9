//! What may this caller declare, and what would he get? Told before he is refused; no more than a refusal would say.

use serde_json::json;

use super::declaration::Declaration;
use super::headers;
use super::judgement::{Judgement, RouteRef, Whose};
use super::record;
use crate::decision::{Named, Permit};
use crate::policy::{Categories, Form, PurposeId};
use crate::registry::View;

/// Where the help is.
pub(super) const PATH: &str = "/.well-known/purpose-of-use";

/// The purposes that this caller may declare: by role for staff, by what is open to the recipient for others.
pub(super) fn purposes(judgement: &Judgement) -> Vec<String> {
    declarable(judgement).map(|(_, name)| name.to_owned()).collect()
}

fn declarable(judgement: &Judgement) -> impl Iterator<Item = (PurposeId, &str)> {
    let policy = &judgement.policy;
    let now = judgement.gate.now_ms();
    let view = judgement.gate.registry.facts(now).ok();
    let recipients: Vec<_> = match (&judgement.caller.organization, &view) {
        (Some(organization), _) if organization == crate::identity::PRINCIPAL => {
            vec![crate::policy::RecipientId::PRINCIPAL]
        }
        (Some(organization), Some(view)) => {
            view.register().of(organization).filter_map(|(_, entry)| policy.recipient_id(&entry.recipient)).collect()
        }
        (Some(_), None) | (None, _) => Vec::new(),
    };
    let staff = judgement.is_staff();
    policy
        .purposes()
        .filter(move |(id, purpose)| {
            let open = recipients.iter().any(|recipient| !policy.grants(*id, *recipient).is_empty());
            let served = staff && purpose.served_by & judgement.roles != 0;
            let granted = judgement.token_grants(Named::Known(*id));
            !purpose.grouping && granted && purpose.window.holds(now) && (served || (!staff && open))
        })
        .map(|(id, purpose)| (id, purpose.name.as_str()))
}

/// The categories of a refused write that are not this caller's to write.
pub(super) fn refused_categories(judgement: &Judgement) -> Vec<String> {
    let policy = &judgement.policy;
    let asked = judgement.route.as_ref().map_or(Categories::NONE, |r| r.asked);
    let own = judgement.purpose.known().and_then(|id| policy.purpose(id)).map(|purpose| purpose.view);
    let clear = own.map_or(Categories::NONE, |view| view.having(Form::Clear, asked));
    asked.without(clear).iter().map(|category| policy.vocabulary.name(category).to_owned()).collect()
}

/// The page: per purpose the routes on which it could be answered, with what it would show.
///
/// It takes long, and lets others go between. `None`: what is on file cannot be read.
pub(super) async fn page(judgement: &Judgement, now: i64) -> Option<String> {
    let (policy, generation) = (&judgement.policy, &judgement.generation);
    let view = judgement.gate.registry.facts(now).ok()?;
    let mut purposes = Vec::new();
    let declarable: Vec<_> = declarable(judgement).collect();
    for (id, name) in declarable {
        tokio::task::yield_now().await; // others are waiting
        let mut routes = Vec::new();
        for route in generation.catalogue.routes() {
            for (method, action) in route.methods() {
                let asked = if action.releases() { route.categories() } else { route.body_categories() };
                let reference = RouteRef::new(generation, route, action, asked, route.told_by_type());
                if let Some(bases) = opening(judgement, id, &reference, &view, now) {
                    routes.push(json!({"method": method, "route": route.template(), "bases": bases}));
                }
            }
        }
        purposes.push(json!({"purpose": name, "codes": policy.purpose(id).map(|p| p.codes.clone()), "routes": routes}));
    }
    let page = json!({
        "policy": policy.document.meta.id.text,
        "revision": policy.document.meta.revision.text,
        "field": "Purpose-Of-Use",
        "purposes": purposes,
    });
    Some(page.to_string())
}

/// The bases of which one has to be declared; empty: none need be. `None`: nothing opens this.
fn opening<'j>(
    judgement: &'j Judgement,
    purpose: PurposeId,
    reference: &RouteRef,
    view: &View,
    now: i64,
) -> Option<Vec<&'j str>> {
    let opens = |basis: Option<&str>| {
        trial(judgement, purpose, reference.clone(), basis).decide(Whose::Anybodys, view, now).is_ok()
    };
    if opens(None) {
        return Some(Vec::new());
    }
    let vocabulary = &judgement.policy.vocabulary;
    let bases: Vec<&str> = vocabulary.bases().map(|(_, b)| b.name.as_str()).filter(|name| opens(Some(name))).collect();
    (!bases.is_empty()).then_some(bases)
}

/// The same judgement for another purpose, route and basis, with all that a caller writes himself.
fn trial(judgement: &Judgement, purpose: PurposeId, reference: RouteRef, basis: Option<&str>) -> Judgement {
    let written = || basis.map(|_| "written".to_owned());
    let declaration = Declaration {
        basis: basis.map(str::to_owned),
        reason: written(),
        reference: written(),
        act: written(),
        ..Declaration::default()
    };
    Judgement {
        gate: judgement.gate.clone(),
        generation: judgement.generation.clone(),
        policy: judgement.policy.clone(),
        caller: judgement.caller.clone(),
        declaration,
        purpose: Named::Known(purpose),
        roles: judgement.roles,
        training_until: judgement.training_until,
        route: Some(reference),
        view: None,
        looked: None,
    }
}

/// What a dry run says: the forms by category and the clauses; of the record itself nothing.
pub(super) fn dry_run(judgement: &Judgement, permit: Option<&Permit>, id: &str) -> String {
    let policy = &judgement.policy;
    let Some(permit) = permit else { return json!({"dry-run": true, "outcome": "permit", "decision": id}).to_string() };
    let forms: serde_json::Map<String, serde_json::Value> = permit
        .asked()
        .iter()
        .map(|category| (policy.vocabulary.name(category).to_owned(), permit.release().form(category).name().into()))
        .collect();
    json!({
        "dry-run": true,
        "field": headers::DECISION.as_str(),
        "outcome": "permit",
        "decision": id,
        "release": forms,
        "clauses": record::cited(policy, permit.clauses()),
        "obligations": permit.obligations().names().collect::<Vec<_>>(),
    })
    .to_string()
}
