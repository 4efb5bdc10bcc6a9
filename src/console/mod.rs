//! What would somebody who reviews the log like to see, and may he?
//!
//! Pages over log, review queue and policy, rendered here and readable without scripts. In order: [`Console::new`] →
//! [`Console::index`] keeps the index up to date → [`Console::service`] answers. A request passes `door` (host, origin,
//! who is signed in, the form's token), then one page's function, which is given an `Asking` and gives
//! a `Page`: what is shown, together with what goes on record about the reading. Only `page::answer`
//! turns one into an answer, once that is durable.
//!
//! Promises:
//! * Nothing is shown to anybody who is not signed in, and nothing without the right for it.
//! * Nothing is shown before the reading of it is on record, in a chain of its own (`log/console`).
//! * Persons are sealed on every page; only who has the right to reveal opens one, says why, and that is on record.
//! * Writes nothing but its readings, verdicts of reviews (room `review`), and what `kept` names.
//! * No page names another origin, and no browser that minds the answer's policy asks one.

mod asked;
mod asset;
mod auth;
mod chart;
mod door;
mod error;
mod kept;
mod lang;
mod page;
mod pages;
mod person;
mod reading;
mod session;
mod shell;
mod state;
mod when;
mod words;

pub use auth::{Account, Accounts, AuthSettings, PASSWORD_MIN, ProviderSettings, account, account_id};
pub use door::Peer;
pub use error::ConsoleError;
pub use lang::Lang;
pub use person::{Person, Right, Role};
pub use state::{Console, Parts, Policies, SitePolicy};
