//! How is the answer to be ordered, cut and written? Only narrower, and by nothing that is hidden.

use crate::policy::Categories;

use super::{Guard, Judged, ParameterFault, fault};
use crate::catalogue::resolve::{Part, unknown};
use crate::catalogue::target::{self, Parameter};

impl Guard<'_> {
    /// `_sort=-date,status`: plain parameters of the type.
    pub(super) fn sort(&mut self, value: &str) -> Judged<()> {
        self.once("_sort")?;
        let mut found = Categories::NONE;
        for field in value.split(',') {
            let code = field.strip_prefix('-').unwrap_or(field);
            let Some(by) = self.known.parameters.get(code) else {
                return Err(fault("_sort", ParameterFault::Value));
            };
            let charged = if by.subject { self.reference(by) } else { by.categories };
            self.orders("_sort", by, charged);
            found = found.or(charged);
        }
        self.charge("_sort", found);
        Ok(())
    }

    /// `_elements=status,code`: elements of the type that the catalogue names, among them the one that names the subject.
    pub(super) fn elements(&mut self, value: &str) -> Judged<()> {
        self.once("_elements")?;
        let names: Vec<&str> = value.split(',').collect();
        self.elements = Some(names.iter().map(|name| (*name).into()).collect());
        if !names.iter().all(|name| self.known.node.members.contains_key(*name)) {
            return Err(fault("_elements", ParameterFault::Value));
        }
        match self.known.subject.as_ref().and_then(|subject| subject.pointer().steps().next()) {
            Some(subject) if subject != "id" && !names.contains(&subject) => {
                Err(fault("_elements", ParameterFault::LeavesOutSubject))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// `_summary`: a `count` is never told; a `text` alone does not say whom it is about.
    pub(super) fn summary(&mut self, value: &str) -> Judged<()> {
        if value == "text" && self.known.subject.as_ref().is_some_and(super::super::SubjectPath::is_reference) {
            return Err(fault("_summary", ParameterFault::LeavesOutSubject));
        }
        self.cuts |= !matches!(value, "false" | "data");
        self.only("_summary", value, &["true", "false", "data", "text"])
    }

    /// One of these values, once.
    pub(super) fn only(&mut self, name: &'static str, value: &str, values: &[&str]) -> Judged<()> {
        self.once(name)?;
        if values.contains(&value) { Ok(()) } else { Err(fault(name, ParameterFault::Value)) }
    }

    /// A page's number, size or cursor, as the surface names them.
    pub(super) fn page(&mut self, part: Part, parameter: &Parameter<'_>) -> Judged<()> {
        let name = parameter.name.as_ref();
        let Some(known) = self.route.page_name(name) else { return Err(unknown(name)) };
        if name != "_count" {
            return Err(fault(name, ParameterFault::Position));
        }
        if self.paged.contains(&known) {
            return Err(fault(name, ParameterFault::Doubled));
        }
        self.paged.push(known);
        let size = parameter.value.parse::<u32>();
        let none = !size.is_ok_and(|size| size > 0); // a page of none asks for the total
        if none || target::page(&parameter.value).is_err() {
            return Err(fault(name, ParameterFault::Value));
        }
        self.asked.pages.push((part, parameter.raw.clone()));
        Ok(())
    }
}
