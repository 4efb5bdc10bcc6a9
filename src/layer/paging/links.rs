//! Where does the backend's list go on, and how does the gate's own say so?

use serde_json::Value;

use super::{Broken, Cursor, FHIR_CURSOR, FHIR_PAGING, Next, Pager, REST_CURSOR, Start, parameters, scope};

impl Pager {
    /// The backend's `next` as a target, if it is a further page of the same list: of the same origin; at the same path, with
    /// no parameter that the list has not, but for those that say which page, or of plain JSON in which order; or, as some FHIR servers have it, at the
    /// surface's base with a key of the result.
    pub(super) fn follow(&self, url: &str) -> Option<String> {
        let route = self.start.judgement.route()?;
        let origin = self.start.judgement.gate.upstream_origin.as_str();
        let current = self.targets.last()?.split('?').next()?;
        let target = match url.strip_prefix(origin).filter(|rest| rest.starts_with(['/', '?'])) {
            Some(rest) if rest.starts_with('?') => format!("/{rest}"),
            Some(rest) => rest.to_owned(),
            None if url.starts_with('?') => format!("{current}{url}"),
            None if url.starts_with('/') => url.to_owned(),
            None if !url.split(['?', '/']).next()?.contains(':') => {
                format!("{}/{url}", current.rsplit_once('/').map_or("", |(parent, _)| parent))
            }
            None => return None,
        };
        let hostile =
            target.starts_with("//") || target.contains(['\\', '#']) || !target.bytes().all(|b| b.is_ascii_graphic());
        let (path, query) = target.split_once('?')?;
        let asked = self.start.asked.0.split('?').next()?;
        let list = asked.strip_suffix("/_search").unwrap_or(asked);
        let keyed =
            route.is_fhir() && path.len() < list.len() && parameters(query).any(|(name, _)| name == "_getpages");
        let base = keyed && list.starts_with(path.trim_end_matches('/'));
        let pages = |name: &str| {
            let of_fhir = route.is_fhir() && (FHIR_PAGING.contains(&name) || name.starts_with("_getpages"));
            of_fhir || route.is_page_parameter(name) || (!route.is_fhir() && route.is_of_no_filter(name))
        };
        let same = |pair: &(String, String)| pages(&pair.0) || self.parameters.contains(pair);
        let further = (path == asked || path == list || base) && parameters(query).all(|pair| same(&pair));
        let new = !self.targets.contains(&target);
        (!hostile && further && new).then_some(target)
    }

    /// The gate's own links.
    pub(super) fn members(&self, goes_on: Option<(String, u64)>, size: u64) -> Result<String, Broken> {
        let Start { judgement, own, .. } = &self.start;
        let list = own.path.strip_suffix("/_search").unwrap_or(&own.path);
        let name = match self.next {
            Next::Bundle => FHIR_CURSOR,
            Next::Member | Next::Unsaid => REST_CURSOR,
        };
        let next = match goes_on {
            None => None,
            Some((upstream, skip)) => {
                let (query, form) = (own.query.clone(), own.form.clone());
                let cursor = Cursor { query, form, upstream, skip, size };
                let sealed = cursor.seal(judgement, &scope(judgement, list), judgement.gate.now_ms());
                let sealed = sealed.ok_or("cursor-too-long")?;
                Some(format!("{}{list}?{name}={sealed}", judgement.gate.public_prefix))
            }
        };
        Ok(match self.next {
            Next::Unsaid => String::new(),
            Next::Member => next.map_or_else(String::new, |url| format!("\"next\":{}", Value::from(url))),
            Next::Bundle => {
                let question = if own.query.is_empty() { "" } else { "?" };
                let own_url = format!("{}{}{question}{}", judgement.gate.public_prefix, own.path, own.query);
                let link =
                    |relation: &str, url: String| format!(r#"{{"relation":"{relation}","url":{}}}"#, Value::from(url));
                let own_link = own.form.is_none().then(|| link("self", own_url));
                let links: Vec<String> = own_link.into_iter().chain(next.map(|url| link("next", url))).collect();
                if links.is_empty() { String::new() } else { format!("\"link\":[{}]", links.join(",")) }
            }
        })
    }
}
