"""Calls the running gate as each of the clinic's callers and checks what comes back.

tour.py RUN: RUN is the folder that `start` filled. Prints a line per check; exits 1 after the last one if any failed.
Raw requests go through curl. Every resource of every answer is read by fhirclient's strict models.
"""

import json
import pathlib
import re
import subprocess
import sys

from fhirclient.models import claim, condition, observation, patient
from fhirclient.models.fhirelementfactory import FHIRElementFactory
from fhirclient.server import FHIRServer

RUN = pathlib.Path(sys.argv[1])
PORTS = dict(line.split("=") for line in (RUN / "ports").read_text().split())
GATE = f"http://127.0.0.1:{PORTS['GATE']}/fhir"
JOINED = f"http://127.0.0.1:{PORTS['GATE']}/joined"
SERVER = f"127.0.0.1:{PORTS['FHIR']}"
PROVIDER = f"http://127.0.0.1:{PORTS['PROVIDER']}"
SECRET = (RUN / "secret").read_text()

# Of the generated charts, and of registry.toml.
EXAMINED = "6d367230-21b3-5816-8d8c-5239028c388f"
CONSENTED = "80401638-739f-51b5-92cc-fab26441096b"
STOPPED = "48d268aa-90e4-54f1-a51b-d5f382b767d3"
NOT_OUTSIDE = "fd5d1f2e-3189-52b9-a874-32d0a3bfe99a"
HBA1C = "0d808450-7d1c-51c3-91e4-f14251447c90"

CARE = ("dr-mori", "care")
MONEY = ("sato-billing", "administration.accounting")
STUDY = ("student-ito", "operations.student-training")
ACME = ("acme-hr", 'employer-notification;basis="implied-consent"')
GLOBEX = ("globex-hr", 'employer-notification;basis="implied-consent"')
REFERRED = ("minato-hospital", 'care.coordination;basis="implied-consent"')

failed = []


def check(holds, what):
    print(("  ok    " if holds else "  FAILS ") + what)
    if not holds:
        failed.append(what)


def curl(*arguments):
    command = ["curl", "-s", "-i", "--max-time", "30", *arguments]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    return int(head.split()[1]), head.lower(), body


tokens = {}


def token(who):
    if who not in tokens:
        status, _, body = curl("-u", f"{who}:{SECRET}", "-d", "grant_type=client_credentials", f"{PROVIDER}/token")
        assert status == 200, body
        tokens[who] = json.loads(body)["access_token"]
    return tokens[who]


def ask(caller, path, *more):
    """Status, head and parsed body of one request; never with the server's own address in it."""
    who, purpose = caller
    fields = ["-H", f"authorization: Bearer {token(who)}"] + (["-H", f"purpose-of-use: {purpose}"] if purpose else [])
    status, head, body = curl(*fields, *more, GATE + path)
    if SERVER in head + body:
        check(False, f"the server's address is in the answer to {path}")
    parsed = json.loads(body) if body and "json" in head else None
    if "content-type: application/fhir+json" in head and body:
        FHIRElementFactory.instantiate(parsed["resourceType"], parsed)  # raises where a model is not met
    return status, head, parsed


def found(caller, path):
    status, _, bundle = ask(caller, path)
    assert status == 200, (caller, path, status, bundle)
    return [entry["resource"] for entry in bundle.get("entry", [])]


def text_of(resources):
    return json.dumps(resources, ensure_ascii=False)


def stats():
    return json.loads(subprocess.run(["curl", "-s", f"http://{SERVER}/_stats"], check=True, capture_output=True).stdout)


def client(caller, gate=GATE):
    """fhirclient, with the caller's token and purpose on every request."""
    server = FHIRServer(None, gate)
    server.session.headers.update({"Authorization": f"Bearer {token(caller[0])}", "Purpose-Of-Use": caller[1]})
    server.prepare()
    return server


def refused(caller, path, status, what, *more):
    """Refused with this status, and the server was not asked."""
    before = stats()["requests"]
    got, _, body = ask(caller, path, *more)
    asked = stats()["requests"] - before
    check(got == status and asked == 0, f"{status}, server not asked: {what}" + ("" if got == status else f" (got {got}: {body})"))


def physician():
    print("a physician, for care (3.A.1)")
    server = client(CARE)
    check(server.capabilityStatement.rest[0].resource[0].type == "Account", "fhirclient reads the CapabilityStatement")
    chart = patient.Patient.read(EXAMINED, server)
    check(chart.name[0].family == "Dummett" and chart.telecom[0].value.startswith("090-"), "the chart is in clear")
    check(chart.address[0].state == "東京都", "the address too, in its own letters")
    problems = condition.Condition.where({"patient": EXAMINED}).perform_resources(server)
    check({p.code.coding[0].code for p in problems} >= {"E78.5"}, f"{len(problems)} diagnoses, coded")
    pages = list(observation.Observation.where({"patient": EXAMINED, "_count": "5"}).perform_iter(server))
    results = [entry.resource for page in pages for entry in page.entry]
    check(len(pages) == 3 and len(results) == 13, f"fhirclient follows the page links: {len(results)} results on {len(pages)} pages")
    status, head, bundle = ask(CARE, f"/Observation?patient={EXAMINED}&_count=2", "--compressed")
    urls = [entry["fullUrl"] for entry in bundle["entry"]] + [link["url"] for link in bundle["link"]]
    check(all(url.startswith(GATE) for url in urls), f"every URL leads to the gate: {urls[0][:60]}…")
    check("content-encoding: " in head, "the answer is compressed for who asks for it")
    check('permit;id="' in head and "3.a.1" in head, "the answer names decision and clause")


def lists():
    print("a list is cut per patient (7)")
    people = found(CARE, "/Patient")
    ids = {person["id"] for person in people}
    check(len(ids) == 7 and STOPPED not in ids, f"{len(ids)} of 8 patients: the one who had use stopped is not among them")
    status, _, bundle = ask(CARE, "/Patient")
    check("total" not in bundle, "and no total betrays him")
    subjects = {r["subject"]["reference"] for r in found(CARE, "/Encounter?_count=100")}
    check(len(subjects) == 7 and f"Patient/{STOPPED}" not in subjects, "nor is his visit in the list of visits")
    refused(CARE, f"/Patient/{STOPPED}", 403, "his chart, named")
    refused(CARE, f"/Condition?patient={STOPPED}", 403, "his diagnoses")


def accountant():
    print("the accountant, for accounting (3.A.1)")
    [invoice] = found(MONEY, f"/Invoice?patient={EXAMINED}")
    check(invoice["totalNet"] == {"currency": "JPY", "value": 3000}, "the invoice's amount is in clear")
    check("lipid" not in text_of(invoice) and "diabetic" not in text_of(invoice), "what was examined and the note are not")
    [claim] = found(MONEY, f"/Claim?patient={EXAMINED}")
    check("E78.5" not in text_of(claim) and "diagnosisCodeableConcept" not in text_of(claim), "the claim has no diagnosis")
    check("REDACTED" in [label["code"] for label in claim["meta"]["security"]], "and its label says that it was cut")
    check(found(MONEY, f"/Coverage?patient={EXAMINED}")[0]["subscriberId"] == "0613-0000", "the insurance is in clear")
    refused(MONEY, "/Condition", 403, "the list of diagnoses, not even that there are any")
    refused(MONEY, f"/MedicationRequest?patient={EXAMINED}", 403, "prescriptions")
    refused((MONEY[0], "care"), f"/Patient/{EXAMINED}", 403, "the chart, under a purpose that is not for her role")


def student():
    print("a student, in training (3.B.1)")
    people = found(STUDY, "/Patient")
    shown = text_of(people)
    check(not any("telecom" in p or "address" in p or "contact" in p or "name" in p for p in people), "no contact data, no name")
    check(not re.search(r"090-|home\.example|東京都|Dummett", shown), "nor anywhere in the text")
    check({len(p["birthDate"]) for p in people} == {4}, "birth dates are years")
    check(not any(known in shown for known in (EXAMINED, CONSENTED)), "ids are pseudonyms")
    known = {p["id"] for p in people}
    problems = found(STUDY, "/Condition?_count=50")
    subjects = {p["subject"]["reference"].removeprefix("Patient/") for p in problems}
    check(subjects <= known and problems[0]["code"]["coding"][0]["code"], "diagnoses in clear, of the same pseudonyms")
    [one] = [p for p in people if p["gender"] == "female"][:1]
    status, _, again = ask(STUDY, f"/Patient/{one['id']}")
    check(status == 200 and again == one, "a pseudonym opens the same chart again")
    check(one["meta"].get("versionId") not in text_of(found(CARE, "/Patient")), "versions cannot be joined either")
    refused(STUDY, f"/Patient/{EXAMINED}", 404, "the real id means nothing to a student")
    refused(STUDY, "/Patient?phone=090-0000-1000", 403, "no search by a telephone number he may not see")


def employers():
    print("an employer, the examination it commissioned (3.A.2c)")
    reports, results = found(ACME, "/DiagnosticReport"), found(ACME, "/Observation?_count=200")
    check(len(reports) == 1 and len(results) == 1, "one report and one result out of 16 and 104")
    check(results[0]["code"]["coding"][0]["code"] == "4548-4" and "valueQuantity" in results[0], "with its value")
    check(results[0]["subject"] == {"display": "Dummett Ives"}, "and whose it is, by name, without an id")
    check(found(ACME, "/Patient") == [], "no chart")
    refused(ACME, "/Condition", 403, "no diagnoses")
    refused(ACME, f"/Observation/{HBA1C}", 404, "ids are not shown, so none is taken")
    check(found(GLOBEX, "/DiagnosticReport") == [], "another employer gets nothing")
    refused(("mallory", ACME[1]), "/DiagnosticReport", 403, "an organisation that the provider may not speak for")


def hospital():
    print("another hospital, coordination (3.A.2a)")
    status, head, chart = ask(REFERRED, f"/Patient/{CONSENTED}")
    check(status == 200 and chart["name"][0]["family"] == "Fakeworth", "a chart, in clear")
    ids = {person["id"] for person in found(REFERRED, "/Patient")}
    check(len(ids) == 6 and not ids & {STOPPED, NOT_OUTSIDE}, "six of eight: two had this stopped")
    before = stats()["requests"]
    stopped, unknown = ask(REFERRED, f"/Patient/{NOT_OUTSIDE}"), ask(REFERRED, "/Patient/no-such-patient")
    check(stats()["requests"] - before == 1, "only the unknown id is asked for")
    blank = lambda answer: re.sub(r"[0-9a-f]{32}", "…", text_of(answer[2]))
    check(stopped[0] == unknown[0] == 404 and blank(stopped) == blank(unknown), "one who had it stopped looks like an unknown id")
    check(ask(CARE, f"/Patient/{NOT_OUTSIDE}")[0] == 200, "within the clinic her care goes on")


def searching():
    print("a search asks only about what its caller sees")
    of_one = lambda records: {record["subject"]["reference"] for record in records} == {f"Patient/{EXAMINED}"}
    for query in ["subject:Patient.name=Dummett", "patient.name:exact=Dummett", "patient:Patient=" + EXAMINED]:
        check(of_one(found(CARE, f"/Condition?{query}")), f"a physician may ask {query[:40]}")
    form = ask(CARE, "/Condition/_search", "-d", "subject:Patient.name=Dummett")
    check(form[0] == 200 and of_one([entry["resource"] for entry in form[2]["entry"]]), "and as a form")
    kinds = {record["resourceType"] for record in found(CARE, "/Condition?_include=Condition:patient&_count=2")}
    check("Patient" in kinds, f"what is included is there: {sorted(kinds)}")
    for query in ["Patient?_has:Condition:patient:code=E78.5", "Claim?encounter:Encounter.status=finished", "Patient?_revinclude=Condition:patient"]:
        refused(MONEY, f"/{query}", 403, f"the accountant asks {query}")
    refused(STUDY, "/Patient?birthdate=1961", 403, "a student asks by a date of which he sees the year")


def writing():
    print("a write is judged by the record that is there")
    [one, *_] = found(CARE, f"/Condition?patient={EXAMINED}")
    path = f"/Condition/{one['id']}"
    change = ["-X", "PATCH", "-H", "content-type: application/json-patch+json", "-d"]
    patch = json.dumps([{"op": "add", "path": "/note", "value": [{"text": "seen"}]}])
    status, _, body = ask(CARE, path, *change, patch)
    check(status == 200, f"a physician adds a note ({status} {text_of(body)[:300] if status != 200 else ''})")
    check(ask(CARE, path)[2].get("note") == [{"text": "seen"}], "and reads it")
    check(len(found(CARE, f"{path}/_history")) == 2, "both versions are there")
    moved = json.dumps([{"op": "replace", "path": "/subject/reference", "value": "Patient/x"}])
    refused(CARE, path, 400, "a patch to another patient's chart", *change, moved)
    refused(MONEY, path, 403, "an accountant's patch", *change, patch)
    put = ["-X", "PUT", "-H", "content-type: application/fhir+json", "-d"]
    cut = json.dumps(ask(CARE, f"/Patient/{EXAMINED}")[2])
    refused(CARE, f"/Patient/{EXAMINED}", 403, "a chart of which part was seen is not put back", *put, cut)


class Editor:
    """One record as fhirclient reads it and puts it back, over the view that was read."""

    def __init__(self, caller, kind, number):
        self.server, self.kind, self.number, self.status, self.tag = client(caller, JOINED), kind, number, None, None
        self.server.session.hooks["response"].append(self.answered)

    def answered(self, response, *_, **__):
        self.status, tag = response.status_code, response.headers.get("ETag")
        if response.request.method == "GET" and tag:
            self.tag = tag

    def read(self):
        return self.kind.read(self.number, self.server)

    def put(self, record, tag):
        """The status; `tag`: `If-Match`."""
        self.server.session.headers.update({"If-Match": tag} if tag else {})
        try:
            record.update(self.server)
        except Exception as refusal:  # each refusal of a server is an exception of its own
            if not 400 <= (self.status or 0) < 500:
                raise refusal
        self.server.session.headers.pop("If-Match", None)
        return self.status

    def stored(self):
        """The record at the server itself, past the gate; and its labels, without what a server writes at each version."""
        address = f"http://{SERVER}/_stored/{self.kind.__name__}/{self.number}"
        kept = json.loads(subprocess.run(["curl", "-s", address], check=True, capture_output=True).stdout)
        labels = {name: value for name, value in kept.pop("meta", {}).items() if name not in ("versionId", "lastUpdated")}
        return kept, labels


def same(one, other):
    """The same values in the same spelling, in whatever order members stand."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def joining():
    print("a record of which part was seen is put back, where the site joins it (write = \"merge\")")
    editor = Editor(MONEY, claim.Claim, f"clm-{EXAMINED[:8]}")
    (before, labels), view = editor.stored(), editor.read()
    old = editor.tag
    check(view.diagnosis is None and len(before["diagnosis"]) == 2, "the accountant is shown a claim without its two diagnoses")
    view.total.value = 3300
    status = editor.put(view, old)
    after, kept = editor.stored()
    check(status == 200 and after["total"]["value"] == 3300, f"she puts it back with another total ({status})")
    check(same(after, before | {"total": {"currency": "JPY", "value": 3300}}), "at the server nothing else has changed: the diagnoses are there, value for value")
    check(same(kept, labels), "and none of the gate's labels")
    check(editor.put(view, old) == 412, "412: by the tag of the view that is no more")
    check(editor.put(view, None) == 428, "428: by none")
    view = editor.read()
    view.diagnosis = [claim.ClaimDiagnosis({"sequence": 1, "diagnosisCodeableConcept": {"text": "a cold"}})]
    check(editor.put(view, editor.tag) == 403, "403: with a diagnosis, which she may not see, nor change")
    check(same(editor.stored()[0], after), "none of them wrote anything")
    editor = Editor(CARE, patient.Patient, EXAMINED)
    (before, labels), view = editor.stored(), editor.read()
    check(view.text is None and "Ives Dummett" in before["text"]["div"], "a physician is shown a chart without its words")
    view.telecom[0].value = "090-0000-2000"
    status = editor.put(view, editor.tag)
    after, kept = editor.stored()
    changed = [before["telecom"][0] | {"value": "090-0000-2000"}, *before["telecom"][1:]]
    check(status == 200 and same([after, kept], [before | {"telecom": changed}, labels]), f"and corrects a telephone number ({status}): the words stay, value for value")


def posted(text):
    return ["-X", "POST", "-H", "content-type: application/fhir+json", "-d", text]


def on_condition():
    print("a write on a condition: the gate searches, and the server is sent none")
    number = {"system": "urn:example:problems", "value": "tour-1"}
    of = lambda who: {"resourceType": "Condition", "subject": {"reference": f"Patient/{who}"}, "code": {"text": "a cold"}, "identifier": [number]}
    condition = "if-none-exist: identifier=urn:example:problems|tour-1"
    first = ask(CARE, "/Condition", *posted(json.dumps(of(EXAMINED))), "-H", condition)
    check(first[0] == 201, f"none fits: it is created ({first[0]})")
    again = ask(CARE, "/Condition", *posted(json.dumps(of(EXAMINED))), "-H", condition)
    check(again[0] == 200 and again[2]["id"] == first[2]["id"], "one fits: nothing is written, and it is read")
    other = ask(CARE, "/Condition", *posted(json.dumps(of(CONSENTED))), "-H", condition)
    check(other[0] == 201 and other[2]["id"] != first[2]["id"], "another person's number is nobody's here")
    claim = json.dumps({"resourceType": "Claim", "patient": {"reference": f"Patient/{EXAMINED}"}})
    refused(MONEY, "/Claim", 403, "the accountant asks by a condition", *posted(claim), "-H", "if-none-exist: encounter:Encounter.status=finished")
    changed = of(EXAMINED) | {"code": {"text": "a bad cold"}}
    put = ask(CARE, "/Condition?identifier=urn:example:problems|tour-1", "-X", "PUT", "-H", "content-type: application/fhir+json", "-d", json.dumps(changed))
    check(put[0] == 200 and put[2]["id"] == first[2]["id"] and put[2]["code"]["text"] == "a bad cold", f"a PUT of the one that fits ({put[0]})")


def several():
    print("several requests in one: each as if it had come alone")
    get = lambda url: {"request": {"method": "GET", "url": url}}
    entries = [get(f"Patient/{EXAMINED}"), get(f"Patient/{STOPPED}"), get(f"Condition?patient={EXAMINED}"), get("Patient?shoe-size=9"), get("$export")]
    batch = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})
    status, _, body = ask(CARE, "/", *posted(batch))
    got = [entry["response"]["status"][:3] for entry in body["entry"]] if status == 200 else []
    check(got == ["200", "403", "200", "400", "404"], f"a physician's batch: {status} {got}")
    check(status == 200 and body["entry"][0]["resource"]["id"] == EXAMINED and STOPPED not in text_of(body), "with what each would get alone")
    status, _, body = ask(MONEY, "/", *posted(batch))
    check(status == 200 and body["entry"][2]["response"]["status"][:3] == "403", "an accountant's has no diagnoses")


def requests():
    print("what this gate does not take up")
    read = f"/Patient/{EXAMINED}"
    for method in ["POST", "TRACE", "OPTIONS"]:
        refused(CARE, read, 405, method, "-X", method)
    refused(CARE, read, 403, "DELETE", "-X", "DELETE")
    refused(CARE, "/Patient", 405, "a PUT to all charts", "-X", "PUT")
    visit = {"fullUrl": "urn:uuid:visit", "resource": {"resourceType": "Encounter"}, "request": {"method": "POST", "url": "Encounter"}}
    reads = {"request": {"method": "GET", "url": "Condition?encounter=urn:uuid:visit"}}
    transaction = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [visit, reads]})
    refused(CARE, "/", 501, "a transaction that reads by what it makes", *posted(transaction))
    for path in [f"{read}/$validate", "/_history", "/$export", "/Parameters/x", "/Bundle", "/$match/x", "/"]:
        refused(CARE, path, 404, path)
    for query in [
        "_summary=count", "_elements=name", "_include=Condition:code", "_total=accurate", "_offset=2", "code:contains=E",
        "_has:Observation:patient:code=4548-4", "evidence-detail.code=x", "_filter=code%20eq%20E78.5", "_cursor=AAAA", "_format=xml", "patient=a&patient=b",
    ]:
        refused(CARE, f"/Condition?{query}", 400, query)
    for path in ["//Patient", "/Patient/..%2fCondition", "/Patient/%2e%2e", "/Patient/a%00b"]:
        before = stats()["requests"]
        status = ask(CARE, path, "--path-as-is")[0]
        check(status in (400, 404) and stats()["requests"] == before, f"{status}, server not asked: {path}")
    refused((CARE[0], None), read, 400, "no purpose declared")
    refused((CARE[0], "curiosity"), read, 403, "a purpose that the policy does not know")
    before = stats()["requests"]
    strange = [curl(GATE + read), curl("-H", "authorization: Bearer x.y.z", GATE + read)]
    check([s for s, _, _ in strange] == [401, 401] and stats()["requests"] == before, "401, server not asked: no token; not a token")


if __name__ == "__main__":
    for part in (physician, lists, accountant, student, employers, hospital, searching, requests, writing, joining, on_condition, several):
        part()
    (RUN / "stats.json").write_text(json.dumps(stats()))  # for the story
    print(f"{len(failed)} checks failed" if failed else "every check holds")
    sys.exit(bool(failed))
