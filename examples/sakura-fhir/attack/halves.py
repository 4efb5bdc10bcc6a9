"""A search by halves for one withheld value, as an attacker makes it: any difference between two answers is an answer.

He knows the range in which the value lies. For every way to ask he compares what he gets for "above the least" and for "above
the most"; where that differs he has found an oracle, and halves the range by it until it is narrow.
"""

import json

# For each attacker: what he is after, the range, and requests in which `{}` is the bound that is tried. WHOM is each patient.
EXAMINED = "6d367230-21b3-5816-8d8c-5239028c388f"
STOPPED = "48d268aa-90e4-54f1-a51b-d5f382b767d3"
NOT_OUTSIDE = "fd5d1f2e-3189-52b9-a874-32d0a3bfe99a"
HBA1C = "4548-4"


def laboratory(whom, kinds):
    """Ways to ask for a value of the laboratory: by what refers to whom, and the like."""
    one = f"&patient={whom}" if whom else ""
    asked = {
        "Patient": [
            f"/Patient?_id={whom}&_has:Observation:patient:code-value-quantity={HBA1C}$gt{{}}",
            f"/Patient?_has:Observation:patient:code-value-quantity={HBA1C}$gt{{}}&_count=1",
            f"/Patient?_id={whom}&_has:Observation:subject:value-quantity=ge{{}}&_has:Observation:subject:code={HBA1C}",
            f"/Patient?_has:DiagnosticReport:patient:result.code-value-quantity={HBA1C}$gt{{}}&_sort=birthdate",
            f"/Patient?_has:Encounter:patient:_has:Observation:encounter:value-quantity=gt{{}}&_total=accurate",
        ],
        "Observation": [
            f"/Observation?code-value-quantity={HBA1C}$gt{{}}{one}",
            f"/Observation?code={HBA1C}&value-quantity=lt{{}}&_sort=-value-quantity&_count=2",
            f"/Observation?combo-code-value-quantity={HBA1C}$ap{{}}&_include=Observation:performer",
            f"/Observation?code={HBA1C}&value-quantity:missing=false&value-quantity=eb{{}}&_summary=count",
        ],
        "Claim": [
            f"/Claim?patient._has:Observation:patient:code-value-quantity={HBA1C}$gt{{}}",
            f"/Claim?encounter._has:Observation:encounter:value-quantity=gt{{}}",
        ],
    }
    return [target for kind in kinds for target in asked[kind]]


SECRETS = {
    "student": [
        ("the day in the year on which a patient was born", (0, 365), ["/Patient?birthdate=gt{day}", "/Patient?birthdate=sa{day}&_sort=birthdate", "/Condition?subject:Patient.birthdate=gt{day}", "/Patient?_sort=-birthdate&_count=1&birthdate=lt{day}"]),
        ("a telephone number", (0, 9999), ["/Patient?phone=090-0000-{:04.0f}", "/Patient?telecom:missing=false&phone=090-0000-{:04.0f}", "/Observation?patient.phone=090-0000-{:04.0f}"]),
        ("an invoice", (0, 200000), ["/Patient?_has:Invoice:patient:totalnet=gt{}", "/Invoice?totalnet=gt{}"]),
    ],
    "accountant": [("a laboratory value", (0, 50), laboratory(EXAMINED, ["Patient", "Observation", "Claim"]))],
    "employer": [("a laboratory value", (0, 50), laboratory("", ["Observation"]) + laboratory(EXAMINED, ["Patient"]))],
    "physician": [("a laboratory value of the patient who had use stopped", (0, 50), laboratory(STOPPED, ["Patient", "Observation"]))],
    "hospital": [("a laboratory value of the patient whose data may not go out", (0, 50), laboratory(NOT_OUTSIDE, ["Patient", "Observation"]))],
}


def written(template, bound):
    day = f"1961-{1 + int(bound) // 31:02}-{1 + int(bound) % 31 % 28:02}"
    return "/fhir" + template.format(f"{bound:.3f}" if ":04" not in template else bound, day=day)


def gist(seen):
    """What an answer says besides what was asked: links and lengths repeat the bound that is tried."""
    status, body = seen[0], seen[2]
    try:
        value = json.loads(body)
    except ValueError:
        return status, body
    if isinstance(value, dict) and isinstance(value.get("link"), list):
        value["link"] = [link.get("relation") for link in value["link"]]
    return status, json.dumps(value, sort_keys=True)


def search(attack, secret):
    """Both worlds, each for itself: what is said of it, and whether nobody knows more than before."""
    what, span, templates = secret
    found, oracles, asked = [], 0, attack.asked
    for template in templates:
        ranges = [span, span]
        tell = lambda bounds: [gist(answer.seen()) for answer in attack.ask("by halves", "GET", [written(template, bound) for bound in bounds], [], None)]
        least, most = tell([span[0]] * 2), tell([span[1]] * 2)
        oracles += least[0] != most[0]
        for _ in range(18):
            if all(high - low < 0.01 for low, high in ranges):
                break
            middles = [(low + high) / 2 for low, high in ranges]
            answers = tell(middles)
            for world, middle in enumerate(middles):
                low, high = ranges[world]
                if least[world] == most[world]:
                    continue  # nothing to go by
                ranges[world] = (middle, high) if answers[world] == least[world] else (low, middle)
            if least[0] == most[0] and least[1] == most[1]:
                break
        found.append(ranges)
    good = all(first == second for first, second in found)
    return f"{what}: {len(templates)} ways, {attack.asked - asked} requests, {oracles} told something of what he may see; both worlds leave him the same", good
