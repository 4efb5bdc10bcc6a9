//! How is a JSON request read without guessing? Strictly: a doubled key or a wrong type is a fault with its place.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Parses one JSON text; a doubled key anywhere in it is an error (I-JSON, RFC 7493 §2.3).
///
/// # Errors
/// What is wrong, in words, with its column.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut deserializer).map_err(|e| e.to_string())?;
    deserializer.end().map_err(|e| e.to_string())?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            array.push(item);
        }
        Ok(array.into())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let value = members.next_value_seed(Strict)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("`{}` stands twice", key.escape_default())));
            }
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

/// An object being read, with its path for faults. A member that is `null` counts as absent.
#[derive(Clone)]
pub struct Object<'v> {
    path: String,
    members: Option<&'v Map<String, Value>>,
}

impl<'v> Object<'v> {
    /// The root object.
    ///
    /// # Errors
    /// If it is none.
    pub fn root(value: &'v Value) -> Result<Object<'v>, String> {
        let members = value.as_object().ok_or("a request is a JSON object")?;
        Ok(Object { path: String::new(), members: Some(members) })
    }

    fn get(&self, key: &str) -> Option<&'v Value> {
        self.members?.get(key).filter(|value| !value.is_null())
    }

    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn wrong<T>(&self, key: &str, wanted: &str) -> Result<T, String> {
        Err(format!("`{}` is to be {wanted}", self.at(key)))
    }

    /// An object within; absent is one without members.
    ///
    /// # Errors
    /// If it is no object.
    pub fn object(&self, key: &str) -> Result<Object<'v>, String> {
        let members = match self.get(key) {
            None => None,
            Some(Value::Object(members)) => Some(members),
            Some(_) => return self.wrong(key, "an object"),
        };
        Ok(Object { path: self.at(key), members })
    }

    /// A list of objects; absent is empty.
    ///
    /// # Errors
    /// If it is no list of objects.
    pub fn objects(&self, key: &str) -> Result<Vec<Object<'v>>, String> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let Some(items) = value.as_array() else { return self.wrong(key, "a list of objects") };
        let mut objects = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some(members) = item.as_object() else { return self.wrong(key, "a list of objects") };
            objects.push(Object { path: format!("{}[{index}]", self.at(key)), members: Some(members) });
        }
        Ok(objects)
    }

    /// A text.
    ///
    /// # Errors
    /// If it is no text.
    pub fn text(&self, key: &str) -> Result<Option<&'v str>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => self.wrong(key, "a text"),
        }
    }

    /// A text that has to be there.
    ///
    /// # Errors
    /// If it is missing or no text.
    pub fn required(&self, key: &str) -> Result<&'v str, String> {
        match self.text(key)? {
            Some(text) => Ok(text),
            None => Err(format!("`{}` is missing", self.at(key))),
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// If it is no list of texts.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<&'v str>>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let texts = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        match texts {
            Some(texts) => Ok(Some(texts)),
            None => self.wrong(key, "a list of texts"),
        }
    }

    /// A truth value; absent is `false`.
    ///
    /// # Errors
    /// If it is none.
    pub fn flag(&self, key: &str) -> Result<bool, String> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => self.wrong(key, "true or false"),
        }
    }

    /// A text or a list of texts.
    ///
    /// # Errors
    /// If it is neither.
    pub fn one_or_more(&self, key: &str) -> Result<Option<Vec<&'v str>>, String> {
        match self.get(key) {
            Some(Value::String(text)) => Ok(Some(vec![text])),
            _ => self.texts(key),
        }
    }

    /// The path of a member, for a fault told elsewhere.
    pub fn path(&self, key: &str) -> String {
        self.at(key)
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_doubled_key_is_refused_wherever_it_stands() {
        assert!(parse(r#"{"a":1,"b":{"c":1}}"#).is_ok());
        assert!(parse(r#"{"a":1,"a":1}"#).is_err());
        assert!(parse(r#"{"a":[{"c":1,"\u0063":2}]}"#).is_err());
        assert!(parse(r#"{} {}"#).is_err());
    }
}
