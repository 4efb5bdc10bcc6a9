//! What does the caller declare? The `Purpose-Of-Use` field, an RFC 9651 Item with parameters.
//!
//! `Purpose-Of-Use: coordination;basis="consent";recipient="expert";organization="dr-ito";reason=%"…"`
//! A header can only claim and narrow. Several fields, a doubled or unknown parameter or a wrong type is a fault: the
//! field is never read in one of two ways. Doubles are looked for before parsing, for a parser keeps the last one.

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Item, Parser};

/// The field that declares.
pub const PURPOSE_OF_USE: HeaderName = HeaderName::from_static("purpose-of-use");
/// The field that asks what would be answered, without touching the backend.
pub const DRY_RUN: HeaderName = HeaderName::from_static("purpose-of-use-dry-run");

/// The longest field, in bytes.
const FIELD_BYTES_MAX: usize = 4096;
/// The longest text of a parameter, in bytes.
const TEXT_BYTES_MAX: usize = 1024;
/// The parameters that a declaration may have.
const PARAMETERS: [&str; 7] = ["basis", "recipient", "organization", "reason", "reference", "act", "source"];

/// A declaration as it was written. No `Debug`: reasons and references are somebody's.
#[derive(Clone, Default)]
pub struct Declaration {
    /// The purpose, a path or a code.
    pub purpose: Option<String>,
    /// The basis.
    pub basis: Option<String>,
    /// For whom the data is fetched.
    pub recipient: Option<String>,
    /// The registered organisation that it is fetched for.
    pub organization: Option<String>,
    /// Why consent is hard to get, or the task assigned by law.
    pub reason: Option<String>,
    /// The order or request.
    pub reference: Option<String>,
    /// The act of law.
    pub act: Option<String>,
    /// Where written data came from.
    pub source: Option<String>,
}

/// What is wrong with a declaration; told to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclarationFault(pub String);

impl Declaration {
    /// The declaration of a request; an empty one where it has none.
    ///
    /// # Errors
    /// What is wrong with the field.
    pub fn parse(headers: &HeaderMap) -> Result<Declaration, DeclarationFault> {
        let mut fields = headers.get_all(&PURPOSE_OF_USE).iter();
        let Some(field) = fields.next() else { return Ok(Declaration::default()) };
        if fields.next().is_some() {
            return fault("`Purpose-Of-Use` stands more than once");
        }
        let text = field.to_str().map_err(|_| {
            DeclarationFault("`Purpose-Of-Use` is not ASCII; other letters go in a Display String, `%\"…\"`".into())
        })?;
        if text.len() > FIELD_BYTES_MAX {
            return fault(&format!("`Purpose-Of-Use` is longer than {FIELD_BYTES_MAX} bytes"));
        }
        doubled(text)?;
        let item: Item = Parser::new(text).parse().map_err(|_| {
            DeclarationFault(
                "`Purpose-Of-Use` is no structured field item (RFC 9651), e.g. `coordination;basis=\"consent\"`".into(),
            )
        })?;
        let purpose = match &item.bare_item {
            BareItem::Token(token) => token.as_str().to_owned(),
            BareItem::String(text) => text.as_str().to_owned(),
            _ => return fault("the purpose is to be a token or a string"),
        };
        let mut declaration = Declaration { purpose: Some(purpose), ..Declaration::default() };
        for (key, value) in &item.params {
            declaration.take(key.as_str(), value)?;
        }
        Ok(declaration)
    }

    fn take(&mut self, key: &str, value: &BareItem) -> Result<(), DeclarationFault> {
        let text = match value {
            BareItem::String(text) => text.as_str().to_owned(),
            BareItem::DisplayString(text) => text.clone(),
            BareItem::Token(token) => token.as_str().to_owned(),
            _ => return fault(&format!("`{key}` is to be a text")),
        };
        if text.len() > TEXT_BYTES_MAX {
            return fault(&format!("`{key}` is longer than {TEXT_BYTES_MAX} bytes"));
        }
        let place = match key {
            "basis" => &mut self.basis,
            "recipient" => &mut self.recipient,
            "organization" => &mut self.organization,
            "reason" => &mut self.reason,
            "reference" => &mut self.reference,
            "act" => &mut self.act,
            "source" => &mut self.source,
            _ => {
                let near = crate::policy::nearest(key, PARAMETERS);
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return fault(&format!("unknown parameter `{key}`{near}"));
            }
        };
        *place = Some(text);
        Ok(())
    }
}

/// Whether the request asks for a dry run.
///
/// # Errors
/// If the field is there and is not one Boolean item.
pub(super) fn dry_run(headers: &HeaderMap) -> Result<bool, DeclarationFault> {
    let mut fields = headers.get_all(&DRY_RUN).iter();
    match (fields.next().map(http::HeaderValue::as_bytes), fields.next()) {
        (None, _) => Ok(false),
        (Some(b"?1"), None) => Ok(true),
        (Some(b"?0"), None) => Ok(false),
        _ => fault("`Purpose-Of-Use-Dry-Run` is to be `?1` or `?0`"),
    }
}

fn fault<T>(message: &str) -> Result<T, DeclarationFault> {
    Err(DeclarationFault(message.to_owned()))
}

/// Refuses a parameter that stands twice: parsers of structured fields keep the last one silently (RFC 9651 §3.1.2).
fn doubled(text: &str) -> Result<(), DeclarationFault> {
    let mut seen: Vec<&str> = Vec::new();
    let (mut quoted, mut display, mut escaped) = (false, false, false);
    let mut before = b' ';
    for (at, byte) in text.bytes().enumerate() {
        let last = std::mem::replace(&mut before, byte);
        match byte {
            _ if escaped => escaped = false,
            // In a String only: in a Display String a backslash is a letter (RFC 9651 §3.3.8).
            b'\\' if quoted && !display => escaped = true,
            b'"' => {
                display = !quoted && last == b'%';
                quoted = !quoted;
            }
            b';' if !quoted => {
                let rest = text.get(at + 1..).unwrap_or("").trim_start_matches(' ');
                let end = rest.find(['=', ';']).unwrap_or(rest.len());
                let key = rest.get(..end).unwrap_or("").trim_end();
                if seen.contains(&key) {
                    return fault(&format!("parameter `{}` stands more than once", key.escape_default()));
                }
                seen.push(key);
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    fn parse(field: &str) -> Result<Declaration, DeclarationFault> {
        let mut headers = HeaderMap::new();
        headers.insert(PURPOSE_OF_USE, http::HeaderValue::from_bytes(field.as_bytes()).unwrap());
        Declaration::parse(&headers)
    }

    #[test]
    fn every_parameter_is_read() {
        let d = parse(r#"care.coordination;basis="consent";recipient="hospital";organization=acme;reason=%"e6809d";reference="12; \"x\"";act="Numbers Act";source="bank""#).unwrap();
        assert_eq!(d.purpose.as_deref(), Some("care.coordination"));
        assert_eq!(d.basis.as_deref(), Some("consent"));
        assert_eq!(d.organization.as_deref(), Some("acme"));
        assert_eq!(d.reference.as_deref(), Some("12; \"x\""));
        let d = parse(r#"care;reason=%"%e6%80%a5""#).unwrap();
        assert_eq!(d.reason.as_deref(), Some("急"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bad in [
            r#"care;basis="consent";basis="law""#,
            r#"care;basis="a" ; basis="b""#,
            r#"care;bases="consent""#,
            "care;basis",
            "care;basis=1",
            "care, research",
            "(care research)",
            "1",
            "?1",
            "",
            "care;;",
            "care; reason=%\"%ff\"",
            // A backslash ends no Display String late: what stands after it is no text.
            r#"care;reason=%"a\";basis="consent";basis="law""#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let mut headers = HeaderMap::new();
        headers.append(PURPOSE_OF_USE, http::HeaderValue::from_static("care"));
        headers.append(PURPOSE_OF_USE, http::HeaderValue::from_static("care"));
        assert!(Declaration::parse(&headers).is_err());
    }
}
