//! What leaves of one value? Follows a value's tokens through a plan and writes what may go.
//!
//! A [`Walker`] is told where the values of a body begin and end and writes to `out`. It copies as late as it can: what
//! is kept is a stretch of the slice, written in one piece when something is cut out, or the slice ends.
//!
//! ```text
//!   slice   …kept, written │ kept │ waits: , "name" : { "inner" : │ value under way
//!                          run    kept                            at
//! ```
//!
//! What comes before a value (comma, white space, name, and the brackets of containers in which nothing has been kept so
//! far) waits until the value is kept, and is cut off again when it is not. So a removed member takes its comma with
//! it, and a container that removals have emptied is removed itself, required elements and the root excepted. What waits
//! and is no longer one piece of the slice lies in `pending`; places in what waits count from its beginning
//! ([`Walker::waiting`]) and stay what they are when it moves there. Nothing kept is reformatted.
//!
//! The root is never removed: it becomes `{}`, `[]` or, a scalar, `null`, which say only what kind it was.

mod containers;
mod copy;
mod hooks;
mod labels;
mod modifiers;
mod place;
mod quick;
mod read;
mod values;

use std::sync::Arc;

use super::fault::Fault;
use super::fhir;
use super::plan::{Plan, Tree};
use super::scan::{Kind, Node, Sink, Take, Value};
use super::slice::{Finder, Here};
use super::spec::Limits;
use super::tally::Tally;
use crate::policy::Categories;

/// Where a walker writes.
pub(super) struct Ctx<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) tally: &'a mut Tally,
    /// What is known of the slice, which is then a whole entry, and which of its values is under way.
    pub(super) read: Option<(&'a [Node], usize)>,
}

impl Ctx<'_> {
    /// The value that begins at `at`.
    fn here<'e>(&self, src: &'e [u8], at: usize) -> Here<'e>
    where
        Self: 'e,
    {
        match self.read {
            Some((nodes, number)) => Here::node(src, nodes, number),
            None => Here::unread(src.get(at..).unwrap_or_default()),
        }
    }

    /// Whether the container that begins is known to hold nothing but scalars.
    fn only_scalars(&self) -> bool {
        let Some((nodes, number)) = self.read else { return false };
        let inside = nodes.get(number).and_then(|node| nodes.get(number + 1..node.next()));
        inside.is_some_and(|inside| inside.iter().all(|node| !matches!(node.value(), Value::Container(_))))
    }
}

/// What the next value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// What the place says; `None`: unclassified.
    Place(Option<u32>),
    /// The `_` shadow of a member of this place that is not clear, or a name that may itself be data.
    Shadow(u32),
}

/// An open container that is walked.
#[derive(Clone)]
struct Frame {
    kind: Kind,
    /// What tells what lies in it.
    place: Option<u32>,
    /// What it is itself: another place only where none of its kind may stand, so that nothing in it is known.
    own: Option<u32>,
    /// Of what waits, up to after the bracket: where the first element's prefix begins, while nothing has been kept.
    body_start: usize,
    /// Where in what waits the name before this container begins.
    key_at: usize,
    /// Something in it was removed.
    removed: bool,
    /// It stays, whatever is removed.
    forced: bool,
    role: fhir::Role,
    /// Of a labelled resource or its `meta`: what has been seen.
    labelled: fhir::Seen,
    /// Where in `path` the name before it begins.
    path_length: usize,
    /// A resource of its own: its tree goes when it closes.
    resource: bool,
    /// What few containers have.
    extra: Option<Box<Extra>>,
}

/// What few containers have.
#[derive(Clone, Default)]
struct Extra {
    /// Required members that were withheld before anything was kept: they leave at its end, if it stays at all.
    absent: Vec<u8>,
    /// What the members say that name the systems of identifiers beside them.
    systems: hooks::Systems,
    /// The members that must be there and are clear whose shadow has been named, and those in whose place a shadow says that
    /// they are masked: no two of one name may stand there.
    shadowed: Vec<Box<[u8]>>,
    shadows: Vec<Box<[u8]>>,
}

impl Frame {
    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

/// What happens to the value that is taken whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// None is under way.
    No,
    Copy,
    /// In clear, unless it is an Individual Number: it is looked at when it ends.
    Watch,
    /// It has been removed, or something was written in its place.
    Skip,
    /// It is looked at when it ends.
    Treat,
}

/// Follows one value.
pub(super) struct Walker {
    plan: Arc<Plan>,
    limits: Limits,
    finder: Finder,
    trees: Vec<Arc<Tree>>,
    frames: Vec<Frame>,
    /// The slice up to here has been written, cut out, or lies in `pending`.
    run: usize,
    /// The slice from `run` to here is kept; if it is not empty, nothing is pending.
    kept: usize,
    pending: Vec<u8>,
    /// How many frames, from the outermost, have their bracket written. In each of them something was kept.
    opened: usize,
    root: Slot,
    /// The root is a resource of this type.
    root_type: Option<Arc<Tree>>,
    /// Resources of their own are walked; else they are unclassified. What is at hand at their bracket is then whole.
    resources: bool,
    slot: Slot,
    role: fhir::Role,
    key_at: usize,
    name: Vec<u8>,
    whole: Whole,
    /// Where the value that is treated begins in this slice, and what of it lay in former ones.
    treat_at: usize,
    treated: Vec<u8>,
    too_long: bool,
    /// Where the entry is, for reports.
    entry_path: Vec<u8>,
    /// The names before the open containers, one after the other.
    path: Vec<u8>,
    /// Whom the entry is about, for dates that move.
    subject: Option<Box<str>>,
    /// Whom what lies inside it may be about.
    person: Option<String>,
    /// The entry is walked while it comes in.
    streams: bool,
    /// The labels of the resource under way.
    labels: labels::Marks,
    /// The entry may hold modifier extensions.
    modifiers: bool,
    /// No value is kept or removed by the word of its place alone.
    closely: bool,
    /// The containers of a read entry that are walked: the numbers of their nodes.
    inside: Vec<(usize, Kind)>,
    /// What the entry's values were that were stopped as Individual Numbers.
    stopped: Categories,
    /// One of them stood in free text.
    stopped_in_text: bool,
}

/// How much of a name is kept for a report of unclassified places, in bytes.
const NAME_KEPT_MAX: usize = 64;

impl Walker {
    pub(super) fn new(plan: Arc<Plan>, limits: Limits) -> Walker {
        let tree = Arc::clone(&plan.root);
        let root = Slot::Place(Some(tree.root));
        Walker {
            plan,
            limits,
            finder: Finder::new(),
            trees: vec![tree],
            frames: Vec::new(),
            run: 0,
            kept: 0,
            pending: Vec::new(),
            opened: 0,
            root,
            root_type: None,
            resources: false,
            slot: root,
            role: fhir::Role::None,
            key_at: 0,
            name: Vec::new(),
            whole: Whole::No,
            treat_at: 0,
            treated: Vec::new(),
            too_long: false,
            entry_path: Vec::new(),
            path: Vec::new(),
            subject: None,
            person: None,
            streams: true,
            labels: labels::Marks::default(),
            modifiers: false,
            closely: false,
            inside: Vec::new(),
            stopped: Categories::NONE,
            stopped_in_text: false,
        }
    }

    /// Ready for an entry at this place of the plan's tree, or of this type; `path` is where it is, for reports.
    pub(super) fn restart(&mut self, plan: &Arc<Plan>, place: Option<u32>, root_type: Option<Arc<Tree>>, path: &[u8]) {
        if !Arc::ptr_eq(&self.plan, plan) {
            self.plan = Arc::clone(plan);
            self.trees.clear();
        }
        self.trees.truncate(1);
        if self.trees.is_empty() {
            self.trees.push(Arc::clone(&plan.root));
        }
        self.frames.clear();
        self.resume(0);
        self.pending.clear();
        self.opened = 0;
        self.root = Slot::Place(place);
        self.root_type = root_type;
        self.resources = true;
        self.whole = Whole::No;
        self.role = fhir::Role::None;
        (self.stopped, self.stopped_in_text) = (Categories::NONE, false);
        self.path.clear();
        self.entry_path.clear();
        self.entry_path.extend_from_slice(path);
    }

    /// Every value is looked at closely: for tests.
    pub(super) const fn set_closely(&mut self) {
        self.closely = true;
    }

    /// What those values of the entry were, so far, that were stopped as Individual Numbers: but for free text, of which nobody
    /// knows what it is.
    pub(super) const fn stopped(&self) -> Categories {
        self.stopped
    }

    /// Whether one was stopped in free text.
    pub(super) const fn stopped_in_text(&self) -> bool {
        self.stopped_in_text
    }

    /// How much memory it holds, in bytes.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.frames.capacity() * size_of::<Frame>()
            + self.frames.iter().filter_map(|frame| Some(frame.extra.as_ref()?.absent.capacity())).sum::<usize>()
            + self.pending.capacity()
            + self.treated.capacity()
            + self.name.capacity()
            + self.path.capacity()
    }

    fn tree(&self) -> Option<&Arc<Tree>> {
        self.trees.last()
    }

    fn fhir(&self) -> bool {
        self.tree().is_some_and(|tree| tree.fhir)
    }

    fn top_opened(&self) -> bool {
        self.opened == self.frames.len() && self.opened > 0
    }

    /// Where in what waits the current element's prefix begins.
    fn element_start(&self) -> usize {
        if self.opened == self.frames.len() { 0 } else { self.frames.last().map_or(0, |frame| frame.body_start) }
    }
}

/// A walker with where it writes: what a scanner tells goes straight to it.
pub(super) struct Through<'a> {
    pub(super) walker: &'a mut Walker,
    pub(super) ctx: Ctx<'a>,
}

impl Sink for Through<'_> {
    fn begin(&mut self, src: &[u8], at: usize, value: Value) -> Result<Take, Fault> {
        self.walker.begin(src, at, value, &mut self.ctx)
    }
    fn end(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        self.walker.end(src, at, &mut self.ctx);
        Ok(())
    }
    fn name(&mut self, _: &[u8], at: usize, name: &[u8]) -> Result<(), Fault> {
        self.walker.name(at, name);
        Ok(())
    }
    fn comma(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        self.walker.comma(src, at, self.ctx.out)
    }
    fn close(&mut self, src: &[u8], at: usize, kind: Kind) -> Result<(), Fault> {
        self.walker.close(src, at, kind, &mut self.ctx)
    }
    fn line_end(&mut self, _: &[u8], _: usize) -> Result<(), Fault> {
        Err(Fault::Grammar)
    }
    fn pause(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        self.walker.pause(src, at, &mut self.ctx)
    }
}
