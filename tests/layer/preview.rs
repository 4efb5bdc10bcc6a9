//! What a look at a document shows is what the layer lets through: same bytes, same refusals.

use std::sync::Arc;

use sekisho::catalogue::{Catalogue, Route, Shape};
use sekisho::cli::documents;
use sekisho::decision::evaluation::Evaluation;
use sekisho::demo::sample::{Org, Sample};
use sekisho::layer::preview::{Document, Preview, Unseen};
use sekisho::layer::{Generation, PseudonymKeys};
use sekisho::policy::{Source, Vocabulary};
use sekisho::redact::{KeySeed, Limits, MasterKey, Pseudonyms, Receiver};
use serde_json::{Value, json};

use super::support::{KEY, NOW_MS, Stand};

const ORGANISATIONS: [Org; 5] = [Org::Jsco, Org::Jmdp, Org::Cemit, Org::Cellspect, Org::Sakura];

/// The documents of a stand, read again.
pub(crate) fn generation(org: Org, source: Source) -> Arc<Generation> {
    let revisions = documents::revisions(std::path::Path::new(&format!("policy/{}", org.id()))).unwrap();
    let catalogue = Catalogue::read([source], &Vocabulary::compiled_in().unwrap()).unwrap();
    let keys = PseudonymKeys { master: MasterKey::new(KEY), epoch: 1, accepted: vec![] };
    Arc::new(Generation::new(revisions, catalogue, String::new(), keys, Limits::default()).unwrap())
}

/// What a document looks like to a request; why, where nothing of it is shown.
pub(crate) fn seen(
    generation: &Arc<Generation>,
    request: &Value,
    document: Document<'_>,
    body: &[u8],
) -> Result<Vec<u8>, String> {
    let newest = generation.revisions.newest().unwrap();
    let evaluation = Evaluation::from_value(request, newest, NOW_MS.cast_signed()).unwrap();
    let preview = Preview::new(Arc::clone(generation), evaluation, "http://backend.test", "").unwrap();
    let mut look = match preview.look(document, KeySeed::new([1, 2])) {
        Ok(look) => look,
        Err(Unseen::Refused(answer)) => return Err(answer.to_string()),
        Err(Unseen::Senseless(why)) => return Err(why),
    };
    let mut out = Vec::new();
    look.push(body, &mut out).unwrap();
    look.finish(&mut out).unwrap();
    let nothing = look.tally().is_some_and(|tally| tally.released == 0);
    match look.refused() {
        Some(answer) if nothing => Err(answer.to_string()),
        _ if nothing && look.is_single() => Err("not-available".to_owned()),
        _ => Ok(out),
    }
}

/// The gate's answer without what it puts at the end of a list: links that lead to itself. `of`: what the backend answered.
pub(crate) fn without_own_links(answer: &str, of: &[u8]) -> String {
    let backend: Value = serde_json::from_slice(of).unwrap_or_default();
    let bundle = backend["resourceType"] == "Bundle";
    if !bundle && !backend["next"].is_string() {
        return answer.to_owned();
    }
    let at = answer.rfind(if bundle { ",\"link\":[" } else { ",\"next\":\"" });
    let (list, own) = answer.split_at(at.unwrap_or_else(|| panic!("no link of the gate's own: {answer}")));
    let own: Value = serde_json::from_str(&format!("{{{}", own.trim_start_matches(','))).unwrap();
    let urls: Vec<&Value> = match own["link"].as_array() {
        Some(links) => links.iter().map(|link| &link["url"]).collect(),
        None => vec![&own["next"]],
    };
    assert!(own.as_object().unwrap().len() == 1 && urls.iter().all(|url| url.as_str().unwrap().starts_with('/')));
    format!("{list}}}")
}

/// A path of this route about somebody of the sample, and who.
fn target(sample: &Sample, route: &Route, nth: usize, spelt: impl Fn(&str) -> String) -> (String, Option<String>) {
    let (mut path, mut subject) = (String::new(), None);
    let mut collection = String::new();
    for step in route.template().split('/').skip(1) {
        let step = match step.strip_prefix('{') {
            Some(_) => {
                let mine = format!("-{:04}-", nth + 1);
                let ids = sample.ids(&collection);
                let own = ids.iter().find(|id| id.contains(&mine)).or(ids.get(nth)).cloned();
                subject = subject.or_else(|| own.clone());
                own.map_or_else(|| "nobody".to_owned(), |id| spelt(&id))
            }
            None => step.to_owned(),
        };
        path = format!("{path}/{step}");
        collection = step;
    }
    (path, subject)
}

#[tokio::test]
async fn a_look_shows_exactly_what_the_layer_lets_through() {
    let (mut released, mut refused) = (0, 0);
    for org in ORGANISATIONS {
        let facts = [("organization", "id=univ-a recipient=researcher country=JP purposes=research")];
        let stand = Stand::new(org, if org == Org::Jmdp { &facts } else { &[] });
        let policy = Arc::clone(&stand.policy);
        let generation = generation(org, Source::new("catalogue.toml", org.catalogue()));
        for (number, route) in generation.catalogue.routes().iter().enumerate() {
            let Some((_, action)) = route.methods().find(|(method, _)| *method == "GET") else { continue };
            let sample = &stand.backend.sample;
            let (path, subject) = target(sample, route, number % 3, str::to_owned);
            let answer = sample.respond("GET", &path, None, b"");
            if answer.status != 200 {
                continue;
            }
            for (nth, (_, purpose)) in policy.purposes().enumerate().filter(|(nth, _)| (nth + number) % 11 == 0) {
                let roles: Vec<&str> =
                    policy.roles().filter(|role| policy.roles_of([*role]) & purpose.served_by != 0).collect();
                let role = roles.get(nth % roles.len().max(1)).copied().unwrap_or("nobody");
                let claims = json!({"sub": "s-1", "roles": [role]});
                let mut layer = stand.get(claims.clone(), &purpose.name, &path).await;
                if layer.status == 404 && layer.json().get("reasons").is_none() {
                    // Who sees pseudonyms names people by them.
                    let receiver = Receiver::Recipient("internal");
                    let pseudonyms = Pseudonyms::new(&MasterKey::new(KEY), receiver, &purpose.name, 1, &[]).unwrap();
                    let (path, _) = target(sample, route, number % 3, |id| pseudonyms.seal(id).unwrap());
                    layer = stand.get(claims, &purpose.name, &path).await;
                }
                // A path that names its person is a request about that person.
                let named = subject.as_ref().filter(|_| !route.is_of_no_one() && !route.is_of_caller());
                let request = json!({
                    "subject": {"type": "caller", "id": "s-1", "properties": {"roles": [role]}},
                    "action": {"name": action.name()},
                    "resource": {"type": "record", "id": path.rsplit('/').next(), "properties": {"subject": named}},
                    "context": {"purpose": purpose.name},
                });
                let shown = seen(&generation, &request, Document::Route(route.id()), answer.body.as_ref());
                let place = format!("{org:?} {path} {role} {}", purpose.name);
                match (layer.status.as_u16(), shown) {
                    (200, Ok(shown)) => {
                        let layers = without_own_links(&layer.body, answer.body.as_ref());
                        assert_eq!(String::from_utf8_lossy(&shown), layers, "{place}");
                        released += usize::from(route.shape() != Shape::Opaque);
                    }
                    (403 | 404 | 502, Err(why)) => {
                        let code = layer.json()["reasons"][0]["code"].as_str().unwrap_or_default().to_owned();
                        assert!(why.contains(&code), "{place}: {why} is not {code}");
                        refused += 1;
                    }
                    (status, shown) => panic!("{place}: {status} {}, but {shown:?}", layer.body),
                }
            }
        }
    }
    assert!(released > 40 && refused > 40, "{released} {refused}");
}

const PATIENTS: &str = include_str!("../fhir/bodies/patients.json");
const CONDITIONS: &str = include_str!("../fhir/bodies/conditions.json");

fn care(action: &str) -> Value {
    json!({
        "subject": {"type": "caller", "id": "c-1", "properties": {"roles": ["physician"]}},
        "action": {"name": action}, "resource": {"type": "record", "id": "r-1"}, "context": {"purpose": "care"},
    })
}

#[tokio::test]
async fn fhir_resources_look_as_the_layer_gives_them() {
    let stand = Stand::before(Catalogue::fhir_r4_source(), Org::Sakura, &[]);
    let generation = generation(Org::Sakura, Catalogue::fhir_r4_source());
    let claims = || json!({"sub": "c-1", "roles": ["physician"]});
    let mut lines = String::new();
    for (name, body) in [("Patient", PATIENTS), ("Condition", CONDITIONS)] {
        stand.next_body(body, "application/fhir+json");
        let layer = stand.get(claims(), "care", &format!("/{name}")).await;
        let shown = seen(&generation, &care("search"), Document::Bundle { of: Some(name) }, body.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&shown), without_own_links(&layer.body, body.as_bytes()), "{name}");
        let bundle: Value = serde_json::from_str(body).unwrap();
        let one = &bundle["entry"][0]["resource"];
        stand.next_body(one.to_string(), "application/fhir+json");
        let layer = stand.get(claims(), "care", &format!("/{name}/{}", one["id"].as_str().unwrap())).await;
        let resource = Document::Resource(name);
        let shown = seen(&generation, &care("read"), resource, one.to_string().as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&shown), layer.body, "{name}");
        lines.push_str(&format!("{one}\n"));
    }
    // Line by line and mixed, each is what it is by itself.
    let shown = seen(&generation, &care("read"), Document::ResourceLines, lines.as_bytes()).unwrap();
    for (line, shown) in lines.lines().zip(String::from_utf8(shown).unwrap().lines()) {
        let value: Value = serde_json::from_str(line).unwrap();
        let resource = Document::Resource(value["resourceType"].as_str().unwrap());
        let alone = seen(&generation, &care("read"), resource, line.as_bytes()).unwrap();
        assert_eq!(shown, String::from_utf8(alone).unwrap());
    }
}

const STUDY: &str = concat!(
    r#"{"00080020":{"vr":"DA","Value":["20251103"]},"00080050":{"vr":"SH","Value":["ACC-4711"]},"#,
    r#""00081190":{"vr":"UR","Value":["http://backend.test/dicom-web/studies/1.2.3"]},"#,
    r#""00100010":{"vr":"PN","Value":[{"Alphabetic":"Name^A"}]},"00100020":{"vr":"LO","Value":["p-1"]},"#,
    r#""00100030":{"vr":"DA","Value":["19870502"]},"00091001":{"vr":"LO","Value":["private"]},"#,
    r#""0020000D":{"vr":"UI","Value":["1.2.3"]}}"#
);

#[tokio::test]
async fn dicom_data_sets_look_as_the_layer_gives_them() {
    let stand = Stand::before(Catalogue::dicomweb_source(), Org::Sakura, &[]);
    let generation = generation(Org::Sakura, Catalogue::dicomweb_source());
    let nobodys = r#"{"0020000D":{"vr":"UI","Value":["1.2.4"]}}"#;
    let body = format!("[{STUDY},{nobodys}]");
    for (role, purpose) in [("physician", "care"), ("student", "operations.student-training")] {
        stand.next_body(body.clone(), "application/dicom+json");
        stand.archive(|_| {
            http::Response::builder().header("content-type", "application/dicom+json").body("[]".into()).unwrap()
        });
        let layer = stand.get(json!({"sub": "c-1", "roles": [role]}), purpose, "/dicom-web/studies").await;
        assert_eq!(layer.status, 200, "{}", layer.body);
        let mut request = care("search");
        request["subject"]["properties"]["roles"] = json!([role]);
        request["context"]["purpose"] = json!(purpose);
        let shown = seen(&generation, &request, Document::Route("dicom.studies.search"), body.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&shown), layer.body, "{role}");
        assert_eq!(layer.body.contains("\"1.2.3\""), role == "physician", "{}", layer.body);
        assert_eq!(layer.body.contains("2.25."), role == "student", "{}", layer.body);
    }
    // What the gate refuses before it asks anybody is refused here.
    let mut request = care("read");
    request["resource"]["properties"] = json!({"subject": "p-1"});
    let pixels = seen(&generation, &request, Document::Route("dicom.frames"), b"pixels");
    assert!(pixels.unwrap_err().contains("burnt-in-text"));
    assert_eq!(seen(&generation, &request, Document::Route("dicom.instance.retrieve"), b"DICM").unwrap(), b"DICM");
    let nobodys = seen(&generation, &care("read"), Document::Route("dicom.instance.retrieve"), b"DICM");
    assert!(nobodys.unwrap_err().contains("cannot be read inside"));
}

#[tokio::test]
async fn types_brought_along_look_as_the_layer_gives_them() {
    let stand = Stand::before(Catalogue::fhir_r4_source(), Org::Sakura, &[]);
    let generation = generation(Org::Sakura, Catalogue::fhir_r4_source());
    let of = |kind: &str, id: &str, person: &str| json!({"resource": {"resourceType": kind, "id": id, "subject": {"reference": format!("Patient/{person}")}}});
    let chart = json!({"resourceType": "Patient", "id": "p1", "name": [{"text": "N"}]});
    let entries = [
        json!({"resource": chart, "fullUrl": "http://backend.test/Patient/p1"}),
        of("Condition", "c1", "p1"),
        of("Condition", "c2", "p2"),
        of("Invoice", "i1", "p1"),
        json!({"resource": {"resourceType": "Organization", "id": "o1", "name": "clinic"}}),
    ];
    let body = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries}).to_string();
    for (id, target) in [("everything", "/Patient/p1/$everything"), ("history", "/Patient/p1/_history")] {
        stand.next_body(body.clone(), "application/fhir+json");
        let layer = stand.get(json!({"sub": "c-1", "roles": ["physician"]}), "care", target).await;
        assert_eq!(layer.status, 200, "{}", layer.body);
        let mut request = care("read");
        request["resource"]["properties"] = json!({"subject": "p1"});
        let route = format!("fhir.Patient.{id}");
        let shown = seen(&generation, &request, Document::Route(&route), body.as_bytes()).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown, without_own_links(&layer.body, body.as_bytes()), "{target}");
        assert_eq!(shown.contains("c1") && shown.contains("o1"), id == "everything", "{shown}");
        assert!(
            shown.contains("\"fullUrl\":\"/Patient/p1\"") && !shown.contains("c2") && !shown.contains("i1"),
            "{shown}"
        );
    }
}

#[test]
fn a_mixed_document_shows_each_type_to_who_may_see_it() {
    let generation = generation(Org::Sakura, Catalogue::fhir_r4_source());
    let lines = concat!(
        r#"{"resourceType":"Patient","id":"p1","gender":"male"}"#,
        "\n",
        r#"{"resourceType":"Invoice","id":"i1","status":"issued","subject":{"reference":"Patient/p1"}}"#,
        "\n",
        r#"{"resourceType":"Basic","id":"b1"}"#,
        "\n",
    );
    let shown = seen(&generation, &care("read"), Document::ResourceLines, lines.as_bytes()).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("Patient") && !shown.contains("Basic"), "{shown}");
    let mut other = care("read");
    other["resource"]["properties"] = json!({"subject": "p2"});
    let nothing = seen(&generation, &other, Document::ResourceLines, lines.as_bytes()).unwrap();
    assert_eq!(nothing, b"", "records about another than the request's person");
    other["context"]["purpose"] = json!("no-such-purpose");
    assert!(
        seen(&generation, &other, Document::ResourceLines, lines.as_bytes()).unwrap_err().contains("purpose-unknown")
    );
}
