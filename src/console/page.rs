//! How does a page come to be an answer?
//!
//! A page is a function of an [`Asking`]: it may block, and runs on a thread for that. It gives a [`Page`]: what is
//! shown and what goes on record about it. [`answer`] is the only place that turns one into an answer, and it waits
//! until the reading is durable. So no page can be shown that was not recorded, and none forgets to.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use maud::Markup;

use super::error::Trouble;
use super::lang::Lang;
use super::person::{Person, Right};
use super::reading::Reading;
use super::session::Session;
use super::shell;
use super::state::State;

/// What is asked, by whom.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) session: Arc<Session>,
    pub(super) lang: Lang,
    /// The path's template, with the names of what it leaves open.
    pub(super) route: &'static str,
    /// As the browser named it, with the query.
    pub(super) address: String,
    /// The parts of the path that the route left open, unescaped.
    pub(super) parts: Vec<(String, String)>,
    /// The query, in its order.
    pub(super) query: Vec<(String, String)>,
    /// The form; empty for a GET.
    pub(super) fields: Vec<(String, String)>,
    /// Where from.
    pub(super) peer: Option<String>,
    /// Whether who asks can tell that an answer was cut off: not by HTTP/1.0, which ends a body by closing (RFC 9112
    /// section 6.3).
    pub(super) hears_cuts: bool,
}

impl Asking {
    pub(super) fn person(&self) -> &Person {
        &self.session.person
    }

    pub(super) fn may(&self, right: Right) -> bool {
        self.session.person.may(right)
    }

    /// Ends a page that this reader may not have.
    pub(super) fn must(&self, right: Right) -> Result<(), Trouble> {
        if self.may(right) { Ok(()) } else { Err(Trouble::Forbidden) }
    }

    /// An open part of the path.
    pub(super) fn part(&self, name: &str) -> Result<&str, Trouble> {
        first(&self.parts, name).ok_or(Trouble::Missing)
    }

    /// The first value of that name in the query; `None` also where it is empty.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        first(&self.query, name).filter(|value| !value.is_empty())
    }

    /// What is wrong with what he asks, in his language.
    pub(super) fn wrong(&self, en: impl Into<String>, ja: impl Into<String>) -> Trouble {
        Trouble::Asked(match self.lang {
            Lang::En => en.into(),
            Lang::Ja => ja.into(),
        })
    }

    /// A field of the form, without the blanks around it; empty where it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        first(&self.fields, name).unwrap_or_default().trim()
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What is shown, and what goes on record about that.
pub(super) struct Page {
    pub(super) reading: Reading,
    pub(super) content: Content,
}

/// What is shown.
pub(super) enum Content {
    /// A page in the frame, with its title and the place in the menu that it belongs to.
    Html { title: String, place: shell::Place, body: Markup },
    /// Part of a page, for a script.
    Part(Markup),
    /// A file to keep.
    File { name: String, media: &'static str, chunks: Chunks },
    /// Somewhere else; a path of this origin.
    Elsewhere(String),
}

/// Pieces of a file, made as they are taken, on a thread of their own.
pub(super) type Chunks = Box<dyn Iterator<Item = Result<Vec<u8>, Trouble>> + Send>;

impl Page {
    pub(super) fn html(reading: Reading, place: shell::Place, title: impl Into<String>, body: Markup) -> Page {
        Page { reading, content: Content::Html { title: title.into(), place, body } }
    }

    pub(super) fn elsewhere(reading: Reading, path: impl Into<String>) -> Page {
        Page { reading, content: Content::Elsewhere(path.into()) }
    }
}

/// A page's function.
pub(super) type Make = fn(&State, &Asking) -> Result<Page, Trouble>;

/// Makes the page, puts the reading on record, answers.
pub(super) async fn answer(state: Arc<State>, asking: Asking, make: Make) -> Response {
    let asked = asking.clone();
    let shared = Arc::clone(&state);
    let made = tokio::task::spawn_blocking(move || make(&shared, &asked)).await;
    let made = made.unwrap_or_else(|_| Err(Trouble::Unable("the page's function failed".to_owned())));
    let recorded = match made {
        // That he tried is on record; not what he typed, which may be a person's id.
        Err(Trouble::Forbidden) => {
            let reading = Reading { action: "refused", ..Reading::of("refused", asking.route) };
            let recorded = state.readings.record(asking.person(), asking.peer.as_deref(), &reading).await;
            Err(recorded.map_or_else(Trouble::unable, |()| Trouble::Forbidden))
        }
        Err(trouble) => Err(trouble),
        Ok(page) if page.reading.is_nothing() && matches!(page.content, Content::Part(_)) => Ok(page),
        Ok(page) => {
            let recorded = state.readings.record(asking.person(), asking.peer.as_deref(), &page.reading).await;
            recorded.map_err(|error| Trouble::Unable(format!("the reading cannot be recorded: {error}"))).map(|()| page)
        }
    };
    match recorded {
        Ok(page) => shown(&state, &asking, page.content),
        Err(trouble) => shell::trouble(asking.lang, Some((&state, &asking)), &trouble),
    }
}

fn shown(state: &State, asking: &Asking, content: Content) -> Response {
    match content {
        Content::Html { title, place, body } => {
            Html(shell::page(state, asking, &title, place, &body).into_string()).into_response()
        }
        Content::Part(body) => Html(body.into_string()).into_response(),
        Content::Elsewhere(path) => match HeaderValue::try_from(path) {
            Ok(path) => (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response(),
            Err(_) => shell::trouble(asking.lang, None, &Trouble::Unable("an address that is none".to_owned())),
        },
        Content::File { name, media, chunks } => file(&name, media, chunks),
    }
}

fn file(name: &str, media: &'static str, chunks: Chunks) -> Response {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    tokio::task::spawn_blocking(move || {
        for chunk in chunks {
            let is_last = chunk.is_err();
            // A file that ends early is cut off, and not closed as if it were whole.
            let chunk = chunk.map(Bytes::from).map_err(|trouble| std::io::Error::other(format!("{trouble:?}")));
            if sender.blocking_send(chunk).is_err() || is_last {
                break;
            }
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    let named = format!("attachment; filename=\"{name}\"");
    let named = HeaderValue::try_from(named).unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(media)), (header::CONTENT_DISPOSITION, named)];
    (headers, Body::from_stream(stream)).into_response()
}
