//! A whole entry walked by what its strict reading found: no byte of it is looked at to find the next value.
//!
//! The walker is told what a scanner of the same bytes would tell it, in the same order.

use super::super::fault::Fault;
use super::super::scan::{Kind, Node, Take, Value};
use super::super::text;
use super::quick::Done;
use super::{Ctx, Walker};

impl Walker {
    /// Walks `entry`, whose values are `nodes`.
    pub(in crate::redact) fn walk_read<'e>(
        &mut self,
        entry: &[u8],
        nodes: &'e [Node],
        ctx: &mut Ctx<'e>,
    ) -> Result<(), Fault> {
        let mut inside = std::mem::take(&mut self.inside);
        inside.clear();
        let mut number = 0;
        let mut before = None;
        while let Some(node) = nodes.get(number) {
            if let Some(end) = before {
                self.comma_after(entry, end, ctx)?;
            }
            let took = match self.quickly(entry, nodes, number, ctx)? {
                Done::Inside => Take::Inside,
                Done::Whole => Take::Whole,
                Done::No => {
                    ctx.read = Some((nodes, number));
                    self.closely(entry, node, inside.last().map(|(_, kind)| *kind), ctx)?
                }
            };
            before = None;
            match (took, node.value()) {
                (Take::Inside, Value::Container(kind)) => {
                    inside.push((number, kind));
                    number += 1;
                }
                _ => {
                    before = Some(node.end());
                    number = node.next();
                }
            }
            while let Some((opened, kind)) = inside.last().copied() {
                let Some(node) = nodes.get(opened).filter(|node| node.next() <= number) else { break };
                self.close(entry, node.end().saturating_sub(1), kind, ctx)?;
                before = Some(node.end());
                inside.pop();
            }
            if inside.is_empty() {
                break;
            }
        }
        self.inside = inside;
        ctx.read = None;
        self.pause(entry, entry.len(), ctx)
    }

    /// A value that takes a closer look; `inside`: what it lies in.
    fn closely(&mut self, entry: &[u8], node: &Node, inside: Option<Kind>, ctx: &mut Ctx<'_>) -> Result<Take, Fault> {
        if inside == Some(Kind::Object) {
            self.read_name(entry, node)?;
        }
        let took = self.begin(entry, node.start(), node.value(), ctx)?;
        if took == Take::Whole {
            self.end(entry, node.end(), ctx);
        }
        Ok(took)
    }

    /// The comma after what ends before `at`.
    #[inline]
    fn comma_after(&mut self, entry: &[u8], at: usize, ctx: &mut Ctx<'_>) -> Result<(), Fault> {
        if self.top_opened() {
            return Ok(());
        }
        let space = entry.get(at..).unwrap_or_default().iter().take_while(|byte| **byte != b',').count();
        self.comma(entry, at + space, ctx.out)
    }

    #[inline]
    fn read_name(&mut self, entry: &[u8], node: &Node) -> Result<(), Fault> {
        let name = node.name();
        let at = name.start.saturating_sub(1);
        let raw = entry.get(name).unwrap_or_default();
        if node.escaped() {
            let mut means = Vec::with_capacity(raw.len());
            text::unescape_into(raw, &mut means)?;
            self.name(at, &means);
        } else {
            self.name(at, raw);
        }
        Ok(())
    }
}
