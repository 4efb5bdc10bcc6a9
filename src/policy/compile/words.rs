//! Views, purposes, recipients, roles and conditions: the words that rules are made of.

use super::Compiler;
use crate::policy::document::{self, CONDITIONS, View};
use crate::policy::facts::{Overseas, covers};
use crate::policy::kind::{Dataset, Kind, Kinds, read_kinds};
use crate::policy::moment::Window;
use crate::policy::reader::Text;
use crate::policy::table::{ClauseId, Conditions, Family, Policy, Purpose, PurposeId, Recipient, RoleSet};
use crate::policy::{Form, Release};

impl Compiler<'_> {
    // --- views, purposes, recipients, roles ---------------------------------------------------------------------------

    pub(super) fn view(&self, view: &View) -> (Release, bool) {
        let forms = [Form::Masked, Form::Generalised, Form::Pseudonymised, Form::Clear];
        let mut release = Release::NOTHING;
        for (form, selectors) in forms.into_iter().zip(&view.forms) {
            release = release.most(&Release::of(self.selected(selectors), form));
        }
        (release, view.writes)
    }

    pub(super) fn view_named(&self, name: &Text) -> (Release, bool) {
        self.views.get(name.text.as_str()).copied().unwrap_or_else(|| {
            self.reader.unknown("view", name, self.views.keys().copied());
            (Release::NOTHING, false)
        })
    }

    pub(super) fn purposes(&self) -> Vec<Purpose> {
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
            let beneath = purposes.iter().rposition(|p| covers(&name, &p.name)).unwrap_or(index);
            if let (Some(purpose), Ok(last)) = (purposes.get_mut(index), u32::try_from(beneath)) {
                purpose.last = PurposeId(last);
            }
        }
        purposes
    }

    pub(super) fn stated_purpose(&self, stated: &document::Purpose, purposes: &mut Vec<Purpose>) {
        let id = &stated.id;
        if purposes.iter().any(|p| p.name == id.text) {
            self.twice("purpose", id);
        }
        let reserved = ["exception", "principal-request"].iter().any(|r| covers(r, &id.text));
        // Nothing is incidental to nothing: alone it may only group.
        let bare = id.text == "incidental" && !stated.grouping;
        if reserved || bare || id.text.split('.').any(str::is_empty) {
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
    pub(super) fn own_view(&self, id: &Text, grouping: bool) -> (Release, bool) {
        let above = self.document.purposes.iter().filter(|p| covers(&p.id.text, &id.text));
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

    pub(super) fn template_purposes(&self, classes: u32, purposes: &mut Vec<Purpose>) {
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

    pub(super) fn recipients(&self) -> Vec<Recipient> {
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

    pub(super) fn grounds(&self, names: &[Text]) -> Vec<Overseas> {
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

    pub(super) fn roles(&self, policy: &mut Policy) {
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

    pub(super) fn conditions(&self, policy: &mut Policy) {
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
            in_force: of("in-force"),
        };
        for except in find("block").map(|c| c.except.as_slice()).unwrap_or_default() {
            let Some(id) = self.purpose_named(policy, except) else { continue };
            let Some(last) = policy.purpose(id).map(|p| p.last) else { continue };
            for purpose in policy.purposes.iter_mut().take(last.0 as usize + 1).skip(id.0 as usize) {
                purpose.despite_block = true;
            }
        }
    }

    pub(super) fn datasets(&self, policy: &mut Policy) {
        for items in &self.document.datasets {
            match self.dataset(Some(&items.id)) {
                Some(Dataset::Anonymised) => {
                    policy.anonymised = self.view_named(&items.view).0;
                    policy.anonymised_clauses = self.cited(&items.clauses);
                }
                Some(Dataset::Statistical) => {
                    let message = "a statistical dataset holds level `statistical` and nothing else";
                    self.reader.fault(items.id.span.clone(), message, None);
                }
                None => {}
            }
        }
    }
}
