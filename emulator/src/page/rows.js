// What the page is made of. Texts go into it as text nodes only; what they say
// is decided by the emulator.

/** An element with attributes and children; texts become text nodes. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A text with a button that copies it. */
export function copyable(text, about = null) {
  const button = make("button", { type: "button", class: "small", "aria-label": `Copy ${text}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy by hand";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  const note = about === null ? null : make("span", { class: "muted" }, about);
  return make("div", { class: "copyable" }, make("pre", {}, text), button, note);
}

/** A region of a service, as a row of the table. */
export function regionRow(region) {
  const runs = region.state === "running";
  const codes = [...region.urls, ...region.custom_audiences].map((url) => make("code", {}, url));
  const cell = (name, attributes, ...children) => make("td", { "data-name": name, ...attributes }, make("div", {}, ...children));
  return make("tr", {},
    cell("Service", {}, region.service, region.kind === "function" ? " (function)" : ""),
    cell("Region", {}, region.region),
    cell("State", runs ? {} : { class: "bad" }, runs ? "running" : `⚠ ${region.state}`, region.ingress === "all" ? "" : `, ingress ${region.ingress}`),
    cell("Address", {}, make("code", {}, region.address)),
    cell("URLs", {}, ...codes),
    cell("Accepted", { class: "number" }, String(region.accepted)),
    cell("Refused", { class: "number" }, String(region.refused)));
}

// One call.

function looks(call) {
  const status = Number(call.verdict.split(" ")[1]);
  switch (call.outcome) {
    case "accepted": return ["good", "✓ accepted"];
    case "refused": return ["bad-call", `✕ refused ${call.verdict.split(" ")[0]}`];
    case "failed": return ["odd", "! failed"];
    case "not_sent": return ["bad-call", "⊘ not sent"];
    default: return status < 300 ? ["good", `✓ ${call.verdict}`] : ["odd", `! ${call.verdict}`];
  }
}

const url = (call) => `${call.method} ${call.host ?? ""}${call.path}`;

function noteOf(call) {
  const code = call.outcome === "refused" ? `${call.verdict.split(" ")[1]}: ` : "";
  return code + (call.explanation?.summary ?? call.note ?? "");
}

const place = (call) => [call.service, call.region].filter(Boolean).join(" in ");

/** Paths differ more than hosts, so they come first where there is little room. */
function called(call) {
  const where = call.region === "" ? call.host ?? call.service : place(call);
  return `${call.method} ${call.path} at ${where}`;
}

/** A line of the list, which tells more when it is opened. */
export function callRow(call) {
  const [kind, verdict] = looks(call);
  const span = (name, text) => make("span", text.length > 24 ? { class: name, title: text } : { class: name }, text);
  const note = noteOf(call);
  const summary = make("summary", {},
    span("time", call.at.slice(11, 19)), span("verdict", verdict), span("part", call.part),
    span("who", call.caller ?? ""), span("called", called(call)), span("audience", call.audience ?? ""),
    note === "" ? null : span("note", note));
  const details = make("details", { class: kind }, summary);
  // Most calls are never opened.
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(more(call));
  });
  const row = make("li", { id: `call-${call.id}` }, details);
  row.number = call.id;
  return row;
}

function more(call) {
  const facts = [
    ["call", String(call.id)], ["time", call.at], ["part", call.part], ["of", place(call)],
    ["called", url(call)], ["caller, as claimed", call.caller], ["audience, as claimed", call.audience],
    ["verdict", call.verdict], ["came from", call.origin], ["note", call.note], ["request id", call.request_id],
  ].filter(([, value]) => value);
  const box = make("div", { class: "more" }, call.explanation ? why(call.explanation) : null, terms(facts));
  const actions = make("div", { class: "actions" }, make("a", { href: `#call-${call.id}` }, "Link to this call"));
  if (call.request_id) {
    const only = () => box.dispatchEvent(new CustomEvent("only-request", { bubbles: true, detail: call.request_id }));
    actions.append(make("button", { type: "button", class: "small", click: only }, "Only calls of this request"));
  }
  box.append(actions);
  return box;
}

function why({ summary, expected, received, advice, command }) {
  const facts = [];
  if (expected.length > 0) {
    const values = expected.map((value) => make("li", {}, make("code", {}, value)));
    facts.push([expected.length > 1 ? "expected one of" : "expected", make("ul", {}, ...values)]);
  }
  if (received !== null) facts.push(["received", make("code", {}, received)]);
  return make("div", { class: "why" },
    make("p", { class: "summary" }, sentence(summary)),
    facts.length > 0 ? terms(facts) : null,
    advice === null ? null : make("p", {}, sentence(advice)),
    command === null ? null : copyable(command));
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

function terms(pairs) {
  return make("dl", {}, ...pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}
