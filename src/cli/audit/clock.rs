//! `sekisho audit accept-clock`: may the log go on with a clock that is behind its newest record?

use std::path::Path;
use std::sync::Arc;

use super::chains::unreadable;
use crate::audit::{AuditError, Caller, Log};
use crate::cli::serve::failure;
use crate::cli::terminal::Terminal;
use crate::cli::{Exit, Failure, operator};
use crate::proxy::settings::Settings;
use crate::proxy::sites::now_ms;
use crate::store::Directory;

pub(super) fn accept(terminal: &mut Terminal, config: &Path) -> Result<Exit, Failure> {
    let settings = Settings::read(config).map_err(failure)?;
    let folder = settings.data.log();
    if !settings.data.has_log() {
        return Err(Failure::Usage(format!("there is no log in {}: nothing to accept", folder.display())));
    }
    let refused = |error: AuditError| {
        let hint = if matches!(error, AuditError::Locked) { "; stop the gate first" } else { "" };
        Failure::Usage(format!("{}: {error}{hint}", folder.display()))
    };
    let disk = Directory::open(&folder).map_err(|error| unreadable(&folder, &error))?;
    let (log, recovery) = Log::open(Arc::new(disk), settings.audit.clone(), Arc::new(now_ms)).map_err(refused)?;
    let said = match recovery.clock_behind_ms {
        None => "the clock is not behind: nothing to accept".to_owned(),
        Some(behind_ms) => {
            let by = operator();
            let by = Caller { issuer: "this machine", id: &by, ..Caller::default() };
            log.accept_clock(Some(by)).wait().map_err(refused)?;
            format!("accepted: the newest record was {behind_ms} ms ahead of the clock")
        }
    };
    log.close();
    terminal.line(said)?;
    Ok(Exit::Good)
}
