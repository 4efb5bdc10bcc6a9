//! What does a FHIR search find out? Every hop, comparison, order and inclusion is charged; what cannot be told is refused.
//!
//! A search is a question: whoever may filter on what he may not see can guess it, value by value. So each parameter is
//! charged with every category that its answer depends on, of every record on its way:
//! * the reference that a hop goes along, whoever holds it, and that there is a record of the type it comes to;
//! * what the parameter at its end compares, and with `:identifier` the id of whatever is referred to;
//! * of `_sort`, what is sorted by; of `_include` and `_revinclude`, the references, and the types that they bring.
//!
//! The decision then asks for all of it in clear ([`Resolved::query_categories`](super::Resolved)), for the caller's purpose
//! and for the person of each entry. Nothing is dropped or rewritten: what was judged is what goes on.
//!
//! What one person's decision cannot answer for is refused whoever asks: a hop on to another person's record (from an
//! observation to a patient who performed it), and from records of no one (practitioners) into those of persons.
//! Source: FHIR R4, search, 3.1.1.

mod comparison;
mod filter;
mod include;
mod name;
mod results;

use std::ops::Range;

pub(super) use comparison::takes_in_free_text;
pub use comparison::{Comparison, How};

use crate::policy::Categories;

use super::resolve::{NamedId, Part, Unresolved, shown, unknown};
use super::route::Route;
use super::target::Parameter;
use super::{Catalogue, ResourceType, SearchParameter};

/// What one parameter finds out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Its name, as the caller wrote it.
    pub parameter: String,
    /// What it finds out.
    pub categories: Categories,
}

/// Why a parameter that the catalogue knows is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterFault {
    /// Given twice where it may be given once.
    Doubled,
    /// A value that it does not take, or none.
    Value,
    /// A modifier that its kind does not take.
    Modifier,
    /// A hop along what is no reference, or to a type that it does not lead to.
    Hop,
    /// A hop that may lead to several types, of which not all can be judged.
    Untyped,
    /// It leads to records of another person, or from records of no one to those of persons.
    OtherPerson,
    /// A position in the backend's list, which counts what the caller is not shown.
    Position,
    /// The answer would not say whom its records are about, so that none of them could be released.
    LeavesOutSubject,
}

impl ParameterFault {
    /// What is wrong, for the caller.
    pub const fn detail(self) -> &'static str {
        match self {
            ParameterFault::Doubled => "it may be given once",
            ParameterFault::Value => "it does not take this value",
            ParameterFault::Modifier => "it does not take this modifier",
            ParameterFault::Hop => "it does not lead there",
            ParameterFault::Untyped => "it may lead to several types; name one that can be searched (`name:Type.…`)",
            ParameterFault::OtherPerson => "it leads to records of other persons",
            ParameterFault::Position => "a list goes on by the `next` link of its answer",
            ParameterFault::LeavesOutSubject => "the answer would not say whom it is about; name that element too",
        }
    }
}

/// What a search asks.
#[derive(Default)]
pub(super) struct Asked {
    /// What each parameter finds out.
    pub(super) charges: Vec<Charge>,
    /// Where page numbers, sizes and cursors stand.
    pub(super) pages: Vec<(Part, Range<usize>)>,
    /// Whom the search is about, where it says so.
    pub(super) subject: Option<NamedId>,
    /// Records that it names, by ids that may be pseudonyms.
    pub(super) ids: Vec<NamedId>,
    /// Types whose records it brings besides, sorted.
    pub(super) included: Vec<Box<str>>,
    /// What of it compares or orders texts.
    pub(super) comparisons: Vec<Comparison>,
}

/// Reads all parameters of a request for records of `kind`, of the query and of the form together. What is no search takes
/// only those that say how the answer is written.
pub(super) fn read(
    catalogue: &Catalogue,
    route: &Route,
    kind: &str,
    parameters: &[(Part, Parameter<'_>)],
) -> Result<Asked, Unresolved> {
    let known = catalogue.types.get(kind).ok_or(Unresolved::NotFound)?;
    let mut guard = Guard {
        catalogue,
        route,
        kind,
        known,
        asked: Asked::default(),
        once: Vec::new(),
        paged: Vec::new(),
        cuts: false,
        elements: None,
        compared: Vec::new(),
    };
    for (part, parameter) in parameters {
        guard.take(*part, parameter)?;
    }
    if route.is_everything() && !guard.once.contains(&"_type") {
        guard.bring_all();
    }
    comparison::hide(&mut guard);
    let mut asked = guard.asked;
    asked.included.sort_unstable();
    asked.included.dedup();
    Ok(asked)
}

struct Guard<'c> {
    catalogue: &'c Catalogue,
    route: &'c Route,
    /// The type that is searched.
    kind: &'c str,
    known: &'c ResourceType,
    asked: Asked,
    /// Parameters seen that may be given once.
    once: Vec<&'static str>,
    /// The same, of those that say which page.
    paged: Vec<&'c str>,
    /// The answer is to leave out elements, perhaps those that are compared; or to bring what says which match it goes with to nobody.
    cuts: bool,
    /// The elements that it is to have, where it says so.
    elements: Option<Vec<Box<str>>>,
    /// In which elements each of the comparisons looks, in their order.
    compared: Vec<Vec<Box<str>>>,
}

type Judged<T> = Result<T, Unresolved>;

impl<'c> Guard<'c> {
    fn take(&mut self, part: Part, parameter: &Parameter<'_>) -> Judged<()> {
        let name = parameter.name.as_ref();
        if parameter.value.is_empty() {
            return Err(fault(name, ParameterFault::Value)); // some servers pass it over, and find more
        }
        let search = self.route.is_search();
        match name {
            "_include" | "_revinclude" | "_include:iterate" | "_revinclude:iterate" if search => {
                self.include(name, &parameter.value)
            }
            "_sort" if search => self.sort(&parameter.value),
            "_total" if search => self.only("_total", &parameter.value, &["none"]),
            "_type" if self.route.is_everything() => self.types(&parameter.value),
            "_elements" => self.elements(&parameter.value),
            "_summary" => self.summary(&parameter.value),
            "_pretty" => self.only("_pretty", &parameter.value, &["true", "false"]),
            "_format" => self.only("_format", &parameter.value, &super::fhir_r4::routes::FORMATS),
            _ if self.route.page_name(name).is_some() => self.page(part, parameter),
            _ if search => self.filter(part, parameter),
            _ => Err(unknown(name)),
        }
    }

    /// A parameter's type, if records of it are the catalogue's to show.
    fn own(&self, kind: &str) -> Option<&'c ResourceType> {
        self.catalogue.types.get(kind).filter(|known| known.own)
    }

    fn charge(&mut self, name: &str, categories: Categories) {
        self.asked.charges.push(Charge { parameter: shown(name), categories });
    }

    fn once(&mut self, name: &'static str) -> Judged<()> {
        if self.once.contains(&name) {
            return Err(fault(name, ParameterFault::Doubled));
        }
        self.once.push(name);
        Ok(())
    }

    /// What following or comparing a reference finds out: whatever else it is, an id.
    fn reference(&self, parameter: &SearchParameter) -> Categories {
        parameter.categories.or(self.catalogue.ids)
    }

    fn is_person(&self, kind: &str) -> bool {
        self.catalogue.types.get(kind).is_some_and(|known| known.subject.as_ref().is_some_and(|at| !at.is_reference()))
    }

    fn is_about_someone(&self, kind: &str) -> bool {
        self.catalogue.types.get(kind).is_some_and(|known| known.subject.is_some())
    }
}

fn fault(name: &str, why: ParameterFault) -> Unresolved {
    Unresolved::Parameter { name: shown(name), why }
}
