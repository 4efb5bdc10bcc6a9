//! What does a line of the log say, in types?
//!
//! For those who read the log and not for its verifier, which looks at bytes: exports, index, console. One struct for
//! every kind, since most members are shared; what a kind does not have is `None` or empty, as absent and empty members
//! are left out of the line. Members that this version does not know are passed over: lines of later versions stay
//! readable. A member of a known name with another shape is an error: what it says is then not known, and nothing is
//! told instead of half of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Categories by form: `clear` → `health.exam-result` …
pub type ByForm = BTreeMap<String, Vec<String>>;
/// Numbers of fields by form and category.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// One line. The members' meanings: [`crate::audit::Decision`], [`crate::audit::End`] and their neighbours.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(default)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of the records' own structs, where each is documented")]
pub struct Entry<'a> {
    /// Its version; 1.
    pub v: u32,
    /// Its number.
    pub seq: u64,
    /// When it was written, RFC 3339 in UTC with milliseconds.
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    #[serde(borrow)]
    pub node: Cow<'a, str>,
    pub batch: u64,
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub prev: Cow<'a, str>,

    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub trace_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub decided: Option<Cow<'a, str>>,
    pub caller: Option<WhoCalled>,
    #[serde(borrow)]
    pub purpose: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub basis: Option<Cow<'a, str>>,
    pub proofs: Vec<String>,
    #[serde(borrow)]
    pub act: Option<Cow<'a, str>>,
    pub recipient: Option<ForWhom>,
    #[serde(borrow)]
    pub route: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub action: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub subject_class: Option<Cow<'a, str>>,
    /// Sealed ids of persons.
    pub subjects: Vec<String>,
    pub forms: ByForm,
    pub searched: Vec<String>,
    pub rules: Vec<String>,
    pub clauses: Vec<String>,
    pub obligations: Vec<String>,
    pub policy: Option<WhichPolicy>,
    #[serde(borrow)]
    pub mode: Option<Cow<'a, str>>,
    /// Sealed.
    #[serde(borrow)]
    pub reason: Option<Cow<'a, str>>,
    /// Sealed.
    #[serde(borrow)]
    pub reference: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub pseudonym_epoch: Option<Cow<'a, str>>,
    pub decision_us: Option<u64>,

    /// Of a refusal.
    pub reasons: Vec<WhyNot>,
    pub status: Option<u16>,

    /// Of an ending or a window: the number of its beginning.
    pub begin: Option<u64>,
    pub window: Option<u64>,
    pub disclosed: Vec<Disclosed>,
    pub window_bytes: Option<u64>,
    #[serde(borrow)]
    pub outcome: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub code: Option<Cow<'a, str>>,
    pub received_bytes: Option<u64>,
    pub released_bytes: Option<u64>,
    pub windows: Option<u64>,
    pub entries_released: Option<u64>,
    pub entries_dropped: Option<u64>,
    pub counts: Counts,
    pub unclassified: Vec<String>,
    pub unclassified_fields: Option<u64>,
    pub record_us: Option<u64>,
    pub backend_us: Option<u64>,
    pub first_byte_us: Option<u64>,
    pub total_us: Option<u64>,

    /// Of something done to the gate: who did it.
    pub by: Option<WhoCalled>,
    /// Of a minute of strangers.
    pub refused: Vec<Stranger>,
    pub others: Option<u64>,
}

/// Who called.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the record's own struct")]
pub struct WhoCalled {
    pub issuer: String,
    pub id: String,
    pub organization: Option<String>,
    pub recipient: Option<String>,
    pub roles: Vec<String>,
    pub authenticated: Option<String>,
    pub address: Option<String>,
}

/// For whom the data was.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the record's own struct")]
pub struct ForWhom {
    pub id: String,
    pub organization: Option<String>,
    pub country: Option<String>,
    pub overseas_basis: Option<String>,
}

/// The text that decided.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the record's own struct")]
pub struct WhichPolicy {
    pub id: String,
    pub revision: String,
    pub digest: String,
    pub catalogue: Option<String>,
}

/// A reason of a refusal.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the record's own struct")]
pub struct WhyNot {
    pub code: String,
    pub clause: Option<String>,
}

/// Persons disclosed in a window in the same forms.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the record's own struct")]
pub struct Disclosed {
    pub subject_class: String,
    /// Sealed; a person stands once for each entry.
    pub subjects: Vec<String>,
    pub forms: ByForm,
}

/// Refusals of a minute before anybody was proven, from one network for one reason.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are those of the line")]
pub struct Stranger {
    pub network: String,
    pub reason: String,
    pub count: u64,
}

impl<'a> Entry<'a> {
    /// Reads a line, from its `{` to its `}`.
    ///
    /// # Errors
    /// It is no record, or a member has another shape than this version writes. The message names the member's place,
    /// never a value.
    pub fn read(line: &'a [u8]) -> Result<Entry<'a>, Unreadable> {
        let entry: Entry<'a> = serde_json::from_slice(line).map_err(|error| Unreadable { column: error.column() })?;
        if entry.v == 0 || entry.seq == 0 || entry.kind.is_empty() || entry.time.is_empty() {
            return Err(Unreadable { column: 1 });
        }
        Ok(entry)
    }

    /// The further members of an administrative record, in their order by name: `last_sequence`, `signs` …
    pub fn details(line: &[u8]) -> Map<String, Value> {
        let mut members: Map<String, Value> = serde_json::from_slice(line).unwrap_or_default();
        for known in
            ["v", "seq", "time", "node", "batch", "kind", "action", "prev", "by", "policy", "subjects", "reason"]
        {
            members.remove(known);
        }
        members
    }
}

/// A line that is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where, in bytes of the line, counted from 1; 1 also where a member is missing.
    pub column: usize,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "no record of the access log (at byte {}): `sekisho audit verify` names the first", self.column)
    }
}

impl std::error::Error for Unreadable {}
