//! Who signs in?

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::ConsoleError;
use super::door::Entering;
use super::state::State;

/// Whom the console knows.
pub struct AuthSettings;

pub(super) struct Auth;

impl Auth {
    pub(super) fn new(_: AuthSettings) -> Result<Auth, ConsoleError> {
        Ok(Auth)
    }

    /// Answers everything below `/sign-in`.
    pub(super) async fn serve(&self, _: &State, _: Entering) -> Response {
        StatusCode::NOT_FOUND.into_response()
    }
}
