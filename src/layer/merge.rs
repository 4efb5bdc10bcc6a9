//! What is written where a caller puts back a record of which he was shown part? His word for what he was shown, and the
//! record as it is for all else.
//!
//! Three documents: the record as it is *stored*, the *view* that the gate's own redactor makes of it for this caller, and
//! what he *put*. Where stored and view are the same, all of it was shown, and what he put counts: changed, added or gone.
//! Where they differ, what is stored stays, and he has to have put back what he was shown: a member that he was not shown
//! must not be in what he put, one that he was shown masked, coarser or by a pseudonym has to be as he was shown it.
//! Elements of an array have no names to find them by: one of which an element, or part of one, was withheld is not merged; one
//! in which something was only shown otherwise has to come back as it was shown.
//!
//! Whoever merges shows the result to the same caller once more and holds it against what he put ([`agrees`]): so nothing
//! is written at a place that he does not see, whatever this module believes.

use super::document::Document;

/// Why nothing is written; with the place, by names that the caller was shown or wrote himself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unmerged {
    /// He changed, took away or added what he may not see as it is.
    Hidden(String),
    /// Something in this array was withheld, or shown otherwise and changed.
    Array(String),
}

/// The longest place that is told, in bytes.
const PLACE_BYTES_MAX: usize = 128;
/// What a FHIR server writes into `meta` itself, at each version.
const OF_SERVER: [&str; 3] = ["versionId", "lastUpdated", "source"];

/// What is written.
pub(super) fn merged<'t>(
    stored: &Document<'t>,
    view: &Document<'t>,
    put: &Document<'t>,
) -> Result<Document<'t>, Unmerged> {
    node(stored, view, put, &mut Place::default())
}

fn node<'t>(
    stored: &Document<'t>,
    view: &Document<'t>,
    put: &Document<'t>,
    place: &mut Place,
) -> Result<Document<'t>, Unmerged> {
    if stored.same(view) {
        return Ok(put.clone());
    }
    match (stored, view, put) {
        (Document::Object(members), Document::Object(_), Document::Object(_)) => {
            object(stored, members, view, put, place)
        }
        (Document::Array(_), ..) if lacks(stored, view) => Err(Unmerged::Array(place.told())),
        (Document::Array(_), ..) if !view.alike(put) => Err(Unmerged::Array(place.told())),
        _ if view.alike(put) => Ok(stored.clone()),
        _ => Err(Unmerged::Hidden(place.told())),
    }
}

fn object<'t>(
    stored: &Document<'t>,
    members: &[(String, Document<'t>)],
    view: &Document<'t>,
    put: &Document<'t>,
    place: &mut Place,
) -> Result<Document<'t>, Unmerged> {
    let Document::Object(given) = put else { return Err(Unmerged::Hidden(place.told())) };
    let mut out = Vec::with_capacity(members.len().max(given.len()));
    for (name, put) in given {
        let kept = match (stored.get(name), view.get(name)) {
            (Some(stored), Some(view)) => Some(place.at(name, |place| node(stored, view, put, place))?),
            (None, None) => Some(put.clone()),
            // Put there by the gate (why something is missing); it is not the record's.
            (None, Some(view)) if view.alike(put) => None,
            // Whether it is what is stored makes no difference: else it could be guessed.
            (_, _) => return Err(place.at(name, |place| Unmerged::Hidden(place.told()))),
        };
        out.extend(kept.map(|value| (name.clone(), value)));
    }
    for (name, stored) in members.iter().filter(|(name, _)| put.get(name).is_none()) {
        match view.get(name) {
            None => out.push((name.clone(), stored.clone())),
            Some(view) if stored.same(view) => {}
            Some(_) => return Err(place.at(name, |place| Unmerged::Hidden(place.told()))),
        }
    }
    Ok(Document::Object(out))
}

/// Whether a member or an element of what is stored is not in the view.
fn lacks(stored: &Document<'_>, view: &Document<'_>) -> bool {
    match (stored, view) {
        (Document::Object(members), Document::Object(_)) => {
            members.iter().any(|(name, stored)| view.get(name).is_none_or(|view| lacks(stored, view)))
        }
        (Document::Array(a), Document::Array(b)) => a.len() != b.len() || a.iter().zip(b).any(|(a, b)| lacks(a, b)),
        (Document::Object(_) | Document::Array(_) | Document::Leaf(_), _) => false,
    }
}

/// Whether the view of what was merged is what the caller put; what stands in the view alone is the gate's own. `Err`: the
/// first place that is not.
///
/// `stored`: the record before. A member of it that was emptied may be shown as none at all.
pub(super) fn agrees(
    view: &Document<'_>,
    put: &Document<'_>,
    merged: &Document<'_>,
    stored: &Document<'_>,
) -> Result<(), Unmerged> {
    agree(view, put, [Some(merged), Some(stored)], &mut Place::default())
}

fn agree(
    view: &Document<'_>,
    put: &Document<'_>,
    [merged, stored]: [Option<&Document<'_>>; 2],
    place: &mut Place,
) -> Result<(), Unmerged> {
    let (Document::Object(shown), Document::Object(given)) = (view, put) else {
        return if view.alike(put) { Ok(()) } else { Err(Unmerged::Hidden(place.told())) };
    };
    for (name, put) in given {
        place.at(name, |place| match view.get(name) {
            Some(view) => agree(view, put, [merged, stored].map(|document| document?.get(name)), place),
            None if emptied(put, stored.and_then(|stored| stored.get(name))) => Ok(()),
            None => Err(Unmerged::Hidden(place.told())),
        })?;
    }
    let more = shown
        .iter()
        .find(|(name, _)| put.get(name).is_none() && merged.is_none_or(|merged| merged.get(name).is_some()));
    more.map_or(Ok(()), |(name, _)| Err(place.at(name, |place| Unmerged::Hidden(place.told()))))
}

/// Whether nothing is put but what is left of something stored once it was emptied: objects in objects, and none new.
fn emptied(put: &Document<'_>, stored: Option<&Document<'_>>) -> bool {
    let inner = |name: &str| stored.and_then(|stored| stored.get(name));
    let all = match put {
        Document::Object(given) => given.iter().all(|(name, put)| emptied(put, inner(name))),
        Document::Array(_) | Document::Leaf(_) => put.is_empty(),
    };
    all && stored.is_some()
}

/// Whether the view shows all that is stored, as it is. `links`: whether the second is how the gate writes the first, a URL.
pub(super) fn shows_all(stored: &Document<'_>, view: &Document<'_>, links: &dyn Fn(&str, &str) -> bool) -> bool {
    match (stored, view) {
        (Document::Object(members), Document::Object(_)) => {
            members.iter().all(|(name, stored)| view.get(name).is_some_and(|view| shows_all(stored, view, links)))
        }
        (Document::Array(a), Document::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| shows_all(a, b, links))
        }
        (Document::Leaf(_), Document::Leaf(_)) => {
            let rewritten = || matches!((stored.text(), view.text()), (Some(a), Some(b)) if links(&a, &b));
            stored.same(view) || rewritten()
        }
        (Document::Object(_) | Document::Array(_) | Document::Leaf(_), _) => false,
    }
}

/// The same of one place of it, by the steps of a JSON Pointer; what is nowhere is not hidden.
pub(super) fn shows_at<'p>(
    stored: &Document<'_>,
    view: &Document<'_>,
    mut steps: impl Iterator<Item = &'p str>,
    links: &dyn Fn(&str, &str) -> bool,
) -> bool {
    let Some(step) = steps.next() else { return shows_all(stored, view, links) };
    let element = |elements: &[Document<'_>]| step.parse::<usize>().ok().filter(|at| *at < elements.len());
    let (stored, view) = match (stored, view) {
        (Document::Object(_), Document::Object(_)) => (stored.get(step), view.get(step)),
        // An element that is not shown moves all that follow: what is asked for by number is another.
        (Document::Array(a), Document::Array(b)) if a.len() != b.len() => return false,
        (Document::Array(a), Document::Array(b)) => match element(a) {
            Some(at) => (a.get(at), b.get(at)),
            None => return true,
        },
        (Document::Leaf(_), Document::Leaf(_)) => return stored.same(view),
        (Document::Object(_) | Document::Array(_) | Document::Leaf(_), _) => return false,
    };
    match (stored, view) {
        (Some(stored), Some(view)) => shows_at(stored, view, steps, links),
        (None, _) => true,
        (Some(_), None) => false,
    }
}

/// Takes out of a view of a FHIR resource the labels that the gate put there, and out of what was put those that came back.
pub(super) fn without_labels(stored: &Document<'_>, view: &mut Document<'_>, put: &mut Document<'_>) {
    for name in ["security", "tag"] {
        let there = stored.get("meta").and_then(|meta| meta.get(name)).map(Document::elements).unwrap_or_default();
        let mut own = Vec::new();
        if let Some(Document::Array(labels)) = view.get_mut("meta").and_then(|meta| meta.get_mut(name)) {
            labels.retain(|label| {
                let known = there.iter().any(|other| other.same(label));
                if !known {
                    own.push(coding(label));
                }
                known
            });
        }
        if let Some(Document::Array(labels)) = put.get_mut("meta").and_then(|meta| meta.get_mut(name)) {
            labels.retain(|label| !own.contains(&coding(label)));
        }
        without_empty(view, name);
        without_empty(put, name);
    }
}

fn without_empty(document: &mut Document<'_>, name: &str) {
    if let Some(meta) = document.get_mut("meta")
        && meta.get(name).is_some_and(Document::is_empty)
    {
        meta.remove(name);
    }
}

/// What a label says.
fn coding(label: &Document<'_>) -> [Option<String>; 2] {
    ["system", "code"].map(|name| Some(label.get(name)?.text()?.into_owned()))
}

/// Takes out what a FHIR server writes itself.
pub(super) fn without_versions(document: &mut Document<'_>) {
    if let Some(meta) = document.get_mut("meta") {
        OF_SERVER.iter().for_each(|name| meta.remove(name));
        if meta.is_empty() {
            document.remove("meta");
        }
    }
}

/// Where in a document, as a JSON Pointer.
#[derive(Default)]
struct Place(String);

impl Place {
    fn at<T>(&mut self, name: &str, inner: impl FnOnce(&mut Place) -> T) -> T {
        let length = self.0.len();
        self.0.push('/');
        self.0.push_str(&name.replace('~', "~0").replace('/', "~1"));
        let done = inner(self);
        self.0.truncate(length);
        done
    }

    fn told(&self) -> String {
        let mut place: String = self.0.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        place.truncate(place.floor_char_boundary(PLACE_BYTES_MAX));
        place
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    fn read(text: &str) -> Document<'_> {
        Document::read(text).unwrap()
    }

    fn tried(stored: &str, view: &str, put: &str) -> Result<String, Unmerged> {
        merged(&read(stored), &read(view), &read(put)).map(|document| document.written())
    }

    fn hidden(place: &str) -> Result<String, Unmerged> {
        Err(Unmerged::Hidden(place.to_owned()))
    }

    fn array(place: &str) -> Result<String, Unmerged> {
        Err(Unmerged::Array(place.to_owned()))
    }

    #[test]
    fn what_was_not_shown_stays_and_what_was_shown_is_as_it_was_put() {
        let stored = r#"{"a":1.00,"h":{"x":[1.0]},"o":{"c":"v","s":"secret"},"born":"1987-05-02"}"#;
        let view = r#"{"a":1.00,"o":{"c":"v"},"born":"1987"}"#;
        for (put, written) in [
            (view, r#"{"a":1.00,"o":{"c":"v","s":"secret"},"born":"1987-05-02","h":{"x":[1.0]}}"#),
            (
                r#"{"o":{"c":"w","n":[2]},"born":"1987"}"#,
                r#"{"o":{"c":"w","n":[2],"s":"secret"},"born":"1987-05-02","h":{"x":[1.0]}}"#,
            ),
            (r#"{"born":"1987","o":{}}"#, r#"{"born":"1987-05-02","o":{"s":"secret"},"h":{"x":[1.0]}}"#),
        ] {
            assert_eq!(tried(stored, view, put), Ok(written.to_owned()), "{put}");
        }
        for (put, place) in [
            (r#"{"a":1,"o":{"c":"v"}}"#, "/born"),
            (r#"{"a":1,"o":{"c":"v"},"born":"1987-05-02"}"#, "/born"),
            (r#"{"a":1,"o":{"c":"v"},"born":null}"#, "/born"),
            (r#"{"a":1,"born":"1987"}"#, "/o"),
            (r#"{"a":1,"born":"1987","o":null}"#, "/o"),
            (r#"{"a":1,"born":"1987","o":{"s":"secret"}}"#, "/o/s"),
            (r#"{"a":1,"born":"1987","o":{"s":"other"}}"#, "/o/s"),
            (r#"{"a":1,"born":"1987","o":{},"h":{"x":[1.0]}}"#, "/h"),
            ("[]", ""),
        ] {
            assert_eq!(tried(stored, view, put), hidden(place), "{put}");
        }
    }

    #[test]
    fn an_array_of_which_part_was_withheld_is_never_guessed_together() {
        let stored = r#"{"a":[{"c":1,"s":2},{"c":3}],"b":[1,2],"m":["x","y"],"w":[9]}"#;
        let view = r#"{"a":[{"c":1},{"c":3}],"b":[1,2],"m":["***","***"]}"#;
        assert_eq!(tried(stored, view, view), array("/a"));
        let (stored, view) = (&stored.replace(r#""s":2"#, r#""t":2"#), &view.replace(r#"{"c":1}"#, r#"{"c":1,"t":0}"#));
        assert!(
            tried(stored, view, view).is_ok_and(|put| put.contains(r#""m":["x","y"]"#) && put.contains(r#""w":[9]"#))
        );
        assert_eq!(tried(stored, view, &view.replace(r#"["***","***"]"#, r#"["***"]"#)), array("/m"));
        assert_eq!(tried(stored, view, &view.replace(r#"{"c":3}"#, r#"{"c":4}"#)), array("/a"));
        let more = tried(stored, view, &view.replace("[1,2]", "[2,1,5]")).unwrap();
        assert!(more.contains(r#""b":[2,1,5]"#), "what was shown whole may be written anew: {more}");
        assert_eq!(tried(r#"{"l":[1,2]}"#, r#"{"l":[2]}"#, r#"{"l":[2]}"#), array("/l"));
    }

    #[test]
    fn what_the_gate_put_there_is_not_written() {
        let (stored, view) = (r#"{"s":1}"#, r#"{"_s":{"extension":[{"valueCode":"masked"}]}}"#);
        assert_eq!(tried(stored, view, view), Ok(r#"{"s":1}"#.to_owned()));
        assert_eq!(tried(stored, view, "{}"), Ok(r#"{"s":1}"#.to_owned()));
        assert_eq!(tried(stored, view, r#"{"_s":{"extension":[{"valueCode":"other"}]}}"#), hidden("/_s"));
    }

    #[test]
    fn labels_of_the_gate_go_and_those_of_the_record_stay() {
        let stored = read(r#"{"meta":{"versionId":"3","tag":[{"code":"mine"}]},"x":1}"#);
        let mut view = read(
            r#"{"meta":{"versionId":"3","tag":[{"code":"mine"},{"system":"o","code":"SUBSETTED"}],"security":[{"system":"o","code":"REDACTED"}]}}"#,
        );
        let mut put = read(
            r#"{"meta":{"tag":[{"code":"mine"},{"system":"o","code":"SUBSETTED","display":"x"}],"security":[{"system":"o","code":"REDACTED"},{"code":"R"}]}}"#,
        );
        without_labels(&stored, &mut view, &mut put);
        assert_eq!(view.written(), r#"{"meta":{"versionId":"3","tag":[{"code":"mine"}]}}"#);
        assert_eq!(put.written(), r#"{"meta":{"tag":[{"code":"mine"}],"security":[{"code":"R"}]}}"#);
        let mut bare = read(r#"{"meta":{"versionId":"3","lastUpdated":"x","source":"y"},"x":1}"#);
        without_versions(&mut bare);
        assert_eq!(bare.written(), r#"{"x":1}"#);
    }

    #[test]
    fn a_result_that_shows_otherwise_than_it_was_put_is_found() {
        let tried = |view: &str, put: &str, merged: &str| {
            agrees(&read(view), &read(put), &read(merged), &read(r#"{"e":{"h":1}}"#))
        };
        let at = |place: &str| Err(Unmerged::Hidden(place.to_owned()));
        assert_eq!(tried(r#"{"a":1}"#, r#"{"a":1.0}"#, r#"{"a":1,"h":2}"#), Ok(()));
        assert_eq!(tried(r#"{"a":1,"_h":{}}"#, r#"{"a":1}"#, r#"{"a":1,"h":2}"#), Ok(()), "the gate's own");
        assert_eq!(tried(r#"{"a":1}"#, r#"{"a":1,"h":2}"#, r#"{"a":1,"h":2}"#), at("/h"), "it would be hidden");
        assert_eq!(tried(r#"{"a":1,"v":7}"#, r#"{"a":1}"#, r#"{"a":1,"v":7}"#), at("/v"), "it would be shown");
        assert_eq!(tried("{}", r#"{"e":{}}"#, r#"{"e":{"h":1}}"#), Ok(()), "emptied of what was shown");
        assert_eq!(tried("{}", r#"{"f":{}}"#, r#"{"f":{}}"#), at("/f"), "there was none");
        assert_eq!(tried(r#"{"a":{"b":2}}"#, r#"{"a":{"b":3}}"#, r#"{"a":{"b":3}}"#), at("/a/b"));
    }

    #[test]
    fn a_place_behind_an_element_that_is_not_shown_is_another_than_it_seems() {
        let stored = r#"{"l":[{"v":"a"},{"v":"b"}],"m":[{"v":"a","s":1},{"v":"b"}],"s":1,"u":"http://in/P/1"}"#;
        let view = r#"{"l":[{"v":"b"}],"m":[{"v":"a"},{"v":"b"}],"u":"/P/1"}"#;
        let links = |stored: &str, view: &str| stored.strip_prefix("http://in") == Some(view);
        let shows = |steps: &[&str]| shows_at(&read(stored), &read(view), steps.iter().copied(), &links);
        for (steps, shown) in [
            (&["l", "0", "v"][..], false),
            (&["l", "-"], false),
            (&["m", "0", "v"], true),
            (&["m", "0"], false),
            (&["m", "1"], true),
            (&["m", "-"], true),
            (&["m", "7"], true),
            (&["s"], false),
            (&["s", "x"], false),
            (&["none"], true),
            (&["u"], true),
            (&[], false),
        ] {
            assert_eq!(shows(steps), shown, "{steps:?}");
        }
    }
}
