"""Makes the charts of a clinic out of carebundle's: names on every record, ways to reach people, insurers, bills, claims.

charts.py FOLDER: reads and writes FOLDER/*.ndjson. Nothing is random: the same charts every time. Nobody in them is real.
"""

import json
import pathlib
import sys

HOMES = [
    ("105-0012", "東京都", "港区", "芝大門２丁目８番５号"),
    ("220-0012", "神奈川県", "横浜市西区", "みなとみらい３丁目６番１号"),
    ("260-0855", "千葉県", "千葉市中央区", "市場町１番１号"),
    ("330-9301", "埼玉県", "さいたま市浦和区", "高砂３丁目１５番１号"),
]
YEN = {"currency": "JPY"}


def read(folder, kind):
    return [json.loads(line) for line in (folder / f"{kind}.ndjson").read_text().splitlines()]


def write(folder, kind, resources):
    lines = [json.dumps(resource, ensure_ascii=False, sort_keys=True) for resource in resources]
    (folder / f"{kind}.ndjson").write_text("\n".join(lines) + "\n")


def concept(text, code=None, system=None):
    coded = {"coding": [{"system": system, "code": code, "display": text}]} if code else {}
    return {**coded, "text": text}


def household(number, patient):
    """A telephone, an address and a relative for a patient."""
    code, prefecture, city, street = HOMES[number % len(HOMES)]
    mail = f"{patient['name'][0]['given'][0].lower()}@home.example"
    patient["telecom"] = [
        {"system": "phone", "value": f"090-0000-{1000 + number}", "use": "mobile"},
        {"system": "email", "value": mail},
    ]
    home = {"use": "home", "text": f"{prefecture}{city}{street}", "line": [street], "city": city, "state": prefecture}
    patient["address"] = [{**home, "postalCode": code, "country": "JP"}]
    relative = {"family": patient["name"][0]["family"], "given": ["花子"]}
    patient["contact"] = [{"relationship": [concept("妻" if patient["gender"] == "male" else "母")], "name": relative}]
    patient["managingOrganization"] = {"reference": "Organization/sakura", "display": "SAKURA International Clinic"}


def bills(number, patient, conditions):
    """Insurance, account, invoice and claim of one visit. The claim names the diagnosis, the invoice does not."""
    key, person = patient["id"], {"reference": f"Patient/{patient['id']}"}
    fee = {"value": 3000 + 100 * number, **YEN}
    coverage = {
        "resourceType": "Coverage", "id": f"cov-{key[:8]}", "status": "active", "beneficiary": person,
        "subscriberId": f"0613-{number:04}", "payor": [{"reference": "Organization/kenpo"}],
    }
    account = {
        "resourceType": "Account", "id": f"acc-{key[:8]}", "status": "active", "subject": [person],
        "name": "reception: asked to be called at work, hypertension clinic", "owner": {"reference": "Organization/sakura"},
    }
    invoice = {
        "resourceType": "Invoice", "id": f"inv-{key[:8]}", "status": "issued", "subject": person, "date": "2026-01-01",
        "issuer": {"reference": "Organization/sakura"}, "account": {"reference": f"Account/{account['id']}"},
        "lineItem": [{
            "sequence": 1, "chargeItemCodeableConcept": concept("lipid panel"),
            "priceComponent": [{"type": "base", "amount": fee}],
        }],
        "totalNet": fee, "note": [{"text": "paid in cash, diabetic diet leaflet handed out"}],
    }
    diagnoses = [{"sequence": n, "diagnosisCodeableConcept": c["code"]} for n, c in enumerate(conditions, 1)]
    claim = {
        "resourceType": "Claim", "id": f"clm-{key[:8]}", "status": "active", "use": "claim", "patient": person,
        "type": concept("Professional", "professional", "http://terminology.hl7.org/CodeSystem/claim-type"),
        "created": "2026-01-02", "provider": {"reference": "Organization/sakura"},
        "priority": concept("Normal", "normal", "http://terminology.hl7.org/CodeSystem/processpriority"),
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": f"Coverage/{coverage['id']}"}}],
        # No link to the stay: an array of which the accountant is shown a part cannot be put back by her.
        "item": [{"sequence": 1, "productOrService": concept("outpatient visit"), "net": fee}],
        "total": fee,
    }
    if diagnoses:
        claim["diagnosis"] = diagnoses
    return coverage, account, invoice, claim


def main(folder):
    patients = read(folder, "Patient")
    names = {f"Patient/{p['id']}": f"{p['name'][0]['family']} {p['name'][0]['given'][0]}" for p in patients}
    kinds = ["Encounter", "Condition", "Observation", "MedicationRequest", "DiagnosticReport"]
    records = {kind: read(folder, kind) for kind in kinds}
    for resources in records.values():
        for resource in resources:
            resource["subject"]["display"] = names[resource["subject"]["reference"]]
    made = {"Coverage": [], "Account": [], "Invoice": [], "Claim": []}
    for number, patient in enumerate(patients):
        household(number, patient)
        about = lambda kind: [r for r in records[kind] if r["subject"]["reference"] == f"Patient/{patient['id']}"]
        for resource in bills(number, patient, about("Condition")):
            made[resource["resourceType"]].append(resource)
    organisations = [("sakura", "SAKURA International Clinic Tokyo"), ("kenpo", "東京健康保険組合")]
    made["Organization"] = [{"resourceType": "Organization", "id": i, "active": True, "name": n} for i, n in organisations]
    for kind, resources in {"Patient": patients, **records, **made}.items():
        write(folder, kind, resources)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
