//! Steps 3 and 4: who calls, and what is declared?

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;

use super::{Exchange, Out};
use crate::decision::Named;
use crate::layer::PeerCertificate;
use crate::layer::declaration::{Declaration, DeclarationFault, dry_run};
use crate::layer::judgement::{Judgement, training_until};
use crate::layer::refusal::Problem;

impl Exchange {
    /// Step 3: who calls? Refusals here are counted, not recorded one by one: strangers cannot fill the log.
    pub(super) fn identify(&self, head: &Parts) -> Result<Judgement, Box<Out>> {
        let generation = self.gate.generation.load_full();
        let certificate = head.extensions.get::<PeerCertificate>().map(|PeerCertificate(der): &PeerCertificate| &**der);
        let caller = self.gate.authenticator.authenticate(&head.headers, certificate, self.now / 1000);
        let caller = caller.map_err(|error| {
            let mut problem = Problem::new(error.status(), error.kind(), error.public());
            problem.challenge = error.www_authenticate();
            problem.retry_after_s = error.retry_after_s();
            self.strange_for(problem, error.code())
        })?;
        let Some(policy) = generation.revisions.at(self.now).cloned() else {
            return Err(self.strange(Problem::unavailable("no-policy", "no policy is loaded")));
        };
        let roles = policy.roles_of(caller.roles.iter().map(String::as_str));
        let training = training_until(caller.training_until.as_deref(), &policy);
        Ok(Judgement {
            gate: Arc::clone(&self.gate),
            generation,
            policy,
            caller,
            declaration: Declaration::default(),
            purpose: Named::Missing,
            roles,
            training_until: training,
            route: None,
            view: None,
            looked: self.looked.clone(),
        })
    }

    /// Step 4: what is declared? A token's only purpose stands in for a missing field.
    pub(super) async fn declare(&mut self, head: &Parts, judgement: &mut Judgement) -> Result<(), Box<Out>> {
        let declared = Declaration::parse(&head.headers).and_then(|d| Ok((d, dry_run(&head.headers)?)));
        let (mut declaration, dry) = match declared {
            Ok(declared) => declared,
            Err(DeclarationFault(detail)) => {
                let problem = Problem::new(StatusCode::BAD_REQUEST, "declaration-malformed", detail);
                return Err(self.refuse(judgement, problem, None, &[]).await);
            }
        };
        self.dry_run = dry;
        if declaration.purpose.is_none()
            && let Some([only]) = judgement.caller.purposes.as_deref()
        {
            declaration.purpose = Some(only.clone());
        }
        judgement.declaration = declaration;
        Ok(())
    }

    pub(super) async fn check_declared(&self, judgement: &mut Judgement) -> Result<(), Box<Out>> {
        let policy = Arc::clone(&judgement.policy);
        judgement.purpose = match judgement.declaration.purpose.as_deref().map(|word| policy.declared(word)) {
            None => Named::Missing,
            Some(Ok(id)) => Named::from(Some(id)),
            Some(Err(meant)) => {
                let mut problem = Problem::new(
                    StatusCode::BAD_REQUEST,
                    "purpose-ambiguous",
                    "the code means several purposes; declare one of them",
                );
                problem.names.push(("purposes", meant.into_iter().map(str::to_owned).collect()));
                return Err(self.refuse(judgement, problem, None, &[]).await);
            }
        };
        if !judgement.token_grants(judgement.purpose) {
            let problem = Problem::new(
                StatusCode::FORBIDDEN,
                "purpose-not-granted",
                "the token does not grant this purpose; a declaration may only narrow it",
            );
            return Err(self.refuse(judgement, problem, None, &[]).await);
        }
        Ok(())
    }
}
