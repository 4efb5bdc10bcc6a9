//! The codings of both sides, by name; the empty one and `identity` are plain.

use async_compression::Level;
use async_compression::tokio::write::{
    BrotliDecoder, BrotliEncoder, GzipDecoder, GzipEncoder, ZlibDecoder, ZlibEncoder, ZstdDecoder, ZstdEncoder,
};
use tokio::io::AsyncWriteExt;

pub(crate) async fn encoded(coding: &str, bytes: &[u8]) -> Vec<u8> {
    macro_rules! through {
        ($encoder:ident, $level:expr) => {{
            let mut encoder = $encoder::with_quality(Vec::new(), $level);
            encoder.write_all(bytes).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }};
    }
    match coding {
        "" | "identity" => bytes.to_vec(),
        "gzip" => through!(GzipEncoder, Level::Fastest),
        "deflate" => through!(ZlibEncoder, Level::Fastest),
        "br" => through!(BrotliEncoder, Level::Precise(2)),
        "zstd" => through!(ZstdEncoder, Level::Precise(1)),
        other => panic!("`{other}` is no coding"),
    }
}

/// What can be decoded of what came: it may have been cut.
pub(crate) async fn decoded(coding: &str, bytes: &[u8]) -> Vec<u8> {
    macro_rules! through {
        ($decoder:ident) => {{
            let mut decoder = $decoder::new(Vec::new());
            if decoder.write_all(bytes).await.is_ok() {
                let _cut_or_not = decoder.flush().await;
            }
            decoder.into_inner()
        }};
    }
    match coding {
        "" | "identity" => bytes.to_vec(),
        "gzip" => through!(GzipDecoder),
        "deflate" => through!(ZlibDecoder),
        "br" => through!(BrotliDecoder),
        "zstd" => through!(ZstdDecoder),
        other => panic!("`{other}` is no coding"),
    }
}
