//! `sekisho audit export`: the log in the words of other systems, once or as it comes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::chains::{first, holds_nothing, open};
use crate::audit::export::Format;
use crate::cli::terminal::{Terminal, count};
use crate::cli::{Exit, Failure};
use crate::proxy::mirror::Place;
use crate::proxy::sink::{Plan, Sink, SinkError, Step};
use crate::proxy::sinks::header;

#[derive(Args)]
pub(super) struct Export {
    /// The data folder, or the folder of one chain
    folder: PathBuf,
    /// jsonl, csv, ocsf, fhir, otlp or syslog
    #[arg(long, short, value_name = "FORMAT", default_value = "jsonl")]
    format: Format,
    /// Where to: file:PATH, https://… (http on loopback), syslog://HOST:PORT, syslog+tcp://HOST:PORT; `-`: standard output
    #[arg(long, value_name = "PLACE", default_value = "-")]
    to: String,
    /// Go on where this file says, and note there how far it came
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Go on as records come, until interrupted; a place that is down is tried again
    #[arg(long)]
    follow: bool,
    /// Only what began at or after this day (in UTC) or moment: 2026-11-01, 2026-11-01T09:00:00+09:00
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<u64>,
    /// Only what began before it
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<u64>,
    /// A file with a field for each POST, `Authorization: Bearer …`: never in arguments, which others can see
    #[arg(long, value_name = "FILE")]
    header_file: Option<PathBuf>,
    /// PEM of the authorities believed for https, instead of the Web's
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
}

fn moment(text: &str) -> Result<u64, String> {
    let parsed = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    });
    let moment = parsed.and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
    moment.ok_or_else(|| "write a day, `2026-11-01`, or a moment with its zone, `2026-11-01T09:00:00+09:00`".to_owned())
}

impl Export {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let chain = first(&self.folder)?;
        let disk = open(&chain)?;
        if !self.follow && holds_nothing(&disk, &chain)? {
            return Err(Failure::Usage(format!("there is no log in {}", chain.display())));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut sink = match Sink::open(&disk, self.plan()?) {
                Ok(sink) => sink,
                Err(error) => return ended(terminal, error, 0),
            };
            self.send(&mut sink, terminal).await
        })
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let place = match self.to.as_str() {
            "-" => None,
            text => Some(Place::read(text, Path::new("")).ok_or_else(|| {
                Failure::Usage(format!(
                    "`--to`: `{text}` is not `-`, `file:PATH`, `https://…`, `syslog://HOST:PORT` or \
                     `syslog+tcp://HOST:PORT` (`http` is taken for loopback addresses only)"
                ))
            })?),
        };
        Ok(Plan {
            format: self.format,
            place,
            root: self.root.clone(),
            header: self
                .header_file
                .as_deref()
                .map(header)
                .transpose()
                .map_err(|error| Failure::Usage(error.to_string()))?,
            resume: self.resume.clone(),
            within_ms: (self.since.unwrap_or(0), self.until.unwrap_or(u64::MAX)),
        })
    }

    async fn send(&self, sink: &mut Sink<'_>, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let mut asked_to_end = Box::pin(crate::cli::signals()?);
        let (mut sent, mut pause, mut is_down) = (0, PAUSE, false);
        loop {
            let step = tokio::select! {
                step = sink.step() => step,
                // What a place was just being given counts as not taken: it is sent again.
                () = &mut asked_to_end => return self.done(terminal, sent),
            };
            if let Some(told) = sink.told() {
                eprintln!("{}: {told}", self.to);
            }
            let waits = match step {
                Ok(Step::Took(messages)) => {
                    sent += messages;
                    pause = PAUSE;
                    if std::mem::take(&mut is_down) {
                        eprintln!("{} takes again", self.to);
                    }
                    Duration::ZERO
                }
                Ok(Step::Nothing) if !self.follow => return self.done(terminal, sent),
                Ok(Step::Nothing) => POLL,
                Err(SinkError::Place(why, after)) if self.follow && self.to != "-" => {
                    if !std::mem::replace(&mut is_down, true) {
                        eprintln!("{}: {why}; it is tried again, nothing is lost", self.to);
                    }
                    let waits = after.map_or(pause, |after| after.min(AFTER_MAX));
                    pause = (pause * 2).min(PAUSE_MAX);
                    waits
                }
                Err(error) => return ended(terminal, error, sent),
            };
            tokio::select! {
                biased;
                () = &mut asked_to_end => return self.done(terminal, sent),
                () = tokio::time::sleep(waits) => {}
            }
        }
    }

    /// How much it was; where the messages themselves are printed, nothing among them.
    fn done(&self, terminal: &mut Terminal, sent: usize) -> Result<Exit, Failure> {
        if self.to != "-" {
            terminal.line(format!("{} sent to {}", count(sent, "message"), self.to))?;
        }
        Ok(Exit::Good)
    }
}

fn ended(terminal: &mut Terminal, error: SinkError, sent: usize) -> Result<Exit, Failure> {
    match error {
        SinkError::Plan(why) => Err(Failure::Usage(why)),
        SinkError::Output(error) => Err(Failure::Output(error)),
        SinkError::Log(error) => {
            terminal.finish()?;
            eprintln!("{error}; {} before it arrived", count(sent, "message"));
            Ok(Exit::Wrong)
        }
        SinkError::Place(why, _) => {
            eprintln!(
                "{why}; {} arrived before; with `--resume` the same command goes on there",
                count(sent, "message")
            );
            Ok(Exit::Partly)
        }
    }
}

/// How often a log is looked at for something new.
const POLL: Duration = Duration::from_millis(500);
/// After an attempt that failed; twice as long after each further one.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// What a place may ask for.
const AFTER_MAX: Duration = Duration::from_secs(3600);
