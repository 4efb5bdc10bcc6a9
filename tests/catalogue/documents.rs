//! What is wrong in a document is told with its place.

use proptest::prelude::*;

use super::{SMALL, read};

/// The faults of the small API with one text replaced: the words at fault, and the message.
fn faults(from: &str, to: &str) -> Vec<(String, String)> {
    assert!(SMALL.contains(from), "{from}");
    let text = SMALL.replacen(from, to, 1);
    match read(&text) {
        Ok(_) => Vec::new(),
        Err(found) => found.0.iter().map(|fault| (fault.offending().to_owned(), fault.to_string())).collect(),
    }
}

#[test]
fn every_mistake_is_told_at_its_place() {
    for (from, to, offending, message) in [
        ("\"identity.name\"", "\"identity.nam\"", "\"identity.nam\"", "did you mean `identity.name`"),
        ("\"/born\" = \"year\"", "\"/born\" = \"yaer\"", "\"yaer\"", "did you mean `year`"),
        ("\"/born\" = \"year\"", "\"/born\" = \"round-0\"", "\"round-0\"", "unknown generaliser"),
        ("\"/born\" = \"year\"", "\"/born\" = [\"year\", \"month\"]", "\"/born\"", "by one generaliser"),
        ("references =", "systems = { \"/idd\" = \"system\" }\nreferences =", "\"/idd\"", "no field with a category"),
        ("references =", "systems = { \"/id\" = \"/system\" }\nreferences =", "\"/system\"", "named by a member"),
        ("references =", "systems = { \"/id\" = [] }\nreferences =", "\"/id\"", "one member's name"),
        ("references =", "not-individual-number = { \"/id\" = \" \" }\nreferences =", "\"/id\"", "needs a reason"),
        ("references =", "not-individual-number = { \"/idd\" = \"ours\" }\nreferences =", "\"/idd\"", "no field here"),
        ("\"/status\" = \"open\"", "\"/status/**\" = \"open\"", "\"/status/**\"", "members that nobody named"),
        ("\"/status\" = \"open\"", "\"/**/status\" = \"open\"", "\"/**/status\"", "only a last step is `**`"),
        ("\"/status\" = \"open\"", "\"/name/**\" = \"free-text\"", "\"/name", "named twice"),
        ("\"/status\" = \"open\"", "\"/name/kana\" = \"identity.name\"", "\"donor", "the rest by `/name/**`"),
        ("\"/status\" = \"open\"", "\"/name/*\" = \"identity.name\"", "\"donor", "the rest by `/name/**`"),
        ("\"/born\" = \"year\"", "\"/bron\" = \"year\"", "\"/bron\"", "no field with a category"),
        ("references = [\"/id\"]", "references = [\"/status\"]", "\"/status\"", "no field with a category"),
        ("shape = \"list\"", "shape = \"lst\"", "\"lst\"", "unknown shape"),
        ("record = \"donor\"", "record = \"doner\"", "\"doner\"", "did you mean `donor`"),
        ("entries = \"/items/*\"", "entries = \"/items\"", "\"/items\"", "end in `/*`"),
        ("entries = \"/items/*\"", "entries = \"items\"", "\"items\"", "no json pointer"),
        ("GET = \"search\"", "GET = \"delete\"", "\"delete\"", "unknown action"),
        ("GET = \"search\"", "OPTIONS = \"read\"", "OPTIONS", "unknown method"),
        ("path = \"/donors\"", "path = \"donors\"", "\"donors\"", "no path template"),
        ("path = \"/me\"", "path = \"/me/../x\"", "\"/me/../x\"", "no path template"),
        ("id = \"me\"", "id = \"donor\"", "\"donor\"", "a second route"),
        ("methods = { POST = \"create\" }", "methods = { GET = \"read\" }", "\"donor-new\"", "already a route"),
        ("subject = \"caller\"", "subject = \"callr\"", "\"callr\"", "did you mean `caller`"),
        ("subject = { path = \"donor\",", "subject = { path = \"dono\",", "\"dono\"", "the path has no `{dono}`"),
        ("entry = \"/donor\" }", "entry = \"/dono\" }", "\"notes\"", "no field"),
        ("subject = { body = \"/id\" }", "subject = { body = \"/idd\" }", "\"donor-new\"", "no field"),
        ("subject = { body = \"/id\" }", "subject = { entry = \"/id\" }", "\"donor-new\"", "has to name its subject"),
        ("subject = { path = \"id\", body", "subject = { body", "\"donor\"", "a body could name another"),
        (
            "subject = { path = \"id\", body",
            "subject = { path = \"id\", query = \"d\", body",
            "\"donor\"",
            "the two could differ",
        ),
        ("\"/total\" = \"count\"", "\"/items\" = \"open\"", "\"donors\"", "nobody named"),
        ("\"/total\" = \"count\"", "\"/items/*\" = \"identity.name\"", "\"donors\"", "nobody named"),
        (
            "\"/cells/*/prefecture\" = \"aggregate.statistics\"",
            "\"/cells/*/x\" = \"free-text\"",
            "\"statistics\"",
            "not among its published",
        ),
        (
            "id = \"statistics\"\npath = \"/statistics\"\nmethods = { GET = \"search\" }",
            "id = \"statistics\"\npath = \"/statistics\"\nmethods = { POST = \"create\" }",
            "\"statistics\"",
            "only read",
        ),
        ("cell-count = \"/persons\"", "cell-count = \"/person\"", "\"statistics\"", "no field of an entry"),
        ("subject-class = \"donor\"", "subject-class = \"doner\"", "\"doner\"", "did you mean `donor`"),
        ("existence = \"open\"", "existence = \"shown\"", "\"shown\"", "unknown existence"),
        ("existence = \"open\"", "exists = \"open\"", "exists", "unknown key"),
        ("q = \"free-text\"", "q = \"freetext\"", "\"freetext\"", "unknown category"),
        ("surface = \"rest\"", "surface = \"soap\"", "\"soap\"", "unknown surface"),
        ("opaque = [\"identity.image\", \"health.body\"]\n", "", "[[route]]", "`opaque` lists"),
        (
            "items = [\"aggregate.statistics\"]",
            "items = [\"identity.gender\"]",
            "\"statistics\"",
            "not among its published",
        ),
        ("publication = ", "# publication = ", "[[route]]", "`publication` is missing"),
        ("cell-count-min = 10", "cell-count-min = 0", "[[route]]", "cell-count-min` is missing"),
        ("dataset = \"statistical\"", "dataset = \"secret\"", "\"secret\"", "unknown dataset"),
        ("query = [\"donor\", \"id\"]", "query = [\"donor\", \"city\"]", "[[route]]", "in `query` too"),
    ] {
        let found = faults(from, to);
        let told = found.iter().any(|(at, text)| at.contains(offending) && text.contains(message));
        assert!(told, "`{from}` → `{to}`: wanted `{message}` at `{offending}`, found {found:#?}");
    }
}

#[test]
fn a_place_named_twice_is_a_fault() {
    let found = faults("\"/next\" = \"link\"", "\"/items/*/name\" = \"open\"");
    assert!(found.iter().any(|(_, text)| text.contains("named by the route too")), "{found:#?}");
}

#[test]
fn a_field_with_all_beneath_it_is_marked_and_has_members_like_any_other() {
    let found = faults("\"/status\" = \"open\"", "\"/raw/**\" = \"health.body\", \"/raw/by\" = \"identity.name\"");
    assert!(found.is_empty(), "{found:#?}");
    for place in ["/name", "/name/**"] {
        let found = faults("references =", &format!("systems = {{ \"{place}\" = \"system\" }}\nreferences ="));
        assert!(found.is_empty(), "{place}: {found:#?}");
    }
}

#[test]
fn free_text_on_a_route_without_categories_is_a_fault_for_it_would_pass() {
    let found = faults("\"/*/name\" = \"open\"", "\"/*/name\" = \"free-text\"");
    assert!(found.iter().any(|(_, text)| text.contains("free text counts")), "{found:#?}");
}

#[test]
fn several_faults_are_told_at_once() {
    let text =
        SMALL.replace("\"year\"", "\"yaer\"").replace("\"caller\"", "\"callr\"").replace("existence", "existance");
    let faults = read(&text).err().expect("faults");
    assert!(faults.0.len() >= 3, "{faults}");
}

#[test]
fn a_document_without_a_surface_is_a_fault() {
    let faults = read("").err().expect("faults");
    assert!(faults.to_string().contains("`surface` is missing"), "{faults}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is wrong in a document, reading it ends in faults or a catalogue, and each fault prints with its place.
    #[test]
    fn a_damaged_document_is_read_to_its_end(at in 0..SMALL.len(), cut in 0usize..60, put in "[ -~あ\n]{0,12}") {
        let (from, to) = (SMALL.floor_char_boundary(at), SMALL.floor_char_boundary((at + cut).min(SMALL.len())));
        let text = format!("{}{put}{}", &SMALL[..from], &SMALL[to..]);
        if let Err(faults) = read(&text) {
            prop_assert!(!faults.is_empty() && faults.to_string().contains("catalogue.toml:"));
        }
    }
}
