//! Each coding there and back, streaming; bombs and nonsense.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;
use sekisho::proxy::coding::{Coding, NotAcceptable, decode, encode};
use tokio::io::AsyncWriteExt;

use super::support::{Pieces, Sent, soon};

const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

fn json<B>(body: B) -> Response<B> {
    Response::builder().header("content-type", "application/json").body(body).unwrap()
}

fn text() -> Vec<u8> {
    (0..9000).flat_map(|n| format!("{{\"id\":{n}}},").into_bytes()).collect()
}

async fn coded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let response = encode(json(Pieces::new(bytes, 4096)), coding, true);
    assert_eq!(response.headers()["content-encoding"], coding.name());
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

async fn decoded(coding: &str, bytes: &[u8], each: usize, max: u64, ratio: u32) -> Option<Bytes> {
    let response = Response::builder().header("content-encoding", coding).body(Pieces::new(bytes, each)).unwrap();
    let response = decode(response, max, ratio);
    assert!(!response.headers().contains_key("content-encoding"));
    response.into_body().collect().await.ok().map(|body| body.to_bytes())
}

#[tokio::test]
async fn every_coding_comes_back_as_it_was_wherever_it_is_cut() {
    for coding in CODINGS {
        let bytes = coded(coding, &text()).await;
        assert!(bytes.len() < text().len());
        for each in [1, 7, 4096, bytes.len()] {
            let back = decoded(coding.name(), &bytes, each, u64::MAX, 2000).await.unwrap();
            assert!(back == text(), "{} by {each}", coding.name());
        }
    }
}

#[tokio::test]
async fn what_streams_in_streams_out() {
    for coding in CODINGS {
        let (send, receive) = tokio::sync::mpsc::unbounded_channel();
        let response = encode(json(Sent(receive)), coding, true).map(Box::pin);
        let mut response = decode(response, u64::MAX, 2000);
        for piece in ["first", "second"] {
            send.send(Bytes::from(piece)).unwrap();
            let frame = soon(response.body_mut().frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), piece, "{}", coding.name());
        }
        drop(send);
        assert!(soon(response.body_mut().frame()).await.is_none());
    }
}

#[tokio::test]
async fn further_members_of_gzip_are_not_lost() {
    let mut bytes = coded(Coding::Gzip, b"one,").await;
    bytes.extend(coded(Coding::Gzip, b"two").await);
    assert_eq!(decoded("gzip", &bytes, 5, 100, 2000).await.unwrap(), "one,two");
}

#[tokio::test]
async fn what_is_cut_short_is_an_error() {
    for coding in CODINGS {
        let bytes = coded(coding, &text()).await;
        for cut in [bytes.len() / 2, bytes.len() - 1] {
            assert!(decoded(coding.name(), &bytes[..cut], 4096, u64::MAX, 2000).await.is_none(), "{}", coding.name());
        }
        assert!(decoded(coding.name(), b"no coding at all", 4096, u64::MAX, 2000).await.is_none(), "{}", coding.name());
    }
}

#[tokio::test]
async fn a_bomb_is_an_error() {
    let bytes = coded(Coding::Gzip, &vec![b' '; 8 << 20]).await;
    assert!(decoded("gzip", &bytes, 4096, u64::MAX, 100).await.is_none(), "the ratio");
    assert!(decoded("gzip", &bytes, 4096, 4 << 20, 2000).await.is_none(), "the size");
    assert!(decoded("gzip", &bytes, 4096, 8 << 20, 2000).await.is_some());
}

#[tokio::test]
async fn a_zstd_window_over_8_mib_is_an_error() {
    use async_compression::tokio::write::ZstdEncoder;
    use async_compression::zstd::CParameter;
    let mut encoder = ZstdEncoder::with_quality_and_params(
        Vec::new(),
        async_compression::Level::Precise(1),
        &[CParameter::window_log(25)],
    );
    encoder.write_all(&text()).await.unwrap();
    encoder.flush().await.unwrap(); // so that the size is not known, and the window has to be told
    encoder.write_all(&text()).await.unwrap();
    encoder.shutdown().await.unwrap();
    assert!(decoded("zstd", &encoder.into_inner(), 4096, u64::MAX, 2000).await.is_none());
}

#[test]
fn what_cannot_be_undone_keeps_its_field() {
    for values in [vec!["compress"], vec!["gzip, gzip"], vec!["gzip", "br"], vec!["dcb"], vec![""]] {
        let mut response = Response::new(Pieces::new(b"abc", 3));
        for value in &values {
            response.headers_mut().append("content-encoding", HeaderValue::from_static(value));
        }
        assert!(decode(response, 100, 100).headers().contains_key("content-encoding"), "{values:?}");
    }
}

#[test]
fn the_length_and_digests_of_the_coded_form_are_removed() {
    let response = Response::builder().header("content-encoding", "gzip").header("content-length", "3");
    let response = response.header("content-digest", "sha-256=:x:").body(Pieces::new(b"abc", 3)).unwrap();
    let response = decode(response, 100, 100);
    assert!(response.headers().is_empty(), "{:?}", response.headers());
}

#[test]
fn weights_decide_and_an_excluded_plain_form_is_not_sent() {
    let cases = [
        ("", Ok(Coding::Identity)),
        ("gzip", Ok(Coding::Gzip)),
        ("gzip, br, zstd", Ok(Coding::Zstd)),
        ("gzip;q=1.0, br;q=0.5", Ok(Coding::Gzip)),
        ("gzip;q=0", Ok(Coding::Identity)),
        ("GZIP ; Q=0.001", Ok(Coding::Gzip)),
        ("gzip;q=0.5, identity", Ok(Coding::Identity)),
        ("*", Ok(Coding::Zstd)),
        ("*, zstd;q=0", Ok(Coding::Brotli)),
        ("compress", Ok(Coding::Identity)),
        ("gzip;q=2", Ok(Coding::Identity)),
        ("gzip;q=x", Ok(Coding::Identity)),
        ("identity;q=0", Err(NotAcceptable)),
        ("*;q=0", Err(NotAcceptable)),
        ("*;q=0, identity", Ok(Coding::Identity)),
        ("identity;q=0, gzip", Ok(Coding::Gzip)),
    ];
    for (field, expected) in cases {
        let mut headers = HeaderMap::new();
        headers.insert("accept-encoding", HeaderValue::from_static(field));
        assert_eq!(Coding::accepted(&headers), expected, "{field:?}");
    }
    assert_eq!(Coding::accepted(&HeaderMap::new()), Ok(Coding::Identity));
}
