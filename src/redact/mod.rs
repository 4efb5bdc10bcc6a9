//! What of this body may the caller have? Bytes in, bytes out, in one pass and bounded memory.
//!
//! A [`Redactor`] reads a JSON body in whatever pieces it comes and writes what may leave. Order of work:
//! 1. `scan`: is it JSON, strictly? Names, brackets, UTF-8, doubles, bounds. What is not ends in a [`Fault`].
//! 2. `filter`: where is an entry? It is held until whole; outside entries the envelope's plan holds.
//! 3. `probe`: whom is it about, of what type? None or two: it goes. Else the [`Judge`] is asked: a [`Plan`] or nothing.
//! 4. `walk`: each place's act, from the plan: copied, made coarser, renamed, masked, removed. Like the probe it goes by what
//!    the strict reading noted of the entry (`scan`), and by the bytes only where that was too much to note.
//! 5. `tally`: what left, as a [`Window`] to be recorded before its bytes go, and a [`Tally`] at the end.
//!
//! Behind these: `spec` (the layout), `plan` (a field tree joined with a decision), `pseudonym` (ids both ways),
//! `forms` (one value made less), `fhir` (labels, reasons of absence), `stream`, `track`, `text`, `slice`,
//! `keys`, `names`.
//!
//! ```
//! use std::sync::Arc;
//! use sekisho::catalogue::fields::{Meaning, Node};
//! use sekisho::policy::{Category, Release};
//! use sekisho::redact::{Entry, KeySeed, Limits, Plan, Redactor, Shape, Spec, Subjects, Terms, Verdict};
//!
//! let health = Category::from_index(0).ok_or("no such category")?;
//! let result = Node { meaning: Some(Meaning::Category(health)), ..Node::default() };
//! let root = Node { members: [("result".into(), Arc::new(result))].into(), ..Node::default() };
//! let shape = Shape::Object { subjects: Subjects::NoOne };
//! let spec = Arc::new(Spec::new(shape, Arc::new(root), None, Limits::default(), true)?);
//! let release = Release::clear(health.only());
//! let terms = Terms { release, all: health.only(), pseudonymiser: None, links: None, individual_number: None };
//! let plan = Arc::new(Plan::join(&spec, terms));
//!
//! let judge = |_: &Entry<'_>| Verdict::Release(Arc::clone(&plan));
//! let mut redactor = Redactor::new(Arc::clone(&spec), judge, Arc::clone(&plan), KeySeed::new([1, 2]));
//! let mut out = Vec::new();
//! redactor.push(br#"{ "name": "Taro", "res"#, &mut out)?;
//! redactor.push(br#"ult": 5.60 }"#, &mut out)?;
//! let tally = redactor.finish(&mut out)?;
//! assert_eq!(out, br#"{ "result": 5.60 }"#);
//! assert_eq!(tally.unclassified_places, ["/name".into()]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Promises:
//! * No byte of an entry leaves before the judge has spoken on it, and none after a fault.
//! * Output does not depend on how the body was cut into pieces.
//! * What no plan names is removed and counted. What is kept is the same bytes: spacing, number text, order.
//! * What leaves is JSON. A container that removals emptied goes too, and so does one that was empty,
//!   unless all that it could hold would leave in clear: else it would tell that nothing was withheld. The root becomes `{}`, `[]` or `null`. If the one
//!   entry of a [`Shape::Object`] or [`Shape::FhirResource`] is dropped, nothing at all is written, not even that: the
//!   caller answers with a refusal in its place ([`Tally::released`] is 0).
//! * Memory: the held entry (at most `entry_bytes_max`), where its values are (at most 112 KiB), what waits for its value
//!   (`pending_bytes_max`), and a little per open container and name. `out` belongs to the caller: feed it pieces of 16 KiB and take it after each.
//!
//! The lists' `count` members (totals, positions) are removed wherever entries are judged. A `link` is what the
//! [`LinkRewriter`] makes of it, or removed. Free text is clear only where every category of the route is.
//!
//! In a pseudonymised or generalised object strings are treated one by one and all else is withheld. A member that is itself to
//! be masked, made coarser or a pseudonym goes whole if no rule spells its name out (it stands at a `*`, or beneath a `/**`): such a
//! name may be data (a map keyed by ids, or by names of persons).
//!
//! A string that would leave in clear and is an Individual Number is withheld instead, and counted as that, wherever the
//! catalogue does not say that none can stand there ([`Terms::individual_number`]). Of a search that could spell it the entry goes whole
//! ([`Judge::spelled`]).
//!
//! Bodies of several parts that cannot be read inside leave without what stands above each: see [`Multipart`].
//!
//! FHIR: a resource is walked by its own type, also inside others; one of an unknown type goes. If the plan of a type
//! withholds anything, or the resource can contain others, the resource says so in `meta.security` and `meta.tag`,
//! whether or not anything was there to withhold. Contained resources carry no label (dom-5).

mod dicom;
mod fault;
mod fhir;
mod filter;
mod forms;
mod keys;
mod multipart;
mod names;
mod plan;
mod prefecture;
mod probe;
mod pseudonym;
mod redactor;
mod scan;
mod slice;
mod spec;
mod stream;
mod tally;
mod text;
mod track;
mod walk;

pub use fault::Fault;
pub use forms::{holds_digit, means_individual_number};
pub use keys::KeySeed;
pub use multipart::{Multipart, media_type};
pub use plan::{Likeness, LinkRewriter, Plan, Terms, Trees};
pub use pseudonym::{MasterKey, Pseudonymiser, Pseudonyms, Receiver, Settling, TokenTable, Unkept};
pub use redactor::{Entry, Judge, Redactor, Verdict};
pub(crate) use scan::Marks;
pub use spec::{Limits, Pointer, ResourceType, Shape, Spec, SpecFault, SubjectAt, Subjects, Types};
pub use tally::{Disclosure, FormCounts, Occurred, Tally, UNCLASSIFIED_PLACES_MAX, Window};
