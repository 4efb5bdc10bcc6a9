//! Are an entry's names those of a policy? One that no policy knows would stop, or grant, nothing.

use std::sync::Arc;

use sekisho::policy::{Policy, Source, Vocabulary, compile};

use super::{Folder, NOW, entry, refusal};

fn policy(purpose: &str) -> Arc<Policy> {
    let text = format!(
        r#"
        [policy]
        id = "p"
        title = "P"
        authoritative-language = "en"
        time-zone = "Asia/Tokyo"
        revision = "1"
        effective = 2020-01-01
        contact = "desk@example.org"
        [[clause]]
        id = "1"
        gist = "all of it"
        organisational = "by the desk"
        [purpose."{purpose}"]
        clause = "1"
        about = "*"
        view = "v"
        [view.v]
        clear = ["health"]
        [recipient.researcher]
        kind = "academic"
        clause = "1"
        [role.doctor]
        serves = ["{purpose}"]
        [[permit]]
        id = "r"
        clause = "1"
        purpose = "{purpose}"
        to = "internal"
        basis = "stated-purpose"
        [request]
        "disclosure" = "1"
        "provision-records" = "1"
        "notification" = "1"
        "correction" = "1"
        "addition" = "1"
        "deletion" = "1"
        "erasure" = "1"
        "stop-use" = "1"
        "stop-third-party-provision" = "1"
        [condition.default]
        clause = "1"
        [condition.provision]
        clause = "1"
        [condition.specific]
        clause = "1"
        [condition.contact]
        clause = "1"
        [opt-out.google-analytics]
        clause = "1"
        purpose = "{purpose}"
        "#
    );
    let vocabulary = Arc::new(Vocabulary::compiled_in().unwrap());
    Arc::new(compile(Source::new("policy.toml", text), &vocabulary).unwrap())
}

#[test]
fn a_name_that_no_policy_knows_is_refused_with_the_nearest() {
    let folder = Folder::new();
    let registry = folder.open();
    let policies = [policy("research"), policy("coordination")];
    for (line, part) in [
        ("objection subject=d-1 purpose=reserch", "`purpose` is unknown: `reserch` (did you mean `research`?)"),
        (
            "objection subject=d-1 recipient=reseacher",
            "`recipient` is unknown: `reseacher` (did you mean `researcher`?)",
        ),
        ("consent subject=d-1 purpose=cordination", "did you mean `coordination`?"),
        ("organization id=x recipient=researchr", "did you mean `researcher`?"),
        ("organization id=x recipient=researcher purposes=research,cordination", "did you mean `coordination`?"),
        ("approval organization=x purpose=zzzzzzzzzzzz", "`purpose` is unknown: `zzzzzzzzzzzz`"),
        ("informed subject=d-1 purpose=reserch at=2026-01-01", "did you mean `research`?"),
        ("opt-out subject=d-1 name=google-analytic", "did you mean `google-analytics`?"),
    ] {
        let message = refusal(registry.add(&entry(line), &policies, "officer", NOW));
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
    for line in [
        "objection subject=d-1 purpose=coordination recipient=researcher categories=health",
        "organization id=x recipient=researcher purposes=research,coordination overseas=consent overseas-until=2027-01-01",
        "opt-out subject=d-1 name=google-analytics",
        "opt-out subject=d-1 name=research",
        "relation subject=d-1 relation=agent person=u-1 records=r-1,r-2",
        "informed subject=d-1 purpose=research at=2026-01-01",
    ] {
        registry.add(&entry(line), &policies, "officer", NOW).unwrap();
    }
    let view = registry.facts(NOW).unwrap();
    let person = view.person("d-1");
    assert_eq!(person.objections[0].purpose.as_deref(), Some("coordination"));
    assert_eq!(person.opt_outs, ["google-analytics", "research"]);
    assert_eq!(person.relations[0].records.as_deref().unwrap(), ["r-1", "r-2"]);
    assert_eq!(person.informed[0].purpose, "research");
}
