//! A `PUT` of what is not there makes it: may it be made?
//!
//! The route was judged as a change. That there is nothing to change only the look at the record told: so it is judged once more
//! as what it is, on top of what it was judged as, and is on record as that.

use std::sync::Arc;

use super::{Exchange, Out, Ready};
use crate::catalogue::Shape;
use crate::layer::entry::Settled;
use crate::layer::judgement::{Judgement, Whose};
use crate::policy::{Action, Categories};
use crate::registry::View;

impl Exchange {
    /// There is no such record: a `PUT` makes it, and needs to be allowed to. It is on record as what it is.
    pub(super) async fn judge_making(&self, ready: &mut Ready, record: &str, view: &View) -> Result<(), Box<Out>> {
        let judgement = Arc::clone(&ready.judgement);
        let whose = match &ready.settled {
            Settled::Person(person) => Whose::Of(person),
            Settled::NoOne { .. } => Whose::NoOnes,
            Settled::Each | Settled::Open => {
                return Err(self.refuse(&judgement, self.not_available(&judgement), None, &[]).await);
            }
        };
        let asked = judgement.route.as_ref().map_or(Categories::ALL, |reference| reference.asked);
        match judgement.decide_as(whose, record, view, self.now, (Action::Create, asked)) {
            Ok(permit) => {
                ready.permit = Some(permit);
                ready.judgement = Arc::new(judgement.making());
                Ok(())
            }
            Err(refusal) => Err(self.refuse_decision(&judgement, &refusal, &ready.subjects).await),
        }
    }
}

/// The record that a path of original ids names beneath its subject; empty where it names none or several.
pub(super) fn record_at(judgement: &Judgement, method: &str, path: &str) -> String {
    let resolved = judgement.generation.catalogue.resolve(method, path, None).ok();
    let named = resolved.filter(|resolved| resolved.route.shape() == Shape::Object).map(|resolved| resolved.ids);
    match named.as_deref() {
        Some([only]) => only.id.clone(),
        _ => String::new(),
    }
}
