//! Which one hash stands for every record up to some point, and what proves that?
//!
//! The Merkle tree of RFC 6962 section 2.1 over the bytes of the log's lines, `{` to `}`:
//! ```text
//! leaf  = SHA-256(0x00 ‖ line)            root of nothing = SHA-256("")
//! node  = SHA-256(0x01 ‖ left ‖ right)    left: the largest power of two of leaves that leaves one for the right
//! ```
//! A [`Frontier`] is all that a writer keeps of it: the roots of the complete subtrees from the left, one for each bit
//! of the size. So a line is added in a few hashes, and the state of a log of any length is at most 64 of them; a
//! segment's first line holds it, and whoever reads that segment needs none before.
//!
//! [`Frontier`] grows, [`Gather`] finds the hashes that a proof needs, [`verify_inclusion`] and [`verify_consistency`] check them.
//! Pure: no clock, no disk, no keys.

mod proof;
mod ranges;

pub use proof::{verify_consistency, verify_inclusion};
pub use ranges::{Gather, Range, consistency, inclusion};

use sha2::{Digest, Sha256};

/// A leaf, node or root.
pub type Hash = [u8; 32];

/// The hash of one record. Source: RFC 6962 section 2.1.
pub fn leaf(line: &[u8]) -> Hash {
    let mut hash = Sha256::new_with_prefix([0]);
    hash.update(line);
    hash.finalize().into()
}

/// The hash of two neighbours. Source: RFC 6962 section 2.1.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new_with_prefix([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The roots of the complete subtrees over the first `size` leaves, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// From what a segment's first line says; `None` where the number of hashes does not fit the size.
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Option<Frontier> {
        (nodes.len() == size.count_ones() as usize).then_some(Frontier { size, nodes })
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots, the largest subtree first: one for each bit of the size that is set.
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Adds a leaf: two hashes at the median, as many as the size has bits at most.
    pub fn push(&mut self, leaf: Hash) {
        let mut grown = leaf;
        let mut bits = self.size;
        while bits & 1 == 1 {
            let Some(left) = self.nodes.pop() else { break };
            grown = node(&left, &grown);
            bits >>= 1;
        }
        self.nodes.push(grown);
        self.size += 1;
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let joined = self.nodes.iter().copied().rev().reduce(|right, left| node(&left, &right));
        joined.unwrap_or_else(|| Sha256::digest(b"").into())
    }

    /// The frontier over `[start, size)` alone, where a subtree begins at `start`; `None` where one lies across it.
    fn from(&self, start: u64) -> Option<Frontier> {
        let mut at = 0;
        for (index, node_size) in self.subtrees().enumerate() {
            if at == start {
                return Frontier::from_parts(self.size - start, self.nodes.get(index..)?.to_vec());
            }
            at += node_size;
        }
        (at == start).then(Frontier::default)
    }

    /// The root of the complete subtree over `[start, start + size)`, if it is one of those kept.
    fn subtree(&self, start: u64, size: u64) -> Option<Hash> {
        let mut at = 0;
        for (node_size, hash) in self.subtrees().zip(&self.nodes) {
            if (at, node_size) == (start, size) {
                return Some(*hash);
            }
            at += node_size;
        }
        None
    }

    /// The sizes of the complete subtrees, the largest first.
    fn subtrees(&self) -> impl Iterator<Item = u64> {
        let size = self.size;
        (0..u64::BITS).rev().map(|bit| 1u64 << bit).filter(move |bit| size & bit != 0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "test")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, word for word, over all leaves at once.
    fn slow(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest(b"").into(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node(&slow(left), &slow(right))
            }
        }
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|index| leaf(index.to_string().as_bytes())).collect()
    }

    fn grown(leaves: &[Hash]) -> Frontier {
        let mut frontier = Frontier::default();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        frontier
    }

    fn text(hash: Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The eight leaves that the reference implementation of Certificate Transparency tests with.
    #[test]
    fn the_roots_of_certificate_transparencys_own_leaves_are_its_own() {
        let data: [&[u8]; 8] =
            [b"", b"\0", b"\x10", b"\x20\x21", b"\x30\x31", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        assert_eq!(text(frontier.root()), roots[0]);
        for (line, root) in data.iter().zip(&roots[1..]) {
            frontier.push(leaf(line));
            assert_eq!(text(frontier.root()), *root);
        }
    }

    #[test]
    fn a_frontier_of_any_size_has_the_root_of_the_definition() {
        let all = leaves(600);
        let mut frontier = Frontier::default();
        for size in 0..=all.len() {
            assert_eq!(frontier.root(), slow(&all[..size]), "{size} leaves");
            assert_eq!(Frontier::from_parts(size as u64, frontier.nodes().to_vec()), Some(frontier.clone()));
            assert_eq!(Frontier::from_parts(size as u64 * 2 + 1, frontier.nodes().to_vec()), None);
            if let Some(next) = all.get(size) {
                frontier.push(*next);
            }
        }
    }

    /// Every leaf of every small tree, from every place that a reader may have joined at or before it.
    #[test]
    fn every_record_is_proven_in_every_tree_from_every_segment() {
        let all = leaves(24);
        for size in 1..=all.len() {
            let root = slow(&all[..size]);
            for index in 0..size {
                for joined in 0..=index {
                    let mut gather = Gather::new(inclusion(index as u64, size as u64), &grown(&all[..joined]));
                    all[joined..size].iter().for_each(|leaf| gather.push(*leaf));
                    let proof = gather.finish().unwrap();
                    let (index, size) = (index as u64, size as u64);
                    assert!(verify_inclusion(index, size, &all[index as usize], &root, &proof), "{index} of {size}");
                    for (at, other) in all[..size as usize].iter().enumerate().filter(|(at, _)| *at as u64 != index) {
                        assert!(!verify_inclusion(index, size, other, &root, &proof));
                        assert!(!verify_inclusion(at as u64, size, &all[index as usize], &root, &proof));
                    }
                }
            }
        }
    }

    #[test]
    fn every_smaller_tree_is_proven_to_be_the_beginning_of_every_larger_one() {
        let all = leaves(20);
        for new in 0..=all.len() {
            for old in 0..=new {
                for joined in 0..=old {
                    let mut gather = Gather::new(consistency(old as u64, new as u64), &grown(&all[..joined]));
                    all[joined..new].iter().for_each(|leaf| gather.push(*leaf));
                    let proof = gather.finish().unwrap();
                    let (was, is) = (slow(&all[..old]), slow(&all[..new]));
                    assert!(verify_consistency(old as u64, new as u64, &was, &is, &proof), "{old} to {new}");
                    let mut changed = all[..new].to_vec();
                    for at in 0..old {
                        changed[at] = leaf(b"another");
                        let forged = slow(&changed);
                        assert!(
                            !verify_consistency(old as u64, new as u64, &was, &forged, &proof),
                            "{old} to {new}, {at}"
                        );
                        changed[at] = all[at];
                    }
                }
            }
        }
    }

    proptest! {
        /// Nothing but the very proof proves.
        #[test]
        fn a_proof_with_anything_changed_proves_nothing(size in 2u64..200, at: prop::sample::Index, bit in 0usize..256, how in 0u8..4) {
            let all = leaves(size as usize);
            let index = at.index(size as usize) as u64;
            let mut gather = Gather::new(inclusion(index, size), &Frontier::default());
            all.iter().for_each(|leaf| gather.push(*leaf));
            let mut proof = gather.finish().unwrap();
            let place = at.index(proof.len());
            match how {
                0 => proof[place][bit / 8] ^= 1 << (bit % 8),
                1 => { proof.remove(place); }
                2 => proof.insert(place, leaf(b"more")),
                _ => proof.push(all[0]),
            }
            prop_assert!(!verify_inclusion(index, size, &all[index as usize], &slow(&all), &proof));
        }
    }
}
