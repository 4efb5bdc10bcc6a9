//! Does this proof prove it? For whoever holds two roots, or a record and a root, and nothing else of the log.

use super::{Hash, node};

/// Whether `leaf` is number `index` (from 0) of the `size` leaves under `root`. Source: RFC 9162 section 2.1.3.2.
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, root: &Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(step, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether the first `old` of the `new` leaves under `new_root` are those under `old_root`: nothing was changed or
/// taken away, only added. Nothing is the beginning of everything. Source: RFC 9162 section 2.1.4.2.
pub fn verify_consistency(old: u64, new: u64, old_root: &Hash, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == 0 || old == new {
        let is_known = old == new || *old_root == super::Frontier::default().root();
        return proof.is_empty() && is_known && (old != new || old_root == new_root);
    }
    if old > new {
        return false;
    }
    // A complete subtree is its own first step.
    let mut steps = old.is_power_of_two().then_some(old_root).into_iter().chain(proof);
    let Some(first) = steps.next() else { return false };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut was, mut is) = (*first, *first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            was = node(step, &was);
            is = node(step, &is);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            is = node(&is, step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && was == *old_root && is == *new_root
}
