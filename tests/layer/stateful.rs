//! A backend that keeps one record: it gives it a version, and holds writes to `If-Match`.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Response, header};
use serde_json::Value;

use super::support::Stand;

/// The one record behind a stand.
pub(crate) struct Kept {
    state: Arc<Mutex<State>>,
}

struct State {
    record: Option<Bytes>,
    version: u64,
    media: &'static str,
    /// How a version is written in `ETag`: `W/"3"`, or `"3"`.
    weak: bool,
    /// Whether it gives any.
    tells: bool,
}

impl Kept {
    /// Every request of this stand is answered by this record.
    pub(crate) fn behind(stand: &Stand, record: &str, media: &'static str) -> Kept {
        let record = Some(Bytes::from(record.to_owned()));
        let state = State { record, version: 1, media, weak: media.contains("fhir"), tells: true };
        let kept = Kept { state: Arc::new(Mutex::new(state)) };
        let state = Arc::clone(&kept.state);
        let answer = move |head: &http::request::Parts, body: &Bytes| {
            let wanted = head.headers.get(header::IF_MATCH).map(|value| value.to_str().unwrap().to_owned());
            state.lock().unwrap().answer(&head.method, wanted.as_deref(), body)
        };
        *stand.backend.always.lock().unwrap() = Some(Arc::new(answer));
        kept
    }

    /// Somebody else writes it.
    pub(crate) fn set(&self, record: &str) {
        let mut state = self.state.lock().unwrap();
        state.record = Some(Bytes::from(record.to_owned()));
        state.version += 1;
    }

    /// It gives strong tags.
    pub(crate) fn strong(&self) {
        self.state.lock().unwrap().weak = false;
    }

    /// It gives no versions.
    pub(crate) fn untold(&self) {
        self.state.lock().unwrap().tells = false;
    }

    /// What it has.
    pub(crate) fn text(&self) -> Option<String> {
        let record = self.state.lock().unwrap().record.clone();
        record.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text().unwrap()).unwrap()
    }

    pub(crate) fn version(&self) -> u64 {
        self.state.lock().unwrap().version
    }
}

impl State {
    fn tag(&self) -> String {
        format!("{}\"{}\"", if self.weak { "W/" } else { "" }, self.version)
    }

    fn answer(&mut self, method: &Method, wanted: Option<&str>, body: &Bytes) -> Response<Bytes> {
        let bare = |status: u16| Response::builder().status(status).body(Bytes::new()).unwrap();
        let Some(record) = self.record.clone() else { return bare(404) };
        if *method != Method::GET && wanted.is_some_and(|wanted| wanted != "*" && wanted != self.tag()) {
            return bare(412);
        }
        let shown = match *method {
            Method::GET => record,
            Method::DELETE => {
                self.record = None;
                return bare(204);
            }
            _ => {
                self.version += 1;
                self.record = Some(body.clone());
                body.clone()
            }
        };
        let response = Response::builder().header(header::CONTENT_TYPE, self.media);
        let response = if self.tells { response.header(header::ETAG, self.tag()) } else { response };
        response.body(shown).unwrap()
    }
}
