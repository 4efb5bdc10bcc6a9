//! A search of DICOMweb, whose caller counts its entries himself: what he counts is what he sees.

use std::collections::HashMap;

use bytes::Bytes;
use http::{Response, Uri};
use serde_json::{Value, json};

use super::dicom::{CARE, Caller, STUDY, stand, study, value};
use super::support::{Answer, Ask, Stand};

const NO: &str = "p-no";

/// What differs between archives.
#[derive(Clone, Copy, Default)]
struct Manners {
    /// The most entries that it answers at once; 0: any number.
    most: usize,
    /// It says by `Warning` where it found more than it answers.
    warns: bool,
    /// A search that finds nothing has no content (PS3.18 allowed that once).
    silent: bool,
    /// It passes `offset` over.
    deaf: bool,
}

/// An archive that holds a study of each of these persons, in order, and answers as `limit` and `offset` say.
fn archive(stand: &Stand, persons: &[&'static str], manners: Manners) {
    let studies: Vec<Value> =
        persons.iter().enumerate().map(|(n, person)| study(person, &format!("1.2.{}", n + 1))).collect();
    stand.archive(move |uri| answer(&studies, uri, manners));
}

fn answer(studies: &[Value], uri: &Uri, manners: Manners) -> Response<Bytes> {
    let given: HashMap<&str, &str> = uri.query().unwrap_or("").split('&').filter_map(|p| p.split_once('=')).collect();
    let number = |name: &str| given.get(name).map(|text| text.parse::<usize>().unwrap());
    let offset = if manners.deaf { 0 } else { number("offset").unwrap_or(0).min(studies.len()) };
    let most = if manners.most == 0 { usize::MAX } else { manners.most };
    let page = &studies[offset..(offset + number("limit").unwrap_or(most).min(most)).min(studies.len()).max(offset)];
    let mut response = Response::builder().header("content-type", "application/dicom+json");
    if manners.warns && offset + page.len() < studies.len() {
        response = response.header("warning", "299 archive \"more at http://backend.test\"");
    }
    if manners.silent && page.is_empty() {
        return response.status(204).body(Bytes::new()).unwrap();
    }
    response.body(Bytes::from(json!(page).to_string())).unwrap()
}

async fn get(stand: &Stand, (role, purpose): Caller, target: &str) -> Answer {
    stand.get(json!({"roles": [role]}), purpose, target).await
}

fn uids(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.status.as_u16(), answer.cut), (200, false), "{}", answer.body);
    assert!(answer.headers.get("warning").is_none() && !answer.body.contains("backend.test"));
    let list = answer.json();
    list.as_array().unwrap().iter().map(|data_set| value(data_set, "0020000D").as_str().unwrap().to_owned()).collect()
}

fn stopped() -> Stand {
    let stand = stand();
    stand.add("restriction", &format!("subject={NO} name=stop-use"));
    stand
}

const PERSONS: [&str; 9] = ["p-1", NO, "p-2", NO, NO, "p-3", "p-4", NO, "p-5"];
const SEEN: [&str; 5] = ["1.2.1", "1.2.3", "1.2.6", "1.2.7", "1.2.9"];

#[tokio::test]
async fn a_page_of_a_search_tells_nothing_of_who_was_left_out() {
    let stand = stopped();
    for most in [0, 1, 2, 4] {
        for (warns, silent) in [(false, false), (true, true)] {
            archive(&stand, &PERSONS, Manners { most, warns, silent, deaf: false });
            for chunk in [0, 7] {
                stand.backend.chunk.store(chunk, std::sync::atomic::Ordering::SeqCst);
                for limit in 1..=6 {
                    for offset in 0..=6 {
                        let target = format!("/dicom-web/studies?limit={limit}&offset={offset}");
                        let wanted: Vec<&str> = SEEN.iter().copied().skip(offset).take(limit).collect();
                        assert_eq!(uids(&get(&stand, CARE, &target).await), wanted, "{target}, {most} at once");
                    }
                }
                assert_eq!(uids(&get(&stand, CARE, "/dicom-web/studies?offset=1").await), SEEN[1..], "{most} at once");
                assert_eq!(uids(&get(&stand, CARE, "/dicom-web/studies").await), SEEN, "{most} at once");
            }
        }
    }
}

#[tokio::test]
async fn the_archive_is_asked_for_no_more_than_a_page_takes() {
    let stand = stopped();
    archive(&stand, &PERSONS, Manners::default());
    let asked = |stand: &Stand| std::mem::take(&mut *stand.backend.targets.lock().unwrap());
    let with = |rest: &str| format!("/dicom-web/studies?{rest}");
    for (target, wanted) in [
        ("limit=1", vec!["limit=1&includefield=00100020"]),
        (
            "ModalitiesInStudy=CT&offset=1&limit=1",
            vec![
                "ModalitiesInStudy=CT&limit=2&includefield=00100020",
                "ModalitiesInStudy=CT&limit=100&includefield=00100020&offset=2",
            ],
        ),
        ("offset=4&limit=50", vec!["limit=54&includefield=00100020", "limit=100&includefield=00100020&offset=9"]),
    ] {
        uids(&get(&stand, CARE, &with(target)).await);
        let wanted: Vec<String> = wanted.into_iter().map(with).collect();
        assert_eq!(asked(&stand), wanted, "{target}");
    }
    // Whether all is all is asked, whoever was left out.
    archive(&stand, &["p-1", "p-2"], Manners::default());
    uids(&get(&stand, CARE, "/dicom-web/studies").await);
    assert_eq!(asked(&stand), [with("includefield=00100020"), with("includefield=00100020&limit=100&offset=2")]);
}

#[tokio::test]
async fn who_stands_before_a_page_is_not_on_record_as_shown() {
    let stand = stopped();
    archive(&stand, &PERSONS, Manners::default());
    assert_eq!(uids(&get(&stand, CARE, "/dicom-web/studies?limit=2&offset=2").await), SEEN[2..4]);
    let end = stand.last("end");
    assert_eq!(end["entries_released"], 2, "{end}");
    let shown: Vec<Value> = stand.records().into_iter().filter(|record| record["kind"] == "continuation").collect();
    let told = serde_json::to_string(&shown).unwrap();
    let subjects = shown.iter().flat_map(|record| record["disclosed"].as_array().unwrap().clone());
    let count: usize = subjects.map(|one| one["subjects"].as_array().map_or(1, Vec::len)).sum();
    assert_eq!(count, 2, "{told}");
}

#[tokio::test]
async fn a_list_that_is_read_too_far_ends_as_a_fault_and_not_as_a_short_page() {
    let stand = stopped();
    let mut persons = vec![NO; 30];
    persons.push("p-1");
    archive(&stand, &persons, Manners { most: 1, ..Manners::default() });
    let cut = get(&stand, CARE, "/dicom-web/studies?limit=1").await;
    assert_eq!((cut.status.as_u16(), cut.cut), (400, false), "{}", cut.body);
    assert!(!cut.body.contains("1.2."), "{}", cut.body);
    let end = stand.last("end");
    assert_eq!((&end["outcome"], &end["code"]), (&json!("failed"), &json!("list-too-long")), "{end}");
    assert_eq!(stand.asked(), 20);
    // Within the bound it is whole.
    archive(&stand, &persons, Manners { most: 2, ..Manners::default() });
    assert_eq!(uids(&get(&stand, CARE, "/dicom-web/studies?limit=1").await), ["1.2.31"]);
}

#[tokio::test]
async fn an_archive_that_takes_no_offset_is_found_out() {
    let stand = stopped();
    archive(&stand, &PERSONS, Manners { deaf: true, ..Manners::default() });
    let cut = get(&stand, CARE, "/dicom-web/studies?limit=20").await;
    assert_eq!(cut.status, 502, "{}", cut.body);
    assert_eq!(stand.last("end")["code"], "backend-page");
    assert_eq!(stand.asked(), 2);
}

#[tokio::test]
async fn a_further_page_that_fails_is_told_by_a_status() {
    let stand = stopped();
    for (status, media) in [(500, "application/dicom+json"), (404, "application/dicom+json"), (200, "text/html")] {
        let studies = vec![study("p-1", "1.2.1"), study(NO, "1.2.2")];
        stand.archive(move |uri| {
            if uri.query().unwrap_or("").contains("offset=") {
                return Response::builder().status(status).header("content-type", media).body("[]".into()).unwrap();
            }
            answer(&studies, uri, Manners::default())
        });
        let cut = get(&stand, CARE, "/dicom-web/studies?limit=2").await;
        assert_eq!(cut.status, 502, "{status} {media}: {}", cut.body);
        assert_eq!(stand.last("end")["code"], "backend-page", "{status} {media}");
    }
}

/// Nothing found, and nobody of whom the caller may know: one answer.
#[tokio::test]
async fn a_search_that_finds_nothing_reads_as_one_of_which_all_was_dropped() {
    let stand = stopped();
    let mut told = Vec::new();
    for (persons, status) in [(&[NO, NO][..], 200), (&[], 200), (&[], 204), (&[], 404)] {
        archive(&stand, persons, Manners { silent: status == 204, ..Manners::default() });
        if status == 404 {
            stand.archive(|_| Response::builder().status(404).body("nothing".into()).unwrap());
        }
        for caller in [CARE, STUDY] {
            let answer = get(&stand, caller, "/dicom-web/studies?limit=3").await;
            let mut headers = answer.headers.clone();
            headers.remove("purpose-of-use-decision");
            told.push((caller, answer.status, answer.body.clone(), format!("{headers:?}")));
        }
    }
    assert_eq!(told[0].2, "[]");
    assert!(told.iter().all(|(caller, ..)| *caller == CARE || *caller == STUDY));
    for one in &told {
        assert_eq!((&one.1, &one.2, &one.3), (&told[0].1, &told[0].2, &told[0].3));
    }
}

#[tokio::test]
async fn metadata_of_which_nothing_may_leave_read_as_an_unknown_object() {
    let stand = stopped();
    let target = "/dicom-web/studies/1.2/metadata";
    for persons in [&[NO, NO][..], &[]] {
        archive(&stand, persons, Manners::default());
        let answer = get(&stand, CARE, target).await;
        let wanted = if persons.is_empty() { 404 } else { 403 };
        assert_eq!(answer.status, wanted, "own staff are told why: {}", answer.body);
        assert!(answer.json()["type"].as_str().unwrap().starts_with("urn:sekisho:problem:"));
    }
    archive(&stand, &[NO, "p-1"], Manners::default());
    assert_eq!(uids(&get(&stand, CARE, target).await), ["1.2.2"]);
}

#[tokio::test]
async fn what_is_no_number_of_entries_reaches_no_archive() {
    let stand = stopped();
    for query in
        ["limit=0", "limit=-1", "limit=a", "offset=-1", "limit=1&limit=2", "offset=1&offset=1", "page-cursor=a"]
    {
        let answer = get(&stand, CARE, &format!("/dicom-web/studies?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
    }
    assert_eq!(stand.asked(), 0);
    let ask = Ask {
        method: "HEAD",
        target: "/dicom-web/studies?limit=2&offset=1",
        claims: json!({"roles": [CARE.0]}),
        purpose: CARE.1,
        ..Ask::default()
    };
    archive(&stand, &PERSONS, Manners::default());
    let head = stand.ask(ask).await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
}
