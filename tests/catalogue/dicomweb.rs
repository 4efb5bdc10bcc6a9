//! The DICOMweb surface: what its document says, and which requests it takes.

use sekisho::catalogue::dicomweb::{PATIENT_ID, RECORD_IDS, Vr};
use sekisho::catalogue::fields::{Meaning, Node};
use sekisho::catalogue::{BadTarget, Catalogue, Part, Resolved, Shape, SubjectAt, Unresolved};
use sekisho::policy::{Action, Categories, Faults, Source};

use super::{set, vocabulary};

fn dicom() -> Catalogue {
    Catalogue::read([Catalogue::dicomweb_source()], &vocabulary()).unwrap_or_else(|faults| panic!("{faults}"))
}

/// A document based on the compiled-in one.
fn based(rest: &str) -> Result<Catalogue, Faults> {
    let text = format!("surface = \"dicomweb\"\nbased-on = \"dicomweb\"\n{rest}");
    Catalogue::read([Source::new("site.toml", text)], &vocabulary())
}

fn get<'c>(catalogue: &'c Catalogue, target: &str) -> Result<Resolved<'c>, Unresolved> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    catalogue.resolve("GET", path, query)
}

/// The attributes of an entry.
fn entry(catalogue: &Catalogue) -> Node {
    let route = catalogue.routes().iter().find(|route| route.id() == "dicom.studies.search").unwrap();
    (**route.root().any.as_ref().unwrap()).clone()
}

/// Lines of `[attribute]`: tag and words.
fn attributes() -> Vec<(String, Vec<String>)> {
    let text = Catalogue::dicomweb_source().text;
    let rows = text.split_once("\n[attribute]\n").unwrap().1;
    let row = |line: &str| {
        let (tag, words) = line.split_once(" = ").unwrap();
        (tag.to_owned(), words.split('"').skip(1).step_by(2).map(str::to_owned).collect())
    };
    rows.lines().map(row).collect()
}

#[test]
fn every_attribute_of_the_profile_is_named_and_none_that_identifies_is_open() {
    let rows = attributes();
    let profile: Vec<_> =
        rows.iter().filter(|(_, words)| words.last().unwrap().bytes().all(|b| b"DZXU/*".contains(&b))).collect();
    assert_eq!(profile.len(), 655, "table E.1-1 has as many");
    let node = entry(&dicom());
    for (tag, words) in profile.into_iter().filter(|(tag, _)| !tag.contains('x')) {
        let attribute = node.members.get(tag.as_str()).unwrap_or_else(|| panic!("{tag} {words:?} is not in the tree"));
        let open = attribute.meaning == Some(Meaning::Open);
        // The zone is that of the clinic; what was cut off and how is said of the cutting.
        assert!(!open || words[0] == "TimezoneOffsetFromUTC", "{tag} {words:?} may tell who somebody is, and is open");
        assert!(attribute.attribute && attribute.vr.map(Vr::name) == Some(words[1].as_str()), "{tag}");
    }
}

#[test]
fn every_uid_that_the_profile_replaces_is_an_identifier() {
    let number = vocabulary().category("identity.number");
    let node = entry(&dicom());
    let mut seen = 0;
    for (tag, words) in attributes().iter().filter(|(_, words)| words.last().unwrap() == "U") {
        let attribute = &node.members[tag.as_str()];
        assert_eq!((attribute.meaning, attribute.vr), (number.map(Meaning::Category), Some(Vr::Ui)), "{tag} {words:?}");
        seen += 1;
    }
    assert_eq!(seen, 55);
}

#[test]
fn no_private_attribute_can_be_named() {
    let node = entry(&dicom());
    assert!(node.members.keys().all(|tag| u16::from_str_radix(&tag[..4], 16).unwrap() % 2 == 0));
    for (tag, why) in [
        ("00091001", "private"),
        ("0009xxxx", "never"),
        ("0010010", "no tag"),
        ("0010001g", "no tag"),
        ("0008103e", "no tag"),
    ] {
        let faults = based(&format!("[attribute]\n{tag} = [\"Mine\", \"LO\", \"open\"]")).err().unwrap().to_string();
        assert!(faults.contains(why), "{tag}: {faults}");
    }
}

#[test]
fn each_fault_of_a_document_is_told() {
    for (text, told) in [
        ("burnt-in-text = \"maybe\"", "burnt-in-text"),
        ("base = \"dicom\"", "such as `/dicom-web`"),
        ("told = \"health.exam\"", "unknown category"),
        ("subject-class = \"patients\"", "subject class"),
        ("search = { study = [\"StudyDat\"] }", "StudyDate"),
        ("search = { studies = [\"StudyDate\"] }", "unknown level"),
        ("search = [\"StudyDate\"]", "`search` is to be a table"),
        ("[attribute]\n00100020 = [\"PatientID\", \"LO\", \"open\"]", "00100020"),
        ("[attribute]\n0020000D = [\"StudyInstanceUID\", \"LO\", \"identity.number\"]", "0020000D"),
        ("[attribute]\n00080018 = [\"SOPInstanceUID\", \"UI\", \"open\", \"U\"]", "another UID"),
        ("[attribute]\n00080020 = [\"StudyDate\", \"DX\", \"open\"]", "value representation"),
        ("[attribute]\n00080030 = [\"StudyTime\", \"TM\", \"health.exam-event\", \"year\"]", "coarser"),
        ("[attribute]\n00080030 = [\"StudyTime\", \"TM\"]", "needs a category"),
        ("[attribute]\n00080030 = [\"StudyTime\", \"TM\", \"health.exam-event\", \"Q\"]", "unknown word"),
        ("[attribute]\n00080030 = [\"StudyTime\", \"TM\", \"health.exam-event\", \"code\"]", "no sequence"),
        ("[code]\n00080100 = [\"CodeValue\", \"SH\", \"open\"]", "what its sequence is"),
        ("[attribute]\n00080030 = [\"StudyTime\"]", "keyword"),
    ] {
        let faults = based(text).err().unwrap_or_else(|| panic!("{text} was taken")).to_string();
        assert!(faults.contains(told), "{text}: {faults}");
    }
    let other = Source::new("site.toml", "surface = \"dicomweb\"\nbased-on = \"fhir-r4\"");
    assert!(Catalogue::read([other], &vocabulary()).is_err());
    assert!(Catalogue::read([Source::new("site.toml", "surface = \"dicomweb\"")], &vocabulary()).is_err());
}

#[test]
fn a_search_names_records_and_persons_and_filters_on_what_is_named() {
    let catalogue = dicom();
    let found =
        get(&catalogue, "/dicom-web/studies?PatientID=p1&StudyDate=20200101-&ModalitiesInStudy=CT&limit=10").unwrap();
    assert_eq!((found.route.shape(), found.action), (Shape::List, Action::Search));
    assert!(matches!(&found.subject, SubjectAt::Target(named) if named.id == "p1" && named.part == Part::Query));
    assert_eq!(found.query_categories, set(&["health.exam-event"]));
    let charged: Vec<_> = found.charges.iter().map(|charge| (charge.parameter.as_str(), charge.categories)).collect();
    assert_eq!(charged, [("StudyDate", set(&["health.exam-event"])), ("ModalitiesInStudy", Categories::NONE)]);
    assert_eq!(found.pages.len(), 1);
    let by_tag = get(&catalogue, "/dicom-web/studies?00100020=p1&00100010=YAMADA*").unwrap();
    assert_eq!(by_tag.query_categories, set(&["identity.name"]));
    assert!(matches!(by_tag.subject, SubjectAt::Target(_)));
    assert!(get(&catalogue, "/dicom-web/series").unwrap().subject == SubjectAt::Entries);
    let text = get(&catalogue, "/dicom-web/studies?StudyDescription=hiv").unwrap();
    assert_eq!(text.query_categories, text.route.categories(), "typed text counts as everything");
    assert_eq!(found.route.told_by_type(), set(&["health.exam-event"]));
}

#[test]
fn the_ids_of_records_are_found_where_they_stand() {
    let catalogue = dicom();
    let one = |target: &str| {
        let found = get(&catalogue, target).unwrap_or_else(|e| panic!("{target}: {e:?}"));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        for named in &found.ids {
            let part = if named.part == Part::Path { path } else { query };
            assert_eq!(&part[named.raw.clone()], named.id, "{target}");
        }
        found.ids.into_iter().map(|named| named.id).collect::<Vec<_>>()
    };
    assert_eq!(one("/dicom-web/studies/1.2/series/1.3/instances/1.4/metadata"), ["1.2", "1.3", "1.4"]);
    assert_eq!(one("/dicom-web/studies/1.2/series?SeriesInstanceUID=1.3"), ["1.2", "1.3"]);
    assert_eq!(one("/dicom-web/studies?StudyInstanceUID=1.2,1.3&limit=1"), ["1.2", "1.3"]);
    assert_eq!(one("/dicom-web/studies?0020000D=1.2%2c1.3%2C1.4"), ["1.2", "1.3", "1.4"]);
    assert_eq!(one("/dicom-web/studies/1.2/series/1.3/instances/1.4/frames/1,2"), ["1.2", "1.3", "1.4"]);
    for bad in [
        "/dicom-web/studies/1.2x/metadata",
        "/dicom-web/studies/1..2",
        "/dicom-web/studies?StudyInstanceUID=1.2*",
        "/dicom-web/studies?StudyInstanceUID=",
        "/dicom-web/studies?StudyInstanceUID=1.2,,1.3",
        "/dicom-web/studies?StudyInstanceUID=1.2&StudyInstanceUID=1.3",
        "/dicom-web/studies?PatientID=p*",
        "/dicom-web/studies?PatientID=a&00100020=b",
        "/dicom-web/studies?fuzzymatching=perhaps",
    ] {
        assert!(matches!(get(&catalogue, bad), Err(Unresolved::BadTarget(_))), "{bad}");
    }
    assert_eq!(get(&catalogue, "/dicom-web/studies?PatientID=p%2a").err(), Some(BadTarget::SubjectId.into()));
}

#[test]
fn what_nobody_named_is_refused_by_its_name() {
    let catalogue = dicom();
    for (query, name) in [
        ("00091001=x", "00091001"),
        ("OtherPatientIDs=x", "OtherPatientIDs"),
        ("orderby=StudyDate", "orderby"),
        ("includefield=all", "includefield=all"),
        ("includefield=StudyDate,Nobody", "includefield=Nobody"),
        ("includefield=00091001", "includefield=00091001"),
        ("includefield=RequestAttributesSequence.Nobody", "includefield=RequestAttributesSequence.Nobody"),
        ("includefield=NumberOfPatientRelatedStudies", "includefield=NumberOfPatientRelatedStudies"),
    ] {
        let refused = get(&catalogue, &format!("/dicom-web/studies?{query}")).err();
        assert_eq!(refused, Some(Unresolved::UnknownParameter { name: name.to_owned() }), "{query}");
    }
    let asked = "/dicom-web/studies?includefield=PatientName&includefield=00080020,0020000D,PatientID";
    assert_eq!(get(&catalogue, asked).unwrap().query_categories, set(&["identity.name", "health.exam-event"]));
    let nested = "/dicom-web/series?includefield=00400275.00400009";
    assert_eq!(get(&catalogue, nested).unwrap().query_categories, set(&["health.exam-result", "identity.number"]));
}

#[test]
fn nothing_is_stored_and_nothing_else_is_a_route() {
    let catalogue = dicom();
    for method in ["POST", "PUT", "DELETE"] {
        let refused = catalogue.resolve(method, "/dicom-web/studies", None).err();
        assert_eq!(refused, Some(Unresolved::MethodNotAllowed { allow: "GET, HEAD".into() }), "{method}");
    }
    for path in ["/dicom-web", "/studies", "/dicom-web/studies/1.2/archive", "/dicom-web/workitems", "/dicom-web/wado"]
    {
        assert_eq!(get(&catalogue, path).err(), Some(Unresolved::NotFound), "{path}");
    }
}

#[test]
fn pixels_count_as_what_is_known_of_the_names_in_them() {
    let everything = |catalogue: &Catalogue, path: &str| {
        let found = get(catalogue, path).unwrap();
        assert_eq!(found.route.shape(), Shape::Opaque);
        (found.route.dicom().unwrap().refused, found.asked)
    };
    let all = get(&dicom(), "/dicom-web/studies").unwrap().asked;
    let file = "/dicom-web/studies/1.2/series/1.3/instances/1.4";
    let pixels = ["/frames/1", "/rendered", "/thumbnail", "/frames/1/rendered", "/bulk/7FE00010", "/bulkdata/x"];
    let (unknown, counts, cleared) =
        (dicom(), based("burnt-in-text = \"counts\"").unwrap(), based("burnt-in-text = \"cleared\"").unwrap());
    for rest in pixels {
        let path = format!("{file}{rest}");
        assert!(everything(&unknown, &path).0, "{path}: nobody has said what is in it");
        assert_eq!(everything(&counts, &path), (false, all), "{path}");
        assert_eq!(everything(&cleared, &path), (false, set(&["health.exam-result", "health.exam-event"])), "{path}");
    }
    for catalogue in [&unknown, &counts, &cleared] {
        assert_eq!(everything(catalogue, file), (false, all), "a file holds everything whatever its pixels show");
    }
}

#[test]
fn a_document_of_a_site_changes_what_it_names_and_nothing_else() {
    let text = "base = \"/pacs/rs\"\nexistence = \"open\"\n[attribute]\n00080020 = [\"StudyDate\", \"DA\", \"health.exam-event\", \"year\"]";
    let catalogue = based(text).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(get(&catalogue, "/pacs/rs/studies?StudyDate=20200101").is_ok());
    assert!(entry(&catalogue).members["00080020"].generaliser.is_some());
    assert_eq!(entry(&catalogue).members.len(), entry(&dicom()).members.len());
    let lookup =
        get(&catalogue, "/pacs/rs/studies/1.2/series/1.3").unwrap().route.dicom().unwrap().lookup.clone().unwrap();
    assert_eq!(
        (&*lookup.path, lookup.tags.as_slice()),
        ("/pacs/rs/series", [RECORD_IDS[0].1, RECORD_IDS[1].1].as_slice())
    );
    let asks = get(&catalogue, "/pacs/rs/series").unwrap().route.dicom().unwrap().asks_too.clone().unwrap();
    assert_eq!(&*asks, format!("includefield={PATIENT_ID}"));
    assert_ne!(get(&catalogue, "/pacs/rs/series").unwrap().asked, Categories::NONE);
}
