//! Why could a body not be judged to its end?

use std::fmt;

/// The body is not what it says it is, or asks for more than is granted. Final: nothing more leaves after it.
///
/// It names no place and no value of the body, so it may be logged and counted as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Not JSON by the grammar of RFC 8259, a byte order mark included.
    Grammar,
    /// Bytes that are no UTF-8 (RFC 8259 §8.1).
    Utf8,
    /// Half of a surrogate pair in an escape (RFC 8259 §8.2).
    Surrogate,
    /// A member name twice in one object, compared unescaped (RFC 8259 §4, RFC 7493 §2.3).
    DuplicateKey,
    /// The body ended inside a value, or was empty.
    Truncated,
    /// Objects and arrays nest deeper than `depth_max`.
    TooDeep,
    /// A member name is longer than `key_bytes_max`.
    KeyTooLong,
    /// The open objects hold more than `keys_max` names between them.
    TooManyKeys,
    /// A number is longer than `number_bytes_max`.
    NumberTooLong,
    /// A string is longer than `string_bytes_max`.
    StringTooLong,
    /// White space and names that wait for their value exceed `pending_bytes_max`.
    PendingTooLong,
    /// An object stands where the entries' array should be, or the reverse: entries could not be told from the rest.
    Layout,
    /// FHIR: a modifier extension in what is too large to be held, of which not all may leave: what it changes has left already.
    Modifier,
    /// An entry is too large to be judged, and the answer is not to be had without it ([`Judge::goes_on_without`](super::Judge)).
    EntryTooLarge,
    /// The filter was used after its end.
    Finished,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Grammar => "the body is not JSON",
            Fault::Utf8 => "the body is not UTF-8",
            Fault::Surrogate => "an escape is half of a surrogate pair",
            Fault::DuplicateKey => "a member name occurs twice in one object",
            Fault::Truncated => "the body ends too early",
            Fault::TooDeep => "the body nests too deep",
            Fault::KeyTooLong => "a member name is too long",
            Fault::TooManyKeys => "too many member names are open at once",
            Fault::NumberTooLong => "a number is too long",
            Fault::StringTooLong => "a string is too long",
            Fault::PendingTooLong => "too much white space",
            Fault::Layout => "the entries are not where the catalogue has them",
            Fault::Modifier => "a modifier extension in what is too large to be held",
            Fault::EntryTooLarge => "a record is too large to be judged",
            Fault::Finished => "the filter was used after its end",
        })
    }
}

impl std::error::Error for Fault {}
