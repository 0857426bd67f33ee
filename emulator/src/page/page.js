// The live page: what runs, and the calls as they come.

import { callRow, copyable, make, regionRow } from "/emulator/rows.js";

const SHOWN = 300;
const OVERVIEW_EVERY = 5000;
const FILTERS = ["text", "part", "verdict", "request_id"];

const byId = (id) => document.getElementById(id);
const list = byId("calls");
const form = byId("filter");
const wide = matchMedia("(min-width: 45rem)");

let overview = null;
let stream = null;
let newest = 0;
let waiting = [];
let paused = false;
let requestId = "";
let loads = 0;

function say(text, isLost = false) {
  const status = byId("connection");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("lost", isLost);
}

// What runs here.

async function loadOverview() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/emulator/overview");
    const text = await answer.text();
    if (!answer.ok || text === overview?.text) return;
    overview = { text, ...JSON.parse(text) };
    showOverview();
  } catch {
    // The stream says that the connection is lost.
  }
}

function showOverview() {
  const { regions } = overview;
  byId("project").textContent = `${overview.project}, number ${overview.project_number}`;
  const down = regions.filter((region) => region.state !== "running").length;
  byId("count").textContent = `${regions.length} regions${down === 0 ? ", all running" : `, ${down} not running as usual`}`;
  byId("environment").replaceChildren(
    ...overview.environment.map((it) => copyable(`export ${it.name}=${it.value}`, it.what)),
  );
  byId("regions").replaceChildren(...regions.map(regionRow));
  const balancers = overview.load_balancers.map((it) =>
    make("li", {}, make("code", {}, it.host), ` is a load balancer in front of ${it.service}, which listens at `, make("code", {}, it.address), it.iap_client_id ? `, with IAP for ${it.iap_client_id}` : ""));
  const hosts = overview.hosts.map((it) =>
    make("li", {}, make("code", {}, it.host), " is your server at ", make("code", {}, it.address)));
  const sending = overview.sending.map((it) =>
    make("li", {}, `${it.what} `, make("code", {}, it.name), ...(it.to ? [" sends to ", make("code", {}, it.to)] : [])));
  const vpc = make("li", {}, "Google listens at ", make("code", {}, overview.google), ", for calls from the VPC network at ", make("code", {}, overview.vpc));
  byId("others").replaceChildren(vpc, ...balancers, ...hosts, ...sending);
  showEmpty();
}

// All calls.

function query(extra) {
  const wanted = new URLSearchParams();
  for (const [name, value] of [...new FormData(form), ["request_id", requestId], ...Object.entries(extra)]) {
    if (value !== "") wanted.set(name, value);
  }
  return wanted;
}

async function load() {
  const mine = ++loads;
  stream?.close();
  waiting = [];
  let answer;
  try {
    answer = await (await fetch(`/emulator/timeline?${query({ limit: SHOWN })}`)).json();
  } catch {
    say("not connected", true);
    setTimeout(() => { if (mine === loads) load(); }, 1000);
    return;
  }
  if (mine !== loads) return;
  list.replaceChildren();
  newest = answer.newest;
  add(answer.calls);
  if (paused) say("paused");
  else follow();
}

function follow() {
  stream?.close();
  stream = new EventSource(`/emulator/timeline/events?${query({ after: newest })}`);
  stream.addEventListener("open", () => say("live"));
  stream.addEventListener("error", () => {
    say("not connected", true);
    // The browser tries again by itself unless it was refused.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => { if (!paused && !document.hidden) load(); }, 2000);
  });
  stream.addEventListener("cleared", () => {
    waiting = [];
    list.replaceChildren();
    newest = 0;
    showEmpty();
  });
  stream.addEventListener("message", (event) => {
    if (waiting.push(JSON.parse(event.data)) === 1) requestAnimationFrame(() => add(waiting.splice(0)));
    if (waiting.length > 2 * SHOWN) waiting = waiting.slice(-SHOWN);
  });
}

function add(calls) {
  const last = calls.at(-1);
  if (last !== undefined) newest = Math.max(newest, last.id);
  for (const call of calls) knowPart(call.part);
  list.prepend(...calls.slice(-SHOWN).reverse().map(callRow));
  while (list.childElementCount > SHOWN) list.lastElementChild.remove();
  showEmpty();
}

function knowPart(part) {
  const select = form.elements.part;
  if (![...select.options].some((option) => option.value === part)) select.append(make("option", { value: part }, part));
}

function showEmpty() {
  const empty = byId("empty");
  empty.hidden = list.childElementCount > 0;
  if (empty.hidden) return;
  if (query({}).size > 0) {
    empty.replaceChildren(make("p", {}, "No call is like this."), make("button", { type: "button", click: showAll }, "Show all calls"));
  } else if (overview?.try) {
    empty.replaceChildren(make("p", {}, "No calls yet. Make one:"), copyable(overview.try));
  } else {
    empty.replaceChildren("No calls yet.");
  }
}

function showAll() {
  form.reset();
  requestId = "";
  changed();
}

function changed() {
  showRequest();
  const search = query({}).toString();
  history.replaceState(null, "", `${location.pathname}${search ? `?${search}` : ""}${location.hash}`);
  load();
}

function showRequest() {
  const button = byId("request");
  button.hidden = requestId === "";
  button.textContent = `✕ request ${requestId}`;
  button.setAttribute("aria-label", `Show calls of all requests, not only ${requestId}`);
}

/** Opens the call that the address names, and fetches it if it is an older one. */
async function openNamed() {
  const number = /^#call-(\d+)$/.exec(location.hash)?.[1];
  if (number === undefined) return;
  if (byId(`call-${number}`) === null) {
    const { calls } = await (await fetch(`/emulator/timeline?id=${number}`)).json();
    // Where it belongs among the others, which stand newest first.
    for (const call of calls) {
      const older = [...list.children].find((row) => row.number < call.id);
      list.insertBefore(callRow(call), older ?? null);
    }
  }
  const row = byId(`call-${number}`);
  if (row === null) return;
  row.firstElementChild.open = true;
  row.scrollIntoView({ block: "center" });
}

function setPaused(now) {
  paused = now;
  const button = byId("pause");
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? "Paused" : "Pause";
  if (paused) {
    stream?.close();
    say("paused");
  } else {
    load();
  }
}

let typing;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", changed);
form.elements.text.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(changed, 250);
});
byId("request").addEventListener("click", () => { requestId = ""; changed(); });
byId("pause").addEventListener("click", () => setPaused(!paused));
byId("clear").addEventListener("click", async () => {
  if (!confirm("Forget all calls, for everybody who looks at them?")) return;
  await fetch("/emulator/timeline", { method: "DELETE" });
  load();
});
list.addEventListener("only-request", (event) => { requestId = event.detail; changed(); });
addEventListener("hashchange", openNamed);
// A page that nobody sees holds no connection.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stream?.close();
  else if (!paused) load();
});

const given = new URLSearchParams(location.search);
for (const name of FILTERS) {
  const value = given.get(name) ?? "";
  if (name === "request_id") requestId = value;
  else if (name === "part" && value !== "") { knowPart(value); form.elements.part.value = value; }
  else form.elements[name].value = value;
}
if (!wide.matches) byId("overview").open = false;
setInterval(loadOverview, OVERVIEW_EVERY);
await Promise.all([loadOverview(), load()]);
showRequest();
await openNamed();
