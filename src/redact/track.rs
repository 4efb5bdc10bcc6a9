//! Does the value that begins now lie where the entries are?

use super::fault::Fault;
use super::scan::Kind;
use super::spec::Step;

/// Where the value that begins now lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// It is an entry.
    Entry,
    /// It leads to entries.
    Leads,
    /// Neither.
    Aside,
}

/// Follows the envelope's containers along the entries' pointer.
#[derive(Default)]
pub(super) struct Track {
    /// How many containers of the envelope are open, and how many of them, from the root, lead to the entries.
    depth: usize,
    leading: usize,
    key_leads: bool,
}

impl Track {
    pub(super) fn position(&self, steps: &[Step]) -> Position {
        let leads = self.leading == self.depth
            && match self.depth.checked_sub(1).and_then(|above| steps.get(above)) {
                None => self.depth == 0,
                Some(Step::Any) => true,
                Some(Step::Name(_)) => self.key_leads,
            };
        match leads {
            true if self.depth == steps.len() => Position::Entry,
            true => Position::Leads,
            false => Position::Aside,
        }
    }

    /// Whether the innermost open container is the root.
    pub(super) const fn in_root(&self) -> bool {
        self.depth == 1
    }

    pub(super) fn key(&mut self, steps: &[Step], name: &[u8]) {
        let step = self.depth.checked_sub(1).and_then(|above| steps.get(above));
        self.key_leads = matches!(step, Some(Step::Name(wanted)) if wanted.as_bytes() == name);
    }

    /// A container that leads to the entries opens: it must be what the next step asks for.
    pub(super) fn open_leading(&mut self, steps: &[Step], kind: Kind) -> Result<(), Fault> {
        match (steps.get(self.depth), kind) {
            (Some(Step::Any), Kind::Array) | (Some(Step::Name(_)), Kind::Object) => {}
            _ => return Err(Fault::Layout),
        }
        self.depth += 1;
        self.leading += 1;
        Ok(())
    }

    /// Another container of the envelope opens.
    pub(super) fn open_aside(&mut self) {
        self.depth += 1;
    }

    pub(super) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.leading = self.leading.min(self.depth);
    }
}
