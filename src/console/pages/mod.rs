//! The pages, each in a file of its own.

use super::page::Make;

mod chart;
mod export;
mod integrity;
mod live;
mod overview;
mod policy;
mod proof;
mod recipient;
mod record;
mod reviews;
mod rows;
mod search;
mod steps;
mod subject;
mod today;
mod verified;
mod views;

pub(super) use verified::Verification;

/// Path, what a GET shows, what a POST does.
pub(super) const ALL: &[(&str, Option<Make>, Option<Make>)] = &[
    ("/", Some(overview::page), None),
    ("/search", Some(search::page), None),
    ("/search/export.csv", Some(export::csv), None),
    ("/search/export.jsonl", Some(export::jsonl), None),
    ("/search/person", None, Some(subject::narrow)),
    ("/views", None, Some(views::keep)),
    ("/views/remove", None, Some(views::remove)),
    ("/record/{log}/{seq}", Some(record::page), None),
    ("/record/{log}/{seq}/reveal", None, Some(record::reveal)),
    ("/record/{log}/{seq}/proof", Some(proof::page), None),
    ("/record/{log}/{seq}/proof.txt", Some(proof::file), None),
    ("/record/{log}/{seq}/today", Some(today::page), None),
    ("/subjects", Some(subject::ask), Some(subject::named)),
    ("/subject/{sealed}", Some(subject::page), None),
    ("/recipients", Some(recipient::list), None),
    ("/recipient", Some(recipient::page), None),
    ("/policy", Some(policy::list), None),
    ("/policy/{id}", Some(policy::page), None),
    ("/reviews", Some(reviews::list), None),
    ("/reviews/{log}/{seq}", Some(reviews::one), None),
    ("/reviews/{log}/{seq}/accept", None, Some(reviews::accept)),
    ("/reviews/{log}/{seq}/object", None, Some(reviews::object)),
    ("/integrity", Some(integrity::page), None),
    ("/integrity/verify", None, Some(verified::verify)),
    ("/live", Some(live::page), None),
    ("/live/rows", Some(live::newer), None),
];
