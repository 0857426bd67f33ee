// The live page: asks the gateway how it is, and shows it.

import { Rows, announce, arrange, away, byId, clock, copyable, counted, make, reasonLink, say, show, span, terms, withoutNumbers } from "/make.js";
import { pause } from "/pace.js";
import { ERRORS, Rates, counters, named, shown } from "/rates.js";
import { showFlow } from "/flow.js";
import { addRefusals, newestRefusal, searchRefusals } from "/refusals.js";
import "/walk.js";

const PATIENCE = 10_000;
const LEVELS = { broken: "✕ Broken", warning: "⚠ Warning", notice: "✓ Well", well: "✓ Well" };

const rates = new Rates();
let status = null;
let search = "";
let failures = 0;

let asking = false;

/** Asks once. Gives the time to leave the gateway alone after that. */
async function ask() {
  if (asking || (document.hidden && status !== null)) return pause(0, 0);
  asking = true;
  const began = performance.now();
  try {
    const answer = await fetch(`/status?refusals_after=${newestRefusal()}`, { signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error();
    status = await answer.json();
  } catch {
    failures += 1;
    lost();
    return pause(failures, 0);
  } finally {
    asking = false;
  }
  failures = 0;
  rates.add(status.uptime_milliseconds, counters(status));
  addRefusals(status.refusals, status.now);
  showAll();
  return pause(0, performance.now() - began);
}

/** What is shown is old: that must not be taken for the state of affairs. */
function lost() {
  const connection = byId("connection");
  say(connection, status === null ? "no answer yet" : `no answer since ${clock(status.now)}`);
  connection.className = "lost";
  document.body.classList.toggle("stale", status !== null);
  document.title = "? Remint gateway";
  if (failures < 2) return;
  byId("headline").className = "lost";
  say(byId("level"), "? Unknown");
  const text = status === null
    ? "The gateway does not answer this page."
    : `The gateway has not answered since ${clock(status.now)}. What is grey below is as it was then.`;
  say(byId("text"), text);
  announce(text);
  show(byId("mend"), null, () => []);
  troubles.show([]);
}

function showAll() {
  const { headline } = status;
  const connection = byId("connection");
  say(connection, "live");
  connection.className = "";
  document.body.classList.remove("stale");
  say(byId("about"), `${status.version}, up for ${span(status.uptime_seconds)}`);
  document.title = `${LEVELS[headline.level].charAt(0)} Remint gateway`;
  byId("headline").className = headline.level;
  say(byId("level"), LEVELS[headline.level]);
  say(byId("text"), headline.text);
  tellNews(headline);
  showTroubles(headline.troubles);
  showFigures();
  showFlow(status, rates, search);
  showKeys();
  showConfiguration();
}

/** Numbers change all the time: who listens is told when something else does. */
let told = "";
function tellNews({ level, text }) {
  const matter = `${level} ${withoutNumbers(text)}`;
  if (matter !== told) announce(`${LEVELS[level].slice(2)}. ${text}`);
  told = matter;
}

/** The first is the headline: its command stands below that, then the others. */
function showTroubles([first, ...others]) {
  const [command, reason] = [commandsOf(first), reasonOfTrouble(first)];
  show(byId("mend"), [command, reason], () => [
    command === null ? null : make("p", { class: "muted" }, "This may mend it:"),
    command === null ? null : copyable(command),
    reason === null ? null : make("p", {}, "What it means: ", reasonLink(reason)),
  ].filter((part) => part !== null));
  troubles.show(others);
}

const refusing = (trouble) => (status.services.find(({ name }) => name === trouble?.service)?.regions ?? [])
  .map((region) => region.refuses_gateway).filter((refusal) => refusal !== null);

/** A line for each region that needs one of its own. */
function commandsOf(trouble) {
  const own = trouble?.command ?? null;
  const all = refusing(trouble).map(({ command }) => command);
  return all.includes(own) ? [...new Set(all)].filter((command) => command !== null).join("\n") || null : own;
}

function reasonOfTrouble(trouble) {
  const own = trouble?.command ?? null;
  return trouble?.reason ?? refusing(trouble).find(({ command }) => own !== null && command === own)?.reason ?? null;
}

/** Kept while they are there: a text that changes takes no focus from a button. */
const troubles = {
  lines: new Map(),
  show(others) {
    const words = { broken: "✕ broken", warning: "⚠ warning", notice: "note" };
    const seen = new Map(others.map((other) => [`${other.level} ${withoutNumbers(other.text)}`, other]));
    for (const key of this.lines.keys()) {
      if (!seen.has(key)) this.lines.delete(key);
    }
    const lines = [...seen].map(([key, other]) => {
      let line = this.lines.get(key);
      if (line === undefined) {
        line = make("li", { class: other.level }, make("span", { class: "tag" }, words[other.level]),
          make("div", {}, make("div", { class: "text" }), make("div", { class: "mend" })));
        this.lines.set(key, line);
      }
      const [text, mend] = line.lastElementChild.children;
      say(text, other.text);
      const command = commandsOf(other);
      show(mend, command, () => (command === null ? [] : [copyable(command)]));
      return line;
    });
    arrange(byId("troubles"), lines);
  },
};

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
    ["Next fetch", away(set.next_fetch_at, now), "", "", set.next_fetch_at],
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

let wake = () => {};
for (const [what, event] of [[document, "visibilitychange"], [window, "online"]]) {
  what.addEventListener(event, () => { if (!document.hidden) wake(); });
}

async function keepAsking() {
  for (;;) {
    const time = await ask();
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, time);
    });
  }
}
keepAsking();
