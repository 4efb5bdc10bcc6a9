//! A backend's coded body as plain bytes, bounded.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyDataStream, BodyExt};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio_util::io::StreamReader;

use super::super::body::BoxError;
use super::Coding;

/// How much is decoded at a time.
const PIECE_BYTES: usize = 16 << 10;
/// Below this many decoded bytes no ratio is asked for: a short body may be all spaces.
const RATIO_FREE_BYTES: u64 = 1 << 20;
/// 8 MiB, as a power of two (RFC 9659).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// A body as it came, or decoded.
pub struct Decoded<B>(Inner<B>);

enum Inner<B> {
    Plain(B),
    Coded(Coded),
}

struct Coded {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    coded_bytes: Arc<AtomicU64>,
    decoded_bytes: u64,
    bytes_max: u64,
    ratio_max: u64,
    ended: bool,
}

/// Decodes the body by its `Content-Encoding`, which is removed together with the length and digests of the coded form.
/// An unknown coding, or more than one, is left as it is, field and all.
///
/// The body fails once it has more than `bytes_max` bytes, or more than `ratio_max` times the coded ones past the first
/// MiB; and where it is damaged or cut short.
pub fn decode<B>(response: Response<B>, bytes_max: u64, ratio_max: u32) -> Response<Decoded<B>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (mut head, body) = response.into_parts();
    let coding = coding_of(&head.headers);
    let body = match coding {
        None => Decoded(Inner::Plain(body)),
        Some(Coding::Identity) => {
            head.headers.remove(header::CONTENT_ENCODING);
            Decoded(Inner::Plain(body))
        }
        // Nothing follows (HEAD, 304 and the like): nothing to decode, but what the field says is no longer so.
        Some(_) if body.is_end_stream() => {
            without_coded_fields(&mut head.headers);
            Decoded(Inner::Plain(body))
        }
        Some(coding) => {
            without_coded_fields(&mut head.headers);
            Decoded(Inner::Coded(coded(coding, body, bytes_max, ratio_max)))
        }
    };
    Response::from_parts(head, body)
}

/// `None` where there is no field, or one that cannot be undone.
fn coding_of(headers: &HeaderMap) -> Option<Coding> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let coding = Coding::from_name(values.next()?.to_str().ok()?);
    coding.filter(|_| values.next().is_none())
}

fn without_coded_fields(headers: &mut HeaderMap) {
    for name in ["content-encoding", "content-length", "content-md5", "content-digest", "digest"] {
        headers.remove(name);
    }
}

fn coded<B>(coding: Coding, body: B, bytes_max: u64, ratio_max: u32) -> Coded
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let coded_bytes = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&coded_bytes);
    let counted = body.map_err(io::Error::other).map_frame(move |frame| {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        count.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        frame
    });
    let boxed: Pin<Box<dyn AsyncBufRead + Send>> =
        Box::pin(StreamReader::new(BodyDataStream::new(counted.boxed_unsync())));
    let reader: Pin<Box<dyn AsyncRead + Send>> = match coding {
        Coding::Identity => boxed,
        Coding::Gzip => {
            let mut decoder = GzipDecoder::new(boxed);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        // Neither has further members; but what comes after the end is read as one, and is an error.
        Coding::Deflate => {
            let mut decoder = ZlibDecoder::new(boxed);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Coding::Brotli => {
            let mut decoder = BrotliDecoder::new(boxed);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Coding::Zstd => {
            let window = [DParameter::window_log_max(ZSTD_WINDOW_LOG_MAX)];
            let mut decoder = ZstdDecoder::with_params(boxed, &window);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    };
    Coded { reader, coded_bytes, decoded_bytes: 0, bytes_max, ratio_max: u64::from(ratio_max), ended: false }
}

impl Coded {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let mut room = BytesMut::zeroed(PIECE_BYTES);
        let mut piece = ReadBuf::new(&mut room);
        let read = ready!(self.reader.as_mut().poll_read(cx, &mut piece));
        let filled = piece.filled().len();
        if let Err(error) = read {
            self.ended = true;
            return Poll::Ready(Some(Err(unwrapped(error))));
        }
        if filled == 0 {
            self.ended = true;
            return Poll::Ready(None);
        }
        self.decoded_bytes = self.decoded_bytes.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        let allowed = self.coded_bytes.load(Ordering::Relaxed).saturating_mul(self.ratio_max).max(RATIO_FREE_BYTES);
        if self.decoded_bytes > allowed.min(self.bytes_max) {
            self.ended = true;
            return Poll::Ready(Some(Err("the coded body is too large once decoded".into())));
        }
        room.truncate(filled);
        Poll::Ready(Some(Ok(room.freeze())))
    }
}

/// The body's own error (a time-out, say), not the wrapper that carried it.
fn unwrapped(error: io::Error) -> BoxError {
    if error.get_ref().is_none() {
        return error.into();
    }
    error.into_inner().unwrap_or_else(|| "the body could not be decoded".into())
}

impl<B> Body for Decoded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Inner::Plain(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            Inner::Coded(coded) => coded.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Plain(body) => body.is_end_stream(),
            Inner::Coded(coded) => coded.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Plain(body) => body.size_hint(),
            Inner::Coded(_) => SizeHint::default(),
        }
    }
}
