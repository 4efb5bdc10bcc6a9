"""Would the attack find anything, if there were anything to find? The same ways, straight at the servers, past the gates.

The two worlds of each attacker differ in what is withheld from him; a server withholds nothing. So every way to ask has to show a
difference here, or stand in `SILENT` with the reason; and the search by halves has to find what it is after. An answer that is
not the same when the same world is asked again counts for nothing.
"""

import collections
import json
import re

import halves
import ways
import wire

# Ways that tell nothing at this server even without a gate: that they tell nothing behind one shows nothing.
SILENT = {
    "create": "a server takes a new record, whatever it has",
    "update": "this server answers with what was put, whether it had the record or not",
}
# And secrets that no search by halves finds here.
UNFOUND = {
    "a telephone number": "this server compares whole numbers: nothing is above or below one",
}

CLOCK = re.compile(rb'"lastUpdated":"[^"]*"')
# Of ways that tell something only to who asks for the right thing: that, of the accountant's worlds, in one of which all have HIV.
COLD = {"resourceType": "Condition", "subject": {"reference": f"Patient/{halves.EXAMINED}"}, "code": {"text": "a cold"}}
FHIR = [("content-type", "application/fhir+json")]
PATCH = [("content-type", "application/json-patch+json")]
AIMED = [
    ("_has", "GET", "/Patient?_has:Condition:patient:code=B20", [], None),
    ("nested _has", "GET", "/Patient?_has:Encounter:patient:_has:Condition:encounter:code=B20", [], None),
    ("chain", "GET", "/Observation?encounter.reason-code=B20&_count=5", [], None),
    ("composite", "GET", "/Observation?code-value-quantity=4548-4$gt8", [], None),
    ("several", "GET", "/Condition?code=B20&_lastUpdated=gt2000-01-01&_security=HTEST", [], None),
    ("doubled", "GET", "/Condition?code=B20&code=B20", [], None),
    ("include", "GET", "/Condition?code=B20&_include=Condition:patient", [], None),
    ("revinclude", "GET", f"/Patient?_id={halves.EXAMINED}&_revinclude=Condition:patient", [], None),
    ("sort", "GET", "/Condition?_sort=onset-date&_count=3", [], None),
    ("page", "GET", "/Observation?_count=20&_offset=20", [], None),
    ("total", "GET", "/Condition?code=B20&_total=accurate", [], None),
    ("conditional create", "POST", "/Condition", [*FHIR, ("if-none-exist", f"code=B20&patient={halves.EXAMINED}")], json.dumps(COLD).encode()),
    ("conditional update", "PUT", "/Condition?code=B20", FHIR, json.dumps(COLD).encode()),
    ("conditional patch", "PATCH", "/Condition?code=B20", PATCH, b'[{"op": "add", "path": "/language", "value": "ja"}]'),
    ("conditional delete", "DELETE", "/Condition?code=B20", [], None),
]

LEAST, MOST = 150, 1000  # random requests for each attacker: so many at least; and no more, if a way shows nothing


class Control:
    """One attacker before the servers of both worlds."""

    def __init__(self, who, both, charts, names_only, arguments):
        first, second = charts
        only = {(record["resourceType"], record["id"]) for record in first} ^ {(record["resourceType"], record["id"]) for record in second}
        self.grammar = ways.Grammar(arguments.catalogue.read_text(), first + second, only, names_only, f"{arguments.seed} {who} control")
        self.ports = [int(world.ports[who]) for world in both]
        self.callers = [wire.Caller(port, f"127.0.0.1:{port}", []) for port in self.ports]
        self.asked, self.by_way, self.told = 0, collections.Counter(), collections.Counter()

    def seen(self, answer, port):
        """What both servers would say alike: without their addresses, their clocks, and the length of what is coded with those in it."""
        steady = lambda text: CLOCK.sub(b'"lastUpdated":"?"', text.replace(f":{port}".encode(), b":"))
        left_out = {"date", "content-length"} if answer.coding else {"date"}
        fields = [(name, steady(value.encode())) for name, value in answer.fields if name not in left_out]
        return answer.status, fields, steady(answer.body)

    def once(self, method, targets, fields, body):
        for caller, target in zip(self.callers, targets):
            caller.send(method, target.removeprefix("/fhir") or "/", fields, body)
        return [caller.receive() for caller in self.callers]

    def ask(self, way, method, targets, fields, body):
        """Both answers; counted, and whether they differ for what is in the worlds."""
        answers = self.once(method, targets, fields, body)
        told = [Told(self.seen(answer, port)) for answer, port in zip(answers, self.ports)]
        self.asked += 1
        self.by_way[way] += 1
        if told[0].what != told[1].what:
            again = told
            if method in ("GET", "HEAD"):
                again = [Told(self.seen(answer, port)) for answer, port in zip(self.once(method, targets, fields, body), self.ports)]
            self.told[way] += all(first.what == second.what for first, second in zip(told, again))
        return told

    def request(self, due=None):
        """One more; with `due`, of one of these ways, if chance makes one."""
        for _ in range(500):
            way, method, target, fields, body = self.grammar.request()
            if due is None or way in due:
                break
        else:
            return
        self.ask(way, method, [target.replace("{}", forged) for forged in getattr(self.grammar, "forged", ["", ""])], fields, body)


class Told:
    """What `halves.search` takes for an answer."""

    def __init__(self, what):
        self.what = what

    def seen(self):
        return self.what


def by_halves(controls):
    """Whether each secret is found; told line by line."""
    wrong = []
    for who, control in controls.items():
        for secret in halves.SECRETS[who]:
            _, alike = halves.search(control, secret)
            what, good = f"{who}, {secret[0]}", alike == (secret[0] in UNFOUND)
            found = f"not found by halves{': ' + UNFOUND[secret[0]] if secret[0] in UNFOUND else ''}" if alike else "found by halves, another in each world"
            print(("  ok    " if good else "  FAILS ") + f"{what}: {found}")
            wrong += [] if good else [f"control: {what}"]
    return wrong


def run(attackers, both, charts, arguments, tried):
    """`attackers`: who → whether he may name what is in one world only; `tried`: the ways of the attack. Prints what was told, and
    answers what is wrong."""
    print("control, the same ways without a gate:")
    controls = {who: Control(who, both, charts(who), names_only, arguments) for who, names_only in attackers.items()}
    wrong = by_halves(controls)  # before anything is written
    for way, method, target, fields, body in AIMED:
        controls["accountant"].ask(way, method, [target] * 2, fields, body)
    for control in controls.values():
        for _ in range(LEAST):
            control.request()
        if not control.told:
            wrong.append("control: nothing is told")
    totals = lambda name: sum((getattr(control, name) for control in controls.values()), collections.Counter())
    due = lambda: set(totals("by_way")) - set(totals("told")) - set(SILENT)
    for _ in range(LEAST, MOST):
        for control in controls.values() if due() else []:
            control.request(due())
    by_way, told = totals("by_way"), totals("told")
    print("  told something: " + ", ".join(f"{way} {told[way]} of {count}" for way, count in sorted(by_way.items()) if told[way]))
    for way in sorted(way for way in by_way if not told[way]):
        known = SILENT.get(way)
        print(f"  {'told nothing' if known else 'FAILS: told nothing'}: {way}, {by_way[way]} requests" + (f": {known}" if known else ""))
        wrong += [] if known else [f"control: {way}"]
    wrong += [f"control: {way} was not tried" for way in sorted(set(tried) - set(by_way))]
    asked = sum(control.asked for control in controls.values())
    print(f"  {asked} requests in each world, {sum(told.values())} answered differently")
    return wrong
