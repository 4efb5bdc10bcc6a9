"""Reads the verified access log of a tour and checks that it tells the whole story.

story.py RUN: RUN/story.jsonl holds the records. Prints the story; exits 1 if anything is missing from it, or too much in it.
"""

import collections
import json
import pathlib
import sys

RUN = pathlib.Path(sys.argv[1])
RECORDS = [json.loads(line) for line in (RUN / "story.jsonl").read_text().splitlines()]
failed = []


def check(holds, what):
    print(("  ok    " if holds else "  FAILS ") + what)
    if not holds:
        failed.append(what)


def of(kind, caller=None, **fields):
    """The records of this kind and caller whose members are these."""
    chosen = [r for r in RECORDS if r["kind"] == kind and (caller is None or r["caller"]["id"] == caller)]
    return [r for r in chosen if all(r.get(name) == value for name, value in fields.items())]


print("the access log, its chain verified")
begun, ended = of("begin"), {record["begin"]: record for record in of("end")}
check(begun and all(record["seq"] in ended for record in begun), f"{len(begun)} requests went on to the server, each has its end")
check(all(end["outcome"] == "completed" for end in ended.values()), "each was completed")

read = of("begin", "dr-mori", route="/Patient/{id}")
check(all(r["purpose"] == "care" and r["clauses"][0] == "3.A.1" and r["subjects"] for r in read), "the physician's reads: purpose, clause, whose chart")
[listed] = [r for r in of("begin", "dr-mori", route="/Encounter")]
check(ended[listed["seq"]]["entries_dropped"] == 1, "in the list of visits one entry was left out")
windows = [r for r in of("continuation") if r["begin"] == listed["seq"]]
check(sum(len(w["disclosed"]) for w in windows) == 7, "and the seven patients who were in it are named")

commissioned = of("begin", "acme-hr", route="/DiagnosticReport")[0]
check(commissioned["recipient"] == {"id": "employer", "organization": "acme", "country": "JP"}, "the employer: to whom it went")
check("record-provision" in commissioned["obligations"] and commissioned["clauses"][0] == "3.A.2c", "a provision to a third party, by 3.A.2c")
check(ended[commissioned["seq"]]["entries_dropped"] == 15, "fifteen other reports were left out")

student = of("begin", "student-ito", route="/Patient")[0]
check(set(student["forms"]) >= {"pseudonymised", "generalised", "withheld"}, f"the student's forms: {', '.join(student['forms'])}")

why = collections.Counter(reason["code"] for record in of("refusal") for reason in record["reasons"])
print("        refused: " + ", ".join(f"{code} {count}" for code, count in sorted(why.items())))
check({"restricted", "search-not-permitted", "purpose-not-for-role", "no-such-route", "no-such-method", "unknown-parameter"} <= set(why), "every refusal has its reason")
strangers = collections.Counter()
for row in (row for record in of("strangers") for row in record["refused"]):
    strangers[row["reason"]] += row["count"]
# TRACE and OPTIONS are refused before any site is asked who calls.
check(strangers == {"no-credentials": 1, "token-malformed": 1, "no-such-method": 2}, "four strangers are counted, not recorded one by one")

charts = [json.loads(line) for path in (RUN.parent / "cache" / "charts").glob("*.ndjson") for line in path.read_text().splitlines()]
patients = [chart for chart in charts if chart["resourceType"] == "Patient"]
personal = {p["id"] for p in patients} | {p["name"][0]["family"] for p in patients} | {p["telecom"][0]["value"] for p in patients} | {"E78.5"}
everything = (RUN / "story.jsonl").read_text() + (RUN / "gate.log").read_text()
check(not [word for word in personal if word in everything], "no id, name, telephone number or diagnosis of a patient in it")

asked = json.loads((RUN / "stats.json").read_text())
# `start` asked once, and whoever wrote stats.json asked for nothing.
# Before a record is changed it is looked at; a page here needs no second one of the server's.
changes = sum(record["action"] in ("update", "delete") for record in begun)
conditional = 4  # for each the gate searched; of these one was a change
joined = of("begin", "sato-billing", method="PUT", route="/Claim/{id}") + of("begin", "dr-mori", method="PUT", route="/Patient/{id}")
check(len(joined) == 2 and all(r["action"] == "update" and r["subjects"] for r in joined), "the two views that were put back: by whom, about whom")
over = [why[code] for code in ("precondition-failed", "precondition-required", "hidden-changed")]  # refused over what was looked at
check(over == [1, 1, 1], "an old tag, none, and a change of what was hidden are on record as refused")
check(asked["requests"] == len(begun) + changes + conditional + sum(over) + 1, f"the server was asked {asked['requests'] - 1} times, and each time is on record")
print(f"{len(failed)} checks failed" if failed else "every check holds")
sys.exit(bool(failed))
