//! A backend that answers in every coding and framing, in odd pieces, and badly: what it says of people stands in fields,
//! trailers and hints too, its errors quote them, its bodies break off.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::support::Asked;
use crate::layer::cases::Random;

/// The one field of a caller that reaches the backend as it is: the tests number their requests in it.
pub(super) const NUMBERED: &str = "accept-language";

impl Asked {
    /// The number of the request.
    pub(super) fn number(&self) -> usize {
        let field = self.head.lines().find_map(|line| line.strip_prefix("accept-language: x-"));
        field.expect("a numbered request").parse().unwrap()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Length,
    Chunked,
    /// The connection's end is the body's.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    None,
    /// Fields that tell of people.
    Fields,
    /// The same after the body.
    Trailers,
    /// The same before the answer, as a hint.
    Early,
    Status(u16),
    /// The body ends before its end.
    Short,
    /// A byte in it is another one.
    Garbled,
    /// Something follows the document.
    Trailing,
    /// Coded twice, as it says.
    Twice,
    /// Of another type, as it says.
    Mislabelled,
}

const STATUSES: [u16; 11] = [500, 404, 400, 302, 206, 409, 503, 401, 418, 204, 201];

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) coding: &'static str,
    framing: Framing,
    piece_bytes: usize,
    trouble: Trouble,
    random: u64,
}

impl Manner {
    /// The manner of this request in a run of this seed.
    pub(super) fn of(seed: u64, number: usize) -> Manner {
        let mut random = Random((seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)) | 1);
        let _warm = (0..4).map(|_| random.next()).last();
        let trouble = match random.below(100) {
            0..6 => Trouble::Fields,
            6..12 => Trouble::Trailers,
            12..16 => Trouble::Early,
            16..25 => Trouble::Status(*random.pick(&STATUSES)),
            25..29 => Trouble::Short,
            29..33 => Trouble::Garbled,
            33..36 => Trouble::Trailing,
            36..38 => Trouble::Twice,
            38..41 => Trouble::Mislabelled,
            _ => Trouble::None,
        };
        let framing = match trouble {
            Trouble::Trailers => Framing::Chunked,
            _ => *random.pick(&[Framing::Length, Framing::Chunked, Framing::Close]),
        };
        let coding = random.pick::<&str>(&["identity", "identity", "gzip", "br", "zstd", "deflate"]);
        let piece_bytes = *random.pick(&[usize::MAX, usize::MAX, 4099, 1000, 61, 7, 1]);
        Manner { coding, framing, piece_bytes, trouble, random: random.next() }
    }

    /// Fields that tell of people.
    fn telling(&self, values: &[String]) -> String {
        let mut random = Random(self.random | 1);
        let mut value = || random.pick(values).as_str();
        format!(
            "X-Record: {}\r\nETag: \"{}\"\r\nSet-Cookie: who={}\r\nLink: </people/{}>; rel=next\r\nLocation: /people/{}\r\n\
             Content-Location: /people/{}\r\nContent-Disposition: attachment; filename=\"{}\"\r\nWarning: 199 - \"{}\"\r\n",
            value(),
            value(),
            value(),
            value(),
            value(),
            value(),
            value(),
            value()
        )
    }

    /// Writes the answer; the connection if it may be used again.
    pub(super) async fn answer(
        self,
        mut stream: TcpStream,
        status: u16,
        media: &str,
        mut body: Vec<u8>,
        values: &[String],
    ) -> Option<TcpStream> {
        let mut head = String::new();
        let status = if let Trouble::Status(other) = self.trouble { other } else { status };
        if self.trouble == Trouble::Early {
            head.push_str(&format!("HTTP/1.1 103 Early Hints\r\n{}\r\n", self.telling(values)));
        }
        let media = if self.trouble == Trouble::Mislabelled { "text/html" } else { media };
        head.push_str(&format!("HTTP/1.1 {status} {}\r\nContent-Type: {media}\r\n", values[0]));
        match (self.trouble, self.coding) {
            (Trouble::Twice, coding) => head.push_str(&format!("Content-Encoding: {coding}, gzip\r\n")),
            (_, "identity") => {}
            (_, coding) => head.push_str(&format!("Content-Encoding: {coding}\r\n")),
        }
        if matches!(self.trouble, Trouble::Fields | Trouble::Status(_)) {
            head.push_str(&self.telling(values));
        }
        let middle = body.len() / 2;
        match self.trouble {
            // A coded body is garbled at its beginning: within, a copy of the wrong place is another document, well formed,
            // in which values stand under other names; nobody who decodes it as it comes could tell.
            Trouble::Garbled if !body.is_empty() => body[if self.coding == "identity" { middle } else { 0 }] ^= 0x55,
            // After a picture it would be a part of the picture, which nobody looks into.
            Trouble::Trailing if media.contains("json") => {
                body.extend_from_slice(format!("{{\"{}\":1}}", values[0]).as_bytes())
            }
            _ => {}
        }
        match self.framing {
            Framing::Length => head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len())),
            Framing::Chunked => head.push_str("Transfer-Encoding: chunked\r\nTrailer: X-Record, ETag\r\n\r\n"),
            Framing::Close => head.push_str("Connection: close\r\n\r\n"),
        }
        if self.trouble == Trouble::Short {
            body.truncate(middle);
        }
        stream.write_all(head.as_bytes()).await.ok()?;
        // Large bodies byte by byte take too long.
        for piece in body.chunks(self.piece_bytes.max(body.len() / 100).max(1)) {
            let framed = match self.framing {
                Framing::Chunked => [format!("{:X};a=b\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat(),
                Framing::Length | Framing::Close => piece.to_vec(),
            };
            stream.write_all(&framed).await.ok()?;
        }
        if self.framing == Framing::Chunked && self.trouble != Trouble::Short {
            let trailers = if self.trouble == Trouble::Trailers { self.telling(values) } else { String::new() };
            stream.write_all(format!("0\r\n{trailers}\r\n").as_bytes()).await.ok()?;
        }
        (self.framing != Framing::Close && self.trouble != Trouble::Short).then_some(stream)
    }
}
