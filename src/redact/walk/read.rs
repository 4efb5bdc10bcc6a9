//! A whole entry walked by what its strict reading found: no byte of it is looked at to find the next value.
//!
//! The walker is told what a scanner of the same bytes would tell it, in the same order.

use super::super::fault::Fault;
use super::super::scan::{Kind, Node, Take, Value};
use super::super::text;
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
            if let Some((_, Kind::Object)) = inside.last() {
                self.read_name(entry, node)?;
            }
            ctx.read = Some((nodes, number));
            let value = node.value();
            before = None;
            match (self.begin(entry, node.start(), value, ctx)?, value) {
                (Take::Inside, Value::Container(kind)) => {
                    inside.push((number, kind));
                    number += 1;
                }
                _ => {
                    self.end(entry, node.end(), ctx);
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
