//! When do changed documents count? At SIGHUP, and when a file that was read has new contents: all of them, or none.
//!
//! Reloaded are policies, catalogues, pseudonym keys, certificates and issuers' key files. The settings themselves and the
//! key of the log count from the next start; a reload that finds them changed says so, and still reads the rest.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::ProxyError;
use super::keys::{self, Keys};
use super::listener::Tls;
use super::settings::{CatalogueAt, Settings, files};
use super::sites::{Sites, policy_files};
use super::tls;

/// Editors write in several steps; a change counts once nothing has happened for this long.
const QUIET: Duration = Duration::from_millis(200);

/// Reads again what a running gate was built from.
pub struct Reloader {
    settings: Settings,
    /// The settings file as it was at the start.
    begun_with: String,
    subjects: Keys,
    sites: Arc<Sites>,
    tls: Option<Tls>,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    print: Option<[u8; 32]>,
    trouble: Option<String>,
}

impl Reloader {
    /// For a gate that was built from these settings.
    ///
    /// # Errors
    /// The settings or the keys cannot be read any more.
    pub fn new(settings: Settings, sites: Arc<Sites>, tls: Option<Tls>) -> Result<Reloader, ProxyError> {
        let begun_with = files::read(&settings.path)?;
        let subjects = Keys::read(&settings.data.keys)?;
        let print = Some(print(&settings));
        let last = Mutex::new(Last { print, trouble: None });
        Ok(Reloader { settings, begun_with, subjects, sites, tls, last })
    }

    /// Why the last reload did not take, or not wholly.
    pub fn trouble(&self) -> Option<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    /// Reads everything again. Blocks on files.
    ///
    /// # Errors
    /// The first file with faults; then nothing has changed. It is also logged, counted and kept for
    /// [`Reloader::trouble`].
    pub fn reload(&self) -> Result<(), ProxyError> {
        let print = print(&self.settings);
        let outcome = self.try_reload();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.print = Some(print);
        match &outcome {
            Ok(note) => {
                metrics::counter!("sekisho_reloads_total", "outcome" => "taken").increment(1);
                last.trouble = note.map(str::to_owned);
                tracing::info!(note = note.unwrap_or(""), "policies, catalogues and keys were read again");
            }
            Err(error) => {
                metrics::counter!("sekisho_reloads_total", "outcome" => "refused").increment(1);
                tracing::error!(%error, "the reload was refused; everything is as before");
                last.trouble = Some(format!("the last reload was refused: {error}"));
            }
        }
        outcome.map(|_| ())
    }

    fn try_reload(&self) -> Result<Option<&'static str>, ProxyError> {
        let text = files::read(&self.settings.path)?;
        Settings::parse(&text, &self.settings.path)?;
        let same_subjects = Keys::read(&self.settings.data.keys)?.same_subjects(&self.subjects);
        let tls = self.settings.gate.tls.as_ref().map(tls::server).transpose()?;
        self.sites.reload(&self.settings)?;
        if let (Some(running), Some(new)) = (&self.tls, tls) {
            running.store(new);
        }
        Ok(match (text == self.begun_with, same_subjects) {
            (true, true) => None,
            (false, _) => Some("the settings changed: they count from the next start"),
            (true, false) => Some("the key `subjects` changed: it counts from the next start"),
        })
    }

    /// Reloads when a file's contents change, until `stop`.
    ///
    /// # Errors
    /// The files cannot be watched.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) -> Result<(), ProxyError> {
        let (changed, mut changes) = mpsc::channel(1);
        let told = move |event: notify::Result<notify::Event>| {
            // Reading is no change, and the reload itself reads. One change that waits is enough.
            let only_read = event.is_ok_and(|event| event.kind.is_access());
            let _ = if only_read { Ok(()) } else { changed.try_send(()) };
        };
        let fault = |error: notify::Error| ProxyError::Start(format!("files cannot be watched: {error}"));
        let mut watcher = notify::recommended_watcher(told).map_err(fault)?;
        for folder in folders(&self.settings) {
            watcher.watch(&folder, RecursiveMode::Recursive).map_err(fault)?;
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                change = changes.recv() => if change.is_none() { return Ok(()) },
            }
            while let Ok(Some(())) = timeout(QUIET, changes.recv()).await {}
            let reloader = Arc::clone(&self);
            let reloaded = tokio::task::spawn_blocking(move || {
                if reloader.differs() {
                    drop(reloader.reload()); // told by the log, a metric and readiness
                }
            });
            drop(reloaded.await);
        }
    }

    fn differs(&self) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).print;
        last != Some(print(&self.settings))
    }
}

/// Every file that a reload reads, whether it is there or not.
fn paths(settings: &Settings) -> Vec<PathBuf> {
    let mut paths = vec![settings.path.clone()];
    paths.extend(keys::FILES.map(|name| settings.data.keys.join(name)));
    for site in &settings.sites {
        paths.extend(policy_files(&site.policy).unwrap_or_default());
        if let CatalogueAt::File(path) = &site.catalogue {
            paths.push(path.clone());
        }
    }
    if let Some(tls) = &settings.gate.tls {
        paths.extend([tls.certificate.clone(), tls.key.clone()]);
        paths.extend(tls.client_roots.clone());
    }
    paths.extend(settings.issuer_files.iter().cloned());
    paths
}

/// A digest of all contents.
fn print(settings: &Settings) -> [u8; 32] {
    let mut digest = Sha256::new();
    for path in paths(settings) {
        let contents = std::fs::read(&path).map(zeroize::Zeroizing::new);
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update(contents.map_or([0; 32], |contents| Sha256::digest(&*contents).into()));
    }
    digest.finalize().into()
}

fn folders(settings: &Settings) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        paths(settings).iter().filter_map(|path| path.parent()).map(Path::to_owned).collect();
    folders.extend(settings.sites.iter().map(|site| site.policy.clone()));
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    folders.dedup();
    folders
}
