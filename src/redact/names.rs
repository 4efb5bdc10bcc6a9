//! Which place has the member of this name? A table with open addressing: one hash, mostly one comparison.

use std::ops::Range;

use super::keys::{hash_open, head, head_at};

/// Names of members and the numbers of their places.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// A power of two of slots, at most half of them taken; empty where there are no names.
    slots: Vec<Option<Slot>>,
    count: usize,
}

#[derive(Clone, Debug)]
struct Slot {
    /// The first bytes of the name, and all of them.
    head: u128,
    name: Box<[u8]>,
    id: u32,
}

impl Slot {
    #[inline]
    fn is(&self, head: u128, name: &[u8]) -> bool {
        self.head == head && self.name.len() == name.len() && (name.len() <= 16 || *self.name == *name)
    }
}

impl Names {
    pub(super) const NONE: Names = Names { slots: Vec::new(), count: 0 };

    pub(super) fn with_capacity(count: usize) -> Names {
        let slots = if count == 0 { 0 } else { (count * 2).next_power_of_two() };
        Names { slots: vec![None; slots], count: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where the search for a name begins.
    #[inline]
    fn start(&self, head: u128, length: usize) -> usize {
        // The names of a plan are the catalogue's, and each is compared: no secret is needed.
        usize::try_from(hash_open(head, length) >> 32).unwrap_or(0) & self.slots.len().wrapping_sub(1)
    }

    /// The place of this name.
    #[inline]
    pub(super) fn get(&self, name: &[u8]) -> Option<u32> {
        if self.slots.is_empty() { None } else { self.find(head(name), name) }
    }

    /// The place of the name that stands here in these bytes: mostly there are bytes enough from its beginning to read it in one
    /// piece, however long it is.
    #[inline]
    pub(super) fn get_at(&self, bytes: &[u8], at: Range<usize>) -> Option<u32> {
        let from_here = bytes.get(at.start..)?;
        let name = from_here.get(..at.len())?;
        match from_here.first_chunk() {
            Some(chunk) if !self.slots.is_empty() => self.find(head_at(chunk, name.len()), name),
            _ => self.get(name),
        }
    }

    #[inline]
    fn find(&self, head: u128, name: &[u8]) -> Option<u32> {
        let mut at = self.start(head, name.len());
        loop {
            match self.slots.get(at)? {
                Some(slot) if slot.is(head, name) => return Some(slot.id),
                Some(_) => at = (at + 1) & (self.slots.len() - 1),
                None => return None,
            }
        }
    }

    /// The places of all of them.
    pub(super) fn places(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().flatten().map(|slot| slot.id)
    }

    /// Adds a name that is not there.
    pub(super) fn add(&mut self, name: &[u8], id: u32) {
        if (self.count + 1) * 2 > self.slots.len() {
            let mut larger = Names::with_capacity((self.count + 1) * 2);
            for slot in std::mem::take(&mut self.slots).into_iter().flatten() {
                larger.add(&slot.name, slot.id);
            }
            *self = larger;
        }
        let head = head(name);
        let mut at = self.start(head, name.len());
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.is_none() {
                *slot = Some(Slot { head, name: name.into(), id });
                break;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.count += 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        let mut names = Names::NONE;
        assert!(names.get(b"a").is_none());
        for id in 0..500u32 {
            names.add(format!("name{id}").as_bytes(), id);
            for known in 0..=id {
                let name = format!("name{known}");
                assert_eq!(names.get(name.as_bytes()), Some(known));
                let among = format!("\"{name}\":\"longer than that\"");
                assert_eq!(names.get_at(among.as_bytes(), 1..1 + name.len()), Some(known));
                assert_eq!(names.get_at(name.as_bytes(), 0..name.len()), Some(known));
                assert_eq!(names.get_at(name.as_bytes(), 1..name.len() + 1), None);
            }
            assert!(names.get(format!("name{}", id + 1).as_bytes()).is_none());
            assert!(names.get(b"").is_none());
        }
        // They differ beyond what is compared at once.
        for length in 0..40usize {
            let name = |last: u8| [vec![b'n'; length], vec![last]].concat();
            let mut names = Names::NONE;
            names.add(&name(b'a'), 1);
            names.add(&name(b'b'), 2);
            assert_eq!((names.get(&name(b'a')), names.get(&name(b'b'))), (Some(1), Some(2)));
            assert!(names.get(&name(b'c')).is_none() && names.get(&name(0)).is_none());
        }
    }
}
