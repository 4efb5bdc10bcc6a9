//! What of the gate's own life is in its log? That it started, read its documents again, stopped; and by which text from
//! then on.
//!
//! One record a site, since each has a policy of its own: what decided at any time can be told from the log alone. The
//! start is on record before the first request is taken, a reload before it counts; neither happens where it cannot be
//! written. A stop that cannot be written stops all the same: the next start says `recovery` then.

use crate::audit::{Administrative, AuditError, Detail, Log, Policy};
use crate::layer::Generation;
use crate::policy::Moment;

use super::error::ProxyError;
use super::settings::SiteSettings;

/// Puts on record that these sites are served by these texts from here on. Blocks until it is durable.
pub(super) fn in_force<'a>(
    log: &Log,
    now: Moment,
    action: &str,
    sites: impl Iterator<Item = (&'a SiteSettings, &'a Generation)>,
) -> Result<(), ProxyError> {
    for (site, generation) in sites {
        write(log, now, action, site, generation)
            .map_err(|error| ProxyError::Start(format!("`{action}` could not be recorded: {error}")))?;
    }
    Ok(())
}

fn write(log: &Log, now: Moment, action: &str, site: &SiteSettings, generation: &Generation) -> Result<(), AuditError> {
    let policy = generation.revisions.at(now).or_else(|| generation.revisions.newest());
    let digest = policy.map_or_else(String::new, |policy| format!("sha256:{}", policy.digest));
    let policy = policy.map(|policy| Policy {
        id: &policy.document.meta.id.text,
        revision: &policy.document.meta.revision.text,
        digest: &digest,
        catalogue: Some(&generation.catalogue_digest),
    });
    let at = format!("{}{}", site.host, site.prefix);
    let details = [("site", Detail::Text(&at)), ("version", Detail::Text(env!("CARGO_PKG_VERSION")))];
    log.administrative(&Administrative { action, policy, details: &details, ..Administrative::default() }).wait()?;
    Ok(())
}

/// Puts on record that the gate ends in order.
pub(super) fn stopped(log: &Log) {
    let record = Administrative { action: "stop", ..Administrative::default() };
    if let Err(error) = log.administrative(&record).wait() {
        tracing::warn!(%error, "the stop is not on record");
    }
}
