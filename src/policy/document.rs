//! What stands in a policy document? Read as written, with its places; meaning is checked in `compile`.

use std::ops::Range;

use super::fault::{Faults, Source};
use super::reader::{Reader, Table, Text};

/// `[policy]`: whose policy, of when.
#[derive(Clone)]
pub struct Meta {
    /// Short id, the folder's name.
    pub id: Text,
    /// Title as published.
    pub title: Text,
    /// The language whose text prevails.
    pub language: Text,
    /// IANA zone of its civil days.
    pub time_zone: Text,
    /// Name of this revision.
    pub revision: Text,
    /// When it was made public.
    pub announced: Option<Text>,
    /// From when it decides.
    pub effective: Option<Text>,
    /// Where the person turns.
    pub contact: Text,
    /// The revision before it.
    pub supersedes: Option<Text>,
    /// The law, guideline or guidance that a revision answers to.
    pub law: Option<Text>,
    /// Where the published text stands.
    pub published: Option<Text>,
}

/// `[[clause]]`.
#[derive(Clone)]
pub struct Clause {
    /// Its id in the published text.
    pub id: Text,
    /// What it says, in short, in own words.
    pub gist: Text,
    /// The same in the authoritative language, where that is not English.
    pub gist_ja: Option<Text>,
    /// What enforces it: rules, purposes, recipients, conditions, mechanisms.
    pub enforced_by: Vec<Text>,
    /// Why no request can show whether it is kept.
    pub organisational: Option<Text>,
    /// What of its enforcement is the project's own data minimum.
    pub house: Option<Text>,
}

/// `[purpose."a.b"]`.
#[derive(Clone)]
pub struct Purpose {
    /// Its path.
    pub id: Text,
    /// The clauses that state it.
    pub clauses: Vec<Text>,
    /// HL7 and DPV codes.
    pub codes: Vec<Text>,
    /// The subject classes it is meant for; `*` is every class of the policy.
    pub about: Vec<Text>,
    /// The view released for it; beneath it too, unless a narrower purpose has its own.
    pub view: Option<Text>,
    /// Only groups others; never declared.
    pub grouping: bool,
    /// First day in force.
    pub from: Option<Text>,
    /// Last day in force.
    pub until: Option<Text>,
    /// The certified dataset that it is limited to.
    pub dataset: Option<Text>,
    /// The older purpose that an added or widened one is related to.
    pub related_to: Option<Text>,
    /// The law that allows an added or widened one.
    pub law: Option<Text>,
}

/// `[recipient.x]`.
#[derive(Clone)]
pub struct Recipient {
    /// Its id.
    pub id: Text,
    /// Its kind.
    pub kind: Text,
    /// The clauses that name it.
    pub clauses: Vec<Text>,
    /// Established abroad, whatever the register says.
    pub overseas: bool,
    /// Only while an organisation is registered, whatever the basis.
    pub registered: bool,
    /// The only grounds of art. 28 that count for it.
    pub overseas_basis: Vec<Text>,
}

/// `[role.x]`.
#[derive(Clone)]
pub struct Role {
    /// Its id.
    pub id: Text,
    /// The purposes it serves, with the narrower ones.
    pub serves: Vec<Text>,
}

/// `[view.x]`: forms of categories.
#[derive(Clone)]
pub struct View {
    /// Its id.
    pub id: Text,
    /// Selectors by form: masked, generalised, pseudonymised, clear.
    pub forms: [Vec<Text>; 4],
    /// Own staff and contractors may create and update what it shows in clear.
    pub writes: bool,
}

/// `[[permit]]`.
#[derive(Clone)]
pub struct Permit {
    /// Its id.
    pub id: Text,
    /// The clauses that allow it, besides those of purpose and recipient.
    pub clauses: Vec<Text>,
    /// The purposes; `stated` is every stated one.
    pub purposes: Vec<Text>,
    /// Purposes, with what is beneath them, left out.
    pub except: Vec<Text>,
    /// Nothing beneath the purposes named.
    pub exact: bool,
    /// Recipient ids, or `kind:…`, or `*`.
    pub to: Vec<Text>,
    /// The bases, any of which opens it.
    pub bases: Vec<Text>,
    /// `approval` `reason` `informed` `review` `relation:…`.
    pub needs: Vec<Text>,
    /// The view; the purpose's own where none is named.
    pub view: Option<Text>,
    /// Only on routes certified as this.
    pub dataset: Option<Text>,
}

/// `[[forbid]]`.
#[derive(Clone)]
pub struct Forbid {
    /// Its id.
    pub id: Text,
    /// The clauses that forbid.
    pub clauses: Vec<Text>,
    /// Selectors.
    pub data: Vec<Text>,
    /// Purposes, with what is beneath; none: all.
    pub purposes: Vec<Text>,
    /// Recipients: ids, `kind:…`, each may begin with `!`; none: all.
    pub to: Vec<Text>,
    /// The most revealing form left; withheld if none is named.
    pub form: Option<Text>,
    /// The basis under which it does not apply.
    pub unless_basis: Option<Text>,
    /// The act that has to be cited with it.
    pub unless_act: Option<Text>,
}

/// `[[apart]]`.
#[derive(Clone)]
pub struct Apart {
    /// Its id.
    pub id: Text,
    /// The clauses.
    pub clauses: Vec<Text>,
    /// What is withheld …
    pub withhold: Vec<Text>,
    /// … where any of this is released.
    pub beside: Vec<Text>,
}

/// `[[assert]]`: checked over every reachable decision.
#[derive(Clone)]
pub struct Assert {
    /// What must never be released.
    pub release: Vec<Text>,
    /// To whom; none: to anybody.
    pub to: Vec<Text>,
    /// For which purposes; none: for any.
    pub purposes: Vec<Text>,
    /// Unless on this basis.
    pub unless_basis: Option<Text>,
    /// Where it stands.
    pub span: Range<usize>,
}

/// `[condition.x]`: what holds besides rules, and the clause to cite for it.
#[derive(Clone)]
pub struct Condition {
    /// Which: see `CONDITIONS`.
    pub id: Text,
    /// The clauses.
    pub clauses: Vec<Text>,
    /// Purposes it does not touch (`block`).
    pub except: Vec<Text>,
    /// Data it is about (`source`).
    pub data: Vec<Text>,
    /// What a revision has to state (`change`): `relation-or-law` or `law`.
    pub requires: Option<Text>,
}

/// `[[opt-out]]`: what a person may opt out of.
#[derive(Clone)]
pub struct OptOut {
    /// Its id in registers.
    pub id: Text,
    /// The clauses.
    pub clauses: Vec<Text>,
    /// The recipient it stops.
    pub recipient: Option<Text>,
    /// The purpose it stops.
    pub purpose: Option<Text>,
}

/// `[dataset.x]`: what a certified route may hold, at most.
#[derive(Clone)]
pub struct Items {
    /// `anonymised`.
    pub id: Text,
    /// The clauses that publish the items.
    pub clauses: Vec<Text>,
    /// The view that lists them.
    pub view: Text,
}

/// The conditions that a policy may have; `default` `provision` `specific` `contact` it must have.
pub const CONDITIONS: [&str; 15] = [
    "default",
    "class",
    "role",
    "provision",
    "overseas",
    "restriction",
    "identity",
    "specific",
    "training",
    "block",
    "source",
    "notify",
    "contact",
    "change",
    "in-force",
];

/// A policy document as written.
#[derive(Clone)]
pub struct Document {
    /// The text.
    pub source: Source,
    /// Whether it is TOML at all; if not, nothing else here means anything.
    pub is_toml: bool,
    /// `[policy]`.
    pub meta: Meta,
    /// The clauses, in order.
    pub clauses: Vec<Clause>,
    /// The purposes, in order.
    pub purposes: Vec<Purpose>,
    /// The recipients besides those that every policy has.
    pub recipients: Vec<Recipient>,
    /// The roles.
    pub roles: Vec<Role>,
    /// The views.
    pub views: Vec<View>,
    /// The permits.
    pub permits: Vec<Permit>,
    /// The forbids.
    pub forbids: Vec<Forbid>,
    /// What may not leave side by side.
    pub aparts: Vec<Apart>,
    /// The assertions.
    pub asserts: Vec<Assert>,
    /// `[exception]`: basis → clauses.
    pub exception: Vec<(Text, Vec<Text>)>,
    /// `[request]`: principal's request → clauses.
    pub request: Vec<(Text, Vec<Text>)>,
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// What a person may opt out of.
    pub opt_outs: Vec<OptOut>,
    /// Published items of certified datasets.
    pub datasets: Vec<Items>,
}

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
