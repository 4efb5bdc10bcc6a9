//! Which of these words stand in the log at all?
//!
//! For those who put on record what was asked for: a word that the log has is no secret of the log; any other may be
//! whatever somebody typed.

use super::IndexError;
use super::filter::Filter;
use super::queries::Queries;
use super::words::Kind;

impl Queries {
    /// The words of a filter's lists that no record holds, each with the list's name; not those of `outcome`, which are
    /// fixed, nor `subject` and `text`, which are no lists.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn unknown(&self, filter: &Filter) -> Result<Vec<(&'static str, String)>, IndexError> {
        self.ask(|_, snapshot| {
            let is_known = |kind, holds: &dyn Fn(&str) -> bool| {
                snapshot.words.which(kind, |word| !word.is_empty() && holds(word)).contains(&true)
            };
            let mut unknown = Vec::new();
            for (name, kind, asked) in [
                ("purpose", Kind::Purpose, &filter.purpose),
                ("recipient", Kind::Recipient, &filter.recipient),
                ("organization", Kind::Organization, &filter.organization),
                ("caller", Kind::Caller, &filter.caller),
                ("role", Kind::Role, &filter.role),
                ("clause", Kind::Clause, &filter.clause),
                ("route", Kind::Route, &filter.route),
                ("action", Kind::Action, &filter.action),
                ("reason", Kind::Reason, &filter.reason),
            ] {
                let strange = asked.iter().filter(|one| !one.is_empty() && !is_known(kind, &|word| word == *one));
                unknown.extend(strange.map(|one| (name, one.clone())));
            }
            let form = |word: &str| word.split_once(' ').map_or("", |(form, _)| form).to_owned();
            let category = |word: &str| word.split_once(' ').map_or("", |(_, category)| category).to_owned();
            for one in filter.category.iter().filter(|one| !is_known(Kind::Form, &|word| category(word) == **one)) {
                unknown.push(("category", one.clone()));
            }
            for one in filter.form.iter().filter(|one| !is_known(Kind::Form, &|word| form(word) == **one)) {
                unknown.push(("form", one.clone()));
            }
            Ok(unknown)
        })
    }

    /// Whether a log of this name is in the index.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn has_log(&self, name: &str) -> Result<bool, IndexError> {
        self.ask(|_, snapshot| Ok(snapshot.logs.values().any(|known| known == name)))
    }
}
