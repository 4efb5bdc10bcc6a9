//! What the scanner tells, and to whom it goes: outside entries the envelope's walker, at one the question what becomes of it.

use super::super::fault::Fault;
use super::super::redactor::Judge;
use super::super::scan::{Kind, Sink, Take, Tape, Value};
use super::super::spec::Shape;
use super::super::track::Position;
use super::super::walk::Ctx;
use super::{Core, Mode, ROOT_TYPE_BYTES_MAX, RootType};

impl<J: Judge> Sink for Core<J> {
    fn begin(&mut self, src: &[u8], at: usize, value: Value) -> Result<Take, Fault> {
        let steps = self.spec.entries.steps();
        match (self.track.position(steps), value) {
            (Position::Entry, _) => {
                self.envelope.bound(at)?;
                self.mode = Mode::Hold { from: at };
                return Ok(Take::Whole);
            }
            (Position::Leads, Value::Container(kind)) => {
                self.track.open_leading(steps, kind)?;
                self.envelope.bound(at)?;
                self.envelope.open_forced(at, kind);
                self.root_written = true;
                return Ok(Take::Inside);
            }
            (Position::Leads | Position::Aside, _) => {}
        }
        if self.root_type == RootType::Named {
            if value != Value::Text {
                return Err(Fault::Layout);
            }
            self.root_type = RootType::Begun { head: Vec::new(), from: at };
        }
        self.root_written = true;
        let mut ctx = Ctx { out: &mut self.out, tally: &mut self.tally, read: None };
        let take = self.envelope.begin(src, at, value, &mut ctx)?;
        if take == Take::Inside {
            self.track.open_aside();
        }
        Ok(take)
    }

    fn end(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        if self.mode != Mode::Envelope {
            return self.entry_ends(src, at, None);
        }
        if let RootType::Begun { head, from } = &mut self.root_type {
            head.extend_from_slice(src.get(*from..at).unwrap_or_default());
            if head != b"\"Bundle\"" {
                return Err(Fault::Layout);
            }
            self.envelope.end(src, at, &mut Ctx { out: &mut self.out, tally: &mut self.tally, read: None });
            return self.proven(src);
        }
        self.envelope.end(src, at, &mut Ctx { out: &mut self.out, tally: &mut self.tally, read: None });
        Ok(())
    }

    fn end_read(&mut self, src: &[u8], at: usize, tape: &Tape) -> Result<(), Fault> {
        match self.mode {
            Mode::Envelope => self.end(src, at),
            _ => self.entry_ends(src, at, Some(tape)),
        }
    }

    fn name(&mut self, _: &[u8], at: usize, name: &[u8]) -> Result<(), Fault> {
        self.track.key(self.spec.entries.steps(), name);
        if matches!(self.spec.shape, Shape::FhirBundle) && self.track.in_root() && name == b"resourceType" {
            self.root_type = RootType::Named;
        }
        self.envelope.name(at, name);
        Ok(())
    }

    fn comma(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        self.envelope.comma(src, at, &mut self.out)
    }

    fn close(&mut self, src: &[u8], at: usize, kind: Kind) -> Result<(), Fault> {
        self.track.close();
        self.envelope.close(src, at, kind, &mut Ctx { out: &mut self.out, tally: &mut self.tally, read: None })
    }

    /// A line ends: its end stays if the line did.
    fn line_end(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        if self.root_written {
            self.document_ends(src, at);
            self.out.push(b'\n');
        } else {
            self.document_ends(src, at);
        }
        self.envelope.resume(at + 1);
        Ok(())
    }

    fn pause(&mut self, src: &[u8], at: usize) -> Result<(), Fault> {
        let envelope_ends = match self.mode {
            Mode::Envelope => {
                if let RootType::Begun { head, from } = &mut self.root_type {
                    head.extend_from_slice(src.get(*from..at).unwrap_or_default());
                    *from = 0;
                    if head.len() > ROOT_TYPE_BYTES_MAX {
                        return Err(Fault::Layout);
                    }
                }
                at
            }
            Mode::Hold { from } => from,
            Mode::Drop | Mode::Stream { .. } => return self.entry_pauses(src, at),
        };
        let mut ctx = Ctx { out: &mut self.out, tally: &mut self.tally, read: None };
        self.envelope.pause(src, envelope_ends, &mut ctx)?;
        // Places are still those of this slice.
        self.envelope.resume(envelope_ends);
        self.entry_pauses(src, at)
    }
}
