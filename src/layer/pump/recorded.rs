//! What of a body stands in the log: its windows before they leave, and its ending, whatever ends it.

use std::collections::VecDeque;
use std::sync::PoisonError;

use bytes::Bytes;

use super::held::{Held, Stop, TOO_LARGE};
use super::{Filter, Pump, micros};
use crate::audit::{self, Latency, Outcome, Pending};
use crate::layer::record;
use crate::layer::refusal::UNREADABLE;
use crate::redact::{Settling, Tally};

impl Pump {
    /// What became of all entries so far; those that were left for another page count for nothing here.
    pub(super) fn tally(&self) -> Option<Tally> {
        let Filter::Json(redactor) = &self.filter else { return None };
        let mut tally = redactor.tally().clone();
        if let Some((former, _)) = &self.former {
            tally.absorb(former);
        }
        let passed_over = self.pager.as_ref().map_or(0, |pager| pager.passed_over());
        tally.dropped = tally.dropped.saturating_sub(passed_over);
        tally.dropped_refused = tally.dropped_refused.saturating_sub(passed_over);
        Some(tally)
    }

    /// Hands the windows of `out` to the log, and holds it until they are durable.
    pub(super) fn record(&mut self, out: Vec<u8>) -> Result<(), Stop> {
        if self.notes.lock().unwrap_or_else(PoisonError::into_inner).blind {
            return Err(Stop::Blind(UNREADABLE));
        }
        let windows = match &mut self.filter {
            Filter::Json(redactor) => redactor.take_windows(),
            Filter::Opaque | Filter::Parts(_) => Vec::new(),
        };
        let on_record = self.on_record;
        self.judged = windows.last().map_or(self.judged, |window| window.end);
        let mut pending = VecDeque::new();
        for window in windows.iter().filter(|window| !window.disclosures.is_empty() && !on_record) {
            pending.push_back(self.continuation(window)?);
        }
        let out = match &mut self.pager {
            Some(pager) => pager.write(&out).map_err(Stop::Fault)?,
            None => out,
        };
        if !(out.is_empty() && pending.is_empty()) {
            let tokens = self.settling();
            self.hold(Held { bytes: Bytes::from(out), pending, tokens });
        }
        Ok(())
    }

    /// What the pseudonyms in bytes stand for has to be kept before they leave: nobody could ask by them.
    pub(super) fn settling(&self) -> Option<Settling> {
        self.judgement.gate.tokens.as_ref().and_then(|tokens| tokens.settled())
    }

    pub(super) fn hold(&mut self, held: Held) {
        if let Some(tally) = self.tally().filter(|_| !held.bytes.is_empty()) {
            self.left.waits(held.bytes.len(), tally);
        }
        self.held_bytes += held.bytes.len();
        self.held.push_back(held);
    }

    fn continuation(&mut self, window: &crate::redact::Window) -> Result<Pending<u64>, Stop> {
        let judgement = &self.judgement;
        let route = judgement.route();
        let class = route.and_then(|route| route.subject_class()).unwrap_or("none");
        // What a cell of statistics "is about" is its count: no one's id.
        let someones = route.is_some_and(|route| !route.is_of_no_one());
        let mut sealed = Vec::new();
        for disclosure in &window.disclosures {
            let subject = disclosure
                .subject
                .as_deref()
                .filter(|_| someones)
                .map(|id| judgement.gate.seal.subject(id))
                .transpose();
            let subject = subject.map_err(|_| Stop::Blind("record-failed"))?;
            sealed.push((subject, record::occurred(&judgement.policy, disclosure)));
        }
        let disclosed: Vec<_> = sealed
            .iter()
            .map(|(subject, forms)| audit::Disclosure { class, subjects: subject.as_slice(), forms })
            .collect();
        let (earlier, judged) = self.former.as_ref().map_or((0, 0), |(tally, judged)| (tally.dropped, *judged));
        let here = match &self.filter {
            Filter::Json(redactor) => redactor.tally().dropped,
            Filter::Opaque | Filter::Parts(_) => 0,
        };
        let passed_over = self.pager.as_ref().map_or(0, |pager| pager.passed_over());
        let dropped = (earlier + here).saturating_sub(passed_over);
        let window_bytes = judged + window.end;
        let record = audit::Window { disclosed: &disclosed, entries_dropped: dropped, window_bytes };
        let Some(ticket) = &mut self.ticket else { return Err(Stop::Blind("record-failed")) };
        Ok(ticket.continuation(&record))
    }

    /// `code`: why it is not simply at its end, where all that was judged to leave has left.
    pub(super) fn end(&mut self, outcome: Outcome, code: Option<&str>) {
        let Some(ticket) = self.ticket.take() else { return };
        let all_left = outcome == Outcome::Completed && code.is_none();
        let tally = self.tally();
        let tally = tally.as_ref();
        // What nobody is told of is for the operator to know.
        let missed = tally.is_some_and(|tally| tally.dropped_large > 0) && matches!(code, None | Some("not-available"));
        let code = if missed { Some(TOO_LARGE) } else { code };
        let left = tally.map(|tally| if all_left { tally } else { self.left.tally() });
        let counts = left.map(|left| record::counts(&self.judgement.policy, left)).unwrap_or_default();
        let places: Vec<&str> = tally.map(|t| t.unclassified_places.iter().map(|p| &**p).collect()).unwrap_or_default();
        if let Some(tally) = tally.filter(|tally| tally.unclassified > 0) {
            metrics::counter!("sekisho_unclassified_fields_total").increment(tally.unclassified);
        }
        drop(ticket.end(&audit::End {
            outcome,
            code,
            status: Some(self.status),
            received_bytes: Some(self.received_bytes),
            released_bytes: self.released_bytes,
            entries:
                tally.zip(left).map(|(tally, left)| audit::Entries { released: left.released, dropped: tally.dropped }),
            counts: &counts,
            unclassified: &places,
            unclassified_fields: tally.map_or(0, |tally| tally.unclassified),
            latency: Latency {
                record_us: None,
                backend_us: Some(self.backend_us),
                first_byte_us: self.first_byte_us,
                total_us: Some(micros(self.started)),
            },
        }));
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        let outcome = if std::thread::panicking() { Outcome::Failed } else { Outcome::Aborted };
        self.end(outcome, Some("connection-ended"));
    }
}
