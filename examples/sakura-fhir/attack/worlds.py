"""Makes two worlds for each attacker, which differ in nothing but what he may not see.

worlds.py CHARTS FOLDER: reads CHARTS/*.ndjson, writes FOLDER/a/WHO/*.ndjson and FOLDER/b/WHO/*.ndjson. What is withheld from
whom is written down here, from the policy's text and not from the gate's answers. Nothing is random.
"""

import copy
import json
import pathlib
import sys
import uuid

# Of the generated charts, and of registry.toml.
EXAMINED = "6d367230-21b3-5816-8d8c-5239028c388f"
STOPPED = "48d268aa-90e4-54f1-a51b-d5f382b767d3"
NOT_OUTSIDE = "fd5d1f2e-3189-52b9-a874-32d0a3bfe99a"
COMMISSIONED = {"339801bc-6d5e-5b44-8deb-5665ef6d9638", "0d808450-7d1c-51c3-91e4-f14251447c90"}
CLINICAL = ["Encounter", "Condition", "Observation", "MedicationRequest", "DiagnosticReport"]
BILLS = ["Coverage", "Account", "Invoice", "Claim"]
HIV = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "B20", "display": "HIV disease"}], "text": "HIV disease"}


def read(folder):
    kinds = {file.stem: file.read_text().splitlines() for file in sorted(folder.glob("*.ndjson"))}
    charts = {kind: [json.loads(line) for line in lines if line] for kind, lines in kinds.items()}
    charts["Organization"].append({"resourceType": "Organization", "id": "hiv-clinic", "active": True, "name": "HIV clinic"})
    return charts


def write(folder, charts):
    folder.mkdir(parents=True)
    for kind, records in charts.items():
        for record in records:
            record["meta"]["versionId"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}/{record['id']}"))
            record["meta"]["lastUpdated"] = "2026-01-01T00:00:00Z"
        lines = [json.dumps(record, ensure_ascii=False, sort_keys=True) for record in records]
        (folder / f"{kind}.ndjson").write_text("".join(line + "\n" for line in lines))


def person(record):
    party = record.get("subject") or record.get("patient") or record.get("beneficiary") or {}
    party = party[0] if isinstance(party, list) else party
    own = record["id"] if record["resourceType"] == "Patient" else ""
    return party.get("reference", "").removeprefix("Patient/") or own


def twin(record, number):
    """Another record of the same kind and person."""
    made = copy.deepcopy(record)
    made["id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{record['id']}/{number}"))
    return made


def otherwise(record, number):
    """Says something else in whatever is clinical or typed by people."""
    kind = record["resourceType"]
    if "valueQuantity" in record:
        record["valueQuantity"]["value"] = round(record["valueQuantity"]["value"] * 1.7 + number, 1)
    for part in record.get("component", []):
        part["valueQuantity"]["value"] += 31
    if kind == "Condition":
        record["code"] = copy.deepcopy(HIV)
        record["onsetDateTime"] = f"20{10 + number % 10}-03-04"
    if kind == "MedicationRequest":
        record["medicationCodeableConcept"] = {"text": "bictegravir, emtricitabine, tenofovir alafenamide"}
    if kind == "Encounter":
        record["reasonCode"] = [copy.deepcopy(HIV)]
        record["serviceProvider"] = {"reference": "Organization/hiv-clinic"}
    if "note" in record or kind == "Observation":
        record["note"] = [{"text": "told in confidence " * (1 + number % 3)}]
    record["text"] = {"status": "generated", "div": f"<div xmlns=\"http://www.w3.org/1999/xhtml\">{'other ' * (number % 7)}</div>"}


def change(charts, hidden, add=1):
    """Each hidden clinical record says something else; of each third there are so many more, before and after it."""
    for kind in CLINICAL:
        records = []
        for number, record in enumerate(charts[kind]):
            if not hidden(record):
                records.append(record)
                continue
            otherwise(record, number)
            more = [twin(record, n) for n in range(add)] if number % 3 == 0 else []
            records += [*more, record] if number % 2 else [record, *more]
        charts[kind] = records


def household(charts, hidden):
    """Other names, addresses, ways to reach them, relatives; another day of birth in the same year."""
    names = {}
    for number, patient in enumerate(charts["Patient"]):
        if not hidden(patient):
            continue
        patient["name"] = [{"family": "Yamanouchi" + "x" * number, "given": ["Sakurako"] * (1 + number % 2)}]
        names[f"Patient/{patient['id']}"] = "Yamanouchi Sakurako"
        patient["birthDate"] = f"{patient['birthDate'][:4]}-{1 + number:02}-28"
        patient["telecom"] = [{"system": "phone", "value": f"080-9999-00{number:02}"}] * (number % 3) + patient["telecom"][:1]
        patient["telecom"][-1]["value"] = f"070-1234-{number:04}"
        patient["address"][0].update(text="北海道札幌市中央区北１条西２丁目", city="札幌市中央区", state="北海道", postalCode="060-0001")
        patient["contact"] *= 1 + number % 3
        patient["text"]["div"] = patient["text"]["div"].replace("Ives", "Yamanouchi Sakurako")
    for kind in CLINICAL:
        for record in charts[kind]:
            record["subject"]["display"] = names.get(record["subject"]["reference"], record["subject"]["display"])


def bills(charts, hidden):
    for kind in BILLS:
        records = []
        for number, record in enumerate(charts[kind]):
            if hidden(record):
                for fee in [record.get("totalNet"), record.get("total")]:
                    if fee:
                        fee["value"] = 123456.5 + number
                if kind == "Coverage":
                    record["subscriberId"] = f"99-{number}"
                records.append(twin(record, number))
            records.append(record)
        charts[kind] = records


def student(charts):
    household(charts, lambda _: True)
    bills(charts, lambda _: True)


def accountant(charts):
    change(charts, lambda _: True)
    for number, claim in enumerate(charts["Claim"]):
        for diagnosis in claim.get("diagnosis", []):
            diagnosis["diagnosisCodeableConcept"] = copy.deepcopy(HIV)
        charts["Account"][number]["name"] = "reception: haemophilia, HIV " + "!" * number
        for line in charts["Invoice"][number]["lineItem"]:
            line["chargeItemCodeableConcept"] = {"text": "viral load, CD4 count"}


def employer(charts):
    hidden = lambda record: record["id"] not in COMMISSIONED
    change(charts, hidden)
    charts["Patient"] = [patient for number, patient in enumerate(charts["Patient"]) if number % 2 == 0 or patient["id"] == EXAMINED]
    others = lambda patient: patient["id"] != EXAMINED
    household(charts, others)
    bills(charts, lambda _: True)


def elsewhere(charts, hidden):
    """All of a person whose chart may not be used is another's, and there is more of it."""
    change(charts, hidden, add=2)
    household(charts, hidden)
    bills(charts, hidden)
    for patient in filter(hidden, charts["Patient"]):
        patient["managingOrganization"] = {"reference": "Organization/hiv-clinic"}
        patient["gender"], patient["birthDate"] = "other", "1901-02-03"
        patient["generalPractitioner"] = [{"reference": f"Practitioner/{charts['Practitioner'][0]['id']}"}]
        patient["link"] = [{"type": "seealso", "other": {"reference": f"Patient/{EXAMINED}"}}]
    for kind in CLINICAL:
        for record in filter(hidden, charts[kind]):
            for party in record.get("performer", []):
                party["reference"] = f"Practitioner/{charts['Practitioner'][1]['id']}"


def physician(charts):
    elsewhere(charts, lambda record: person(record) == STOPPED)


def hospital(charts):
    elsewhere(charts, lambda record: person(record) == STOPPED)
    for kind, records in charts.items():
        charts[kind] = [record for record in records if person(record) != NOT_OUTSIDE]


# Who attacks: his client at the provider, what he declares, what is otherwise in the second world.
ATTACKERS = {
    "student": ("student-ito", "operations.student-training", student),
    "accountant": ("sato-billing", "administration.accounting", accountant),
    "employer": ("acme-hr", 'employer-notification;basis="implied-consent"', employer),
    "physician": ("dr-mori", "care", physician),
    "hospital": ("minato-hospital", 'care.coordination;basis="implied-consent"', hospital),
}


def main(charts, folder):
    for who, (_, _, differ) in ATTACKERS.items():
        first = read(charts)
        for record in (record for records in first.values() for record in records):
            record.setdefault("meta", {})
        second = copy.deepcopy(first)
        differ(second)
        write(folder / "a" / who, first)
        write(folder / "b" / who, second)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
