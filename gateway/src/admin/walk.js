// A request that is pasted, and what the gateway makes of it.

import { byId, copyable, make, terms } from "/make.js";
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
  } catch {
    shown = [make("p", { class: "box bad" }, "The gateway can't be asked right now.")];
  }
  if (mine !== asked) return;
  result.removeAttribute("aria-busy");
  result.replaceChildren(...shown);
  result.scrollIntoView({ block: "nearest" });
}

function explanation(told) {
  const { admitted, refusal, rule, verdict } = told;
  const passes = admitted && refusal === null;
  const words = passes ? `✓ Let through (${verdict}), by the rule ${rule}`
    : admitted ? `! Let through, only because the rule ${rule} reports and does not refuse`
    : `✕ Refused with ${refusal.status}`;
  return [
    make("p", { class: `verdict box ${passes ? "good" : admitted ? "odd" : "bad"}` }, words),
    make("dl", {}, terms([["request", told.request], ["at", told.at], ["rule", rule], ["looks like", told.looks_like], ["token's fingerprint", told.token]])),
    refusal === null ? null : why(told.commands.length > 1 ? { ...refusal, command: null } : refusal),
    told.commands.length > 1 ? senders(told.commands) : null,
    refusal === null ? null : known(refusal.reason),
    checks("The request", told.checks),
    ...told.tokens.map((token) => make("div", {}, checks(token.place, token.checks), claims(token.claims))),
  ].filter((part) => part !== null);
}

/** What mends it, for each sender that it may come from. */
function senders(commands) {
  const pair = ({ sender, command }) => [make("dt", {}, `If it comes from ${sender}`), make("dd", {}, copyable(command))];
  return make("dl", { class: "senders" }, commands.flatMap(pair));
}

const MARKS = { passed: ["✓", "good", "passed"], failed: ["✕", "bad", "failed"], unknown: ["?", "odd", "not checked"] };

function checks(title, steps) {
  const line = (step) => {
    const [mark, style, word] = MARKS[step.outcome];
    const what = step.outcome === "failed" ? `${step.reason}: ${step.message}` : step.found ?? step.why ?? "";
    const expected = (step.expected ?? []).slice(0, 8);
    return make("li", { class: style },
      make("span", { class: "mark", "aria-label": word, role: "img" }, mark),
      make("span", { class: "check" }, step.check),
      make("div", { class: "found" }, what,
        step.outcome !== "failed" ? null : make("dl", {}, terms([
          ["expected", expected.length === 0 ? null : expected.join(" or ") + (step.expected.length > 8 ? ` or one of ${step.expected.length - 8} more` : "")],
          ["received", step.received], ["", step.note],
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
form.addEventListener("change", showKind);
form.addEventListener("reset", () => {
  asked += 1;
  result.replaceChildren();
  // The fields have their old values until this event is over.
  setTimeout(showKind);
});
showKind();
