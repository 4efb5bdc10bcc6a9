//! What leaves of one value? Follows a value's tokens through a plan and writes what may go.
//!
//! A [`Walker`] is told the tokens of one value in order and writes to `out`. What comes before a value (comma, white
//! space, name, and the brackets of containers in which nothing has been kept so far) waits in `pending` until the
//! value is kept, and is cut off again when it is not. So a removed member takes its comma with it, and a container
//! that removals have emptied is removed itself, required elements and the root excepted. Nothing kept is reformatted.
//!
//! The root is never removed: it becomes `{}`, `[]` or, a scalar, `null`, which say only what kind it was.

mod containers;
mod values;

use std::sync::Arc;

use super::dicom;
use super::fault::Fault;
use super::fhir;
use super::forms;
use super::plan::{Act, Place, Plan, Tree};
use super::scan::{Kind, Sink};
use super::spec::Limits;
use super::tally::Tally;
use crate::catalogue::fields::Meaning;
use crate::policy::Form;

/// Where a walker writes.
pub(super) struct Ctx<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) tally: &'a mut Tally,
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
    place: Option<u32>,
    /// `pending` up to after the bracket: where the first element's prefix begins, while nothing has been kept.
    body_start: usize,
    /// Where in `pending` the name before this container begins.
    key_at: usize,
    /// Something in it was removed.
    removed: bool,
    /// It held a scalar or string.
    scalars: bool,
    /// It stays, whatever is removed.
    forced: bool,
    role: fhir::Role,
    /// Of a labelled resource or its `meta`: what has been seen.
    labelled: fhir::Seen,
    path_length: usize,
    /// A resource of its own: its tree goes when it closes.
    resource: bool,
    /// Required members that were withheld before anything was kept: they leave at its end, if it stays at all.
    absent: Vec<u8>,
}

/// A subtree that is treated in one piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deep {
    No,
    Copy {
        depth: usize,
    },
    /// It has been removed, or something was written in its place.
    Skip {
        depth: usize,
    },
    /// A required array is skipped; its first element decides what is written in its place.
    SkipRequired,
}

/// What happens to the string that is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Copy,
    Skip,
    Remove { required: bool },
    Treat,
}

/// Follows one value.
pub(super) struct Walker {
    plan: Arc<Plan>,
    limits: Limits,
    trees: Vec<Arc<Tree>>,
    frames: Vec<Frame>,
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
    deep: Deep,
    text: Text,
    treated: Vec<u8>,
    too_long: bool,
    path: Vec<u8>,
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
            trees: vec![tree],
            frames: Vec::new(),
            pending: Vec::new(),
            opened: 0,
            root,
            root_type: None,
            resources: false,
            slot: root,
            role: fhir::Role::None,
            key_at: 0,
            name: Vec::new(),
            deep: Deep::No,
            text: Text::Copy,
            treated: Vec::new(),
            too_long: false,
            path: Vec::new(),
        }
    }

    /// Ready for an entry at this place of the plan's tree, or of this type; `path` is where it is, for reports.
    pub(super) fn restart(&mut self, plan: &Arc<Plan>, place: Option<u32>, root_type: Option<Arc<Tree>>, path: &[u8]) {
        self.plan = Arc::clone(plan);
        self.trees.clear();
        self.trees.push(Arc::clone(&plan.root));
        self.frames.clear();
        self.pending.clear();
        self.opened = 0;
        self.root = Slot::Place(place);
        self.root_type = root_type;
        self.resources = true;
        self.deep = Deep::No;
        self.role = fhir::Role::None;
        self.path.clear();
        self.path.extend_from_slice(path);
    }

    /// White space after the root.
    pub(super) fn take_pending(&mut self, out: Option<&mut Vec<u8>>) {
        if let Some(out) = out {
            out.extend_from_slice(&self.pending);
        }
        self.pending.clear();
    }

    /// How much memory it holds, in bytes.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.frames.capacity() * size_of::<Frame>()
            + self.frames.iter().map(|frame| frame.absent.capacity()).sum::<usize>()
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

    /// Where in `pending` the current element's prefix begins.
    fn element_start(&self) -> usize {
        if self.opened == self.frames.len() { 0 } else { self.frames.last().map_or(0, |frame| frame.body_start) }
    }

    /// What the value that begins now is.
    fn slot_now(&self) -> Slot {
        match self.frames.last() {
            None => self.root,
            Some(Frame { kind: Kind::Object, .. }) => self.slot,
            Some(frame) => {
                let Some(tree) = self.tree() else { return Slot::Place(None) };
                let place = tree.place(frame.place);
                // An array of resources may carry the mark itself.
                Slot::Place(if place.resource { frame.place } else { place.element() })
            }
        }
    }

    /// Whether the value that begins now is a resource of its own, which needs its type before it can be walked.
    pub(super) fn at_resource(&self) -> bool {
        self.deep == Deep::No
            && match (self.slot_now(), self.tree()) {
                (Slot::Place(id), Some(tree)) => tree.place(id).resource,
                _ => false,
            }
    }

    /// What waited is kept: the value that begins now leaves in some form.
    pub(super) fn keep(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.pending);
        self.pending.clear();
        self.opened = self.frames.len();
    }

    /// The value that begins or ends now goes, with what came before it. At the root nothing is written.
    pub(super) fn remove(&mut self) {
        self.pending.truncate(self.element_start());
        if let Some(frame) = self.frames.last_mut() {
            frame.removed = true;
        }
    }

    /// As [`Walker::remove`], but what must be there is replaced.
    fn withhold(&mut self, required: bool, kind: Option<Kind>, ctx: &mut Ctx<'_>) {
        let in_object = self.frames.last().map(|frame| frame.kind == Kind::Object);
        match (in_object, kind) {
            (None, kind) => {
                self.keep(ctx.out);
                ctx.out.extend_from_slice(match kind {
                    None => b"null",
                    Some(Kind::Object) => b"{}",
                    Some(Kind::Array) => b"[]",
                });
            }
            (Some(true), kind) if required && self.fhir() => {
                self.absent_member(kind.is_none(), kind.unwrap_or(Kind::Object), ctx.out);
            }
            (Some(false), Some(kind)) if required && self.fhir() => {
                self.keep(ctx.out);
                ctx.out.extend_from_slice(fhir::absent(kind));
            }
            _ => self.remove(),
        }
    }

    /// In place of a member, or as its shadow where it is primitive: that it is masked.
    ///
    /// It waits where its object may yet go as a whole: an element of which nothing else is released is not there, so
    /// that it cannot be counted and no reader meets a shell of absences.
    fn absent_member(&mut self, shadow: bool, kind: Kind, out: &mut Vec<u8>) {
        let key = self.pending.split_off(self.key_at.min(self.pending.len()));
        let stays = self.top_opened() || self.frames.len() == 1;
        let mut member = Vec::with_capacity(key.len() + 1);
        if shadow {
            member.extend_from_slice(b"\"_");
        }
        member.extend_from_slice(if shadow { key.get(1..).unwrap_or_default() } else { &key });
        member.extend_from_slice(fhir::absent(kind));
        match self.frames.last_mut() {
            Some(frame) if !stays && !frame.resource && !frame.forced && frame.role == fhir::Role::None => {
                if !frame.absent.is_empty() {
                    frame.absent.push(b',');
                }
                frame.absent.extend_from_slice(&member);
                self.remove();
            }
            _ => {
                self.keep(out);
                out.extend_from_slice(&member);
            }
        }
    }

    fn note(&self, meaning: Option<Meaning>, form: Form, tally: &mut Tally) {
        match meaning {
            Some(Meaning::Category(category)) => tally.count_category(category, form),
            Some(Meaning::Everything) => tally.count_everything(self.plan.terms.all, form),
            Some(Meaning::Count | Meaning::Link | Meaning::Never) if form == Form::Withheld => {
                tally.withheld_other += 1;
            }
            Some(Meaning::Open | Meaning::Count | Meaning::Link | Meaning::Never) => {}
            None => {
                let key = match self.frames.last() {
                    Some(Frame { kind: Kind::Object, .. }) => Some(self.name.as_slice()),
                    Some(_) => None,
                    None => Some(b"".as_slice()),
                };
                let tags = self.tree().is_some_and(|tree| tree.tags);
                tally.count_unclassified(|| match tags {
                    true => dicom::place_for_report(&self.path, key),
                    false => forms::place_for_report(&self.path, key),
                });
            }
        }
    }

    /// The act at `slot`, its meaning and whether it must be there. A shadow of what is not clear is withheld.
    fn act(&self, slot: Slot) -> (Act, Option<Meaning>, bool) {
        let Some(tree) = self.tree() else { return (Act::Walk, None, false) };
        match slot {
            Slot::Place(id) => {
                let Place { act, meaning, required, .. } = tree.place(id);
                (*act, *meaning, *required)
            }
            Slot::Shadow(id) => (Act::Withhold, tree.place(Some(id)).meaning, false),
        }
    }

    fn scalar_seen(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.scalars = true;
        }
    }
}

/// A walker with where it writes: what a scanner tells goes straight to it.
pub(super) struct Through<'a> {
    pub(super) walker: &'a mut Walker,
    pub(super) ctx: Ctx<'a>,
}

impl Sink for Through<'_> {
    fn space(&mut self, raw: &[u8]) -> Result<(), Fault> {
        self.walker.space(raw, self.ctx.out)
    }
    fn comma(&mut self) -> Result<(), Fault> {
        self.walker.comma(self.ctx.out);
        Ok(())
    }
    fn colon(&mut self) -> Result<(), Fault> {
        self.walker.colon(self.ctx.out);
        Ok(())
    }
    fn key(&mut self, raw: &[u8], name: &[u8]) -> Result<(), Fault> {
        self.walker.key(raw, name, self.ctx.out)
    }
    fn open(&mut self, kind: Kind, from_here: &[u8]) -> Result<(), Fault> {
        self.walker.open(kind, from_here, &mut self.ctx)
    }
    fn close(&mut self, kind: Kind) -> Result<(), Fault> {
        self.walker.close(kind, &mut self.ctx);
        Ok(())
    }
    fn string(&mut self, raw: &[u8], first: bool, last: bool) -> Result<(), Fault> {
        self.walker.string(raw, first, last, &mut self.ctx);
        Ok(())
    }
    fn scalar(&mut self, raw: &[u8]) -> Result<(), Fault> {
        self.walker.scalar(raw, &mut self.ctx);
        Ok(())
    }
    fn line_end(&mut self) -> Result<(), Fault> {
        Err(Fault::Grammar)
    }
}
