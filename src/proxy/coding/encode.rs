//! An answer in a coding that its caller accepts.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::Level;
use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use tokio::io::AsyncWrite;

use super::super::body::BoxError;
use super::Coding;

/// Shorter bodies gain nothing.
const SHORTEST_BYTES: u64 = 860;
/// Best first, where the caller weighs them alike.
const PREFERRED: [Coding; 4] = [Coding::Zstd, Coding::Brotli, Coding::Gzip, Coding::Deflate];

/// The caller accepts none of the codings that the gate writes, and not the plain form either: 406.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAcceptable;

impl Coding {
    /// The coding to answer in. Source: RFC 9110 §12.5.3: no field, or an empty one, means the plain form here; weights
    /// in thousandths; `*` is whatever is not named; the plain form is accepted unless it is excluded.
    ///
    /// # Errors
    /// [`NotAcceptable`] where the plain form is excluded and no other is accepted.
    pub fn accepted(headers: &HeaderMap) -> Result<Coding, NotAcceptable> {
        let mut named: Vec<(String, u16)> = Vec::new();
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            let Ok(text) = value.to_str() else { return Ok(Coding::Identity) };
            named.extend(text.split(',').filter(|item| !item.trim().is_empty()).map(weighed));
        }
        let of = |coding: Coding| named.iter().find(|(name, _)| Coding::from_name(name) == Some(coding)).map(|n| n.1);
        let others = named.iter().find(|(name, _)| name == "*").map(|n| n.1);
        let identity = of(Coding::Identity);
        let best = PREFERRED
            .into_iter()
            .rev()
            .filter_map(|coding| of(coding).or(others).filter(|weight| *weight > 0).map(|weight| (weight, coding)))
            .max_by_key(|(weight, _)| *weight);
        match (best, identity) {
            (Some((weight, _)), Some(plain)) if plain > weight => Ok(Coding::Identity),
            (Some((_, coding)), _) => Ok(coding),
            (None, Some(0)) => Err(NotAcceptable),
            (None, None) if others == Some(0) => Err(NotAcceptable),
            (None, _) => Ok(Coding::Identity),
        }
    }
}

/// Whether the plain form may be sent: it is not excluded, by its name or with whatever is not named.
pub fn takes_plain(headers: &HeaderMap) -> bool {
    let named = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<(String, u16)> = named.flat_map(|text| text.split(',').map(weighed)).collect();
    let of = |wanted: &str| named.iter().find(|(name, _)| name == wanted).map(|(_, weight)| *weight);
    of("identity").or_else(|| of("*")) != Some(0)
}

/// Name and weight in thousandths; a weight that is none counts as 0.
fn weighed(item: &str) -> (String, u16) {
    let mut parts = item.split(';');
    let name = parts.next().unwrap_or("").trim().to_ascii_lowercase();
    let weight = parts.next().map_or(1000, |parameter| {
        let value = parameter.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim().strip_prefix('='));
        value.and_then(|value| thousandths(value.trim())).unwrap_or(0)
    });
    (name, weight)
}

/// `0`, `0.5`, `1.000`: at most three decimals, at most 1.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let good = matches!(whole, "0" | "1") && decimals.len() <= 3 && decimals.bytes().all(|b| b.is_ascii_digit());
    let decimals: u16 = format!("{decimals:0<3}").parse().ok().filter(|_| good)?;
    let weight = if whole == "1" { 1000 + decimals } else { decimals };
    (weight <= 1000).then_some(weight)
}

/// A body as it is, or coded frame by frame.
pub struct Encoded<B> {
    body: B,
    /// Boxed: an answer moves about, and most have none.
    encoder: Option<Box<Encoder>>,
}

#[allow(clippy::large_enum_variant, reason = "one per answer, in a box")]
enum Encoder {
    Gzip(GzipEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Brotli(BrotliEncoder<Vec<u8>>),
    Zstd(ZstdEncoder<Vec<u8>>),
}

/// Codes an answer. Left as they are: answers without a body, ones that are coded already, and, where the plain form is
/// taken, short ones and types that do not shrink.
pub fn encode<B>(response: Response<B>, coding: Coding, takes_plain: bool) -> Response<Encoded<B>>
where
    B: Body<Data = Bytes>,
{
    let (mut head, body) = response.into_parts();
    let gains = body.size_hint().exact().is_none_or(|bytes| bytes >= SHORTEST_BYTES) && shrinks(&head.headers);
    let has_body =
        !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::RESET_CONTENT);
    let plain = !head.headers.contains_key(header::CONTENT_ENCODING);
    let has_body = has_body && !body.is_end_stream();
    let coded = has_body && plain && (gains || !takes_plain);
    let encoder = coded.then(|| Encoder::new(coding)).flatten().map(Box::new);
    if encoder.is_some() {
        head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        head.headers.remove(header::CONTENT_LENGTH);
    }
    Response::from_parts(head, Encoded { body, encoder })
}

fn shrinks(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media = media.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    media.starts_with("text/") || media.contains("json") || media.contains("xml")
}

impl Encoder {
    fn new(coding: Coding) -> Option<Encoder> {
        let out = Vec::new();
        match coding {
            Coding::Identity => None,
            Coding::Gzip => Some(Encoder::Gzip(GzipEncoder::with_quality(out, Level::Fastest))),
            Coding::Deflate => Some(Encoder::Deflate(ZlibEncoder::with_quality(out, Level::Fastest))),
            Coding::Brotli => Some(Encoder::Brotli(BrotliEncoder::with_quality(out, Level::Precise(3)))),
            Coding::Zstd => Some(Encoder::Zstd(ZstdEncoder::with_quality(out, Level::Precise(1)))),
        }
    }

    fn writer(&mut self) -> Pin<&mut dyn AsyncWrite> {
        match self {
            Encoder::Gzip(encoder) => Pin::new(encoder) as Pin<&mut dyn AsyncWrite>,
            Encoder::Deflate(encoder) => Pin::new(encoder) as Pin<&mut dyn AsyncWrite>,
            Encoder::Brotli(encoder) => Pin::new(encoder) as Pin<&mut dyn AsyncWrite>,
            Encoder::Zstd(encoder) => Pin::new(encoder) as Pin<&mut dyn AsyncWrite>,
        }
    }

    fn take(&mut self) -> Bytes {
        let out = match self {
            Encoder::Gzip(encoder) => encoder.get_mut(),
            Encoder::Deflate(encoder) => encoder.get_mut(),
            Encoder::Brotli(encoder) => encoder.get_mut(),
            Encoder::Zstd(encoder) => encoder.get_mut(),
        };
        Bytes::from(std::mem::take(out))
    }

    /// A `Vec` takes everything at once, so this never waits.
    fn push(&mut self, cx: &mut Context<'_>, mut bytes: &[u8]) -> Poll<std::io::Result<()>> {
        while !bytes.is_empty() {
            let written = ready!(self.writer().poll_write(cx, bytes))?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        self.writer().poll_flush(cx)
    }
}

impl<B> Body for Encoded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let polled = Pin::new(&mut this.body).poll_frame(cx).map(|f| f.map(|f| f.map_err(Into::into)));
            let Some(encoder) = &mut this.encoder else { return polled };
            match ready!(polled) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    ready!(encoder.push(cx, &data))?;
                    let coded = encoder.take();
                    if !coded.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(coded))));
                    }
                }
                // No proper end: whoever decodes it sees that it was cut.
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    ready!(encoder.writer().poll_shutdown(cx))?;
                    let last = encoder.take();
                    this.encoder = None;
                    return Poll::Ready((!last.is_empty()).then(|| Ok(Frame::data(last))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.encoder {
            Some(_) => SizeHint::default(),
            None => self.body.size_hint(),
        }
    }
}
