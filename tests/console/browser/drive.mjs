// Drives the console in Chromium. Ends 0 where everything holds; each line says what was looked at.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import assert from "node:assert/strict";

const require = createRequire(process.env.MODULES + "/");
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [sakura, cellspect, provider] = process.argv.slice(2);
const { PASSWORD: password, SHOTS: shots } = process.env;
mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
const strangers = [], complaints = [];

/** A browser of its own: what it asks for elsewhere (but where it is sent to, and what is asked there), and what it complains
    of, is kept. Nothing leaves this machine. */
async function open(origin, options = {}, sentTo = origin) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB", timezoneId: "Europe/London", bypassCSP: false, ...options });
  await context.route((url) => url.hostname !== "127.0.0.1", (route) => route.abort());
  const isElsewhere = (url) => sentTo !== origin && url.startsWith(sentTo + "/");
  context.on("request", (request) => {
    if (new URL(request.url()).origin === origin || isElsewhere(request.url()) || isElsewhere(request.frame().url())) return;
    strangers.push(request.url());
  });
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() === "error" && !isElsewhere(page.url()) && !/status of 4\d\d/.test(message.text())) complaints.push(`${page.url()}: ${message.text()}`); });
  page.on("pageerror", (error) => isElsewhere(page.url()) || complaints.push(`${page.url()}: ${error}`));
  page.setDefaultTimeout(15000);
  return page;
}

async function signIn(page, origin, name) {
  await page.goto(origin + "/");
  await page.fill("input[name=name]", name);
  await page.fill("input[name=password]", password);
  await page.click("form button[type=submit]");
  await page.waitForURL((url) => url.pathname === "/");
}

/** Nothing serious for whoever cannot see, or sees little. */
async function accessible(page, what) {
  // Through the debugger, and not as a script of the page: that, its policy forbids.
  const found = await page.evaluate(axe + `; axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] })`);
  const serious = found.violations.map((one) => `${one.impact} ${one.id}: ${one.nodes.slice(0, 3).map((node) => node.target.join(" ")).join("; ")} ${one.nodes[0]?.failureSummary ?? ""}`);
  assert.deepEqual(serious, [], `${what}: axe finds`);
}

/** No page is wider than its window, whatever is on it. */
async function fits(page, what) {
  const [wide, window, out] = await page.evaluate(() => {
    const root = document.documentElement, edge = root.clientWidth;
    const scrolls = (node) => node && (getComputedStyle(node).overflowX !== "visible" || scrolls(node.parentElement));
    const out = [...document.querySelectorAll("body *")].filter((node) => node.getBoundingClientRect().right > edge + 1 && !scrolls(node.parentElement));
    return [root.scrollWidth, edge, out.slice(0, 3).map((node) => `${node.tagName}.${node.getAttribute("class") ?? ""}`)];
  });
  assert.ok(wide <= window, `${what}: ${wide} wide in a window of ${window}: ${out.join(", ")}`);
}

let steps = 0;
const said = (text) => { steps += 1; console.log(`  ${text}`); };

// ---- Sign-in ----
{
  const page = await open(sakura);
  await page.goto(sakura + "/search?caller=rc-sato");
  assert.equal(new URL(page.url()).pathname, "/sign-in", "nobody sees a page before he signed in");
  await accessible(page, "sign-in");
  await page.screenshot({ path: `${shots}/sign-in.png` });
  await page.fill("input[name=name]", "po-abe");
  await page.fill("input[name=password]", "not this one");
  await page.click("form button[type=submit]");
  assert.ok(await page.locator("[role=alert]").isVisible(), "a wrong password is said");
  await page.fill("input[name=name]", "po-abe");
  await page.fill("input[name=password]", password);
  await page.click("form button[type=submit]");
  await page.waitForURL(/\/search/);
  assert.equal(new URL(page.url()).searchParams.get("caller"), "rc-sato", "he comes to where he wanted");
  await page.click("form[action='/sign-out'] button");
  await page.goto(sakura + "/");
  assert.equal(new URL(page.url()).pathname, "/sign-in", "who signed out is out");
  await page.context().close();
  said("sign-in: refused, taken, back to where one wanted, out again");
}

// ---- At a provider ----
for (const [name, isLetIn] of [["po-ogawa", true], ["nobody", false]]) {
  const page = await open(sakura, {}, provider);
  await page.goto(sakura + "/search?caller=rc-sato");
  await page.click("a[href^='/sign-in/oidc']");
  await page.waitForURL((url) => url.origin === provider);
  await page.fill("input[name=login]", name);
  await page.fill("input[name=password]", "whatever");
  await page.click("button[type=submit]");
  // Whether what the console asks for may be told.
  await page.waitForURL((url) => url.origin === provider);
  await page.click("button[type=submit]");
  if (isLetIn) {
    await page.waitForURL(/\/search/);
    assert.equal(new URL(page.url()).searchParams.get("caller"), "rc-sato", "he comes to where he wanted");
    assert.match(await page.locator(".who").innerText(), /po-ogawa\s+privacy officer/);
    const cookies = await page.context().cookies(sakura);
    assert.deepEqual(cookies.filter((cookie) => cookie.name.startsWith("__Host-")).map((cookie) => [cookie.name, cookie.sameSite, cookie.httpOnly, cookie.secure]), [["__Host-sekisho", "Strict", true, true]]);
  } else {
    await page.waitForURL((url) => url.origin === sakura);
    assert.match(await page.locator("[role=alert]").innerText(), /no role here/);
    await accessible(page, "no role");
    await page.screenshot({ path: `${shots}/no-role.png` });
    await page.goto(sakura + "/");
    assert.equal(new URL(page.url()).pathname, "/sign-in", "who has no role is not in");
  }
  await page.context().close();
}
said("sign-in at a provider: with a role, back to where one wanted; without one, not");

// ---- A reviewer's tasks, from the overview on: clicks or keystroke sequences, and time ----
async function task(name, page, origin, most, body) {
  await page.goto(origin + "/");
  let used = 0;
  const began = performance.now();
  const use = async (what) => { used += 1; await what; };
  await body(use);
  assert.ok(used <= most, `${name}: ${used} steps, ${most} at most`);
  said(`task: ${name}: ${used} steps, ${Math.round(performance.now() - began)} ms`);
}

const officer = await open(sakura);
await signIn(officer, sakura, "po-abe");
await task("find the snooping clerk", officer, sakura, 5, async (use) => {
  const card = officer.locator(".card.alert").first();
  assert.match(await card.innerText(), /rc-sato[\s\S]*Saw (7|8)\d persons/, "the clerk stands out, without being told");
  await use(card.locator("h3 a").click());
  await officer.waitForURL(/caller=rc-sato/);
  const bars = await officer.locator("svg.timeline a.bar").evaluateAll((all) => all.map((bar) => bar.getAttribute("aria-label")));
  assert.equal(bars.filter((label) => /: (6|7|8|9)\d released/.test(label)).length, 3, "three evenings are seen");
});
await task("list the disclosures of p-0117", officer, sakura, 5, async (use) => {
  await use(officer.click("nav.menu a[href='/subjects']"));
  await use(officer.fill("input[name=person]", "p-0117"));
  await use(officer.fill("input[name=why]", "her own request of today"));
  await use(officer.click("form.reveal button[type=submit]"));
  await officer.waitForSelector("article.accounting table");
  const clerk = await officer.locator("article.accounting tr", { hasText: "rc-sato" }).count();
  assert.ok(clerk >= 27, `the clerk is in it, ${clerk} times`);
  assert.match(await officer.locator("article.accounting").innerText(), /p-0117/);
  await accessible(officer, "accounting");
  await officer.screenshot({ path: `${shots}/subject.png` });
  await officer.emulateMedia({ media: "print" });
  await officer.screenshot({ path: `${shots}/subject-print.png` });
  await officer.emulateMedia({ media: null });
});
await task("prove record 1000", officer, sakura, 5, async (use) => {
  await use(officer.keyboard.press("/"));
  await officer.waitForURL(/search/);
  await officer.waitForFunction(() => document.activeElement.name === "q");
  await use(officer.keyboard.type("1000\n"));
  await use(officer.click("p.notice a[href='/record/gate/1000']"));
  await use(officer.click("a[href$='/proof']"));
  assert.match(await officer.locator(".notice").innerText(), /Proven/);
  await accessible(officer, "proof");
  const download = officer.waitForEvent("download");
  await use(officer.click("a[download]"));
  assert.match(readFileSync(await (await download).path(), "utf8"), /^c2sp.org\/tlog-proof@v1/);
});
const health = await open(cellspect);
await signIn(health, cellspect, "po-abe");
await task("who saw contact data for a campaign in the last week", health, cellspect, 5, async (use) => {
  await use(health.locator("table.heat tr", { hasText: "campaign" }).locator("td a").first().click());
  await health.waitForURL(/purpose=/);
  const contact = health.locator(".facet a[href*='category=contact.']").first();
  if (!await contact.isVisible()) await use(health.locator(".facet", { hasText: "What left" }).locator("summary").click());
  await use(contact.click());
  const callers = await health.locator(".facet", { has: health.locator("h2", { hasText: /^Caller$/ }) }).innerText();
  for (const name of ["mk-abe", "mk-ono", "an-wada"]) assert.match(callers, new RegExp(name), `${name} is seen`);
});

// ---- Search: text, facets, brush, pages, kept views, files ----
await officer.goto(sakura + "/");
await officer.keyboard.press("/");
await officer.waitForURL(/\/search/);
await officer.waitForFunction(() => document.activeElement.name === "q");
assert.equal(await officer.evaluate(() => document.activeElement.name), "q", "`/` goes to the search");
await officer.keyboard.type("rc-sato");
await officer.keyboard.press("Enter");
await officer.waitForURL(/q=rc-sato/);
const before = Number((await officer.locator("p.count strong").innerText()).replaceAll(",", ""));
const chart = await officer.locator("svg.timeline").boundingBox();
await officer.mouse.move(chart.x + chart.width * 0.2, chart.y + chart.height / 2);
await officer.mouse.down();
await officer.mouse.move(chart.x + chart.width * 0.3, chart.y + chart.height / 2, { steps: 6 });
await officer.mouse.move(chart.x + chart.width * 0.4, chart.y + chart.height / 2, { steps: 6 });
await officer.mouse.up();
await officer.waitForURL((url) => url.searchParams.get("from") > "2026-10-25T00:00");
const after = Number((await officer.locator("p.count strong").innerText()).replaceAll(",", ""));
assert.ok(after > 0 && after < before, `a brush narrows: ${before} to ${after}`);
assert.equal(new URL(officer.url()).searchParams.get("q"), "rc-sato", "and keeps what was asked");
said(`search: text, brush (${before} to ${after})`);

await officer.goto(sakura + "/search?outcome=refused&days=30");
const refused = Number((await officer.locator("p.count strong").innerText()).replaceAll(",", ""));
const [csv] = await Promise.all([officer.waitForEvent("download"), officer.click("a[href*='export.csv']")]);
const rows = readFileSync(await csv.path(), "utf8").trim().split("\r\n");
assert.equal(rows.length - 1, refused, "the file holds exactly what is filtered");
const [jsonl] = await Promise.all([officer.waitForEvent("download"), officer.click("a[href*='export.jsonl']")]);
const lines = readFileSync(await jsonl.path(), "utf8").trim().split("\n").map((line) => JSON.parse(line));
assert.equal(lines.length, refused);
assert.ok(lines.every((line) => line.kind === "refusal"));
await officer.click("text=Keep this view");
await officer.fill("input[name=name]", "Refusals <of the month>");
await officer.click("form[action='/views'] button");
await officer.goto(sakura + "/");
await officer.click("text=Refusals <of the month>");
await officer.waitForURL(/outcome=refused/);
await officer.goto(sakura + "/search");
await officer.click("a[rel=next]");
assert.equal(await officer.locator("table.rows tbody tr").count(), 50, "older ones");
said(`search: ${refused} refusals exported in two formats, a view kept, a page turned`);

// ---- Reveal ----
await officer.goto(sakura + "/search?caller=rc-sato");
await officer.locator("table.rows td.time a").first().click();
assert.equal(await officer.locator(".opened").count(), 0, "sealed until somebody says why");
await officer.fill("form.reveal input[name=why]", "a complaint of a neighbour");
await officer.click("form.reveal button");
await officer.waitForSelector(".opened");
assert.match(await officer.locator(".opened").first().innerText(), /^p-\d{4}$/);
await officer.screenshot({ path: `${shots}/record-revealed.png` });
said("record: revealed with a reason");

// ---- The review queue: own access, accepted, objected ----
const nurse = await open(sakura);
await signIn(nurse, sakura, "re-mori");
await nurse.goto(sakura + "/reviews?list=all");
await nurse.locator("tr", { hasText: "nr-kudo" }).locator("a").first().click();
assert.equal(await nurse.locator("form.decide").count(), 0, "nobody reviews his own access");
await nurse.goto(sakura + "/reviews?list=all");
await nurse.locator("tr", { hasText: "lo-mori" }).locator("a").first().click();
await nurse.fill("form[action$='/accept'] textarea", "seen with the legal officer");
await nurse.click("form[action$='/accept'] button");
await nurse.waitForSelector(".mark-good");
await officer.goto(sakura + "/reviews?list=all");
await officer.locator("tr", { hasText: "nr-kudo" }).locator("a").first().click();
await officer.fill("form[action$='/object'] input[name=action]", "talk with the ward on Monday");
await officer.fill("form[action$='/object'] textarea", "no emergency is in the ward's book");
await officer.click("form[action$='/object'] button");
await officer.waitForSelector(".mark-bad");
await accessible(officer, "review");
await officer.screenshot({ path: `${shots}/review.png` });
said("reviews: own refused, one accepted, one objected to");

// ---- Rights ----
const viewer = await open(sakura);
await signIn(viewer, sakura, "vi-endo");
for (const path of ["/subjects", "/subject/x", "/search?subject=x"]) {
  const answer = await viewer.goto(sakura + path);
  assert.equal(answer.status(), 403, `a viewer has no ${path}`);
}
await viewer.goto(sakura + "/record/gate/1000");
assert.equal(await viewer.locator("form.reveal").count(), 0);
const auditor = await open(sakura);
await signIn(auditor, sakura, "au-ito");
await auditor.goto(sakura + "/integrity");
await auditor.locator("form[action='/integrity/verify'] button").first().click();
await auditor.waitForURL(/integrity/);
for (let tries = 0; tries < 100 && await auditor.locator(".notice.good").count() === 0; tries += 1) await auditor.reload();
assert.match(await auditor.locator(".notice.good").first().innerText(), /verified/);
said("rights: a viewer sees no person, an auditor verifies the log");

// ---- Without scripts ----
const bare = await open(sakura, { javaScriptEnabled: false });
await signIn(bare, sakura, "vi-endo");
await bare.fill("form.search input[name=q]", "rc-sato").catch(() => {});
await bare.goto(sakura + "/search?q=rc-sato");
await bare.locator("table.rows td.time a").first().click();
assert.match(await bare.locator("h1").innerText(), /Record/);
await bare.goto(sakura + "/live");
assert.ok(await bare.locator("table.rows tbody tr").count() > 0);
said("without scripts: sign-in, search, record, live");

// ---- Every screen, in both languages, light and dark, wide and narrow ----
const screens = [
  ["overview", "/"], ["search", "/search"], ["record", "/record/gate/1000"], ["proof", "/record/gate/1000/proof"],
  ["today", "/record/gate/1000/today"], ["live", "/live"], ["reviews", "/reviews?list=all"], ["subjects", "/subjects"],
  ["recipients", "/recipients?days=30"], ["recipient", "/recipient?recipient=hospital&days=30"], ["policy", "/policy/sakura?days=30"],
  ["integrity", "/integrity"], ["nothing", "/no-such-page"],
];
for (const lang of ["en", "ja"]) {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(sakura, { colorScheme, locale: lang });
    await signIn(page, sakura, "po-abe");
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      for (const [name, path] of screens) {
        await page.goto(sakura + path);
        assert.equal(await page.evaluate(() => document.documentElement.lang), lang);
        const what = `${name} ${lang} ${colorScheme} ${width}`;
        await accessible(page, what);
        await fits(page, what);
        await page.screenshot({ path: `${shots}/${name}-${lang}-${colorScheme}-${width}.png`, fullPage: true });
      }
    }
    await page.context().close();
  }
}
said(`${screens.length} screens in two languages, two schemes and two widths: axe finds nothing, none is too wide`);

// ---- With the keyboard alone ----
await officer.goto(sakura + "/");
await officer.keyboard.press("Tab");
assert.equal(await officer.evaluate(() => document.activeElement.className), "skip", "the first stop skips the menu");
await officer.keyboard.press("Enter");
assert.equal(await officer.evaluate(() => document.activeElement.id), "main");
let reached = false;
for (let presses = 0; presses < 60 && !reached; presses += 1) {
  await officer.keyboard.press("Tab");
  reached = await officer.evaluate(() => document.activeElement.matches(".card a"));
}
assert.ok(reached, "what stands out is reached with the Tab key");
await officer.keyboard.press("Enter");
await officer.waitForURL(/search/);
said("with the keyboard alone: past the menu, to what stands out, into it");

assert.deepEqual(strangers, [], "nothing is asked of any other origin");
assert.deepEqual(complaints, [], "the browser complains of nothing");
await browser.close();
console.log(`${steps} parts hold; nothing was asked elsewhere. Screenshots: ${shots}`);
