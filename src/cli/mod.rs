//! What can be done from the command line? A file per command; an exit code per meaning.
//!
//! | code | meaning | e.g. |
//! |---|---|---|
//! | 0 | done, and all is well | every case holds; the answer of `explain` may be a refusal |
//! | 1 | done, and something is wrong with the documents | a fault, a case that differs, a clause without a case |
//! | 2 | could not be done, or not wholly | wrong usage, an unreadable file, a malformed line |
//! | 3 | `redact`: the request is refused | |
//! | 4 | `redact`: the document cannot be judged | it is malformed, cut off or too deep |
//!
//! Answers go to standard output, errors to standard error. A reader that goes away (`| head`) ends a command quietly.
//! A further command is one file here, one variant of `Command` and one line in `Command::run`.

mod audit;
mod check;
mod console;
mod coverage;
mod decide;
#[cfg(feature = "demo")]
mod demo;
pub mod documents;
mod explain;
#[cfg(feature = "demo")]
mod fill;
mod keys;
mod password;
mod redact;
mod registry;
mod review;
mod serve;
mod snippet;
mod terminal;
mod test;
mod warnings;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{ColorChoice, Parser, Subcommand};

use self::documents::LoadError;
use self::terminal::{COLUMNS, Paint, Terminal, wrap};
use crate::policy::Faults;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and all is well
  1  done, and something is wrong with the documents: a fault, a case that
     differs, a clause that nothing exercises
  2  could not be done, or not wholly: wrong usage, an unreadable file, a
     malformed line
  3, 4  of `redact`: the request is refused; the document cannot be judged

Start here:
  sekisho check                                  are the policies sound?
  sekisho test                                   do they answer as expected?
  sekisho explain --policy policy/jmdp ask.json  why is the answer no?";

/// The checkpoint of purposes: an organisation's published privacy policy, enforced on every request.
#[derive(Parser)]
#[command(name = "sekisho", version, after_help = EXIT_CODES, max_term_width = 80, arg_required_else_help = true)]
struct Arguments {
    /// Colours and emphasis in what is printed
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Check),
    Test(test::Test),
    Coverage(coverage::Coverage),
    Decide(decide::Decide),
    Explain(explain::Explain),
    Redact(redact::Redact),
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    Serve(serve::Serve),
    Console(console::Console),
    Keys(keys::Keys),
    Registry(registry::Registry),
    Audit(audit::Audit),
    Review(review::Review),
}

impl Command {
    fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        match self {
            Command::Check(check) => check.run(terminal),
            Command::Test(test) => test.run(terminal),
            Command::Coverage(coverage) => coverage.run(terminal),
            Command::Decide(decide) => decide.run(terminal),
            Command::Explain(explain) => explain.run(terminal),
            Command::Redact(redact) => redact.run(terminal),
            #[cfg(feature = "demo")]
            Command::Demo(demo) => demo.run(terminal),
            Command::Serve(serve) => serve.run(terminal),
            Command::Console(console) => console.run(terminal),
            Command::Keys(keys) => keys.run(terminal),
            Command::Registry(registry) => registry.run(terminal),
            Command::Audit(audit) => audit.run(terminal),
            Command::Review(review) => review.run(terminal),
        }
    }
}

/// How a command ended that could be carried out; ordered, so that the worst of several counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exit {
    /// All is well.
    Good = 0,
    /// Something is wrong with the documents.
    Wrong = 1,
    /// Part of it could not be done.
    Partly = 2,
    /// The request is refused.
    Refused = 3,
    /// The document cannot be judged.
    Unjudged = 4,
}

/// Why a command could not be carried out.
enum Failure {
    /// What was asked for cannot be, in words.
    Usage(String),
    /// The documents have faults.
    Faults(Faults),
    /// The answer could not be written.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Failure {
        match error {
            LoadError::Read(detail) => Failure::Usage(format!("cannot read {detail}")),
            LoadError::Faults(faults) => Failure::Faults(faults),
        }
    }
}

/// Resolves on SIGINT or SIGTERM; they are caught from the moment this returns.
fn signals() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let caught = |kind| signal(kind).map_err(|error| Failure::Usage(format!("signals cannot be caught: {error}")));
    let (mut interrupt, mut terminate) = (caught(SignalKind::interrupt())?, caught(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Runs the command that the arguments name, the program's own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Help and version are asked for and go to standard output; the rest is wrong usage.
            let code = if usage.use_stderr() { Exit::Partly } else { Exit::Good };
            let _ = usage.print();
            return ExitCode::from(code as u8);
        }
    };
    let mut terminal = Terminal::new(arguments.color);
    let outcome = arguments.command.run(&mut terminal).and_then(|exit| {
        terminal.finish()?;
        Ok(exit)
    });
    match outcome {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            // Should standard error be closed too, the exit code still tells.
            let _ = report(&failure, &mut io::stderr().lock(), Paint::for_stderr(arguments.color));
            ExitCode::from(Exit::Partly as u8)
        }
    }
}

/// Whoever runs this command, as records of changes name him: the user id that the operating system knows, and the name
/// that the environment claims.
fn operator() -> String {
    let uid = rustix::process::getuid().as_raw();
    match std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")) {
        Ok(name) => format!("uid {uid} ({name})"),
        Err(_) => format!("uid {uid}"),
    }
}

fn report(failure: &Failure, to: &mut dyn io::Write, paint: Paint) -> io::Result<()> {
    let mut error = |detail: &str| {
        let head = paint.red("error:");
        wrap(detail, COLUMNS - 7).iter().enumerate().try_for_each(|(index, part)| match index {
            0 => writeln!(to, "{head} {part}"),
            _ => writeln!(to, "       {part}"),
        })
    };
    match failure {
        Failure::Usage(detail) => error(detail),
        Failure::Output(detail) => error(&format!("cannot write the answer: {detail}")),
        Failure::Faults(faults) => {
            for fault in &faults.0 {
                snippet::write(to, fault, snippet::Severity::Fault, paint)?;
            }
            writeln!(to, "{} the documents have faults; `sekisho check` shows all of a policy's", paint.red("error:"))
        }
    }
}
