//! What does the policy say, what enforces each clause, how often was it used, and what changed between two revisions?

use std::collections::BTreeMap;
use std::sync::Arc;

use maud::{Markup, html};

use crate::console::asked::Asked;
use crate::console::error::Trouble;
use crate::console::lang::Lang;
use crate::console::page::{Asking, Page};
use crate::console::reading::Reading;
use crate::console::shell::{Place, number};
use crate::console::state::State;
use crate::policy::Policy;
use crate::policy::document::{Clause, Document};
use crate::policy::reader::Text;

/// The policies of this gate; of one, itself.
pub(super) fn list(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    let mut policies: Vec<Arc<Policy>> = Vec::new();
    for site in (state.policies)() {
        let newest = site.revisions.newest().filter(|one| policies.iter().all(|known| known.digest != one.digest));
        policies.extend(newest.cloned());
    }
    if let [only] = policies.as_slice() {
        return Ok(Page::elsewhere(Reading::of("policy", ""), format!("/policy/{}", only.document.meta.id.text)));
    }
    let title = lang.pick("Policies", "方針");
    let body = html! {
        h1 { (title) }
        ul { @for policy in &policies { li {
            a href=(format!("/policy/{}", policy.document.meta.id.text)) { (policy.document.meta.title.text) }
            " " span.soft { (policy.document.meta.revision.text) }
        } } }
    };
    Ok(Page::html(Reading::of("policy", ""), Place::Policy, title, body))
}

pub(super) fn page(state: &State, asking: &Asking) -> Result<Page, Trouble> {
    let lang = asking.lang;
    let id = asking.part("id")?;
    let sites = (state.policies)();
    let revisions = sites
        .iter()
        .map(|site| &site.revisions)
        .find(|revisions| revisions.all().iter().any(|policy| policy.document.meta.id.text == id));
    let revisions = revisions.ok_or(Trouble::Missing)?;
    let wanted = asking.one("revision");
    let all = revisions.all();
    let in_force = i64::try_from(state.now_ms()).ok().and_then(|now| revisions.at(now));
    let policy = match wanted {
        Some(wanted) => all.iter().find(|policy| policy.document.meta.revision.text == wanted),
        None => in_force.or(all.last()),
    };
    let policy = policy.ok_or(Trouble::Missing)?;
    let older = all.iter().take_while(|one| one.digest != policy.digest).last();
    let times = Asking {
        query: asking.query.iter().filter(|(name, _)| name != "revision").cloned().collect(),
        ..asking.clone()
    };
    let asked = Asked::read(state, &times)?;
    let used: BTreeMap<String, u64> =
        state.queries.clauses(&asked.filter)?.into_iter().map(|(clause, count)| (clause.to_string(), count)).collect();
    let document = &policy.document;
    let meta = &document.meta;
    let body = html! {
        div.head { h1 { (meta.title.text) } (super::chart::ranges(state, asking, &asked, &format!("/policy/{id}"))) }
        p {
            (lang.pick("Revision ", "改定 ")) strong { (meta.revision.text) }
            @if let Some(effective) = &meta.effective { ", " (lang.pick("in force from ", "施行日 ")) (effective.text) }
            ", " code.soft { "sha256:" (policy.digest.chars().take(12).collect::<String>()) "…" }
            @if in_force.is_some_and(|now| now.digest == policy.digest) { " " span.mark-good { (lang.pick("in force", "施行中")) } }
        }
        @if all.len() > 1 { nav.ranges aria-label=(lang.pick("Revisions", "改定")) { @for one in all {
            a href=(format!("/policy/{id}?revision={}", super::record::escaped(&one.document.meta.revision.text)))
                aria-current=[(one.digest == policy.digest).then_some("true")] { (one.document.meta.revision.text) }
        } } }
        (changes(lang, older.map(|older| &older.document), document))
        section aria-labelledby="clauses" {
            h2 id="clauses" { (lang.pick("Clauses", "条項")) " " span.soft { (number(document.clauses.len() as u64)) } }
            div.wide-table tabindex="0" role="region" aria-labelledby="clauses" { table.clauses-table {
                thead { tr {
                    th scope="col" { (lang.pick("Clause", "条項")) }
                    th scope="col" { (lang.pick("What it says", "内容")) }
                    th scope="col" { (lang.pick("What enforces it", "実施方法")) }
                    th.number scope="col" { (lang.pick("Used", "適用数")) }
                } }
                tbody { @for clause in &document.clauses { (row(state, lang, &asked, document, clause, used.get(&clause.id.text).copied().unwrap_or(0))) } }
            } }
        }
    };
    let reading = asked.reading(state, "policy")?;
    let what = format!("{id} {} {}", meta.revision.text, reading.what);
    Ok(Page::html(Reading { what, ..reading }, Place::Policy, meta.title.text.clone(), body))
}

fn row(state: &State, lang: Lang, asked: &Asked, document: &Document, clause: &Clause, used: u64) -> Markup {
    let gist = match (lang, &clause.gist_ja) {
        (Lang::Ja, Some(own)) => &own.text,
        _ => &clause.gist.text,
    };
    let only = Asked { pairs: vec![("clause".to_owned(), clause.id.text.clone())], ..asked.clone() };
    let mut keepers: Vec<String> = clause.enforced_by.iter().map(|text| text.text.clone()).collect();
    for keeper in citing(document, &clause.id.text) {
        let (_, bare) = keeper.split_once(' ').unwrap_or(("", &keeper));
        if !keepers.iter().any(|known| known == bare || known.ends_with(&format!(":{bare}"))) {
            keepers.push(keeper);
        }
    }
    html! {
        tr id=(clause.id.text) {
            th scope="row" data-label=(lang.pick("Clause", "条項")) { (clause.id.text) }
            td data-label=(lang.pick("What it says", "内容")) { (gist) }
            td data-label=(lang.pick("What enforces it", "実施方法")) {
                @if !keepers.is_empty() { code { (keepers.join(", ")) } }
                @if let Some(why) = &clause.organisational { div.soft { (lang.pick("Organisational: ", "組織的措置: ")) (why.text) } }
                @if let Some(house) = &clause.house { div.soft { (lang.pick("Our own minimum: ", "独自の最小化: ")) (house.text) } }
            }
            td.number data-label=(lang.pick("Used", "適用数")) {
                @if used > 0 { a href=(only.permanent("/search", &state.zone)) { (number(used)) } } @else { "0" }
            }
        }
    }
}

/// What of the document names this clause.
fn citing(document: &Document, clause: &str) -> Vec<String> {
    let names = |clauses: &[Text]| clauses.iter().any(|named| named.text == clause);
    let mut found = Vec::new();
    let mut add = |kind: &str, id: &str, clauses: &[Text]| {
        if names(clauses) {
            found.push(format!("{kind} {id}"));
        }
    };
    document.purposes.iter().for_each(|one| add("purpose", &one.id.text, &one.clauses));
    document.recipients.iter().for_each(|one| add("recipient", &one.id.text, &one.clauses));
    document.permits.iter().for_each(|one| add("permit", &one.id.text, &one.clauses));
    document.forbids.iter().for_each(|one| add("forbid", &one.id.text, &one.clauses));
    document.aparts.iter().for_each(|one| add("apart", &one.id.text, &one.clauses));
    document.conditions.iter().for_each(|one| add("condition", &one.id.text, &one.clauses));
    document.opt_outs.iter().for_each(|one| add("opt-out", &one.id.text, &one.clauses));
    found
}

/// What this revision has otherwise than the one before it.
fn changes(lang: Lang, older: Option<&Document>, newer: &Document) -> Markup {
    let Some(older) = older else {
        return html! { p.soft { (lang.pick("There is no earlier revision here.", "これより前の改定はありません。")) } };
    };
    let (before, after) = (items(older), items(newer));
    let mut lines: Vec<(&str, &str, Option<&String>, Option<&String>)> = Vec::new();
    for (id, text) in &after {
        match before.get(id) {
            None => lines.push((lang.pick("added", "追加"), id, None, Some(text))),
            Some(old) if old != text => lines.push((lang.pick("changed", "変更"), id, Some(old), Some(text))),
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|(id, _)| !after.contains_key(*id));
    lines.extend(gone.map(|(id, old)| (lang.pick("removed", "削除"), id.as_str(), Some(old), None)));
    html! {
        section aria-labelledby="changes" {
            h2 id="changes" { (lang.pick("Changed since ", "変更点: ")) (older.meta.revision.text) }
            @if lines.is_empty() { p { (lang.pick("Nothing but words.", "実質的な変更はありません。")) } }
            ul.changes { @for (what, id, old, new) in &lines { li {
                span.mark-plain { (what) } " " code { (id) }
                @if let Some(old) = old { del { (old) } }
                @if let Some(new) = new { ins { (new) } }
            } } }
        }
    }
}

/// Each part of a document by its kind and id, with what it says, in one line.
fn items(document: &Document) -> BTreeMap<String, String> {
    let list = |texts: &[Text]| texts.iter().map(|text| text.text.as_str()).collect::<Vec<_>>().join(", ");
    let one = |text: &Option<Text>| text.as_ref().map_or("", |text| text.text.as_str()).to_owned();
    let said = |parts: &[(&str, String)]| {
        let kept = parts.iter().filter(|(_, value)| !value.is_empty());
        kept.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("; ")
    };
    let mut items = BTreeMap::new();
    for clause in &document.clauses {
        items.insert(format!("clause {}", clause.id.text), clause.gist.text.clone());
    }
    for purpose in &document.purposes {
        let parts = [
            ("about", list(&purpose.about)),
            ("view", one(&purpose.view)),
            ("codes", list(&purpose.codes)),
            ("clauses", list(&purpose.clauses)),
            ("from", one(&purpose.from)),
            ("until", one(&purpose.until)),
            ("related to", one(&purpose.related_to)),
            ("law", one(&purpose.law)),
        ];
        items.insert(format!("purpose {}", purpose.id.text), said(&parts));
    }
    for recipient in &document.recipients {
        let parts = [
            ("kind", recipient.kind.text.clone()),
            ("clauses", list(&recipient.clauses)),
            ("abroad on", list(&recipient.overseas_basis)),
        ];
        items.insert(format!("recipient {}", recipient.id.text), said(&parts));
    }
    for role in &document.roles {
        items.insert(format!("role {}", role.id.text), said(&[("serves", list(&role.serves))]));
    }
    for view in &document.views {
        let names = ["masked", "generalised", "pseudonymised", "clear"];
        let parts: Vec<(&str, String)> = names.into_iter().zip(view.forms.iter().map(|form| list(form))).collect();
        items.insert(format!("view {}", view.id.text), said(&parts));
    }
    for permit in &document.permits {
        let parts = [
            ("purposes", list(&permit.purposes)),
            ("except", list(&permit.except)),
            ("to", list(&permit.to)),
            ("basis", list(&permit.bases)),
            ("needs", list(&permit.needs)),
            ("view", one(&permit.view)),
            ("clauses", list(&permit.clauses)),
        ];
        items.insert(format!("permit {}", permit.id.text), said(&parts));
    }
    for forbid in &document.forbids {
        let parts = [
            ("data", list(&forbid.data)),
            ("purposes", list(&forbid.purposes)),
            ("to", list(&forbid.to)),
            ("form", one(&forbid.form)),
            ("unless", one(&forbid.unless_basis)),
            ("clauses", list(&forbid.clauses)),
        ];
        items.insert(format!("forbid {}", forbid.id.text), said(&parts));
    }
    items
}
