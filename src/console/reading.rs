//! What did somebody look at? On record before he sees it.
//!
//! A chain of its own, `log/console`: the gate's log stays its gate's. One administrative record a page: `read`,
//! `reveal`, `export`, `verify`, `verified` (how it ended), `refused` (his roles do not allow it), `review-accept`, `review-object`, `sign-in`,
//! `sign-out`, `sign-in-refused`; who, which page, what was asked for. Persons stand there sealed, and so does whatever
//! somebody typed: why he needs it, what he searched for, and names that stand in no record. A filter stands there
//! whole. Where it cannot be written, nothing is shown.

use std::path::Path;
use std::sync::Arc;

use super::ConsoleError;
use super::person::Person;
use crate::audit::checkpoint::Signer;
use crate::audit::{Administrative, AuditError, Caller, Clock, Detail, Log, Options, Sealed};
use crate::store::Directory;

/// One look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// What was done; see the module.
    pub(super) action: &'static str,
    /// Which page.
    pub(super) page: &'static str,
    /// What was asked for: a filter as in the address, a record's number. Never a person's own id.
    pub(super) what: String,
    /// How many records were told; none where that says nothing.
    pub(super) records: Option<u64>,
    /// Whom it was about.
    pub(super) subjects: Vec<Sealed>,
    /// Why he needed it, or what he typed, with the id that it was sealed for.
    pub(super) why: Option<(String, Sealed)>,
}

impl Reading {
    pub(super) fn of(page: &'static str, what: impl Into<String>) -> Reading {
        Reading { action: "read", page, what: what.into(), ..Reading::default() }
    }

    /// Nothing was told, so there is nothing to record: what a script hears that asks whether there is more.
    pub(super) fn nothing() -> Reading {
        Reading::default()
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.action.is_empty()
    }

    pub(super) fn with_records(mut self, records: usize) -> Reading {
        self.records = u64::try_from(records).ok();
        self
    }
}

/// The chain.
#[derive(Clone)]
pub(super) struct Readings(Log);

impl Readings {
    pub(super) fn open(
        folder: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
        signer: Signer,
    ) -> Result<Readings, ConsoleError> {
        let cannot = |why: &dyn std::fmt::Display| ConsoleError(format!("{}: {why}", folder.display()));
        let disk = Directory::open(folder).map_err(|error| cannot(&error))?;
        let (log, _) = Log::open_signed(Arc::new(disk), options, clock, signer).map_err(|error| cannot(&error))?;
        Ok(Readings(log))
    }

    /// Durable when it answers.
    pub(super) async fn record(
        &self,
        person: &Person,
        address: Option<&str>,
        reading: &Reading,
    ) -> Result<(), AuditError> {
        let roles: Vec<&str> = person.roles.iter().map(|role| role.name()).collect();
        let by = Caller { issuer: &person.issuer, id: &person.id, roles: &roles, address, ..Caller::default() };
        let mut details = vec![("page", Detail::Text(reading.page))];
        if !reading.what.is_empty() {
            details.push(("asked", Detail::Whole(&reading.what)));
        }
        if let Some(records) = reading.records {
            details.push(("records", Detail::Number(records)));
        }
        if let Some((id, _)) = &reading.why {
            details.push(("id", Detail::Text(id)));
        }
        let record = Administrative {
            action: reading.action,
            by: Some(by),
            subjects: &reading.subjects,
            reason: reading.why.as_ref().map(|(_, why)| why),
            details: &details,
            ..Administrative::default()
        };
        self.0.administrative(&record).await.map(|_| ())
    }

    pub(super) fn log(&self) -> &Log {
        &self.0
    }

    pub(super) fn close(&self) {
        self.0.close();
    }
}
