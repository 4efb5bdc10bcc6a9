//! What was entered, and does it mean what was meant? Every mistake at once, with the nearest known word.
//!
//! An [`Entry`] keeps its words as they were written: a date stays a date, a category a name, so that a later vocabulary or
//! time zone reads them anew. A word that no policy knows is refused here, since it would silently grant, or stop, nothing.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::error::{Mistake, Mistakes};
use super::kind::{Key, Kind, What};
use crate::policy::facts::Overseas;
use crate::policy::reader::{Reader, Table, Text};
use crate::policy::{Faults, Policy, Source, Vocabulary, Window, nearest, start};

/// Longest value.
const VALUE_BYTES_MAX: usize = 512;
/// Names that no organisation may have: the person, and the organisation itself.
const RESERVED: [&str; 2] = ["internal", "principal"];

/// What an entry's words are checked against.
#[derive(Clone, Copy)]
pub struct Lexicon<'a> {
    /// Categories, restrictions, relations.
    pub vocabulary: &'a Vocabulary,
    /// Where a date's day begins.
    pub zone: &'a TimeZone,
    /// The policies whose purposes, recipients and opt-outs are known: every revision of every site. Empty: these names
    /// are not checked.
    pub policies: &'a [Arc<Policy>],
}

/// One entry, as written.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    kind: Kind,
    words: Vec<(&'static str, Vec<String>)>,
}

impl Entry {
    /// Reads the words of the command line: `consent` and `subject=d-100 purpose=research categories=health`.
    ///
    /// # Errors
    /// Every mistake of form: an unknown kind or key, a key given twice, an empty value, a missing key.
    pub fn parse<'w>(kind: &str, words: impl IntoIterator<Item = &'w str>) -> Result<Entry, Mistakes> {
        let entry = Entry::parse_some(kind, words)?;
        let missing = entry.missing();
        if missing.is_empty() { Ok(entry) } else { Err(Mistakes(missing)) }
    }

    /// The same, where words that are needed may be left out: what `end` is to match.
    pub(super) fn parse_some<'w>(kind: &str, words: impl IntoIterator<Item = &'w str>) -> Result<Entry, Mistakes> {
        let kind = known_kind(kind)?;
        let mut entry = Entry { kind, words: Vec::new() };
        let mut mistakes = Vec::new();
        for word in words {
            if let Err(mistake) = entry.take(word) {
                mistakes.push(mistake);
            }
        }
        entry.in_order();
        if mistakes.is_empty() { Ok(entry) } else { Err(Mistakes(mistakes)) }
    }

    fn take(&mut self, word: &str) -> Result<(), Mistake> {
        let Some((name, value)) = word.split_once('=') else {
            return Err(Mistake::new("a word is not of the form `key=value`", Some(self.known_keys())));
        };
        let Some(key) = self.kind.key(name) else {
            let near = nearest(name, self.kind.keys().iter().map(|key| key.name));
            let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            let message = format!("`{}` has no key `{}`", self.kind.name(), name.escape_default());
            return Err(Mistake::new(message, Some(format!("{near}{}", self.known_keys()))));
        };
        let values = if key.many { value.split(',').map(str::to_owned).collect() } else { vec![value.to_owned()] };
        for value in &values {
            well_formed(key, value)?;
        }
        match self.words.iter_mut().find(|(known, _)| *known == key.name) {
            None => self.words.push((key.name, values)),
            Some((_, known)) if key.many => known.extend(values),
            Some(_) => return Err(Mistake::new(format!("`{name}` is given twice"), None)),
        }
        Ok(())
    }

    fn known_keys(&self) -> String {
        let keys = self.kind.keys().iter().map(|key| format!("`{}`{}", key.name, if key.needed { "!" } else { "" }));
        format!("`{}` takes {}; `!` is needed", self.kind.name(), keys.collect::<Vec<_>>().join(", "))
    }

    /// In the order of the kind's keys, so that equal entries are equal.
    fn in_order(&mut self) {
        let keys = self.kind.keys();
        self.words.sort_by_key(|(name, _)| keys.iter().position(|key| key.name == *name));
    }

    fn missing(&self) -> Vec<Mistake> {
        let missing = self.kind.keys().iter().filter(|key| key.needed && self.one(key.name).is_none());
        missing.map(|key| Mistake::new(format!("`{}` is missing", key.name), Some(self.known_keys()))).collect()
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The person that it is about.
    pub fn subject(&self) -> Option<&str> {
        self.one("subject")
    }

    /// The value of this key.
    pub fn one(&self, key: &str) -> Option<&str> {
        self.many(key).and_then(<[String]>::first).map(String::as_str)
    }

    /// The values of this key.
    pub fn many(&self, key: &str) -> Option<&[String]> {
        self.words.iter().find(|(name, _)| *name == key).map(|(_, values)| values.as_slice())
    }

    /// Its words in the order of its kind's keys.
    pub fn words(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        self.words.iter().map(|(name, values)| (*name, values.as_slice()))
    }

    /// Whether every word of `pattern` stands in this entry.
    pub(super) fn matches(&self, pattern: &Entry) -> bool {
        self.kind == pattern.kind
            && pattern.words().all(|(key, wanted)| {
                self.many(key).is_some_and(|values| {
                    values.len() == wanted.len() && wanted.iter().all(|value| values.contains(value))
                })
            })
    }

    /// Checks what the words mean.
    ///
    /// # Errors
    /// Every name that is not known, every date that is none, and what does not fit together.
    pub fn check(&self, lexicon: &Lexicon<'_>) -> Result<(), Mistakes> {
        let mut mistakes = self.missing();
        for (name, values) in &self.words {
            let Some(key) = self.kind.key(name) else { continue };
            mistakes.extend(values.iter().filter_map(|value| means(key, value, lexicon).err()));
        }
        if mistakes.is_empty() {
            mistakes.extend(self.fits_together(lexicon).err());
        }
        if mistakes.is_empty() { Ok(()) } else { Err(Mistakes(mistakes)) }
    }

    fn fits_together(&self, lexicon: &Lexicon<'_>) -> Result<(), Mistake> {
        if let Ok(window) = self.window(lexicon.zone)
            && window.from >= window.until
        {
            return Err(Mistake::new("`from` is not before `until`", None));
        }
        if self.one("overseas-until").is_some() && self.one("overseas").is_none() {
            return Err(Mistake::new("`overseas-until` is given without `overseas`", None));
        }
        let relation = self.one("relation").unwrap_or_default();
        match lexicon.vocabulary.must_match(relation).iter().find(|key| self.one(key).is_none()) {
            Some(key) => Err(Mistake::new(format!("the relation `{relation}` needs `{key}`"), None)),
            None => Ok(()),
        }
    }

    /// When it is in force, by its own words.
    pub(super) fn window(&self, zone: &TimeZone) -> Result<Window, String> {
        Window::read(self.one("from"), self.one("until"), zone)
    }

    /// Its words as a JSON object: a text each, a list where the key takes several.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        for (name, values) in &self.words {
            let many = self.kind.key(name).is_some_and(|key| key.many);
            let value = match (many, values.first()) {
                (false, Some(one)) => Value::from(one.as_str()),
                _ => values.iter().map(String::as_str).collect(),
            };
            object.insert((*name).to_owned(), value);
        }
        Value::Object(object)
    }

    /// Reads what [`to_json`](Entry::to_json) wrote; `None` if it is anything else.
    pub(super) fn from_json(kind: Kind, text: &str) -> Option<Entry> {
        let Value::Object(object) = serde_json::from_str(text).ok()? else { return None };
        let mut entry = Entry { kind, words: Vec::new() };
        for (name, value) in &object {
            let key = kind.key(name)?;
            let values = match (key.many, value) {
                (false, Value::String(text)) => vec![text.clone()],
                (true, Value::Array(items)) => {
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?
                }
                _ => return None,
            };
            entry.words.push((key.name, values));
        }
        entry.in_order();
        entry.missing().is_empty().then_some(entry)
    }
}

/// Reads seeds: `[[consent]]` and so on, with the same keys as on the command line.
///
/// # Errors
/// Every fault with its place.
pub(super) fn seeds(source: Source, lexicon: &Lexicon<'_>) -> Result<Vec<Entry>, Faults> {
    let reader = Reader::new(source);
    let entries = reader.read(|root| {
        let mut entries = Vec::new();
        for kind in Kind::ALL {
            for table in root.tables(kind.name()) {
                entries.push(seed(kind, &table, lexicon));
            }
        }
        entries
    });
    let faults = reader.faults();
    if faults.is_empty() { Ok(entries) } else { Err(faults) }
}

fn seed(kind: Kind, table: &Table<'_>, lexicon: &Lexicon<'_>) -> Entry {
    let reader = table.reader();
    let mut entry = Entry { kind, words: Vec::new() };
    let mut sound = true;
    for key in kind.keys() {
        if !table.has(key.name) {
            continue;
        }
        let texts = texts(table, key);
        for Text { text, span } in &texts {
            if let Err(mistake) = well_formed(key, text).and_then(|()| means(key, text, lexicon)) {
                reader.fault(span.clone(), mistake.message, mistake.help);
                sound = false;
            }
        }
        if key.many && texts.is_empty() {
            // An empty list reads as "none" and would be stored as "any".
            reader.fault(table.span(), format!("`{}` is empty: leave it out for any", key.name), None);
        }
        sound &= !texts.is_empty();
        entry.words.push((key.name, texts.into_iter().map(|text| text.text).collect()));
    }
    let missing = entry.missing();
    let unfit = if sound && missing.is_empty() { entry.fits_together(lexicon).err() } else { None };
    for mistake in missing.into_iter().chain(unfit) {
        reader.fault(table.span(), mistake.message, mistake.help);
    }
    table.finish();
    entry
}

fn texts(table: &Table<'_>, key: &Key) -> Vec<Text> {
    match key.what {
        What::From | What::Until => table.moment(key.name).into_iter().collect(),
        _ if key.many => table.texts(key.name),
        _ => table.text(key.name).into_iter().collect(),
    }
}

pub(super) fn known_kind(name: &str) -> Result<Kind, Mistake> {
    Kind::from_name(name).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name);
        let near = nearest(name, names).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        let known = names.map(|name| format!("`{name}`")).join(", ");
        Mistake::new(
            format!("there is no kind of entry `{}`", name.escape_default()),
            Some(format!("{near}the kinds are {known}")),
        )
    })
}

/// Whether a value is a text that can be told apart at sight. Never repeats it: it may name a person.
fn well_formed(key: &Key, value: &str) -> Result<(), Mistake> {
    let wrong = if value.is_empty() {
        "is empty"
    } else if value.len() > VALUE_BYTES_MAX {
        "is longer than 512 bytes"
    } else if value.trim() != value || value.chars().any(char::is_control) {
        "has white space around it or control characters"
    } else {
        return Ok(());
    };
    Err(Mistake::new(format!("`{}` {wrong}", key.name), None))
}

/// Whether a value is what its key wants.
fn means(key: &Key, value: &str, lexicon: &Lexicon<'_>) -> Result<(), Mistake> {
    let vocabulary = lexicon.vocabulary;
    let overseas = ["consent", "equivalent-system", "designated-country", "exception"];
    match key.what {
        What::Personal | What::Issuer => Ok(()),
        What::Organization if RESERVED.contains(&value) => {
            Err(Mistake::new(format!("`{}`: `{value}` is reserved", key.name), None))
        }
        What::Organization => Ok(()),
        What::Registered if RESERVED.contains(&value) => {
            Err(Mistake::new(format!("no organisation is the recipient `{value}`"), None))
        }
        What::Recipient | What::Registered => one_of(key, value, lexicon, |policy| recipients(policy).collect()),
        What::Purpose => one_of(key, value, lexicon, |policy| purposes(policy).collect()),
        What::OptOut => one_of(key, value, lexicon, |policy| {
            let own = policy.opt_outs().iter().map(|known| known.name.as_str());
            own.chain(recipients(policy)).chain(purposes(policy)).collect()
        }),
        What::Category if vocabulary.subtree(value).is_empty() => {
            Err(unknown(key, value, vocabulary.selectors().collect()))
        }
        What::Category => Ok(()),
        What::Restriction => known(key, value, vocabulary.restrictions().collect()),
        What::Relation => known(key, value, vocabulary.relations().collect()),
        What::Overseas if Overseas::from_name(value).is_some() => Ok(()),
        What::Overseas => Err(unknown(key, value, overseas.to_vec())),
        What::Country if value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase()) => Ok(()),
        What::Country => {
            let help = "two capitals of ISO 3166-1, as `JP`".to_owned();
            Err(Mistake::new(format!("`{}` is no country: `{}`", key.name, value.escape_default()), Some(help)))
        }
        What::From => start(value, lexicon.zone).map(|_| ()).map_err(|bad| no_date(key, &bad)),
        What::Until => Window::read(None, Some(value), lexicon.zone).map(|_| ()).map_err(|bad| no_date(key, &bad)),
    }
}

fn recipients(policy: &Policy) -> impl Iterator<Item = &str> {
    policy.recipients().map(|(_, recipient)| recipient.name.as_str())
}

fn purposes(policy: &Policy) -> impl Iterator<Item = &str> {
    policy.purposes().map(|(_, purpose)| purpose.name.as_str())
}

/// Whether any policy knows the name.
fn one_of<'a>(
    key: &Key,
    value: &str,
    lexicon: &Lexicon<'a>,
    names: impl Fn(&'a Policy) -> Vec<&'a str>,
) -> Result<(), Mistake> {
    if lexicon.policies.is_empty() {
        return Ok(());
    }
    known(key, value, lexicon.policies.iter().flat_map(|policy| names(policy)).collect())
}

fn known(key: &Key, value: &str, names: Vec<&str>) -> Result<(), Mistake> {
    if names.contains(&value) { Ok(()) } else { Err(unknown(key, value, names)) }
}

fn unknown(key: &Key, value: &str, mut names: Vec<&str>) -> Mistake {
    names.sort_unstable();
    names.dedup();
    let help = match nearest(value, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.len() <= 12 => format!("known are {}", names.join(", ")),
        None => format!("none of the {} known names is near", names.len()),
    };
    Mistake::new(format!("`{}` is unknown: `{}`", key.name, value.escape_default()), Some(help))
}

fn no_date(key: &Key, bad: &str) -> Mistake {
    let help = "a date as `2027-03-31`, or a date-time with offset as `2027-03-31T12:00:00+09:00`".to_owned();
    Mistake::new(format!("`{}` is no date or date-time with offset: `{}`", key.name, bad.escape_default()), Some(help))
}
