//! What is asked, and what may leave at most: generated requests of every caller, role, purpose and route of a policy, and
//! a bound computed beside the layer. Used against the layer in process and against the program over sockets.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sekisho::catalogue::Catalogue;
use sekisho::decision::{self, Named, decide};
use sekisho::demo::sample::{Canaries, Org};
use sekisho::policy::{Action, Categories, Form, Policy, Source};
use sekisho::registry::{Entry, Registry};
use serde_json::json;

/// A generator of numbers (xorshift64*), so that a seed makes the same requests.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub(crate) fn percent(&mut self, of: usize) -> bool {
        self.below(100) < of
    }

    pub(crate) fn pick<'v, T>(&mut self, of: &'v [T]) -> &'v T {
        &of[self.below(of.len())]
    }
}

/// One request, in words.
#[derive(Clone, Default)]
pub(crate) struct Case {
    pub(crate) caller: String,
    pub(crate) role: Option<String>,
    pub(crate) organization: Option<String>,
    pub(crate) stranger: bool,
    pub(crate) purpose: String,
    pub(crate) parameters: Vec<(&'static str, String)>,
    pub(crate) malformed: bool,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) body: String,
    pub(crate) chunk: usize,
    pub(crate) dry_run: bool,
}

impl Case {
    pub(crate) fn claims(&self) -> serde_json::Value {
        let mut claims = json!({"sub": self.caller});
        if let Some(role) = &self.role {
            claims["roles"] = json!([role]);
        }
        if let Some(organization) = &self.organization {
            claims["org"] = json!(organization);
        }
        if self.stranger { serde_json::Value::Null } else { claims }
    }

    pub(crate) fn declaration(&self) -> String {
        let mut text = self.purpose.clone();
        for (key, value) in &self.parameters {
            text.push_str(&format!(";{key}=\"{value}\""));
        }
        if self.malformed { format!("{text};;basis=\"law\"") } else { text }
    }

    fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| *known == key).map(|(_, value)| value.as_str())
    }
}

/// An organisation whose data are canaries, and what is on file about it.
pub(crate) struct World {
    policy: Arc<Policy>,
    catalogue: Catalogue,
    registry: Arc<Registry>,
    /// Token → the labels of the values that hold it.
    pub(crate) canaries: HashMap<String, HashSet<&'static str>>,
    pub(crate) values: Vec<String>,
    pub(crate) ids: HashMap<String, Vec<String>>,
    organizations: Vec<(String, Vec<String>)>,
    pub(crate) pseudonyms: Vec<String>,
}

/// The runs of letters, digits and `-.:_` of a text.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
    text.split(move |c| !inner(c)).filter(|token| token.len() >= 6 && token.bytes().any(|b| b.is_ascii_digit()))
}

impl World {
    /// `registry`: the gate's; facts are put on file in it, at `now_ms`.
    pub(crate) fn new(org: Org, made: &Canaries, policy: &Arc<Policy>, registry: Arc<Registry>, now_ms: i64) -> World {
        let mut canaries: HashMap<String, HashSet<&'static str>> = HashMap::new();
        for (value, label) in &made.values {
            for token in tokens(value) {
                canaries.entry(token.to_owned()).or_default().insert(label);
            }
        }
        let values = made.values.keys().filter(|value| value.is_ascii() && !value.contains(' ')).cloned().collect();
        let ids = org.kinds().iter().map(|kind| (kind.collection.to_owned(), made.sample.ids(kind.collection)));
        let api = Source::new("catalogue.toml", org.catalogue());
        let mut world = World {
            catalogue: Catalogue::read([api], &policy.vocabulary).unwrap(),
            policy: Arc::clone(policy),
            registry,
            canaries,
            values,
            ids: ids.collect(),
            organizations: Vec::new(),
            pseudonyms: Vec::new(),
        };
        world.register(now_ms);
        world
    }

    /// Puts a fact on file, if there can be such a fact.
    fn try_add(&self, kind: &str, words: &str, now_ms: i64) -> bool {
        let Ok(entry) = Entry::parse(kind, words.split(' ')) else { return false };
        self.registry.add(&entry, &[Arc::clone(&self.policy)], "test", now_ms).is_ok()
    }

    /// An organisation for each recipient, entrusted with whatever the policy grants it.
    fn register(&mut self, now_ms: i64) {
        let policy = Arc::clone(&self.policy);
        for (id, recipient) in policy.recipients().filter(|(_, recipient)| recipient.name != "principal") {
            let granted = policy.purposes().filter(|(purpose, _)| !policy.grants(*purpose, id).is_empty());
            let purposes: Vec<String> = granted.map(|(_, purpose)| purpose.name.clone()).collect();
            let organization = format!("org-of-{}", recipient.name);
            let words = format!("id={organization} recipient={} country=JP", recipient.name);
            let entrusted = format!("{words} purposes={}", purposes.join(","));
            if !self.try_add("organization", &entrusted, now_ms) && !self.try_add("organization", &words, now_ms) {
                continue;
            }
            for purpose in &purposes {
                let words = format!("organization={organization} purpose={purpose} from=2026-01-01 until=2099-12-31");
                self.try_add("approval", &words, now_ms);
            }
            self.organizations.push((organization, purposes));
        }
        let people: Vec<String> = self.ids.values().flat_map(|ids| ids.iter().take(2).cloned()).collect();
        for (at, person) in people.iter().enumerate().take(8) {
            let (_, purpose) = policy.purposes().nth(at % policy.purposes().count()).unwrap();
            self.try_add("consent", &format!("subject={person} purpose={}", purpose.name), now_ms);
        }
        self.try_add("restriction", &format!("subject={} name=stop-use", people[0]), now_ms);
    }

    pub(crate) fn case(&mut self, random: &mut Random, number: usize) -> Case {
        let policy = Arc::clone(&self.policy);
        let mut case = Case { caller: format!("caller-{}", number % 40), ..Case::default() };
        let all: Vec<String> = policy.purposes().map(|(_, purpose)| purpose.name.clone()).collect();
        let mut fitting = all.clone();
        match random.below(100) {
            0..45 => {
                let roles: Vec<&str> = policy.roles().collect();
                let role = *random.pick(&roles);
                let bit = policy.roles_of([role]);
                let served = policy.purposes().filter(|(_, purpose)| purpose.served_by & bit != 0);
                fitting = served.map(|(_, purpose)| purpose.name.clone()).collect();
                case.role = Some(role.to_owned());
            }
            45..80 => {
                let (organization, purposes) = random.pick(&self.organizations);
                fitting = purposes.clone();
                case.organization = Some(organization.clone());
            }
            80..95 => {
                let mut collections: Vec<&Vec<String>> = self.ids.values().filter(|ids| !ids.is_empty()).collect();
                collections.sort();
                let people: &[String] = random.pick::<&Vec<String>>(&collections);
                case.caller = random.pick(people).clone();
                case.organization = Some("principal".into());
            }
            _ => case.stranger = true,
        }
        let fitting = if fitting.is_empty() || random.percent(25) { &all } else { &fitting };
        case.purpose = random.pick(fitting).clone();
        self.declare(&mut case, random);
        self.route(&mut case, random);
        // Whole collections in single bytes take too long.
        let sizes =
            if case.target.starts_with("/export") { [0, 0, 4096, 1000, 511, 64] } else { [0, 0, 1000, 64, 7, 1] };
        case.chunk = *random.pick(&sizes);
        case.dry_run = random.percent(5);
        case
    }

    fn declare(&self, case: &mut Case, random: &mut Random) {
        const BASES: [&str; 7] =
            ["consent", "law", "academic-research", "entrustment", "public-interest", "own-record", "nonsense"];
        if random.percent(30) {
            case.parameters.push(("basis", (*random.pick(&BASES)).to_owned()));
        }
        if random.percent(10) {
            let recipients: Vec<&str> =
                self.policy.recipients().map(|(_, recipient)| recipient.name.as_str()).collect();
            case.parameters.push(("recipient", (*random.pick(&recipients)).to_owned()));
        }
        if random.percent(10) {
            case.parameters.push(("organization", random.pick(&self.organizations).0.clone()));
        }
        for (key, value, percent) in [("reason", "urgent", 60), ("reference", "order", 60), ("act", "Numbers Act", 10)]
        {
            if random.percent(percent) {
                case.parameters.push((key, value.to_owned()));
            }
        }
        case.malformed = random.percent(3);
    }

    fn route(&self, case: &mut Case, random: &mut Random) {
        let route = random.pick(self.catalogue.routes());
        let methods: Vec<&str> = route.methods().map(|(method, _)| method).collect();
        case.method = (*random.pick(&methods)).to_owned();
        let parts: Vec<&str> = route.template().split('/').skip(1).collect();
        let nobody = vec!["nobody-1".to_owned()];
        let of = |collection: &str| self.ids.get(collection).filter(|ids| !ids.is_empty()).unwrap_or(&nobody);
        let person = random.pick(of(parts[0])).clone();
        let number = of(parts[0]).iter().position(|id| *id == person).unwrap_or(0) + 1;
        for (at, part) in parts.iter().enumerate() {
            let id = match at {
                _ if !part.starts_with('{') => (*part).to_owned(),
                _ if random.percent(8) => {
                    let other: &str = random.pick::<&str>(&parts);
                    random.pick(of(other)).clone()
                }
                _ if random.percent(10) && !self.pseudonyms.is_empty() => random.pick(&self.pseudonyms).clone(),
                1 => person.clone(),
                _ => {
                    let mine = format!("-{number:04}-");
                    let found = of(parts[at - 1]).iter().find(|id| id.contains(&mine));
                    found.unwrap_or(&person).clone()
                }
            };
            case.target.push('/');
            case.target.push_str(&id);
        }
        let mut parameters: Vec<&str> = route.parameters().collect();
        parameters.sort_unstable();
        if random.percent(25) && !parameters.is_empty() {
            let value = match random.below(3) {
                0 => "2".to_owned(),
                1 => "name".to_owned(),
                _ => random.pick(&self.values).clone(),
            };
            case.target.push_str(&format!("?{}={value}", random.pick::<&str>(&parameters)));
        }
        if matches!(case.method.as_str(), "POST" | "PUT" | "PATCH") {
            let named = if random.percent(10) { "nobody-2".to_owned() } else { person.clone() };
            let key = if parts.len() > 2 { format!("{}_id", parts[0].trim_end_matches('s')) } else { "id".into() };
            let rest =
                random.pick(&["", ",\"status\":\"x\"", ",\"phone\":\"1\",\"phone\":\"2\"", ",\"my_number\":\"1\""]);
            case.body = format!("{{\"{key}\":\"{named}\"{rest}}}");
        }
        if case.method == "GET" && random.percent(8) {
            case.method = "HEAD".into();
        }
    }

    /// What a list has just shown may be asked for by name.
    pub(crate) fn learn(&mut self, body: &str) {
        let list: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let id = list["items"][0]["id"].as_str().map(str::to_owned);
        self.pseudonyms.extend(id.filter(|id| !self.canaries.contains_key(id)));
    }

    /// What could leave in clear at most, whomever it is about; `None`: nothing may.
    pub(crate) fn bound(&self, case: &Case, now_ms: i64) -> Option<(Categories, Categories)> {
        if case.stranger || case.malformed || case.dry_run || case.method == "HEAD" {
            return None;
        }
        let policy = &self.policy;
        let (path, query) = case.target.split_once('?').map_or((&*case.target, None), |(p, q)| (p, Some(q)));
        let resolved = self.catalogue.resolve(&case.method, path, query).ok()?;
        let purpose = policy.declared(&case.purpose).ok()??;
        let reads = resolved.action.releases();
        let (action, asked) =
            if reads { (resolved.action, resolved.asked) } else { (Action::Read, resolved.route.everything()) };
        let class = match resolved.route.subject_class_index() {
            Some(class) => class,
            None => policy.purpose(purpose)?.classes.trailing_zeros() as u8,
        };
        let view = self.registry.facts(now_ms).unwrap();
        let vocabulary = &policy.vocabulary;
        let request = decision::Request {
            caller: decision::Caller {
                id: &case.caller,
                organization: case.organization.as_deref(),
                roles: policy.roles_of(case.role.as_deref()),
                verified: true,
                training_until: None,
            },
            action,
            record: "",
            class: Named::Known(class),
            subject: None,
            dataset: resolved.route.certified().map(|certified| certified.dataset),
            asked,
            asked_unknown: false,
            query: if reads { resolved.query_categories } else { Categories::NONE },
            query_unknown: false,
            purpose: Named::Known(purpose),
            basis: Named::from(case.parameter("basis").map(|name| vocabulary.basis_id(name))),
            recipient: Named::from(case.parameter("recipient").map(|name| policy.recipient_id(name))),
            organization: case.parameter("organization"),
            reason: case.parameter("reason").is_some(),
            reference: case.parameter("reference").is_some(),
            act: Named::from(case.parameter("act").map(|name| vocabulary.act(name))),
            source: false,
            time: now_ms,
            register: view.register(),
            person: None,
        };
        let permit = decide(policy, &request).ok()?;
        Some((permit.release().having(Form::Clear, asked), asked))
    }

    /// The canaries in a text that may not be there.
    pub(crate) fn leaks<'t>(
        &self,
        text: &'t str,
        case: &Case,
        bound: Option<(Categories, Categories)>,
    ) -> Vec<&'t str> {
        // Level `specific`: to the person, or by the Numbers Act with a reference.
        let act = |key, value| case.parameter(key) == Some(value);
        let by_act = act("basis", "law") && act("act", "Numbers Act") && case.parameter("reference").is_some();
        let numbers = case.organization.as_deref() == Some("principal") || by_act;
        let may = |label: &&str| match (*label, bound) {
            ("never" | "unnamed" | "identity.credential", _) | (_, None) => false,
            ("open", Some(_)) => true,
            ("free-text", Some((clear, asked))) => clear == asked,
            ("identity.my-number", Some(_)) if !numbers => false,
            (label, Some((clear, _))) => self.policy.vocabulary.category(label).is_some_and(|c| clear.contains(c)),
        };
        // What he asked and searched by is his own word: a page's link says it back, the path as a whole.
        let (path, said) = case.target.split_once('?').unwrap_or((&case.target, ""));
        let text_at = text.as_ptr().addr();
        let paths: Vec<_> =
            text.match_indices(path).map(|(at, found)| text_at + at..text_at + at + found.len()).collect();
        let in_path = |token: &str| paths.iter().any(|path| path.contains(&token.as_ptr().addr()));
        tokens(text)
            .filter(|token| {
                !said.contains(token)
                    && !in_path(token)
                    && self.canaries.get(*token).is_some_and(|labels| !labels.iter().any(may))
            })
            .collect()
    }
}
