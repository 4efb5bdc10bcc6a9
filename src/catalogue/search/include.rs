//! What do included records bring, and what does it find out that they are there?

use crate::policy::Categories;

use super::name::type_name;
use super::{Guard, Judged, ParameterFault, fault};
use crate::catalogue::{SearchKind, SearchParameter};

/// A reference of a type, along which records are included.
type Edge<'c> = (&'c str, &'c SearchParameter);

impl<'c> Guard<'c> {
    /// `_include=Type:reference[:Target]`, with `*` for every reference; `_revinclude` likewise, the other way round.
    pub(super) fn include(&mut self, name: &str, value: &str) -> Judged<()> {
        let bad = || fault(name, ParameterFault::Value);
        let (reverse, iterate) = (name.starts_with("_rev"), name.ends_with(":iterate"));
        self.cuts = true;
        let mut steps = value.split(':');
        let (source, code, target) = (steps.next().unwrap_or(""), steps.next(), steps.next());
        if steps.next().is_some() || target.is_some_and(|target| type_name(target).is_none()) {
            return Err(bad());
        }
        let all = source == "*" && code.is_none();
        let edges: Vec<Edge<'c>> = match (all, code) {
            (true, _) => self.edges(|kind| reverse || iterate || kind == self.kind),
            (false, Some("*")) if target.is_none() => self.edges(|kind| kind == source),
            (false, Some(code)) => self.edge(source, code).into_iter().collect(),
            (false, None) => return Err(bad()),
        };
        // Of what is named, a reference has to be one; of what `*` stands for, those count that lead here.
        let searched = self.kind;
        let leads = |kind: &str| (!reverse || iterate || kind == searched) && target.is_none_or(|named| named == kind);
        let edges: Vec<Edge<'c>> =
            edges.into_iter().filter(|(_, along)| along.targets.iter().any(|kind| leads(kind))).collect();
        if edges.is_empty() && !all {
            return Err(bad());
        }
        let mut found = Categories::NONE;
        for (kind, along) in edges {
            found = found.or(self.reference(along));
            if kind != searched {
                found = found.or(self.bring(name, kind)?.unwrap_or(Categories::NONE));
            }
            for brought in along.targets.iter().filter(|kind| !reverse && leads(kind)) {
                match self.bring(name, brought)? {
                    Some(told) => found = found.or(told),
                    // Named, and not shown to anybody; as one of several it would only be dropped from the answer.
                    None if target.is_some() => return Err(bad()),
                    None => {}
                }
            }
        }
        self.charge(name, found);
        Ok(())
    }

    /// `$everything?_type=Condition,Encounter`: records of these types only. That there are any is then asked for.
    pub(super) fn types(&mut self, value: &str) -> Judged<()> {
        self.once("_type")?;
        let mut found = Categories::NONE;
        for kind in value.split(',') {
            let told = self.bring("_type", kind)?.ok_or_else(|| fault("_type", ParameterFault::Value))?;
            found = found.or(told);
        }
        self.charge("_type", found);
        Ok(())
    }

    /// Records of every type are brought: those of which the caller may not know that they are there are dropped.
    pub(super) fn bring_all(&mut self) {
        self.asked.included.extend(self.catalogue.brought_by(self.route).map(Into::into));
    }

    /// Records of this type are brought too; answers what it tells that they are there. `None`: it is not shown.
    fn bring(&mut self, name: &str, kind: &str) -> Judged<Option<Categories>> {
        let Some(known) = self.own(kind) else { return Ok(None) };
        if known.subject.is_some() && self.known.subject.is_none() {
            return Err(fault(name, ParameterFault::OtherPerson));
        }
        if kind != self.kind {
            self.asked.included.push(kind.into());
        }
        Ok(Some(known.told_by_type))
    }

    fn edge(&self, kind: &str, code: &str) -> Option<Edge<'c>> {
        let (kind, known) = self.catalogue.types.get_key_value(kind).filter(|(_, known)| known.own)?;
        let along = known.parameters.get(code).filter(|along| along.kind == SearchKind::Reference)?;
        Some((kind.as_ref(), along))
    }

    fn edges(&self, of: impl Fn(&str) -> bool) -> Vec<Edge<'c>> {
        let kinds = self.catalogue.types.iter().filter(|(kind, known)| known.own && of(kind));
        kinds
            .flat_map(|(kind, known)| known.parameters.values().map(move |along| (kind.as_ref(), along)))
            .filter(|(_, along)| along.kind == SearchKind::Reference)
            .collect()
    }
}
