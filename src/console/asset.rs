//! Style, script and sign: what a browser fetches besides pages. The same for everybody, and of this origin.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// One of them, compiled in.
pub(super) struct Asset {
    name: &'static str,
    media: &'static str,
    text: &'static str,
}

pub(super) const STYLE: Asset = Asset {
    name: "style.css",
    media: "text/css; charset=utf-8",
    text: concat!(include_str!("asset/style.css"), include_str!("asset/chart.css")),
};
pub(super) const SCRIPT: Asset =
    Asset { name: "console.js", media: "text/javascript; charset=utf-8", text: include_str!("asset/console.js") };
pub(super) const ICON: Asset = Asset { name: "sign.svg", media: "image/svg+xml", text: include_str!("asset/sign.svg") };

impl Asset {
    /// Its address; another release has another, so that it may be kept for good.
    pub(super) fn path(&self) -> String {
        format!("{FOLDER}{}/{}", env!("CARGO_PKG_VERSION"), self.name)
    }
}

/// What lies at this path.
pub(super) fn find(path: &str) -> Option<Response> {
    let name = path.strip_prefix(FOLDER)?;
    let found = [STYLE, SCRIPT, ICON].into_iter().find(|asset| name.split('/').next_back() == Some(asset.name));
    let Some(asset) = found else { return Some(StatusCode::NOT_FOUND.into_response()) };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.media)),
        // Asked for again where the build differs and the version does not: cheap, and never the wrong style.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300")),
    ];
    Some((headers, asset.text).into_response())
}

const FOLDER: &str = "/asset/";
