"""The table: each figure, its ratio to nginx in the same round, and what was to be reached, said as it is."""

from figures import GIB1, KB1, KB100, LABELS, MB10, MIB1, SIZES

BEGIN = "<!-- proxies: written by tests/bench/proxies, between these two lines -->"
END = "<!-- /proxies -->"
MIB = 1 << 20


def number(value):
    """Three figures that count."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(spread):
    return f"{number(spread['median'])} ({number(spread['least'])}–{number(spread['most'])})"


def _cell(cell):
    if not cell:
        return "– | –"
    wrong = f", **{cell['errors']} errors**" if cell["errors"] else ""
    ratio = times(cell["ratio"]) if cell["ratio"] else "–"
    return f"{number(cell['cpu_us']['median'])}{wrong} | {ratio}"


def costs(found, titles):
    lines = ["| proxy | does | 1 KB: CPU µs | × nginx | 100 KB: CPU µs | × nginx | 10 MB: CPU µs | × nginx | peak MiB |",
             "|---|---|---|---|---|---|---|---|---|"]
    for key, (title, job) in titles.items():
        if key in found["missing"]:
            lines.append(f"| {title} | **missing**: {found['missing'][key].replace('|', '/')} | | | | | | | |")
            continue
        cells = " | ".join(_cell(found["cells"][size].get(key)) for size in SIZES)
        peak = found.get("peak_bytes", {}).get(key)
        lines.append(f"| {title} | {job} | {cells} | {peak / MIB:.0f} |" if peak else f"| {title} | {job} | {cells} | – |")
    return lines


def _reached(value, target, moonshot=None, most=True):
    """How a figure stands to what was to be reached; `most`: less is better."""
    good = (lambda limit: value <= limit) if most else (lambda limit: value >= limit)
    if moonshot is not None and good(moonshot):
        return "reached, and the moonshot"
    if good(target):
        return "reached"
    return f"**missed** by {number(value / target if most else target / value)}×"


def _cpu(found, size, key):
    cell = found["cells"].get(size, {}).get(key)
    return cell["cpu_us"]["median"] if cell else None


def targets(found):
    """Rows of: what, figure, to be reached, verdict."""
    rows = []

    def row(what, value, shown, wanted, verdict):
        rows.append(f"| {what} | {shown if value is not None else 'not measured'} | {wanted} | {verdict if value is not None else '–'} |")

    def against(what, ours, theirs, size, target, moonshot):
        mine, other = _cpu(found, size, ours), _cpu(found, size, theirs)
        value = mine / other if mine and other else None
        row(f"{what}, {LABELS[size]}", value, value and f"{number(value)}×", f"{target}× ({moonshot}×)", value and _reached(value, target, moonshot))

    for size, target in ((KB1, 1.15), (KB100, 1.35), (MB10, 1.1)):
        against("1: all of it, its log on tmpfs, against nginx", "tmpfs", "nginx", size, target, 1.0)
    against("1d: all of it, on record on disk first, against nginx", "sekisho", "nginx", KB1, 1.4, 1.2)
    for size, target, moonshot in ((KB1, 0.5, 0.35), (KB100, 1.2, 1.0)):
        against("1e: all of it, on record on disk first, against Envoy", "sekisho", "envoy", size, target, moonshot)
    less = {"nginx-lua": ("nginx + Lua", 1.9, 14, 20), "nginx-njs": ("nginx + njs", 4, 50, 65),
            "serde": ("serde_json `Value`", 1.3, 6.5, 11), "fastapi": ("FastAPI", 45, 45, 45)}
    for key, (title, *wanted) in less.items():
        for size, target in zip(SIZES, wanted):
            mine, other = _cpu(found, size, "sekisho"), _cpu(found, size, key)
            value = other / mine if mine and other else None
            row(f"2: less CPU than {title}, {LABELS[size]}", value, value and f"{number(value)}×", f"{target}× ({2 * target}×)",
                value and _reached(value, target, 2 * target, most=False))
    rows += _memory(found, row) or []
    _latency(found, row)
    _saturation(found, row)
    return ["| target | figure | to be reached (moonshot) | |", "|---|---|---|---|", *rows]


def _memory(found, row):
    told = found.get("memory", {})
    giant, small, streams = told.get(GIB1), told.get(MIB1), told.get("streams")
    if giant and small:
        size = f"{giant['body_bytes'] / MIB:,.0f} MiB"
        peak, above = giant["peak_bytes"] / MIB, (giant["peak_bytes"] - small["peak_bytes"]) / MIB
        row(f"4: a fresh process while {size} go through it", peak, f"{peak:.1f} MiB at {giant['body_bytes'] / 1e6 / giant['seconds']:.0f} MB/s",
            "32 MiB (16)", _reached(peak, 32, 16))
        row("4: above that of 1 MiB", above, f"{above:.1f} MiB", "1 MiB (0.5)", _reached(above, 1, 0.5))
    else:
        row("4: a fresh process while 1 GiB goes through it", None, "", "32 MiB (16)", "")
    peak = streams and streams["peak_bytes"] / MIB
    row("4: 64 streams of 10 MB at once", peak, peak and f"{peak:.1f} MiB, {streams['errors']} errors", "64 MiB (32)",
        peak and _reached(peak, 64, 32))


def _latency(found, row):
    for size, target in ((KB1, 1.15), (KB100, 1.6)):
        told = {key: value["p50_us"]["median"] for key, value in found.get("latency", {}).get(size, {}).items()}
        value = None
        if {"direct", "nginx", "sekisho"} <= told.keys() and told["nginx"] > told["direct"]:
            ours, theirs = told["sekisho"] - told["direct"], told["nginx"] - told["direct"]
            value, shown = ours / theirs, f"{ours:.0f} µs against {theirs:.0f} µs: {number(ours / theirs)}×"
            if "tmpfs" in told:
                shown += f" (log on tmpfs: {told['tmpfs'] - told['direct']:.0f} µs)"
        row(f"8: added latency at the median, {LABELS[size]}", value, value and shown, f"{target}× (1×)", value and _reached(value, target, 1.0))
    first = {key: value["median"] for key, value in found.get("first_byte_us", {}).items()}
    value = first["sekisho"] - first["nginx"] if {"sekisho", "nginx"} <= first.keys() else None
    giant = found.get("memory", {}).get(GIB1)
    chunk_us = 16384 / giant["body_bytes"] * giant["seconds"] * 1e6 if giant else None
    row("8: first byte of the giant answer", value,
        value is not None and f"{first['sekisho']:.0f} µs against {first['nginx']:.0f} µs",
        "within a chunk of 16 KiB of nginx" + (f" ({chunk_us:.0f} µs)" if chunk_us else ""),
        value is not None and chunk_us and ("reached" if value <= chunk_us else f"**missed**: {value:.0f} µs later"))


def _saturation(found, row):
    told = found.get("saturation", {})
    value = None
    if {"sekisho", "nginx"} <= told.keys():
        ours, theirs = told["sekisho"], told["nginx"]
        value = ours["per_core_s"]["median"] / theirs["per_core_s"]["median"]
        shown = (f"{number(ours['per_core_s']['median'])} against {number(theirs['per_core_s']['median'])} a second of CPU: {number(value)}× "
                 f"(seen {number(ours['per_s']['median'])} at {ours['busy']['median']:.0%} busy, {number(theirs['per_s']['median'])} at "
                 f"{theirs['busy']['median']:.0%}); {ours['errors']} errors")
    row("9: one core full, 1 KB: answers", value, value and shown, "0.85× (1×), no errors",
        value and (_reached(value, 0.85, 1.0, most=False) if not ours["errors"] else "**missed**: errors"))
    for key, name in (("sekisho", ""), ("tmpfs", ", log on tmpfs"), ("fresh", ", the gate of the memory figures")):
        kept = found.get("records", {}).get(key)
        row(f"9: records{name}", kept and 1, kept and f"{kept['answers']:,} answers, {kept['begin']:,} beginnings, {kept['end']:,} ends; `audit verify`: {kept['verified']}",
            "exactly one pair an answer", kept and ("reached" if kept["exact"] else "**missed**"))


def text(found, titles):
    """All that stands between the marks."""
    about = found["about"]
    sizes = about["bodies"]
    load = f"; load average at its start {about['load_at_start']:.1f}" if about["load_at_start"] > 0.7 else ""
    quick = " **Small counts: this shows that it works, not what it costs.**" if about["quick"] else ""
    one = " **Only one core: load, backend and proxy share it.**" if about["one_core"] else ""
    lines = [
        BEGIN, "",
        f"Run of {about['date']}: {about['cores']} cores ({about['cpu']}), Linux {about['kernel']}, {about['rounds']} rounds, {about['seconds']} s{load}.{quick}{one}", "",
        f"A proxy has one core, load (h2load, exact counts) and backend (nginx, files) the other. CPU is the process' own account, children too; "
        f"each round asks every proxy once; a ratio to nginx in the table of proxies is within a round, and told by its median (least–most) over the rounds; where the table of targets compares two proxies it takes the median of each over the whole run. Bodies are FHIR Bundles of {sizes[KB1]:,}, {sizes[KB100]:,} and {sizes[MB10]:,} bytes "
        f"in entries of 0.8 KB, a search about one patient; every request carries an RS256 token of {about['token_bytes']} bytes; 64 connections, 4 at 10 MB. "
        "The gate knows the token, decides by the clinic's policy, redacts by type with the FHIR catalogue and puts the decision on record before the first byte leaves; "
        "there is no mode in which it does not wait for the disk, so a second one has its log on tmpfs. The redacting rivals drop the same members by name "
        "(text, effectiveDateTime, issued, note, …) and do nothing else. Every proxy's answer was compared with a slow reading before it was measured.", "",
        "![CPU a request of each proxy as a multiple of nginx's, at 1 KB, 100 KB and 10 MB; the table below has the figures](proxies.svg)", "",
        *costs(found, titles), "",
        "Looking at every byte cannot beat copying it: nginx with larger buffers is the honest opponent of every redacting proxy at 100 KB and 10 MB.", "",
        *targets(found), ""]
    for key, faults in found["errors"].items():
        lines += [f"* {key}: {fault.replace('|', '/')}" for fault in faults[:3]]
    return "\n".join([*lines, *([""] if found["errors"] else []), END])


def put(path, table):
    """In place of what stands between the marks; at the end where there are none."""
    old = path.read_text()
    if BEGIN in old and END in old:
        new = old[:old.index(BEGIN)] + table + old[old.index(END) + len(END):]
    else:
        new = f"{old.rstrip()}\n\n{table}\n"
    path.write_text(new)


def verdict(found):
    """0: the gate answered rightly and recorded each answer once."""
    gates = found.get("gates", [])
    if "sekisho" not in gates or "nginx" in found["missing"]:
        return 1
    kept = all(found.get("records", {}).get(key, {}).get("exact") for key in gates)
    errors = sum(cells.get(key, {}).get("errors", 0) for cells in found["cells"].values() for key in gates)
    return 0 if kept and not errors else 1
