//! Forms behind the layer: what depends on the person, on the receiver, and on what is on record.

use http::StatusCode;
use sekisho::demo::sample::{Org, Sample};
use serde_json::{Value, json};

use super::support::Stand;
use super::{researcher, staff};

const RESEARCH: &str = "research;basis=\"academic-research\"";

const API: &str = r#"
surface = "rest"
subject-class = "donor"
[record.donor]
fields = { "/id" = "identity.number", "/born" = "identity.birth-date", "/phone" = "contact.phone", "/memo" = "free-text", "/number" = "contact.phone" }
references = ["/id"]
generalise = { "/born" = "shift" }
not-individual-number = { "/number" = "a number of the exchange's own" }
[[route]]
id = "donors"
path = "/donors"
methods = { GET = "search" }
shape = "list"
entries = "/items/*"
record = "donor"
subject = { entry = "/id" }
[[route]]
id = "donors.one"
path = "/donors/{id}"
methods = { GET = "read" }
shape = "object"
record = "donor"
subject = { path = "id", entry = "/id" }
[[route]]
id = "donors.dates"
path = "/donors/{id}/dates"
methods = { GET = "read" }
shape = "object"
subject = { path = "id" }
fields = { "/born" = "identity.birth-date" }
generalise = { "/born" = "shift" }
"#;

async fn born(stand: &Stand, claims: Value, purpose: &str, target: &str, body: &str) -> Value {
    stand.next_body(body.to_owned(), "application/json");
    let answer = stand.get(claims, purpose, target).await;
    assert_eq!(answer.status, StatusCode::OK, "{target}: {}", answer.body);
    answer.json()
}

#[tokio::test]
async fn a_persons_dates_move_alike_in_every_answer_to_one_receiver() {
    let more = [
        ("organization", "id=univ-b recipient=researcher country=JP purposes=research"),
        ("approval", "organization=univ-b purpose=research from=2026-01-01 until=2026-12-31"),
    ];
    let facts: Vec<(&str, &str)> = researcher::FACTS.iter().copied().chain(more).collect();
    let stand = Stand::with(Sample::new(Org::Jmdp, 1), API, &facts);
    let list = r#"{"items":[{"id":"d-1","born":"1987-05-02"},{"id":"d-2","born":"1987-05-02"},{"id":"d-1","born":"1987-05-03"}]}"#;
    let seen = born(&stand, researcher::claims(), RESEARCH, "/donors", list).await;
    let days: Vec<&str> = seen["items"].as_array().unwrap().iter().map(|item| item["born"].as_str().unwrap()).collect();
    assert!(days[0] != "1987-05-02" && days[0] != days[1], "{days:?}");
    let moved: jiff::civil::Date = days[0].parse().unwrap();
    assert_eq!(moved.tomorrow().unwrap().to_string(), days[2]);
    // The same in another answer about the same person, also where only the path says who it is.
    let pseudonym = seen["items"][0]["id"].as_str().unwrap();
    let one = r#"{"id":"d-1","born":"1987-05-02"}"#;
    let alone = born(&stand, researcher::claims(), RESEARCH, &format!("/donors/{pseudonym}"), one).await;
    assert_eq!(alone["born"], days[0]);
    let path = format!("/donors/{pseudonym}/dates");
    let unnamed = born(&stand, researcher::claims(), RESEARCH, &path, r#"{"born":"1987-05-02"}"#).await;
    assert_eq!(unnamed["born"], days[0]);
    // Two receivers cannot lay their answers side by side.
    let mut differ = 0;
    let people: Vec<String> = (0..20).map(|n| format!(r#"{{"id":"p-{n}","born":"1987-05-02"}}"#)).collect();
    let body = format!(r#"{{"items":[{}]}}"#, people.join(","));
    let own = born(&stand, researcher::claims(), RESEARCH, "/donors", &body).await;
    let other = born(&stand, json!({"sub": "x", "org": "univ-b"}), RESEARCH, "/donors", &body).await;
    for at in 0..20 {
        differ += usize::from(own["items"][at]["born"] != other["items"][at]["born"]);
    }
    assert!(differ > 15, "{differ} of 20");
}

#[tokio::test]
async fn a_stray_individual_number_stays_and_is_on_record_as_one() {
    let stand = Stand::with(Sample::new(Org::Jmdp, 1), API, &[]);
    let body = r#"{"items":[{"id":"d-1","phone":"1234-5678-9018","number":"123456789018"},{"id":"d-2","phone":"03-1234-5678"}]}"#;
    stand.next_body(body, "application/json");
    let answer = stand.get(staff("coordination-staff"), "coordination", "/donors").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let items = &answer.json()["items"];
    assert!(items[0].get("phone").is_none() && items[1]["phone"] == "03-1234-5678", "{items}");
    assert_eq!(items[0]["number"], "123456789018", "exempt with a reason");
    let text: String = stand.lines().concat();
    let end = stand.last("end");
    assert!(end.to_string().contains("identity.my-number"), "{end}");
    assert!(!text.contains("9018"), "the number itself is on record");
}

#[tokio::test]
async fn a_cell_of_too_few_is_not_there() {
    let stand = Stand::new(Org::Jmdp, &[]);
    let cells = [
        ("nine", "9", false),
        ("ten", "10", true),
        ("many", "12345", true),
        ("text", "\"11\"", true),
        ("float", "10.0", false),
        ("exponent", "1e3", false),
        ("negative", "-10", false),
        ("null", "null", false),
        ("list", "[10]", false),
        ("huge", "99999999999999999999999", false),
        ("words", "\"10 or so\"", false),
    ];
    let mut body: Vec<String> =
        cells.iter().map(|(name, n, _)| format!(r#"{{"group":"{name}","persons":{n}}}"#)).collect();
    body.push(r#"{"group":"silent"}"#.to_owned());
    let body = format!(r#"{{"published":"2026","total":99,"cells":[{}]}}"#, body.join(","));
    stand.next_body(body, "application/json");
    let purpose = "improvement";
    let answer = stand.get(staff("research-staff"), purpose, "/statistics/donors-by-prefecture").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    for (name, _, shown) in cells {
        assert_eq!(answer.body.contains(&format!("\"{name}\"")), shown, "{name}: {}", answer.body);
    }
    assert!(!answer.body.contains("silent") && !answer.body.contains("99"), "{}", answer.body);
}
