//! When does a change hold? From the next call on, in every process.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use super::{Folder, NOW, add, at, end, open};

#[test]
fn a_change_holds_from_the_next_call() {
    let folder = Folder::new();
    let registry = folder.open();
    assert!(registry.facts(NOW).unwrap().person("d-100").restrictions.is_empty());
    add(&registry, "restriction subject=d-100 name=stop-use");
    assert_eq!(registry.facts(NOW).unwrap().person("d-100").restrictions, ["stop-use"]);
    assert!(registry.facts(NOW).unwrap().person("d-101").restrictions.is_empty());
}

#[test]
fn a_change_by_another_connection_holds_from_the_next_call() {
    let folder = Folder::new();
    let (gate, desk) = (folder.open(), folder.open());
    for round in 0..20 {
        add(&desk, "objection subject=d-100");
        add(&desk, "organization id=acme recipient=contractor");
        let view = if round % 4 == 3 { gate.facts(NOW) } else { gate.facts_again(NOW) }.unwrap();
        assert_eq!(view.person("d-100").objections.len(), round + 1);
        assert_eq!(view.register().of("acme").count(), round + 1);
    }
    end(&gate, "objection subject=d-100");
    assert!(desk.facts(NOW).unwrap().person("d-100").objections.is_empty());
}

/// The same test binary, started again as the other process.
#[test]
fn a_change_by_another_process_holds_from_the_next_call() {
    const VARIABLE: &str = "SEKISHO_TEST_REGISTRY_WRITER";
    if let Some(path) = std::env::var_os(VARIABLE) {
        add(&open(path.as_ref(), false).unwrap(), "restriction subject=d-100 name=stop-use");
        return;
    }
    let folder = Folder::new();
    let registry = folder.open();
    assert!(registry.facts(NOW).unwrap().person("d-100").restrictions.is_empty());
    let name = "registry::effect::a_change_by_another_process_holds_from_the_next_call";
    let mut writer = Command::new(std::env::current_exe().unwrap());
    let output = writer.args([name, "--exact"]).env(VARIABLE, folder.file()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(registry.facts_again(NOW).unwrap().person("d-100").restrictions, ["stop-use"]);
    assert_eq!(registry.facts(NOW).unwrap().person("d-100").restrictions, ["stop-use"]);
}

/// Whoever closes a file gives up all locks that the process has on it: another process would take the journal for unused.
#[test]
fn a_registry_that_is_dropped_takes_no_lock_of_another_along() {
    let folder = Folder::new();
    let registry = folder.open();
    registry.facts(NOW).unwrap();
    let mut memory = folder.file().into_os_string();
    memory.push("-shm");
    let inode = format!(":{} ", std::fs::metadata(memory).unwrap().ino());
    let locks = || std::fs::read_to_string("/proc/locks").unwrap().lines().filter(|l| l.contains(&inode)).count();
    assert!(locks() > 0, "SQLite holds none");
    let before = locks();
    drop(folder.open());
    assert_eq!(locks(), before);
    add(&registry, "block subject=d-1");
    assert!(registry.facts_again(NOW).unwrap().person("d-1").blocked);
}

#[test]
fn what_was_entered_is_there_after_a_restart() {
    let folder = Folder::new();
    add(&folder.open(), "consent subject=d-100 purpose=research recipient=researcher categories=health");
    let registry = open(&folder.file(), false).unwrap();
    let view = registry.facts(NOW).unwrap();
    let consent = &view.person("d-100").consents[0];
    assert_eq!(consent.purpose.as_deref(), Some("research"));
    assert_eq!(consent.recipient.as_deref(), Some("researcher"));
    assert_eq!(consent.categories.unwrap().len(), 14);
}

#[test]
fn a_lifted_restriction_is_lifted_and_a_doubled_one_in_full() {
    let folder = Folder::new();
    let registry = folder.open();
    let first = add(&registry, "restriction subject=d-100 name=stop-use");
    add(&registry, "restriction subject=d-100 name=stop-use");
    add(&registry, "restriction subject=d-100 name=stop-third-party-provision");
    end(&registry, &first.entry.0.to_string());
    assert_eq!(
        registry.facts(NOW).unwrap().person("d-100").restrictions,
        ["stop-use", "stop-third-party-provision"],
        "one of two is still in force"
    );
    end(&registry, "restriction subject=d-100 name=stop-use");
    assert_eq!(registry.facts(NOW).unwrap().person("d-100").restrictions, ["stop-third-party-provision"]);
}

#[test]
fn a_withdrawn_consent_is_gone_whatever_the_clock_says() {
    let folder = Folder::new();
    let registry = folder.open();
    add(&registry, "consent subject=d-100 purpose=research.genome");
    add(&registry, "consent subject=d-100 purpose=care");
    add(&registry, "withdrawal subject=d-100 purpose=research");
    let view = registry.facts(NOW - 1_000_000).unwrap();
    let purposes: Vec<_> = view.person("d-100").consents.iter().map(|c| c.purpose.as_deref()).collect();
    assert_eq!(purposes, [Some("care")]);
    add(&registry, "consent subject=d-100 purpose=research.genome");
    assert_eq!(registry.facts(NOW).unwrap().person("d-100").consents.len(), 2, "given anew");
}

#[test]
fn a_withdrawal_for_a_later_day_cuts_the_consent_at_midnight_in_tokyo() {
    let folder = Folder::new();
    let registry = folder.open();
    add(&registry, "consent subject=d-100 purpose=research until=2026-12-31");
    add(&registry, "withdrawal subject=d-100 purpose=research from=2026-12-01");
    let view = registry.facts(NOW).unwrap();
    let window = view.person("d-100").consents[0].window;
    assert!(window.holds(at("2026-11-30T23:59:59.999+09:00")));
    assert!(!window.holds(at("2026-12-01T00:00:00+09:00")));
}

#[test]
fn a_window_opens_and_closes_at_midnight_in_tokyo() {
    let folder = Folder::new();
    let registry = folder.open();
    add(&registry, "consent subject=d-100 purpose=research from=2026-11-22 until=2026-11-22");
    add(&registry, "approval organization=x purpose=research from=2026-11-22 until=2026-11-22");
    let view = registry.facts(NOW).unwrap();
    let window = view.person("d-100").consents[0].window;
    for (time, holds) in [
        ("2026-11-21T23:59:59.999+09:00", false),
        ("2026-11-22T00:00:00+09:00", true),
        ("2026-11-22T23:59:59.999+09:00", true),
        ("2026-11-23T00:00:00+09:00", false),
    ] {
        assert_eq!(window.holds(at(time)), holds, "{time}");
        assert_eq!(view.register().approves("x", "research", at(time)), holds, "{time}");
    }
}

#[test]
fn a_blocked_caller_is_blocked_for_every_person_and_a_blocked_person_for_every_caller() {
    let folder = Folder::new();
    let registry = folder.open();
    add(&registry, "block-caller issuer=https://id.example caller=u-1");
    add(&registry, "block subject=d-1");
    add(&registry, "opt-out subject=d-2 name=google-analytics");
    let view = registry.facts(NOW).unwrap();
    assert!(view.person_for("d-9", "https://id.example", "u-1").blocked);
    assert!(view.person_for("d-2", "https://id.example", "u-1").blocked);
    assert_eq!(view.person_for("d-2", "https://id.example", "u-1").opt_outs, ["google-analytics"]);
    assert!(!view.person_for("d-2", "https://other.example", "u-1").blocked, "the same id of another issuer");
    assert!(view.person_for("d-1", "https://id.example", "u-2").blocked);
    assert!(!view.person("d-2").blocked && view.is_blocked_caller("https://id.example", "u-1"));
    end(&registry, "block-caller caller=u-1");
    assert!(!registry.facts(NOW).unwrap().is_blocked_caller("https://id.example", "u-1"));
}

#[test]
fn an_earlier_day_is_answered_as_it_was_then() {
    let folder = Folder::new();
    let registry = folder.open();
    add(&registry, "consent subject=d-100 purpose=research");
    let end = sekisho::registry::End::parse("consent", ["subject=d-100"]).unwrap();
    registry.end(&end, "officer", NOW + 10).unwrap();
    assert!(registry.person_at("d-100", NOW - 1).unwrap().consents.is_empty());
    assert_eq!(registry.person_at("d-100", NOW + 9).unwrap().consents.len(), 1);
    assert!(registry.person_at("d-100", NOW + 10).unwrap().consents.is_empty());
}
