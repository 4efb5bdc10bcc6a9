//! Why is the answer what it is, and what would turn it? For a person; or as JSON.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::decide::now;
use super::documents::{cases, revisions};
use super::terminal::{Terminal, columns, pad};
use super::{Exit, Failure};
use crate::decision::decide;
use crate::decision::evaluation::{Evaluation, answer};
use crate::decision::explain::{Explanation, explain};
use crate::decision::json::parse;
use crate::decision::remedy::{Remedies, Remedy, remedies};
use crate::policy::{Form, Revisions};

/// Tell why a request is answered as it is, and what would turn a refusal
#[derive(clap::Args)]
#[command(
    long_about = "Tell a person why one request is answered as it is: who and what was understood, \
        which facts on file counted, what passed and failed, which rules were considered, \
        and what became of each category.\n\n\
        For a refusal, the smallest changes that would turn it are looked for by asking \
        the judge: only what was tried and answered with a permit is shown. It is no \
        advice: a consent or contract goes on file where there is one, a purpose is \
        declared where it is meant.",
    after_long_help = "Examples:\n  \
        sekisho explain --policy policy/jmdp request.json\n  \
        sekisho explain --policy policy/jmdp --case 'approved researcher'\n  \
        sekisho explain --policy policy/jmdp --json < request.json | jq .remedies\n\n\
        The request is one JSON object, as for `sekisho decide`; a case is named by its\n\
        whole name, or by a part that only one case has.\n\n\
        Exit codes: 0 explained, whatever the answer; 2 the request is malformed, or it,\n\
        the case or the policy could not be read."
)]
pub(super) struct Explain {
    /// The organisation's folder, or one policy file
    #[arg(long, value_name = "DIR")]
    policy: PathBuf,
    /// Explain a conformance case of the folder instead of a request
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    case: Option<String>,
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
    /// The request; standard input if left out or `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Explain {
    pub(super) fn run(&self, terminal: &mut Terminal) -> Result<Exit, Failure> {
        let revisions = revisions(&self.policy)?;
        let request = self.request()?;
        let now = now().map_err(Failure::Usage)?;
        let malformed = |detail: String| Failure::Usage(format!("the request is malformed: {detail}"));
        let (explanation, answer) = explained(&request, &revisions, now).map_err(malformed)?;
        let remedies = match explanation.permitted {
            true => None,
            false => Some(remedies(&request, &revisions, now).map_err(malformed)?),
        };
        match self.json {
            true => terminal.json(&as_json(&explanation, &answer, remedies.as_ref()))?,
            false => print(&explanation, &answer, remedies.as_ref(), terminal)?,
        }
        Ok(Exit::Good)
    }

    fn request(&self) -> Result<Value, Failure> {
        if let Some(name) = &self.case {
            return self.of_case(name);
        }
        let text = match &self.file {
            Some(path) if path.as_os_str() != "-" => {
                fs::read_to_string(path).map_err(|e| Failure::Usage(format!("cannot read {}: {e}", path.display())))?
            }
            _ => {
                let mut text = String::new();
                let read = io::stdin().lock().read_to_string(&mut text);
                read.map_err(|e| Failure::Usage(format!("cannot read the request: {e}")))?;
                text
            }
        };
        parse(&text).map_err(|detail| Failure::Usage(format!("the request is malformed: {detail}")))
    }

    fn of_case(&self, name: &str) -> Result<Value, Failure> {
        let cases = cases(&self.policy)?;
        if let Some(case) = cases.iter().find(|case| case.name == *name) {
            return Ok(case.request().clone());
        }
        let wanted = name.to_lowercase();
        let like: Vec<_> = cases.iter().filter(|case| case.name.to_lowercase().contains(&wanted)).collect();
        match like.as_slice() {
            [case] => Ok(case.request().clone()),
            [] => Err(Failure::Usage(format!("no case is called like `{name}`"))),
            several => {
                let names: Vec<String> = several.iter().take(5).map(|case| format!("`{}`", case.name)).collect();
                let more = if several.len() > 5 { ", …" } else { "" };
                let number = several.len();
                Err(Failure::Usage(format!("{number} cases are called like `{name}`: {}{more}", names.join(", "))))
            }
        }
    }
}

fn explained(request: &Value, revisions: &Revisions, now: i64) -> Result<(Explanation, Value), String> {
    let newest = revisions.newest().ok_or("there is no revision")?;
    let evaluation = Evaluation::from_value(request, newest, now)?;
    let policy = revisions.at(evaluation.time()).ok_or("there is no revision")?;
    let request = evaluation.request(policy);
    let told = explain(policy, &request, evaluation.categories());
    Ok((told, answer(policy, &request, evaluation.categories(), &decide(policy, &request))))
}

fn print(told: &Explanation, answer: &Value, found: Option<&Remedies>, terminal: &mut Terminal) -> io::Result<()> {
    let paint = terminal.paint;
    verdict(told, answer, terminal)?;
    heading("What was understood", terminal)?;
    for (what, text) in &told.resolved {
        terminal.wrapped(&format!("  {}", pad(what, 10)), text)?;
    }
    if !told.facts.is_empty() {
        heading("What is on file", terminal)?;
        for fact in &told.facts {
            let mark = if fact.counts { "+" } else { "-" };
            terminal.wrapped(&format!("  {mark} "), &format!("{}: {}", fact.what, fact.why))?;
        }
    }
    heading("What was judged", terminal)?;
    for group in &told.groups {
        let (letter, question) = (group.letter, group.question);
        if !group.judged {
            terminal.line(paint.dim(&format!("  ({letter}) {question} not judged")))?;
            continue;
        }
        terminal.line(format!("  ({letter}) {question}"))?;
        for check in &group.checks {
            match check.failed {
                None => terminal.wrapped("      + ", &check.text)?,
                Some(code) => terminal.wrapped("      ✗ ", &format!("{}: {}", code.code(), check.text))?,
            }
        }
    }
    rules(told, terminal)?;
    categories(told, terminal)?;
    heading("Clauses", terminal)?;
    let width = told.clauses.iter().map(|(clause, _)| columns(clause)).max().unwrap_or(0);
    for (clause, gist) in &told.clauses {
        terminal.wrapped(&format!("  {}  ", pad(clause, width)), gist)?;
    }
    if !told.obligations.is_empty() {
        heading("Obligations", terminal)?;
        terminal.wrapped("  ", &told.obligations.join(", "))?;
    }
    found.map_or(Ok(()), |found| turned(found, terminal))
}

fn heading(text: &str, terminal: &mut Terminal) -> io::Result<()> {
    let text = terminal.paint.bold(text).into_owned();
    terminal.line("")?;
    terminal.line(text)
}

fn verdict(told: &Explanation, answer: &Value, terminal: &mut Terminal) -> io::Result<()> {
    let paint = terminal.paint;
    if told.permitted {
        let (mut given, mut withheld) = (0, 0);
        for category in &told.categories {
            if category.form == Form::Withheld { withheld += 1 } else { given += 1 }
        }
        return terminal.line(format!("{} - {given} released, {withheld} withheld", paint.green("PERMITTED")));
    }
    let reasons = answer.pointer("/context/reasons").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let codes: Vec<&str> = reasons.iter().filter_map(|r| r.get("code").and_then(Value::as_str)).collect();
    terminal.line(format!("{} - {}", paint.red("REFUSED"), codes.join(", ")))
}

fn rules(told: &Explanation, terminal: &mut Terminal) -> io::Result<()> {
    if told.rules.is_empty() {
        return Ok(());
    }
    heading("Rules considered", terminal)?;
    for rule in &told.rules {
        let mark = if rule.applies { "+" } else { "-" };
        let clauses = if rule.clauses.is_empty() { String::new() } else { format!(" [{}]", rule.clauses.join(", ")) };
        let text = format!("{} `{}`{clauses}: {}", rule.effect, rule.name, rule.why);
        terminal.wrapped(&format!("  {mark} "), &text)?;
    }
    Ok(())
}

fn categories(told: &Explanation, terminal: &mut Terminal) -> io::Result<()> {
    if told.categories.is_empty() {
        return Ok(());
    }
    heading("What became of each category", terminal)?;
    // Categories with the same fate stand together, in the order in which the first of them was asked for.
    let mut fates: Vec<(Form, &[String], Vec<&str>)> = Vec::new();
    for category in &told.categories {
        match fates.iter_mut().find(|(form, why, _)| *form == category.form && *why == category.why) {
            Some((_, _, names)) => names.push(&category.name),
            None => fates.push((category.form, &category.why, vec![&category.name])),
        }
    }
    for (form, why, names) in fates {
        let head = format!("  {}  ", pad(form.name(), 13));
        terminal.wrapped(&head, &names.join(", "))?;
        terminal.wrapped(&format!("{:17}", ""), &format!("({})", why.join("; ")))?;
    }
    Ok(())
}

/// Remedies shown at most, of one sort of change.
const SHOWN: usize = 6;

fn turned(found: &Remedies, terminal: &mut Terminal) -> io::Result<()> {
    heading("What would turn it", terminal)?;
    for remedy in found.found.iter().take(SHOWN) {
        terminal.wrapped("  * ", &sentence(remedy))?;
    }
    if found.found.len() > SHOWN {
        terminal.line(format!("  … and {} more (--json lists them)", found.found.len() - SHOWN))?;
    }
    if found.found.is_empty() {
        terminal.wrapped("  ", "nothing small does: no single change of what is declared or on file, and no two.")?;
    }
    if !found.unreleased.is_empty() {
        let names: Vec<String> = found.unreleased.iter().map(|name| format!("`{name}`")).collect();
        let text = format!("no purpose releases to this recipient, whatever is declared: {}", names.join(", "));
        terminal.wrapped("  ", &text)?;
    }
    let verified = if found.found.is_empty() { "" } else { "; each change shown was judged and permitted" };
    let tried = terminal.paint.dim(&format!("  ({} tried{verified})", found.tried)).into_owned();
    terminal.line(tried)
}

fn sentence(remedy: &Remedy) -> String {
    let changes: Vec<&str> = remedy.changes.iter().map(|change| change.text.as_str()).collect();
    let mut forms: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, form) in &remedy.releases {
        match forms.iter_mut().find(|(known, _)| known == form) {
            Some((_, names)) => names.push(name),
            None => forms.push((form, vec![name])),
        }
    }
    let listed = |(form, names): &(&str, Vec<&str>)| match names.as_slice() {
        [a, b, c, _, rest @ ..] => format!("{form} {a}, {b}, {c} and {} more", rest.len() + 1),
        few => format!("{form} {}", few.join(", ")),
    };
    let released: Vec<String> = forms.iter().map(listed).collect();
    match released.is_empty() {
        true => changes.join(", and "),
        false => format!("{}: {}", changes.join(", and "), released.join("; ")),
    }
}

fn as_json(told: &Explanation, answer: &Value, found: Option<&Remedies>) -> Value {
    let resolved: serde_json::Map<String, Value> =
        told.resolved.iter().map(|(what, text)| (what.replace(' ', "_"), json!(text))).collect();
    let check = |check: &crate::decision::explain::Check| json!({"passed": check.failed.is_none(), "code": check.failed.map(|code| code.code()), "text": check.text});
    let groups = told.groups.iter().map(|group| {
        let checks: Vec<Value> = group.checks.iter().map(check).collect();
        json!({"group": group.letter, "question": group.question, "judged": group.judged, "checks": checks})
    });
    let remedy = |remedy: &Remedy| {
        let changes: Vec<&str> = remedy.changes.iter().map(|change| change.text.as_str()).collect();
        let releases: serde_json::Map<String, Value> =
            remedy.releases.iter().map(|(name, form)| (name.clone(), json!(form))).collect();
        json!({"changes": changes, "releases": releases})
    };
    json!({
        "answer": answer,
        "understood": resolved,
        "facts": told.facts.iter().map(|f| json!({"what": f.what, "counts": f.counts, "why": f.why})).collect::<Vec<_>>(),
        "groups": groups.collect::<Vec<_>>(),
        "rules": told.rules.iter().map(|rule| json!({
            "rule": rule.name, "effect": rule.effect, "applies": rule.applies, "why": rule.why, "clauses": rule.clauses,
        })).collect::<Vec<_>>(),
        "categories": told.categories.iter().map(|category| json!({
            "category": category.name, "form": category.form.name(), "why": category.why,
        })).collect::<Vec<_>>(),
        "clauses": told.clauses.iter().map(|(id, gist)| json!({"clause": id, "gist": gist})).collect::<Vec<_>>(),
        "remedies": found.map(|found| found.found.iter().map(remedy).collect::<Vec<_>>()),
        "released_by_no_purpose": found.map(|found| &found.unreleased),
    })
}
