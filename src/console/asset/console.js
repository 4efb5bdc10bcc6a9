"use strict";
// Three small helps; every page works without them.

// A span drawn across the chart is a search of that time.
for (const chart of document.querySelectorAll("svg[data-brush]")) {
  const bars = [...chart.querySelectorAll("a.bar")];
  let first = null, last = null, drawn = null, moved = false;
  const barAt = (event) => {
    const x = new DOMPoint(event.clientX, 0).matrixTransform(chart.getScreenCTM().inverse()).x;
    return bars.findIndex((bar) => {
      const hit = bar.querySelector(".hit").getBBox();
      return x >= hit.x && x < hit.x + hit.width;
    });
  };
  const draw = () => {
    const ends = [first, last].map((at) => bars[at].querySelector(".hit").getBBox());
    const left = Math.min(ends[0].x, ends[1].x), right = Math.max(ends[0].x + ends[0].width, ends[1].x + ends[1].width);
    drawn ??= chart.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "rect"));
    drawn.setAttribute("class", "brushed");
    for (const [name, value] of [["x", left], ["y", ends[0].y], ["width", right - left], ["height", ends[0].height]]) drawn.setAttribute(name, value);
  };
  chart.addEventListener("pointerdown", (event) => {
    const at = event.button === 0 ? barAt(event) : -1;
    if (at >= 0 && !event.target.closest("a.flag")) { first = last = at; moved = false; }
  });
  chart.addEventListener("dragstart", (event) => event.preventDefault());
  chart.addEventListener("pointermove", (event) => {
    if (first === null) return;
    const at = barAt(event);
    if (at < 0 || at === last) return;
    if (!moved) chart.setPointerCapture(event.pointerId);
    moved = true;
    last = at;
    draw();
  });
  const end = (goes) => {
    if (goes && first !== null && moved) {
      const [a, b] = [Math.min(first, last), Math.max(first, last)];
      const to = new URL(bars[a].href.baseVal, location.href);
      to.searchParams.set("from", bars[a].dataset.from);
      to.searchParams.set("until", bars[b].dataset.until);
      location.assign(to);
    }
    first = last = null;
    drawn?.remove();
    drawn = null;
  };
  chart.addEventListener("pointerup", () => end(true));
  chart.addEventListener("pointercancel", () => end(false));
  chart.addEventListener("click", (event) => { if (moved) { event.preventDefault(); moved = false; } }, true);
}

// New accesses come in at the top.
const live = document.querySelector("tbody[data-live]");
if (live) {
  const pause = document.querySelector("[data-live-pause]"), said = document.querySelector("[data-live-said]");
  let paused = false;
  if (pause) {
    pause.hidden = false;
    pause.setAttribute("aria-pressed", "false");
    pause.addEventListener("click", () => { paused = !paused; pause.setAttribute("aria-pressed", String(paused)); });
  }
  const look = async () => {
    if (!paused && !document.hidden) {
      try {
        const after = encodeURIComponent(live.dataset.after);
        const answer = await fetch(`${live.dataset.live}?after=${after}`, { redirect: "manual" });
        if (answer.type === "opaqueredirect") return location.reload();
        if (answer.ok) {
          const holder = document.createElement("table");
          holder.innerHTML = await answer.text();
          const body = holder.querySelector("tbody");
          const rows = [...body.querySelectorAll("tr")];
          for (const row of rows.reverse()) { row.className = "fresh"; live.prepend(row); }
          while (live.rows.length > 200) live.deleteRow(-1);
          live.dataset.after = body.dataset.after;
          if (rows.length) said.textContent = `${rows.length} ${said.dataset.said}`;
        }
      } catch { /* The next look tells. */ }
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
}

// `/` goes to the search, as elsewhere; a page of disclosures prints itself.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  const field = document.querySelector("[data-shortcut='/']");
  event.preventDefault();
  if (field) field.focus(); else location.assign("/search#find");
});
if (location.hash === "#find") document.querySelector("[data-shortcut='/']")?.focus();
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
