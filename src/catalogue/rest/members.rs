//! What does a document say of the members of a record, a route or a body?

use crate::catalogue::fields::{Covers, Generaliser, Meaning, Node};
use crate::catalogue::pointer::Pointer;
use crate::catalogue::tree::{self, Draft};
use crate::policy::reader::{Table, Text};

use super::{Document, pointer};

/// A field's pointer, and whether all beneath it is meant: its last step is `**`.
fn field(table: &Table<'_>, text: &Text) -> (Pointer, bool) {
    let (own, deep) = match text.text.strip_suffix(BENEATH) {
        Some(own) => (Text { text: own.to_owned(), span: text.span.clone() }, true),
        None => (text.clone(), false),
    };
    let pointer = pointer(table, &own);
    if pointer.steps().any(|step| step == "**") {
        let hint = "only a last step is `**`; any one member or element is `*`".to_owned();
        table.reader().fault(text.span.clone(), format!("`{}` is no field", text.text), Some(hint));
    }
    (pointer, deep)
}

/// The end of a pointer that means all beneath it.
const BENEATH: &str = "/**";

impl Document<'_> {
    /// What a record or a route says of its members.
    pub(super) fn members(&self, table: &Table<'_>, draft: &mut Draft) {
        self.fields(table, "fields", draft);
        for (place, names) in table.lists("generalise") {
            let [name] = names.as_slice() else {
                table.reader().fault(place.span.clone(), "a field is made coarser by one generaliser".to_owned(), None);
                continue;
            };
            let generaliser = Generaliser::from_name(&name.text);
            if generaliser.is_none() {
                table.reader().unknown("generaliser", name, Generaliser::NAMES);
            }
            self.mark(table, &place, draft, |node| node.generaliser = generaliser);
        }
        for place in table.texts("references") {
            self.mark(table, &place, draft, |node| node.reference = true);
        }
        for place in table.texts("as-string") {
            self.mark(table, &place, draft, |node| node.as_string = true);
        }
        for (place, names) in table.lists("systems") {
            self.system(table, &place, &names, draft);
        }
        for (place, reasons) in table.lists("not-individual-number") {
            self.exempt(table, &place, &reasons, draft);
        }
    }

    /// The member beside an identifier that says in which system it is unique: `value` at `/ids/*/value`, `system` beside.
    fn system(&self, table: &Table<'_>, place: &Text, names: &[Text], draft: &mut Draft) {
        let [name] = names else {
            table.reader().fault(place.span.clone(), "a system is one member's name", None);
            return;
        };
        if name.text.is_empty() || name.text.contains('/') {
            let hint = "write the member's name alone: it stands beside the identifier";
            table.reader().fault(name.span.clone(), "a system is named by a member", Some(hint.to_owned()));
        }
        self.mark(table, place, draft, |node| node.system = Some(name.text.as_str().into()));
    }

    /// A field that is not looked at for Individual Numbers, and why.
    fn exempt(&self, table: &Table<'_>, place: &Text, reasons: &[Text], draft: &mut Draft) {
        let reason = reasons.iter().map(|reason| reason.text.trim()).collect::<Vec<_>>().concat();
        if reason.is_empty() {
            let hint = "say why no Individual Number can stand there";
            table.reader().fault(place.span.clone(), "an exemption needs a reason", Some(hint.to_owned()));
        }
        match draft.existing(&field(table, place).0).filter(|named| named.node.meaning.is_some()) {
            Some(named) => named.node.fixed_format = true,
            None => {
                table.reader().fault(place.span.clone(), format!("`{}` is no field here", place.text), None);
            }
        }
    }

    pub(super) fn fields(&self, table: &Table<'_>, key: &'static str, draft: &mut Draft) {
        for (place, names) in table.lists(key) {
            let [name] = names.as_slice() else {
                table.reader().fault(place.span.clone(), "a field is one category".to_owned(), None);
                continue;
            };
            let meaning = tree::meaning(&name.text, self.vocabulary);
            if meaning.is_none() {
                table.reader().unknown("category", name, self.vocabulary.names().chain(tree::WORDS));
            }
            let (pointer, deep) = field(table, &place);
            if deep && matches!(meaning, Some(Meaning::Open | Meaning::Count | Meaning::Link)) {
                let message = format!("`{}` cannot hold for members that nobody named", name.text);
                table.reader().fault(place.span.clone(), message, Some("name them".to_owned()));
            }
            let node = &mut draft.at(&pointer).node;
            if node.meaning.is_some() {
                table.reader().fault(place.span.clone(), format!("`{pointer}` is named twice"), None);
            }
            node.meaning = meaning;
            node.covers = if deep { Covers::Deep } else { Covers::Elements };
        }
    }

    /// Sets something on a place that `fields` names with a category.
    fn mark(&self, table: &Table<'_>, place: &Text, draft: &mut Draft, set: impl FnOnce(&mut Node)) {
        match draft.existing(&field(table, place).0) {
            Some(named) if matches!(named.node.meaning, Some(Meaning::Category(_))) => set(&mut named.node),
            Some(_) | None => {
                table.reader().fault(
                    place.span.clone(),
                    format!("`{}` is no field with a category here", place.text),
                    None,
                );
            }
        }
    }
}
