//! Which FHIR document is this? One resource, a Bundle, or a resource a line, by what stands in its first MiB.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::layer::preview::Document;

/// How much is looked at, in bytes.
const HEAD_BYTES: u64 = 1 << 20;

/// What a FHIR document is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    /// What it is shows in its first MiB
    Auto,
    /// One resource
    Resource,
    /// A Bundle of resources
    Bundle,
    /// One resource a line: bulk data
    Lines,
}

/// What was found.
pub(super) enum Found {
    Resource(String),
    /// The type of all its resources; none where there are several, or the Bundle is longer than what was looked at.
    Bundle(Option<String>),
    Lines,
}

impl Found {
    pub(super) fn document(&self) -> Document<'_> {
        match self {
            Found::Resource(name) => Document::Resource(name),
            Found::Bundle(of) => Document::Bundle { of: of.as_deref() },
            Found::Lines => Document::ResourceLines,
        }
    }
}

/// Reads the document's head and tells what it is; `head` is then its beginning. `Err` inside: nothing says what it is.
pub(super) fn find(
    kind: Kind,
    file: Option<&Path>,
    input: &mut impl Read,
    head: &mut Vec<u8>,
) -> io::Result<Result<Found, String>> {
    let named = |ending| file.and_then(Path::extension).is_some_and(|given| given.eq_ignore_ascii_case(ending));
    if kind == Kind::Lines || (kind == Kind::Auto && (named("ndjson") || named("jsonl"))) {
        return Ok(Ok(Found::Lines));
    }
    input.by_ref().take(HEAD_BYTES).read_to_end(head)?;
    let whole = (head.len() as u64) < HEAD_BYTES;
    Ok(of_head(kind, head, whole))
}

fn of_head(kind: Kind, head: &[u8], whole: bool) -> Result<Found, String> {
    let mut seen = Seen::default();
    let mut reader = serde_json::Deserializer::from_slice(head);
    let first = Root(&mut seen).deserialize(&mut reader);
    if kind == Kind::Auto && first.is_ok() && reader.end().is_err() {
        return Ok(Found::Lines);
    }
    let bundle = seen.resource_type.as_deref() == Some("Bundle");
    match (kind, seen.resource_type) {
        (Kind::Bundle, _) => Ok(Found::Bundle(only(seen.types, whole))),
        (Kind::Auto, Some(_)) if bundle => Ok(Found::Bundle(only(seen.types, whole))),
        (_, Some(name)) => Ok(Found::Resource(name)),
        (_, None) if whole && first.is_err() => Err("it is not JSON, or ends too early".to_owned()),
        (_, None) if whole => Err("it has no `resourceType`: it is no FHIR resource".to_owned()),
        (_, None) => Err("no `resourceType` in its first MiB says what it is: name it, as `--fhir=bundle`".to_owned()),
    }
}

fn only(types: BTreeSet<String>, whole: bool) -> Option<String> {
    let mut types = types.into_iter();
    types.next().filter(|_| whole && types.next().is_none())
}

/// What a document says of itself; filled as far as it can be read.
#[derive(Default)]
struct Seen {
    resource_type: Option<String>,
    /// The types of the resources in its entries.
    types: BTreeSet<String>,
}

/// The document's own members.
struct Root<'s>(&'s mut Seen);

/// The array of entries.
struct Entries<'s>(&'s mut Seen);

/// An entry (`resource` is looked for) or a resource in one (`resourceType` is).
struct Inner<'s> {
    seen: &'s mut Seen,
    entry: bool,
}

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a resource")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "resourceType" => self.0.resource_type = Some(map.next_value()?),
                "entry" => map.next_value_seed(Entries(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("entries")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_element_seed(Inner { seen: &mut *self.0, entry: true })?.is_some() {}
        Ok(())
    }
    /// `List.entry` and the like are arrays too; anything else is not for here to judge.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Inner<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Inner<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match (self.entry, name.as_str()) {
                (true, "resource") => map.next_value_seed(Inner { seen: &mut *self.seen, entry: false })?,
                (false, "resourceType") => {
                    let name: String = map.next_value()?;
                    if name.len() > 64 {
                        return Err(A::Error::custom("no type"));
                    }
                    self.seen.types.insert(name);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    fn found(text: &str, whole: bool) -> String {
        match of_head(Kind::Auto, text.as_bytes(), whole) {
            Ok(Found::Resource(name)) => name,
            Ok(Found::Bundle(of)) => format!("Bundle of {}", of.unwrap_or_default()),
            Ok(Found::Lines) => "lines".into(),
            Err(why) => why,
        }
    }

    #[test]
    fn a_document_is_told_by_what_stands_in_it() {
        assert_eq!(found("{\"id\":\"1\",\"resourceType\":\"Patient\"}\n", true), "Patient");
        assert_eq!(found("{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Patient\"}", true), "lines");
        let bundle = |types: &[&str]| {
            let entries: Vec<String> =
                types.iter().map(|name| format!(r#"{{"resource":{{"a":[{{}}],"resourceType":"{name}"}}}}"#)).collect();
            format!(r#"{{"entry":[{}],"resourceType":"Bundle"}}"#, entries.join(","))
        };
        assert_eq!(found(&bundle(&["Patient", "Patient"]), true), "Bundle of Patient");
        assert_eq!(found(&bundle(&["Patient", "Condition"]), true), "Bundle of ");
        assert_eq!(found(&bundle(&[]), true), "Bundle of ");
    }

    #[test]
    fn what_is_cut_off_is_told_as_far_as_it_goes() {
        assert_eq!(found(r#"{"resourceType":"Patient","name":[{"fam"#, false), "Patient");
        assert_eq!(
            found(r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"}},{"#, false),
            "Bundle of "
        );
        assert!(found(r#"{"entry":[{"resource":{"#, false).contains("--fhir=bundle"));
        assert!(found(r#"{"entry":[{"#, true).contains("not JSON"));
        assert!(found(r#"{"id":"1"}"#, true).contains("resourceType"));
        assert!(found("[1]", true).contains("not JSON"));
    }
}
