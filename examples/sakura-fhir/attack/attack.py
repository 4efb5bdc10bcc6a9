"""Attacks what is withheld, in two worlds that differ in nothing else: whoever sees a difference could learn something.

attack.py RUN-A RUN-B WORLDS CATALOGUE [--requests N] [--seed S]: RUN-A and RUN-B are running gates with the same keys, each
before one world of every attacker. Each of N requests is asked in both; status, fields, body, lengths and chunks have to be the
same. Then each attacker searches by halves for a value that he may not see, and takes any difference at all for an answer.
Exits 1 if there was a difference, or if nothing was really asked. At last the same ways are tried straight at the servers
(control.py), where all but a few have to tell something.
"""

import argparse
import base64
import collections
import json
import pathlib
import threading
import time
import urllib.request

import control
import halves
import ways
import wire
import worlds

PAGES = 40  # of one list, at most


class World:
    """One gate and its FHIR servers; the provider is the first one's, whose callers both know."""

    def __init__(self, run, provider):
        read = lambda folder: dict(line.split("=") for line in (folder / "ports").read_text().split())
        self.ports = {**read(run), "PROVIDER": read(provider)["PROVIDER"]}
        self.secret = (provider / "secret").read_text()

    def token(self, client):
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['PROVIDER']}/token", b"grant_type=client_credentials")
        request.add_header("authorization", "Basic " + base64.b64encode(f"{client}:{self.secret}".encode()).decode())
        return json.load(urllib.request.urlopen(request))["access_token"]

    def caller(self, who):
        client, purpose, _ = worlds.ATTACKERS[who]
        fields = [f"authorization: Bearer {self.token(client)}", f"purpose-of-use: {purpose}"]
        return wire.Caller(int(self.ports["GATE"]), f"{who}.example", fields)


def names_only(who):
    """Whether he may name what is in one world only. Own staff are told why a record is refused to them, and so that there is one."""
    return who not in ("physician", "accountant")


class Attack(threading.Thread):
    """One attacker, in both worlds at once."""

    def __init__(self, who, both, charts, arguments, number):
        super().__init__()
        self.who, self.both, self.wanted = who, both, number
        first, second = charts
        named = lambda some: {(record["resourceType"], record["id"]) for record in some}
        # What is in one world only may be named by whoever is to take it for unknown.
        only = named(first) ^ named(second)
        everything = first + second
        self.grammar = ways.Grammar(arguments.catalogue.read_text(), everything, only, names_only(who), f"{arguments.seed} {who}")
        self.asked, self.statuses, self.by_way = 0, collections.Counter(), collections.Counter()
        self.differences, self.fault, self.shown = [], None, 0
        self.since = 0

    def run(self):
        try:
            while self.asked < self.wanted:
                if time.monotonic() - self.since > 400:  # a token lives ten minutes
                    self.callers, self.since = [world.caller(self.who) for world in self.both], time.monotonic()
                self.follow(self.grammar.request())
            self.searches = [halves.search(self, secret) for secret in halves.SECRETS[self.who]]
        except Exception as error:  # told by the main thread
            self.fault = error
            raise

    def ask(self, way, method, targets, fields, body):
        """Asks in both worlds; `targets`: one for each. What both answered, compared."""
        while True:
            for caller, target in zip(self.callers, targets):
                caller.send(method, target, fields, body)
            answers = [caller.receive() for caller in self.callers]
            if not any(slowed(answer) for answer in answers):
                break
            time.sleep(0.1)  # too many refusals: the limit is on time, which is not compared
        self.asked += 1
        self.statuses[answers[0].status] += 1
        self.by_way[way] += 1
        self.shown += answers[0].status == 200 and b'"resource"' in answers[0].body
        first, second = [answer.seen() for answer in answers]
        if first != second:
            self.differences.append((way, method, targets[0], fields, body, first, second))
        return answers

    def follow(self, request):
        """One request; a list is followed to its end."""
        way, method, target, fields, body = request
        targets = ["/fhir" + target] * 2
        if target.endswith("_cursor={}"):
            targets = [target.replace("{}", own) for target, own in zip(targets, self.grammar.forged)]
        answers = self.ask(way, method, targets, fields, body)
        self.grammar.seen(answers[0])
        for _ in range(PAGES):
            links = [answer.next() for answer in answers] if answers[0].status == 200 else [None]
            if not all(links):
                return
            self.grammar.cursors.append([link.partition("_cursor=")[2] for link in links])
            answers = self.ask("page", "GET", [link.partition(".example")[2] for link in links], [], None)
            self.grammar.seen(answers[0])


def slowed(answer):
    """Whether the gate said "slow down", to the request or to one in a batch."""
    return answer.status == 429 or b'"rate-limited"' in answer.body


def read(folder):
    return [json.loads(line) for file in sorted(folder.glob("*.ndjson")) for line in file.read_text().splitlines()]


def told(difference):
    way, method, target, fields, body, first, second = difference
    lines = [f"  {way}: {method} {target[:300]} {fields} {(body or b'')[:300]}"]
    for name, one, other in zip(["status", "fields", "body", "lengths"], first, second):
        if one != other:
            at = next((n for n, (a, b) in enumerate(zip(one, other)) if a != b), 0) if isinstance(one, bytes) else 0
            cut = lambda it: it[max(0, at - 80) : at + 160] if isinstance(it, bytes) else it
            lines += [f"    {name}: {cut(one)}", f"    {' ' * len(name)}  {cut(other)}"]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    for name in ["a", "b", "worlds", "catalogue"]:
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.requests} requests in each of two worlds")
    both, began = [World(arguments.a, arguments.a), World(arguments.b, arguments.a)], time.monotonic()
    each = -(-arguments.requests // len(worlds.ATTACKERS))
    charts = lambda who: [read(arguments.worlds / letter / who) for letter in "ab"]
    attacks = [Attack(who, both, charts(who), arguments, each) for who in worlds.ATTACKERS]
    for attack in attacks:
        attack.start()
    for attack in attacks:
        attack.join()
    wrong = []
    by_way = sum((attack.by_way for attack in attacks), collections.Counter())
    for attack in attacks:
        statuses = ", ".join(f"{count} {status}" for status, count in sorted(attack.statuses.items()))
        print(f"{attack.who}: {attack.asked} requests ({statuses}), {attack.shown} showed records: {len(attack.differences)} differences")
        for difference in attack.differences[:6]:
            print(told(difference))
        if attack.fault or attack.differences:
            wrong.append(attack.who)
        for line, good in getattr(attack, "searches", []):
            print(("  ok    " if good else "  FAILS ") + line)
            wrong += [] if good else [attack.who]
        if not attack.shown and attack.who != "nobody":
            wrong.append(f"{attack.who} was shown nothing: vacuous")
    print("ways: " + ", ".join(f"{way} {count}" for way, count in sorted(by_way.items())))
    wrong += control.run({who: names_only(who) for who in worlds.ATTACKERS}, both, charts, arguments, by_way)
    total = sum(attack.asked for attack in attacks)
    print(f"{total} requests in each world, {time.monotonic() - began:.0f} s: " + (f"wrong: {wrong}" if wrong else "nothing to be learnt"))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
