//! What is refused at entry, so that a slip cannot silently grant or silently not stop?

use sekisho::policy::Source;
use sekisho::registry::{End, Entry, Filter, Happened, Kind, RegistryError, json, table};

use super::{Folder, NOW, add, end, entry, refusal};

fn mistake(kind: &str, words: &[&str]) -> String {
    match Entry::parse(kind, words.iter().copied()) {
        Err(mistakes) => mistakes.to_string(),
        Ok(_) => panic!("{kind} {words:?} was taken"),
    }
}

#[test]
fn a_mistake_of_form_is_named_with_its_remedy() {
    for (kind, words, parts) in [
        (
            "consnt",
            &["subject=d-1"][..],
            &["no kind of entry `consnt`", "did you mean `consent`?", "`block-caller`"][..],
        ),
        ("consent", &["subjct=d-1"], &["no key `subjct`", "did you mean `subject`?", "`purpose`!"]),
        ("consent", &["research"], &["not of the form `key=value`", "`consent` takes `subject`!"]),
        ("consent", &["subject=d-1"], &["`purpose` is missing"]),
        ("consent", &["subject=d-1", "purpose="], &["`purpose` is empty"]),
        ("consent", &["subject=d-1", "subject=d-2", "purpose=x"], &["`subject` is given twice"]),
        ("restriction", &["subject=d-1 ", "name=stop-use"], &["`subject` has white space"]),
        ("objection", &["subject=d-1", "categories=health,"], &["`categories` is empty"]),
    ] {
        let message = mistake(kind, words);
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
    }
}

#[test]
fn a_mistake_never_repeats_a_persons_id() {
    let long = format!("subject=d-secret{}", "x".repeat(600));
    for words in
        [["subject= d-secret", "name=stop-use"], [long.as_str(), "name=stop-use"], ["d-secret", "name=stop-use"]]
    {
        assert!(!mistake("restriction", &words).contains("d-secret"));
    }
}

#[test]
fn an_unknown_word_is_refused_with_the_nearest() {
    let folder = Folder::new();
    let registry = folder.open();
    for (line, part) in [
        ("restriction subject=d-1 name=stop-usee", "`name` is unknown: `stop-usee` (did you mean `stop-use`?)"),
        ("objection subject=d-1 categories=heath", "did you mean `health`?"),
        ("relation subject=d-1 relation=agnet person=p", "did you mean `agent`?"),
        ("relation subject=d-1 relation=agent", "the relation `agent` needs `person`"),
        ("relation subject=d-1 relation=commissioned-exam person=p", "needs `organization`"),
        ("consent subject=d-1 purpose=x until=2026-02-30", "`until` is no date or date-time with offset: `2026-02-30`"),
        ("consent subject=d-1 purpose=x from=2026-03-01 until=2026-02-28", "`from` is not before `until`"),
        ("organization id=internal recipient=contractor", "`internal` is reserved"),
        ("organization id=x recipient=principal", "no organisation is the recipient `principal`"),
        ("organization id=x recipient=contractor country=jp", "two capitals"),
        ("organization id=x recipient=contractor overseas=concent", "did you mean `consent`?"),
        ("organization id=x recipient=contractor overseas-until=2027-01-01", "without `overseas`"),
        ("informed subject=d-1 purpose=x at=yesterday", "`at` is no date"),
    ] {
        let message = refusal(registry.add(&entry(line), &[], "officer", NOW));
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
    assert!(registry.show(&Filter { ended: true, ..Filter::default() }).unwrap().is_empty(), "nothing was entered");
    assert!(refusal(registry.add(&entry("block subject=d-1"), &[], "", NOW)).contains("who enters it"));
}

#[test]
fn a_withdrawal_that_would_stop_nothing_is_refused() {
    let folder = Folder::new();
    let registry = folder.open();
    add(&registry, "consent subject=d-1 purpose=research recipient=researcher");
    add(&registry, "consent subject=d-1 purpose=care");
    for (line, part) in [
        ("withdrawal subject=d-2 purpose=research", "no such consent"),
        ("withdrawal subject=d-1 purpose=marketing", "no such consent"),
        ("withdrawal subject=d-1 purpose=research recipient=other", "no such consent"),
        ("withdrawal subject=d-1 purpose=research.genome", "consent 1 is broader"),
        ("withdrawal subject=d-1 purpose=care recipient=x", "consent 2 is broader"),
    ] {
        let message = refusal(registry.add(&entry(line), &[], "officer", NOW));
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
    let withdrawal = add(&registry, "withdrawal subject=d-1");
    assert!(registry.facts(NOW).unwrap().person("d-1").consents.is_empty());
    let again = registry.end(&End::Entry(withdrawal.entry), "officer", NOW);
    assert!(refusal(again).contains("never ended"));
    assert!(refusal(registry.add(&entry("withdrawal subject=d-1"), &[], "officer", NOW)).contains("no such consent"));
}

#[test]
fn ending_what_does_not_stand_is_refused() {
    let folder = Folder::new();
    let registry = folder.open();
    let change = add(&registry, "block subject=d-1");
    let refused = |end: &End| refusal(registry.end(end, "officer", NOW));
    assert!(refused(&End::parse("99", []).unwrap()).contains("no such entry"));
    assert!(refused(&End::parse("block", ["subject=d-2"]).unwrap()).contains("no such entry"));
    let ended = end(&registry, "block subject=d-1");
    assert!(ended.len() == 1 && ended[0].entry == change.entry && ended[0].happened == Happened::Ended);
    assert!(refused(&End::Entry(change.entry)).contains("cannot be ended again"));
    assert!(End::parse("consent", ["purpose=research"]).is_err_and(|m| m.to_string().contains("`subject` is missing")));
}

#[test]
fn a_change_says_who_what_and_whose() {
    let folder = Folder::new();
    let change = add(&folder.open(), "block subject=d-1");
    assert_eq!(
        (change.row, change.entry.0, change.kind, change.by.as_str(), change.at),
        (1, 1, Kind::Block, "officer", NOW)
    );
    assert!(change.subject.as_deref() == Some("d-1") && change.happened == Happened::Added);
}

#[test]
fn the_list_shows_what_stands_and_with_its_history_all() {
    let folder = Folder::new();
    let registry = folder.open();
    add(&registry, "consent subject=d-1 purpose=research categories=health,contact");
    add(&registry, "withdrawal subject=d-1 purpose=research");
    add(&registry, "block subject=d-2");
    end(&registry, "block subject=d-2");
    let standing = registry.show(&Filter::default()).unwrap();
    assert_eq!(standing.iter().map(|one| one.id.0).collect::<Vec<_>>(), [2]);
    let all = registry.show(&Filter::parse(["ended"]).unwrap()).unwrap();
    assert_eq!(all.iter().map(|one| one.id.0).collect::<Vec<_>>(), [1, 2, 3]);
    let one = registry.show(&Filter::parse(["block", "subject=d-2", "ended"]).unwrap()).unwrap();
    assert_eq!(one.len(), 1);
    let text = table(&all);
    assert!(text.contains("subject=d-1 purpose=research categories=health,contact"), "{text}");
    assert!(text.contains("withdrawn by 2") && text.contains("2026-11-22T00:00:00Z by officer"), "{text}");
    let value = json(&all);
    assert_eq!(value[0]["words"]["categories"], serde_json::json!(["health", "contact"]));
    assert_eq!(value[2]["ended"]["by"], "officer");
}

#[test]
fn seeds_are_entered_whole_and_once() {
    let folder = Folder::new();
    let registry = folder.open();
    let text = r#"
        [[consent]]
        subject = "d-1"
        purpose = "research"
        categories = ["health"]
        until = 2027-03-31
        [[withdrawal]]
        subject = "d-2"
        [[consent]]
        subject = "d-2"
        purpose = "care"
        [[organization]]
        id = "keio-tc"
        recipient = "transplant-center"
        country = "JP"
        purposes = ["coordination"]
    "#;
    let seed = || registry.seed(Source::new("registry.toml", text), &[], "seeds", NOW).unwrap();
    assert_eq!(seed().len(), 4);
    assert_eq!(seed().len(), 0, "what stands is passed over");
    let view = registry.facts(NOW).unwrap();
    assert_eq!(view.person("d-1").consents.len(), 1);
    assert!(view.person("d-2").consents.is_empty());
    assert_eq!(view.register().of("keio-tc").next().unwrap().1.purposes.as_deref().unwrap(), ["coordination"]);
    end(&registry, "consent subject=d-1");
    assert_eq!(seed().len(), 0, "read again they bring no ended consent back");
    assert!(registry.facts(NOW).unwrap().person("d-1").consents.is_empty());
}

#[test]
fn every_fault_of_the_seeds_is_told_with_its_place_and_nothing_entered() {
    let folder = Folder::new();
    let registry = folder.open();
    let text = "[[consent]]\nsubject = \"d-1\"\npurpse = \"x\"\n[[restriction]]\nsubject = \"d-1\"\nname = \"stop-us\"\n\
                [[objection]]\nsubject = \"d-1\"\ncategories = []\n[[objetion]]\nsubject = \"d-1\"\n";
    let faults = match registry.seed(Source::new("registry.toml", text), &[], "seeds", NOW) {
        Err(RegistryError::Seeds(faults)) => faults.to_string(),
        _ => panic!("taken"),
    };
    for part in [
        "registry.toml:1:1: `purpose` is missing",
        "registry.toml:3:1: unknown key `purpse` (did you mean `purpose`?)",
        "registry.toml:6:8: `name` is unknown: `stop-us` (did you mean `stop-use`?)",
        "`categories` is empty: leave it out for any",
        "unknown key `objetion` (did you mean `objection`?)",
    ] {
        assert!(faults.contains(part), "{part:?} is not in\n{faults}");
    }
    assert_eq!(registry.facts(NOW).unwrap().persons(), 0);
}
