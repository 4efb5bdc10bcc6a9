//! What stands in a record, so that it explains itself in ten years without the policy?
//!
//! Every kind is a struct of borrowed strings and numbers, written at once into one JSON object; the log adds the
//! frame (`v seq time node batch … prev`, see [`crate::audit`]). What must not be in the log has no field: token,
//! query values, field values, names of persons. Subjects, `reason` and `reference` are [`Sealed`] and nothing else
//! fits there. Absent and empty members are left out.
//!
//! Strings from outside are cut at 256 bytes and escaped. Lists of strings end after 512; subjects are never cut:
//! a record too big for one line ([`BODY_BYTES_MAX`]) is refused, and so is what it was to permit.

use super::json::{self, Object};
use super::seal::Sealed;

/// Who called, as proven by token or certificate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller<'a> {
    /// Whose token or certificate it was.
    pub issuer: &'a str,
    /// The caller's id at that issuer.
    pub id: &'a str,
    /// The organisation that he belongs to, if he is not the organisation's own.
    pub organization: Option<&'a str>,
    /// The recipient id that the register gives that organisation; `internal`, `principal`.
    pub recipient: Option<&'a str>,
    /// The roles he holds here.
    pub roles: &'a [&'a str],
    /// When he signed in, if the token says so; milliseconds since the epoch. Source: MHLW guideline 6.0, ch. 17.
    pub authenticated_ms: Option<u64>,
    /// The address that he called from.
    pub address: Option<&'a str>,
}

/// For whom the data is, and on what ground it may go there. Source: APPI art. 28 to 30.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recipient<'a> {
    /// The recipient id of the policy.
    pub id: &'a str,
    /// The registered organisation.
    pub organization: Option<&'a str>,
    /// The country of its legal entity, ISO 3166-1 alpha-2.
    pub country: Option<&'a str>,
    /// On what ground it may go abroad; `None` where it stays in Japan.
    pub overseas_basis: Option<&'a str>,
}

/// The text that decided.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy<'a> {
    /// The policy's id.
    pub id: &'a str,
    /// Its revision.
    pub revision: &'a str,
    /// The digest of the compiled document, with its algorithm: `sha256:…`.
    pub digest: &'a str,
    /// The revision or digest of the catalogue that named route and fields.
    pub catalogue: Option<&'a str>,
}

/// What the head of a request told and what was decided: shared by [`Begin`] and [`Refusal`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Decision<'a> {
    /// The decision's id, also told to the caller. At most 64 bytes.
    pub id: &'a str,
    /// The trace it belongs to, 32 hexadecimal digits.
    pub trace_id: Option<&'a str>,
    /// The moment it was decided for, if that is not the moment of writing; milliseconds since the epoch.
    pub decided_ms: Option<u64>,
    /// Who called.
    pub caller: Caller<'a>,
    /// The declared purpose; `None` where it was missing.
    pub purpose: Option<&'a str>,
    /// The basis relied on.
    pub basis: Option<&'a str>,
    /// The ids of what proved it: consent, approval, relation.
    pub proofs: &'a [&'a str],
    /// The act of law named, if any.
    pub act: Option<&'a str>,
    /// Where the data goes.
    pub recipient: Option<Recipient<'a>>,
    /// The route's template, such as `/Patient/{id}`: never the path itself.
    pub route: Option<&'a str>,
    /// The HTTP method.
    pub method: &'a str,
    /// `read`, `search`, `create`, `update`, `delete`.
    pub action: &'a str,
    /// `donor`, `patient` …
    pub subject_class: Option<&'a str>,
    /// The persons that the head named.
    pub subjects: &'a [Sealed],
    /// The form decided for each asked category.
    pub forms: Option<&'a Forms>,
    /// The categories that a search filters or sorts on. Never its values.
    pub searched: &'a [&'a str],
    /// The rules that decided.
    pub rules: &'a [&'a str],
    /// The clauses they stand for.
    pub clauses: &'a [&'a str],
    /// What the decision obliges to.
    pub obligations: &'a [&'a str],
    /// The text that decided.
    pub policy: Policy<'a>,
    /// `enforce`, `dry-run` …
    pub mode: &'a str,
    /// Why the caller says that he needs it.
    pub reason: Option<&'a Sealed>,
    /// The document that the caller refers to.
    pub reference: Option<&'a Sealed>,
    /// The pseudonyms' key epoch, where any were made.
    pub pseudonym_epoch: Option<&'a str>,
}

/// A permit, about to be acted upon. Its ending follows, always.
#[derive(Clone, Copy, Debug, Default)]
pub struct Begin<'a> {
    /// What was decided.
    pub decision: Decision<'a>,
    /// Microseconds from the request's head to the decision.
    pub decision_us: Option<u64>,
}

/// A refusal: one record, no ending.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refusal<'a> {
    /// What was asked and by whom.
    pub decision: Decision<'a>,
    /// Every reason, in the order of the decision.
    pub reasons: &'a [Reason<'a>],
    /// What the caller was told.
    pub status: u16,
    /// Microseconds from the request's head to the decision.
    pub decision_us: Option<u64>,
}

/// Why not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reason<'a> {
    /// A stable code such as `consent-missing`.
    pub code: &'a str,
    /// The clause that refuses.
    pub clause: Option<&'a str>,
}

/// A window of a list that is about to be released: whom it discloses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window<'a> {
    /// Entries grouped by class and forms.
    pub disclosed: &'a [Disclosure<'a>],
    /// Entries left out of this window by policy.
    pub entries_dropped: u64,
    /// The window's size as it leaves.
    pub window_bytes: u64,
}

/// Persons disclosed in the same forms.
#[derive(Clone, Copy, Debug)]
pub struct Disclosure<'a> {
    /// `donor`, `patient` …
    pub class: &'a str,
    /// Each person once for each entry.
    pub subjects: &'a [Sealed],
    /// The form of each category in these entries.
    pub forms: &'a Forms,
}

/// How what was begun ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer was released.
    Completed,
    /// The caller went away, or was cut off.
    #[default]
    Aborted,
    /// The gate or the backend failed; nothing further left.
    Failed,
    /// Nobody knows: the gate stopped in between. Only recovery says this.
    Interrupted,
}

/// An ending: what the body told.
#[derive(Clone, Copy, Debug, Default)]
pub struct End<'a> {
    /// How it ended.
    pub outcome: Outcome,
    /// A stable code where it failed or was cut, such as `body-malformed`.
    pub code: Option<&'a str>,
    /// The status that the caller got.
    pub status: Option<u16>,
    /// Bytes read from the backend.
    pub received_bytes: Option<u64>,
    /// Bytes released.
    pub released_bytes: u64,
    /// Entries of a list that were released, and that were dropped by policy.
    pub entries: Option<Entries>,
    /// How many fields of each category left, in which form.
    pub counts: &'a [Count<'a>],
    /// Names of fields that no catalogue knew, and that were therefore withheld. A backend may put anything into a
    /// name: hand over names of the catalogue's own alphabet only, and count the rest.
    pub unclassified: &'a [&'a str],
    /// How many such fields there were in all.
    pub unclassified_fields: u64,
    /// Durations.
    pub latency: Latency,
}

/// Entries of a list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entries {
    /// Those that left.
    pub released: u64,
    /// Those dropped by policy.
    pub dropped: u64,
}

/// How many fields of a category were given a form.
#[derive(Clone, Copy, Debug)]
pub struct Count<'a> {
    /// `clear`, `pseudonymised`, `generalised`, `masked`, `withheld`.
    pub form: &'a str,
    /// The category.
    pub category: &'a str,
    /// The fields.
    pub fields: u64,
}

/// Durations in microseconds, each from the moment that its name says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    /// The wait for the begin record to be durable.
    pub record_us: Option<u64>,
    /// From forwarding to the backend's head.
    pub backend_us: Option<u64>,
    /// From the request's head to the first byte released.
    pub first_byte_us: Option<u64>,
    /// From the request's head to the ending.
    pub total_us: Option<u64>,
}

/// Something done to the gate rather than through it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Administrative<'a> {
    /// `start`, `stop`, `reload`, `registry-change`, `clock-accepted` …
    pub action: &'a str,
    /// Who did it, if a person did.
    pub by: Option<Caller<'a>>,
    /// The text in force afterwards.
    pub policy: Option<Policy<'a>>,
    /// Persons whose entries changed, or who were looked up.
    pub subjects: &'a [Sealed],
    /// Why, where it had to be said; bound to the detail `verdict`, or where there is none to `id`.
    pub reason: Option<&'a Sealed>,
    /// Further members, by names of this crate: lower case, `_` between words.
    pub details: &'a [(&'static str, Detail<'a>)],
}

/// The value of a further member.
#[derive(Clone, Copy, Debug)]
pub enum Detail<'a> {
    /// Text, cut at 256 bytes.
    Text(&'a str),
    /// Text that means something only as a whole, as a filter; cut at [`Detail::WHOLE_BYTES_MAX`]. Whoever writes it sees
    /// to it that it is shorter.
    Whole(&'a str),
    /// A number; its unit ends the member's name.
    Number(u64),
}

impl Detail<'_> {
    /// The longest text of [`Detail::Whole`], in bytes.
    pub const WHOLE_BYTES_MAX: usize = 8 << 10;
}

impl Refusal<'_> {
    /// Appends the members of the record as they will stand between the log's frame: for those who fill records and
    /// want to see, test or time what they say.
    pub fn write_members(&self, out: &mut Vec<u8>) {
        super::write::refusal(out, self);
    }
}

impl Begin<'_> {
    /// As [`Refusal::write_members`].
    pub fn write_members(&self, out: &mut Vec<u8>) {
        super::write::begin(out, self);
    }
}

/// A form for each category, written once and used by every record of the same permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forms(Box<[u8]>);

impl Forms {
    /// From pairs of form and category. Forms stand in the order of first mention.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Forms {
        let mut grouped: Vec<(&str, Vec<&str>)> = Vec::new();
        for (form, category) in pairs {
            match grouped.iter_mut().find(|(known, _)| *known == form) {
                Some((_, categories)) => categories.push(category),
                None => grouped.push((form, vec![category])),
            }
        }
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        for (form, categories) in &grouped {
            json::array(object.outside_name(form), categories);
        }
        object.close();
        Forms(out.into())
    }

    /// `{"clear":["health.exam-result"],…}`
    pub(super) fn as_json(&self) -> &[u8] {
        &self.0
    }
}

impl Outcome {
    /// The word in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Aborted => "aborted",
            Outcome::Failed => "failed",
            Outcome::Interrupted => "interrupted",
        }
    }
}

/// The biggest record before its frame, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
