//! The table of tokens, as pseudonyms use it.

use std::path::Path;
use std::sync::Arc;

use super::error::ProxyError;
use crate::redact::{Settling, TokenTable, Unkept};
use crate::store::tokens::Tokens;

/// The table in this file, which is made where it is not there.
///
/// # Errors
/// A file that is none, or that others may use.
pub(super) fn open(path: &Path) -> Result<Arc<dyn TokenTable>, ProxyError> {
    Ok(Arc::new(Table(Tokens::open(path).map_err(|error| ProxyError::file(path, error))?)))
}

struct Table(Tokens);

impl TokenTable for Table {
    fn has(&self, token: &str) -> bool {
        self.0.has(token)
    }

    fn keep(&self, token: &str, epoch: u32, sealed: Vec<u8>) {
        self.0.keep(token, epoch, sealed);
    }

    fn settled(&self) -> Option<Settling> {
        let settled = self.0.settled()?;
        Some(Box::pin(async { settled.await.map_err(|_| Unkept) }))
    }

    fn find(&self, token: &str) -> Result<Option<Vec<u8>>, Unkept> {
        self.0.find(token).map_err(|_| Unkept)
    }
}
