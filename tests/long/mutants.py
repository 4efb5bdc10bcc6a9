#!/usr/bin/env python3
"""Removes one check of the judgement at a time and asks whether a test notices.

    tests/long/mutants.py [--list] [--only TEXT] [--remember]

Works on a copy of the tree under target/mutants, so that the working tree stays as it is. Exit code 1: a check whose
removal no test notices; each is named. Takes two to five minutes a check, two at
a time on two cores; less than one where it is remembered what noticed it.
"""
import argparse
import json
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "target" / "mutants"
# Which test noticed each: asked first.
REMEMBERED = pathlib.Path(__file__).with_name("noticed.json")
WORKERS = 2
# Else these, and of the filter its own.
TESTS = ["decision::", "layer::", "fhir::", "redact::parties"]

# Checks outside the judge: file, what stands there, what it becomes, what is then missing.
BY_HAND = [
    ("src/layer/exchange/declared.rs", "if !judgement.token_grants(judgement.purpose) {", "if false {", "a token's purposes narrow"),
    ("src/layer/exchange/subject.rs", "if found.unclassified_count > 0 && !self.merges(route) {", "if false {", "unnamed members of a write are refused"),
    ("src/layer/exchange/subject.rs", "if ready.judgement.route.as_ref().is_some_and(|route| route.replaces) && !self.merges(resolved.route) {", "if false {", "a PUT needs the whole view"),
    ("src/layer/exchange/subject.rs", "in_body.is_some_and(|other| other != named)", "false", "the body is about whom the path names"),
    ("src/layer/headers.rs", "named.trim().eq_ignore_ascii_case(field.as_str())", "false", "Connection names no checked field"),
    ("src/layer/entry.rs", "if subject != person => return Verdict::Drop", "if false => return Verdict::Drop", "an entry about another person is dropped"),
    ("src/layer/entry.rs", "Some(count) if count >= *least => Whose::NoOnes", "Some(_) => Whose::NoOnes", "small cells are withheld"),
    ("src/layer/declaration.rs", "if seen.contains(&key) {", "if false {", "a doubled parameter is refused"),
    ("src/layer/declaration.rs", "if fields.next().is_some() {", "if false {", "a doubled field is refused"),
    ("src/layer/gate.rs", "let may = bucket.left >= 1000;", "let may = true;", "refusals of one caller are bounded"),
    ("src/layer/exchange/subject.rs", "return Err(self.refuse(&ready.judgement, self.not_available(&ready.judgement), None, &[]).await);", "", "other ids of a path are pseudonyms too"),
    ("src/layer/exchange/subject.rs", "original.filter(|id| crate::catalogue::is_subject_id(id))", "original", "an opened id stays one name"),
    ("src/layer/exchange/subject.rs", "(SubjectAt::Body | SubjectAt::Stored, None) => {", "(SubjectAt::Body | SubjectAt::Stored, None) => None, #[allow(unreachable_patterns)] (SubjectAt::Body, None) => {", "a body says whom it is about"),
    ("src/layer/exchange/stored.rs", "(Settled::Person(named), Some(owner)) => named != owner,", "(Settled::Person(_), Some(_)) => false,", "a body takes no record from another person"),
    ("src/layer/exchange/stored.rs", "if !merges && says_cut(body) {", "if false {", "a cut record is not put back"),
    ("src/layer/exchange/writeback.rs", "names_hidden || !self.loses_nothing(ready, route, held, seen.as_ref(), view)", "names_hidden", "nothing unseen is erased"),
    ("src/layer/exchange/writeback.rs", "if wanted.is_some_and(|wanted| !holds(wanted)) {", "if false {", "a write is held to what was read"),
    ("src/layer/exchange/writeback.rs", "if wanted.is_none_or(|wanted| seen.tag.as_deref() != Some(wanted)) {", "if false {", "part of a record is put back over its view alone"),
    ("src/layer/exchange/writeback.rs", "merge::agrees(&shown, &put, &merged, &stored).map_err(unmerged)?;", "", "what is joined is shown once more"),
    ("src/layer/merge.rs", "(Document::Array(_), ..) if lacks(stored, view) => Err(", "(Document::Array(_), ..) if false => Err(", "an array that was cut is not put back"),
    ("src/layer/merge.rs", "_ if view.alike(put) => Ok(stored.clone()),", "_ => Ok(stored.clone()),", "what was shown otherwise comes back as it was"),
    ("src/layer/exchange/conditional.rs", "let shown = ready.permit.as_ref().is_some_and(", "let shown = true || ready.permit.as_ref().is_some_and(", "a condition needs ids in clear"),
    ("src/layer/exchange/conditional/found.rs", "(Some(told), Some(person)) if told != person => {", "(Some(told), Some(person)) if told != person && false => {", "a condition is about the person of its write"),
    ("src/layer/exchange/conditional/found.rs", "place.find(entry).as_ref() == Some(person)", "true", "what fits names the person"),
    ("src/layer/exchange/conditional/found.rs", "if found.len() > 1 {", "if false {", "a condition that fits several writes none"),
    ("src/redact/plan/quick.rs", "Leaf::Clear if place.watched => Leaf::ClearUnlessNumber,", "", "the word of a place has an Individual Number looked at"),
    ("src/redact/plan/quick.rs", "Leaf::Clear if place.reference && links => Leaf::ClearUnlessUrl,", "", "the word of a place has a URL past the gate looked at"),
    ("src/redact/walk/quick.rs", "if labels || shadow { None }", "if false { None }", "a label, or a shadow, takes a closer look"),
    ("src/layer/entry/decided.rs", "Arc::ptr_eq(&self.view, view) && ", "", "what has changed on file is decided about anew"),
    ("src/redact/filter.rs", "} else if self.changes_its_meaning(go, entry) {", "} else if self.changes_its_meaning(go, entry) && false {", "a record goes with its modifier"),
    ("src/redact/filter.rs", "if self.could_be_spelt(go, entry, known) {", "if false {", "a stopped number is not spelt by a search"),
    ("src/redact/walk/containers.rs", "} else if !takes {", "} else if false {", "an object where a value is catalogued is unclassified"),
    ("src/redact/walk/modifiers.rs", "walked.is_ok() && out == value", "walked.is_ok()", "an element goes with its modifier"),
    ("src/redact/walk/modifiers.rs", "if named && of_object() && cut() { Err(Fault::Modifier) } else { Ok(()) }", "Ok(())", "a modifier in what streams ends the answer"),
    ("src/catalogue/search/filter.rs", "let stays = along.subject || !self.is_person(target);", "let stays = true;", "a chain stays with its person"),
    ("src/catalogue/search/filter.rs", "let stays = along.subject || !self.is_person(at);", "let stays = true;", "a reverse chain stays with its person"),
    ("src/catalogue/search/filter.rs", "let enters = self.is_about_someone(kind) && !self.is_about_someone(at);", "let enters = false;", "records of no one lead to nobody's"),
    ("src/layer/paging/links.rs", "(!hostile && further && new).then_some(target)", "Some(target)", "a backend's link leads to the same list"),
    ("src/layer/paging/cursor.rs", "(now_ms < until).then_some(", "true.then_some(", "a cursor ends"),
    ("src/layer/entry.rs", "brought.then_some(", "true.then_some(", "records that nobody asked for are dropped"),
    ("src/registry/mod.rs", "if follower.header.is_some() && follower.header == self.index.header() {", "if follower.header.is_some() {", "a change between two entries is seen"),
    ("src/registry/mod.rs", "} else if header.is_some() && header == known && print.has_memory(index.inode()) {", "} else if header.is_some() && print.has_memory(index.inode()) {", "a change is seen at the next call"),
    ("src/layer/entry.rs", "        self.looked.set(false);", "", "a registry lost in the middle of a list ends it"),
    ("src/catalogue/mod.rs", "(plain && head.len() < 512 && !self.steps.contains(id)).then_some(head)", "(plain && head.len() < 512).then_some(head)", "a link to another route is no link to a record"),
    ("src/layer/exchange/transaction.rs", "Err(out) if failed(&out) => *out,", "Err(out) if failed(&out) && false => *out,", "one refusal undoes a transaction"),
    ("src/layer/exchange/transaction.rs", "(!same || self.started.elapsed() > WAIT_MAX)", "(self.started.elapsed() > WAIT_MAX)", "a stop holds for all of a transaction that waits"),
    ("src/layer/exchange/subject.rs", "if let Some(place) = search_in_reference(&value).filter(|_| route.is_fhir()) {", "if let Some(place) = search_in_reference(&value).filter(|_| false) {", "no reference of a write searches"),
    ("src/layer/exchange/transaction/held.rs", "if !write && request.extensions().get::<Permitted>().is_none() {", "if true {", "the writes of a transaction wait for each other"),
    ("src/layer/exchange/transaction/held.rs", "if !write && request.extensions().get::<Permitted>().is_none() {", "if !write {", "what a transaction reads waits for its writes"),
    ("src/layer/exchange/transaction.rs", "names.iter().any(|name| names::in_request(asked, name))", "false", "no read and no condition names what is made beside it"),
    ("src/layer/exchange/transaction/names.rs", "text.get(at + found.len()..).is_some_and(goes_on)", "false", "a longer name is another's"),
    ("src/redact/walk/hooks.rs", "person.is_some() && !known.node.of_a_person", "person.is_some()", "somebody contained goes with a patient"),
    ("src/redact/walk/containers.rs", "true => self.slot = Slot::Shadow(id),", "true => {}", "no two shadows of one name"),
    ("src/layer/looked.rs", "!seen.differs && seen.bases.iter()", "true || seen.bases.iter()", "a change about whom a transaction looked at undoes it"),
    ("src/layer/spelling.rs", "one.free_text && spells(one)", "false && spells(one)", "a number in a note is not spelt by a search of notes"),
    ("src/redact/probe.rs", "Subject::One(_) if thing => Subject::Unclear,", "", "a machine beside a patient may be another's"),
    ("src/layer/judgement.rs", "let query = if asked.0 == Action::Create { Categories::NONE } else { query };", "let query = if asked.0.releases() { query } else { Categories::NONE };", "a write is charged with what its status tells"),
    ("src/layer/entry.rs", "self.decide_searching(whose, record, &view, now, asked, query.or(told))", "self.decide_searching(whose, record, &view, now, asked, query)", "that there is a record of its type is asked for"),
    ("src/layer/exchange/filtering.rs", "if !action.releases() && !self.may_read_back(ready, asked) {", "if false {", "an answer to a write is a read"),
    ("src/layer/exchange/mod.rs", "if headers::connection_names_what_is_checked(&head.headers) {", "if false {", "Connection may name no checked field"),
    ("src/layer/exchange/refuse.rs", "if hidden && !judgement.is_staff() && refusal.reasons.iter().any(of_person) {", "if false {", "what depends on the person is not told outside"),
    ("src/layer/exchange/ready.rs", "if route.dicom().is_some_and(|dicom| dicom.refused) {", "if false {", "pixels of which nobody has said what they show are refused"),
    ("src/layer/exchange/subject.rs", "if whole || route.dicom().is_none() || route.shape() != Shape::Opaque {", "if true {", "what cannot be read inside leaves whole, or the backend is not asked"),
    ("src/layer/exchange/lookup.rs", "if repeats.is_none_or(", "if false && repeats.is_none_or(", "the archive repeats the ids that were asked for"),
    ("src/layer/exchange/lookup.rs", "if person.get_or_insert_with(|| named.clone()) != &named {", "if person.get_or_insert_with(|| named.clone()) == \"\" {", "two patients are nobody"),
    ("src/layer/pump.rs", "self.judgement.gate.tokens.as_ref().and_then(|tokens| tokens.settled())", "None", "what a pseudonym stands for is kept before it leaves"),
    ("src/catalogue/resolve/subject.rs", "if self.dicom.is_some() && value.contains('*') {", "if false {", "a pattern is no patient's id"),
    ("src/redact/plan/join.rs", "Act::Withhold => node.attribute || below <= act,", "Act::Withhold => below <= act,", "a withheld attribute goes whole"),
    ("src/layer/exchange/ready.rs", "(!media::accepts(&head.headers, own)).then_some(problem)", "None", "who takes no JSON is told so before the backend is asked"),
    ("src/layer/exchange/subject.rs", "Err(refusal) if by_the_head(&refusal) =>", "Err(refusal) if false && by_the_head(&refusal) =>", "who is refused by the head is not asked for a body"),
    ("src/layer/exchange/subject.rs", "Some(text) if media::is_written(text, fhir) => Ok(()),", "Some(_) => Ok(()),", "a write is JSON"),
    ("src/layer/exchange/filtering.rs", "if media::is_no_whole(fields) {", "if false {", "a stream of events is no file"),
    ("src/layer/media.rs", "parameters.iter().all(is_read).then_some(media)", "Some(media)", "another charset is not read"),
    ("src/layer/entry.rs", "if kind.fills && self.progress(Progress::is_before).unwrap_or(false) {", "if false {", "entries before a page are passed over"),
    ("src/layer/paging/counted.rs", "if here == 0 || full {", "if here < u64::MAX || full {", "a page that was cut is filled"),
    ("src/layer/paging/counted.rs", "if self.former.replace(bytes) == Some(bytes) {", "if false {", "an archive that repeats itself is found out"),
    ("src/layer/pump.rs", "(bare && nothing) || self.lacks_entries()", "bare && nothing", "metadata of which nothing may leave are no list"),
    ("src/policy/table.rs", "_ => Err(meant),", "[first, ..] => Ok(self.purpose_id(first)),", "a code of several purposes is none of them"),
    ("src/decision/judge.rs", "*id != RecipientId::INTERNAL && *id != RecipientId::PRINCIPAL", "true", "reserved ids are no one's entry"),
    ("src/decision/judge/proof.rs", "withheld.covers(request.asked)", "false", "an objection that covers all stops all"),
    ("src/decision/judge/release.rs", "let released = release.any().and(request.asked.or(request.query));", "let released = crate::policy::Categories::NONE;", "what may not leave side by side"),
    ("src/decision/judge/release.rs", "told.without(apart.beside.and(bites))", "told", "what is told of stands beside what is released"),
    ("src/redact/walk/hooks.rs", "!plan.told.covers(known.node.told)", "false", "what is contained tells of no type that is hidden"),
    ("src/redact/plan.rs", "if !known.node.themselves {", "if true {", "of a person in another's record nothing leaves"),
    ("src/catalogue/body.rs", "a_person || person.is_none()", "person.is_none()", "a person in another's record is not written"),
    ("src/redact/probe.rs", "kind == Found::Object && only && said", "kind == Found::Object && said", "an open role says nothing but what it is"),
    ("src/catalogue/resolve/query.rs", " && !matches!(param, Param::Unshown(_))", "", "digits are compared with what the entries show"),
    ("src/catalogue/search/comparison.rs", "!cuts && named(within)", "!cuts", "elements have to show what is compared"),
    ("src/catalogue/fhir_r4/routes.rs", "let written = !kind.read_only ||", "let written = true ||", "what a server goes by is not written"),
]


def mutants():
    parts = ["src/decision/judge/standing.rs", "src/decision/judge/proof.rs", "src/decision/judge/release.rs"]
    for part in parts:
        text = (ROOT / part).read_text()
        for match in re.finditer(r"reasons\.add_if\((.+?), (Reason::\w+)\);", text):
            if match.group(1) == "true":
                continue
            new = match.group(0).replace(match.group(1), "false && (" + match.group(1) + ")", 1)
            line = text[: match.start()].count("\n") + 1
            yield part, match.group(0), new, f"{match.group(2)} (line {line})"
    yield from BY_HAND


def key(check):
    """What a check is remembered by, wherever in its file it stands."""
    file, old, _, _ = check
    return f"{file}: {old}"


class Worker(threading.Thread):
    """Takes one check after the other out of a copy of the tree of its own."""

    def __init__(self, number, checks, remembered, results):
        super().__init__()
        self.checks, self.remembered, self.results = checks, remembered, results
        self.copy = FOLDER / f"tree-{number}"
        self.environment = dict(os.environ, CARGO_TARGET_DIR=str(FOLDER / f"build-{number}"))
        if self.copy.exists():
            shutil.rmtree(self.copy)
        shutil.copytree(ROOT, self.copy, ignore=shutil.ignore_patterns("target", ".git", "node_modules"))

    def run(self):
        while True:
            try:
                check = self.checks.get_nowait()
            except queue.Empty:
                return
            self.results.put((check, *self.without(check)))

    def without(self, check):
        """The tests that notice, or none; how long that took; and what was printed."""
        file, old, new, what = check
        path, began = self.copy / file, time.time()
        original = path.read_text()
        path.write_text(original.replace(old, new, 1))
        try:
            # What noticed it before is asked first: mostly nothing else has to be.
            known = self.remembered.get(key(check))
            failed, printed = self.test(known, "--exact") if known else ([], "")
            if not failed:
                failed, printed = self.test(*TESTS, *(["redact::"] if file.startswith("src/redact/") else []))
        finally:
            path.write_text(original)
        return failed, time.time() - began, printed

    def test(self, *filters):
        command = ["cargo", "test", "-q", "--locked", "--test", "all", "--", *filters]
        done = subprocess.run(command, cwd=self.copy, env=self.environment, capture_output=True, text=True)
        if done.returncode == 0 or "test result: FAILED" not in done.stdout:
            return [], done.stdout[-200:] + done.stderr[-2000:]
        names = done.stdout.rpartition("failures:")[2]
        return re.findall(r"^    (\S+)$", names, re.MULTILINE) or ["?"], ""


def run(only, remember):
    chosen = [one for one in mutants() if not only or only in one[3] or only in one[0]]
    for file, old, _, _ in chosen:
        if old not in (ROOT / file).read_text():
            sys.exit(f"{file}: `{old}` is not there any more; mend the list in {__file__}")
    remembered = json.loads(REMEMBERED.read_text()) if REMEMBERED.exists() else {}
    checks, results = queue.Queue(), queue.Queue()
    for one in chosen:
        checks.put(one)
    workers = [Worker(number, checks, remembered, results) for number in range(min(WORKERS, len(chosen)))]
    for worker in workers:
        worker.start()
    alive = 0
    for _ in chosen:
        check, failed, seconds, printed = results.get()
        file, _, _, what = check
        print(f"{'noticed ' if failed else 'UNNOTICED'} {seconds:5.0f} s  {file}: {what}", flush=True)
        if failed:
            remembered[key(check)] = sorted(failed)[0]
        else:
            alive += 1
            if "test result: ok" not in printed:
                print(printed)
    if remember:
        there = {key(one) for one in mutants()}
        REMEMBERED.write_text(json.dumps({k: v for k, v in sorted(remembered.items()) if k in there}, indent=1) + "\n")
    print(f"{len(chosen)} checks removed in turn, {len(chosen) - alive} noticed")
    return 1 if alive or not chosen else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--list", action="store_true", help="print the checks and do nothing")
    parser.add_argument("--remember", action="store_true", help="keep in the tree which test noticed each, to be asked first")
    parser.add_argument("--only", help="only checks whose name or file has this text")
    arguments = parser.parse_args()
    if arguments.list:
        for file, _, _, what in mutants():
            print(f"{file}: {what}")
    else:
        sys.exit(run(arguments.only, arguments.remember))
