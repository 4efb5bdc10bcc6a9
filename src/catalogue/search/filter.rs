//! What does a filter find out, along all its hops?

use crate::policy::Categories;

use super::name::{Hop, Name, type_name};
use super::{Guard, Judged, ParameterFault, fault};
use crate::catalogue::resolve::{Part, unknown};
use crate::catalogue::target::Parameter;
use crate::catalogue::{SearchKind, SearchParameter};

impl<'c> Guard<'c> {
    /// A parameter that filters: the subject where it names one, else a question that is charged.
    pub(super) fn filter(&mut self, part: Part, parameter: &Parameter<'_>) -> Judged<()> {
        let text = parameter.name.as_ref();
        let name = Name::parse(text).ok_or_else(|| unknown(text))?;
        if self.names_subject(&name, &parameter.value)? {
            return self.subject(part, parameter);
        }
        let mut found = Categories::NONE;
        let mut kinds = vec![self.kind];
        for hop in &name.hops {
            let (next, added) = self.hop(text, &kinds, hop)?;
            kinds = next;
            found = found.or(added);
        }
        for kind in kinds {
            let leaf = self.parameter(text, kind, name.code)?;
            let compared = self.compared(text, kind, leaf, name.modifier, &parameter.value)?;
            self.compares(&name, (text, &parameter.value), kind, leaf, compared);
            found = found.or(compared);
        }
        self.charge(text, found);
        Ok(())
    }

    /// Whether it says no more than whom the search is about: an exact id of a person. Who stands beside him (`actor=Practitioner/d1`)
    /// is asked about.
    fn names_subject(&self, name: &Name<'_>, value: &str) -> Judged<bool> {
        let bystander = self.known.subject.as_ref().is_some_and(|subject| subject.bystanders().include(value));
        let plain = name.hops.is_empty() && name.modifier.is_none_or(|modifier| self.is_person(modifier));
        let plain = plain && !(bystander && name.modifier.is_none());
        Ok(plain && self.known.parameters.get(name.code).is_some_and(|known| known.subject))
    }

    fn subject(&mut self, part: Part, parameter: &Parameter<'_>) -> Judged<()> {
        if self.asked.subject.is_some() {
            return Err(crate::catalogue::BadTarget::Doubled.into());
        }
        self.asked.subject = Some(self.route.subject_in(part, parameter)?);
        Ok(())
    }

    fn parameter(&self, text: &str, kind: &str, code: &str) -> Judged<&'c SearchParameter> {
        let known = self.own(kind).and_then(|known| known.parameters.get(code));
        known.ok_or_else(|| unknown(text))
    }

    /// Where a hop leads, and what going there finds out.
    fn hop(&self, text: &str, from: &[&'c str], hop: &Hop<'_>) -> Judged<(Vec<&'c str>, Categories)> {
        match hop {
            Hop::To { code, kind } => {
                let (mut next, mut found) = (Vec::new(), Categories::NONE);
                for at in from {
                    let (kinds, added) = self.forward(text, at, code, *kind)?;
                    next.extend(kinds);
                    found = found.or(added);
                }
                next.sort_unstable();
                next.dedup();
                Ok((next, found))
            }
            Hop::From { kind, code } => self.backward(text, from, kind, code),
        }
    }

    fn forward(&self, text: &str, at: &str, code: &str, kind: Option<&str>) -> Judged<(Vec<&'c str>, Categories)> {
        let along = self.parameter(text, at, code)?;
        if along.kind != SearchKind::Reference {
            return Err(fault(text, ParameterFault::Hop));
        }
        let targets: Vec<&'c str> = match kind {
            Some(kind) => along.targets.iter().map(AsRef::as_ref).filter(|target| *target == kind).collect(),
            None => along.targets.iter().map(AsRef::as_ref).collect(),
        };
        if targets.is_empty() {
            return Err(fault(text, ParameterFault::Hop));
        }
        let mut found = self.reference(along);
        for target in &targets {
            // A server tries each type that the reference may lead to, also those that are not shown here.
            let Some(known) = self.own(target) else { return Err(fault(text, untyped(targets.len()))) };
            let stays = along.subject || !self.is_person(target);
            let enters = self.is_about_someone(target) && !self.is_about_someone(at);
            if !stays || enters {
                return Err(fault(text, ParameterFault::OtherPerson));
            }
            found = found.or(known.told_by_type);
        }
        Ok((targets, found))
    }

    fn backward(&self, text: &str, from: &[&'c str], kind: &str, code: &str) -> Judged<(Vec<&'c str>, Categories)> {
        let Some((kind, known)) = self.catalogue.types.get_key_value(kind).filter(|(_, known)| known.own) else {
            return Err(fault(text, ParameterFault::Hop));
        };
        let along = self.parameter(text, kind, code)?;
        let leads = |at: &&str| along.targets.iter().any(|target| **target == **at);
        if along.kind != SearchKind::Reference || !from.iter().all(leads) {
            return Err(fault(text, ParameterFault::Hop));
        }
        for at in from {
            let stays = along.subject || !self.is_person(at);
            let enters = self.is_about_someone(kind) && !self.is_about_someone(at);
            if !stays || enters {
                return Err(fault(text, ParameterFault::OtherPerson));
            }
        }
        Ok((vec![kind.as_ref()], self.reference(along).or(known.told_by_type)))
    }

    /// What a comparison finds out.
    fn compared(
        &self,
        text: &str,
        kind: &str,
        leaf: &SearchParameter,
        modifier: Option<&str>,
        value: &str,
    ) -> Judged<Categories> {
        let mut found = leaf.categories;
        if leaf.kind == SearchKind::Reference || leaf.subject {
            found = self.reference(leaf);
        }
        for component in &leaf.components {
            found = found.or(self.parameter(text, kind, component)?.categories);
        }
        match modifier {
            None => {}
            Some("missing") if matches!(value, "true" | "false") => {}
            Some("missing") => return Err(fault(text, ParameterFault::Value)),
            Some(kind) if type_name(kind).is_some() => {
                let leads = leaf.kind == SearchKind::Reference && leaf.targets.iter().any(|target| **target == *kind);
                if !leads {
                    return Err(fault(text, ParameterFault::Modifier));
                }
            }
            Some(word) if modifiers(leaf.kind).contains(&word) => {}
            Some(_) => return Err(fault(text, ParameterFault::Modifier)),
        }
        Ok(found)
    }
}

fn untyped(targets: usize) -> ParameterFault {
    if targets > 1 { ParameterFault::Untyped } else { ParameterFault::Hop }
}

/// The modifiers of a kind, besides `missing` and types. None of them compares elements that the parameter does not:
/// `:text` the words beside a code, `:identifier` the identifier in a reference, which is charged as an id.
const fn modifiers(kind: SearchKind) -> &'static [&'static str] {
    match kind {
        SearchKind::String => &["exact", "contains"],
        SearchKind::Token => &["text", "not", "above", "below", "in", "not-in", "of-type"],
        SearchKind::Reference => &["identifier", "above", "below"],
        SearchKind::Uri => &["above", "below"],
        SearchKind::Date | SearchKind::Number | SearchKind::Quantity | SearchKind::Composite => &[],
    }
}
