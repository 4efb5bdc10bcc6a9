//! Does the document mean something, and what? Names are resolved, rules expanded into cells, assertions checked.
//!
//! Every fault is reported; a policy with any is not built.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::category::Categories;
use super::document::{CONDITIONS, Document, Permit, View};
use super::facts::Overseas;
use super::fault::{Faults, Source};
use super::form::{Form, Release};
use super::moment::{Window, start};
use super::reader::{Reader, Text};
use super::table::{
    Apart, Cap, Cell, ClauseId, Conditions, Family, For, Grant, OptOut, Policy, Purpose, PurposeId, Recipient,
    RecipientId, RoleSet, Rule, RuleId, need,
};
use super::vocabulary::{Dataset, Kind, Kinds, Vocabulary, read_kinds};

/// Reads and compiles one revision.
///
/// # Errors
/// Every fault of the document.
pub fn compile(source: Source, vocabulary: &Arc<Vocabulary>) -> Result<Policy, Faults> {
    let (document, mut faults) = Document::read(source);
    if !document.is_toml {
        return Err(faults);
    }
    let compiler = Compiler::new(&document, vocabulary);
    let policy = compiler.policy(vocabulary);
    faults.0.extend(compiler.reader.faults().0);
    if faults.is_empty() { Ok(policy) } else { Err(faults) }
}

/// A permit before it is cut to cells.
struct Wide {
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

struct Compiler<'d> {
    document: &'d Document,
    vocabulary: &'d Vocabulary,
    reader: Reader,
    zone: TimeZone,
    clauses: HashMap<&'d str, ClauseId>,
    views: HashMap<&'d str, (Release, bool)>,
}

impl<'d> Compiler<'d> {
    fn new(document: &'d Document, vocabulary: &'d Vocabulary) -> Compiler<'d> {
        let reader = Reader::new(document.source.clone());
        let mut clauses = HashMap::new();
        for (index, clause) in (0u16..).zip(&document.clauses) {
            if clauses.insert(clause.id.text.as_str(), ClauseId(index)).is_some() {
                reader.fault(clause.id.span.clone(), format!("clause `{}` stands twice", clause.id.text), None);
            }
        }
        let zone = TimeZone::get(&document.meta.time_zone.text).unwrap_or_else(|_| {
            let zone = &document.meta.time_zone;
            reader.fault(
                zone.span.clone(),
                format!("unknown time zone `{}`", zone.text),
                Some("e.g. `Asia/Tokyo`".into()),
            );
            TimeZone::UTC
        });
        let mut this = Compiler { document, vocabulary, reader, zone, clauses, views: HashMap::new() };
        for view in &document.views {
            let compiled = this.view(view);
            if this.views.insert(&view.id.text, compiled).is_some() {
                this.twice("view", &view.id);
            }
        }
        this
    }

    fn twice(&self, what: &str, id: &Text) {
        self.reader.fault(id.span.clone(), format!("{what} `{}` stands twice", id.text), None);
    }

    fn policy(&self, vocabulary: &Arc<Vocabulary>) -> Policy {
        let purposes = self.purposes();
        let purpose_ids: HashMap<String, PurposeId> =
            (0u32..).map(PurposeId).zip(&purposes).map(|(id, p)| (p.name.clone(), id)).collect();
        let recipients = self.recipients();
        let recipient_ids =
            (0u16..).map(RecipientId).zip(&recipients).map(|(id, r): (_, &Recipient)| (r.name.clone(), id)).collect();
        let mut policy = Policy {
            vocabulary: Arc::clone(vocabulary),
            document: self.document.clone(),
            digest: hex(&Sha256::digest(self.document.source.text.as_bytes())),
            zone: self.zone.clone(),
            in_force: self.in_force(),
            clauses: self.document.clauses.iter().map(|c| c.id.text.clone()).collect(),
            purposes,
            purpose_ids,
            recipients,
            recipient_ids,
            roles: Vec::new(),
            rules: Vec::new(),
            cells: Vec::new(),
            grants: Vec::new(),
            caps: Vec::new(),
            aparts: Vec::new(),
            opt_outs: Vec::new(),
            relations: Vec::new(),
            anonymised: Release::NOTHING,
            statistical: Release::clear(self.vocabulary.level("statistical").unwrap_or_default()),
            specific: self.vocabulary.level("specific").unwrap_or_default().or(self.vocabulary.never()),
            conditions: Conditions::default(),
        };
        self.roles(&mut policy);
        self.conditions(&mut policy);
        self.datasets(&mut policy);
        let permits = self.permits(&mut policy);
        let forbids = self.forbids(&mut policy);
        self.aparts(&mut policy);
        self.opt_outs(&mut policy);
        cells(&mut policy, &permits, &forbids);
        super::assertion::check(self.document, &policy, &self.reader);
        policy
    }

    fn in_force(&self) -> Window {
        let meta = &self.document.meta;
        let mut first = i64::MIN;
        for written in [&meta.announced, &meta.effective].into_iter().flatten() {
            match start(&written.text, &self.zone) {
                Ok(moment) => first = first.max(moment),
                Err(_) => self.reader.fault(written.span.clone(), "no date or date-time with offset", None),
            }
        }
        Window { from: first, until: i64::MAX }
    }

    // --- names -------------------------------------------------------------------------------------------------------

    fn cited(&self, names: &[Text]) -> Vec<ClauseId> {
        let mut cited = Vec::new();
        for name in names {
            match self.clauses.get(name.text.as_str()) {
                Some(id) => cited.push(*id),
                None => self.reader.unknown("clause", name, self.clauses.keys().copied()),
            }
        }
        cited
    }

    fn selected(&self, selectors: &[Text]) -> Categories {
        let mut set = Categories::NONE;
        for selector in selectors {
            match self.vocabulary.selector(&selector.text) {
                Some(categories) => set = set.or(categories),
                None => self.reader.unknown("category", selector, self.vocabulary.selectors()),
            }
        }
        set
    }

    fn bases(&self, names: &[Text]) -> u32 {
        let mut bases = 0;
        for name in names {
            match self.vocabulary.basis_id(&name.text) {
                Some(id) => bases |= id.bit(),
                None => self.reader.unknown("basis", name, self.vocabulary.bases.iter().map(|b| b.name.as_str())),
            }
        }
        bases
    }

    fn dataset(&self, name: Option<&Text>) -> Option<Dataset> {
        let name = name?;
        let dataset = Dataset::from_name(&name.text);
        if dataset.is_none() {
            self.reader.unknown("dataset", name, ["anonymised", "statistical"]);
        }
        dataset
    }

    fn purpose_named(&self, policy: &Policy, name: &Text) -> Option<PurposeId> {
        let id = policy.purpose_id(&name.text);
        if id.is_none() {
            self.reader.unknown("purpose", name, policy.purpose_ids.keys().map(String::as_str));
        }
        id
    }

    // --- views, purposes, recipients, roles ---------------------------------------------------------------------------

    fn view(&self, view: &View) -> (Release, bool) {
        let forms = [Form::Masked, Form::Generalised, Form::Pseudonymised, Form::Clear];
        let mut release = Release::NOTHING;
        for (form, selectors) in forms.into_iter().zip(&view.forms) {
            release = release.most(&Release::of(self.selected(selectors), form));
        }
        (release, view.writes)
    }

    fn view_named(&self, name: &Text) -> (Release, bool) {
        self.views.get(name.text.as_str()).copied().unwrap_or_else(|| {
            self.reader.unknown("view", name, self.views.keys().copied());
            (Release::NOTHING, false)
        })
    }

    fn purposes(&self) -> Vec<Purpose> {
        let mut purposes: Vec<Purpose> = Vec::new();
        for stated in &self.document.purposes {
            self.stated_purpose(stated, &mut purposes);
        }
        let every = purposes.iter().fold(0, |all, p| all | p.classes);
        for (purpose, stated) in purposes.iter_mut().zip(&self.document.purposes) {
            if stated.about.iter().any(|class| class.text == "*") {
                purpose.classes = every;
            }
        }
        self.template_purposes(every, &mut purposes);
        purposes.sort_by(|a, b| a.name.split('.').cmp(b.name.split('.')));
        for index in 0..purposes.len() {
            let Some(name) = purposes.get(index).map(|p| p.name.clone()) else { continue };
            let beneath = purposes.iter().rposition(|p| super::facts::covers(&name, &p.name)).unwrap_or(index);
            if let (Some(purpose), Ok(last)) = (purposes.get_mut(index), u32::try_from(beneath)) {
                purpose.last = PurposeId(last);
            }
        }
        purposes
    }

    fn stated_purpose(&self, stated: &super::document::Purpose, purposes: &mut Vec<Purpose>) {
        let id = &stated.id;
        if purposes.iter().any(|p| p.name == id.text) {
            self.twice("purpose", id);
        }
        let reserved = ["exception", "principal-request"].iter().any(|r| super::facts::covers(r, &id.text));
        if reserved || id.text == "incidental" || id.text.split('.').any(str::is_empty) {
            self.reader.fault(id.span.clone(), format!("`{}` cannot be the id of a stated purpose", id.text), None);
        }
        let mut classes = 0;
        for class in stated.about.iter().filter(|class| class.text != "*") {
            match self.vocabulary.class(&class.text) {
                Some(index) => classes |= 1 << index,
                None => self.reader.unknown("subject class", class, self.vocabulary.classes()),
            }
        }
        if stated.about.is_empty() && !stated.grouping {
            self.reader.fault(id.span.clone(), format!("purpose `{}` names no subject class (`about`)", id.text), None);
        }
        for code in stated.codes.iter().filter(|code| !self.vocabulary.knows_code(&code.text)) {
            self.reader.fault(
                code.span.clone(),
                format!("unknown code `{}`", code.text),
                Some("`hl7:…` or `dpv:…`".into()),
            );
        }
        let text = |t: &Option<Text>| t.as_ref().map(|t| t.text.clone());
        let window = Window::read(text(&stated.from).as_deref(), text(&stated.until).as_deref(), &self.zone);
        let window = window.unwrap_or_else(|bad| {
            self.reader.fault(id.span.clone(), format!("`{bad}` is no date or date-time with offset"), None);
            Window { from: i64::MAX, until: i64::MIN }
        });
        let (view, writes) = self.own_view(id, stated.grouping);
        purposes.push(Purpose {
            name: id.text.clone(),
            clauses: self.cited(&stated.clauses),
            codes: stated.codes.iter().map(|c| c.text.clone()).collect(),
            family: Family::Stated,
            grouping: stated.grouping,
            classes,
            window,
            view,
            writes,
            dataset: self.dataset(stated.dataset.as_ref()),
            served_by: 0,
            despite_block: false,
            last: PurposeId(0),
        });
        if stated.clauses.is_empty() && !stated.grouping {
            self.reader.fault(id.span.clone(), format!("purpose `{}` cites no clause", id.text), None);
        }
    }

    /// The purpose's own view, or that of the nearest purpose above it.
    fn own_view(&self, id: &Text, grouping: bool) -> (Release, bool) {
        let above = self.document.purposes.iter().filter(|p| super::facts::covers(&p.id.text, &id.text));
        let nearest =
            above.filter_map(|p| p.view.as_ref().map(|view| (p.id.text.len(), view))).max_by_key(|(len, _)| *len);
        match nearest {
            Some((_, view)) => self.view_named(view),
            None if grouping => (Release::NOTHING, false),
            None => {
                let message = format!("purpose `{}` has no view, nor has one above it", id.text);
                self.reader.fault(id.span.clone(), message, Some("an empty view releases nothing".into()));
                (Release::NOTHING, false)
            }
        }
    }

    fn template_purposes(&self, classes: u32, purposes: &mut Vec<Purpose>) {
        let everything = self.vocabulary.all().without(self.vocabulary.level("specific").unwrap_or_default());
        let everything = everything.without(self.vocabulary.never());
        let mut add = |name: String, family, grouping, clauses: Vec<ClauseId>, view| {
            purposes.push(Purpose {
                name,
                clauses,
                codes: Vec::new(),
                family,
                grouping,
                classes,
                window: Window::ALWAYS,
                view,
                writes: false,
                dataset: None,
                served_by: 0,
                despite_block: true,
                last: PurposeId(0),
            });
        };
        let named = self.vocabulary.all().without(self.vocabulary.never());
        add("exception".into(), Family::Exception, false, Vec::new(), Release::clear(named));
        add("principal-request".into(), Family::Stated, true, Vec::new(), Release::NOTHING);
        for (index, request) in (0u8..).zip(&self.vocabulary.requests) {
            let clauses = self.document.request.iter().find(|(name, _)| name.text == request.name);
            let clauses = clauses.map(|(_, texts)| self.cited(texts)).unwrap_or_default();
            let name = format!("principal-request.{}", request.name);
            add(name, Family::Request(index), false, clauses, Release::clear(everything));
        }
        for (name, _) in &self.document.request {
            if !self.vocabulary.requests.iter().any(|r| r.name == name.text) {
                self.reader.unknown(
                    "principal's request",
                    name,
                    self.vocabulary.requests.iter().map(|r| r.name.as_str()),
                );
            }
        }
        for request in &self.vocabulary.requests {
            if !self.document.request.iter().any(|(name, _)| name.text == request.name) {
                let message = format!("`[request]` names no clause for `{}`", request.name);
                self.reader.fault(0..0, message, None);
            }
        }
    }

    fn recipients(&self) -> Vec<Recipient> {
        let mut recipients: Vec<Recipient> = Vec::new();
        let shared = self.vocabulary.recipients.iter();
        for (name, kind) in shared {
            let overseas = *kind == Kind::ThirdPartyOverseas;
            let name = name.clone();
            recipients.push(Recipient {
                name,
                kind: *kind,
                clauses: Vec::new(),
                overseas,
                registered: false,
                overseas_grounds: Vec::new(),
            });
        }
        for written in &self.document.recipients {
            let kinds: Kinds = read_kinds(&self.reader, std::slice::from_ref(&written.kind));
            let Some(kind) = Kind::ALL.into_iter().find(|k| k.bit() == kinds) else { continue };
            let clauses = self.cited(&written.clauses);
            let overseas = written.overseas || kind == Kind::ThirdPartyOverseas;
            match recipients.iter_mut().find(|r| r.name == written.id.text) {
                // A recipient that every policy has may be named again, to cite a clause; its kind stays.
                Some(shared) if shared.kind == kind && shared.clauses.is_empty() => shared.clauses = clauses,
                Some(_) => self.twice("recipient", &written.id),
                None => recipients.push(Recipient {
                    name: written.id.text.clone(),
                    kind,
                    clauses,
                    overseas,
                    registered: written.registered,
                    overseas_grounds: self.grounds(&written.overseas_basis),
                }),
            }
        }
        recipients
    }

    fn grounds(&self, names: &[Text]) -> Vec<Overseas> {
        let mut grounds = Vec::new();
        for name in names {
            match Overseas::from_name(&name.text) {
                Some(ground) => grounds.push(ground),
                None => {
                    let known = ["consent", "equivalent-system", "designated-country", "exception"];
                    self.reader.unknown("ground of art. 28", name, known);
                }
            }
        }
        grounds
    }

    fn roles(&self, policy: &mut Policy) {
        if self.document.roles.len() > 64 {
            self.reader.fault(0..0, "more than 64 roles", None);
        }
        for (index, role) in self.document.roles.iter().enumerate().take(64) {
            if policy.roles.contains(&role.id.text) {
                self.twice("role", &role.id);
            }
            policy.roles.push(role.id.text.clone());
            let bit: RoleSet = 1 << index;
            for served in &role.serves {
                let Some(id) = self.purpose_named(policy, served) else { continue };
                let Some(last) = policy.purpose(id).map(|p| p.last) else { continue };
                for purpose in policy.purposes.iter_mut().take(last.0 as usize + 1).skip(id.0 as usize) {
                    purpose.served_by |= bit;
                }
            }
        }
    }

    // --- conditions ---------------------------------------------------------------------------------------------------

    fn conditions(&self, policy: &mut Policy) {
        for condition in &self.document.conditions {
            if !CONDITIONS.contains(&condition.id.text.as_str()) {
                self.reader.unknown("condition", &condition.id, CONDITIONS);
            }
        }
        for required in ["default", "provision", "specific", "contact"] {
            if !self.document.conditions.iter().any(|c| c.id.text == required) {
                self.reader.fault(
                    0..0,
                    format!("`[condition.{required}]` is missing"),
                    Some("it cites a clause".into()),
                );
            }
        }
        let find = |name: &str| self.document.conditions.iter().find(|c| c.id.text == name);
        let cited = |name: &str| find(name).map(|c| self.cited(&c.clauses));
        let of = |name: &str| cited(name).unwrap_or_default();
        policy.conditions = Conditions {
            default: of("default"),
            class: of("class"),
            role: of("role"),
            provision: of("provision"),
            overseas: of("overseas"),
            restriction: of("restriction"),
            identity: of("identity"),
            specific: of("specific"),
            training: cited("training"),
            block: of("block"),
            source: find("source").map(|c| (self.cited(&c.clauses), self.selected(&c.data))),
            notify: cited("notify"),
            contact: of("contact"),
        };
        for except in find("block").map(|c| c.except.as_slice()).unwrap_or_default() {
            let Some(id) = self.purpose_named(policy, except) else { continue };
            let Some(last) = policy.purpose(id).map(|p| p.last) else { continue };
            for purpose in policy.purposes.iter_mut().take(last.0 as usize + 1).skip(id.0 as usize) {
                purpose.despite_block = true;
            }
        }
    }

    fn datasets(&self, policy: &mut Policy) {
        for items in &self.document.datasets {
            match self.dataset(Some(&items.id)) {
                Some(Dataset::Anonymised) => policy.anonymised = self.view_named(&items.view).0,
                Some(Dataset::Statistical) => {
                    let message = "a statistical dataset holds level `statistical` and nothing else";
                    self.reader.fault(items.id.span.clone(), message, None);
                }
                None => {}
            }
            self.cited(&items.clauses);
        }
    }

    // --- rules --------------------------------------------------------------------------------------------------------

    fn rule(&self, policy: &mut Policy, id: &Text, clauses: Vec<ClauseId>) -> RuleId {
        if policy.rules.iter().any(|rule| rule.name == id.text) {
            self.twice("rule", id);
        }
        let index = u32::try_from(policy.rules.len()).unwrap_or(u32::MAX);
        policy.rules.push(Rule { name: id.text.clone(), clauses });
        RuleId(index)
    }

    fn permits(&self, policy: &mut Policy) -> Vec<Wide> {
        let mut wide = Vec::new();
        for permit in &self.document.permits {
            let rule = self.rule(policy, &permit.id, self.cited(&permit.clauses));
            wide.push(self.permit(policy, permit, rule));
        }
        self.exception_permits(policy, &mut wide);
        self.request_permits(policy, &mut wide);
        wide
    }

    fn permit(&self, policy: &mut Policy, permit: &Permit, rule: RuleId) -> Wide {
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

    fn covered(&self, policy: &Policy, permit: &Permit) -> Vec<PurposeId> {
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

    fn needs(&self, policy: &mut Policy, permit: &Permit) -> (u8, Option<u8>) {
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
    fn exception_permits(&self, policy: &mut Policy, wide: &mut Vec<Wide>) {
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

    /// The principal's requests: the person under the request's own list, staff who handle it under the row `rest`.
    fn request_permits(&self, policy: &mut Policy, wide: &mut Vec<Wide>) {
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
            add(RecipientId::PRINCIPAL, "principal-request", For::Staff, None);
            add(RecipientId::INTERNAL, "stated-purpose", For::Both, None);
        }
    }

    fn forbids(&self, policy: &mut Policy) -> Vec<(Cap, Vec<PurposeId>, Vec<RecipientId>)> {
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

    fn aparts(&self, policy: &mut Policy) {
        for apart in &self.document.aparts {
            let rule = self.rule(policy, &apart.id, self.cited(&apart.clauses));
            let (withhold, beside) = (self.selected(&apart.withhold), self.selected(&apart.beside));
            // Beside any identity at all, guarded ones too: a subtree, not a selector.
            let beside = apart.beside.iter().fold(beside, |set, name| set.or(self.vocabulary.subtree(&name.text)));
            policy.aparts.push(Apart { rule, withhold, beside });
        }
    }

    fn opt_outs(&self, policy: &mut Policy) {
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
fn cells(policy: &mut Policy, permits: &[Wide], forbids: &[(Cap, Vec<PurposeId>, Vec<RecipientId>)]) {
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

/// Recipient ids, `kind:…`, `*`, each possibly with `!` before it (then all others are meant).
pub(super) fn recipients_named(reader: &Reader, policy: &Policy, names: &[Text]) -> Vec<RecipientId> {
    let mut chosen: Vec<RecipientId> = Vec::new();
    for name in names {
        let (negated, word) = match name.text.strip_prefix('!') {
            Some(word) => (true, word),
            None => (false, name.text.as_str()),
        };
        let matches: Vec<RecipientId> = match (word, word.strip_prefix("kind:")) {
            ("*", _) => policy.recipients().map(|(id, _)| id).collect(),
            (_, Some(kind)) => {
                let kinds = read_kinds(reader, &[Text { text: kind.to_owned(), span: name.span.clone() }]);
                policy.recipients().filter(|(_, r)| r.kind.bit() & kinds != 0).map(|(id, _)| id).collect()
            }
            (id, None) => policy.recipient_id(id).into_iter().collect(),
        };
        if matches.is_empty() && !word.starts_with("kind:") {
            reader.unknown("recipient", name, policy.recipient_ids.keys().map(String::as_str));
        }
        chosen.extend(policy.recipients().map(|(id, _)| id).filter(|id| matches.contains(id) != negated));
    }
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
