//! Reads what a caller sends whole: is it of a type that is read here, and no longer than it may be?

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::{Exchange, Out};
use crate::catalogue::Route;
use crate::layer::body::BoxError;
use crate::layer::headers;
use crate::layer::judgement::Judgement;
use crate::layer::media;
use crate::layer::refusal::Problem;

impl Exchange {
    /// A body that is written, or holds requests.
    pub(super) async fn read_body<B>(&self, judgement: &Judgement, head: &Parts, body: B) -> Result<Bytes, Box<Out>>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let written = headers::media_type(&head.headers);
        let fhir = judgement.route().is_none_or(Route::is_fhir); // without a route it is a batch
        let patches = self.method == Method::PATCH && fhir;
        let fits = match written.as_deref() {
            Some(headers::PATCH) if patches => Ok(()),
            Some(_) | None if patches => Err("send a JSON Patch, `application/json-patch+json`"),
            Some(text) if media::is_written(text, fhir) => Ok(()),
            Some(_) | None => Err("send `application/json`, in UTF-8"),
        };
        self.read_whole(judgement, head, body, fits).await
    }

    /// A body that holds parameters.
    pub(super) async fn read_form<B>(&self, judgement: &Judgement, head: &Parts, body: B) -> Result<Bytes, Box<Out>>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let form = headers::media_type(&head.headers).as_deref() == Some(headers::FORM);
        let none = body.is_end_stream() && !head.headers.contains_key(header::CONTENT_TYPE);
        let fits = if form || none { Ok(()) } else { Err("send `application/x-www-form-urlencoded`, in UTF-8") };
        self.read_whole(judgement, head, body, fits).await
    }

    async fn read_whole<B>(
        &self,
        judgement: &Judgement,
        head: &Parts,
        body: B,
        fits: Result<(), &str>,
    ) -> Result<Bytes, Box<Out>>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let problem = if head.headers.contains_key(header::CONTENT_ENCODING) {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-coding", "send the body without a content coding")
        } else if let Err(detail) = fits {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", detail)
        } else {
            let read = Limited::new(body, self.gate.limits.request_body_bytes_max).collect();
            match Box::pin(read).await {
                Ok(collected) => return Ok(collected.to_bytes()),
                Err(error) if error.is::<http_body_util::LengthLimitError>() => Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "body-too-large",
                    "the body is larger than this gate reads",
                ),
                Err(_) => Problem::new(StatusCode::BAD_REQUEST, "body-broken", "the body did not arrive whole"),
            }
        };
        Err(self.refuse(judgement, problem, None, &[]).await)
    }
}
