//! What stands in a reference's place? The same pseudonym for an id, whatever shape it is written in.

use super::super::plan::LinkRewriter;
use super::super::pseudonym::Pseudonymiser;

/// An id, or the id in a reference, as a pseudonym: the same id gives the same pseudonym in every shape.
///
/// `id`, `Type/id` (a version after it is left out), `urn:uuid:…`; an absolute URL ending in `Type/id` where
/// links can be rewritten to lead to the gate; `#` before an id, which leads to what is contained under it, and so becomes what that id
/// becomes; `#` alone, the record that contains it, which says nothing. Anything else, and any URL with a query, is withheld.
pub(in crate::redact) fn pseudonymous_reference(
    pseudonyms: &dyn Pseudonymiser,
    links: Option<&dyn LinkRewriter>,
    value: &str,
) -> Option<String> {
    match value.strip_prefix('#') {
        Some("") => return Some("#".to_owned()),
        Some(local) if local.starts_with('#') => return None,
        Some(local) => return Some(format!("#{}", pseudonymous_reference(pseudonyms, links, local)?)),
        None => {}
    }
    if let Some(uuid) = value.strip_prefix("urn:uuid:") {
        return Some(format!("urn:uuid:{}", pseudonyms.uuid(uuid)?));
    }
    if value.contains(['?', '%', '\\']) {
        return None;
    }
    let path = value.split_once("/_history/").map_or(value, |(path, _)| path);
    if let Some((_, after_scheme)) = path.split_once("://") {
        let (base, id) = path.rsplit_once('/')?;
        // Host, type and id: a host alone is no type.
        let resource_type = base.rsplit_once('/').filter(|_| after_scheme.matches('/').count() >= 2)?.1;
        let rewritten = is_type(resource_type).then(|| pseudonyms.id(id)).flatten()?;
        return links?.rewrite(&format!("{base}/{rewritten}"));
    }
    match path.split_once('/') {
        None if value.contains(':') && value.starts_with("urn") => None,
        None => pseudonyms.id(path),
        Some((resource_type, id)) if is_type(resource_type) && !id.contains('/') => {
            Some(format!("{resource_type}/{}", pseudonyms.id(id)?))
        }
        Some(_) => None,
    }
}

/// A type or collection: letters, so that it holds no one's data.
fn is_type(segment: &str) -> bool {
    (2..=64).contains(&segment.len()) && segment.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_'))
}
