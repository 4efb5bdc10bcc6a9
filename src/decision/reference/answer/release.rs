//! (e) Which categories, in which form, and what goes with them?

use std::collections::BTreeSet;

use super::{Judged, Reasons};
use crate::decision::Reason;
use crate::decision::reference::{Forms, Names, Rule, law};
use crate::policy::{Action, Dataset, Form, covers};

impl Judged<'_> {
    /// What the applicable permits give: of each category the most revealing form.
    pub(super) fn given(&self, basis: &str, withheld: &Names) -> Forms {
        let mut given = Forms::new();
        for rule in self.rules.iter().filter(|r| r.bases.contains(basis) && self.unmet(r).is_empty()) {
            for (category, form) in &rule.forms {
                let there = given.entry(category.clone()).or_insert(*form);
                *there = (*there).max(*form);
            }
        }
        let reach = self.reach(basis);
        given.retain(|category, _| reach.has(category) && !withheld.contains(category));
        if let Some(dataset) = self.q.dataset {
            let items = self.items(dataset);
            given = given.into_iter().filter_map(|(c, form)| items.get(&c).map(|most| (c, form.min(*most)))).collect();
        }
        given
    }

    /// What a certified route holds at most.
    pub(super) fn items(&self, dataset: Dataset) -> Forms {
        let reading = self.reading;
        match dataset {
            Dataset::Statistical => reading.beneath("aggregate").into_iter().map(|c| (c, Form::Clear)).collect(),
            Dataset::Anonymised => {
                let published = reading.document.datasets.iter().find(|d| d.id.text == "anonymised");
                published.map(|d| reading.view(&d.view.text)).unwrap_or_default()
            }
        }
    }

    pub(super) fn capped(&self, basis: &str, given: &Forms) -> Forms {
        let to = self.candidate.recipient.as_deref().unwrap_or("");
        let act = |name: &str| self.reading.vocabulary.act(name);
        let mut capped = given.clone();
        for ban in &self.reading.bans {
            let lifted = ban.unless.as_ref().is_some_and(|(unless, cited)| {
                let same = |cited: &String| self.q.act.and_then(act).is_some_and(|a| act(cited) == Some(a));
                unless == basis && cited.as_ref().is_none_or(same)
            });
            let here = ban.purposes.as_ref().is_none_or(|p| p.iter().any(|broad| covers(broad, self.purpose)))
                && ban.to.as_ref().is_none_or(|names| names.contains(to));
            if here && !lifted {
                for (_, form) in capped.iter_mut().filter(|(category, _)| ban.data.contains(*category)) {
                    *form = (*form).min(ban.cap);
                }
            }
        }
        // The credential goes to nobody; level `specific` to the person, not to an agent.
        let agent = self.q.organization == Some("principal") && !self.is_own_record();
        capped.retain(|category, form| {
            *form != Form::Withheld
                && category != law::CREDENTIAL
                && !(agent && self.reading.specific.contains(category))
        });
        capped
    }

    /// What may not leave beside what is released, or beside what is searched on: that is known of every hit.
    pub(super) fn apart(&self, capped: &Forms) -> Names {
        let known = || self.q.categories.iter().chain(self.q.query);
        let leaves = |names: &Names| known().any(|c| capped.contains_key(*c) && names.contains(*c));
        let bites = self.reading.aparts.iter().filter(|(_, beside)| leaves(beside));
        bites.flat_map(|(withhold, _)| withhold.iter().cloned()).collect()
    }

    pub(super) fn released(&self, basis: &str, withheld: &Names) -> Result<Forms, Reasons> {
        let q = self.q;
        let given = self.given(basis, withheld);
        let capped = self.capped(basis, &given);
        let apart = self.apart(&capped);
        let open: Forms = capped.iter().filter(|(c, _)| !apart.contains(*c)).map(|(c, f)| (c.clone(), *f)).collect();
        let clear = |name: &str| open.get(name) == Some(&Form::Clear);
        // Whatever is done: what is searched on, or told by how a write is answered.
        let hidden = !q.query.iter().all(|name| clear(name));
        if q.action == Action::Delete {
            return if hidden { Err([Reason::SearchNotPermitted].into()) } else { Ok(Forms::new()) };
        }
        let released: Forms =
            open.iter().filter(|(c, _)| q.categories.contains(&c.as_str())).map(|(c, f)| (c.clone(), *f)).collect();
        let lacking: Vec<&&str> = match q.action.writes() {
            true => q.categories.iter().filter(|name| !clear(name)).collect(),
            false if released.is_empty() => q.categories.iter().collect(),
            false => Vec::new(),
        };
        let mut reasons = Reasons::new();
        for name in lacking {
            let banned = given.get(*name).is_some_and(|form| match q.action.writes() {
                true => *form == Form::Clear,
                false => true,
            });
            let never = self.reading.specific.contains(*name) || *name == law::CREDENTIAL || apart.contains(*name);
            // On a write: what a forbid took away altogether, too.
            let taken = given.contains_key(*name) && !open.contains_key(*name);
            reasons.insert(if never || banned || taken { Reason::Prohibited } else { Reason::CategoryNotPermitted });
        }
        if q.categories.is_empty() {
            reasons.insert(Reason::CategoryNotPermitted);
        }
        if hidden {
            reasons.insert(Reason::SearchNotPermitted);
        }
        if reasons.is_empty() { Ok(released) } else { Err(reasons) }
    }

    pub(super) fn obligations(&self, basis: &str, release: &Forms) -> BTreeSet<&'static str> {
        let q = self.q;
        let provided = q.action.releases() && !matches!(self.kind(), "internal" | "principal");
        let gives = |rule: &Rule| release.keys().any(|category| rule.forms.contains_key(category));
        let asked_by_rule = self.rules.iter().any(|rule| {
            rule.bases.contains(basis)
                && self.unmet(rule).is_empty()
                && rule.needs.contains("review")
                && (q.action == Action::Delete || gives(rule))
        });
        let review = law::asks_for_reason(basis) || self.purpose == "exception" || asked_by_rule;
        let told = q.action == Action::Create && self.reading.condition("notify").is_some();
        let all = [
            (provided, "record-provision"),
            (provided && self.is_abroad(), "record-overseas-provision"),
            (review, "review"),
            (told, "notify-principal"),
        ];
        all.into_iter().filter(|(so, _)| *so).map(|(_, name)| name).collect()
    }
}
