//! Refusals, each on record before it is told; and what a caller may ask without being answered.

use super::asking::RELEASED;
use super::{Exchange, Out, Ready};

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};

use crate::audit::{self, Outcome, Sealed, Ticket};
use crate::catalogue::Existence;
use crate::decision::{Obligations, Permit, Reason, Refusal};
use crate::layer::body::GateBody;
use crate::layer::judgement::Judgement;
use crate::layer::pump::micros;
use crate::layer::record::{self};
use crate::layer::refusal::{Problem, insert};
use crate::layer::{headers, help};
use crate::policy::Action;

impl Exchange {
    /// A refusal before anybody is known: counted.
    pub(super) fn strange(&self, problem: Problem) -> Box<Out> {
        let kind = problem.kind;
        self.strange_for(problem, kind)
    }

    /// The same, counted under a reason that the caller is not told.
    pub(super) fn strange_for(&self, problem: Problem, reason: &'static str) -> Box<Out> {
        self.gate.stranger(self.address, reason);
        Box::new(self.problem(&problem))
    }

    /// A refusal by [`decide`](crate::decision::decide).
    pub(super) async fn refuse_decision(
        &self,
        judgement: &Judgement,
        refusal: &Refusal,
        subjects: &[Sealed],
    ) -> Box<Out> {
        let problem = self.decision_problem(judgement, refusal, subjects.is_empty());
        self.refuse(judgement, problem, Some(refusal), subjects).await
    }

    /// Whether this caller may not learn what depends on the person: whoever is neither own staff nor the person.
    pub(super) fn hides(&self, judgement: &Judgement) -> bool {
        let hidden = judgement.route().is_none_or(|route| route.existence() == Existence::Hidden);
        hidden && !judgement.is_staff() && !judgement.caller.is_principal()
    }

    /// Nothing here for this caller; a person is told whom to turn to, whatever the reason was.
    pub(super) fn not_available(&self, judgement: &Judgement) -> Problem {
        let contact = || judgement.policy.document.meta.contact.text.clone();
        Problem { contact: judgement.caller.is_principal().then(contact), ..Problem::not_available() }
    }

    /// `anybodys`: it was refused for anybody's record, so that nothing in it depends on a person. What is refused after
    /// anybody's record was permitted is refused for this person, whatever the reason: an objection to some categories, a
    /// consent to few, the basis of art. 28.
    pub(super) fn decision_problem(&self, judgement: &Judgement, refusal: &Refusal, anybodys: bool) -> Problem {
        let of_person = !anybodys || refusal.reasons.iter().any(Reason::is_about_the_person);
        let hidden = judgement.route().is_none_or(|route| route.existence() == Existence::Hidden);
        if hidden && !judgement.is_staff() && of_person {
            return self.not_available(judgement);
        }
        let first = refusal.reasons.iter().next().unwrap_or(Reason::PurposeUnknown);
        let status = if first == Reason::PurposeMissing { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
        let mut problem = Problem::new(status, first.code(), first.detail());
        problem.reasons = record::reasons(judgement, refusal);
        let of_purpose = [Reason::PurposeMissing, Reason::PurposeUnknown, Reason::PurposeNotForRole];
        if of_purpose.iter().any(|reason| refusal.reasons.has(*reason)) {
            problem.names.push(("purposes", help::purposes(judgement)));
        }
        let action = judgement.route.as_ref().map_or(Action::Read, |r| r.action);
        if action.writes()
            && (refusal.reasons.has(Reason::CategoryNotPermitted) || refusal.reasons.has(Reason::Prohibited))
        {
            problem.names.push(("categories", help::refused_categories(judgement)));
        }
        if refusal.reasons.has(Reason::SearchNotPermitted) {
            let hidden = judgement.hidden_parameters(self.now);
            if !hidden.is_empty() {
                problem.detail = format!("{}: `{}`", problem.detail, hidden.join("`, `"));
                problem.names.push(("parameters", hidden));
            }
        }
        if refusal.obligations.has(Obligations::NAME_CONTACT) {
            problem.contact = Some(judgement.policy.document.meta.contact.text.clone());
        }
        problem
    }

    /// A refusal of a known caller: on record before it is told.
    pub(super) async fn refuse(
        &self,
        judgement: &Judgement,
        problem: Problem,
        refusal: Option<&Refusal>,
        subjects: &[Sealed],
    ) -> Box<Out> {
        if !self.gate.may_be_refused(&judgement.caller, self.now) {
            self.gate.stranger(self.address, "rate-limited");
            let mut limited =
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "too many refusals; slow down");
            limited.retry_after_s = Some(1);
            return Box::new(self.problem(&limited));
        }
        let told = refusal.map(|refusal| record::reasons(judgement, refusal));
        let reasons: Vec<audit::Reason<'_>> = match &told {
            Some(told) => {
                told.iter().map(|(code, clause, _)| audit::Reason { code, clause: clause.as_deref() }).collect()
            }
            None => vec![audit::Reason { code: problem.kind, clause: None }],
        };
        let status = problem.status.as_u16();
        let decision_us = Some(micros(self.started));
        let pending = self.words(judgement, subjects.to_vec()).with(Err(refusal), |decision| {
            self.gate.log.refuse(&audit::Refusal { decision, reasons: &reasons, status, decision_us })
        });
        let recorded = match pending {
            Ok(pending) => pending.await.is_ok(),
            Err(_) => false,
        };
        Box::new(if recorded { self.problem(&problem) } else { self.cannot_record() })
    }

    pub(super) fn ending<'e>(
        &self,
        outcome: Outcome,
        code: Option<&'e str>,
        status: u16,
        backend_us: u64,
    ) -> audit::End<'e> {
        let latency =
            audit::Latency { backend_us: Some(backend_us), total_us: Some(micros(self.started)), ..Default::default() };
        audit::End { outcome, code, status: Some(status), latency, ..audit::End::default() }
    }

    pub(super) fn end_refused(&self, ticket: Ticket, outcome: Outcome, problem: &Problem, backend_us: u64) -> Out {
        drop(ticket.end(&self.ending(outcome, Some(problem.kind), problem.status.as_u16(), backend_us)));
        self.problem(problem)
    }

    pub(super) fn cannot_record(&self) -> Out {
        self.problem(&Problem::unavailable("record-failed", "the access log cannot be written; nothing is released"))
    }

    pub(super) fn problem(&self, problem: &Problem) -> Out {
        metrics::counter!("sekisho_requests_total", "outcome" => problem.kind).increment(1);
        let mut response = problem.response(&self.id, self.fhir).map(GateBody::whole);
        if self.method == Method::HEAD {
            *response.body_mut() = GateBody::whole(Bytes::new());
        }
        response
    }

    pub(super) async fn help(&self, judgement: &Judgement) -> Box<Out> {
        if self.within_batch {
            let problem =
                Problem::new(StatusCode::BAD_REQUEST, "body-malformed", "a Bundle asks for no help; ask alone");
            return self.refuse(judgement, problem, None, &[]).await;
        }
        // Before it is made: that takes long.
        if !self.gate.may_be_helped(&judgement.caller, self.now) {
            return Box::new(self.too_many_questions());
        }
        let Some(text) = help::page(judgement, self.now).await else {
            let problem = Problem::registry_unreadable(RELEASED);
            return self.refuse(judgement, problem, None, &[]).await;
        };
        Box::new(self.told_about(judgement, "help", text, &[], None).await)
    }

    /// What would be answered: on record, and never a permit.
    pub(super) async fn dry_run(&self, ready: &Ready) -> Box<Out> {
        if !self.gate.may_be_refused(&ready.judgement.caller, self.now) {
            return Box::new(self.too_many_questions());
        }
        let text = help::dry_run(&ready.judgement, ready.permit.as_ref(), &self.id);
        Box::new(self.told_about(&ready.judgement, "dry-run", text, &ready.subjects, ready.permit.as_ref()).await)
    }

    fn too_many_questions(&self) -> Out {
        self.gate.stranger(self.address, "rate-limited");
        let detail = "too many questions; slow down";
        let limited = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail);
        self.problem(&Problem { retry_after_s: Some(1), ..limited })
    }

    async fn told_about(
        &self,
        judgement: &Judgement,
        code: &'static str,
        text: String,
        subjects: &[Sealed],
        permit: Option<&Permit>,
    ) -> Out {
        let status = StatusCode::OK;
        let reasons = [audit::Reason { code, clause: None }];
        let pending = self.words(judgement, subjects.to_vec()).with(permit.ok_or(None), |decision| {
            let decision_us = Some(micros(self.started));
            self.gate.log.refuse(&audit::Refusal { decision, reasons: &reasons, status: status.as_u16(), decision_us })
        });
        let Ok(pending) = pending else { return self.cannot_record() };
        if pending.await.is_err() {
            return self.cannot_record();
        }
        let text = if self.method == Method::HEAD { Bytes::new() } else { Bytes::from(text) };
        let mut response = Response::new(GateBody::whole(text));
        *response.status_mut() = status;
        headers::own(response.headers_mut());
        insert(response.headers_mut(), header::CONTENT_TYPE, "application/json");
        response
    }
}
