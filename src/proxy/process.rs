//! What may leave the process besides answers? No core dump, no panic message with data, no field values in its log.

use std::io::IsTerminal;

use rustix::process::{Resource, Rlimit, setrlimit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use super::error::ProxyError;
use super::settings::LogSettings;

/// Keeps memory out of core dumps, and messages of panics (which may quote data) out of the log: only their place is told.
///
/// # Errors
/// Core dumps cannot be turned off.
pub fn harden() -> Result<(), ProxyError> {
    let off = Rlimit { current: Some(0), maximum: Some(0) };
    let set = setrlimit(Resource::Core, off);
    set.map_err(|error| ProxyError::Start(format!("core dumps cannot be turned off: {error}")))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "a panic; its message is not printed, for it may quote data");
    }));
    Ok(())
}

/// Sends the process's own messages to standard error. Of libraries only warnings are told: at finer levels they quote
/// what callers send.
///
/// # Errors
/// Messages are sent somewhere already.
pub fn tell(settings: &LogSettings) -> Result<(), ProxyError> {
    let filter = EnvFilter::new(format!("warn,sekisho={}", settings.level));
    let colours = std::io::stderr().is_terminal();
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    let set = if settings.json { builder.json().try_init() } else { builder.with_target(false).try_init() };
    set.map_err(|error| ProxyError::Start(error.to_string()))
}
