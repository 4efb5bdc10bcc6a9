//! What does a document say of each attribute? `[attribute]` and `[code]`: tag → keyword, kind of value, words.

use std::collections::BTreeMap;

use crate::policy::reader::{Table, Text};
use crate::policy::{Categories, Vocabulary};

use super::super::fields::{Generaliser, Meaning};
use super::super::tree;
use super::vr::Vr;

/// One attribute.
#[derive(Clone)]
pub(super) struct Attribute {
    pub(super) keyword: Box<str>,
    pub(super) vr: Vr,
    /// `None`: a member of a coded entry, which is what its sequence is.
    pub(super) meaning: Option<Meaning>,
    pub(super) generaliser: Option<Generaliser>,
    /// The items of the sequence are coded entries.
    pub(super) coded: bool,
    /// An identifier: its pseudonym leads back.
    pub(super) identifies: bool,
}

/// The attributes by tag: eight hexadecimal digits, capitals.
#[derive(Default)]
pub(super) struct Attributes {
    all: BTreeMap<Box<str>, Attribute>,
    code: BTreeMap<Box<str>, Attribute>,
}

/// What the confidentiality profile of PS3.15 annex E does with an attribute, or a choice of these.
const ACTIONS: [&str; 6] = ["D", "Z", "X", "K", "C", "U"];
/// The category that a pseudonym of an id stands for.
const IDENTIFIER: &str = "identity.number";

impl Attributes {
    /// Takes over what the table says; an attribute that is there already is what it says now.
    pub(super) fn take(&mut self, root: &Table<'_>, vocabulary: &Vocabulary) {
        for (tag, words) in root.lists("attribute") {
            if let Some(attribute) = attribute(root, &tag, &words, vocabulary, false) {
                self.all.insert(tag.text.into(), attribute);
            }
        }
        for (tag, words) in root.lists("code") {
            if let Some(attribute) = attribute(root, &tag, &words, vocabulary, true) {
                self.code.insert(tag.text.into(), attribute);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.all.values()
    }

    /// Of a data set, with their tags.
    pub(super) fn tagged(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.all.iter().map(|(tag, attribute)| (tag.as_ref(), attribute))
    }

    /// Of a coded entry, with their tags.
    pub(super) fn code(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.code.iter().map(|(tag, attribute)| (tag.as_ref(), attribute))
    }

    pub(super) fn by_tag(&self, tag: &str) -> Option<&Attribute> {
        self.all.get(tag)
    }

    /// Tag and attribute of a keyword.
    pub(super) fn named(&self, keyword: &str) -> Option<(&str, &Attribute)> {
        self.tagged().find(|(_, attribute)| attribute.keyword.as_ref() == keyword)
    }

    pub(super) fn keywords(&self) -> impl Iterator<Item = &str> {
        self.all.values().map(|attribute| attribute.keyword.as_ref())
    }
}

impl Attribute {
    /// What a search by it finds out; `None`: no search may touch it. `everything` is what free text counts as.
    pub(super) fn searched(&self, everything: Categories) -> Option<Categories> {
        match self.meaning? {
            Meaning::Category(category) => Some(category.only()),
            Meaning::Everything => Some(everything),
            Meaning::Open => Some(Categories::NONE),
            Meaning::Count | Meaning::Link | Meaning::Never => None,
        }
    }
}

/// `None`: a fault, or a group of tags, which can only be named as never released.
fn attribute(
    root: &Table<'_>,
    tag: &Text,
    words: &[Text],
    vocabulary: &Vocabulary,
    of_code: bool,
) -> Option<Attribute> {
    let reader = root.reader();
    let [keyword, vr, rest @ ..] = words else {
        reader.fault(tag.span.clone(), format!("`{}` needs a keyword and a value representation", tag.text), None);
        return None;
    };
    let Some(kind) = Vr::from_name(&vr.text) else {
        reader.unknown("value representation", vr, Vr::ALL.iter().map(|vr| vr.name()));
        return None;
    };
    let mut attribute = Attribute {
        keyword: keyword.text.as_str().into(),
        vr: kind,
        meaning: None,
        generaliser: None,
        coded: false,
        identifies: false,
    };
    let mut uid = false;
    for word in rest {
        if word.text.split('/').all(|action| ACTIONS.contains(&action.trim_end_matches('*'))) {
            uid |= word.text == "U";
        } else if word.text == "code" {
            attribute.coded = true;
        } else if let Some(generaliser) = Generaliser::from_name(&word.text) {
            attribute.generaliser = Some(generaliser);
        } else {
            attribute.meaning = tree::meaning(&word.text, vocabulary);
            attribute.identifies = word.text == IDENTIFIER;
            if attribute.meaning.is_none() {
                reader.unknown("word", word, vocabulary.names().chain(tree::WORDS).chain(["code"]).chain(ACTIONS));
            }
        }
    }
    let fault = |message: String| reader.fault(tag.span.clone(), message, None);
    if attribute.meaning.is_some() == of_code {
        let says = if of_code { "is what its sequence is, and no category of its own" } else { "needs a category" };
        fault(format!("`{}` {says}", tag.text));
    }
    if attribute.coded && kind != Vr::Sq {
        fault(format!("`{}` is no sequence, and has no coded entries", tag.text));
    }
    if attribute.generaliser.is_some() && !kind.can_be_coarser() {
        fault(format!("`{}`: no {} can be made coarser", tag.text, kind.name()));
    }
    if uid && (kind != Vr::Ui || !attribute.identifies) {
        fault(format!("`{}`: what becomes another UID is a UI of the category `{IDENTIFIER}`", tag.text));
    }
    is_tag(&tag.text, attribute.meaning, &fault).then_some(attribute)
}

fn is_tag(tag: &str, meaning: Option<Meaning>, fault: &dyn Fn(String)) -> bool {
    let digits = |any: &str| tag.len() == 8 && tag.bytes().all(|b| b.is_ascii_digit() || any.as_bytes().contains(&b));
    if !digits("ABCDEFx") {
        fault(format!("`{tag}` is no tag: eight hexadecimal digits, capitals"));
    } else if !digits("ABCDEF") {
        if meaning != Some(Meaning::Never) {
            fault(format!("`{tag}` names many attributes, of which none is ever released: `never`"));
        }
        return false;
    } else if tag.as_bytes().get(3).is_some_and(|b| !matches!(b, b'0' | b'2' | b'4' | b'6' | b'8' | b'A' | b'C' | b'E'))
    {
        fault(format!("`{tag}` is private: what stands there is another thing at each maker's, and is never released"));
    } else {
        return true;
    }
    false
}
