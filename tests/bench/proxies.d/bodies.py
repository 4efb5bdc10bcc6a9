"""The bodies, what of them may leave, and the token: all made here, the same in every run but for keys and ports."""

import base64
import json
import subprocess
import time

TARGET = "/Observation?patient={}"
PURPOSE = "insurance-administration"
ROLE = "insurance-clerk"
# What the policy withholds from an insurance clerk of such an answer. The redacting rivals are told just this.
OF_BUNDLE = ["meta", "total", "link"]
OF_RESOURCE = ["text", "effectiveDateTime", "issued", "note", "encounter"]
OF_META = ["lastUpdated"]
# Stands in what may not leave.
MARK = "w1thh3ld"

_CODES = [("718-7", "Hemoglobin [Mass/volume] in Blood", "ヘモグロビン", "g/dL"),
          ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "血糖", "mg/dL"),
          ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "HbA1c", "%"),
          ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "総コレステロール", "mg/dL")]


def _entry(number, patient, origin):
    code, display, text, unit = _CODES[number % len(_CODES)]
    return (
        f'{{"fullUrl":"{origin}/Observation/o-{number:07d}","resource":{{"resourceType":"Observation","id":"o-{number:07d}",'
        f'"meta":{{"versionId":"1","lastUpdated":"2026-04-01T09:00:00Z"}},'
        f'"text":{{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">{MARK} {text}</div>"}},'
        f'"status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{display}"}}],"text":"{text}"}},'
        f'"subject":{{"reference":"Patient/{patient}"}},"encounter":{{"reference":"Encounter/e-{number // 7}"}},'
        f'"effectiveDateTime":"2026-04-01T09:00:00+09:00","issued":"2026-04-01T11:20:00+09:00",'
        f'"valueQuantity":{{"value":{10 + number % 90}.{number % 9 + 1},"unit":"{unit}"}},'
        f'"note":[{{"text":"{MARK} 食後 2 時間"}}]}},"search":{{"mode":"match"}}}}'
    ).encode()


def write(folder, patient, size, origin):
    """A Bundle of about `size` bytes, one entry at least; its path. Entries are of about 0.8 KB."""
    path = folder / f"{patient}.json"
    head = ('{"resourceType":"Bundle","id":"b-1","meta":{"lastUpdated":"2026-04-01T09:00:00Z"},"type":"searchset","total":9,'
            f'"link":[{{"relation":"self","url":"{origin}/Observation?patient={patient}"}}],"entry":[').encode()
    with open(path, "wb") as out:
        written = out.write(head)
        number = 0
        while True:
            entry = (b"," if number else b"") + _entry(number, patient, origin)
            if number and written + len(entry) // 2 > size:
                break
            written += out.write(entry)
            number += 1
        out.write(b"]}")
    path.chmod(0o644)
    return path


def dropped(text):
    """The slow reading of what the redacting rivals have to give."""
    bundle = json.loads(text)
    for name in OF_BUNDLE:
        bundle.pop(name, None)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        for name in OF_RESOURCE:
            resource.pop(name, None)
        for name in OF_META:
            resource["meta"].pop(name, None)
    return bundle


def released(text, patient, origin):
    """The slow reading of what the gate has to give: the same, its own links, and the marks of a redacted record."""
    bundle = dropped(text)
    system = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
    bundle["link"] = [{"relation": "self", "url": TARGET.format(patient)}]
    for entry in bundle["entry"]:
        entry["fullUrl"] = entry["fullUrl"].removeprefix(origin)
        entry["resource"]["meta"]["security"] = [{"system": system, "code": "REDACTED"}]
        entry["resource"]["meta"]["tag"] = [{"system": system, "code": "SUBSETTED"}]
    return bundle


def _url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def token(folder):
    """A key, its set of keys and a token signed with it (RS256, about 740 bytes), by openssl."""
    key = folder / "key.pem"
    run = lambda *argv, data=None: subprocess.run(argv, input=data, check=True, capture_output=True).stdout
    run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key))
    modulus = run("openssl", "rsa", "-in", str(key), "-noout", "-modulus").decode().strip().split("=")[1]
    public = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "bench-1", "n": _url(bytes.fromhex(modulus)), "e": "AQAB"}
    now = int(time.time())
    head = {"alg": "RS256", "typ": "at+jwt", "kid": "bench-1"}
    claims = {"iss": "https://login.example", "aud": "api", "sub": "s-0001", "iat": now, "nbf": now, "exp": now + 8 * 3600,
              "jti": "0d808450-7d1c-51c3-91e4-f14251447c90", "client_id": "ward-viewer",
              "scope": "user/Observation.rs user/Patient.r", "roles": [ROLE]}
    signed = ".".join(_url(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    signature = run("openssl", "dgst", "-sha256", "-sign", str(key), data=signed.encode())
    return json.dumps({"keys": [public]}), f"{signed}.{_url(signature)}"
