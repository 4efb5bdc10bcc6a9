//! What texts does a search compare, how, and would the answer show them?
//!
//! A value of a field that is clear may be stopped all the same, for what it is: an Individual Number. Whoever searches the
//! field by its beginning could still spell it, digit by digit, from which records come back. So each comparison of texts is
//! told with its value; who judges the answer knows digits, and what was stopped there.
//!
//! Dates, numbers and references are no texts; nor are ids (`_id`), in which nothing is stopped. An identifier is one like any code: whether
//! its system, by a URI, says that it is no Individual Number is asked where that is asked of records too. Whether something is
//! there at all (`:missing`) tells none of its digits.

use crate::policy::Categories;

use super::Guard;
use super::name::Name;
use crate::catalogue::{SearchKind, SearchParameter};

/// How a text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// With the whole value, `code` or `system|code`, one of several by commas.
    Whole,
    /// With a part of it, or so that a part may do.
    Part,
    /// The answer is in its order.
    Order,
}

/// One comparison of texts. No `Debug`: its value may be anybody's.
#[derive(Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The parameter's name, as the caller wrote it.
    pub parameter: String,
    /// What is compared; of an order nothing.
    pub value: String,
    /// What it is compared with.
    pub categories: Categories,
    /// Whether free text may be among that: what is charged with all that a record can carry, or with nothing of it.
    pub free_text: bool,
    /// How.
    pub how: How,
    /// Whether each record of the answer shows what was compared: not where that lies in another record, behind a chain, where
    /// the answer leaves out what is compared, or where it brings records besides, which do not say by which match.
    pub shown: bool,
}

impl Guard<'_> {
    /// A filter on what `kind` has at this parameter.
    pub(super) fn compares(
        &mut self,
        name: &Name<'_>,
        (text, value): (&str, &str),
        kind: &str,
        leaf: &SearchParameter,
        categories: Categories,
    ) {
        if name.modifier == Some("missing") {
            return;
        }
        let how = match (leaf.kind, name.modifier) {
            (SearchKind::Token, Some("text")) | (SearchKind::String, _) => Some(How::Part),
            (SearchKind::Uri, Some("above" | "below")) => Some(How::Part),
            (SearchKind::Token, _) if leaf.ids => None,
            (SearchKind::Token | SearchKind::Uri | SearchKind::Quantity, _) => Some(How::Whole),
            (SearchKind::Composite, _) => self.of_components(kind, leaf),
            (SearchKind::Reference | SearchKind::Date | SearchKind::Number, _) => None,
        };
        if let Some(how) = how {
            let (parameter, value, shown) = (super::shown(text), value.to_owned(), name.hops.is_empty());
            let everything = self.catalogue.types.get(kind).map_or(Categories::NONE, |known| known.categories);
            let free_text = takes_in_free_text(categories, everything);
            self.asked.comparisons.push(Comparison { parameter, value, categories, free_text, how, shown });
            self.compared.push(leaf.within.clone());
        }
    }

    fn of_components(&self, kind: &str, leaf: &SearchParameter) -> Option<How> {
        let parameters = self.own(kind).map(|known| &known.parameters);
        let kinds = leaf.components.iter().filter_map(|name| Some(parameters?.get(name)?.kind));
        let texts = [SearchKind::String, SearchKind::Composite];
        kinds.fold(None, |how, kind| match kind {
            _ if texts.contains(&kind) => Some(How::Part),
            SearchKind::Token | SearchKind::Uri | SearchKind::Quantity => how.or(Some(How::Whole)),
            _ => how,
        })
    }

    /// The answer is in the order of this parameter.
    pub(super) fn orders(&mut self, name: &str, by: &SearchParameter, categories: Categories) {
        let texts = matches!(by.kind, SearchKind::String | SearchKind::Token | SearchKind::Uri | SearchKind::Composite);
        if texts && !by.ids {
            self.asked.comparisons.push(Comparison {
                parameter: name.to_owned(),
                value: String::new(),
                categories,
                free_text: takes_in_free_text(categories, self.known.categories),
                how: How::Order,
                shown: true,
            });
            self.compared.push(by.within.clone());
        }
    }
}

/// What compares free text is charged with `everything` that there may be in it; nothing else is known of what is charged with nothing.
pub(in crate::catalogue) fn takes_in_free_text(compared: Categories, everything: Categories) -> bool {
    compared.is_empty() || compared.covers(everything)
}

/// Once all is read: what the answer leaves out of its records is not shown. An answer of some elements has these whole (R4,
/// search, `_elements`).
pub(super) fn hide(guard: &mut Guard<'_>) {
    let (cuts, elements) = (guard.cuts, guard.elements.take());
    let named = |within: &[Box<str>]| match &elements {
        None => true,
        Some(names) => !within.is_empty() && within.iter().all(|element| names.contains(element)),
    };
    for (comparison, within) in guard.asked.comparisons.iter_mut().zip(&guard.compared) {
        comparison.shown &= !cuts && named(within);
    }
}
