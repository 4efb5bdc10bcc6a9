"""What is measured, in which order, how often; and each figure with its spread."""

import json
import statistics
import sys
import time

import bodies
import load
from machine import Missing
from rivals import Gate, built_rival

KB1, KB100, MB10, MIB1, GIB1 = "kb1", "kb100", "mb10", "mib1", "gib1"
SIZES = {KB1: 1 << 10, KB100: 100_000, MB10: 10_000_000}
LABELS = {KB1: "1 KB", KB100: "100 KB", MB10: "10 MB"}
CONNECTIONS = {KB1: 64, KB100: 64, MB10: 4}
FEWEST = {KB1: 64, KB100: 16, MB10: 4}
RATES = {KB1: 2000, KB100: 200}


class Plan:
    """How much of everything: the whole, or just enough to see that it works."""

    def __init__(self, quick):
        self.rounds = 2 if quick else 5
        self.cell_s = 0.15 if quick else 1.0
        self.latency_rounds, self.latency_s = (1, 1) if quick else (3, 2)
        self.saturated_s = 0.5 if quick else 3.0
        self.first_bytes = 3 if quick else 9
        self.giant_bytes = 32 << 20 if quick else 1 << 30


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def spread(values):
    """Median, least and most."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values), "all": values}


class Figures:
    def __init__(self, bench, rivals, plan):
        self.bench, self.rivals, self.plan = bench, rivals, plan
        self.cells = {size: {} for size in SIZES}
        self.found = {"cells": self.cells, "errors": {}, "missing": {}}

    def present(self, keys=None):
        return [r for r in self.rivals if r.process and (keys is None or r.key in keys)]

    def fault(self, rival, where, error):
        say(f"{rival.key} {where}: {error}")
        self.found["errors"].setdefault(rival.key, []).append(f"{where}: {error}")

    def check(self):
        """Is every proxy's answer right? One whose is not takes no further part."""
        for rival in self.present():
            for size in SIZES:
                target = bodies.TARGET.format(size)
                try:
                    status, _, body = load.get(rival.port, target, self.bench.fields)
                    rival.asked += 1
                    text = (self.bench.files / f"{size}.json").read_bytes()
                    right = status == 200 and json.loads(body) == rival.expected(text, size, self.bench.origin)
                    kept_back = bodies.MARK.encode() not in body
                    if not right or kept_back != rival.redacts:
                        raise Missing(f"a wrong answer (status {status}, {len(body)} bytes)")
                except (Missing, OSError, ValueError) as error:
                    rival.missing = f"{LABELS[size]}: {error}"
                    self.fault(rival, "check", rival.missing)
                    rival.process.stop()
                    rival.process = None
                    break

    def one(self, rival, size, seconds=None):
        """One measurement of one proxy, of a length found by asking it first."""
        seconds = seconds or self.plan.cell_s
        target, connections = bodies.TARGET.format(size), CONNECTIONS[size]
        fewest, per_s = FEWEST[size], getattr(rival, "pace", {}).get(size)
        where = (rival.port, target, self.bench.fields)
        if per_s is None:
            took_s, _ = load.h2load(*where, fewest, connections, self.bench.load_core)
            rival.asked += fewest
            rival.pace = {**getattr(rival, "pace", {}), size: fewest / took_s}
            per_s = rival.pace[size]
        requests = max(fewest, int(per_s * seconds))
        cell = load.measured(rival.process, *where, requests, connections, self.bench.load_core)
        rival.asked += requests
        rival.pace[size] = cell["per_s"]
        return cell

    def rates(self):
        """CPU a request: in each round every proxy once, each round beginning with another."""
        raw = {}
        for turn in range(self.plan.rounds):
            for size in SIZES:
                present = self.present()
                for rival in present[turn % len(present):] + present[:turn % len(present)]:
                    try:
                        raw.setdefault((size, rival.key), []).append(self.one(rival, size))
                    except (Missing, OSError) as error:
                        self.fault(rival, LABELS[size], error)
            say(f"round {turn + 1} of {self.plan.rounds}")
        for (size, key), cells in raw.items():
            base = raw.get((size, "nginx"), [])
            ratios = [cell["cpu_us"] / first["cpu_us"] for cell, first in zip(cells, base)]
            self.cells[size][key] = {
                "cpu_us": spread([cell["cpu_us"] for cell in cells]), "ratio": spread(ratios) if ratios else None,
                "per_s": spread([cell["per_s"] for cell in cells]), "busy": spread([cell["busy"] for cell in cells]),
                "requests": sum(cell["requests"] for cell in cells), "errors": sum(cell["errors"] for cell in cells)}
        for rival in self.present():
            self.found.setdefault("peak_bytes", {})[rival.key] = rival.process.memory_bytes()

    def saturation(self):
        """Requests a second of one core at 1 KB, nginx and the gate by turns."""
        raw = {}
        for _ in range(1 if self.plan.rounds < 3 else 3):
            for rival in self.present({"nginx", "sekisho", "envoy", "tmpfs"}):
                try:
                    raw.setdefault(rival.key, []).append(self.one(rival, KB1, self.plan.saturated_s))
                except (Missing, OSError) as error:
                    self.fault(rival, "saturation", error)
        self.found["saturation"] = {
            key: {"per_s": spread([c["per_s"] for c in cells]), "busy": spread([c["busy"] for c in cells]),
                  "per_core_s": spread([1e6 / c["cpu_us"] for c in cells]), "errors": sum(c["errors"] for c in cells),
                  "requests": sum(c["requests"] for c in cells)} for key, cells in raw.items()}

    def latency(self):
        """At a fixed rate: each round every one of these once, the backend itself first."""
        probe = built_rival(self.bench)
        raw = {}
        for _ in range(self.plan.latency_rounds):
            for size, per_s in RATES.items():
                target = bodies.TARGET.format(size)
                where = [("direct", self.bench.upstream_port, None)]
                where += [(r.key, r.port, r) for r in self.present({"nginx", "nginx-64k", "envoy", "tmpfs", "sekisho"})]
                for key, port, rival in where:
                    try:
                        told = load.latency(probe, port, target, self.bench.fields, per_s, self.plan.latency_s, self.bench.load_core)
                        raw.setdefault((size, key), []).append(told)
                        if rival:
                            rival.asked += told["requests"] + 8  # each connection's first is not counted
                        if told["errors"]:
                            raise Missing(f"{told['errors']} errors")
                    except (Missing, OSError) as error:
                        if rival:
                            self.fault(rival, "latency", error)
        self.found["latency"] = {
            size: {key: {"p50_us": spread([t["p50_us"] for t in told]), "p99_us": spread([t["p99_us"] for t in told])}
                   for (of, key), told in raw.items() if of == size} for size in RATES}

    def first_bytes(self):
        """Of the giant answer, by turns."""
        raw, target = {}, bodies.TARGET.format(GIB1)
        for _ in range(self.plan.first_bytes):
            for rival in self.present({"nginx", "nginx-64k", "envoy", "tmpfs", "sekisho"}):
                try:
                    raw.setdefault(rival.key, []).append(load.first_byte_us(rival.port, target, self.bench.fields))
                except (Missing, OSError) as error:
                    self.fault(rival, "first byte", error)
                rival.asked += 1
        self.found["first_byte_us"] = {key: spread(values) for key, values in raw.items()}

    def memory(self, program):
        """Of a gate that has done nothing else: a giant body against one of 1 MiB, and 64 bodies of 10 MB at once."""
        gate = Gate("fresh", "", "", program, False)
        gate.start(self.bench)
        self.rivals.append(gate)
        if gate.missing:
            raise Missing(gate.missing)
        told, process = self.found.setdefault("memory", {}), gate.process
        try:
            told["idle_bytes"] = process.memory_bytes("VmRSS")
            for size in (MIB1, GIB1):
                process.forget_peak()
                gate.asked += 1
                taken, took_s = load.taken(gate.port, bodies.TARGET.format(size), self.bench.fields)
                told[size] = {"peak_bytes": process.memory_bytes(), "taken_bytes": taken, "seconds": took_s,
                              "body_bytes": (self.bench.files / f"{size}.json").stat().st_size}
            process.forget_peak()
            gate.asked += 64
            took_s, errors = load.h2load(gate.port, bodies.TARGET.format(MB10), self.bench.fields, 64, 64, self.bench.load_core)
            told["streams"] = {"peak_bytes": process.memory_bytes(), "seconds": took_s, "errors": errors}
        except (Missing, OSError) as error:
            self.fault(gate, "memory", error)

    def records(self):
        """Ends the gates and counts what they put on record against what was asked of them."""
        self.found["records"] = {}
        gates = [rival for rival in self.present() if isinstance(rival, Gate)]
        self.found["gates"] = [gate.key for gate in gates]
        for gate in gates:
            code = gate.process.stop()
            try:
                told = gate.records()
                # `wait_until` may have asked a time or two before, and its last was answered.
                exact = told["begin"] == told["end"] == gate.asked + 1
                self.found["records"][gate.key] = {**told, "answers": gate.asked + 1, "exact": exact, "ended_with": code}
            except Missing as error:
                self.fault(gate, "records", error)
