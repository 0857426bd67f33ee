// The live page: asks the gateway how it is, and shows it.

import { Rows, arrange, away, byId, copyable, counted, make, say, show, span, terms } from "/make.js";
import { ERRORS, Rates, counters, named, shown } from "/rates.js";
import { showFlow } from "/flow.js";
import { addRefusals, newestRefusal, searchRefusals } from "/refusals.js";
import "/walk.js";

const EVERY = 2000;
const PATIENCE = 10_000;
const LEVELS = { broken: "✕ Broken", warning: "⚠ Warning", notice: "✓ Well", well: "✓ Well" };

const rates = new Rates();
let status = null;
let search = "";
let failures = 0;

async function ask() {
  if (document.hidden && status !== null) return;
  try {
    const answer = await fetch(`/status?refusals_after=${newestRefusal()}`, { signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error();
    status = await answer.json();
  } catch {
    failures += 1;
    lost();
    return;
  }
  failures = 0;
  rates.add(status.uptime_milliseconds, counters(status));
  addRefusals(status.refusals);
  showAll();
}

/** What is shown is old: that must not be taken for the state of affairs. */
function lost() {
  const connection = byId("connection");
  say(connection, "not connected");
  connection.className = "lost";
  if (failures < 2) return;
  byId("headline").className = "lost";
  say(byId("level"), "? Unknown");
  say(byId("text"), status === null ? "The gateway does not answer this page." : `The gateway does not answer. What is below is as of ${status.now.slice(11, 19)}.`);
  show(byId("mend"), null, () => []);
  document.title = "? Remint gateway";
}

function showAll() {
  const { headline } = status;
  const connection = byId("connection");
  say(connection, "live");
  connection.className = "";
  say(byId("about"), `${status.version}, up for ${span(status.uptime_seconds)}`);
  document.title = `${LEVELS[headline.level].charAt(0)} Remint gateway`;
  byId("headline").className = headline.level;
  say(byId("level"), LEVELS[headline.level]);
  say(byId("text"), headline.text);
  showTroubles(headline.troubles);
  showFigures();
  showFlow(status, rates, search);
  showKeys();
  showConfiguration();
}

/** The first is the headline: its command stands below that, then the others. */
function showTroubles([first, ...others]) {
  const command = first?.command ?? null;
  show(byId("mend"), command, () => command === null ? [] : [make("p", { class: "muted" }, "This may mend it:"), copyable(command)]);
  const words = { broken: "broken", warning: "warning", notice: "note" };
  show(byId("troubles"), others, () => others.map((other) =>
    make("li", { class: other.level }, make("span", { class: "tag" }, words[other.level]),
      make("div", {}, other.text, other.command === null ? null : copyable(other.command)))));
}

function showFigures() {
  const all = status.rules.map((rule) => `rule ${rule.name}`);
  const outcomes = Object.keys(status.rules[0]?.requests ?? {});
  const sum = (names, ...more) => rates.of(...all.flatMap((rule) => named(rule, names)), ...more);
  const regions = status.services.flatMap((service) => service.regions);
  const well = regions.filter((region) => region.ejection_cause === null && region.token.expires_at !== null && region.refuses_gateway === null).length;
  const figures = [
    ["requests/s", shown(sum(outcomes, "refused_without_rule"))],
    ["refused/s", shown(sum(["refused"], "refused_without_rule"))],
    ["errors/s", shown(sum(ERRORS))],
    ["in flight", String(status.requests.in_flight)],
    ["queued", String(status.requests.queued)],
    ["connections", String(status.connections)],
    ["regions well", `${well} of ${regions.length}`],
    ["ready", status.not_ready.length === 0 ? "yes" : "no"],
  ];
  const box = byId("figures");
  if (box.childElementCount === 0) {
    box.append(...figures.map(([name]) => make("div", {}, make("dt", {}, name), make("dd", {}))));
  }
  figures.forEach(([, value], place) => say(box.children[place].lastElementChild, value));
}

const keyRows = new Rows();
const keyTable = make("table", {},
  make("thead", {}, make("tr", {}, ["Issuer", "Keys", "Age", "Next fetch", "Last error"].map((name) => make("th", { scope: "col" }, name)))),
  make("tbody"));
byId("key-sets").append(make("div", { class: "scroll" }, keyTable));

function showKeys() {
  const { key_sets: sets, now } = status;
  arrange(keyTable.tBodies[0], sets.map((set) => keyRows.update(set.issuer, [
    ["Issuer", set.issuer, set.url],
    ["Keys", set.key_ids.length === 0 ? "✕ none" : counted(set.key_ids.length, "key"), set.key_ids.join(" "), set.key_ids.length === 0 ? "bad" : ""],
    ["Age", set.age_seconds === null ? "never fetched" : span(set.age_seconds)],
    ["Next fetch", away(set.next_fetch_at, now)],
    ["Last error", set.last_error ?? "none", "", set.last_error === null ? "" : "odd"],
  ])));
  keyRows.keep(new Set(sets.map((set) => set.issuer)));
  byId("key-sets").hidden = sets.length === 0;
}

function showConfiguration() {
  const { configuration: it, certificate_expires_at: ends, now } = status;
  const pairs = [
    ["configuration", it.file === null ? "not from a file" : `${it.file} (sha256 ${it.sha256}…)`],
    ["loaded", `${it.loaded_at}, ${away(it.loaded_at, now)}`],
    ["last error", it.last_error ?? "none"],
    ["needs a restart for", it.needs_restart.join(", ") || "nothing"],
    ["certificate ends", ends === null ? "no certificate: callers speak in clear text" : `${ends}, ${away(ends, now)}`],
    ["not ready because", status.not_ready.join("; ")],
    ["lacking", status.lacking.join("; ")],
  ];
  show(byId("configuration"), pairs, () => terms(pairs));
}

byId("search").addEventListener("input", (event) => {
  search = event.target.value.trim().toLowerCase();
  searchRefusals(search);
  if (status !== null) showFlow(status, rates, search);
});

document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });

async function keepAsking() {
  for (;;) {
    await ask();
    await new Promise((resolve) => { setTimeout(resolve, EVERY); });
  }
}
keepAsking();
