//! What leaves of one value? Follows a value's tokens through a plan and writes what may go.
//!
//! A [`Walker`] is told the tokens of one value in order and writes to `out`. What comes before a value (comma, white
//! space, name, and the brackets of containers in which nothing has been kept so far) waits in `pending` until the
//! value is kept, and is cut off again when it is not. So a removed member takes its comma with it, and a container
//! that removals have emptied is removed itself, required elements and the root excepted. Nothing kept is reformatted.
//!
//! The root is never removed: it becomes `{}`, `[]` or, a scalar, `null`, which say only what kind it was.

use std::sync::Arc;

use super::fault::Fault;
use super::forms;
use super::plan::{Act, Place, Plan, Tree};
use super::scan::{Kind, Sink};
use super::slice;
use super::spec::Limits;
use super::tally::Tally;
use super::{fhir, text};
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
    Remove,
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
            (Some(_), Some(kind)) if required && self.fhir() => {
                self.keep(ctx.out);
                ctx.out.extend_from_slice(fhir::absent(kind));
            }
            (Some(true), None) if required && self.fhir() => self.write_absent_shadow(false, ctx.out),
            _ => self.remove(),
        }
    }

    /// In place of a primitive member its shadow, which says that it is masked.
    fn write_absent_shadow(&mut self, array: bool, out: &mut Vec<u8>) {
        let key = self.pending.split_off(self.key_at.min(self.pending.len()));
        self.keep(out);
        out.extend_from_slice(b"\"_");
        out.extend_from_slice(key.get(1..).unwrap_or_default());
        out.extend_from_slice(fhir::absent(if array { Kind::Array } else { Kind::Object }));
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
                tally.count_unclassified(|| forms::place_for_report(&self.path, key));
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

    /// Writes a treated value, or withholds it.
    fn finish_treated(&mut self, value: Option<String>, form: Form, ctx: &mut Ctx<'_>) {
        let (_, meaning, required) = self.act(self.slot_now());
        match value {
            Some(value) => {
                self.note(meaning, form, ctx.tally);
                self.keep(ctx.out);
                text::quote_into(&value, ctx.out);
            }
            None => {
                self.note(meaning, Form::Withheld, ctx.tally);
                self.withhold(required, None, ctx);
            }
        }
    }

    /// The released form of the string or number `value`.
    fn treat(&self, value: &str) -> (Option<String>, Form) {
        let place = match (self.slot_now(), self.tree()) {
            (Slot::Place(id), Some(tree)) => tree.place(id),
            _ => return (None, Form::Withheld),
        };
        let terms = &self.plan.terms;
        match place.act {
            Act::Generalise => (place.generaliser.and_then(|how| forms::generalise(how, value)), Form::Generalised),
            Act::Pseudonymise => {
                let made = terms.pseudonymiser.as_deref().and_then(|p| match place.reference {
                    true => forms::pseudonymous_reference(p, terms.links.as_deref(), value),
                    false => p.value(value),
                });
                (made, Form::Pseudonymised)
            }
            Act::Link => (terms.links.as_deref().and_then(|links| links.rewrite(value)), Form::Clear),
            Act::Walk | Act::Withhold | Act::Mask | Act::Clear => (None, Form::Withheld),
        }
    }
}

/// The tokens, as [`Sink`] has them, with where to write.
impl Walker {
    pub(super) fn space(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match self.deep {
            Deep::Copy { .. } => out.extend_from_slice(raw),
            Deep::Skip { .. } | Deep::SkipRequired => {}
            Deep::No => {
                if self.pending.len() + raw.len() > self.limits.pending_bytes_max {
                    return Err(Fault::PendingTooLong);
                }
                self.pending.extend_from_slice(raw);
            }
        }
        Ok(())
    }

    pub(super) fn comma(&mut self, out: &mut Vec<u8>) {
        match self.deep {
            Deep::Copy { .. } => out.push(b','),
            Deep::Skip { .. } | Deep::SkipRequired => {}
            Deep::No if self.top_opened() => self.pending.push(b','),
            Deep::No => self.pending.truncate(self.element_start()),
        }
    }

    pub(super) fn colon(&mut self, out: &mut Vec<u8>) {
        match self.deep {
            Deep::Copy { .. } => out.push(b':'),
            Deep::Skip { .. } | Deep::SkipRequired => {}
            Deep::No => self.pending.push(b':'),
        }
    }

    pub(super) fn key(&mut self, raw: &[u8], name: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match self.deep {
            Deep::Copy { .. } => out.extend_from_slice(raw),
            Deep::Skip { .. } | Deep::SkipRequired => {}
            Deep::No => {
                if self.pending.len() + raw.len() > self.limits.pending_bytes_max {
                    return Err(Fault::PendingTooLong);
                }
                self.key_at = self.pending.len();
                self.pending.extend_from_slice(raw);
                self.name.clear();
                self.name.extend_from_slice(name.get(..NAME_KEPT_MAX + 1).unwrap_or(name));
                let frame_role = self.frames.last().map_or(fhir::Role::None, |frame| frame.role);
                self.role = frame_role.of_member(name);
                self.slot = self.slot_of(name);
            }
        }
        Ok(())
    }

    fn slot_of(&self, name: &[u8]) -> Slot {
        let (Some(tree), Some(frame)) = (self.tree(), self.frames.last()) else { return Slot::Place(None) };
        let place = tree.place(frame.place);
        if tree.fhir
            && let Some(base) = name.strip_prefix(b"_")
        {
            return match place.member(base) {
                Some(id) if tree.place(Some(id)).act == Act::Clear => Slot::Place(match place.names(name) {
                    true => place.member(name),
                    false => Some(id),
                }),
                Some(id) if tree.place(Some(id)).act != Act::Walk => Slot::Shadow(id),
                _ => Slot::Place(None),
            };
        }
        match place.member(name) {
            // A name that nobody foresaw, in a value that must not be recognised, may be data itself.
            Some(id)
                if matches!(place.act, Act::Generalise | Act::Pseudonymise)
                    && !place.names(name)
                    && !forms::is_plain_name(name) =>
            {
                Slot::Shadow(id)
            }
            found => Slot::Place(found),
        }
    }

    pub(super) fn open(&mut self, kind: Kind, from_here: &[u8], ctx: &mut Ctx<'_>) -> Result<(), Fault> {
        match &mut self.deep {
            Deep::Copy { depth } => {
                *depth += 1;
                ctx.out.push(kind.open());
                return Ok(());
            }
            Deep::Skip { depth } => {
                *depth += 1;
                return Ok(());
            }
            Deep::SkipRequired => {
                self.keep(ctx.out);
                ctx.out.extend_from_slice(fhir::absent(Kind::Array));
                self.deep = Deep::Skip { depth: 2 };
                return Ok(());
            }
            Deep::No => {}
        }
        let role = std::mem::take(&mut self.role);
        if let Some(tree) = self.root_type.take() {
            self.push_resource(tree);
            return Ok(());
        }
        let slot = self.slot_now();
        let Slot::Place(id) = slot else {
            self.open_whole(Act::Withhold, slot, kind, ctx);
            return Ok(());
        };
        let Some(tree) = self.tree() else { return Err(Fault::Finished) };
        let place = tree.place(id);
        let (act, whole, resource) = (place.act, place.whole, place.resource);
        if role.must_walk(kind) {
            self.push(kind, id, false, role);
        } else if id.is_none() || role.is_label() {
            self.skip_unknown(kind, ctx);
        } else if resource && kind == Kind::Object {
            self.open_resource(from_here, ctx);
        } else if whole {
            self.open_whole(act, slot, kind, ctx);
        } else {
            self.push(kind, id, false, fhir::Role::None);
        }
        Ok(())
    }

    fn skip_unknown(&mut self, kind: Kind, ctx: &mut Ctx<'_>) {
        self.note(None, Form::Withheld, ctx.tally);
        self.withhold(false, Some(kind), ctx);
        self.deep = Deep::Skip { depth: 1 };
    }

    /// The value that would begin now was too large to hold and goes.
    pub(super) fn drop_resource(&mut self, ctx: &mut Ctx<'_>) {
        self.note(None, Form::Withheld, ctx.tally);
        self.withhold(false, Some(Kind::Object), ctx);
    }

    /// A container on the way to the entries: it is walked and stays, whatever the plan says of it.
    pub(super) fn open_forced(&mut self, kind: Kind) {
        let id = match self.slot_now() {
            Slot::Place(id) => id,
            Slot::Shadow(_) => None,
        };
        self.push(kind, id, true, fhir::Role::None);
    }

    fn push(&mut self, kind: Kind, place: Option<u32>, forced: bool, role: fhir::Role) {
        if let Some(parent) = self.frames.last_mut() {
            parent.labelled.note(role);
        }
        let path_length = self.path.len();
        if let Some(frame) = self.frames.last() {
            let key = if frame.kind == Kind::Object { Some(self.name.as_slice()) } else { None };
            forms::push_segment(&mut self.path, key);
        }
        self.pending.push(kind.open());
        self.frames.push(Frame {
            kind,
            place,
            body_start: self.pending.len(),
            key_at: self.key_at,
            removed: false,
            scalars: false,
            forced,
            role,
            labelled: fhir::Seen::default(),
            path_length,
            resource: false,
        });
    }

    /// A resource of its own: walked by its type's tree; of an unknown type it goes.
    fn open_resource(&mut self, from_here: &[u8], ctx: &mut Ctx<'_>) {
        let resource_type = match self.resources {
            true => slice::string_member(from_here, "resourceType"),
            false => None,
        };
        let tree = resource_type.and_then(|name| self.plan.resource(&name).cloned());
        match tree {
            Some(tree) => self.push_resource(tree),
            None => self.skip_unknown(Kind::Object, ctx),
        }
    }

    fn push_resource(&mut self, tree: Arc<Tree>) {
        // A contained resource carries no label of its own (FHIR R4, dom-5): its container does.
        let contained = self.frames.iter().any(|frame| frame.resource);
        let role = if tree.label && !contained { fhir::Role::Resource } else { fhir::Role::None };
        let root = tree.root;
        self.trees.push(tree);
        self.push(Kind::Object, Some(root), false, role);
        if let Some(frame) = self.frames.last_mut() {
            frame.resource = true;
        }
    }

    fn open_whole(&mut self, act: Act, slot: Slot, kind: Kind, ctx: &mut Ctx<'_>) {
        let (_, meaning, required) = self.act(slot);
        match act {
            Act::Clear => {
                self.note(meaning, Form::Clear, ctx.tally);
                self.keep(ctx.out);
                ctx.out.push(kind.open());
                self.deep = Deep::Copy { depth: 1 };
            }
            Act::Mask => {
                self.note(meaning, Form::Masked, ctx.tally);
                self.keep(ctx.out);
                ctx.out.extend_from_slice(b"null");
                self.deep = Deep::Skip { depth: 1 };
            }
            _ => {
                self.note(meaning, Form::Withheld, ctx.tally);
                let in_object = self.frames.last().is_some_and(|frame| frame.kind == Kind::Object);
                if required && self.fhir() && kind == Kind::Array && in_object {
                    self.deep = Deep::SkipRequired;
                } else {
                    self.withhold(required, Some(kind), ctx);
                    self.deep = Deep::Skip { depth: 1 };
                }
            }
        }
    }

    pub(super) fn close(&mut self, kind: Kind, ctx: &mut Ctx<'_>) {
        match &mut self.deep {
            Deep::Copy { depth } => {
                *depth -= 1;
                ctx.out.push(kind.close());
                if *depth == 0 {
                    self.deep = Deep::No;
                }
            }
            Deep::Skip { depth } => {
                *depth -= 1;
                if *depth == 0 {
                    self.deep = Deep::No;
                }
            }
            Deep::SkipRequired => {
                self.deep = Deep::No;
                self.remove();
            }
            Deep::No => self.close_frame(kind, ctx),
        }
    }

    fn close_frame(&mut self, kind: Kind, ctx: &mut Ctx<'_>) {
        if let Some(frame) = self.frames.last() {
            for label in frame.role.missing(frame.labelled) {
                self.inject(label, ctx.out);
            }
        }
        let start = self.element_start();
        let opened = self.top_opened();
        let Some(frame) = self.frames.pop() else { return };
        self.path.truncate(frame.path_length);
        let required = self.tree().is_some_and(|tree| tree.place(frame.place).required);
        if frame.resource {
            self.trees.pop();
        }
        if opened {
            self.pending.push(kind.close());
            self.keep(ctx.out);
        } else if !frame.removed || frame.forced || self.frames.is_empty() {
            if frame.removed {
                self.pending.truncate(start);
            }
            self.pending.push(kind.close());
            self.keep(ctx.out);
        } else {
            self.key_at = frame.key_at;
            self.pending.truncate(start.saturating_sub(1));
            if required && frame.scalars && kind == Kind::Array && self.fhir() {
                self.write_absent_shadow(true, ctx.out);
            } else {
                self.withhold(required, Some(kind), ctx);
            }
        }
    }

    /// Adds a member or element of our own at the end of the innermost container.
    fn inject(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let start = self.element_start();
        let space = self.pending.split_off(start.min(self.pending.len()));
        if self.top_opened() {
            self.pending.push(b',');
        }
        self.pending.extend_from_slice(bytes);
        self.keep(out);
        self.pending.extend_from_slice(&space);
    }

    pub(super) fn scalar(&mut self, raw: &[u8], ctx: &mut Ctx<'_>) {
        match self.deep {
            Deep::Copy { .. } => return ctx.out.extend_from_slice(raw),
            Deep::Skip { .. } => return,
            Deep::SkipRequired => return self.skip_primitives(ctx.out),
            Deep::No => {}
        }
        self.scalar_seen();
        let slot = self.slot_now();
        let (act, meaning, required) = self.act(slot);
        match act {
            Act::Clear if !self.role.is_label() => {
                self.note(meaning, Form::Clear, ctx.tally);
                self.keep(ctx.out);
                ctx.out.extend_from_slice(raw);
            }
            Act::Mask if !self.role.is_label() => {
                self.note(meaning, Form::Masked, ctx.tally);
                self.keep(ctx.out);
                ctx.out.extend_from_slice(b"null");
            }
            Act::Pseudonymise if self.carries_id(slot) && forms::is_digits(raw) => {
                let (made, form) = std::str::from_utf8(raw).map_or((None, Form::Withheld), |raw| self.treat(raw));
                self.finish_treated(made, form, ctx);
            }
            _ => {
                self.note(meaning, Form::Withheld, ctx.tally);
                self.withhold(required, None, ctx);
            }
        }
        self.role = fhir::Role::None;
    }

    /// A required array of primitives is withheld: its shadow takes its place.
    fn skip_primitives(&mut self, out: &mut Vec<u8>) {
        self.write_absent_shadow(true, out);
        self.deep = Deep::Skip { depth: 1 };
    }

    fn carries_id(&self, slot: Slot) -> bool {
        match (slot, self.tree()) {
            (Slot::Place(id), Some(tree)) => tree.place(id).as_string,
            _ => false,
        }
    }

    pub(super) fn string(&mut self, raw: &[u8], first: bool, last: bool, ctx: &mut Ctx<'_>) {
        match self.deep {
            Deep::Copy { .. } => return ctx.out.extend_from_slice(raw),
            Deep::Skip { .. } => return,
            Deep::SkipRequired => return self.skip_primitives(ctx.out),
            Deep::No => {}
        }
        if first {
            self.scalar_seen();
            self.text = self.string_begins(ctx);
        }
        match self.text {
            Text::Copy => ctx.out.extend_from_slice(raw),
            Text::Skip => {}
            Text::Remove => {
                if last {
                    let (_, _, required) = self.act(self.slot_now());
                    self.withhold(required, None, ctx);
                }
            }
            Text::Treat => {
                if self.treated.len() + raw.len() > self.limits.treated_bytes_max {
                    self.too_long = true;
                } else {
                    self.treated.extend_from_slice(raw);
                }
                if last {
                    self.string_treated(ctx);
                }
            }
        }
    }

    fn string_begins(&mut self, ctx: &mut Ctx<'_>) -> Text {
        let (act, meaning, _) = self.act(self.slot_now());
        let label = std::mem::take(&mut self.role).is_label();
        match act {
            Act::Clear if !label => {
                self.note(meaning, Form::Clear, ctx.tally);
                self.keep(ctx.out);
                Text::Copy
            }
            Act::Mask if !label => {
                self.note(meaning, Form::Masked, ctx.tally);
                self.keep(ctx.out);
                ctx.out.extend_from_slice(b"\"***\"");
                Text::Skip
            }
            Act::Generalise | Act::Pseudonymise | Act::Link if !label => {
                self.treated.clear();
                self.too_long = false;
                Text::Treat
            }
            _ => {
                self.note(meaning, Form::Withheld, ctx.tally);
                Text::Remove
            }
        }
    }

    fn string_treated(&mut self, ctx: &mut Ctx<'_>) {
        let value = if self.too_long { None } else { text::unquote(&self.treated) };
        let (made, form) = value.map_or((None, Form::Withheld), |value| self.treat(&value));
        self.finish_treated(made, form, ctx);
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
