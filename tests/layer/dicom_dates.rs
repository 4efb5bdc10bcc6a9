//! Moments of a data set where days are moved or left out: as exact as they are written, and no more.

use bytes::Bytes;
use http::Response;
use sekisho::demo::sample::Org;
use sekisho::policy::Source;
use serde_json::{Value, json};

use super::dicom::{STUDY, study, value};
use super::support::Stand;

/// Moments that count as a birth date, of which this caller sees less.
const API: &str = r#"
surface = "dicomweb"
based-on = "dicomweb"
[attribute]
0008002A = ["AcquisitionDateTime", "DT", "identity.birth-date", "shift"]
00181078 = ["RadiopharmaceuticalStartDateTime", "DT", "identity.birth-date", "month"]
00181079 = ["RadiopharmaceuticalStopDateTime", "DT", "identity.birth-date", "year"]
"#;

async fn left(moment: &str) -> Value {
    let stand = Stand::before(Source::new("catalogue.toml", API), Org::Sakura, &[]);
    let mut study = study("p-1", "1.2.3");
    for tag in ["0008002A", "00181078", "00181079"] {
        study[tag] = json!({"vr": "DT", "Value": [moment]});
    }
    let body = json!([study]).to_string();
    stand.archive(move |uri| {
        let first = !uri.query().unwrap_or("").contains("offset=1");
        let body = if first { body.clone() } else { "[]".to_owned() };
        Response::builder().header("content-type", "application/dicom+json").body(Bytes::from(body)).unwrap()
    });
    let (role, purpose) = STUDY;
    let answer = stand.get(json!({"roles": [role]}), purpose, "/dicom-web/studies?limit=1").await;
    assert_eq!((answer.status.as_u16(), answer.cut), (200, false), "{}", answer.body);
    answer.json()[0].clone()
}

/// A year moved as its first day would tell by how many days all of this person's days are moved.
#[tokio::test]
async fn a_year_is_moved_to_no_day_and_given_no_month() {
    let moved = left("20240131").await;
    let day = value(&moved, "0008002A").as_str().unwrap().to_owned();
    assert!(day.len() == 8 && day != "20240131", "{day}");
    for (moment, month, shifted) in [
        ("2024", None, false),
        ("2024+0900", None, false),
        ("202401", Some("202401"), false),
        ("202401-0500", Some("202401"), false),
        ("20240131+0900", Some("202401"), true),
        ("2024013115", Some("202401"), true),
        ("202401311530", Some("202401"), true),
        ("202401311530+0900", Some("202401"), true),
        ("20240131153045.123456+0900", Some("202401"), true),
    ] {
        let left = left(moment).await;
        assert_eq!(value(&left, "00181079").as_str(), Some("2024"), "{moment}: {left}");
        assert_eq!(value(&left, "00181078").as_str(), month, "{moment}: {left}");
        assert_eq!(value(&left, "0008002A").as_str(), shifted.then_some(day.as_str()), "{moment}: {left}");
    }
    for odd in ["2024013", "202401311530.5", "20240131-0000", "20240131153"] {
        let left = left(odd).await;
        assert!(["0008002A", "00181078", "00181079"].iter().all(|tag| value(&left, tag).is_null()), "{odd}: {left}");
    }
}
