//! Which single changes are worth trying?

use serde_json::{Value, json};

use super::{Change, Edit, Sort, writes};
use crate::policy::{Policy, covers};

/// A moment long past, so that what is put on file holds at the request's own time.
const LONG_AGO: &str = "1900-01-01";

/// Every candidate, in no order that matters.
pub(super) fn all(request: &Value, policy: &Policy, recipient: Option<&str>) -> Vec<Change> {
    let mut list = List { request, policy, changes: Vec::new() };
    list.proofs();
    list.bases();
    list.recipients();
    list.asked();
    list.consents(recipient);
    list.parties();
    list.stops();
    list.purposes();
    list.roles();
    list.changes
}

struct List<'a> {
    request: &'a Value,
    policy: &'a Policy,
    changes: Vec<Change>,
}

impl List<'_> {
    fn push(&mut self, sort: Sort, text: impl Into<String>, edits: Vec<Edit>) {
        self.changes.push(Change { text: text.into(), sort, edits });
    }

    fn text(&self, pointer: &str) -> Option<String> {
        self.request.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
    }

    fn list(&self, pointer: &str) -> Vec<Value> {
        self.request.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default()
    }

    fn is_staff(&self) -> bool {
        self.text("/subject/properties/organization").is_none()
    }

    fn proofs(&mut self) {
        if self.text("/context/reason").is_none() {
            self.push(Sort::Proof, "give a written reason", vec![Edit::Set("context/reason", json!("a reason"))]);
        }
        if self.text("/context/source").is_none() && writes(self.request) {
            self.push(Sort::Proof, "name the source of the data", vec![Edit::Set("context/source", json!("a source"))]);
        }
        let acts: Vec<String> = self.policy.vocabulary.acts().map(str::to_owned).collect();
        let lacks_reference = self.text("/context/reference").is_none();
        if lacks_reference || self.text("/context/act").is_none() {
            let mut edits = vec![Edit::Set("context/act", json!("an act"))];
            if lacks_reference {
                edits.push(Edit::Set("context/reference", json!("a reference")));
            }
            self.push(Sort::Proof, "name the act and the reference", edits);
        }
        for act in acts {
            let mut edits = vec![Edit::Set("context/act", json!(act))];
            if lacks_reference {
                edits.push(Edit::Set("context/reference", json!("a reference")));
            }
            self.push(Sort::Proof, format!("rest it on the act `{act}`, with a reference"), edits);
        }
        if self.text("/subject/properties/organization").as_deref() == Some("principal") {
            let edits = vec![Edit::Set("subject/properties/identity", json!("verified"))];
            self.push(Sort::Proof, "verify the caller's identity", edits);
        }
        if self.text("/subject/properties/training_until").is_some() {
            let edits = vec![Edit::Set("subject/properties/training_until", Value::Null)];
            self.push(Sort::Proof, "renew the caller's training", edits);
        }
    }

    fn bases(&mut self) {
        let declared = self.text("/context/basis");
        if declared.is_some() {
            self.push(Sort::Basis, "declare no basis", vec![Edit::Set("context/basis", Value::Null)]);
        }
        let names: Vec<String> = self.policy.vocabulary.bases().map(|(_, basis)| basis.name.clone()).collect();
        for name in names.into_iter().filter(|name| Some(name) != declared.as_ref()) {
            let edits = vec![Edit::Set("context/basis", json!(name))];
            self.push(Sort::Basis, format!("declare basis `{name}`"), edits);
        }
    }

    fn recipients(&mut self) {
        let (named, organization) = (self.text("/context/recipient"), self.text("/context/organization"));
        if named.is_some() || organization.is_some() {
            let text =
                if self.is_staff() { "use it inside, for no other recipient" } else { "name no other recipient" };
            let nobody = ["context/recipient", "context/organization"].map(|path| Edit::Set(path, Value::Null));
            self.push(Sort::Recipient, text, nobody.to_vec());
        }
        if !self.is_staff() {
            return;
        }
        let names: Vec<String> = self.policy.recipients().map(|(_, r)| r.name.clone()).collect();
        for name in names.into_iter().filter(|name| Some(name) != named.as_ref() && name != "internal") {
            let edits =
                vec![Edit::Set("context/recipient", json!(name)), Edit::Set("context/organization", Value::Null)];
            self.push(Sort::Recipient, format!("fetch it for recipient `{name}`"), edits);
        }
    }

    fn asked(&mut self) {
        if !self.list("/resource/properties/query_categories").is_empty() {
            let edits = vec![Edit::Set("resource/properties/query_categories", json!([]))];
            self.push(Sort::Asked, "search and sort on nothing that is withheld", edits);
        }
        let categories = self.list("/resource/properties/categories");
        if writes(self.request) {
            let edits = vec![Edit::Set("action/name", json!("read"))];
            self.push(Sort::Asked, "read it instead", edits);
            if categories.len() > 1 {
                for category in &categories {
                    let rest: Vec<&Value> = categories.iter().filter(|other| *other != category).collect();
                    let edits = vec![Edit::Set("resource/properties/categories", json!(rest))];
                    let name = category.as_str().unwrap_or("").to_owned();
                    self.push(Sort::Asked, format!("leave `{name}` out"), edits);
                }
            }
        }
        let class = self.text("/resource/properties/subject_class");
        if class.is_none() {
            let classes: Vec<String> = self.policy.vocabulary.classes().map(str::to_owned).collect();
            for class in classes {
                let edits = vec![Edit::Set("resource/properties/subject_class", json!(class))];
                self.push(Sort::Asked, format!("say that the record is of a `{class}`"), edits);
            }
        }
    }

    fn consents(&mut self, recipient: Option<&str>) {
        let Some(purpose) = self.text("/context/purpose") else { return };
        let organization = self.text("/subject/properties/organization").or(self.text("/context/organization"));
        let to = recipient.map_or(String::new(), |name| format!(" to `{name}`"));
        let consent = json!({"purpose": purpose, "recipient": recipient, "from": LONG_AGO});
        let edits = vec![Edit::Add("context/facts/consents", consent)];
        self.push(Sort::File, format!("the person's consent to `{purpose}`{to}, on file"), edits);
        let informed = json!({"purpose": purpose, "at": LONG_AGO});
        let edits = vec![Edit::Add("context/facts/informed", informed)];
        self.push(Sort::File, format!("that the person was informed of `{purpose}`"), edits);
        let caller = self.text("/subject/id");
        let kinds: Vec<String> = self.policy.vocabulary.relations.iter().map(|(kind, _)| kind.clone()).collect();
        for kind in kinds {
            let organization = organization.clone().filter(|id| id != "principal");
            let relation = json!({"kind": kind, "organization": organization, "person": caller, "from": LONG_AGO});
            let edits = vec![Edit::Add("context/facts/relations", relation)];
            self.push(Sort::File, format!("relation `{kind}` to the person, on file"), edits);
        }
    }

    /// Contracts, approvals and grounds abroad, of the organisations that the request is about.
    fn parties(&mut self) {
        let purpose = self.text("/context/purpose").unwrap_or_default();
        let named = self.text("/subject/properties/organization").or(self.text("/context/organization"));
        let named = named.filter(|id| id != "principal" && id != "internal");
        let recipient = self.text("/context/recipient");
        for (index, entry) in self.list("/context/facts/organizations").iter().enumerate() {
            let of = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
            let Some(id) = of("id") else { continue };
            let meant = match &named {
                Some(named) => *named == id,
                None => of("recipient") == recipient,
            };
            if !meant {
                continue;
            }
            let open = vec![Edit::Entry(index, "from", Value::Null), Edit::Entry(index, "until", Value::Null)];
            self.push(Sort::File, format!("the registration of `{id}`, in force"), open);
            let mut entrusted: Vec<Value> =
                entry.get("purposes").and_then(Value::as_array).cloned().unwrap_or_default();
            if !entrusted.iter().filter_map(Value::as_str).any(|broad| covers(broad, &purpose)) {
                entrusted.push(json!(purpose));
                let edits = vec![Edit::Entry(index, "purposes", json!(entrusted))];
                self.push(Sort::File, format!("`{purpose}` among the purposes registered for `{id}`"), edits);
            }
            let ground = vec![Edit::Entry(index, "overseas_basis", json!({"kind": "equivalent-system"}))];
            self.push(Sort::File, format!("an art. 28 basis registered for `{id}`"), ground);
            let approval = json!({"organization": id, "purpose": purpose, "from": LONG_AGO});
            let edits = vec![Edit::Add("context/facts/approvals", approval)];
            self.push(Sort::File, format!("an approval of `{id}` for `{purpose}`, on file"), edits);
        }
        let known = |entry: &Value| entry.get("id").and_then(Value::as_str) == named.as_deref();
        let registered = self.list("/context/facts/organizations").iter().any(known);
        let names: Vec<String> = self.policy.recipients().skip(2).map(|(_, r)| r.name.clone()).collect();
        match &named {
            Some(id) if !registered => {
                for name in names.into_iter().filter(|name| recipient.as_ref().is_none_or(|named| named == name)) {
                    let entry = json!({"id": id, "recipient": name, "country": "JP", "purposes": [purpose]});
                    let edits = vec![Edit::Add("context/facts/organizations", entry)];
                    self.push(Sort::File, format!("`{id}` registered as `{name}` for `{purpose}`"), edits);
                }
            }
            None => {
                if let Some(name) = recipient.filter(|name| names.contains(name)) {
                    let entry = json!({"id": "registered", "recipient": name, "country": "JP", "purposes": [purpose]});
                    let edits = vec![Edit::Add("context/facts/organizations", entry)];
                    self.push(Sort::File, format!("an organisation registered as `{name}` for `{purpose}`"), edits);
                }
            }
            Some(_) => {}
        }
    }

    /// What the person stopped: only the person lifts it.
    fn stops(&mut self) {
        for (key, path, text) in [
            ("restrictions", "context/facts/restrictions", "the person lifts the restriction"),
            ("objections", "context/facts/objections", "the person takes back the objection"),
            ("opt_outs", "context/facts/opt_outs", "the person takes back the opt-out"),
        ] {
            if !self.list(&format!("/context/facts/{key}")).is_empty() {
                self.push(Sort::File, text, vec![Edit::Set(path, json!([]))]);
            }
        }
        if self.request.pointer("/context/facts/blocked") == Some(&Value::Bool(true)) {
            self.push(Sort::File, "taken off the block list", vec![Edit::Set("context/facts/blocked", json!(false))]);
        }
    }

    fn purposes(&mut self) {
        let declared = self.text("/context/purpose");
        let names: Vec<String> =
            self.policy.purposes().filter(|(_, p)| !p.grouping).map(|(_, p)| p.name.clone()).collect();
        for name in names.into_iter().filter(|name| Some(name) != declared.as_ref()) {
            let edits = vec![Edit::Set("context/purpose", json!(name))];
            self.push(Sort::Purpose, format!("declare purpose `{name}`"), edits);
        }
    }

    fn roles(&mut self) {
        if !self.is_staff() {
            return;
        }
        let held = self.list("/subject/properties/roles");
        let names: Vec<String> = self.policy.roles().map(str::to_owned).collect();
        for name in names.into_iter().filter(|name| !held.contains(&json!(name))) {
            let edits = vec![Edit::Add("subject/properties/roles", json!(name))];
            self.push(Sort::Role, format!("ask somebody in role `{name}`"), edits);
        }
    }
}
