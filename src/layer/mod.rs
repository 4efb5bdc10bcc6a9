//! May this HTTP request pass, and what of the answer? [`PurposeLayer`], for any tower or hyper service.
//!
//! A request goes once to the right: identity → declaration → route → facts → decision → record → inner service; its
//! answer once back, through the redactor, each window on record before its first byte leaves. `exchange` tells it
//! step by step. [`preview`] shows a document as a request would receive it, by the same judgement and the same redactor.
//!
//! Promises:
//! * The inner service is asked only with a permit: once; before that for the record that a write changes, after it for
//!   further pages of a list.
//! * No byte of its answer leaves before the record of the decision is durable.
//! * What a caller is told of a refusal that depends on the person is what he is told of an unknown id.
//!

mod body;
mod bundles;
mod declaration;
mod document;
mod entry;
mod exchange;
mod gate;
mod headers;
mod help;
mod judgement;
mod layout;
mod looked;
mod media;
mod merge;
mod paging;
pub mod preview;
mod pump;
mod record;
mod refusal;
mod releasing;
mod service;
mod spelling;

use std::net::SocketAddr;
use std::sync::Arc;

pub use body::{BoxError, GateBody};
pub use declaration::{DRY_RUN, Declaration, DeclarationFault, PURPOSE_OF_USE};
pub use exchange::ForwardBody;
pub use gate::{Gate, GateLimits, GateParts, Generation, PseudonymKeys, Random};
pub use headers::DECISION;
pub use refusal::{Problem, TYPES};
pub use service::{PurposeLayer, PurposeService};

/// Request extension: the peer's address, from the connection and never from a field.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Request extension: the client certificate (DER leaf) of this connection's TLS handshake.
#[derive(Clone)]
pub struct PeerCertificate(pub Arc<[u8]>);

/// The error by which an inner service says that the backend did not answer in time: 504 instead of 502.
#[derive(Clone, Copy, Debug)]
pub struct Timeout;

impl std::fmt::Display for Timeout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the backend did not answer in time")
    }
}

impl std::error::Error for Timeout {}
