//! Path and query: what resolves names its route exactly, and its ids stand where they are said to stand.

use std::sync::LazyLock;

use sekisho::catalogue::{Catalogue, Part, SubjectAt, is_subject_id};
use sekisho::demo::sample::Org;
use sekisho::policy::{Categories, Source, Vocabulary};

static CATALOGUES: LazyLock<Vec<Catalogue>> = LazyLock::new(|| {
    let vocabulary = Vocabulary::compiled_in().unwrap();
    let own = Org::ALL.map(|org| Source::new("catalogue.toml", org.catalogue()));
    let shared = [Catalogue::fhir_r4_source(), Catalogue::dicomweb_source()];
    own.into_iter().chain(shared).map(|s| Catalogue::read([s], &vocabulary).unwrap()).collect()
});

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get"];

/// Panics where a promise is broken.
pub fn check(bytes: &[u8]) {
    let [choice, rest @ ..] = bytes else { return };
    let Ok(target) = std::str::from_utf8(rest) else { return };
    let catalogue = &CATALOGUES[usize::from(choice >> 3) % CATALOGUES.len()];
    let method = METHODS[usize::from(choice & 7)];
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    // What follows a line's end is a form.
    let (query, form) = match query.and_then(|query| query.split_once('\n')) {
        Some((query, form)) => (Some(query), Some(form)),
        None => (query, None),
    };
    let Ok(resolved) = catalogue.resolve_form(method, path, query, form) else { return };
    let all = resolved.charges.iter().fold(Categories::NONE, |set, charge| set.or(charge.categories));
    assert!(resolved.query_categories == all, "{target}");
    assert!(!path.contains("//") && !path.contains('\\') && !path.contains('#'), "{path}");
    assert_eq!(path.split('/').count(), resolved.route.template().split('/').count(), "{path}");
    let in_place = |part: Part, raw: &std::ops::Range<usize>| match part {
        Part::Path => path.get(raw.clone()).is_some_and(|text| !text.contains('/')),
        Part::Query => query.unwrap_or("").get(raw.clone()).is_some_and(|text| !text.contains('&')),
        Part::Form => form.is_some_and(|form| form.get(raw.clone()).is_some_and(|text| !text.contains('&'))),
    };
    for named in &resolved.ids {
        assert!(is_subject_id(&named.id) && in_place(named.part, &named.raw), "{target}");
    }
    if let SubjectAt::Target(named) = &resolved.subject {
        assert!(is_subject_id(&named.id) && in_place(named.part, &named.raw), "{target}");
    }
}
