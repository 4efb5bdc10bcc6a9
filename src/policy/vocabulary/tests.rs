//! Are the words known by every name they have, and by no other?

use super::*;

fn vocabulary() -> Vocabulary {
    Vocabulary::compiled_in().unwrap()
}

#[test]
fn the_compiled_in_vocabulary_has_no_fault() {
    assert_eq!(vocabulary().names().count(), 52);
}

#[test]
fn a_wide_selector_never_reaches_what_is_guarded() {
    let v = vocabulary();
    let number = v.category("identity.my-number").unwrap();
    let credential = v.category("identity.credential").unwrap();
    for wide in ["*", "identity", "identity.*"] {
        let set = v.selector(wide).unwrap();
        assert!(!set.contains(number) && !set.contains(credential), "{wide}");
    }
    assert!(v.selector("identity.my-number").unwrap().contains(number));
    assert!(v.subtree("identity").contains(number));
}

#[test]
fn an_act_is_known_by_every_name_and_width() {
    let v = vocabulary();
    for name in ["Numbers Act", "NUMBERS  ACT", "Ｎｕｍｂｅｒｓ Ａｃｔ", "番号法", "ﾏｲﾅﾝﾊﾞｰ法"]
    {
        assert_eq!(v.act_name(v.act(name).unwrap()), "numbers-act", "{name}");
    }
    assert_ne!(v.act("Income Tax Act"), v.act("Numbers Act"));
    assert_eq!(v.act("no such act"), None);
}

#[test]
fn a_group_is_no_leaf() {
    let v = vocabulary();
    assert_eq!(v.category("health"), None);
    assert_eq!(v.category("health.nothing"), None);
    assert!(v.category("aggregate").is_none() && v.category("aggregate.statistics").is_some());
}

#[test]
fn codes_are_known_bare_and_with_their_system() {
    let v = vocabulary();
    assert_eq!(v.code("TREAT").as_deref(), Some("hl7:TREAT"));
    assert_eq!(v.code("urn:oid:2.16.840.1.113883.5.8#TREAT").as_deref(), Some("hl7:TREAT"));
    assert_eq!(v.code("hl7:TREAT").as_deref(), Some("hl7:TREAT"));
    assert_eq!(v.code("hl7:treat"), None);
    assert_eq!(v.code("http://example.org/x|TREAT"), None);
    assert_eq!(v.code("PurposeOfUse"), None);
}
