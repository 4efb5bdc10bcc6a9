//! What does the clinic's clerk do beside the gate? Enters what is on file, and checks the access log.
//!
//! ```text
//! sakura-fhir enter SETTINGS REGISTRY   entries of REGISTRY go into the registry of SETTINGS, all or none
//! sakura-fhir log SETTINGS              verifies the log's chain, then prints its records, one JSON object a line
//! ```
//! Both use the library alone: the registry and the log are files that a site's own programs may open too.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use sekisho::audit::{Reader, verify};
use sekisho::cli::documents;
use sekisho::policy::{Source, Vocabulary};
use sekisho::proxy::settings::Settings;
use sekisho::registry::{Options, Registry};
use sekisho::store::Directory;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["enter", settings, registry] => enter(Path::new(settings), Path::new(registry)),
        ["log", settings] => log(Path::new(settings)),
        _ => Err("usage: sakura-fhir enter SETTINGS REGISTRY | sakura-fhir log SETTINGS".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Enters the seeds; the words in them are checked against the policy of the settings' only site.
fn enter(settings: &Path, seeds: &Path) -> Result<(), Box<dyn Error>> {
    let settings = Settings::read(settings)?;
    let site = settings.sites.first().ok_or("the settings name no site")?;
    let revisions = documents::revisions(&site.policy).map_err(|error| format!("the policy is faulty: {error:?}"))?;
    let policy = revisions.newest().ok_or("the site has no policy")?;
    let vocabulary = Arc::new(Vocabulary::compiled_in()?);
    // Makes the folder, for its owner alone, where there is none yet.
    drop(Directory::open(&settings.data.directory)?);
    let options = Options { create: true, staleness_ms_max: 0 };
    let registry = Registry::open(&settings.data.registry(), &vocabulary, &policy.zone, options)?;
    let source = Source::new(seeds.display().to_string(), std::fs::read_to_string(seeds)?);
    let now = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis())?;
    let entered = registry.seed(source, &[Arc::clone(policy)], "clerk", now)?;
    println!("{} entries are on file", entered.len());
    Ok(())
}

/// Verifies first: what is printed is what was written.
fn log(settings: &Path) -> Result<(), Box<dyn Error>> {
    let settings = Settings::read(settings)?;
    let disk = Directory::open(&settings.data.log())?;
    let report = verify(&disk)?;
    if let Some(bad) = report.bad {
        return Err(
            format!("record {} of {} is not what was written: {:?}", bad.sequence, bad.segment, bad.fault).into()
        );
    }
    if report.open > 0 {
        return Err(format!("{} requests have a beginning and no end", report.open).into());
    }
    eprintln!("{} records in order, the last with hash {}", report.records, report.last_hash);
    let mut reader = Reader::new(&disk);
    let mut out = std::io::stdout().lock();
    while let Some(line) = reader.next_line()? {
        out.write_all(&line.bytes)?;
        if !line.bytes.ends_with(b"\n") {
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}
