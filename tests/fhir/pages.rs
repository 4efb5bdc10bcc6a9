//! A page is as long as it was asked for, whatever was dropped from it; and it goes on by the gate's word alone.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::search::{condition, kinds};
use super::{CARE, Caller, STUDY, stand};
use crate::layer::support::{Answer, Ask, NOW_MS, Stand};

const LIST: &str = "/Condition?code=x&_count=3";

/// What the backend is asked: pages of fifty at least, where entries may be dropped.
fn widened(target: &str) -> String {
    let Some((before, size)) = target.split_once("_count=") else {
        return format!("{target}{}_count=50", if target.contains('?') { '&' } else { '?' });
    };
    let digits = size.bytes().take_while(u8::is_ascii_digit).count();
    let least = size[..digits].parse::<u32>().unwrap().max(50);
    format!("{before}_count={least}{}", &size[digits..])
}

/// The backend's list: `persons` of each page in order, the conditions numbered through, the links before the entries.
fn serve(stand: &Stand, first: &str, pages: &[&[&str]]) {
    let first = widened(first);
    let mut served = stand.backend.pages.lock().unwrap();
    served.clear();
    let mut number = 0;
    for (page, persons) in pages.iter().enumerate() {
        let target = |page: usize| if page == 0 { first.clone() } else { format!("{first}&_offset={page}") };
        let entries: Vec<Value> = persons
            .iter()
            .map(|person| {
                number += 1;
                let id = format!("c{number}");
                json!({"fullUrl": format!("http://backend.test/Condition/{id}"), "resource": condition(&id, person)})
            })
            .collect();
        let mut links = vec![json!({"relation": "self", "url": format!("http://backend.test{}", target(page))})];
        if page + 1 < pages.len() {
            links.push(json!({"relation": "next", "url": format!("http://backend.test{}", target(page + 1))}));
        }
        links.push(json!({"url": "http://backend.test/Condition?_offset=9", "relation": "last"}));
        let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": 99, "link": links});
        if !entries.is_empty() {
            bundle["entry"] = json!(entries);
        }
        served.insert(target(page), bundle.to_string());
    }
}

async fn get(stand: &Stand, (role, purpose): Caller, target: &str) -> Answer {
    stand.get(json!({"sub": "dr-1", "roles": [role]}), purpose, target).await
}

fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.status.as_u16(), answer.cut), (200, false), "{}", answer.body);
    kinds(answer).into_iter().map(|(_, id)| id).collect()
}

fn link(answer: &Answer, relation: &str) -> Option<String> {
    let json = answer.json();
    let link = json["link"].as_array()?.iter().find(|link| link["relation"] == relation)?.clone();
    link["url"].as_str().map(str::to_owned)
}

/// Everything of a list, page by page.
async fn all(stand: &Stand, first: &str) -> Vec<Vec<String>> {
    let (mut pages, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(target) = next {
        let answer = get(stand, CARE, &target).await;
        pages.push(ids(&answer));
        next = link(&answer, "next");
        assert!(pages.len() < 500, "it never ends");
    }
    pages
}

fn stopped() -> Stand {
    let stand = stand();
    stand.add("objection", "subject=no purpose=care from=2026-01-01");
    stand
}

#[tokio::test]
async fn a_page_is_full_whatever_was_dropped() {
    let stand = stopped();
    for chunk in [0, 1, 7] {
        stand.backend.chunk.store(chunk, std::sync::atomic::Ordering::SeqCst);
        serve(&stand, LIST, &[&["a", "no", "b"], &["no", "no", "no"], &["c", "d", "no"], &["e"]]);
        let first = get(&stand, CARE, LIST).await;
        assert_eq!(ids(&first), ["c1", "c3", "c7"], "{}", first.body);
        assert!(
            !first.body.contains("total") && !first.body.contains("backend.test") && !first.body.contains("_offset")
        );
        assert_eq!(link(&first, "self").as_deref(), Some(LIST));
        assert_eq!(link(&first, "last"), None);
        let next = link(&first, "next").expect("more");
        assert!(next.starts_with("/Condition?_cursor="), "{next}");
        let second = get(&stand, CARE, &next).await;
        assert_eq!(ids(&second), ["c8", "c10"]);
        assert_eq!((link(&second, "next"), link(&second, "self").as_deref()), (None, Some(LIST)));
    }
    let end = stand.last("end");
    let counts = (&end["entries_released"], &end["entries_dropped"]);
    assert_eq!(counts, (&json!(2), &json!(1)), "what was passed over is neither: {end}");
}

/// Another record than a list, the id before the type, in whatever pieces it comes: as the first page, and as a further one.
#[tokio::test]
async fn nothing_of_a_page_that_is_no_bundle_leaves() {
    let stand = stopped();
    let other = r#"{"id":"of-another","entry":[{"resource":{"resourceType":"Condition","id":"c9","subject":{"reference":"Patient/a"}}}],"resourceType":"Patient"}"#;
    for chunk in [0, 1, 7, 30] {
        stand.backend.chunk.store(chunk, std::sync::atomic::Ordering::SeqCst);
        serve(&stand, LIST, &[&["a"], &["b"]]);
        stand.backend.pages.lock().unwrap().insert(widened(LIST), other.to_owned());
        let first = get(&stand, CARE, LIST).await;
        assert!(first.status.is_server_error(), "{}", first.body);
        assert!(!first.body.contains("of-another") && !first.body.contains("c9"), "{}", first.body);
        serve(&stand, LIST, &[&["a"], &["b"]]);
        stand.backend.pages.lock().unwrap().insert(format!("{}&_offset=1", widened(LIST)), other.to_owned());
        let second = get(&stand, CARE, LIST).await;
        assert!(second.status == 502 && !second.body.contains("of-another"), "{}", second.body);
        assert!(!second.body.contains("c9"), "{}", second.body);
    }
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_comes_twice() {
    let stand = stopped();
    let person = |n: usize| if n.is_multiple_of(3) { "no" } else { "p" };
    for pages in [1_usize, 2, 5, 30] {
        for length in [1, 2, 7] {
            for size in [1, 2, 3, 50] {
                let first = format!("/Condition?code=x&_count={size}");
                let people: Vec<Vec<&str>> =
                    (0..pages).map(|page| (0..length).map(|n| person(page * length + n)).collect()).collect();
                let people: Vec<&[&str]> = people.iter().map(Vec::as_slice).collect();
                serve(&stand, &first, &people);
                let wanted: Vec<String> =
                    (0..pages * length).filter(|n| person(*n) != "no").map(|n| format!("c{}", n + 1)).collect();
                let got = all(&stand, &first).await;
                assert_eq!(got.concat(), wanted, "{pages} pages of {length}, {size} asked for");
                let short = got.iter().rev().skip(1).filter(|page| page.len() != size).count();
                assert!(
                    short == 0 || pages > 20 || length == 1,
                    "{pages} pages of {length}, {size} asked for: {got:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn twenty_pages_that_do_not_fill_one_end_it_short_with_a_cursor() {
    let stand = stopped();
    let none: &[&str] = &["no"; 50];
    let mut pages = vec![none; 45];
    pages.push(&["a"]);
    serve(&stand, LIST, &pages);
    let before = stand.asked();
    let first = get(&stand, CARE, LIST).await;
    assert_eq!((ids(&first).len(), stand.asked() - before), (0, 20));
    assert!(link(&first, "next").is_some());
    assert_eq!(all(&stand, LIST).await, [vec![], vec![], vec!["c2251".to_owned()]]);
}

/// A backend of 300 records that gives pages as large as it is asked for, in whatever spelling, 10 where it is not asked; the
/// first 299 of them are of `hidden`.
fn serve_by_size(stand: &Stand, hidden: &'static str) {
    *stand.backend.always.lock().unwrap() = Some(Arc::new(move |head, body| {
        let form = std::str::from_utf8(body).unwrap();
        let query = [head.uri.query().unwrap_or(""), form].join("&");
        let plain = query.replace("%5f", "_").replace("%63", "c").replace("%31", "1");
        let number = |name: &str| {
            let value = plain.split('&').find_map(|piece| piece.strip_prefix(name)?.strip_prefix('='));
            value.map(|value| value.parse::<usize>().unwrap())
        };
        let (size, from) = (number("_count").unwrap_or(10), number("_offset").unwrap_or(0));
        let person = |at: usize| if at < 299 { hidden } else { "a" };
        let until = (from + size).min(300);
        let entries: Vec<Value> =
            (from..until).map(|at| json!({"resource": condition(&format!("c{at}"), person(at))})).collect();
        let next = format!("http://backend.test/Condition?code=x&_count={size}&_offset={until}");
        let links = if until < 300 { json!([{"relation": "next", "url": next}]) } else { json!([]) };
        let bundle = json!({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries});
        let answer = http::Response::builder().header("content-type", "application/fhir+json");
        answer.body(bundle.to_string().into()).unwrap()
    }));
}

/// An escape is the same size, and no size is one of the backend's own: either way twenty of its pages would soon be passed.
#[tokio::test]
async fn no_spelling_of_a_size_and_no_size_tells_how_many_are_hidden() {
    let stand = stopped();
    serve_by_size(&stand, "no");
    for target in
        ["code=x&_count=1", "code=x&_count=%31", "%5fcount=1&code=x", "code=x&_%63ount=%31", "code=x", "code=x&"]
    {
        let asked = stand.asked();
        assert_eq!(all(&stand, &format!("/Condition?{target}")).await, [["c299"]], "{target}");
        assert_eq!(stand.asked() - asked, 6, "{target}: pages of fifty");
        let typed = [("content-type", "application/x-www-form-urlencoded")];
        for (query, body, fields) in [("", target, &typed[..]), (target, "", &typed), (target, "", &[])] {
            let asked = stand.asked();
            let (claims, purpose) = (json!({"sub": "dr-1", "roles": ["physician"]}), "care");
            let at = format!("/Condition/_search?{query}");
            let answer = stand.ask(Ask { method: "POST", target: &at, claims, purpose, body, fields }).await;
            assert_eq!((ids(&answer), link(&answer, "next")), (vec!["c299".to_owned()], None), "{query} {body}");
            assert_eq!(stand.asked() - asked, 6, "{query} {body}: pages of fifty");
        }
    }
}

/// Where the policy hides nobody of them the backend is asked what the caller asked, and gives what it gives.
#[tokio::test]
async fn a_size_stands_as_it_is_where_nobody_is_hidden() {
    let stand = stopped();
    for query in ["patient=a&code=x", "patient=a&code=x&_count=%31"] {
        serve_by_size(&stand, "a");
        let answer = get(&stand, CARE, &format!("/Condition?{query}")).await;
        assert!(!ids(&answer).is_empty());
        assert_eq!(stand.backend.targets.lock().unwrap().last().unwrap(), &format!("/Condition?{query}"));
    }
}

/// More than twenty pages of the backend hold: the page would end where they do, and be as short as many were left out.
#[tokio::test]
async fn a_page_larger_than_the_backends_is_no_measure_of_who_was_left_out() {
    let stand = stopped();
    let first = "/Condition?code=x&_count=5000";
    let shown: &[&str] = &["a"; 50];
    let mut some = ["a"; 50];
    some[7] = "no";
    some[30] = "no";
    for pages in [vec![shown; 25], vec![&some[..]; 25]] {
        serve(&stand, first, &pages);
        let answer = get(&stand, CARE, first).await;
        assert_eq!((ids(&answer).len(), link(&answer, "next").is_some()), (50, true));
        let lengths: Vec<usize> = all(&stand, first).await.iter().map(Vec::len).collect();
        let (last, full) = lengths.split_last().unwrap();
        assert!(full.iter().all(|length| *length == 50) && *last <= 50, "{lengths:?}");
        let people = pages.concat().iter().filter(|person| **person == "a").count();
        assert_eq!(lengths.iter().sum::<usize>(), people);
    }
}

#[tokio::test]
async fn without_a_size_a_page_is_as_long_as_the_backends() {
    let stand = stopped();
    serve(&stand, "/Condition?code=x", &[&["a", "no", "b", "no"], &["c", "d", "e", "f"]]);
    let first = get(&stand, CARE, "/Condition?code=x").await;
    assert_eq!(ids(&first), ["c1", "c3", "c5", "c6"]);
    assert_eq!(ids(&get(&stand, CARE, &link(&first, "next").unwrap()).await), ["c7", "c8"]);
}

#[tokio::test]
async fn a_page_without_entries_is_followed_by_one_with() {
    let stand = stopped();
    serve(&stand, LIST, &[&[], &["a"], &[], &["b"]]);
    assert_eq!(all(&stand, LIST).await, [["c1", "c2"]]);
    serve(&stand, LIST, &[&[], &[]]);
    let answer = get(&stand, CARE, LIST).await;
    assert!(ids(&answer).is_empty() && link(&answer, "next").is_none(), "{}", answer.body);
}

/// One caller, one declaration, one policy, one path, one hour.
#[tokio::test]
async fn a_cursor_opens_for_nobody_else() {
    let stand = stopped();
    serve(&stand, LIST, &[&["a", "b", "c"], &["d"]]);
    let next = link(&get(&stand, CARE, LIST).await, "next").unwrap();
    let asked = stand.asked();
    let mut altered = next.clone().into_bytes();
    let last = altered.len() - 5;
    altered[last] = if altered[last] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let claims = |sub: &str, role: &str| json!({"sub": sub, "roles": [role]});
    for (claims, purpose, target) in [
        (claims("dr-2", "physician"), "care", next.as_str()),
        (claims("dr-1", "nurse"), "care", &next),
        (claims("dr-1", "physician"), "care;basis=\"consent\"", &next),
        (claims("dr-1", "physician"), "care;recipient=\"hospital\"", &next),
        (claims("dr-1", "physician"), "care;organization=\"x\"", &next),
        (claims("dr-1", "physician"), "care;reason=\"x\"", &next),
        (claims("dr-1", "physician"), "care;reference=\"x\"", &next),
        (claims("dr-1", "physician"), "care;act=\"x\"", &next),
        (claims("dr-1", "physician"), "care;source=\"x\"", &next),
        (claims("dr-1", "physician"), "care.coordination", &next),
        (claims("dr-1", "physician"), "care", &next.replace("/Condition", "/Encounter")),
        (claims("dr-1", "physician"), "care", &next.replace("/Condition", "/Condition/c1/_history")),
        (claims("dr-1", "physician"), "care", &altered),
        (claims("dr-1", "physician"), "care", "/Condition?_cursor="),
        (claims("dr-1", "physician"), "care", "/Condition?_cursor=AAAA"),
    ] {
        let answer = stand.get(claims, purpose, target).await;
        assert_eq!((answer.status.as_u16(), stand.asked() - asked), (400, 0), "{target}: {}", answer.body);
        assert!(answer.body.contains("cursor-refused"), "{}", answer.body);
    }
    for more in ["&_count=3", "&code=x", "&_cursor=x"] {
        let answer = get(&stand, CARE, &format!("{next}{more}")).await;
        assert_eq!((answer.status.as_u16(), stand.asked() - asked), (400, 0), "{more}: {}", answer.body);
    }
    stand.clock_ms.store(NOW_MS + 3_599_000, std::sync::atomic::Ordering::SeqCst);
    // The token of these tests lives ten minutes: a new one of the same caller.
    let later = |sub: &str| json!({"sub": sub, "roles": ["physician"], "exp": NOW_MS / 1000 + 7200});
    assert_eq!(ids(&stand.get(later("dr-1"), "care", &next).await), ["c4"]);
    stand.clock_ms.store(NOW_MS + 3_600_000, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(stand.get(later("dr-1"), "care", &next).await.status, 400);
}

#[tokio::test]
async fn what_was_stopped_meanwhile_is_not_on_the_next_page() {
    let stand = stopped();
    serve(&stand, LIST, &[&["a", "b", "c"], &["d", "e"]]);
    let next = link(&get(&stand, CARE, LIST).await, "next").unwrap();
    stand.add("objection", "subject=d purpose=care from=2026-01-01");
    assert_eq!(ids(&get(&stand, CARE, &next).await), ["c5"]);
}

#[tokio::test]
async fn a_link_of_the_backend_leads_to_the_same_list_or_nowhere() {
    let stand = stopped();
    let same = widened(LIST);
    for (next, followed) in [
        ("http://backend.test/Condition?_count=3&code=x&_page_token=t", true),
        ("http://backend.test?_getpages=k&_getpagesoffset=3&_count=3&_bundletype=searchset", true),
        ("http://backend.test/?_getpages=k", true),
        ("/Condition?code=x&page=2", true),
        ("?code=x&page=2", true),
        ("Condition?code=%78&page=2", true),
        ("http://elsewhere.test/Condition?code=x&page=2", false),
        ("http://backend.test.elsewhere/Condition?code=x&page=2", false),
        ("http://backend.test@elsewhere/Condition?code=x&page=2", false),
        ("//elsewhere.test/Condition?code=x&page=2", false),
        ("http://backend.test/Encounter?code=x&page=2", false),
        ("http://backend.test/Condition/c1/_history?page=2", false),
        ("http://backend.test/Condition?code=y&page=2", false),
        ("http://backend.test/Condition?code=x&category=y&page=2", false),
        (&same, false),
        ("http://backend.test/Condition", false),
        ("javascript:alert(1)", false),
        ("", false),
    ] {
        let page = |entry: Value, next: Option<&str>| {
            let links: Vec<Value> = next.map(|url| json!({"relation": "next", "url": url})).into_iter().collect();
            json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": entry}], "link": links})
                .to_string()
        };
        let first = HashMap::from([(widened(LIST), page(condition("c1", "a"), Some(next)))]);
        *stand.backend.pages.lock().unwrap() = first;
        stand.backend.targets.lock().unwrap().clear();
        let asked = stand.asked();
        let last = page(condition("c2", "a"), None);
        *stand.backend.instead.lock().unwrap() =
            Some(http::Response::builder().header("content-type", "application/fhir+json").body(last.into()).unwrap());
        let answer = get(&stand, CARE, LIST).await;
        let times = stand.asked() - asked;
        if followed {
            assert_eq!((ids(&answer), times), (vec!["c1".to_owned(), "c2".to_owned()], 2), "{next}");
        } else {
            assert_eq!((answer.status.as_u16(), times), (502, 1), "{next}: {}", answer.body);
            assert_eq!(stand.last("end")["code"], "page-link", "{next}");
        }
        *stand.backend.instead.lock().unwrap() = None;
    }
}

#[tokio::test]
async fn a_further_page_that_fails_is_told_by_a_status_while_nothing_has_left() {
    let stand = stopped();
    for (status, media) in [
        (500, "application/fhir+json"),
        (404, "application/fhir+json"),
        (206, "application/fhir+json"),
        (200, "text/html"),
    ] {
        serve(&stand, LIST, &[&["a"], &["b"]]);
        stand.backend.pages.lock().unwrap().remove(&format!("{}&_offset=1", widened(LIST)));
        let response =
            http::Response::builder().status(status).header("content-type", media).body("{}".into()).unwrap();
        *stand.backend.instead.lock().unwrap() = Some(response);
        let answer = get(&stand, CARE, LIST).await;
        assert_eq!((answer.status.as_u16(), answer.cut), (502, false), "{status}: {}", answer.body);
        assert!(!answer.body.contains("c1"), "{status}: {}", answer.body);
        let end = stand.last("end");
        assert_eq!(
            (&end["status"], &end["entries_released"], &end["released_bytes"]),
            (&json!(502), &json!(0), &json!(0))
        );
        assert_eq!((end["outcome"].as_str(), end["code"].as_str()), (Some("failed"), Some("backend-page")), "{end}");
    }
}

#[tokio::test]
async fn a_search_by_form_goes_on_by_a_link() {
    let stand = stopped();
    let page = |ids: &[&str], next: bool| {
        let entries: Vec<Value> = ids.iter().map(|id| json!({"resource": condition(id, "a")})).collect();
        let links = if next { json!([{"relation": "next", "url": "/Condition?code=x&_offset=1"}]) } else { json!([]) };
        json!({"resourceType": "Bundle", "type": "searchset", "entry": entries, "link": links}).to_string()
    };
    {
        let mut pages = stand.backend.pages.lock().unwrap();
        pages.insert("/Condition/_search".into(), page(&["c1", "c2"], true));
        pages.insert("/Condition?code=x&_offset=1".into(), page(&["c3", "c4"], false));
    }
    let fields = [("content-type", "application/x-www-form-urlencoded")];
    let claims = json!({"sub": "dr-1", "roles": ["physician"]});
    let (purpose, body) = ("care", "code=x&_count=3");
    let first =
        stand.ask(Ask { method: "POST", target: "/Condition/_search", claims, purpose, body, fields: &fields }).await;
    assert_eq!(ids(&first), ["c1", "c2", "c3"]);
    assert_eq!(link(&first, "self"), None, "a form is no link");
    let next = link(&first, "next").unwrap();
    assert!(next.starts_with("/Condition?_cursor="), "{next}");
    assert_eq!(ids(&get(&stand, CARE, &next).await), ["c4"]);
    assert_eq!(stand.last("begin")["searched"], json!(["health.condition"]), "the form is judged on each page");
}

#[tokio::test]
async fn what_is_included_stays_with_its_page() {
    let stand = stopped();
    let first = "/Condition?_include=Condition:subject&_count=2";
    let asked = widened(first);
    let patient = |id: &str| json!({"resource": {"resourceType": "Patient", "id": id}, "search": {"mode": "include"}});
    let of = |id: &str, person: &str| json!({"resource": condition(id, person), "search": {"mode": "match"}});
    let bundle = |entries: Value, links: Value| {
        json!({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}).to_string()
    };
    {
        let next = json!([{"relation": "next", "url": format!("{asked}&_offset=1")}]);
        let mut pages = stand.backend.pages.lock().unwrap();
        pages.insert(asked.clone(), bundle(json!([of("c1", "a"), of("c2", "b"), patient("a"), patient("b")]), next));
        pages.insert(format!("{asked}&_offset=1"), bundle(json!([of("c3", "c"), patient("c")]), json!([])));
    }
    assert_eq!(all(&stand, first).await, [vec!["c1", "c2", "a", "b"], vec!["c3", "c"]]);
}

/// A list of the backend: pages of fifty entries at most, after the matches of each what they bring along.
fn serve_with_included(stand: &Stand, first: &str, persons: &[&str], per_page: usize) {
    let asked = widened(first);
    let mut served = stand.backend.pages.lock().unwrap();
    served.clear();
    let pages: Vec<&[&str]> = persons.chunks(per_page).collect();
    let target = |page: usize| if page == 0 { asked.clone() } else { format!("{asked}&_offset={page}") };
    let mut shown = 0;
    for (number, page) in pages.iter().enumerate() {
        let mut along: Vec<&str> = page.to_vec();
        along.sort_unstable();
        along.dedup();
        let included = |resource: Value| json!({"resource": resource, "search": {"mode": "include"}});
        let (mut entries, mut brought) = (Vec::new(), Vec::new());
        for person in *page {
            // The shown are numbered alike in every world.
            shown += usize::from(*person != "no");
            let id = if *person == "no" { "hidden".to_owned() } else { format!("c{shown}") };
            let (mut matched, subject) = (condition(&id, person), format!("Patient/{person}"));
            matched["encounter"] = json!({"reference": format!("Encounter/e-{id}")});
            entries.push(json!({"resource": matched, "search": {"mode": "match"}}));
            brought.push(included(
                json!({"resourceType": "Encounter", "id": format!("e-{id}"), "status": "finished", "subject": {"reference": subject}}),
            ));
        }
        entries.extend(along.iter().map(|id| included(json!({"resourceType": "Patient", "id": id}))));
        entries.extend(brought);
        let next = (number + 1 < pages.len()).then(|| json!({"relation": "next", "url": target(number + 1)}));
        let links: Vec<Value> = next.into_iter().collect();
        let bundle = json!({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries});
        served.insert(target(number), bundle.to_string());
    }
}

/// Where a page of the backend ends hangs on who is hidden; what comes along does not, nor where it stands, nor how often.
#[tokio::test]
async fn what_comes_along_does_not_tell_where_the_backends_pages_end() {
    let stand = stopped();
    let first = "/Condition?_include=Condition:subject&_include=Condition:encounter&_count=6";
    let shown = ["d", "a", "c", "a", "b", "d", "e", "a"];
    for chunk in [0, 1, 7] {
        stand.backend.chunk.store(chunk, std::sync::atomic::Ordering::SeqCst);
        let mut left: Vec<Vec<Vec<String>>> = Vec::new();
        for per_page in [1, 2, 3, 5, 50] {
            for hidden in [&[][..], &[0, 0, 0], &[1, 3, 3], &[2, 2, 4, 5, 5, 5, 5, 5], &[8, 8, 8]] {
                let mut persons = Vec::new();
                for (at, person) in shown.iter().enumerate() {
                    persons.extend(hidden.iter().filter(|hide| **hide == at).map(|_| "no"));
                    persons.push(person);
                }
                persons.extend(hidden.iter().filter(|hide| **hide == shown.len()).map(|_| "no"));
                serve_with_included(&stand, first, &persons, per_page);
                let answer = get(&stand, CARE, first).await;
                let ids = ids(&answer);
                let matches = ["c1", "c2", "c3", "c4", "c5", "c6"];
                let along = ["a", "b", "c", "d", "e-c1", "e-c2", "e-c3", "e-c4", "e-c5", "e-c6"];
                assert_eq!(ids, [&matches[..], &along].concat(), "{per_page} {hidden:?}");
                let next = link(&answer, "next").expect("more");
                let entry = |answer: &Answer| answer.body.split_once("\"entry\":").map(|(_, rest)| rest.to_owned());
                let second = get(&stand, CARE, &next).await;
                assert_eq!(self::ids(&second), ["c7", "c8", "a", "e", "e-c7", "e-c8"], "{per_page} {hidden:?}");
                let sealed = |text: String| text.split("_cursor=").next().unwrap_or_default().to_owned();
                left.push(vec![entry(&answer).into_iter().chain(entry(&second)).map(sealed).collect()]);
            }
        }
        assert!(left.iter().all(|body| *body == left[0]), "{left:?}");
    }
}

/// As much as is not held: the page ends where the backend's does, and nothing is lost.
#[tokio::test]
async fn more_than_is_held_of_what_comes_along_ends_a_page_early() {
    let stand = stopped();
    let first = "/Condition?_include=Condition:subject&_count=4";
    let asked = widened(first);
    let page = |person: &str, next: Option<&str>, bytes: usize| {
        let links: Vec<Value> = next.map(|url| json!({"relation": "next", "url": url})).into_iter().collect();
        let patient = json!({"resourceType": "Patient", "id": person, "name": [{"family": "x".repeat(bytes)}]});
        let entries = [
            json!({"resource": condition(&format!("c-{person}"), person)}),
            json!({"resource": patient, "search": {"mode": "include"}}),
        ];
        json!({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}).to_string()
    };
    let second = format!("{asked}&_offset=1");
    let third = format!("{asked}&_offset=2");
    let fourth = format!("{asked}&_offset=3");
    {
        let mut served = stand.backend.pages.lock().unwrap();
        served.insert(asked.clone(), page("a", Some(&second), 900_000));
        served.insert(second.clone(), page("b", Some(&third), 900_000));
        served.insert(third.clone(), page("c", Some(&fourth), 900_000));
        served.insert(fourth.clone(), page("d", None, 9));
    }
    assert_eq!(all(&stand, first).await, [vec!["c-a", "c-b", "c-c", "a", "b", "c"], vec!["c-d", "d"]]);
    // One page of the backend alone brings more than is ever held.
    let patients = (0..10).map(|n| {
        let patient =
            json!({"resourceType": "Patient", "id": format!("p{n}"), "name": [{"family": "x".repeat(900_000)}]});
        json!({"resource": patient, "search": {"mode": "include"}})
    });
    let matches = (0..10).map(|n| json!({"resource": condition(&format!("c{n}"), &format!("p{n}"))}));
    let entries: Vec<Value> = matches.chain(patients).collect();
    let bundle = format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":{}}}"#, Value::from(entries));
    let first = "/Condition?_include=Condition:subject&_count=10";
    stand.backend.pages.lock().unwrap().insert(widened(first), bundle);
    let answer = get(&stand, CARE, first).await;
    assert!(answer.status == 502 && !answer.body.contains("xxx"), "{} {}", answer.status, answer.body.len());
    assert_eq!(stand.last("end")["code"], "included-too-large");
}

/// Under pseudonyms a link holds neither the ids of the request nor of what was left out.
#[tokio::test]
async fn a_cursor_holds_no_readable_id() {
    let stand = stopped();
    let chart = |id: &str| condition(id, "p-secret");
    let first =
        json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": chart("c1")}]}).to_string();
    stand.backend.pages.lock().unwrap().insert(widened("/Condition"), first);
    let shown = get(&stand, STUDY, "/Condition").await.json();
    let pseudonym = shown["entry"][0]["resource"]["subject"]["reference"].as_str().unwrap().to_owned();
    let target = "/Condition?subject=Patient/p-secret&code=x&_count=1";
    let next = json!([{"relation": "next", "url": format!("http://backend.test{target}&_offset=1")}]);
    let body =
        json!({"resourceType": "Bundle", "type": "searchset", "link": next, "entry": [{"resource": chart("c1")}]});
    stand.backend.pages.lock().unwrap().insert(target.into(), body.to_string());
    stand.backend.pages.lock().unwrap().insert(
        format!("{target}&_offset=1"),
        json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": chart("c2")}]}).to_string(),
    );
    let answer = get(&stand, STUDY, &format!("/Condition?subject={pseudonym}&code=x&_count=1")).await;
    assert!(!answer.body.contains("secret"), "{}", answer.body);
    let second = get(&stand, STUDY, &link(&answer, "next").unwrap()).await;
    assert_eq!(ids(&second).len(), 1);
    assert!(!second.body.contains("secret") && !second.body.contains("c2"), "{}", second.body);
    assert_eq!(stand.last("begin")["subjects"].as_array().map(Vec::len), Some(1), "the person is judged again");
}

#[tokio::test]
async fn a_position_of_the_backend_is_no_parameter() {
    let stand = stopped();
    for name in ["_offset", "_page", "_page_token", "page"] {
        let answer = get(&stand, CARE, &format!("/Condition?code=x&{name}=2")).await;
        assert_eq!((answer.status.as_u16(), stand.asked()), (400, 0), "{name}: {}", answer.body);
        assert!(answer.body.contains(&format!("`{name}`")), "{}", answer.body);
    }
}

/// Whoever follows to the end would otherwise see by an empty last page, or by a `next` at all, that somebody was left out.
#[tokio::test]
async fn a_full_page_leads_on_only_where_somebody_is_shown() {
    let stand = stopped();
    let many: &[&str] = &["no"; 30];
    let worlds: [&[&[&str]]; 6] = [
        &[&["a", "b", "c"]],
        &[&["a", "b", "c", "no", "no"]],
        &[&["a", "no", "b", "c"], &["no"]],
        &[&["a", "b", "c"], many, &["no", "no"]],
        &[&["no", "a", "b"], &["no", "c", "no"], &[], &["no"]],
        &[&["a", "b", "c"], &[]],
    ];
    for pages in worlds {
        serve(&stand, LIST, pages);
        let answer = get(&stand, CARE, LIST).await;
        assert_eq!((ids(&answer).len(), link(&answer, "next")), (3, None), "{pages:?}: {}", answer.body);
    }
    serve(&stand, LIST, &[&["a", "b", "c"], many, &["no", "d", "e"]]);
    let answer = get(&stand, CARE, LIST).await;
    assert_eq!(ids(&answer).len(), 3, "{}", answer.body);
    assert_eq!(ids(&get(&stand, CARE, &link(&answer, "next").unwrap()).await), ["c35", "c36"], "and nobody is lost");
    let (begin, end) = (stand.last("begin"), stand.last("end"));
    assert_eq!((&end["entries_released"], &end["entries_dropped"]), (&json!(2), &json!(0)), "{begin} {end}");
}

/// What is there for the next page alone is not what this page waits for: it was whole before.
#[tokio::test]
async fn a_full_page_stands_where_the_one_after_it_cannot_be_had() {
    let stand = stopped();
    serve(&stand, LIST, &[&["a", "b", "c"], &["d"]]);
    stand.backend.pages.lock().unwrap().remove(&format!("{}&_offset=1", widened(LIST)));
    let refused = || http::Response::builder().status(500).body("{}".into()).unwrap();
    *stand.backend.instead.lock().unwrap() = Some(refused());
    let answer = get(&stand, CARE, LIST).await;
    assert_eq!(ids(&answer), ["c1", "c2", "c3"]);
    *stand.backend.instead.lock().unwrap() = Some(refused());
    let next = get(&stand, CARE, &link(&answer, "next").unwrap()).await;
    assert_eq!(next.status, 502, "{}", next.body);
}

/// A record that only a dropped match refers to would tell of it.
#[tokio::test]
async fn what_only_a_dropped_match_brings_is_dropped_with_it() {
    let stand = stopped();
    let target = "/Condition?_include=Condition:subject&_include=Condition:asserter:Practitioner";
    let brought =
        |kind: &str, id: &str| json!({"resource": {"resourceType": kind, "id": id}, "search": {"mode": "include"}});
    let serve = |persons: &[&str]| {
        let matched = persons.iter().enumerate().map(|(n, p)| json!({"resource": condition(&format!("c{n}"), p)}));
        let along = [brought("Patient", "a"), brought("Patient", "b"), brought("Practitioner", "oncologist")];
        let entries: Vec<Value> = matched.chain(along).collect();
        let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries});
        stand.backend.pages.lock().unwrap().insert(widened(target), bundle.to_string());
    };
    serve(&["a", "no"]);
    assert_eq!(ids(&get(&stand, CARE, target).await), ["c0", "a"], "the stopped one's link to b, and his doctor");
    serve(&["no"]);
    assert!(ids(&get(&stand, CARE, target).await).is_empty());
    serve(&["no", "b", "a"]);
    assert_eq!(ids(&get(&stand, CARE, target).await), ["c1", "c2", "a", "b"]);
}

/// A form goes on within the page that it brought as a form: its words never stand in a target.
#[tokio::test]
async fn a_form_goes_on_within_its_first_page() {
    let stand = stopped();
    let entries: Vec<Value> = ["a", "b", "no", "c"].iter().map(|p| json!({"resource": condition(p, p)})).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries}).to_string();
    stand.backend.pages.lock().unwrap().insert("/Condition/_search".into(), bundle);
    let fields = [("content-type", "application/x-www-form-urlencoded")];
    let (claims, purpose, body) = (json!({"sub": "dr-1", "roles": ["physician"]}), "care", "code=x&_count=2");
    let first =
        stand.ask(Ask { method: "POST", target: "/Condition/_search", claims, purpose, body, fields: &fields }).await;
    assert_eq!(ids(&first), ["a", "b"]);
    stand.backend.last_body.lock().unwrap().clear();
    assert_eq!(ids(&get(&stand, CARE, &link(&first, "next").unwrap()).await), ["c"]);
    assert_eq!(&stand.backend.last_body.lock().unwrap()[..], b"code=x&_count=50");
    assert_eq!(stand.backend.targets.lock().unwrap().last().unwrap(), "/Condition/_search");
}

/// A record that goes for a modifier which may not leave is dropped like any other: it is no page's first, and no `next` leads to it.
#[tokio::test]
async fn no_next_leads_to_a_record_that_its_modifier_takes_away() {
    let stand = stopped();
    let list = "/Claim?status=active&_count=1";
    let claim = |id: &str| json!({"resourceType": "Claim", "id": id, "status": "active", "patient": {"reference": "Patient/a"}});
    let mut modified = claim("c2");
    modified["modifierExtension"] = json!([{"url": "urn:x", "valueBoolean": true}]);
    for (records, next) in
        [(vec![claim("c1"), modified.clone()], None), (vec![claim("c1"), modified, claim("c3")], Some("c3"))]
    {
        let bundle = super::search::bundle(&records).to_string();
        stand.backend.pages.lock().unwrap().insert(widened(list), bundle);
        let first = get(&stand, super::MONEY, list).await;
        assert_eq!(ids(&first), ["c1"], "{}", first.body);
        assert_eq!(link(&first, "next").is_some(), next.is_some(), "{}", first.body);
        if let Some(target) = link(&first, "next") {
            let second = get(&stand, super::MONEY, &target).await;
            assert_eq!((ids(&second), link(&second, "next")), (vec!["c3".to_owned()], None));
        }
    }
}

/// However it is spelled, few entries are not asked for one by one: that so many pages were passed would tell of the others.
#[tokio::test]
async fn a_size_is_widened_however_it_is_spelled() {
    for target in ["/Condition?_count=%31", "/Condition?%5fcount=2", "/Condition?_count=1"] {
        let stand = stopped();
        let bundle =
            json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": condition("c1", "a")}]});
        stand.backend.pages.lock().unwrap().insert("/Condition?_count=50".into(), bundle.to_string());
        assert_eq!(ids(&get(&stand, CARE, target).await), ["c1"], "{target}");
        assert_eq!(*stand.backend.targets.lock().unwrap(), ["/Condition?_count=50"], "{target}");
    }
}
