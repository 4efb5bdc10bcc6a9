//! A token as one value, for whoever gathers tokens or passes them on.

use super::fault::Fault;
use super::scan::Kind;
use super::walk::{Ctx, Walker};

/// One token.
#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    Space(&'a [u8]),
    Comma,
    Colon,
    Key(&'a [u8], &'a [u8]),
    Open(Kind, &'a [u8]),
    Close(Kind),
    Text(&'a [u8], bool, bool),
    Scalar(&'a [u8]),
}

impl<'a> Token<'a> {
    pub(super) const fn raw(self) -> &'a [u8] {
        match self {
            Token::Space(raw) | Token::Key(raw, _) | Token::Text(raw, _, _) | Token::Scalar(raw) => raw,
            Token::Comma => b",",
            Token::Colon => b":",
            Token::Open(Kind::Object, _) => b"{",
            Token::Open(Kind::Array, _) => b"[",
            Token::Close(Kind::Object) => b"}",
            Token::Close(Kind::Array) => b"]",
        }
    }

    /// The depth after it, and whether a value of depth 0 ends with it.
    pub(super) const fn depth(self, depth: usize) -> (usize, bool) {
        match self {
            Token::Open(..) => (depth + 1, false),
            Token::Close(_) => (depth.saturating_sub(1), depth <= 1),
            Token::Scalar(_) | Token::Text(_, _, true) => (depth, depth == 0),
            Token::Space(_) | Token::Comma | Token::Colon | Token::Key(..) | Token::Text(_, _, false) => (depth, false),
        }
    }
}

/// Passes a token on to a walker.
pub(super) fn tell(walker: &mut Walker, token: Token<'_>, ctx: &mut Ctx<'_>) -> Result<(), Fault> {
    match token {
        Token::Space(raw) => return walker.space(raw, ctx.out),
        Token::Comma => walker.comma(ctx.out),
        Token::Colon => walker.colon(ctx.out),
        Token::Key(raw, name) => return walker.key(raw, name, ctx.out),
        Token::Open(kind, from_here) => return walker.open(kind, from_here, ctx),
        Token::Close(kind) => walker.close(kind, ctx),
        Token::Text(raw, first, last) => walker.string(raw, first, last, ctx),
        Token::Scalar(raw) => walker.scalar(raw, ctx),
    }
    Ok(())
}
