//! What would this request receive of this document? Printed by the gate's own filter; the forms counted beside it.
//!
//! For a look before a policy is in force, for tests and for measurements. The work is [`Preview`]'s; here the documents are
//! read, the bytes driven through in pieces, and what became of them told on standard error. Nothing is recorded.

mod document;
mod summary;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use self::document::Kind;
use self::summary::{Fault, Summary};
use super::decide::now;
use super::documents::{catalogue, revisions};
use super::serve::failure;
use super::terminal::Terminal;
use super::{Exit, Failure};
use crate::catalogue::Catalogue;
use crate::decision::evaluation::Evaluation;
use crate::decision::json::parse;
use crate::layer::preview::{Document, Look, Preview, Unseen};
use crate::layer::{Generation, PseudonymKeys};
use crate::policy::{Action, Source, Vocabulary, nearest};
use crate::proxy::keys;
use crate::proxy::settings::HELD_BYTES;
use crate::redact::{KeySeed, Limits, MasterKey};

/// Print a document as a request would receive it
#[derive(clap::Args)]
#[command(
    long_about = "Print a document, or one record a line, as a request would receive it through the \
        gate: the same judgement, the same filter, the same forms. A table on standard \
        error counts what became of the values of each category.\n\n\
        The request is one JSON object, as for `sekisho decide`. The facts in it stand \
        for the person that `resource.properties.subject` names, and records about \
        others are dropped; without `subject` they stand for everyone. What is asked, \
        of which class and dataset, the route says, as in the gate; `categories` is not \
        looked at.\n\n\
        Standard input and files of any size are read piece by piece. Nothing is \
        recorded, so this is for documents that you may see yourself.",
    after_long_help = "Examples:\n  \
        What does a researcher get of the donors?\n    \
        sekisho redact --policy policy/jmdp --as researcher.json --route donors \\\n      \
        donors.json\n\n  \
        Which forms, for a program?\n    \
        sekisho redact --policy policy/jmdp --as researcher.json --route donors \\\n      \
        --json donors.json 2>&1 >/dev/null | jq .categories\n\n  \
        A FHIR resource, a Bundle, or bulk data:\n    \
        sekisho redact --policy policy/sakura --as care.json --fhir Patient.ndjson\n\n  \
        A search, exactly as that route answers it:\n    \
        sekisho redact --policy policy/sakura --as care.json --surface fhir-r4 \\\n      \
        --route fhir.Condition.search bundle.json\n\n  \
        What a search (QIDO-RS) or metadata (WADO-RS) answer, in DICOM JSON:\n    \
        sekisho redact --policy policy/sakura --as care.json --dicom studies.json\n\n\
        Exit codes: 0 released; 2 the command, the request, the documents or the keys\n\
        are wrong; 3 the request is refused; 4 the document cannot be judged: it is\n\
        malformed, cut off or too deep, or a record in it too large to be held, and what\n\
        was judged before that may have been printed."
)]
#[command(override_usage = "sekisho redact --policy <DIR> --as <REQUEST> --route <ID> [FILE]
       sekisho redact --policy <DIR> --as <REQUEST> --fhir[=<KIND>] [FILE]
       sekisho redact --policy <DIR> --as <REQUEST> --dicom [FILE]")]
#[command(group(clap::ArgGroup::new("which").required(true).args(["route", "fhir", "dicom"])))]
pub(super) struct Redact {
    /// The organisation's folder
    #[arg(long, value_name = "DIR")]
    policy: PathBuf,
    /// The request that the document is shown to; `-` is standard input
    #[arg(long = "as", value_name = "REQUEST")]
    request: PathBuf,
    /// The document answers this route of the folder's catalogue.toml
    #[arg(long, value_name = "ID")]
    route: Option<String>,
    /// The route is one of a surface that is compiled in, and not of the folder's
    #[arg(long, value_name = "NAME", requires = "route", value_parser = clap::builder::PossibleValuesParser::new(names()))]
    surface: Option<String>,
    /// The document is FHIR R4; what it is shows in its first MiB, or is named
    #[arg(long, value_name = "KIND", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    fhir: Option<Kind>,
    /// The document is DICOM JSON, an array of data sets: what a search answers, or metadata, as the request's action says
    #[arg(long)]
    dicom: bool,
    /// The key folder of a gate, so that pseudonyms are those it gives; else a key of this run
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Where the backend's own links begin, as in the settings of a site
    #[arg(long, value_name = "ORIGIN", default_value = "")]
    upstream: String,
    /// How much of a record is held while it is judged, as in the settings of a site
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().entry_bytes_max, value_parser = entry_bytes)]
    entry_bytes_max: usize,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// The document; standard input if left out or `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

type DocumentSource = fn() -> Source;

/// The surfaces that are compiled in, by the name of their document.
const SURFACES: [(&str, DocumentSource); 2] =
    [("fhir-r4", Catalogue::fhir_r4_source), ("dicomweb", Catalogue::dicomweb_source)];

fn names() -> impl Iterator<Item = &'static str> {
    SURFACES.iter().map(|(name, _)| *name)
}

/// How much is read and judged at a time, in bytes.
const PIECE_BYTES: usize = 16 << 10;
/// How much may wait for the first entry released, in bytes.
const HELD_BYTES_MAX: usize = 1 << 20;

impl Redact {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let mut summary = Summary::new(self.json);
        let preview = self.preview(&mut summary)?;
        let mut input = self.input()?;
        let mut head = Vec::new();
        let found = match self.fhir {
            Some(kind) => match document::find(kind, self.file(), &mut input, &mut head).map_err(unreadable)? {
                Ok(found) => Some(found),
                Err(why) => return Ok(summary.unjudged(&preview, None, &Fault::whole(&why))),
            },
            None => None,
        };
        let document = match (&found, &self.route) {
            (Some(found), _) => found.document(),
            (None, Some(route)) => Document::Route(route),
            (None, None) if self.dicom => Document::Route(match preview.action() {
                Action::Search => "dicom.instances.search",
                _ => "dicom.instance.metadata",
            }),
            (None, None) => return Err(Failure::Usage("name a `--route`, or a surface such as `--fhir`".to_owned())),
        };
        match preview.look(document, KeySeed::new([random()?, random()?].map(u64::from_ne_bytes))) {
            Ok(look) => self.drive(&preview, look, io::Cursor::new(head).chain(input), terminal, &summary),
            Err(Unseen::Refused(answer)) => Ok(summary.refused(&preview, None, Some(&answer))),
            Err(Unseen::Senseless(why)) => Err(Failure::Usage(why)),
        }
    }

    /// Everything that the document is judged by.
    fn preview(&self, summary: &mut Summary) -> Result<Preview, Failure> {
        let revisions = revisions(&self.policy)?;
        let named = self.surface.as_deref();
        let named = named.or(self.fhir.is_some().then_some("fhir-r4")).or(self.dicom.then_some("dicomweb"));
        let compiled_in = named.and_then(|wanted| SURFACES.iter().find(|(name, _)| *name == wanted));
        let catalogue = match compiled_in {
            Some((_, source)) => surface(source())?,
            None if self.policy.is_file() => {
                return Err(Failure::Usage(format!(
                    "{} is a file: for `--route`, name the folder that also holds its catalogue.toml",
                    self.policy.display()
                )));
            }
            None => catalogue(&self.policy)?,
        };
        self.check_route(&catalogue)?;
        let value = parse(&self.request()?).map_err(malformed)?;
        let newest = revisions.newest().ok_or_else(|| Failure::Usage("there is no revision".to_owned()))?;
        let evaluation = Evaluation::from_value(&value, newest, now().map_err(Failure::Usage)?).map_err(malformed)?;
        if !evaluation.categories().is_empty() {
            summary.note("`categories` of the request is not looked at: the route is asked for all that it can carry");
        }
        let pseudonyms = match &self.keys {
            Some(folder) => keys::pseudonyms(folder).map_err(failure)?,
            None => {
                summary.key_of_this_run();
                let key = Zeroizing::new(random::<32>()?);
                PseudonymKeys { master: MasterKey::new(*key), epoch: 1, accepted: Vec::new() }
            }
        };
        let limits = Limits { entry_bytes_max: self.entry_bytes_max, ..Limits::default() };
        let generation = Generation::new(revisions, catalogue, String::new(), pseudonyms, limits);
        let generation = generation.map_err(|why| Failure::Usage(format!("the catalogue cannot be used: {why}")))?;
        Preview::new(Arc::new(generation), evaluation, &self.upstream, "")
            .ok_or_else(|| Failure::Usage("there is no revision".to_owned()))
    }

    /// A route that is not there is told with the nearest that is.
    fn check_route(&self, catalogue: &Catalogue) -> Result<(), Failure> {
        let Some(wanted) = &self.route else { return Ok(()) };
        let ids = || catalogue.routes().iter().map(|route| route.id());
        if ids().any(|id| id == wanted) {
            return Ok(());
        }
        let hint = match nearest(wanted, ids()) {
            Some(near) => format!("is `{near}` meant?"),
            None => format!("it has {}", ids().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")),
        };
        Err(Failure::Usage(format!("the catalogue has no route `{}`: {hint}", wanted.escape_default())))
    }

    fn request(&self) -> Result<String, Failure> {
        if self.request.as_os_str() != "-" {
            let read = fs::read_to_string(&self.request);
            return read.map_err(|e| Failure::Usage(format!("cannot read {}: {e}", self.request.display())));
        }
        if self.file().is_none() {
            return Err(Failure::Usage("request and document are both standard input: name one as a file".to_owned()));
        }
        let mut text = String::new();
        let read = io::stdin().lock().read_to_string(&mut text);
        read.map_err(|e| Failure::Usage(format!("cannot read the request: {e}")))?;
        Ok(text)
    }

    fn file(&self) -> Option<&Path> {
        self.file.as_deref().filter(|path| path.as_os_str() != "-")
    }

    fn input(&self) -> Result<Box<dyn Read>, Failure> {
        let Some(path) = self.file() else { return Ok(Box::new(io::stdin().lock())) };
        let file = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
            true => Err(io::Error::from(io::ErrorKind::IsADirectory)),
            false => Ok(file),
        });
        Ok(Box::new(file.map_err(|e| Failure::Usage(format!("cannot read {}: {e}", path.display())))?))
    }

    /// Puts the document through the filter, in pieces; what leaves is printed once something of it is released.
    fn drive(
        &self,
        preview: &Preview,
        mut look: Look,
        mut input: impl Read,
        terminal: &mut Terminal,
        summary: &Summary,
    ) -> Result<Exit, Failure> {
        let (mut piece, mut out, mut place) = (vec![0; PIECE_BYTES], Vec::new(), Fault::start());
        let mut written = 0;
        let fault = loop {
            let read = match input.read(&mut piece) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            let bytes = piece.get(..read).unwrap_or_default();
            place.advance(bytes);
            let judged = if read == 0 { look.finish(&mut out) } else { look.push(bytes, &mut out) };
            let waits = look.tally().is_some_and(|tally| tally.released == 0);
            if !waits || out.len() > HELD_BYTES_MAX {
                written += out.len() as u64;
                terminal.stream().write_all(&out)?;
                out.clear();
            }
            match judged {
                Err(fault) => break Some(fault),
                Ok(()) if read == 0 => break None,
                Ok(()) => {}
            }
        };
        let nothing = look.tally().is_some_and(|tally| tally.released == 0);
        let refused = look.refused();
        if let Some(fault) = fault {
            // What waits is what lies around the entries: nothing was released.
            drop(terminal.finish()); // whoever has stopped reading is told by the exit code
            return Ok(summary.unjudged(preview, Some(&look), &place.of(&fault, self.entry_bytes_max)));
        }
        if nothing && (refused.is_some() || look.is_single()) {
            return Ok(summary.refused(preview, Some(&look), refused.as_ref()));
        }
        written += out.len() as u64;
        terminal.stream().write_all(&out)?;
        terminal.finish()?;
        Ok(summary.released(preview, &look, (place.bytes(), written)))
    }
}

/// What a site may set, too.
fn entry_bytes(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| HELD_BYTES.contains(bytes));
    bytes.ok_or_else(|| format!("a whole number of bytes, from {} to {}", HELD_BYTES.start(), HELD_BYTES.end()))
}

/// A surface that is compiled in.
fn surface(source: Source) -> Result<Catalogue, Failure> {
    let vocabulary = Vocabulary::compiled_in().map_err(Failure::Faults)?;
    Catalogue::read([source], &vocabulary).map_err(Failure::Faults)
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    filled.map_err(|_| Failure::Usage("the system gives no random bytes".to_owned()))?;
    Ok(bytes)
}

fn malformed(detail: String) -> Failure {
    Failure::Usage(format!("the request is malformed: {detail}"))
}

fn unreadable(error: io::Error) -> Failure {
    Failure::Usage(format!("cannot read the document: {error}"))
}
