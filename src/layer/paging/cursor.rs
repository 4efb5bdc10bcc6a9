//! Where does a list go on? Sealed, so that whoever holds it can neither read nor change it, nor give it to another.
//!
//! A cursor holds the caller's own request, to be judged anew, and the place in the backend's list. It opens only for the
//! same caller, declaration, policy and catalogue, on the same path, for [`CURSOR_MS_MAX`]. AES-SIV (RFC 5297) under a key of
//! its own.

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::layer::judgement::Judgement;

/// How long a cursor opens, in milliseconds.
const CURSOR_MS_MAX: i64 = 60 * 60 * 1000;
/// The longest cursor, as it stands in a link, in bytes: longer than this is no link that every client can follow.
const CURSOR_BYTES_MAX: usize = 7168;

/// What a cursor holds is as long as a multiple of this, in bytes.
const PADDED_TO_BYTES: usize = 256;

/// What a cursor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::layer) struct Cursor {
    /// The caller's request: its query.
    pub(in crate::layer) query: String,
    /// The same: its form, where it was one.
    pub(in crate::layer) form: Option<String>,
    /// What the backend is asked: path and query.
    pub(in crate::layer) upstream: String,
    /// How many entries of that page were passed already.
    pub(in crate::layer) skip: u64,
    /// How many entries a page has.
    pub(in crate::layer) size: u64,
}

/// What a cursor is bound to: whose view it is, and all else that was declared.
pub(in crate::layer) fn scope(judgement: &Judgement, path: &str) -> Vec<u8> {
    let declared = &judgement.declaration;
    let besides = joined(&[told(&declared.reason), told(&declared.reference), told(&declared.source)]);
    [view_scope(judgement, path), besides].concat()
}

/// To whom, and for what. Why he asks this time, and where what he writes comes from, changes nothing of what he is shown: whoever
/// reads under one reference and writes under another has the same view.
pub(in crate::layer) fn view_scope(judgement: &Judgement, path: &str) -> Vec<u8> {
    let (caller, declared, meta) = (&judgement.caller, &judgement.declaration, &judgement.policy.document.meta);
    let roles: Vec<&str> = caller.roles.iter().map(String::as_str).collect();
    let parts = [
        caller.issuer.to_string(),
        caller.id.clone(),
        told(&caller.organization),
        roles.join("\n"),
        told(&declared.purpose),
        told(&declared.basis),
        told(&declared.recipient),
        told(&declared.organization),
        told(&declared.act),
        meta.id.text.clone(),
        meta.revision.text.clone(),
        judgement.policy.digest.clone(),
        judgement.generation.catalogue_digest.clone(),
        judgement.generation.pseudonyms.epoch.to_string(),
        path.to_owned(),
    ];
    joined(&parts)
}

fn told(text: &Option<String>) -> String {
    text.as_ref().map_or_else(|| "-".to_owned(), |text| format!("+{text}"))
}

/// Each part is preceded by its length, so that no two scopes read alike.
fn joined(parts: &[String]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&part.len().to_be_bytes()[..], part.as_bytes()].concat()).collect()
}

impl Cursor {
    /// Seals it; `None`: it is too long for a link.
    pub(in crate::layer) fn seal(&self, judgement: &Judgement, scope: &[u8], now_ms: i64) -> Option<String> {
        let until = now_ms.saturating_add(CURSOR_MS_MAX);
        let mut text =
            serde_json::json!([until, self.query, self.form, self.upstream, self.skip, self.size]).to_string();
        // Its length would tell how far the backend's list was read, and so how much of it was left out.
        let padded = text.len().next_multiple_of(PADDED_TO_BYTES);
        text.extend(std::iter::repeat_n(' ', padded - text.len()));
        let sealed = cipher(judgement)?.encrypt([AAD, scope], text.as_bytes()).ok()?;
        let cursor = URL_SAFE_NO_PAD.encode(sealed);
        (cursor.len() <= CURSOR_BYTES_MAX).then_some(cursor)
    }

    /// Opens one; `None`: it is altered, another's, of another policy or path, or too old.
    pub(in crate::layer) fn open(judgement: &Judgement, scope: &[u8], text: &str, now_ms: i64) -> Option<Cursor> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let opened = cipher(judgement)?.decrypt([AAD, scope], &sealed).ok()?;
        let (until, query, form, upstream, skip, size) = serde_json::from_slice::<Words>(&opened).ok()?;
        (now_ms < until).then_some(Cursor { query, form, upstream, skip, size })
    }
}

type Words = (i64, String, Option<String>, String, u64, u64);

const AAD: &[u8] = b"sekisho cursor 1";

fn cipher(judgement: &Judgement) -> Option<Aes256Siv> {
    let key = judgement.generation.pseudonyms.master.derive("cursors")?;
    Some(Aes256Siv::new((&*key).into()))
}
