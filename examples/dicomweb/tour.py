"""What a DICOMweb client gets through the gate: tries it with dicomweb-client and pydicom, and checks every byte.

    tour.py FOLDER              what each caller gets
    tour.py FOLDER again        after the gate was killed and started
    tour.py FOLDER log          what stands in the log, once it is whole
"""
import json
import os
import pathlib
import re
import subprocess
import sys

import pydicom
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

FOLDER = pathlib.Path(sys.argv[1])
RUN = FOLDER / "run"
WHAT = sys.argv[2] if len(sys.argv) > 2 else "callers"
PORTS = dict(line.split("=") for line in (RUN / "ports").read_text().split())
GATE = f"http://127.0.0.1:{PORTS['GATE']}/dicom-web"
ARCHIVE = f"127.0.0.1:{PORTS['ORTHANC']}"
TOKENS = json.loads((RUN / "tokens.json").read_text())
ROOT = pathlib.Path(__file__).resolve().parents[2]
SEKISHO = os.environ.get("SEKISHO") or f"{os.environ.get('CARGO_TARGET_DIR') or ROOT / 'target'}/debug/sekisho"
REMEMBERED = RUN / "remembered.json"
# Any address but the gate's: the archive writes its own with and without its port.
ELSEWHERE = re.compile(rb"//(127\.0\.0\.1|localhost)(?!:%s/)" % PORTS["GATE"].encode())
PRIVATE = re.compile(rb'"[0-9A-F]{3}[13579BDF][0-9A-F]{4}"\s*:')
CHARTS = {d.SOPInstanceUID: d for d in map(pydicom.dcmread, sorted((FOLDER / "cache" / "charts").glob("SK-*.dcm")))}
UIDS = {uid for d in CHARTS.values() for uid in (d.StudyInstanceUID, d.SeriesInstanceUID, d.SOPInstanceUID)}

checks = 0


def check(holds, what):
    global checks
    checks += 1
    if not holds:
        sys.exit(f"does not hold: {what}")


class Caller(requests.Session):
    """A client's session that keeps every answer, whatever the client makes of it."""

    def __init__(self, role, purpose, hidden=()):
        super().__init__()
        self.headers.update({"Authorization": f"Bearer {TOKENS[role]}", "Purpose-Of-Use": purpose})
        self.hidden = hidden
        self.hooks["response"].append(self.look)
        self.client = DICOMwebClient(GATE, session=self)

    def look(self, answer, *_, **__):
        everything = answer.content + repr(answer.headers).encode()
        check(not ELSEWHERE.search(everything), f"the archive's address left: {answer.url}")
        for mark in self.hidden:
            check(mark not in everything, f"{mark} left: {answer.url} {answer.content[:2000]}")
        if "json" in answer.headers.get("content-type", ""):
            found = PRIVATE.search(answer.content)
            check(found is None, f"a private attribute left: {found} {answer.url}")

    def status(self, path, **query):
        return self.get(f"{GATE}{path}", params=query).status_code


def parsed(datasets, mode=pydicom.config.RAISE):
    """As pydicom reads them: any value that is none of its kind is an error."""
    pydicom.config.settings.reading_validation_mode = mode
    return [Dataset.from_json(json.dumps(dataset), lambda uri: None) for dataset in datasets]


def links(dataset):
    return [e.value for e in dataset.iterall() if e.tag == 0x00081190]


def physician():
    """Care: everything but what nobody named."""
    caller = Caller("physician", "care")
    client = caller.client
    raw = client.search_for_studies(search_filters={"PatientID": "SK-0001"})
    studies = [Dataset.from_json(study) for study in raw]
    check(len(studies) == 1, f"one study of one patient: {len(studies)}")
    check("花子" in str(studies[0].PatientName) and "ハナコ" in str(studies[0].PatientName), "the name in three spellings")
    check(all(url.startswith(GATE) for url in links(studies[0])), "retrieve URLs lead through the gate")
    uid = studies[0].StudyInstanceUID
    series = client.search_for_series(uid)
    check(len(series) == 2, f"two series: {len(series)}")
    for dataset in map(Dataset.from_json, series):
        images = client.retrieve_series_metadata(uid, dataset.SeriesInstanceUID)
        check(len(images) == 2, "two images of a series")
        for image in parsed(images):
            whole = CHARTS[image.SOPInstanceUID]
            check(image.RequestAttributesSequence[0].RequestedProcedureID == "zqxjR1", "a nested value")
            check(image.Rows == whole.Rows and image.ImageComments == "zqxjimage", "its own values")
            file = client.retrieve_instance(uid, dataset.SeriesInstanceUID, image.SOPInstanceUID)
            check(file.PixelData == whole.PixelData and file.PatientName == whole.PatientName, "the file is the file")
            frame = client.retrieve_instance_frames(
                uid, dataset.SeriesInstanceUID, image.SOPInstanceUID, [1], media_types=(("application/octet-stream", "*"),))
            check(frame[0] == whole.PixelData, "and so is its frame")
    everyones = client.search_for_studies()
    check(len(everyones) >= 15, f"the samples too: {len(everyones)}")
    numbers = {str(Dataset.from_json(study).get("PatientID")) for study in everyones}
    check("SK-0003" not in numbers and {"SK-0001", "SK-0002"} <= numbers, "who had the use stopped is in no list")
    check(caller.status("/studies", PatientID="SK-0003") == 403, "nor to be asked for")
    stopped = next(d for d in CHARTS.values() if d.PatientID == "SK-0003")
    path = f"/studies/{stopped.StudyInstanceUID}/series/{stopped.SeriesInstanceUID}/instances/{stopped.SOPInstanceUID}"
    check(caller.status(path) == 403, "nor her file, though it is asked for by no name of hers")
    check(caller.status("/studies", includefield="all") == 400, "all fields cannot be asked for")
    return everyones, client


def samples(everyones, client):
    """What pydicom ships, odd files among them, is read without a fault."""
    images = 0
    for study in everyones:
        uid = study["0020000D"]["Value"][0]
        try:
            found = client.retrieve_study_metadata(uid)
        except requests.HTTPError as error:
            # The archive itself answers no metadata of a few of them.
            straight = requests.get(f"http://{ARCHIVE}/dicom-web/studies/{uid}/metadata").status_code
            check(straight >= 400, f"{uid}: the archive answers {straight} and the gate {error}")
            continue
        images += len(parsed(found, pydicom.config.IGNORE))  # their own values are odd enough
    check(images >= 30, f"the images' metadata: {images}")
    print(f"  {images} images' metadata are read by pydicom")


# Every mark but those of codes; and the patients themselves.
HIDDEN = [b"zqxj", b"SK-000", b"YAMADA", "花子".encode(), "ハナコ".encode(), b"HANAKO", b"19870502", b"SUZUKI", "港区".encode()]


def student():
    """Training: health without who it is; ids are pseudonyms, and work as ids."""
    caller = Caller("student", "operations.student-training", HIDDEN + [uid.encode() for uid in UIDS])
    client = caller.client
    studies = [study for study in parsed(client.search_for_studies(search_filters={"StudyDate": "20251103"}))]
    check(len(studies) == 2, f"two patients' studies: {len(studies)}")
    seen = {}
    for study in studies:
        uid = study.StudyInstanceUID
        check(uid.startswith("2.25.") and uid.is_valid, f"{uid} is no UID")
        check("PatientName" not in study and study.PatientBirthDate in ("19870101", "19510101"), "a year, no name")
        check(study.StudyDate == "20251103" and study.PatientSex in "FM", "what tells of health alone")
        check(links(study) == [f"{GATE}/studies/{uid}"], f"{links(study)}")
        for series in parsed(client.search_for_series(uid)):
            check(series.StudyInstanceUID == uid, "the same study is the same pseudonym")
            for image in parsed(client.retrieve_series_metadata(uid, series.SeriesInstanceUID)):
                check(image.ReferencedStudySequence[0].ReferencedSOPInstanceUID == uid, "in a nested place too")
                check(image.PatientID == study.PatientID and len(image.PatientID) in (43, 44, 64), "the patient's too")
                one = parsed(client.retrieve_instance_metadata(uid, series.SeriesInstanceUID, image.SOPInstanceUID) and [
                    client.retrieve_instance_metadata(uid, series.SeriesInstanceUID, image.SOPInstanceUID)])[0]
                check(one.SOPInstanceUID == image.SOPInstanceUID, "an image is found by its pseudonym")
                code = image.RequestAttributesSequence[0].ScheduledProtocolCodeSequence[0]
                check(code.CodeMeaning == "CT of thorax", "a code is health")
                seen[uid] = [series.SeriesInstanceUID, image.SOPInstanceUID]
    study, (series, image) = next(iter(seen.items()))
    patient = next(s for s in studies if s.StudyInstanceUID == study).PatientID
    check(len(client.search_for_studies(search_filters={"PatientID": patient})) == 1, "a search by a pseudonym")
    check(len(client.search_for_series(search_filters={"StudyInstanceUID": study})) == 2, "and by a study's")
    known = next(iter(CHARTS.values()))
    for path, query in [(f"/studies/{known.StudyInstanceUID}/metadata", {}), ("/studies", {"PatientID": "SK-0001"}),
                        ("/studies", {"StudyInstanceUID": known.StudyInstanceUID}), ("/studies/2.25.1/metadata", {})]:
        check(caller.status(path, **query) == 404, f"{path} {query}: an id that is no pseudonym")
    for query in [{"PatientName": "YAMADA*"}, {"PatientBirthDate": "1987"}, {"StudyDescription": "hiv"}]:
        check(caller.get(f"{GATE}/studies", params=query).status_code == 403, f"{query}: a search on what is hidden")
    path = f"/studies/{study}/series/{series}/instances/{image}"
    for rest in ["", "/rendered", "/frames/1"]:
        check(caller.status(path + rest) == 403, f"{rest}: what cannot be read inside")
    REMEMBERED.write_text(json.dumps({"study": study, "series": series, "image": image}))


def again():
    """A new process: the pseudonyms given before still lead back, and are the same."""
    caller = Caller("student", "operations.student-training", HIDDEN + [uid.encode() for uid in UIDS])
    known = json.loads(REMEMBERED.read_text())
    image = caller.client.retrieve_instance_metadata(known["study"], known["series"], known["image"])
    check(parsed([image])[0].StudyInstanceUID == known["study"], "a pseudonym outlives the process")
    for name in ["pseudonyms.sqlite", "pseudonyms.sqlite-wal"]:
        file = RUN / "data" / name
        if file.exists():
            check(file.stat().st_mode & 0o077 == 0, f"{name} is the owner's alone")
            check(not any(uid.encode() in file.read_bytes() for uid in UIDS), f"{name} holds an original in clear")


def pages():
    """`limit` and `offset` count what the caller may see: a page tells nothing of who was left out."""
    caller = Caller("physician", "care")

    def named(studies):
        return [(one["0020000D"]["Value"][0], str(one.get("00100020"))) for one in studies]

    whole = named(caller.client.search_for_studies())
    check(len(whole) >= 15, f"all at once: {len(whole)}")
    straight = requests.get(f"http://{ARCHIVE}/dicom-web/studies").json()
    check(len(straight) > len(whole), "the archive has more: who had the use stopped")
    for limit in (1, 2, 3, 7, len(whole), len(whole) + 9):
        paged = []
        while True:
            page = caller.get(f"{GATE}/studies", params={"limit": limit, "offset": len(paged)}).json()
            paged += named(page)
            if len(page) < limit:
                break
        check(paged == whole, f"by {limit}: {len(paged)} of {len(whole)}")
    rest = caller.get(f"{GATE}/studies", params={"offset": 3}).json()
    check(named(rest) == whole[3:], "and it is the rest")
    none = [caller.get(f"{GATE}/studies", params=query) for query in ({"StudyDate": "19000101"}, {"offset": 9999})]
    check(all((one.status_code, one.text) == (200, "[]") for one in none), "nothing found is an empty list")
    check(caller.get(f"{GATE}/studies", params={"limit": 0}).status_code == 400, "no entry can be asked for")
    stopped = next(d for d in CHARTS.values() if d.PatientID == "SK-0003")
    hers = caller.get(f"{GATE}/series", params={"StudyInstanceUID": stopped.StudyInstanceUID})
    nobodys = caller.get(f"{GATE}/series", params={"StudyInstanceUID": "1.2.3"})
    check((hers.status_code, hers.text) == (nobodys.status_code, nobodys.text), "hers read as nobody's")


def beforehand():
    """`sekisho redact --dicom` shows of the archive's own answer what the gate lets go."""
    answer = requests.get(f"http://{ARCHIVE}/dicom-web/studies", params={"includefield": "00100020"}).content
    student = Caller("student", "operations.student-training", HIDDEN + [uid.encode() for uid in UIDS])
    for role, purpose, caller in [("physician", "care", Caller("physician", "care")),
                                  ("student", "operations.student-training", student)]:
        request = {"subject": {"type": "caller", "id": "x", "properties": {"roles": [role]}}, "action": {"name": "search"},
                   "resource": {"type": "record", "id": "x"}, "context": {"purpose": purpose}}
        (RUN / "request.json").write_text(json.dumps(request))
        shown = subprocess.run([SEKISHO, "redact", "--policy", RUN / "policy", "--as", RUN / "request.json", "--dicom", "--keys",
                                RUN / "keys", "--upstream", f"http://{ARCHIVE}"], input=answer, capture_output=True)
        check(shown.returncode == 0, shown.stderr.decode())
        left = {one["0020000D"]["Value"][0]: one for one in caller.get(f"{GATE}/studies").json()}
        seen = {one["0020000D"]["Value"][0]: one for one in json.loads(shown.stdout)}
        check(set(left) < set(seen), "the registry's restrictions are not in the request")
        for uid, one in left.items():
            for dataset in (one, seen[uid]):
                dataset.pop("00081190", None)  # the gate's own address stands in it
            check(one == seen[uid], f"{role}: {uid} is shown otherwise than it leaves")
    file = subprocess.run([SEKISHO, "redact", "--policy", RUN / "policy", "--as", RUN / "request.json", "--dicom"],
                          input=b"DICM", capture_output=True)
    check(file.returncode == 4 and not file.stdout, "a file is no DICOM JSON")


def others():
    clerk = Caller("accountant", "administration.accounting", HIDDEN)
    check(clerk.status("/studies") == 403, "that there are studies tells of examinations")
    nobody = requests.get(f"{GATE}/studies")
    check(nobody.status_code == 401, "without a token")
    physician = Caller("physician", "care")
    for path in ("/studies", f"/studies/{next(iter(CHARTS.values())).StudyInstanceUID}"):
        stored = physician.post(f"{GATE}{path}", data=b"x", headers={"Content-Type": "multipart/related; type=\"application/dicom\"; boundary=x"})
        check(stored.status_code == 405 and stored.json()["type"].endswith(":no-such-method"), "nothing is stored")
    xml = physician.get(f"{GATE}/studies", headers={"Accept": "multipart/related; type=\"application/dicom+xml\""})
    check(xml.status_code == 406, "XML is not answered")
    check(physician.status("/../instances") in (400, 404), "nor does any other door of the archive open")


def log():
    """Every release is on record with whom it was about, sealed, and nothing of what was in it."""
    text = b"".join(file.read_bytes() for file in sorted((RUN / "data" / "log" / "gate").iterdir()) if file.is_file())
    lines = [json.loads(line) for line in text.splitlines() if line.startswith(b"{")]
    records = [line for line in lines if "kind" in line]  # the others are checkpoints
    for mark in HIDDEN + [uid.encode() for uid in UIDS]:
        check(mark not in text, f"{mark} is in the log")
    begun = [record for record in records if record["kind"] == "begin"]
    files = [record for record in begun if record.get("route", "").endswith("/instances/{instance}")]
    check(files and all(len(record["subjects"]) == 1 for record in files), "whose a file is, is known before it leaves")
    ended = {record["begin"] for record in records if record["kind"] == "end"}
    check({record["seq"] for record in begun} == ended, "each beginning has its ending")


{"callers": lambda: (samples(*physician()), student(), pages(), beforehand(), others()), "again": again, "log": log}[WHAT]()
told = {"callers": "", "again": " after a new start", "log": " of the log"}[WHAT]
print(f"  {checks} checks hold{told}")
