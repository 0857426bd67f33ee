// A request that is pasted, and what the gateway makes of it.

import { byId, copyable, counted, make, terms } from "/make.js";
import { known, why } from "/refusals.js";

const form = byId("question");
const result = byId("walk");
const fields = form.elements;
let asked = 0;

function question() {
  const text = (name) => fields[name].value.trim();
  if (fields.kind.value === "curl") return { curl: text("curl") };
  const headers = text("headers").split("\n").map((line) => line.trim()).filter(Boolean);
  return { url: text("url"), method: text("method") || "POST", headers, ...(text("token") === "" ? {} : { token: text("token") }) };
}

function showKind() {
  const isCurl = fields.kind.value === "curl";
  byId("by-token").hidden = isCurl;
  byId("by-curl").hidden = !isCurl;
}

async function explain() {
  const mine = ++asked;
  const body = JSON.stringify(question());
  result.setAttribute("aria-busy", "true");
  let shown;
  try {
    const answer = await fetch("/explain", { method: "POST", headers: { "content-type": "application/json" }, body });
    const isJson = answer.headers.get("content-type") === "application/json";
    const told = isJson ? await answer.json() : { error: (await answer.text()).trim() };
    shown = answer.ok ? explanation(told) : [make("p", { class: "box bad" }, `It can't be explained: ${told.error}.`)];
    // A question that was none can be mended; a token that was explained is not kept.
    if (answer.ok && mine === asked) forget();
  } catch {
    shown = [make("p", { class: "box bad" }, "The gateway can't be asked right now.")];
  }
  if (mine !== asked) return;
  result.removeAttribute("aria-busy");
  result.replaceChildren(...shown);
  // Who does not see it has it read, and who goes on by keyboard is there.
  const [verdict] = shown;
  verdict.tabIndex = -1;
  verdict.focus();
  result.scrollIntoView({ block: "nearest" });
}

function forget() {
  for (const name of ["token", "headers", "curl"]) fields[name].value = "";
}

function explanation(told) {
  const { refusal, rule } = told;
  const [style, words] = verdict(told);
  return [
    make("p", { class: `verdict box ${style}` }, words),
    make("dl", {}, terms([
      ["request", told.request], ["at", told.at], ["rule", rule], ["looks like", told.looks_like],
      ["was answered with", told.answered === null ? null : String(told.answered)],
      ["token's fingerprint", told.token], ["note", told.notes.map((note) => make("p", {}, note))],
    ])),
    refusal === null ? null : why(told.commands.length > 1 ? { ...refusal, command: null } : refusal),
    told.commands.length > 1 ? bySender(told.commands) : null,
    ...told.also.map((other) => make("div", {}, make("h3", {}, "Also wrong"), why(other))),
    refusal === null ? null : known(refusal.reason),
    checks("The request", told.checks),
    otherRules(told.other_rules),
    ...told.tokens.map((token) => make("div", {}, checks(token.place, token.checks), claims(token.claims))),
  ].filter((part) => part !== null);
}

/** Its style, and in words. */
function verdict({ outcome, refusal, rule, verdict: how, unchecked }) {
  if (outcome === "unchecked") return ["odd", `? Not decided: nothing wrong was found; not checked: ${unchecked.join(", ")}`];
  if (outcome === "refused") return ["bad", `✕ Refused with ${refusal.status}`];
  if (refusal !== null) return ["odd", `! Let through, only because the rule ${rule} reports and does not refuse`];
  return ["good", `✓ Let through (${how}), by the rule ${rule}`];
}

/** What mends it, for each sender that it may come from. */
function bySender(commands) {
  const pair = ({ sender, command }) => [make("dt", {}, sender === null ? "Or" : `If it comes from ${sender}`), make("dd", {}, copyable(command))];
  return make("dl", {}, commands.flatMap(pair));
}

/** Why other rules do not decide, the nearest first. */
function otherRules(rules) {
  if (rules.length === 0) return null;
  const ways = ({ part, expected }) => `its ${part} is ${some(expected).join(" or ")}`;
  const why = ({ misses }) => (misses.length === 0 ? "is for it too, and comes later" : misses.map(ways).join(", "));
  // One for another host is further away than one for another path.
  const far = ({ misses }) => misses.length + (misses.some(({ part }) => part === "host") ? 0.5 : 0);
  const nearest = rules.toSorted((one, other) => far(one) - far(other));
  return make("details", { class: "known" },
    make("summary", {}, `Why not by ${counted(rules.length, "other rule")}`),
    make("dl", {}, terms(nearest.slice(0, LISTED).map((other) => [other.rule, why(other)]))),
    rules.length > LISTED ? make("p", { class: "muted" }, `nor ${rules.length - LISTED} more`) : null);
}

const LISTED = 8;
const some = (values) => [...values.slice(0, LISTED), ...(values.length > LISTED ? [`one of ${values.length - LISTED} more`] : [])];

const MARKS = { passed: ["✓", "good", "passed"], failed: ["✕", "bad", "failed"], unknown: ["?", "odd", "not checked"] };

function checks(title, steps) {
  const line = (step) => {
    const [mark, style, word] = MARKS[step.outcome];
    const what = step.outcome === "failed" ? `${step.reason}: ${step.message}` : step.found ?? step.why ?? "";
      return make("li", { class: style },
      make("span", { class: "mark", "aria-label": word, role: "img" }, mark),
      make("span", { class: "check" }, step.check),
      make("div", { class: "found" }, what,
        step.outcome !== "failed" ? null : make("dl", {}, terms([
          ["expected", some(step.expected ?? []).join(" or ")],
          ["received", step.received], ["near miss", step.note],
        ]))));
  };
  return make("section", { class: "checks" }, make("h3", {}, title), make("ol", {}, steps.map(line)));
}

function claims(pairs) {
  if (pairs === null) return "";
  const told = ([name, value, meaning]) => {
    const isTime = ["iat", "nbf", "exp"].includes(name) && Number.isInteger(value) && Math.abs(value) < 8e12;
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const shown = isTime ? `${new Date(value * 1000).toISOString()} (${text})` : text;
    return [name, meaning === null ? shown : `${shown}: ${meaning}`];
  };
  return make("details", { class: "known" }, make("summary", {}, "Claims, as the token has them"), make("dl", {}, terms(pairs.map(told))));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  explain();
});
form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  form.requestSubmit();
});
form.addEventListener("change", showKind);
form.addEventListener("reset", () => {
  asked += 1;
  result.replaceChildren();
  // The fields have their old values until this event is over.
  setTimeout(showKind);
});
showKind();
