//! What does a search parameter of a resource type find out, and how is its value read?
//!
//! [`Catalogue::search_parameter`] answers for one type and one name, without modifiers, chains or prefixes: who reads a
//! query takes those apart first and charges each part. A parameter that is not here is refused.
//!
//! Promise: `categories` covers every element that the parameter compares, so a caller who has all of them in clear learns
//! nothing by searching that a read would not have told. One that compares what is never released is not here at all.

use std::collections::HashMap;

use crate::policy::Categories;

use super::super::Catalogue;

/// What a search parameter's value looks like (FHIR R4, search parameter types). One of a form of its own (`special`: `near`) is in no
/// table, and so refused: what it finds out no path says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SearchKind {
    /// `code`, `system|code`.
    Token,
    /// `id`, `Type/id`, a URL.
    Reference,
    /// The beginning of a text.
    String,
    /// `ge2020-01`.
    Date,
    /// `lt5.4`.
    Number,
    /// `5.4|system|code`.
    Quantity,
    /// A URI, compared whole.
    Uri,
    /// Values of its components, joined by `$`.
    Composite,
}

impl SearchKind {
    /// Every kind.
    pub const ALL: [SearchKind; 8] = [
        SearchKind::Token,
        SearchKind::Reference,
        SearchKind::String,
        SearchKind::Date,
        SearchKind::Number,
        SearchKind::Quantity,
        SearchKind::Uri,
        SearchKind::Composite,
    ];

    /// Its name in FHIR and in the table.
    pub const fn name(self) -> &'static str {
        match self {
            SearchKind::Token => "token",
            SearchKind::Reference => "reference",
            SearchKind::String => "string",
            SearchKind::Date => "date",
            SearchKind::Number => "number",
            SearchKind::Quantity => "quantity",
            SearchKind::Uri => "uri",
            SearchKind::Composite => "composite",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<SearchKind> {
        SearchKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a search parameter of one type compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchParameter {
    /// How its value is read.
    pub kind: SearchKind,
    /// What a match tells: all categories of the elements that it compares; free text counts as all of the type's. Of a
    /// reference: that of the id, and what the link itself tells; not what the resource tells that it leads to.
    pub categories: Categories,
    /// Of a reference: the types that it may lead to, sorted, never empty. A canonical URL leads to definitions.
    pub targets: Vec<Box<str>>,
    /// Of a composite: the parameters of the same type whose values it joins, in order.
    pub components: Vec<Box<str>>,
    /// It compares the place where the type names its subject: an exact id of a Patient names the subject, and is no
    /// query category then. On `Patient` that is `_id`.
    pub subject: bool,
    /// A comparison of whole values compares ids alone: `_id`. In these nothing is looked for that is to be stopped.
    pub ids: bool,
    /// The elements of the type in which all lies that it compares. Empty: one of them may have several names (`value[x]`), so that
    /// it cannot be told whether an answer that is asked for some elements has it.
    pub within: Vec<Box<str>>,
}

/// The search parameters of one type by name.
pub type SearchParameters = HashMap<Box<str>, SearchParameter>;

impl Catalogue {
    /// The search parameter of this name of a resource type; `None`: the catalogue does not name it, refuse.
    pub fn search_parameter(&self, resource_type: &str, name: &str) -> Option<&SearchParameter> {
        self.types.get(resource_type)?.parameters.get(name)
    }

    /// Every search parameter of a resource type, in no order.
    pub fn search_parameters(&self, resource_type: &str) -> impl Iterator<Item = (&str, &SearchParameter)> {
        let parameters = self.types.get(resource_type).map(|known| &known.parameters);
        parameters.into_iter().flatten().map(|(name, parameter)| (name.as_ref(), parameter))
    }
}
