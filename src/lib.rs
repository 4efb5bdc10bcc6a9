//! Sekisho makes an organisation's *published privacy policy* the thing that is enforced, on every request, in front of
//! its medical APIs: a reverse proxy and a tower [`Layer`](layer::PurposeLayer).
//!
//! # The way of a request
//!
//! ```text
//! proxy   1  accept; TLS; size and time limits; which site?
//! layer   2  take one generation: policy, catalogue and keys stay the same for the whole request
//!         3  identity::authenticate(fields, client certificate, keys, now)      → Caller        else 401, 503
//!         4  Declaration::parse(fields): `Purpose-Of-Use`                       → Declaration   else 400
//!         5  catalogue.resolve(method, path, query)                             → Route, asked  else 404, 405, 400
//!         6  registry.facts(now)                                                → View          else 503
//!         7a decision::decide for anybody: could any person's record leave? no  → 403, backend untouched
//!         7b decision::decide, once per subject: from path, query or body now,
//!            from the answer while its object is held                           → Permit        else 403, 404, or it goes
//!         8  log.begin(record): durable before a write is forwarded or a read is answered        else 503
//!         9  the backend is asked, with fields of ours only
//! body   10  redact: each frame; each list entry judged for its own subject; each window recorded before it leaves
//!        11  the last frame → completed; dropped, cut off, failed → so recorded: exactly one ending per beginning
//! ```
//!
//! Steps 3 to 7 stand in one place, `layer/exchange`: read it first. Any error refuses: no path leads from "could not
//! tell" to "forward". Clock, randomness and keys enter at [`proxy`] and [`cli`] and are passed on as values.
//!
//! # Rooms
//!
//! Arrows point at what is used; none turns back. The four pure rooms hold most of the risk and none of the I/O.
//!
//! ```text
//! policy ◀─┬─ decision  ◀───────────┐
//!          ├─ catalogue ◀─ redact ◀─┤
//!          └─ registry  ◀───────────┼─ layer ◀── proxy ◀─ demo ◀─ cli
//!             identity  ◀───────────┤
//! store  ◀─── audit     ◀───────────┘
//!             audit     ◀─ index ◀── review ◀── cli
//! ```
//!
//! | room | may use |
//! |---|---|
//! | [`policy`] | – |
//! | [`catalogue`] | policy |
//! | [`decision`] | policy |
//! | [`redact`] | policy, catalogue |
//! | [`identity`] | – |
//! | [`registry`] | policy, store |
//! | [`store`] | – |
//! | [`audit`] | store |
//! | [`index`] | audit, store |
//! | [`review`] | audit, index, store |
//! | [`layer`] | policy, catalogue, decision, redact, identity, registry, audit |
//! | [`proxy`] | all above |
//! | `demo` | proxy and what it uses |
//! | [`cli`] | all |
//!
//! A test holds the table against the code.

pub mod audit;
pub mod catalogue;
pub mod cli;
pub mod decision;
#[cfg(feature = "demo")]
pub mod demo;
pub mod identity;
pub mod index;
pub mod layer;
pub mod policy;
pub mod proxy;
pub mod redact;
pub mod registry;
pub mod review;
pub mod store;
