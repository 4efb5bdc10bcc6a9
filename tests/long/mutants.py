#!/usr/bin/env python3
"""Takes one check after the other out of the judgement, and asks whether a test notices.

    tests/long/mutants.py [--list] [--only TEXT] [--remember]

Works on a copy of the tree under target/mutants, in which every check of the list has a switch: it is compiled once, and
SEKISHO_TAKEN_OUT names the one that is missing in a run. A check counts as noticed if a test fails that passes with all
checks in place. Exit code 1: a check whose absence no test notices; each is named.

Ten minutes to compile (optimised a little, since it is run very often); then seconds a check where it is known what
notices it (noticed.json, which --remember writes), else up to some minutes.
"""
import argparse
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "target" / "mutants"
TREE = FOLDER / "tree"
# Which test noticed each: asked first.
REMEMBERED = pathlib.Path(__file__).with_name("noticed.json")
WORKERS = 2
# Then those of its room, then these, at last all.
TESTS = ["decision::", "layer::", "fhir::", "redact::parties"]
NEAR = {"src/decision/": ["decision::"], "src/redact/": ["redact::"], "src/layer/": ["layer::", "fhir::"], "src/catalogue/": ["fhir::"]}
# A run that takes longer hangs: that is noticed, too.
HANGS_AFTER_S = 900
SWITCH = """
/// Whether this check is taken out of this run.
#[doc(hidden)]
pub fn taken_out(number: u32) -> bool {
    static MISSING: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
    let missing = || std::env::var("SEKISHO_TAKEN_OUT").ok().and_then(|text| text.parse().ok());
    *MISSING.get_or_init(missing) == Some(number)
}
"""

# What becomes of a check in the tree that is tested; `OFF` says that it is taken out.
NEVER = "(!OFF && (CHECK))"
ALWAYS = "(OFF || (CHECK))"
SKIPPED = "if !OFF { CHECK }"

# Checks outside the judge: file, what stands there, what becomes of it, what is missing without.
BY_HAND = [
    ("src/layer/exchange/declared.rs", "!judgement.token_grants(judgement.purpose)", NEVER, "a token's purposes narrow"),
    ("src/layer/exchange/subject.rs", "found.unclassified_count > 0 && !self.merges(route)", NEVER, "unnamed members of a write are refused"),
    ("src/layer/exchange/subject.rs", "ready.judgement.route.as_ref().is_some_and(|route| route.replaces) && !self.merges(resolved.route)", NEVER, "a PUT needs the whole view"),
    ("src/layer/exchange/subject.rs", "in_body.is_some_and(|other| other != named)", NEVER, "the body is about whom the path names"),
    ("src/layer/headers.rs", "named.trim().eq_ignore_ascii_case(field.as_str())", NEVER, "Connection names no checked field"),
    ("src/layer/entry.rs", "if subject != person => return Verdict::Drop", "if subject != person && !OFF => return Verdict::Drop", "an entry about another person is dropped"),
    ("src/layer/entry.rs", "Some(count) if count >= *least => Whose::NoOnes", "Some(count) if count >= *least || OFF => Whose::NoOnes", "small cells are withheld"),
    ("src/layer/declaration.rs", "seen.contains(&key)", NEVER, "a doubled parameter is refused"),
    ("src/layer/declaration.rs", "fields.next().is_some()", NEVER, "a doubled field is refused"),
    ("src/layer/gate.rs", "let may = bucket.left >= cost;", "let may = OFF || bucket.left >= cost;", "refusals of one caller are bounded"),
    ("src/layer/exchange/subject.rs", "return Err(self.refuse(&ready.judgement, self.not_available(&ready.judgement), None, &[]).await);", SKIPPED, "other ids of a path are pseudonyms too"),
    ("src/layer/exchange/subject.rs", "original.filter(|id| crate::catalogue::is_subject_id(id))", "original.filter(|id| OFF || crate::catalogue::is_subject_id(id))", "an opened id stays one name"),
    ("src/layer/exchange/subject.rs", "(SubjectAt::Body | SubjectAt::Stored, None) => {", "(SubjectAt::Body | SubjectAt::Stored, None) if OFF => None, (SubjectAt::Body | SubjectAt::Stored, None) => {", "a body says whom it is about"),
    ("src/layer/exchange/stored.rs", "(Settled::Person(named), Some(owner)) => named != owner,", "(Settled::Person(named), Some(owner)) => !OFF && named != owner,", "a body takes no record from another person"),
    ("src/layer/exchange/stored.rs", "!merges && says_cut(body)", NEVER, "a cut record is not put back"),
    ("src/layer/exchange/writeback.rs", "names_hidden || !self.loses_nothing(ready, route, held, seen.as_ref(), view)", "names_hidden || (!OFF && !self.loses_nothing(ready, route, held, seen.as_ref(), view))", "nothing unseen is erased"),
    ("src/layer/exchange/writeback.rs", "wanted.is_some_and(|wanted| !holds(wanted))", NEVER, "a write is held to what was read"),
    ("src/layer/exchange/joining.rs", "wanted.is_some() && tag.flatten() == wanted", ALWAYS, "part of a record is put back over its view alone"),
    ("src/layer/exchange/joining.rs", "merge::agrees(&shown, &put, &merged, &stored).map_err(unmerged)?;", SKIPPED, "what is joined is shown once more"),
    ("src/layer/merge.rs", "(Document::Array(_), ..) if lacks(stored, view) => Err(", "(Document::Array(_), ..) if !OFF && lacks(stored, view) => Err(", "an array that was cut is not put back"),
        ("src/layer/exchange/conditional.rs", "let shown = ready.permit.as_ref().is_some_and(", "let shown = OFF || ready.permit.as_ref().is_some_and(", "a condition needs ids in clear"),
    ("src/layer/exchange/conditional/found.rs", "(Some(told), Some(person)) if told != person => {", "(Some(told), Some(person)) if !OFF && told != person => {", "a condition is about the person of its write"),
    ("src/layer/exchange/conditional/found.rs", "place.find(entry).as_ref() == Some(person)", ALWAYS, "what fits names the person"),
    ("src/layer/exchange/conditional/found.rs", "if found.len() > 1 {\n        let detail", "if !OFF && found.len() > 1 {\n        let detail", "a condition that fits several writes none"),
    ("src/redact/plan/quick.rs", "Leaf::Clear if place.watched => Leaf::ClearUnlessNumber,", "Leaf::Clear if !OFF && place.watched => Leaf::ClearUnlessNumber,", "the word of a place has an Individual Number looked at"),
    ("src/redact/plan/quick.rs", "Leaf::Clear if place.reference && links => Leaf::ClearUnlessUrl,", "Leaf::Clear if !OFF && place.reference && links => Leaf::ClearUnlessUrl,", "the word of a place has a URL past the gate looked at"),
    ("src/redact/walk/quick.rs", "if labels || shadow { None }", "if !OFF && (labels || shadow) { None }", "a label, or a shadow, takes a closer look"),
    ("src/layer/entry/decided.rs", "Arc::ptr_eq(&self.view, view) && ", "(OFF || Arc::ptr_eq(&self.view, view)) && ", "what has changed on file is decided about anew"),
    ("src/redact/filter/ask.rs", "} else if self.changes_its_meaning(go, entry) {", "} else if !OFF && self.changes_its_meaning(go, entry) {", "a record goes with its modifier"),
    ("src/redact/filter/ask.rs", "self.could_be_spelt(go, entry, known)", NEVER, "a stopped number is not spelt by a search"),
    ("src/redact/walk/containers.rs", "} else if !takes {", "} else if !OFF && !takes {", "an object where a value is catalogued is unclassified"),
    ("src/redact/walk/modifiers.rs", "walked.is_ok() && out == value", "walked.is_ok() && (OFF || out == value)", "an element goes with its modifier"),
    ("src/redact/walk/modifiers.rs", "if named && of_object() && cut() { Err(Fault::Modifier) } else { Ok(()) }", "if !OFF && named && of_object() && cut() { Err(Fault::Modifier) } else { Ok(()) }", "a modifier in what streams ends the answer"),
    ("src/catalogue/search/filter.rs", "let stays = along.subject || !self.is_person(target);", "let stays = OFF || along.subject || !self.is_person(target);", "a chain stays with its person"),
    ("src/catalogue/search/filter.rs", "let stays = along.subject || !self.is_person(at);", "let stays = OFF || along.subject || !self.is_person(at);", "a reverse chain stays with its person"),
    ("src/catalogue/search/filter.rs", "let enters = self.is_about_someone(kind) && !self.is_about_someone(at);", "let enters = !OFF && self.is_about_someone(kind) && !self.is_about_someone(at);", "records of no one lead to nobody's"),
    ("src/layer/paging/links.rs", "(!hostile && further && new).then_some(target)", "(OFF || (!hostile && further && new)).then_some(target)", "a backend's link leads to the same list"),
    ("src/layer/paging/cursor.rs", "(now_ms < until).then_some(", "(OFF || now_ms < until).then_some(", "a cursor ends"),
    ("src/layer/entry.rs", "brought.then_some(", "(OFF || brought).then_some(", "records that nobody asked for are dropped"),
    ("src/registry/mod.rs", "if follower.header.is_some() && follower.header == self.index.header() {", "if follower.header.is_some() && (OFF || follower.header == self.index.header()) {", "a change between two entries is seen"),
    ("src/registry/mod.rs", "} else if header.is_some() && header == known && print.has_memory(index.inode()) {", "} else if header.is_some() && (OFF || header == known) && print.has_memory(index.inode()) {", "a change is seen at the next call"),
    ("src/layer/entry.rs", "self.looked.set(false);", SKIPPED, "a registry lost in the middle of a list ends it"),
    ("src/catalogue/mod.rs", "(plain && head.len() < 512 && !self.steps.contains(id)).then_some(head)", "(plain && head.len() < 512 && (OFF || !self.steps.contains(id))).then_some(head)", "a link to another route is no link to a record"),
    ("src/layer/exchange/transaction.rs", "Err(out) if failed(&out) => *out,", "Err(out) if !OFF && failed(&out) => *out,", "one refusal undoes a transaction"),
    ("src/layer/exchange/transaction.rs", "(!same || self.started.elapsed() > WAIT_MAX)", "((!OFF && !same) || self.started.elapsed() > WAIT_MAX)", "a stop holds for all of a transaction that waits"),
    ("src/layer/exchange/subject.rs", "if let Some(place) = search_in_reference(&value).filter(|_| route.is_fhir()) {", "if let Some(place) = search_in_reference(&value).filter(|_| !OFF && route.is_fhir()) {", "no reference of a write searches"),
    ("src/layer/exchange/transaction/held.rs", "if !write && request", "if OFF || !write && request", "the writes of a transaction wait for each other"),
    ("src/layer/exchange/transaction/held.rs", " && request.extensions().get::<Permitted>().is_none() {", " && (OFF || request.extensions().get::<Permitted>().is_none()) {", "what a transaction reads waits for its writes"),
    ("src/layer/exchange/transaction.rs", "names.iter().any(|name| names::in_request(asked, name))", NEVER, "no read and no condition names what is made beside it"),
    ("src/layer/exchange/transaction/names.rs", "text.get(at + found.len()..).is_some_and(goes_on)", NEVER, "a longer name is another's"),
    ("src/redact/walk/hooks.rs", "person.is_some() && !known.node.of_a_person", "person.is_some() && (OFF || !known.node.of_a_person)", "somebody contained goes with a patient"),
    ("src/redact/walk/containers.rs", "true => self.slot = Slot::Shadow(id),", "true if !OFF => self.slot = Slot::Shadow(id), true => {}", "no two shadows of one name"),
    ("src/layer/looked.rs", "!seen.differs && seen.bases.iter().all(|(subject, basis)| view.basis(subject, issuer, caller) == *basis)", "!seen.differs && (OFF || seen.bases.iter().all(|(subject, basis)| view.basis(subject, issuer, caller) == *basis))", "a change about whom a transaction looked at undoes it"),
    ("src/layer/spelling.rs", "one.free_text && spells(one)", "!OFF && one.free_text && spells(one)", "a number in a note is not spelt by a search of notes"),
    ("src/redact/probe.rs", "Subject::One(_) if thing => Subject::Unclear,", "Subject::One(_) if !OFF && thing => Subject::Unclear,", "a machine beside a patient may be another's"),
    ("src/layer/judgement.rs", "let query = if asked.0 == Action::Create { Categories::NONE } else { query };", "let query = if asked.0 == Action::Create || (OFF && !asked.0.releases()) { Categories::NONE } else { query };", "a write is charged with what its status tells"),
    ("src/layer/entry.rs", "self.decide_searching(whose, record, &view, now, asked, query.or(told))", "self.decide_searching(whose, record, &view, now, asked, if OFF { query } else { query.or(told) })", "that there is a record of its type is asked for"),
    ("src/layer/exchange/mod.rs", "headers::connection_names_what_is_checked(&head.headers)", NEVER, "Connection may name no checked field"),
    ("src/layer/exchange/refuse.rs", "hidden && !judgement.is_staff() && of_person", NEVER, "what depends on the person is not told outside"),
    ("src/layer/exchange/ready.rs", "route.dicom().is_some_and(|dicom| dicom.refused)", NEVER, "pixels of which nobody has said what they show are refused"),
    ("src/layer/exchange/subject.rs", "!reads || ready.permit.as_ref().is_some_and(|permit| shows_everything(route, permit))", ALWAYS, "what cannot be read inside leaves whole, or the backend is not asked"),
    ("src/layer/exchange/lookup.rs", "if repeats.is_none_or(", "if !OFF && repeats.is_none_or(", "the archive repeats the ids that were asked for"),
    ("src/layer/exchange/lookup.rs", "if person.get_or_insert_with(|| named.clone()) != &named {", "if person.get_or_insert_with(|| named.clone()) != &named && !OFF {", "two patients are nobody"),
    ("src/layer/pump/recorded.rs", "self.judgement.gate.tokens.as_ref().and_then(|tokens| tokens.settled())", "(if OFF { None } else { self.judgement.gate.tokens.as_ref().and_then(|tokens| tokens.settled()) })", "what a pseudonym stands for is kept before it leaves"),
    ("src/catalogue/resolve/subject.rs", "self.dicom.is_some() && value.contains('*')", NEVER, "a pattern is no patient's id"),
    ("src/redact/plan/join.rs", "Act::Withhold => node.attribute || below <= act,", "Act::Withhold => (!OFF && node.attribute) || below <= act,", "a withheld attribute goes whole"),
    ("src/layer/exchange/ready.rs", "(!media::accepts(&head.headers, own)).then_some(problem)", "(!OFF && !media::accepts(&head.headers, own)).then_some(problem)", "who takes no JSON is told so before the backend is asked"),
    ("src/layer/exchange/subject.rs", "Err(refusal) if by_the_head(&refusal) =>", "Err(refusal) if !OFF && by_the_head(&refusal) =>", "who is refused by the head is not asked for a body"),
    ("src/layer/exchange/reading.rs", "Some(text) if media::is_written(text, fhir) => Ok(()),", "Some(text) if OFF || media::is_written(text, fhir) => Ok(()),", "a write is JSON"),
    ("src/layer/exchange/filtering.rs", "media::is_no_whole(fields)", NEVER, "a stream of events is no file"),
    ("src/layer/media.rs", "parameters.iter().all(is_read).then_some(media)", "(OFF || parameters.iter().all(is_read)).then_some(media)", "another charset is not read"),
    ("src/layer/entry.rs", "kind.fills && self.progress(Progress::is_before).unwrap_or(false)", NEVER, "entries before a page are passed over"),
    ("src/layer/paging/counted.rs", "if here == 0 || full {", "if here == 0 || full || OFF {", "a page that was cut is filled"),
    ("src/layer/paging/counted.rs", "self.former.replace(bytes) == Some(bytes)", NEVER, "an archive that repeats itself is found out"),
    ("src/layer/pump.rs", "(bare && nothing) || self.lacks_entries()", "(bare && nothing) || (!OFF && self.lacks_entries())", "metadata of which nothing may leave are no list"),
    ("src/policy/table.rs", "_ => Err(meant),", "[first, ..] if OFF => Ok(self.purpose_id(first)), _ => Err(meant),", "a code of several purposes is none of them"),
    ("src/decision/judge.rs", "*id != RecipientId::INTERNAL && *id != RecipientId::PRINCIPAL", ALWAYS, "reserved ids are no one's entry"),
    ("src/decision/judge/proof.rs", "withheld.covers(request.asked)", NEVER, "an objection that covers all stops all"),
    ("src/decision/judge/release.rs", "let released = release.any().and(request.asked.or(request.query));", "let released = if OFF { crate::policy::Categories::NONE } else { release.any().and(request.asked.or(request.query)) };", "what may not leave side by side"),
    ("src/decision/judge/release.rs", "told.without(apart.beside.and(bites))", "(if OFF { told } else { told.without(apart.beside.and(bites)) })", "what is told of stands beside what is released"),
    ("src/redact/walk/hooks.rs", "!plan.told.covers(known.node.told)", NEVER, "what is contained tells of no type that is hidden"),
    ("src/redact/plan.rs", "!known.node.themselves", ALWAYS, "of a person in another's record nothing leaves"),
    ("src/catalogue/body.rs", "a_person || person.is_none()", "(a_person && !OFF) || person.is_none()", "a person in another's record is not written"),
    ("src/redact/probe.rs", "kind == Found::Object && only && said", "kind == Found::Object && (OFF || only) && said", "an open role says nothing but what it is"),
    ("src/catalogue/resolve/query.rs", " && !matches!(param, Param::Unshown(_))", " && (OFF || !matches!(param, Param::Unshown(_)))", "digits are compared with what the entries show"),
    ("src/catalogue/search/comparison.rs", "!cuts && named(within)", "!cuts && (OFF || named(within))", "elements have to show what is compared"),
    ("src/catalogue/fhir_r4/routes.rs", "let written = !kind.read_only ||", "let written = OFF || !kind.read_only ||", "what a server goes by is not written"),
]


def checks():
    """Each as file, what stands there, what becomes of it, its name."""
    for part in ["standing", "proof", "release"]:
        file = f"src/decision/judge/{part}.rs"
        text = (ROOT / file).read_text()
        for match in re.finditer(r"reasons\.add_if\((.+?), (Reason::\w+)\);", text):
            condition, reason = match.groups()
            if condition != "true":
                line = text[: match.start()].count("\n") + 1
                yield file, match.group(0), f"reasons.add_if({NEVER}, {reason});".replace("CHECK", condition), f"{reason} (line {line})"
    for file, old, way, what in BY_HAND:
        yield file, old, way.replace("CHECK", old), what


def key(check):
    """What a check is remembered by, wherever in its file it stands."""
    file, old, _, _ = check
    return f"{file}: {old}"


def build(every):
    """The program of all tests, of a tree in which each check has its switch."""
    if TREE.exists():
        shutil.rmtree(TREE)
    shutil.copytree(ROOT, TREE, ignore=shutil.ignore_patterns("target", ".git", "node_modules"))
    for number, (file, old, new, _) in enumerate(every):
        path = TREE / file
        text = path.read_text()
        if text.count(old) != 1:
            sys.exit(f"{file}: `{old}` stands there {text.count(old)} times, not once; mend the list in {__file__}")
        path.write_text(text.replace(old, re.sub(r"\bOFF\b", f"crate::taken_out({number})", new)))
    library = TREE / "src" / "lib.rs"
    library.write_text("#![allow(unused_parens)]\n" + library.read_text() + SWITCH)
    command = ["cargo", "test", "--locked", "--no-run", "--test", "all", "--message-format=json-render-diagnostics"]
    environment = dict(os.environ, CARGO_TARGET_DIR=str(FOLDER / "build"), CARGO_PROFILE_DEV_OPT_LEVEL="1")
    done = subprocess.run(command, cwd=TREE, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("the tree with its switches does not compile; mend the list")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [one["executable"] for one in told if one.get("executable") and one["target"]["name"] == "all"][-1]


def first_failure(program, number, *arguments):
    """The first test that fails with check `number` out (None: with all in place), or `hangs`, or None."""
    environment = dict(os.environ, CARGO_MANIFEST_DIR=str(TREE))
    environment.pop("SEKISHO_TAKEN_OUT", None)
    if number is not None:
        environment["SEKISHO_TAKEN_OUT"] = str(number)
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    # A group of its own: what its tests have started ends with it.
    running = subprocess.Popen([program, *arguments], cwd=TREE, env=environment, text=True, start_new_session=True, **pipes)
    hung = threading.Event()
    timer = threading.Timer(HANGS_AFTER_S, lambda: (hung.set(), end(running)))
    timer.start()
    ended = False
    try:
        for line in running.stdout:
            ended = ended or line.startswith("test result: ok")
            if failed := re.match(r"test (\S+)(?: - should panic)? \.\.\. FAILED", line):
                return failed.group(1)
    finally:
        timer.cancel()
        end(running)
        running.wait()
    return None if ended else "hangs" if hung.is_set() else "ends"


def end(running):
    try:
        os.killpg(running.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Worker(threading.Thread):
    """Asks about one check after the other."""

    def __init__(self, program, waiting, remembered, results):
        super().__init__(daemon=True)
        self.program, self.waiting, self.remembered, self.results = program, waiting, remembered, results

    def run(self):
        while True:
            try:
                number, check = self.waiting.get_nowait()
            except queue.Empty:
                return
            began = time.time()
            self.results.put((check, self.without(number, check), time.time() - began))

    def without(self, number, check):
        """The test that notices, or None."""
        passed_over = []
        ways = list(self.ways(check))
        while ways:
            failed = first_failure(self.program, number, *ways[0], *passed_over)
            if failed in ("hangs", "ends"):
                return failed
            if failed is None:
                del ways[0]
            elif first_failure(self.program, None, failed, "--exact") is None:
                return failed
            else:
                # What fails with every check in place, too, notices nothing.
                passed_over += ["--skip", failed]
        return None

    def ways(self, check):
        """What is asked in turn: what noticed it, what noticed its neighbours, the likely ones, all."""
        file = check[0]
        if known := self.remembered.get(key(check)):
            yield known, "--exact"
        near = {test for name, test in self.remembered.items() if name.startswith(f"{file}: ")}
        if near:
            yield *sorted(near), "--exact"
        for room, tests in NEAR.items():
            if file.startswith(room):
                yield tuple(tests)
        yield tuple(TESTS)
        yield tuple(word for skipped in TESTS for word in ("--skip", skipped))


def keep(remembered, every):
    """Written after each check, so that a run that is broken off has not been for nothing."""
    there = {key(one) for one in every}
    REMEMBERED.write_text(json.dumps({k: v for k, v in sorted(remembered.items()) if k in there}, indent=1) + "\n")


def run(only, remember):
    every = list(checks())
    chosen = [(number, one) for number, one in enumerate(every) if not only or only in one[3] or only in one[0]]
    remembered = json.loads(REMEMBERED.read_text()) if REMEMBERED.exists() else {}
    program = build(every)
    waiting, results = queue.Queue(), queue.Queue()
    for one in chosen:
        waiting.put(one)
    for _ in range(min(WORKERS, len(chosen))):
        Worker(program, waiting, remembered, results).start()
    unnoticed = 0
    for _ in chosen:
        check, failed, seconds = results.get()
        print(f"{'noticed' if failed else 'UNNOTICED'} {seconds:4.0f} s  {check[0]}: {check[3]}: {failed or 'by no test'}", flush=True)
        if not failed:
            unnoticed += 1
        elif "::" in failed:
            remembered[key(check)] = failed
            if remember:
                keep(remembered, every)
    print(f"{len(chosen)} checks taken out in turn, {len(chosen) - unnoticed} noticed")
    return 1 if unnoticed or not chosen else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--list", action="store_true", help="print the checks and do nothing")
    parser.add_argument("--remember", action="store_true", help="keep in the tree which test noticed each, to be asked first")
    parser.add_argument("--only", help="only checks whose name or file has this text")
    arguments = parser.parse_args()
    if arguments.list:
        for file, _, _, what in checks():
            print(f"{file}: {what}")
    else:
        sys.exit(run(arguments.only, arguments.remember))
