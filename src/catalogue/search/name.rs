//! What does the name of a search parameter say? Hops to other records, the parameter at their end, and its modifier.
//!
//! ```text
//! name   = *hop code [ ":" modifier ]
//! hop    = code [ ":" Type ] "."            the record that this one refers to (a chain)
//!        / "_has:" Type ":" code ":"        a record of that type that refers to this one (a reverse chain)
//! ```
//!
//! Promise: total, and nothing of the name is passed over: put together again, the parts are the name. Source: FHIR R4,
//! search, 3.1.1.4.4 (modifiers, chains) and 3.1.1.4.5 (reverse chains).

/// A name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name<'n> {
    /// The ways to other records, in the order in which they are gone; at most [`HOPS_MAX`].
    pub(crate) hops: Vec<Hop<'n>>,
    /// The parameter at their end.
    pub(crate) code: &'n str,
    /// What changes how it is compared, or a type.
    pub(crate) modifier: Option<&'n str>,
}

/// One way to another record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop<'n> {
    /// To the record that this reference names, of this type where it says so.
    To {
        /// A parameter of the record that one stands at.
        code: &'n str,
        /// The type of the record that it leads to.
        kind: Option<&'n str>,
    },
    /// To a record of this type whose reference names the one that one stands at.
    From {
        /// The type of the record that it leads to.
        kind: &'n str,
        /// A parameter of that record.
        code: &'n str,
    },
}

/// The most hops of one parameter.
pub(crate) const HOPS_MAX: usize = 4;
/// The longest name, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 256;

impl<'n> Name<'n> {
    /// The parts of a name; `None`: it is none, or has too many.
    pub(crate) fn parse(name: &'n str) -> Option<Name<'n>> {
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
        let (mut hops, mut rest) = (Vec::new(), name);
        loop {
            let (hop, after) = if let Some(reverse) = rest.strip_prefix("_has:") {
                let (kind, after) = reverse.split_once(':')?;
                let (code, after) = after.split_once(':')?;
                (Hop::From { kind: type_name(kind)?, code: self::code(code)? }, after)
            } else if let Some((head, after)) = rest.split_once('.') {
                let (head, kind) = with_suffix(head);
                let kind = kind.map(|kind| type_name(kind).ok_or(())).transpose().ok()?;
                (Hop::To { code: self::code(head)?, kind }, after)
            } else {
                let (code, modifier) = with_suffix(rest);
                let modifier = modifier.map(|word| self::modifier(word).ok_or(())).transpose().ok()?;
                return Some(Name { hops, code: self::code(code)?, modifier });
            };
            if hops.len() >= HOPS_MAX {
                return None;
            }
            hops.push(hop);
            rest = after;
        }
    }
}

fn with_suffix(text: &str) -> (&str, Option<&str>) {
    text.split_once(':').map_or((text, None), |(head, suffix)| (head, Some(suffix)))
}

/// `name`, `_id`, `value-quantity`, `address-postalcode`. `_has` alone is none: it names nothing.
fn code(text: &str) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (begins && text.bytes().all(fits) && text != "_has").then_some(text)
}

/// `Patient`, `ExplanationOfBenefit`.
pub(crate) fn type_name(text: &str) -> Option<&str> {
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
    (begins && text.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some(text)
}

/// `exact`, `of-type`, or a type.
fn modifier(text: &str) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-';
    (!text.is_empty() && text.bytes().all(fits)).then_some(text)
}

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for hop in &self.hops {
            match hop {
                Hop::To { code, kind: Some(kind) } => write!(f, "{code}:{kind}.")?,
                Hop::To { code, kind: None } => write!(f, "{code}.")?,
                Hop::From { kind, code } => write!(f, "_has:{kind}:{code}:")?,
            }
        }
        f.write_str(self.code)?;
        self.modifier.map_or(Ok(()), |modifier| write!(f, ":{modifier}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to<'n>(code: &'n str, kind: Option<&'n str>) -> Hop<'n> {
        Hop::To { code, kind }
    }

    #[test]
    fn every_hop_of_a_name_is_seen() {
        for (text, hops, code, modifier) in [
            ("name", vec![], "name", None),
            ("name:exact", vec![], "name", Some("exact")),
            ("subject:Patient", vec![], "subject", Some("Patient")),
            ("identifier:of-type", vec![], "identifier", Some("of-type")),
            ("subject.name", vec![to("subject", None)], "name", None),
            ("subject:Patient.name:contains", vec![to("subject", Some("Patient"))], "name", Some("contains")),
            (
                "encounter.location:Location.address-city",
                vec![to("encounter", None), to("location", Some("Location"))],
                "address-city",
                None,
            ),
            ("_has:Observation:patient:code", vec![Hop::From { kind: "Observation", code: "patient" }], "code", None),
            (
                "_has:Observation:patient:_has:Procedure:encounter:code:in",
                vec![
                    Hop::From { kind: "Observation", code: "patient" },
                    Hop::From { kind: "Procedure", code: "encounter" },
                ],
                "code",
                Some("in"),
            ),
            (
                "patient._has:Observation:patient:performer.name",
                vec![to("patient", None), Hop::From { kind: "Observation", code: "patient" }, to("performer", None)],
                "name",
                None,
            ),
        ] {
            assert_eq!(Name::parse(text), Some(Name { hops, code, modifier }), "{text}");
        }
    }

    #[test]
    fn what_two_servers_could_take_apart_differently_is_no_name() {
        for text in [
            "",
            ".",
            ":",
            "name:",
            ":exact",
            "name.",
            ".name",
            "a..b",
            "name:exact:contains",
            "name:a.b:c:d",
            "_has",
            "_has:",
            "_has:Observation",
            "_has:Observation:patient",
            "_has:Observation:patient:",
            "_has:observation:patient:code",
            "_has::patient:code",
            "_has:Observation::code",
            "subject:patient.name",
            "subject:.name",
            "Name",
            "na me",
            "name ",
            "näme",
            "name[]",
            "name:1",
            "a.b.c.d.e.f",
            "_has:A:b:_has:A:b:_has:A:b:_has:A:b:_has:A:b:c",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
        assert_eq!(Name::parse(&"a".repeat(NAME_BYTES_MAX + 1)), None);
    }

    proptest! {
        /// Any text: parsed without end or panic, and whatever parses is the sum of its parts.
        #[test]
        fn nothing_of_a_name_is_passed_over(text in "[a-zA-Z_.:éß0-9 -]{0,80}") {
            if let Some(name) = Name::parse(&text) {
                prop_assert_eq!(name.to_string(), text);
            }
        }

        #[test]
        fn every_name_of_the_grammar_is_taken_apart(
            hops in proptest::collection::vec((any::<bool>(), "[a-z][a-z0-9-]{0,8}", proptest::option::of("[A-Z][a-zA-Z]{0,8}")), 0..=HOPS_MAX),
            code in "[a-z][a-z0-9-]{0,8}",
            modifier in proptest::option::of("[a-z-]{1,8}"),
        ) {
            let mut text = String::new();
            for (reverse, code, kind) in &hops {
                match (reverse, kind) {
                    (true, kind) => text.push_str(&format!("_has:{}:{code}:", kind.as_deref().unwrap_or("Patient"))),
                    (false, Some(kind)) => text.push_str(&format!("{code}:{kind}.")),
                    (false, None) => text.push_str(&format!("{code}.")),
                }
            }
            text.push_str(&code);
            text.push_str(&modifier.map_or(String::new(), |modifier| format!(":{modifier}")));
            let name = Name::parse(&text).unwrap();
            prop_assert_eq!(name.hops.len(), hops.len());
            prop_assert_eq!(name.to_string(), text);
        }
    }
}
