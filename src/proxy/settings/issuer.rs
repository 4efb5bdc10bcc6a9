//! `[[issuer]]`: who is believed, and in what.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::limits::number;
use crate::identity::{Allowed, IssuerDraft, IssuerSettings, LEEWAY_S_MAX, MayAssert};
use crate::policy::reader::{Table, Text};

/// The issuer, and the file of its keys if they lie in one.
pub(super) fn read(table: &Table<'_>, folder: &Path) -> Option<(IssuerSettings, Option<PathBuf>)> {
    let texts = |key| table.texts(key).into_iter().map(|text: Text| text.text).collect::<Vec<_>>();
    let mut draft = IssuerDraft {
        id: table.required("id").text,
        audience: texts("audience"),
        algorithms: texts("algorithms"),
        jwks_root: table.text("jwks-root").map(|root| folder.join(root.text)),
        ..IssuerDraft::default()
    };
    let jwks = table.required("jwks").text;
    let file = (!jwks.contains("://") && !jwks.is_empty()).then(|| folder.join(&jwks));
    draft.jwks = file.as_ref().map_or(jwks, |file| file.display().to_string());
    if table.has("types") {
        draft.types = texts("types");
    }
    if table.has("type-may-be-missing") {
        draft.type_may_be_missing = table.flag("type-may-be-missing");
    }
    draft.leeway_s = number(table, "issuer", "leeway-s", 0, LEEWAY_S_MAX, draft.leeway_s);
    if let Some(claims) = table.table("claims") {
        let text = |key| claims.text(key).map(|text| text.text);
        draft.claims.caller = text("caller").unwrap_or(draft.claims.caller);
        draft.claims.organization = text("organization");
        draft.claims.roles = text("roles");
        draft.claims.purpose = text("purpose");
        draft.claims.identity = text("identity");
        draft.claims.training_until = text("training-until");
        claims.finish();
    }
    if let Some(may) = table.table("may-assert") {
        draft.may_assert = may_assert(&may);
        may.finish();
    }
    table.finish();
    match IssuerSettings::new(draft) {
        Ok(settings) => Some((settings, file)),
        Err(faults) => {
            for fault in faults {
                let key = fault.key.split('.').next().unwrap_or(fault.key);
                table.reader().fault(table.span_of(key), fault.to_string(), None);
            }
            None
        }
    }
}

fn may_assert(table: &Table<'_>) -> MayAssert {
    let mut roles = BTreeMap::new();
    for (value, role) in table.lists("roles") {
        match <[Text; 1]>::try_from(role) {
            Ok([role]) => drop(roles.insert(value.text, role.text)),
            Err(_) => table.reader().fault(value.span, format!("`{}` stands for one role", value.text), None),
        }
    }
    MayAssert {
        roles,
        organizations: allowed(table, "organizations"),
        principal: table.flag("principal"),
        purposes: allowed(table, "purposes"),
    }
}

/// Absent: nothing; `"*"`: anything; else the names listed.
fn allowed(table: &Table<'_>, key: &'static str) -> Allowed {
    if !table.has(key) {
        return Allowed::Nothing;
    }
    let names: Vec<String> = table.texts(key).into_iter().map(|name| name.text).collect();
    if names == ["*"] { Allowed::Anything } else { Allowed::Listed(names.into_iter().collect()) }
}
