//! How is a policy document read? One function for each kind of table; what is missing there is a fault with its place.

use super::super::fault::{Faults, Source};
use super::super::reader::{Reader, Table, Text};
use super::{
    Apart, Assert, Clause, Condition, Document, Forbid, Items, Meta, OptOut, Permit, Purpose, Recipient, Role, View,
};

impl Document {
    /// Reads a document as written.
    ///
    /// # Errors
    /// Syntax, wrong types and unknown keys, all of them. The document is returned too, so that its meaning can still be
    /// checked and every fault be told at once.
    pub fn read(source: Source) -> (Document, Faults) {
        let reader = Reader::new(source.clone());
        let mut document = reader.read(|root| Document::from_table(root, source));
        document.is_toml = reader.is_toml();
        (document, reader.faults())
    }

    fn from_table(root: &Table<'_>, source: Source) -> Document {
        Document {
            source,
            is_toml: true,
            meta: meta(root),
            clauses: each(root.tables("clause"), clause),
            purposes: named(root.named("purpose"), purpose),
            recipients: named(root.named("recipient"), recipient),
            roles: named(root.named("role"), |id, t| Role { id, serves: t.texts("serves") }),
            views: named(root.named("view"), view),
            permits: each(root.tables("permit"), permit),
            forbids: each(root.tables("forbid"), forbid),
            aparts: each(root.tables("apart"), apart),
            asserts: each(root.tables("assert"), assert),
            exception: root.lists("exception"),
            request: root.lists("request"),
            conditions: named(root.named("condition"), condition),
            opt_outs: named(root.named("opt-out"), opt_out),
            datasets: named(root.named("dataset"), items),
        }
    }
}

fn each<T>(tables: Vec<Table<'_>>, read: impl Fn(&Table<'_>) -> T) -> Vec<T> {
    let read_one = |table: Table<'_>| {
        let value = read(&table);
        table.finish();
        value
    };
    tables.into_iter().map(read_one).collect()
}

fn named<T>(tables: Vec<(Text, Table<'_>)>, read: impl Fn(Text, &Table<'_>) -> T) -> Vec<T> {
    let read_one = |(id, table): (Text, Table<'_>)| {
        let value = read(id, &table);
        table.finish();
        value
    };
    tables.into_iter().map(read_one).collect()
}

fn meta(root: &Table<'_>) -> Meta {
    let empty = || Text { text: String::new(), span: root.span() };
    let Some(t) = root.table("policy") else {
        root.missing("[policy]");
        return Meta {
            id: empty(),
            title: empty(),
            language: empty(),
            time_zone: Text { text: "Asia/Tokyo".into(), span: root.span() },
            revision: empty(),
            announced: None,
            effective: None,
            contact: empty(),
            supersedes: None,
            law: None,
            published: None,
        };
    };
    let meta = Meta {
        id: t.required("id"),
        title: t.required("title"),
        language: t.required("authoritative-language"),
        time_zone: t.required("time-zone"),
        revision: t.required("revision"),
        announced: t.moment("announced"),
        effective: t.moment("effective"),
        contact: t.required("contact"),
        supersedes: t.text("supersedes"),
        law: t.text("law"),
        published: t.text("published"),
    };
    t.finish();
    meta
}

fn clause(t: &Table<'_>) -> Clause {
    Clause {
        id: t.required("id"),
        gist: t.required("gist"),
        gist_ja: t.text("gist-ja"),
        enforced_by: t.texts("enforced-by"),
        organisational: t.text("organisational"),
        house: t.text("house"),
    }
}

fn purpose(id: Text, t: &Table<'_>) -> Purpose {
    Purpose {
        id,
        clauses: t.texts("clause"),
        codes: t.texts("codes"),
        about: t.texts("about"),
        view: t.text("view"),
        grouping: t.flag("abstract"),
        from: t.moment("from"),
        until: t.moment("until"),
        dataset: t.text("dataset"),
        related_to: t.text("related-to"),
        law: t.text("law"),
    }
}

fn recipient(id: Text, t: &Table<'_>) -> Recipient {
    let (kind, clauses) = (t.required("kind"), t.texts("clause"));
    Recipient {
        id,
        kind,
        clauses,
        overseas: t.flag("overseas"),
        registered: t.flag("registered"),
        overseas_basis: t.texts("overseas-basis"),
    }
}

fn view(id: Text, t: &Table<'_>) -> View {
    let forms = ["masked", "generalised", "pseudonymised", "clear"].map(|form| t.texts(form));
    View { id, forms, writes: t.flag("writes") }
}

fn permit(t: &Table<'_>) -> Permit {
    Permit {
        id: t.required("id"),
        clauses: t.texts("clause"),
        purposes: t.texts("purpose"),
        except: t.texts("except"),
        exact: t.flag("exact"),
        to: t.texts("to"),
        bases: t.texts("basis"),
        needs: t.texts("needs"),
        view: t.text("view"),
        dataset: t.text("dataset"),
    }
}

fn forbid(t: &Table<'_>) -> Forbid {
    let unless = t.table("unless");
    let of = |key| unless.as_ref().and_then(|u| u.text(key));
    let (unless_basis, unless_act) = (of("basis"), of("act"));
    if let Some(unless) = &unless {
        unless.finish();
    }
    Forbid {
        id: t.required("id"),
        clauses: t.texts("clause"),
        data: t.texts("data"),
        purposes: t.texts("purpose"),
        to: t.texts("to"),
        form: t.text("form"),
        unless_basis,
        unless_act,
    }
}

fn apart(t: &Table<'_>) -> Apart {
    Apart { id: t.required("id"), clauses: t.texts("clause"), withhold: t.texts("withhold"), beside: t.texts("beside") }
}

fn assert(t: &Table<'_>) -> Assert {
    let Some(never) = t.table("never") else {
        t.missing("never");
        return Assert { release: vec![], to: vec![], purposes: vec![], unless_basis: None, span: t.span() };
    };
    let assert = Assert {
        release: never.texts("release"),
        to: never.texts("to"),
        purposes: never.texts("purpose"),
        unless_basis: never.text("unless-basis"),
        span: t.span(),
    };
    never.finish();
    assert
}

fn condition(id: Text, t: &Table<'_>) -> Condition {
    Condition {
        id,
        clauses: t.texts("clause"),
        except: t.texts("except"),
        data: t.texts("data"),
        requires: t.text("requires"),
    }
}

fn opt_out(id: Text, t: &Table<'_>) -> OptOut {
    OptOut { id, clauses: t.texts("clause"), recipient: t.text("recipient"), purpose: t.text("purpose") }
}

fn items(id: Text, t: &Table<'_>) -> Items {
    Items { id, clauses: t.texts("clause"), view: t.required("view") }
}
