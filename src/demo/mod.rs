//! What shows Sekisho at work without anyone's data? Loopback only; nothing here is reachable from `serve`.
//!
//! [`Stand`] is a whole installation in one process: per organisation a [`sample`] API that answers nobody but the gate,
//! the gate itself, and one [`Issuer`] of tokens. [`script`] tells who asks what, and what the policy says to it; the
//! [`tour`] asks all of it over TCP and compares.
//!
//! Promises:
//! * Nothing listens on an address that another machine can reach, and nothing is fetched.
//! * The issuer's key and the backend's secret are made anew in each run and never leave the process.
//! * What is written lies in one folder of its own, removed at the end unless it was named.

mod asking;
mod backend;
pub mod fill;
mod folder;
mod issuer;
pub mod sample;
pub mod script;
mod stand;
pub mod tour;
mod verdict;

pub use asking::{Answer, Client};
pub use folder::Folder;
pub use issuer::Issuer;
pub use stand::{Site, Stand, only_loopback};

use std::fmt;

/// Why the demonstration cannot be shown. In lower case; of no one's data.
#[derive(Debug)]
pub struct DemoError(pub String);

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DemoError {}

impl DemoError {
    /// `what`, because of `why`.
    fn because(what: impl fmt::Display, why: impl fmt::Display) -> DemoError {
        DemoError(format!("{what}: {why}"))
    }
}

/// Random bytes for keys and secrets.
fn random<const N: usize>() -> Result<zeroize::Zeroizing<[u8; N]>, DemoError> {
    let mut bytes = zeroize::Zeroizing::new([0; N]);
    let filled = aws_lc_rs::rand::fill(bytes.as_mut_slice());
    filled.map_err(|_| DemoError("the system gives no random bytes".to_owned()))?;
    Ok(bytes)
}
