"""Every way to ask that we know of, as a grammar: random requests of one attacker over what is in the charts.

A request is (way, method, target, fields, body). Values are those of both worlds, so that a hidden one is often hit.
"""

import json
import random
import tomllib
import urllib.parse

TYPES = ["Patient", "Observation", "Condition", "Encounter", "DiagnosticReport", "MedicationRequest", "Claim", "Invoice",
         "Account", "Coverage", "Practitioner", "Organization"]
PREFIXES = ["gt", "lt", "ge", "le", "sa", "eb", "ap", "ne", "eq", ""]
MODIFIERS = ["missing", "not", "text", "in", "not-in", "above", "below", "exact", "contains", "identifier", "of-type", "Patient"]
SPECIAL = ["_lastUpdated=gt2020-01-01", "_lastUpdated=ap2026-01-01", "_filter=code eq B20", "_filter=name co \"Yama\"", "_query=current-high-risk",
           "_content=HIV", "_text=HIV", "_list=$current-problems", "_contained=true", "_at=2026", "_since=2020-01-01T00:00:00Z", "_type=Observation",
           "_security=R", "_security=HTEST", "_security:not=HTEST", "_tag=SUBSETTED", "_profile:missing=true", "_source=x", "_score=1", "_has=x"]
BROAD = [("_lastUpdated", "gt2000-01-01"), ("_id:not", "no-such-id"), ("_profile:missing", "false"), ("_security", "HTEST")]  # most records fit
CODINGS = ["gzip", "br", "zstd", "deflate", "gzip;q=0.5, br;q=0.4", "*", "identity;q=0.1, gzip", "identity"]
OPERATIONS = ["$validate", "$meta", "$lastn", "$stats", "$match", "$export", "$graphql?query={Patient{name}}", "$everything", "$summary", "$reindex",
              "_history", "$everything?_type=Observation", "$everything?_count=1", "$everything?_since=2020-01-01T00:00:00Z"]
CONDITIONS = ["If-None-Exist", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"]


def quote(text):
    return urllib.parse.quote(text, safe=":$|,;/@-._~*")


class Grammar:
    """Requests of one attacker. `charts`: of both worlds; `only`: ids that are in one of them."""

    def __init__(self, catalogue, charts, only, names_only, seed):
        self.random = random.Random(seed)
        table = tomllib.loads(catalogue)
        common = table["resource"]["search"]
        self.search = {kind: {**table["type"][kind]["search"], **common} for kind in TYPES}
        # Values by type, and of all together; and results with what was measured.
        self.ids, self.elements, self.results, self.versions = {}, {}, set(), {}
        self.pools = {kind: {"token": set(), "string": set(), "date": set(), "quantity": set()} for kind in [*TYPES, ""]}
        for record in charts:
            kind = record["resourceType"]
            if names_only or (kind, record["id"]) not in only:
                self.ids.setdefault(kind, set()).add(record["id"])
            self.elements.setdefault(kind, set()).update(record)
            self.versions[kind, record["id"]] = record["meta"]["versionId"]
            if "valueQuantity" in record:
                self.results.add((record["code"]["coding"][0]["code"], str(record["valueQuantity"]["value"])))
            for whose in {kind, ""} & set(self.pools):
                self.pool = self.pools[whose]
                self.learn(record)
        self.ids = {kind: sorted(ids) for kind, ids in self.ids.items()}
        self.pools = {whose: {sort: sorted(values) for sort, values in pool.items()} for whose, pool in self.pools.items()}
        self.pool, self.results = self.pools[""], sorted(self.results)
        self.elements = {kind: sorted(names) for kind, names in self.elements.items()}
        self.cursors = [("AAAA", "AAAA")]  # of each world its own

    def learn(self, value, name=""):
        if isinstance(value, dict):
            if "code" in value and isinstance(value["code"], str):
                self.pool["token"].add(value["code"])
                self.pool["token"].add(f"{value.get('system', '')}|{value['code']}")
            for name, inner in value.items():
                self.learn(inner, name)
        elif isinstance(value, list):
            for inner in value:
                self.learn(inner, name)
        elif isinstance(value, (int, float)):
            self.pool["quantity"].add(str(value))
        elif name in ("family", "given", "city", "state", "postalCode", "display", "name", "text", "line"):
            self.pool["string"].add(value[: self.random.randint(1, 20)])
        elif name in ("value", "subscriberId", "gender", "status"):
            self.pool["token"].add(value)
        elif name.lower().endswith(("date", "datetime", "start", "end")):
            self.pool["date"].add(value[: self.random.choice([4, 7, 10])])

    def seen(self, answer):
        """Ids and cursors out of an answer, as an attacker uses them."""
        entries = answer.json().get("entry", []) if isinstance(answer.json(), dict) else []
        for record in (entry["resource"] for entry in entries if isinstance(entry, dict) and "id" in entry.get("resource", {})):
            self.versions[record["resourceType"], record["id"]] = record.get("meta", {}).get("versionId", "1")
            ids = self.ids.setdefault(record["resourceType"], [])
            if record["id"] not in ids and len(ids) < 400:
                ids.append(record["id"])

    # --- parts --------------------------------------------------------------------------------------------------------

    def pick(self, options):
        return self.random.choice(options)

    def percent(self, chance):
        return self.random.random() * 100 < chance

    def kind(self):
        return self.pick(TYPES[:7] if self.percent(80) else TYPES)

    def id(self, kind=None):
        kind = kind or self.kind()
        return self.pick(self.ids[kind]) if kind in self.ids and self.percent(92) else self.pick(["no-such-id", "1", "a" * 64])

    def reference(self):
        kind = self.kind()
        return self.pick([f"{kind}/{self.id(kind)}", self.id(kind), f"Patient/{self.id('Patient')}", f"http://elsewhere.test/Patient/{self.id('Patient')}"])

    def value(self, kind, whose=""):
        """A value of this kind, mostly of one that records of the type have."""
        if kind == "reference":
            return self.reference()
        if kind == "composite" and self.percent(50):
            code, measured = self.pick(self.results)
            return f"{code}${self.pick(PREFIXES)}{measured}"
        if kind == "composite":
            return f"{self.value('token', whose)}${self.value(self.pick(['quantity', 'quantity', 'token', 'string', 'date']), whose)}"
        known = lambda sort: self.pools[whose if self.percent(75) and self.pools[whose][sort] else ""][sort]
        if kind in ("quantity", "number"):
            near = self.pick(known("quantity")) if self.percent(60) else f"{self.random.uniform(0, 400):.2f}"
            return self.pick(PREFIXES) + near + self.pick(["", "", "||mg/dL", "|http://unitsofmeasure.org|mg/dL"])
        if kind == "date":
            return self.pick(PREFIXES) + self.pick(known("date"))
        if kind == "token" and self.percent(15):
            return self.id()
        return self.pick(known("string" if kind in ("string", "uri", "special") else "token"))

    def parameter(self, kind, bare=False):
        """A parameter of the type: name and value."""
        code, words = self.pick(sorted(self.search[kind].items()))
        sort = words.split()[0]
        if bare or self.percent(65):
            return code, self.value(sort, kind)
        modifier = self.pick(MODIFIERS)
        value = self.pick(["true", "false"]) if modifier == "missing" else self.value(sort, kind)
        return f"{code}:{modifier}", value

    def targets(self, kind):
        """References of a type and where they lead."""
        found = []
        for code, words in self.search[kind].items():
            if words.startswith("reference"):
                found += [(code, target) for target in words.split(">")[1].split() if target in self.search]
        return found

    def chained(self, kind, depth):
        edges = self.targets(kind)
        if depth == 0 or not edges:
            return self.parameter(kind)
        code, target = self.pick(edges)
        name, value = self.chained(target, depth - 1)
        return self.pick([f"{code}:{target}.{name}", f"{code}.{name}"]), value

    def has(self, kind, depth=1):
        edges = [(other, code) for other in TYPES for code, target in self.targets(other) if target == kind]
        other, code = self.pick(edges) if edges else ("Observation", "patient")
        if depth > 1:
            name, value = self.has(other, depth - 1)
        elif other == "Observation" and self.percent(30):
            name, value = "code-value-quantity", self.value("composite", other)
        else:
            name, value = self.parameter(other)
        return f"_has:{other}:{code}:{name}", value

    def question(self, kind):
        """One or more parameters, and by which way."""
        way = self.pick(["_has", "_has", "nested _has", "chain", "chain", "filter", "filter", "filter", "composite", "several"])
        if way == "_has":
            return way, [self.has(kind)]
        if way == "nested _has":
            return way, [self.has(kind, self.random.randint(2, 4))]
        if way == "chain":
            return way, [self.chained(kind, self.random.randint(1, 4))]
        if way == "composite":
            codes = [code for code, words in self.search["Observation"].items() if words.startswith("composite")] + ["code-value-quantity"] * 4
            pair = self.pick(codes), self.value("composite", "Observation")
            return way, [pair if kind == "Observation" else (f"_has:Observation:patient:{pair[0]}", pair[1])]
        more = [self.pick(BROAD) if self.percent(70) else self.parameter(kind) for _ in range(2)] if way == "several" else []
        return way, [self.parameter(kind), *more]

    def shape(self, kind):
        """What says how the answer is to be."""
        edges = self.targets(kind) or [("patient", "Patient")]
        code, target = self.pick(edges)
        back = [(other, c) for other in TYPES for c, to in self.targets(other) if to == kind] or [("Observation", "patient")]
        other, reverse = self.pick(back)
        iterate = self.pick(["", "", ":iterate"])
        return self.pick([
            ("sort", ("_sort", self.pick(["", "-"]) + self.pick(sorted(self.search[kind])))),
            ("count", ("_count", str(self.random.randint(1, 50)))),
            ("count", ("_count", str(self.random.randint(1, 50)))),
            ("total", self.pick([("_total", self.pick(["accurate", "estimate", "none"])), ("_summary", "count"), ("_count", "0")])),
            ("include", (f"_include{iterate}", self.pick([f"{kind}:{code}", f"{kind}:{code}:{target}", f"{kind}:*", "*"]))),
            ("revinclude", (f"_revinclude{iterate}", self.pick([f"{other}:{reverse}", f"{other}:*", f"{other}:{reverse}:{kind}"]))),
            ("elements", ("_elements", ",".join(self.random.choices(self.elements.get(kind, ["id"]), k=3) + ["subject"]))),
            ("summary", ("_summary", self.pick(["true", "text", "data", "false"]))),
            ("pretty", ("_pretty", "true")),
        ])

    def may_bring_own(self, kind, name, value):
        """Whether an inclusion may bring records of the type that is searched."""
        if ":iterate" in name or "*" in value:
            return True
        source, code = value.split(":")[:2]
        return source == kind if name.startswith("_revinclude") else (code, kind) in self.targets(kind)

    # --- requests -----------------------------------------------------------------------------------------------------

    def searched(self):
        kind = self.kind()
        way, pairs = self.question(kind) if self.percent(75) else ("all", [])
        if self.percent(55):
            shape, pair = self.shape(kind)
            way, pairs = self.pick([shape, way]), [*pairs, pair]
            # What comes along and is of the same type counts as a match: docs/wire.md, pages.
            if "include" in shape and self.may_bring_own(kind, *pair):
                pairs.append(("patient" if kind != "Patient" else "_id", self.id("Patient")))
        if self.percent(25):
            pairs.append(self.pick([("patient", self.id("Patient")), ("_id", self.id(kind)), ("_id", f"{self.id(kind)},{self.id(kind)}"), ("subject", self.reference())]))
        return way, kind, pairs

    def search_by_get(self):
        way, kind, pairs = self.searched()
        query = "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
        return way, "GET", f"/{kind}" + ("?" + query if query else ""), [], None

    def search_by_form(self):
        way, kind, pairs = self.searched()
        cut = self.random.randint(0, len(pairs))
        text = lambda some: "&".join(f"{quote(name)}={quote(value)}" for name, value in some)
        query = "?" + text(pairs[:cut]) if cut else ""
        form = [("content-type", "application/x-www-form-urlencoded")]
        return "form", "POST", f"/{kind}/_search{query}", form, text(pairs[cut:]).encode()

    def special(self):
        name, _, value = self.pick(SPECIAL).partition("=")
        return "special", "GET", f"/{self.kind()}?{name}={quote(value)}", [], None

    def odd(self):
        """Well known things, oddly written: doubled, malformed, coded twice."""
        kind = self.kind()
        name, value = self.parameter(kind)
        way, query = self.pick([
            ("doubled", f"{quote(name)}={quote(value)}&{quote(name)}={quote(self.value('token'))}"),
            ("doubled", f"patient={self.id('Patient')}&patient={self.id('Patient')}"),
            ("malformed", f"{quote(name)}={self.pick(['', '$', 'gt', '%00', '|', 'gtgt5', '9' * 400, '%ff', ','])}"),
            ("malformed", self.pick(["_count=-1", "_count=x", "_sort=", "_include=", "_has:=1", "code-value-quantity=4548-4$", "&&", "=x"])),
            ("coded", "".join(f"%{byte:02x}" for byte in name.encode()) + "=" + "".join(f"%{b:02X}" for b in value.encode())),
            ("coded", f"{quote(name)}={quote(quote(value))}"),
            ("coded", f"{quote(name)}+={quote(value)}"),
        ])
        return way, "GET", f"/{kind}?{query}", [], None

    def cursor(self):
        """Forged, cut, at another list, or as it was given. Each world has its own for the same place, so `{}` stands for it."""
        self.forged = self.pick(self.cursors)
        at = self.random.randrange(len(self.forged[0]))
        other = lambda letter: "A" if letter != "A" else "B"
        forge = self.pick([lambda text: text[:at] + other(text[at]) + text[at + 1 :], lambda text: text[:at], lambda text: text + "A", lambda text: text])
        self.forged = [forge(text) for text in self.forged]
        return "cursor", "GET", f"/{self.kind()}?_cursor={{}}", [], None

    def read(self):
        kind = self.kind()
        own = self.id(kind) if self.percent(85) else self.id()
        version = self.versions.get((kind, own), "1") if self.percent(70) else self.id()
        way, more = self.pick([("read", ""), ("read", ""), ("history", "/_history"), ("vread", f"/_history/{version}"), ("vread", "/_history/1")])
        return way, "GET", f"/{kind}/{own}{more}", [], None

    def operation(self):
        where = self.pick(["", f"/{self.kind()}", f"/Patient/{self.id('Patient')}", f"/Patient/{self.id('Patient')}"])
        return "operation", self.pick(["GET", "GET", "POST"]), f"{where}/{quote(self.pick(OPERATIONS)).replace('%3F', '?').replace('%3D', '=')}", [], None

    def record(self, kind):
        subject = {"reference": f"Patient/{self.id('Patient')}"}
        body = {"resourceType": kind, "id": self.id(kind), "status": "final"}
        body["beneficiary" if kind == "Coverage" else "patient" if kind == "Claim" else "subject"] = subject
        if self.percent(40):
            body["encounter"] = {"reference": f"Encounter/{self.id('Encounter')}"}
        if self.percent(30):
            body["result"] = [{"reference": f"Observation/{self.id('Observation')}"}]
        return body

    def write(self):
        kind = self.kind()
        path = f"/{kind}/{self.id(kind)}"
        media = [("content-type", "application/fhir+json")]
        body = lambda: json.dumps(self.record(kind)).encode()
        name, value = self.question(kind)[1][0] if self.percent(50) else self.parameter(kind)
        query = f"?{quote(name)}={quote(value)}"
        way = self.pick(["conditional create", "conditional update", "conditional delete", "conditional patch", "create", "update", "delete", "patch", "patch", "precondition", "batch"])
        if way == "conditional create":
            named = self.record(kind)
            named.pop("id")
            return way, "POST", f"/{kind}", [*media, ("if-none-exist", query[1:])], json.dumps(named).encode()
        if way == "conditional update":
            return way, "PUT", f"/{kind}{query}", media, body()
        if way == "conditional delete":
            return way, "DELETE", f"/{kind}{query}", [], None
        if way == "create":
            # Without an id: FHIR has a server pass it over; this one takes it, and refuses one that is there.
            named = self.record(kind)
            named.pop("id")
            return way, "POST", f"/{kind}", media, json.dumps(named).encode()
        if way == "update":
            return way, "PUT", path, media, body()
        if way == "delete":
            return way, "DELETE", path, [], None
        if way == "precondition":
            field = (self.pick(CONDITIONS).lower(), self.pick([f'W/"{self.id()}"', "*", '"1"', 'W/"1"', "Thu, 01 Jan 2026 00:00:00 GMT"]))
            method = self.pick(["GET", "GET", "PUT", "DELETE"])
            return way, method, path, [*media, field], body() if method == "PUT" else None
        if way == "batch":
            entries = [{"request": {"method": "GET", "url": f"{kind}{query}"}}, {"request": {"method": "POST", "url": kind, "ifNoneExist": query[1:]}, "resource": {**self.record(kind), "id": "no-such-id"}}]
            return way, "POST", "/", media, json.dumps({"resourceType": "Bundle", "type": self.pick(["batch", "transaction"]), "entry": entries}).encode()
        pointer = "/" + self.pick(self.elements.get(kind, ["status"])) + self.pick(["", "/0", "/text", "/value", "/coding/0/code", "/reference"])
        steps = [{"op": "test", "path": pointer, "value": self.pick(self.pool["token"])}, {"op": "add", "path": "/language", "value": "ja"}]
        steps[0] = self.pick([steps[0], {"op": "copy", "from": pointer, "path": "/language"}, {"op": "move", "from": pointer, "path": "/language"}, {"op": "remove", "path": pointer}])
        return way, "PATCH", path if way == "patch" else f"/{kind}{query}", [("content-type", "application/json-patch+json")], json.dumps(steps).encode()

    def request(self):
        chance = self.random.random()
        made = (
            self.search_by_get() if chance < 0.50 else self.search_by_form() if chance < 0.58 else self.special() if chance < 0.63
            else self.odd() if chance < 0.70 else self.cursor() if chance < 0.73 else self.read() if chance < 0.84
            else self.operation() if chance < 0.88 else self.write()
        )
        way, method, target, fields, body = made
        if method == "GET":
            if self.percent(12):
                way, method = "HEAD", "HEAD"
            elif self.percent(12):
                way, fields = "coding", [*fields, ("accept-encoding", self.pick(CODINGS))]
            elif self.percent(5):
                way, fields = "range", [*fields, ("range", self.pick(["bytes=0-0", "bytes=0-99", "bytes=-1", "bytes=100-"]))]
            elif self.percent(5):
                way, fields = "dry run", [*fields, ("purpose-of-use-dry-run", "?1")]
        return way, method, target, fields, body
