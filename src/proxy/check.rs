//! Would a gate of these settings start? `sekisho serve --check`: everything that is read is read, every fault told at once, and
//! nothing is opened.

use std::path::{Path, PathBuf};

use super::console::secret;
use super::error::ProxyError;
use super::keys::{FILES, Keys};
use super::settings::{ConsoleSettings, Settings, TlsFiles};
use super::sinks;
use super::sites::{common_zone, generation, known_roles, listed, vocabulary};
use super::tls;
use crate::console::Accounts;
use crate::identity::{Authenticator, RefreshTiming};
use crate::layer::{Generation, PseudonymKeys};
use crate::policy::Faults;
use crate::redact::MasterKey;

/// What `sekisho serve --check` finds.
#[derive(Default)]
pub struct Checked {
    /// Faults of documents, with their places.
    pub faults: Faults,
    /// What else would stop a start.
    pub wrong: Vec<String>,
    /// Files of this machine that are not there yet, and what makes them.
    pub missing: Vec<String>,
}

/// Reads all that the settings name, and opens nothing: neither log, registry nor address. Every fault at once.
pub fn check(settings: &Settings) -> Checked {
    let mut found = Checked::default();
    let keys = &settings.data.keys;
    if found.are_there(FILES.map(|name| keys.join(name)), "`sekisho keys init` makes it, once") {
        found.take(Keys::read(keys));
    }
    if let Some(tls) = &settings.gate.tls {
        found.tls(tls);
    }
    let key_files = settings.issuers.iter().filter_map(|issuer| issuer.key_file()).map(Path::to_path_buf);
    if found.are_there(key_files, NEEDED) {
        let issuers = Authenticator::new(settings.issuers.clone(), RefreshTiming::default(), 0);
        found.take(issuers.map_err(|faults| listed(&faults)));
    }
    let header_files = settings.sinks.iter().filter_map(|sink| sink.header_file.as_deref());
    for path in header_files {
        if found.are_there([path.to_path_buf()], NEEDED) {
            found.take(sinks::header(path));
        }
    }
    for roots in settings.sites.iter().filter_map(|site| site.upstream_roots.as_deref()) {
        if found.are_there([roots.to_path_buf()], NEEDED) {
            found.take(tls::roots(roots));
        }
    }
    if let Some(console) = &settings.console {
        found.console(console);
    }
    let Some(vocabulary) = found.take(vocabulary()) else { return found };
    // Layouts are checked with a generation that nothing is ever sealed by.
    let unused = || PseudonymKeys { master: MasterKey::new([0; 32]), epoch: 1, accepted: Vec::new() };
    let read = settings.sites.iter().filter_map(|site| found.take(generation(site, unused(), &vocabulary)));
    let generations: Vec<Generation> = read.collect();
    if generations.len() == settings.sites.len() {
        found.take(common_zone(&generations));
        found.take(known_roles(settings, &generations));
    }
    found
}

const NEEDED: &str = "the gate will not start without it";

impl Checked {
    fn tls(&mut self, tls: &TlsFiles) {
        let files = [&tls.certificate, &tls.key].into_iter().chain(&tls.client_roots).cloned();
        if self.are_there(files, NEEDED) {
            self.take(tls::server(tls));
        }
    }

    fn console(&mut self, console: &ConsoleSettings) {
        if let Some(files) = &console.tls {
            self.tls(files);
        }
        if let Some(provider) = &console.provider {
            if self.are_there(provider.secret.clone(), NEEDED) {
                self.take(secret(provider));
            }
            if self.are_there(provider.root.clone(), NEEDED) {
                self.take(provider.root.as_deref().map(tls::roots).transpose());
            }
        }
        // A file that is not there is one without accounts.
        if let Err(why) = Accounts::new(console.accounts.clone()).all() {
            self.wrong.push(format!("the console: {why}"));
        }
    }

    /// Whether all of them are there; those that are not are noted, with what makes them.
    fn are_there(&mut self, files: impl IntoIterator<Item = PathBuf>, hint: &str) -> bool {
        let before = self.missing.len();
        let gone = files.into_iter().filter(|path| !path.exists());
        self.missing.extend(gone.map(|path| format!("{} is not there yet: {hint}", path.display())));
        self.missing.len() == before
    }

    fn take<T>(&mut self, read: Result<T, ProxyError>) -> Option<T> {
        match read {
            Ok(value) => return Some(value),
            Err(ProxyError::Faults(faults)) => self.faults.0.extend(faults.0),
            Err(other) => self.wrong.push(other.to_string()),
        }
        None
    }
}
