//! Does the dense table say what the document says, in every cell of the five policies?

use std::time::Instant;

use sekisho::decision::reference::{Question, Reading};
use sekisho::policy::facts::{Consent, Overseas};
use sekisho::policy::{Action, Dataset, Window};

use super::support::{Dice, Facts, Loaded, at, difference, good, objection, question};

/// Who calls: id, organisation, roles.
pub(super) struct Who {
    pub id: String,
    pub organization: Option<String>,
    pub roles: Vec<String>,
}

/// Every role, every recipient id as an outside organisation, the person, the agent, a stranger and nobody.
pub(super) fn callers(loaded: &Loaded) -> Vec<Who> {
    let who = |id: &str, organization: Option<&str>, roles: &[&str]| Who {
        id: id.to_owned(),
        organization: organization.map(str::to_owned),
        roles: roles.iter().map(|r| (*r).to_owned()).collect(),
    };
    let mut callers = vec![
        who("person-1", Some("principal"), &[]),
        who("agent-1", Some("principal"), &[]),
        who("stranger", Some("principal"), &[]),
        who("stranger", Some("internal"), &[]),
        who("stranger", Some("org-nobody-knows"), &[]),
        who("stranger", None, &[]),
        who("stranger", None, &["no-such-role"]),
    ];
    let every: Vec<&str> = loaded.policy.roles().collect();
    callers.extend(every.iter().map(|role| who("staff-1", None, &[role])));
    callers.push(who("staff-1", None, &every));
    for (_, recipient) in loaded.policy.recipients() {
        callers.push(who("stranger", Some(&format!("org-{}", recipient.name)), &every));
    }
    callers
}

/// Every purpose that the document or the Act names, grouping ones and an unknown one too.
pub(super) fn purposes(loaded: &Loaded) -> Vec<Option<String>> {
    let mut names: Vec<Option<String>> = loaded.policy.purposes().map(|(_, p)| Some(p.name.clone())).collect();
    names.extend([Some("incidental".to_owned()), Some("no-such.purpose".to_owned()), None]);
    names
}

fn bases(loaded: &Loaded) -> Vec<Option<&str>> {
    let known = loaded.vocabulary.bases.iter().map(|basis| Some(basis.name.as_str()));
    known.chain([None, Some("opt-out")]).collect()
}

/// What staff, or an outsider, names as recipient: every one for a role that serves the purpose, else none, its own, and
/// now and then one that is not its own.
fn recipients<'l>(loaded: &'l Loaded, who: &Who, purpose: Option<&str>, dice: &mut Dice) -> Vec<Option<&'l str>> {
    let all = loaded.policy.recipients().map(|(_, r)| r.name.as_str());
    let own = who.organization.as_deref().and_then(|o| o.strip_prefix("org-"));
    let serves = |role: &&sekisho::policy::document::Role| {
        role.serves.iter().any(|s| purpose.is_some_and(|p| sekisho::policy::covers(&s.text, p)))
    };
    let role =
        loaded.document.roles.iter().filter(|r| who.roles.len() == 1 && who.roles.contains(&r.id.text)).find(serves);
    let every = who.organization.is_none() && (role.is_some() || all_cells());
    let (other, unknown) = (every || dice.below(4) == 0, every || dice.below(4) == 0);
    let meant = |name: &&str| every || own == Some(name) || (other && *name == "authority");
    all.filter(meant).map(Some).chain([None]).chain(unknown.then_some(Some("no-such-recipient"))).collect()
}

/// The class that the purpose is meant for, where it names one.
pub(super) fn class<'l>(loaded: &'l Loaded, purpose: Option<&str>) -> Option<&'l str> {
    let stated = loaded.document.purposes.iter().find(|p| Some(p.id.text.as_str()) == purpose);
    let named = stated.and_then(|p| p.about.iter().find(|c| c.text != "*")).map(|c| c.text.as_str());
    let any =
        || loaded.document.purposes.iter().flat_map(|p| &p.about).find(|c| c.text != "*").map(|c| c.text.as_str());
    named.or_else(any)
}

/// `SEKISHO_CELLS=all` leaves nothing to sampling: some minutes in a release build.
fn all_cells() -> bool {
    std::env::var("SEKISHO_CELLS").is_ok_and(|v| v == "all")
}

const ROUTES: [Option<Dataset>; 3] = [None, Some(Dataset::Anonymised), Some(Dataset::Statistical)];

/// What is asked for: some of everything; everything; what most rows give; one of each level; nothing; what is unknown.
fn asks(loaded: &Loaded) -> Vec<Vec<&str>> {
    let most = [
        "identity.name",
        "identity.birth-date",
        "identity.gender",
        "identity.number",
        "identity.my-number",
        "identity.credential",
        "contact.address",
        "contact.phone",
        "finance.billing",
        "insurance.claim",
        "health.exam-result",
        "health.specimen",
        "lifestyle.activity",
        "online.cookie",
        "online.browsing",
        "record.provision",
        "aggregate.statistics",
        "work.employer",
    ];
    vec![
        most.to_vec(),
        loaded.vocabulary.names().collect(),
        vec!["identity.name", "contact.address"],
        vec!["health.exam-result", "identity.gender", "identity.birth-date"],
        vec!["identity.my-number"],
        vec!["identity.my-number", "identity.credential", "health.condition"],
        vec!["online.cookie", "online.browsing"],
        vec!["online.cookie", "identity.number"],
        vec!["finance.billing", "finance.donation"],
        vec!["aggregate.statistics"],
        vec!["record.provision"],
        vec![],
        vec!["identity", "health"],
        vec!["identity.name", "identity.unheard-of"],
    ]
}

/// Compares, and gathers what differs.
struct Comparison<'l> {
    loaded: &'l Loaded,
    reading: Reading<'l>,
    compared: usize,
    permitted: usize,
    differing: Vec<String>,
}

impl<'l> Comparison<'l> {
    fn new(loaded: &'l Loaded) -> Comparison<'l> {
        Comparison { loaded, reading: loaded.reading(), compared: 0, permitted: 0, differing: Vec::new() }
    }

    /// Whether it is permitted.
    fn compare(&mut self, q: &Question<'_>, what: &str) -> bool {
        self.compared += 1;
        match difference(&self.loaded.policy, &self.reading, q) {
            Ok(answer) => {
                self.guard(q, &answer);
                self.permitted += usize::from(answer.decision);
                answer.decision
            }
            Err(difference) => {
                self.differing.push(format!("[{what}] {difference}"));
                false
            }
        }
    }

    /// What holds whatever the document says: the credential for nobody, the Individual Number under its own Act only.
    fn guard(&self, q: &Question<'_>, answer: &sekisho::decision::reference::Answer) {
        assert!(!answer.release.contains_key("identity.credential"), "{}", super::support::told(q));
        if answer.release.contains_key("identity.my-number") {
            let by_act = q.basis == Some("law") && q.reference && q.act == Some("番号法");
            let own = q.organization == Some("principal") && q.subject == Some(q.caller) && q.verified;
            assert!(by_act || own && q.purpose == Some("principal-request.disclosure"), "{}", super::support::told(q));
        }
    }

    fn finish(self, org: &str, since: Instant) {
        println!("{org}: {} compared, {} permitted, {:?}", self.compared, self.permitted, since.elapsed());
        assert!(self.permitted > 100, "{org}: hardly anything is permitted; the facts are not good");
        let shown: Vec<_> = self.differing.iter().take(12).map(String::as_str).collect();
        assert!(shown.is_empty(), "{org}: {} cells differ, first:\n{}", self.differing.len(), shown.join("\n"));
    }
}

/// Every purpose × caller × recipient × basis on a live route, read; and another action and route for each in turn.
fn every_cell(org: &str) {
    let since = Instant::now();
    let loaded = Loaded::of(org);
    let (facts, asks) = (good(&loaded), asks(&loaded));
    let mut comparison = Comparison::new(&loaded);
    let mut turn = Dice::thrown(org);
    let all_at_once = all_cells();
    for purpose in purposes(&loaded) {
        for who in callers(&loaded) {
            let roles: Vec<&str> = who.roles.iter().map(String::as_str).collect();
            for recipient in recipients(&loaded, &who, purpose.as_deref(), &mut turn) {
                for basis in bases(&loaded) {
                    let base = Question {
                        caller: &who.id,
                        organization: who.organization.as_deref(),
                        roles: &roles,
                        class: class(&loaded, purpose.as_deref()),
                        purpose: purpose.as_deref(),
                        recipient,
                        basis,
                        ..question(&facts)
                    };
                    comparison.compare(&Question { categories: &asks[0], ..base }, "cell");
                    if all_at_once {
                        for (action, dataset) in Action::ALL.iter().flat_map(|a| ROUTES.map(|d| (*a, d))) {
                            for categories in &asks {
                                comparison.compare(&Question { action, dataset, categories, ..base }, "cell");
                            }
                        }
                    } else if turn.below(4) == 0 {
                        let (action, dataset) = (*turn.pick(&Action::ALL), *turn.pick(&ROUTES));
                        comparison.compare(
                            &Question { action, dataset, categories: turn.pick(&asks).as_slice(), ..base },
                            "cell",
                        );
                    }
                }
            }
        }
    }
    comparison.finish(org, since);
}

/// Facts one step away from the good ones.
fn steps(good: &Facts) -> Vec<(&'static str, Facts)> {
    let past = Window { from: i64::MIN, until: at("2026-11-22T00:00:00+09:00") };
    let consent = |change: fn(&mut Consent)| good.but(|f| f.person.consents.iter_mut().for_each(change));
    let objecting = |o| good.but(|f| f.person.objections = vec![o]);
    let stopped = |name: &str| good.but(|f| f.person.restrictions = vec![name.to_owned()]);
    let opted = |name: &str| good.but(|f| f.person.opt_outs = vec![name.to_owned()]);
    let abroad = |ground: Option<(Overseas, i64)>| {
        good.but(|f| {
            f.organizations.iter_mut().for_each(|o| (o.country, o.overseas) = (None, ground));
        })
    };
    let some = |names: [&str; 2]| {
        let vocabulary = sekisho::policy::Vocabulary::compiled_in().unwrap();
        names.iter().fold(sekisho::policy::Categories::NONE, |set, name| set.or(vocabulary.subtree(name)))
    };
    let narrow = some(["identity.name", "health"]);
    vec![
        ("good", good.clone()),
        ("no consent", good.but(|f| f.person.consents.clear())),
        ("consent ended", consent(|c| c.window.until = 0)),
        ("consent for no purpose", consent(|c| c.purpose = None)),
        ("consent to another recipient", consent(|c| c.recipient = Some("somebody".into()))),
        ("consent to another organisation", consent(|c| c.organization = Some("somebody".into()))),
        ("consent to third parties", consent(|c| c.recipient = Some("third-party".into()))),
        ("consent to an organisation", consent(|c| c.organization = Some("org-third-party-overseas".into()))),
        ("consent to some data", good.but(|f| f.person.consents.iter_mut().for_each(|c| c.categories = Some(narrow)))),
        ("consent to no data", consent(|c| c.categories = Some(sekisho::policy::Categories::NONE))),
        ("objects to everything", objecting(objection())),
        (
            "objects to some data",
            objecting({
                let mut o = objection();
                o.categories = Some(narrow);
                o
            }),
        ),
        (
            "objects to a recipient",
            objecting({
                let mut o = objection();
                o.recipient = Some("family".into());
                o
            }),
        ),
        (
            "objected once",
            objecting({
                let mut o = objection();
                o.window = past;
                o
            }),
        ),
        ("stop-use", stopped("stop-use")),
        ("erased", stopped("erased")),
        ("stop-third-party-provision", stopped("stop-third-party-provision")),
        ("unknown restriction", stopped("legal-hold")),
        ("opted out of analytics", opted("google-analytics")),
        ("opted out of advertising", opted("website.advertising")),
        ("opted out of a purpose", opted("care")),
        ("opted out of a recipient", opted("authority")),
        ("blocked", good.but(|f| f.person.blocked = true)),
        ("no relations", good.but(|f| f.person.relations.clear())),
        ("relations ended", good.but(|f| f.person.relations.iter_mut().for_each(|r| r.window = past))),
        (
            "relations of nobody named",
            good.but(|f| f.person.relations.iter_mut().for_each(|r| (r.person, r.organization) = (None, None))),
        ),
        (
            "relations to another record",
            good.but(|f| f.person.relations.iter_mut().for_each(|r| r.records = Some(vec!["record-2".into()]))),
        ),
        (
            "relations to this record",
            good.but(|f| f.person.relations.iter_mut().for_each(|r| r.records = Some(vec!["record-1".into()]))),
        ),
        (
            "relations of persons named",
            good.but(|f| {
                for relation in f.person.relations.iter_mut().filter(|r| r.kind != "agent") {
                    let employer = relation.organization.as_deref() == Some("org-employer");
                    relation.person = Some(if employer { "person-1" } else { "org-family" }.to_owned());
                }
            }),
        ),
        ("not informed", good.but(|f| f.person.informed.clear())),
        (
            "informed tomorrow",
            good.but(|f| f.person.informed.iter_mut().for_each(|i| i.at = at("2026-11-23T00:00:00+09:00"))),
        ),
        ("no approvals", good.but(|f| f.approvals.clear())),
        ("approvals ended", good.but(|f| f.approvals.iter_mut().for_each(|a| a.window = past))),
        ("approvals for no purpose", good.but(|f| f.approvals.iter_mut().for_each(|a| a.purpose = None))),
        ("contracts ended", good.but(|f| f.organizations.iter_mut().for_each(|o| o.window = past))),
        (
            "entrusted with nothing in particular",
            good.but(|f| f.organizations.iter_mut().for_each(|o| o.purposes = None)),
        ),
        ("entrusted with nothing", good.but(|f| f.organizations.iter_mut().for_each(|o| o.purposes = Some(vec![])))),
        ("nobody is registered", good.but(|f| f.organizations.clear())),
        (
            "the first entry ended",
            good.but(|f| {
                let ended = f.organizations.iter().cloned().map(|mut o| {
                    o.window = past;
                    o
                });
                f.organizations = ended.chain(f.organizations.clone()).collect();
            }),
        ),
        ("abroad", abroad(None)),
        ("abroad by consent", abroad(Some((Overseas::Consent, i64::MAX)))),
        (
            "abroad by consent that names",
            good.but(|f| {
                f.organizations
                    .iter_mut()
                    .for_each(|o| (o.country, o.overseas) = (None, Some((Overseas::Consent, i64::MAX))));
                let named: Vec<_> = f
                    .organizations
                    .iter()
                    .flat_map(|o| {
                        f.person.consents.iter().map(|c| Consent {
                            recipient: Some(o.recipient.clone()),
                            categories: Some(narrow),
                            ..c.clone()
                        })
                    })
                    .collect();
                f.person.consents.extend(named);
            }),
        ),
        ("abroad by an exception", abroad(Some((Overseas::Exception, i64::MAX)))),
        ("abroad by a system", abroad(Some((Overseas::EquivalentSystem, i64::MAX)))),
        ("abroad in a designated country until yesterday", abroad(Some((Overseas::DesignatedCountry, 0)))),
    ]
}

/// What the request itself shows, one step away.
fn shown<'a>(q: &Question<'a>) -> Vec<(&'static str, Question<'a>)> {
    vec![
        ("before the revision", Question { time: at("1999-01-01T00:00:00+09:00"), ..*q }),
        ("no class", Question { class: None, ..*q }),
        ("unknown class", Question { class: Some("passer-by"), ..*q }),
        ("class other", Question { class: Some("other"), ..*q }),
        ("class patient", Question { class: Some("patient"), ..*q }),
        ("class user", Question { class: Some("user"), ..*q }),
        ("not verified", Question { verified: false, ..*q }),
        ("training expired now", Question { training_until: Some(q.time), ..*q }),
        ("training expires", Question { training_until: Some(q.time + 1), ..*q }),
        ("no reason", Question { reason: false, ..*q }),
        ("no reference", Question { reference: false, ..*q }),
        ("no act", Question { act: None, ..*q }),
        ("another act", Question { act: Some("APPI"), ..*q }),
        ("unknown act", Question { act: Some("Act of God"), ..*q }),
        ("no source", Question { source: false, ..*q }),
        ("another's record", Question { subject: Some("person-2"), ..*q }),
        ("nobody's record", Question { subject: None, ..*q }),
        ("search on a name", Question { action: Action::Search, query: &["identity.name"], ..*q }),
        (
            "search on a code",
            Question { action: Action::Search, query: &["health.condition", "online.ip-address"], ..*q },
        ),
        ("search on what is unknown", Question { action: Action::Search, query: &["health"], ..*q }),
        ("create", Question { action: Action::Create, categories: &["identity.name", "contact.address"], ..*q }),
        ("update", Question { action: Action::Update, categories: &["finance.billing"], ..*q }),
        ("delete", Question { action: Action::Delete, ..*q }),
        ("for an organisation", Question { for_organization: Some("org-third-party"), ..*q }),
        ("for a family", Question { for_organization: Some("org-family"), ..*q }),
        ("for an unknown organisation", Question { for_organization: Some("org-nobody-knows"), ..*q }),
        ("statistics", Question { dataset: Some(Dataset::Statistical), ..*q }),
        ("anonymised", Question { dataset: Some(Dataset::Anonymised), ..*q }),
    ]
}

/// Every kind of permit on good facts, again with facts one step away, each by chance; of the other cells a sample.
fn every_fact(org: &str) {
    let since = Instant::now();
    let loaded = Loaded::of(org);
    let (facts, asks) = (good(&loaded), asks(&loaded));
    let steps = steps(&facts);
    let mut comparison = Comparison::new(&loaded);
    let mut dice = Dice::thrown(org);
    let mut seen = std::collections::BTreeSet::new();
    let all_at_once = all_cells();
    for purpose in purposes(&loaded) {
        for who in callers(&loaded) {
            let roles: Vec<&str> = who.roles.iter().map(String::as_str).collect();
            for recipient in recipients(&loaded, &who, purpose.as_deref(), &mut dice) {
                for basis in bases(&loaded) {
                    let base = Question {
                        caller: &who.id,
                        organization: who.organization.as_deref(),
                        roles: &roles,
                        class: class(&loaded, purpose.as_deref()),
                        purpose: purpose.as_deref(),
                        recipient,
                        basis,
                        categories: &asks[0],
                        ..question(&facts)
                    };
                    let answer = comparison.reading.answer(&base);
                    let staff = who.organization.is_none();
                    // The first of each kind of permit; of the others, and of the refused cells, a sample.
                    let key =
                        (purpose.clone(), answer.recipient.clone(), answer.basis.clone(), staff, recipient.is_some());
                    let new = answer.decision && seen.insert(key);
                    if !new && !all_at_once && dice.below(if answer.decision { 50 } else { 900 }) != 0 {
                        continue;
                    }
                    for (what, q) in shown(&base) {
                        if all_at_once || dice.below(3) == 0 {
                            comparison.compare(&q, what);
                        }
                    }
                    for (what, step) in &steps {
                        let q = Question { register: &step.register, person: &step.person, ..base };
                        let chance = if all_at_once { 0 } else { dice.below(8) };
                        if chance < 2 {
                            comparison.compare(&q, what);
                        }
                        if chance % 4 != 0 {
                            continue;
                        }
                        let categories = dice.pick(&asks).as_slice();
                        comparison.compare(&Question { categories, ..q }, what);
                    }
                }
            }
        }
    }
    comparison.finish(org, since);
}

macro_rules! each_policy {
    ($($name:ident => $org:literal),*) => { $(
        mod $name {
            #[test]
            fn the_judge_and_the_document_agree_in_every_cell() {
                super::every_cell($org);
            }
            #[test]
            fn the_judge_and_the_document_agree_one_fact_away() {
                super::every_fact($org);
            }
        }
    )* };
}

each_policy!(jsco => "jsco", jmdp => "jmdp", cemit22 => "22cemit", cellspect => "cellspect", sakura => "sakura");
