#!/usr/bin/env python3
"""Do other programs find in an export what is in the log?

    judge.py schema FHIR_SCHEMA FOLDER       each AuditEvent, by PyPI `jsonschema` and the standard's fhir.schema.json
    judge.py csv FOLDER                      each row, by Python's csv module
    judge.py otlp FOLDER AGENT SEKISHO       each log record, by what PyPI `rotel` says that it took

FOLDER holds NAME.jsonl, NAME.csv and NAME.fhir for each log, as `sekisho audit export` wrote them, and NAME, a link to the log.
What has to come out is counted from the lines as they stand, not by Sekisho. Exit code 0: all is there, and what was
spoilt on purpose is found. 1: not so, and why.
"""
import collections, csv, json, pathlib, re, socket, subprocess, sys, threading, time, urllib.error, urllib.request

class Wrong(Exception):
    pass

def need(holds, why):
    if not holds:
        raise Wrong(why)

def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

class Told:
    """What one message has to tell: an access, a refusal, something administrative, strangers."""
    def __init__(self, head, kind, outcome, subjects=(), end=None, address=None, clauses=()):
        caller = head.get("caller", head.get("by", {}))
        self.head, self.decision, self.subjects = head, head.get("id"), sorted(set(subjects))
        status = (end or {}).get("status", head.get("status", ""))
        address = address if address is not None else caller.get("address", "")
        self.words = (head["node"], str(head["seq"]), kind, outcome, caller.get("id", ""), address, head.get("purpose", ""),
            head.get("method", ""), head.get("route", ""), str(status), " ".join(clauses), " ".join(self.subjects))

# The same twelve, where CSV and OTLP have them.
COLUMNS = ["node", "record", "kind", "outcome", "caller", "address", "purpose", "method", "route", "status", "clauses", "subjects_sealed"]
ATTRIBUTES = ["service.instance.id", "sekisho.record", "sekisho.kind", "sekisho.outcome", "user.id", "client.address", "sekisho.purpose",
    "http.request.method", "http.route", "http.response.status_code", "sekisho.clauses", "sekisho.subjects.sealed"]

def told(path):
    """Reads the lines of one log; in them an access is a beginning, windows and an ending."""
    told, open_ones = [], {}
    for line in lines(path):
        kind = line["kind"]
        clauses = [*line.get("clauses", []), *(reason["clause"] for reason in line.get("reasons", []) if "clause" in reason)]
        clauses = list(dict.fromkeys(clauses))
        if kind == "begin":
            open_ones[line["seq"]] = (line, list(line.get("subjects", [])), clauses)
        elif kind == "continuation":
            for disclosed in line["disclosed"]:
                open_ones[line["begin"]][1].extend(disclosed.get("subjects", []))
        elif kind == "end":
            head, subjects, clauses = open_ones.pop(line["begin"])
            told.append(Told(head, "access", line["outcome"], subjects, line, clauses=clauses))
        elif kind == "refusal":
            code = line["reasons"][0]["code"]
            outcome = code if code in ("help", "dry-run") else "refused"
            told.append(Told(line, "refusal", outcome, line.get("subjects", []), clauses=clauses))
        elif kind == "administrative":
            told.append(Told(line, "administrative", "done", line.get("subjects", [])))
        elif kind == "strangers":
            networks = [one["network"] for one in line["refused"]] + [""] * (line.get("others", 0) > 0)
            told.extend(Told(line, "strangers", "refused", address=network) for network in networks)
        else:
            need(kind == "segment", f"{path}: a record of kind `{kind}`")
    need(not open_ones, f"{path}: {len(open_ones)} accesses have no ending")
    return told

def same(place, wanted, found):
    """Compares what has to be there with what is, each as often as it is."""
    wanted, found = collections.Counter(wanted), collections.Counter(found)
    for missing in list((wanted - found).elements())[:3]:
        print(f"{place}: missing: {missing}", file=sys.stderr)
    for other in list((found - wanted).elements())[:3]:
        print(f"{place}: not in the log: {other}", file=sys.stderr)
    need(wanted == found, f"{place}: what was exported is not what is in the log")

def logs(folder):
    names = sorted(path.with_suffix("") for path in pathlib.Path(folder).glob("*.jsonl"))
    whole = {name: told(name.with_suffix(".jsonl")) for name in names}
    kinds = collections.Counter((one.words[2], one.words[3]) for one in sum(whole.values(), []))
    for kind in [("access", "completed"), ("refusal", "refused"), ("administrative", "done"), ("strangers", "refused")]:
        need(kinds[kind] > 0, f"there is nothing of {kind} in the logs: nothing would be judged")
    heads = [one.head for one in sum(whole.values(), [])]
    need(any(head.get("action") == "search" for head in heads), "nobody searched in the logs")
    need(any("review" in head.get("obligations", []) for head in heads), "nobody broke the glass in the logs")
    need(len(heads) > 3000, f"only {len(heads)} messages are in the logs")
    return whole

def judge_schema(schema, folder):
    from jsonschema import Draft6Validator
    definitions = json.loads(pathlib.Path(schema).read_text("utf-8"))["definitions"]
    judge = Draft6Validator({"$ref": "#/definitions/AuditEvent", "definitions": definitions})
    judged, bad, whole, profiles = 0, 0, None, collections.Counter()
    for name, log in logs(folder).items():
        events, about = lines(name.with_suffix(".fhir")), []
        for event in events:
            judged += 1
            for error in judge.iter_errors(event):
                bad += 1
                print(f"{name.name}: {error.json_path}: {error.message[:200]}", file=sys.stderr)
                break
            need(bad < 10, "and so on")
            profiles.update(profile.rsplit(".", 1)[1] for profile in event.get("meta", {}).get("profile", []))
            entities = [entity.get("what", {}).get("identifier", {}) for entity in event["entity"]]
            decision = [entity["value"] for entity in entities if "system" not in entity and "value" in entity]
            person = [entity["value"] for entity in entities if entity.get("system") == "urn:sekisho:sealed-subject"]
            if decision:
                need(len(decision) == 1 and len(person) <= 1, f"{name.name}: one event about several: {event}")
                about.append((decision[0], *person))
                whole = event
        # An access is told once for each person, or once where it is about nobody.
        accesses = [one for one in log if one.words[2] in ("access", "refusal")]
        same(name.name, [(one.decision, *who) for one in accesses for who in ([(subject,) for subject in one.subjects] or [()])], about)
        others = len(log) - len(accesses)
        need(len(events) == len(about) + others, f"{name.name}: {len(events) - len(about)} events besides accesses, and not {others}")
    need(bad == 0, f"{bad} AuditEvents are none")
    print(f"jsonschema: {judged} AuditEvents judged, 0 of them bad: each access, once for each person; profiles {dict(profiles)}")
    for profile in ["PatientRead", "PatientQuery", "Source"]:
        need(profiles[profile] > 0, f"no event has the profile {profile}")
    for how, spoilt in {"an outcome that is none": {"outcome": "9"}, "an unknown action": {"action": "X"}, "an unknown member": {"who": 1}}.items():
        need(not judge.is_valid({**whole, **spoilt}), f"jsonschema takes an event with {how}: its judgement says nothing")
    print("  and each of 3 that were spoilt is found")

def judge_csv(folder):
    count, guarded = 0, 0
    for name, log in logs(folder).items():
        with open(name.with_suffix(".csv"), newline="", encoding="utf-8") as file:
            text = file.read()
        rows = list(csv.DictReader(text.splitlines(keepends=True), strict=True))
        need(text.count("\r\n") == text.count("\n") == len(rows) + 1, f"{name.name}: a row is not a line")
        for row in rows:
            need(None not in row and None not in row.values(), f"{name.name}: not as many cells as the heading: {row}")
            for column, cell in row.items():
                need(not cell.startswith(("=", "+", "-", "@", "\t", "\r")), f"{name.name}: {column} is a formula: {cell}")
                if re.match("'[=+@\t\r-]", cell):
                    row[column], guarded = cell[1:], guarded + 1
                    need(f'"{cell}' in text, f"{name.name}: {column} is not in quotes: {cell}")
        same(name.name, [one.words for one in log], [tuple(row[column] for column in COLUMNS) for row in rows])
        count += len(rows)
    need(guarded > 0, "no cell was one that a spreadsheet would take for a formula: nothing was seen of the guard")
    print(f"csv: {count} rows, each as in the log; {guarded} cells that begin like a formula are guarded")

def free_ports(number):
    """Free as long as nobody else asks: held open together, so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports

class Receiver:
    """rotel, which prints each log record that it took, in its own words."""
    def __init__(self, agent):
        self.port, grpc = free_ports(2)
        arguments = [agent, "start", "--exporter", "blackhole", "--debug-log", "logs", "--debug-log-verbosity", "detailed",
            "--otlp-http-endpoint", f"127.0.0.1:{self.port}", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8")
        self.said = []
        self.reader = threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def __enter__(self):
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                need(self.process.poll() is None and time.monotonic() < until, f"rotel does not listen: {''.join(self.said)}")
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()

    def post(self, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/logs", body, {"content-type": "application/json"})
        try:
            return urllib.request.urlopen(request, timeout=20).status
        except urllib.error.HTTPError as error:
            return error.code

    def wait_for(self, number):
        """Until so many log records were printed; what is missing after a while is told when they are compared."""
        until = time.monotonic() + 20
        while sum(line.startswith("LogRecord #") for line in list(self.said)) < number and time.monotonic() < until:
            time.sleep(0.1)

    def taken(self):
        """The log records that it printed, once it has ended: a dictionary each."""
        taken, resource = [], {}
        for line in self.said:
            if line.startswith("ResourceLog #"):
                now = resource = {}
            elif line.startswith("LogRecord #"):
                now = dict(resource)
                taken.append(now)
            elif attribute := re.fullmatch(r" +-> ([a-z_.]+): (Str|Int|Slice)\((.*)\)\n", line):
                name, kind, value = attribute.groups()
                now[name] = " ".join(re.findall(r"Str\((.*?)\)(?=, Str\(|$)", value)) if kind == "Slice" else value
        return taken

def judge_otlp(folder, agent, sekisho):
    whole = logs(folder)
    with Receiver(agent) as receiver:
        for name in whole:
            command = [sekisho, "audit", "export", "--format", "otlp", "--to", f"http://127.0.0.1:{receiver.port}/v1/logs", str(name)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        first = whole_request(sekisho, next(iter(whole)))
        refused = {"a number that is none": (b'"timeUnixNano":"', b'"timeUnixNano":"x'), "a list that is none": (b'"resourceLogs":[', b'"resourceLogs":[7,'),
            "half of it": (first[len(first) // 2:], b"")}
        for how, (there, instead) in refused.items():
            spoilt = first.replace(there, instead, 1)
            need(spoilt != first, f"{how}: the body is what it was")
            need(receiver.post(spoilt) == 400, f"rotel takes a body with {how}: its answer says nothing")
        receiver.wait_for(sum(map(len, whole.values())))
    taken = receiver.taken()
    found = [tuple(record.get(attribute, "") for attribute in ATTRIBUTES) for record in taken]
    same("rotel", [one.words for log in whole.values() for one in log], found)
    print(f"rotel: {len(taken)} log records taken, each as in the log; a body that is none is refused, {len(refused)} ways")

def whole_request(sekisho, name):
    command = [sekisho, "audit", "export", "--format", "otlp", str(name)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[0]

JUDGES = {"schema": judge_schema, "csv": judge_csv, "otlp": judge_otlp}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in JUDGES:
        sys.exit(__doc__)
    try:
        JUDGES[sys.argv[1]](*sys.argv[2:])
    except Wrong as wrong:
        sys.exit(f"not so: {wrong}")
