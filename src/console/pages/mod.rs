//! The pages, each in a file of its own.

use super::page::Make;

mod overview;

/// Path, what a GET shows, what a POST does.
pub(super) const ALL: &[(&str, Option<Make>, Option<Make>)] = &[("/", Some(overview::page), None)];
