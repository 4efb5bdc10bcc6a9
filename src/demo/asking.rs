//! How is a gate of the demonstration asked? As anyone would: over TCP, with the bytes that came back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::DemoError;
use crate::proxy::coding::decode;

const ANSWER_BYTES_MAX: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A client without redirects, proxies or cookies.
#[derive(Clone)]
pub struct Client(Arc<Pool<HttpConnector, Full<Bytes>>>);

/// What came back, decoded. No `Debug`: it holds people's data, if synthetic.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The body, without its content coding.
    pub body: Bytes,
    /// The content coding that it came in.
    pub coding: Option<String>,
}

impl Answer {
    /// The body as JSON; of lines, their array. `Null` where it is neither.
    pub fn json(&self) -> Value {
        if let Ok(value) = serde_json::from_slice(&self.body) {
            return value;
        }
        let Ok(text) = std::str::from_utf8(&self.body) else { return Value::Null };
        let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
        lines.map_or(Value::Null, Value::Array)
    }

    /// A field's text; empty where there is none.
    pub fn field(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

impl Default for Client {
    fn default() -> Client {
        Client(Arc::new(Pool::builder(TokioExecutor::new()).build_http()))
    }
}

impl Client {
    /// Asks, and reads the answer to its end.
    ///
    /// # Errors
    /// No answer, a broken one, or none in half a minute.
    pub async fn ask(&self, method: &str, url: &str, fields: &[(&str, &str)], body: &str) -> Result<Answer, DemoError> {
        let fault = |error: &dyn std::fmt::Display| DemoError::because(url, error);
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| fault(&error))?;
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).map_err(|error| fault(&error))?;
        let asked = async {
            let response = self.0.request(request).await.map_err(|error| fault(&error))?;
            let coding = response.headers().get("content-encoding").and_then(|value| value.to_str().ok());
            let coding = coding.map(str::to_owned);
            let (head, body) = decode(response, u64::MAX, u32::MAX).into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| fault(&error))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body, coding })
        };
        tokio::time::timeout(PATIENCE, asked).await.map_err(|_| fault(&"no answer in time"))?
    }
}
