"""The chart: CPU a request as a multiple of nginx's, on a scale of powers of ten. Plain SVG, for light and dark."""

import math
from html import escape

from figures import LABELS, SIZES

WIDTH, LEFT, RIGHT, ROW, HEAD = 860, 216, 70, 21, 40
LEAST, MOST = 0.1, 1000.0
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .head { font-weight: 600 } .ours { font-weight: 600 } .faint { fill: #57606a; font-size: 11px }
  .grid { stroke: #8c959f; stroke-opacity: .35 } .one { stroke: #24292f; stroke-opacity: .8 }
  .bar { fill: #8c959f } .redacts { fill: #bf8700 } .gate { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .faint { fill: #9198a1 } .one { stroke: #e6edf3 } .bar { fill: #768390 } .redacts { fill: #d4a72c } .gate { fill: #539bf5 }
  }"""


def _x(value):
    span = WIDTH - LEFT - RIGHT
    at = (math.log10(min(max(value, LEAST), MOST)) - math.log10(LEAST)) / (math.log10(MOST) - math.log10(LEAST))
    return LEFT + at * span


def _plain(title):
    return escape(title.replace("*", "").replace("`", ""))


def _class(key, job):
    return "gate" if key in ("sekisho", "tmpfs") else "redacts" if job == "redacts" else "bar"


def svg(found, titles):
    height = (HEAD + ROW * len(titles) + 26) * len(SIZES) + 30
    described, drawn, top = [], [], 6
    for size in SIZES:
        bottom = top + HEAD + ROW * len(titles)
        drawn.append(f'<text class="head" x="8" y="{top + 24}">{LABELS[size]}</text>')
        for power in range(-1, 4):
            value, x = 10.0 ** power, _x(10.0 ** power)
            kind = "one" if power == 0 else "grid"
            drawn.append(f'<line class="{kind}" x1="{x:.1f}" y1="{top + HEAD - 8}" x2="{x:.1f}" y2="{bottom}"/>')
            drawn.append(f'<text class="faint" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{value:g}×</text>')
        for index, (key, (title, job)) in enumerate(titles.items()):
            y = top + HEAD + ROW * index
            cell = found["cells"][size].get(key)
            ratio = cell and cell["ratio"]
            label = "ours" if _class(key, job) == "gate" else ""
            drawn.append(f'<text class="{label}" x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{_plain(title)}</text>')
            if not ratio:
                drawn.append(f'<text class="faint" x="{_x(1) + 6:.1f}" y="{y + 12}">missing</text>')
                described.append(f"{LABELS[size]} {_plain(title)}: missing")
                continue
            value = ratio["median"]
            left, right = sorted((_x(value), _x(1)))
            shown = f"{value:.2f}×" if value < 10 else f"{value:.0f}×"
            drawn.append(f'<rect class="{_class(key, job)}" x="{left:.1f}" y="{y}" width="{max(right - left, 1.5):.1f}" height="15" rx="1.5"/>')
            drawn.append(f'<text class="{label}" x="{right + 6:.1f}" y="{y + 12}">{shown}</text>')
            described.append(f"{LABELS[size]} {_plain(title)}: {shown}")
        top = bottom + 26
    legend = ("blue: the gate, deciding, redacting and recording; yellow: redacts alone; grey: copies, or checks the token alone")
    drawn.append(f'<text class="faint" x="8" y="{top + 12}">{legend}</text>')
    title = "CPU per request as a multiple of plain nginx, logarithmic; less is better"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="t d">',
        f'<title id="t">{title}</title>', f'<desc id="d">{"; ".join(described)}</desc>', f"<style>{STYLE}\n</style>",
        f'<text class="faint" x="{WIDTH - 8}" y="16" text-anchor="end">{title}</text>', *drawn, "</svg>", ""])
