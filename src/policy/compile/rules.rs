//! Permits, forbids and what may not leave side by side, cut to cells.

use super::{Compiler, recipients_named};
use crate::policy::document::Permit;
use crate::policy::kind::Dataset;
use crate::policy::reader::Text;
use crate::policy::table::{
    Apart, Cap, Cell, ClauseId, Family, For, Grant, OptOut, Policy, PurposeId, RecipientId, Rule, RuleId, need,
};
use crate::policy::{Form, Release};

/// A permit before it is cut to cells.
pub(super) struct Wide {
    rule: RuleId,
    purposes: Vec<PurposeId>,
    recipients: Vec<RecipientId>,
    bases: u32,
    needs: u8,
    relation: Option<u8>,
    open_to: For,
    dataset: Option<Dataset>,
    /// `None`: the purpose's own view.
    release: Option<Release>,
}

impl Compiler<'_> {
    // --- rules --------------------------------------------------------------------------------------------------------

    pub(super) fn rule(&self, policy: &mut Policy, id: &Text, clauses: Vec<ClauseId>) -> RuleId {
        if policy.rules.iter().any(|rule| rule.name == id.text) {
            self.twice("rule", id);
        }
        let index = u32::try_from(policy.rules.len()).unwrap_or(u32::MAX);
        policy.rules.push(Rule { name: id.text.clone(), clauses });
        RuleId(index)
    }

    pub(super) fn permits(&self, policy: &mut Policy) -> Vec<Wide> {
        let mut wide = Vec::new();
        for permit in &self.document.permits {
            let rule = self.rule(policy, &permit.id, self.cited(&permit.clauses));
            wide.push(self.permit(policy, permit, rule));
        }
        self.exception_permits(policy, &mut wide);
        self.request_permits(policy, &mut wide);
        wide
    }

    pub(super) fn permit(&self, policy: &mut Policy, permit: &Permit, rule: RuleId) -> Wide {
        let purposes = self.covered(policy, permit);
        let (needs, relation) = self.needs(policy, permit);
        for (key, list) in [("purpose", &permit.purposes), ("to", &permit.to), ("basis", &permit.bases)] {
            if list.is_empty() {
                self.reader.fault(permit.id.span.clone(), format!("permit `{}` has no `{key}`", permit.id.text), None);
            }
        }
        Wide {
            rule,
            purposes,
            recipients: recipients_named(&self.reader, policy, &permit.to),
            bases: self.bases(&permit.bases),
            needs,
            relation,
            open_to: For::Both,
            dataset: self.dataset(permit.dataset.as_ref()),
            release: permit.view.as_ref().map(|view| self.view_named(view).0),
        }
    }

    pub(super) fn covered(&self, policy: &Policy, permit: &Permit) -> Vec<PurposeId> {
        let resolve = |names: &[Text]| -> Vec<PurposeId> {
            let mut ids = Vec::new();
            for name in names {
                if name.text == "stated" {
                    ids.extend(policy.purposes().filter(|(_, p)| p.family == Family::Stated).map(|(id, _)| id));
                } else {
                    ids.extend(self.purpose_named(policy, name));
                }
            }
            ids
        };
        let (named, except) = (resolve(&permit.purposes), resolve(&permit.except));
        let covers = |id: PurposeId| match permit.exact {
            true => named.contains(&id),
            false => named.iter().any(|broad| policy.within(id, *broad)),
        };
        let declarable = policy.purposes().filter(|(_, p)| !p.grouping && p.family == Family::Stated).map(|(id, _)| id);
        declarable.filter(|id| covers(*id) && !except.iter().any(|broad| policy.within(*id, *broad))).collect()
    }

    pub(super) fn needs(&self, policy: &mut Policy, permit: &Permit) -> (u8, Option<u8>) {
        let (mut needs, mut relation) = (0, None);
        for word in &permit.needs {
            match (word.text.as_str(), word.text.strip_prefix("relation:")) {
                (_, Some(kind)) => {
                    let kinds = self.vocabulary.relations.iter().map(|(name, _)| name.as_str());
                    if !kinds.clone().any(|known| known == kind) {
                        self.reader.unknown("relation", word, kinds);
                    }
                    let known = policy.relations.iter().position(|r| r == kind);
                    let index = known.unwrap_or_else(|| {
                        policy.relations.push(kind.to_owned());
                        policy.relations.len() - 1
                    });
                    relation = u8::try_from(index).ok();
                }
                ("approval", _) => needs |= need::APPROVAL,
                ("reason", _) => needs |= need::REASON,
                ("informed", _) => needs |= need::INFORMED,
                ("review", _) => needs |= need::REVIEW,
                _ => self.reader.unknown("need", word, ["approval", "reason", "informed", "review", "relation:…"]),
            }
        }
        (needs, relation)
    }

    /// The purpose `exception`: per basis that the organisation has, to the kinds that the Act allows.
    pub(super) fn exception_permits(&self, policy: &mut Policy, wide: &mut Vec<Wide>) {
        let Some(exception) = policy.purpose_id("exception") else { return };
        for (name, clauses) in &self.document.exception {
            let basis = self.vocabulary.basis_id(&name.text).and_then(|id| Some((id, self.vocabulary.basis(id)?)));
            let Some((id, basis)) = basis.filter(|(_, b)| b.statutory) else {
                let statutory = self.vocabulary.bases.iter().filter(|b| b.statutory).map(|b| b.name.as_str());
                self.reader.unknown("statutory basis", name, statutory);
                continue;
            };
            let rule_name = Text { text: format!("exception-{}", name.text), span: name.span.clone() };
            let rule = self.rule(policy, &rule_name, self.cited(clauses));
            for (kinds, open_to) in [(basis.exception_to, For::Staff), (basis.exception_by, For::Itself)] {
                let of_kind = policy.recipients().filter(|(_, r)| r.kind.bit() & kinds != 0);
                wide.push(Wide {
                    rule,
                    purposes: vec![exception],
                    recipients: of_kind.map(|(id, _)| id).collect(),
                    bases: id.bit(),
                    needs: need::REVIEW,
                    relation: None,
                    open_to,
                    dataset: None,
                    release: None,
                });
            }
        }
    }

    /// The principal's requests: the person under the request's own list, which is also what staff may fetch
    /// for the person; staff who handle it inside under the row `rest`.
    pub(super) fn request_permits(&self, policy: &mut Policy, wide: &mut Vec<Wide>) {
        for request in &self.vocabulary.requests {
            let Some(purpose) = policy.purpose_id(&format!("principal-request.{}", request.name)) else { continue };
            let name = Text { text: format!("request-{}", request.name), span: 0..0 };
            let clauses = policy.purpose(purpose).map(|p| p.clauses.clone()).unwrap_or_default();
            let rule = self.rule(policy, &name, clauses);
            let mut add = |recipient, basis: &str, open_to, release| {
                wide.push(Wide {
                    rule,
                    purposes: vec![purpose],
                    recipients: vec![recipient],
                    bases: self.vocabulary.basis_id(basis).map_or(0, |b| b.bit()),
                    needs: 0,
                    relation: None,
                    open_to,
                    dataset: None,
                    release,
                });
            };
            let own = Release::clear(request.data.without(self.vocabulary.never()));
            add(RecipientId::PRINCIPAL, "principal-request", For::Itself, Some(own));
            // Staff who fetch it for the person get the person's list; the Individual Number goes to no staff.
            let specific = self.vocabulary.level("specific").unwrap_or_default();
            add(RecipientId::PRINCIPAL, "principal-request", For::Staff, Some(own.only(specific.not())));
            add(RecipientId::INTERNAL, "stated-purpose", For::Both, None);
        }
    }

    pub(super) fn forbids(&self, policy: &mut Policy) -> Vec<(Cap, Vec<PurposeId>, Vec<RecipientId>)> {
        let mut caps = Vec::new();
        for forbid in &self.document.forbids {
            let rule = self.rule(policy, &forbid.id, self.cited(&forbid.clauses));
            let named: Vec<PurposeId> = forbid.purposes.iter().filter_map(|p| self.purpose_named(policy, p)).collect();
            let covered = |id: &PurposeId| forbid.purposes.is_empty() || named.iter().any(|b| policy.within(*id, *b));
            let purposes = policy.purposes().map(|(id, _)| id).filter(covered).collect();
            let recipients = match forbid.to.is_empty() {
                true => policy.recipients().map(|(id, _)| id).collect(),
                false => recipients_named(&self.reader, policy, &forbid.to),
            };
            let form = forbid.form.as_ref().and_then(|form| {
                let known = Form::from_name(&form.text);
                if known.is_none() {
                    self.reader.unknown("form", form, Form::ALL.iter().map(|f| f.name()));
                }
                known
            });
            let unless_act = forbid.unless_act.as_ref().and_then(|act| {
                let known = self.vocabulary.act(&act.text);
                if known.is_none() {
                    self.reader.fault(act.span.clone(), format!("unknown act `{}`", act.text), None);
                }
                known
            });
            let cap = Cap {
                rule,
                categories: self.selected(&forbid.data),
                form: form.unwrap_or(Form::Withheld),
                unless_bases: forbid.unless_basis.as_ref().map_or(0, |b| self.bases(std::slice::from_ref(b))),
                unless_act,
            };
            caps.push((cap, purposes, recipients));
        }
        caps
    }

    pub(super) fn aparts(&self, policy: &mut Policy) {
        for apart in &self.document.aparts {
            let rule = self.rule(policy, &apart.id, self.cited(&apart.clauses));
            let (withhold, beside) = (self.selected(&apart.withhold), self.selected(&apart.beside));
            // Beside any identity at all, guarded ones too: a subtree, not a selector.
            let beside = apart.beside.iter().fold(beside, |set, name| set.or(self.vocabulary.subtree(&name.text)));
            policy.aparts.push(Apart { rule, withhold, beside });
        }
    }

    pub(super) fn opt_outs(&self, policy: &mut Policy) {
        for opt_out in &self.document.opt_outs {
            let recipient = opt_out.recipient.as_ref().and_then(|name| {
                let id = policy.recipient_id(&name.text);
                if id.is_none() {
                    self.reader.unknown("recipient", name, policy.recipient_ids.keys().map(String::as_str));
                }
                id
            });
            let purpose = opt_out.purpose.as_ref().and_then(|name| self.purpose_named(policy, name));
            let clauses = self.cited(&opt_out.clauses);
            policy.opt_outs.push(OptOut { name: opt_out.id.text.clone(), clauses, recipient, purpose });
        }
    }
}

/// Cuts the rules to cells.
pub(super) fn cells(policy: &mut Policy, permits: &[Wide], forbids: &[(Cap, Vec<PurposeId>, Vec<RecipientId>)]) {
    let (rows, columns) = (policy.purposes.len(), policy.recipients.len());
    let mut grants: Vec<Vec<Grant>> = vec![Vec::new(); rows * columns];
    let mut caps: Vec<Vec<Cap>> = vec![Vec::new(); rows * columns];
    let at = |p: PurposeId, r: RecipientId| p.0 as usize * columns + usize::from(r.0);
    for wide in permits {
        for purpose in &wide.purposes {
            let own = policy.purpose(*purpose).map(|p| p.view).unwrap_or_default();
            for recipient in &wide.recipients {
                let Some(cell) = grants.get_mut(at(*purpose, *recipient)) else { continue };
                cell.push(Grant {
                    rule: wide.rule,
                    bases: wide.bases,
                    needs: wide.needs,
                    relation: wide.relation,
                    open_to: wide.open_to,
                    dataset: wide.dataset,
                    release: wide.release.unwrap_or(own),
                });
            }
        }
    }
    for (cap, purposes, recipients) in forbids {
        for purpose in purposes {
            for recipient in recipients {
                if let Some(cell) = caps.get_mut(at(*purpose, *recipient)) {
                    cell.push(cap.clone());
                }
            }
        }
    }
    for (grants, caps) in grants.into_iter().zip(caps) {
        let cell = Cell {
            grants: policy.grants.len()..policy.grants.len() + grants.len(),
            caps: policy.caps.len()..policy.caps.len() + caps.len(),
        };
        policy.grants.extend(grants);
        policy.caps.extend(caps);
        policy.cells.push(cell);
    }
}
