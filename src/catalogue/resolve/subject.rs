//! Whom is a request about, and which other ids does it name?

use crate::catalogue::dicomweb::is_uid;
use crate::catalogue::pointer::PERSON;
use crate::catalogue::route::Route;
use crate::catalogue::target::{self, BadTarget, Parameter, Segment};
use crate::policy::{Action, Categories};

use super::{NamedId, Part, SubjectAt, is_fhir_id};

impl Route {
    /// What is asked for by this action: see [`Resolved::asked`](super::Resolved::asked).
    pub fn asked(&self, action: Action) -> Categories {
        match action {
            Action::Read | Action::Search => match &self.certified {
                Some(certified) => self.categories.and(certified.items),
                None => self.categories,
            },
            Action::Create | Action::Update => self.body_categories,
            Action::Delete => Categories::NONE,
        }
    }

    pub(in crate::catalogue) fn subject_in(&self, part: Part, parameter: &Parameter<'_>) -> Result<NamedId, BadTarget> {
        if parameter.raw_value.contains('+') {
            return Err(BadTarget::SubjectId); // a blank to some, a plus to others
        }
        let value = parameter.value.as_ref();
        if self.dicom.is_some() && value.contains('*') {
            return Err(BadTarget::SubjectId); // a pattern is nobody's id
        }
        let id = if self.subject.reference { value.strip_prefix(PERSON).unwrap_or(value) } else { value };
        let id = self.check_id(target::subject(id)?)?;
        // Where only the end of the value is the id, it has to stand there unescaped, so that its place is known.
        let raw = match id.len() == value.len() {
            true => parameter.raw.clone(),
            false if parameter.raw_value.ends_with(id) => parameter.raw.end.saturating_sub(id.len())..parameter.raw.end,
            false => return Err(BadTarget::NeedlessEncoding),
        };
        Ok(NamedId { id: id.to_owned(), part, raw })
    }

    fn check_id<'v>(&self, id: &'v str) -> Result<&'v str, BadTarget> {
        if !self.fhir || is_fhir_id(id) { Ok(id) } else { Err(BadTarget::SubjectId) }
    }

    pub(super) fn locate_subject(
        &self,
        action: Action,
        segments: &[Segment<'_>],
        in_query: Option<NamedId>,
    ) -> Result<SubjectAt, BadTarget> {
        let spec = &self.subject;
        if let Some(segment) = spec.segment.and_then(|number| segments.get(number)) {
            let id = self.check_id(target::subject(&segment.decoded)?)?.to_owned();
            return Ok(SubjectAt::Target(NamedId { id, part: Part::Path, raw: segment.raw.clone() }));
        }
        if let Some(named) = in_query {
            return Ok(SubjectAt::Target(named));
        }
        if spec.caller {
            return Ok(SubjectAt::Caller);
        }
        if spec.none {
            return Ok(SubjectAt::NoOne);
        }
        if spec.stored {
            return Ok(SubjectAt::Stored);
        }
        let optional = spec.query.is_empty() || spec.query_optional;
        match action {
            Action::Create | Action::Update if spec.body.is_some() => Ok(SubjectAt::Body),
            Action::Read | Action::Search if spec.entry.is_some() && optional => Ok(SubjectAt::Entries),
            Action::Read | Action::Search | Action::Create | Action::Update | Action::Delete => {
                Err(BadTarget::SubjectMissing)
            }
        }
    }

    /// The variable segments that do not name the subject.
    pub(super) fn other_ids(&self, segments: &[Segment<'_>]) -> Result<Vec<NamedId>, BadTarget> {
        let steps = self.template.split('/').skip(1).zip(segments).enumerate();
        let others = steps.filter(|(at, (step, _))| step.starts_with('{') && Some(*at) != self.subject.segment);
        // Numbers of frames, and which part of an instance: they name no record.
        let others = others.filter(|(_, (step, _))| self.dicom.is_none() || !matches!(*step, "{frames}" | "{part}"));
        others
            .map(|(_, (_, segment))| {
                let id = self.check_id(target::subject(&segment.decoded)?)?.to_owned();
                if self.dicom.is_some() && !is_uid(&id) {
                    return Err(BadTarget::Value);
                }
                Ok(NamedId { id, part: Part::Path, raw: segment.raw.clone() })
            })
            .collect()
    }
}
