//! In which content coding does a body come, and in which does it leave?
//!
//! [`decode`]: the backend is asked for `identity`; what comes coded anyway is decoded as it streams, within bounds, so
//! that the gate can read it. What cannot be decoded keeps its `Content-Encoding`, and the gate answers 502.
//! [`Coding::accepted`] and [`encode`]: outward by `Accept-Encoding`, at fast levels, flushed with every frame, so that
//! what streams goes on streaming.

mod decode;
mod encode;

pub use decode::{Decoded, decode};
pub use encode::{Encoded, NotAcceptable, encode, takes_plain};

/// A content coding that the gate reads and writes. Source: IANA HTTP content coding registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// No coding.
    Identity,
    /// RFC 1952, with further members.
    Gzip,
    /// `deflate`: the zlib format (RFC 1950), not raw deflate (RFC 9110 §8.4.1.2).
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878, windows up to 8 MiB (RFC 9659).
    Zstd,
}

impl Coding {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Coding::Identity => "identity",
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }

    /// The coding of that name, in any case. Source: RFC 9110 §8.4.1.
    pub fn from_name(name: &str) -> Option<Coding> {
        let name = name.trim();
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match () {
            () if is("identity") => Some(Coding::Identity),
            () if is("gzip") || is("x-gzip") => Some(Coding::Gzip),
            () if is("deflate") => Some(Coding::Deflate),
            () if is("br") => Some(Coding::Brotli),
            () if is("zstd") => Some(Coding::Zstd),
            () => None,
        }
    }
}
