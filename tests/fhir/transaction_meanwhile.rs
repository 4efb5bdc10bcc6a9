//! What changes while a transaction is judged: it holds for all of it where it concerns it, and tells nothing where it does not.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use super::transaction::{create, ends, put, send, serve};
use super::{CARE, stand};
use crate::layer::support::{Answer, Stand};

/// A transaction about p1 and p2, and how often the backend was to do one; these are put on file when all but the last judgement is made.
async fn meanwhile(stand: &Arc<Stand>, facts: &'static [(&str, &str)]) -> (Answer, usize) {
    let seen = serve(stand, None);
    let (other, plain) = (Arc::downgrade(stand), stand.backend.always.lock().unwrap().take().unwrap());
    let answers = move |head: &http::request::Parts, body: &Bytes| {
        if head.uri.path() == "/Condition/o2" {
            let stand = other.upgrade().unwrap();
            facts.iter().for_each(|(kind, words)| stand.add(kind, words));
        }
        plain(head, body)
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
    let answer = send(stand, CARE, &[create("c9", "p1"), put("o2", "p2")]).await;
    let written = seen.lock().unwrap().len();
    (answer, written)
}

/// A transaction waits for all its judgements: a stop that comes meanwhile holds for every write of it.
#[tokio::test]
async fn a_restriction_that_comes_while_a_transaction_is_judged_holds_for_all_of_it() {
    let stand = Arc::new(stand());
    let (answer, written) = meanwhile(&stand, &[("restriction", "subject=p1 name=stop-use")]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    assert!(answer.body.contains("outdated"), "{}", answer.body);
    assert_eq!(written, 0);
    assert_eq!(ends(&stand), (2, vec![(424, "not-done".to_owned()); 2]));
    // Sent again, it is judged by what is on file.
    assert_eq!(send(&stand, CARE, &[create("c9", "p1"), put("o1", "p2")]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_changes_of_anybody_else_is_told_by_no_transaction() {
    for facts in [
        &[("restriction", "subject=p3 name=stop-use")][..],
        &[("block", "subject=p3")],
        &[("block-caller", "issuer=https://issuer.test caller=c-2")],
        &[("block-caller", "issuer=https://other.test caller=c-1")],
        &[],
    ] {
        let (answer, written) = meanwhile(&Arc::new(stand()), facts).await;
        assert_eq!((answer.status, written), (StatusCode::OK, 1), "{facts:?}: {}", answer.body);
    }
    for facts in [
        &[("restriction", "subject=p2 name=stop-use")][..],
        &[("block", "subject=p1")],
        &[("objection", "subject=p1 purpose=care from=2026-01-01")],
        &[("block-caller", "issuer=https://issuer.test caller=c-1")],
        &[("organization", "id=lab recipient=contractor country=JP purposes=care")],
    ] {
        let (answer, written) = meanwhile(&Arc::new(stand()), facts).await;
        assert_eq!((answer.status, written), (StatusCode::SERVICE_UNAVAILABLE, 0), "{facts:?}: {}", answer.body);
        assert!(answer.body.contains("outdated"), "{}", answer.body);
    }
}

/// A revision that comes into force, or documents that are read anew, judge otherwise.
#[tokio::test]
async fn a_reload_while_a_transaction_is_judged_undoes_it() {
    let stand = Arc::new(stand());
    let fresh = super::stand().gate.generation.load_full();
    let seen = serve(&stand, None);
    let (other, plain) = (Arc::downgrade(&stand), stand.backend.always.lock().unwrap().take().unwrap());
    let answers = move |head: &http::request::Parts, body: &Bytes| {
        if head.uri.path() == "/Condition/o2" {
            other.upgrade().unwrap().gate.generation.store(Arc::clone(&fresh));
        }
        plain(head, body)
    };
    *stand.backend.always.lock().unwrap() = Some(Arc::new(answers));
    let answer = send(&stand, CARE, &[create("c9", "p1"), put("o2", "p2")]).await;
    assert!(answer.status == StatusCode::SERVICE_UNAVAILABLE && seen.lock().unwrap().is_empty(), "{}", answer.body);
}
