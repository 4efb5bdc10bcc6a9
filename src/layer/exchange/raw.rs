//! Where in a strictly read JSON text are its parts? What is passed on is the caller's own bytes: a decimal keeps its digits.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Deserializer;

/// The members of the object that `text` is, each value as it is written; `None`: it is none.
pub(super) fn members(text: &str) -> Option<Vec<(String, &str)>> {
    let mut rest = text.trim_start().strip_prefix('{')?.trim_start();
    let mut found = Vec::new();
    while !rest.starts_with('}') {
        let (name, used) = next::<String>(rest)?;
        let value = rest.get(used..)?.trim_start().strip_prefix(':')?.trim_start();
        let (_, used) = next::<IgnoredAny>(value)?;
        found.push((name, value.get(..used)?.trim_end()));
        rest = after(value.get(used..)?)?;
    }
    Some(found)
}

/// The elements of the array that `text` is; `None`: it is none.
pub(super) fn elements(text: &str) -> Option<Vec<&str>> {
    let mut rest = text.trim_start().strip_prefix('[')?.trim_start();
    let mut found = Vec::new();
    while !rest.starts_with(']') {
        let (_, used) = next::<IgnoredAny>(rest)?;
        found.push(rest.get(..used)?.trim_end());
        rest = after(rest.get(used..)?)?;
    }
    Some(found)
}

fn next<T: DeserializeOwned>(text: &str) -> Option<(T, usize)> {
    let mut values = Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, values.byte_offset()))
}

/// What comes after a part: past its comma, or at the closing bracket.
fn after(rest: &str) -> Option<&str> {
    let rest = rest.trim_start();
    match rest.strip_prefix(',') {
        Some(rest) => Some(rest.trim_start()),
        None => rest.starts_with(['}', ']']).then_some(rest),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_bytes_that_were_written() {
        let text = r#" { "a\u0062" : 0.010 , "c":[ 1 , {"d":"}"} ,null ], "e":"\"" } "#;
        let found = members(text).unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(found, [("ab", "0.010"), ("c", r#"[ 1 , {"d":"}"} ,null ]"#), ("e", r#""\"""#)]);
        let (_, array) = found.get(1).unwrap();
        assert_eq!(elements(array).unwrap(), ["1", r#"{"d":"}"}"#, "null"]);
        assert!(members("{}").unwrap().is_empty() && elements(" [ ] ").unwrap().is_empty());
        assert!(members("[]").is_none() && elements("{}").is_none() && members(r#"{"a":1"#).is_none());
    }
}
