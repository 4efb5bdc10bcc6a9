//! What does a query ask and filter on, of a route whose parameters are named one by one?

use crate::catalogue::dicomweb::is_uid;
use crate::catalogue::route::{Param, Route};
use crate::catalogue::search::{Asked, Charge, Comparison, How, takes_in_free_text};
use crate::catalogue::target::{self, BadTarget, Parameter};

use super::{NamedId, Part, Unresolved, shown, unknown};

/// DICOM: names are compared by their sound, or whatever the archive makes of it.
const FUZZY: &str = "fuzzymatching";
/// Reads the query of a route whose parameters are named one by one.
pub(super) struct Query;

impl Query {
    pub(super) fn read(route: &Route, parameters: &[(Part, Parameter<'_>)]) -> Result<Asked, Unresolved> {
        let mut asked = Asked::default();
        let mut seen: Vec<&str> = Vec::new();
        for (part, parameter) in parameters {
            let name = parameter.name.as_ref();
            let param = route.query.get(name).ok_or_else(|| unknown(name))?;
            if seen.contains(&name) && !matches!(param, Param::Filter(_) | Param::Unshown(_) | Param::Names(_)) {
                return Err(BadTarget::Doubled.into());
            }
            seen.push(name);
            Query::take(&mut asked, route, param, (*part, parameter))?;
        }
        // What is near enough is the archive's to say.
        if parameters.iter().any(|(_, parameter)| parameter.name == FUZZY && parameter.value == "true") {
            let wholes = asked.comparisons.iter_mut().filter(|comparison| comparison.how == How::Whole);
            wholes.for_each(|comparison| comparison.how = How::Part);
        }
        Ok(asked)
    }

    fn take(
        asked: &mut Asked,
        route: &Route,
        param: &Param,
        (part, parameter): (Part, &Parameter<'_>),
    ) -> Result<(), Unresolved> {
        let mut charge = |categories, how: Option<How>| {
            let name = shown(&parameter.name);
            if let Some(how) = how {
                let shown = route.categories.covers(categories) && !matches!(param, Param::Unshown(_));
                let (parameter, value) = (name.clone(), parameter.value.to_string());
                let free_text = takes_in_free_text(categories, route.categories);
                asked.comparisons.push(Comparison { parameter, value, categories, free_text, how, shown });
            }
            asked.charges.push(Charge { parameter: name, categories });
        };
        match param {
            // Of DICOM a value is matched whole, but for its wild cards (PS3.4 C.2.2.2.4).
            Param::Filter(categories) | Param::Unshown(categories)
                if route.dicom.is_some() && !parameter.value.contains(['*', '?']) =>
            {
                charge(*categories, Some(How::Whole));
            }
            Param::Filter(categories) | Param::Unshown(categories) => charge(*categories, Some(How::Part)),
            Param::Free => {}
            Param::Page => {
                target::page(&parameter.value)?;
                asked.pages.push((part, parameter.raw.clone()));
            }
            Param::Sort(fields) => {
                for field in parameter.value.split(',') {
                    let name = field.strip_prefix(['-', '+', ' ']).unwrap_or(field);
                    charge(*fields.get(name).ok_or(BadTarget::SortField)?, Some(How::Order));
                }
            }
            Param::Only(values) => {
                if !values.iter().any(|value| **value == *parameter.value) {
                    return Err(BadTarget::Value.into());
                }
            }
            Param::Subject => {
                if asked.subject.is_some() {
                    return Err(BadTarget::Doubled.into());
                }
                asked.subject = Some(route.subject_in(part, parameter)?);
            }
            // A sequence's member is asked for by the names of all that lead to it.
            Param::Names(fields) => {
                for path in parameter.value.split(',') {
                    for name in path.split('.') {
                        let known = fields.get(name);
                        charge(*known.ok_or_else(|| unknown(&format!("{}={path}", parameter.name)))?, None);
                    }
                }
            }
            Param::Uids => asked.ids.extend(uids(part, parameter)?),
        }
        Ok(())
    }
}

/// The identifiers of a list, each where it stands in the raw query; a comma may stand there encoded.
fn uids(part: Part, parameter: &Parameter<'_>) -> Result<Vec<NamedId>, BadTarget> {
    let mut start = parameter.raw.start;
    let raw = parameter.raw_value.replace("%2C", "%2c");
    let separator = if raw.contains("%2c") { "%2c" } else { "," };
    let mut found = Vec::new();
    for id in raw.split(separator) {
        if !is_uid(id) {
            return Err(BadTarget::Value);
        }
        found.push(NamedId { id: id.to_owned(), part, raw: start..start + id.len() });
        start += id.len() + separator.len();
    }
    Ok(found)
}
