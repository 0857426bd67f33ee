// The newest refusals, each with what is known of its reason.

import { away, byId, copyable, counted, make, reasonLink, say, sentence, terms } from "/make.js";

const KEPT = 200;
const list = byId("list");
let reasons = null;
let newest = 0;
let leftOut = 0;
let search = "";

/** The catalogue of reasons, asked for once. */
export async function reasonOf(code) {
  try {
    reasons ??= fetch("/reasons.json").then((answer) => (answer.ok ? answer.json() : Promise.reject()));
    return (await reasons)[code] ?? null;
  } catch {
    reasons = null;
    return null;
  }
}

export const newestRefusal = () => newest;

export function addRefusals(refusals, now) {
  // A gateway that started anew counts from nothing.
  if (refusals.newest < newest) forgetRefusals();
  // Rows are built while nothing moves under the reader's hand: new ones come on top.
  list.prepend(...refusals.recent.filter((entry) => entry.number > newest).reverse().map(row));
  forgetOldest();
  for (const item of list.children) say(item.time, away(item.time.dateTime, now));
  newest = refusals.newest;
  leftOut = refusals.left_out;
  filter();
}

/** What somebody reads stays, until it is closed. */
function forgetOldest() {
  const isRead = (item) => item.firstElementChild.open || item.contains(document.activeElement);
  const old = [...list.children].slice(KEPT);
  old.filter((item) => !isRead(item)).forEach((item) => item.remove());
}

export function forgetRefusals() {
  list.replaceChildren();
  newest = 0;
}

export function searchRefusals(text) {
  search = text;
  filter();
}

function filter() {
  let shown = 0;
  for (const item of list.children) {
    item.hidden = !item.text.includes(search);
    if (!item.hidden) shown += 1;
  }
  const total = list.childElementCount;
  const without = leftOut === 0 ? "" : `; ${leftOut} more came faster than they are written down, /metrics counts them`;
  const count = total === 0 ? "nothing was refused yet" : `${shown === total ? "" : `${shown} of `}${counted(total, "refusal")}, the newest first`;
  byId("refused-count").textContent = count + without;
}

function row(entry) {
  const { refusal } = entry;
  const cell = (name, text) => make("span", { class: name }, text);
  const time = make("time", { class: "time", datetime: entry.at, title: entry.at });
  const who = [refusal.caller, refusal.looks_like && `looks like ${refusal.looks_like}`].filter(Boolean).join(", ");
  const details = make("details", { class: entry.reported ? "reported" : "refused" },
    make("summary", {},
      time,
      cell("verdict", entry.reported ? "! only reported" : refusal.region ? `✕ ${refusal.region} said ${refusal.status}` : `✕ refused ${refusal.status}`),
      cell("reason", refusal.reason),
      cell("rule", refusal.rule ?? "no rule"),
      cell("who", who || (refusal.endpoint ?? "")),
      cell("message", refusal.message)));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(more(entry));
  });
  const item = make("li", {}, details);
  item.time = time;
  item.text = [refusal.rule, refusal.reason, refusal.message, refusal.caller, refusal.received, refusal.endpoint, refusal.looks_like, refusal.region, entry.request_id].filter(Boolean).join(" ").toLowerCase();
  return item;
}

function more({ at, request_id: id, refusal }) {
  const facts = [
    ["time", at], ["request id", id && make("code", {}, id)], ["called", refusal.endpoint], ["rule", refusal.rule],
    ["refused by the front end of", refusal.region && `${refusal.service} in ${refusal.region}`],
    ["caller", refusal.caller], ["looks like", refusal.looks_like], ["key id", refusal.key_id], ["token's fingerprint", refusal.token],
  ];
  return make("div", { class: "more" }, why(refusal), make("dl", {}, terms(facts)), known(refusal.reason));
}

/** What was wrong with one request, how near it was, and what to do. */
export function why(refusal) {
  const values = refusal.expected ?? [];
  const expected = values.length === 0 ? null : make("ul", {}, values.map((value) => make("li", {}, make("code", {}, value))));
  return make("div", { class: "why" },
    make("p", { class: "summary" }, reasonLink(refusal.reason), `: ${refusal.message}`),
    make("dl", {}, terms([
      [values.length > 1 ? "expected one of" : "expected", expected],
      ["received", refusal.received && make("code", {}, refusal.received)],
      ["near miss", refusal.note],
    ])),
    refusal.remedy ? make("p", {}, "What to do: ", `${refusal.remedy}.`) : null,
    refusal.command ? copyable(refusal.command) : null);
}

/** What is known of a reason, whatever the request. */
export function known(code) {
  const box = make("details", { class: "known" }, make("summary", {}, `What ${code} means`));
  box.addEventListener("toggle", async () => {
    if (!box.open || box.childElementCount > 1) return;
    const reason = await reasonOf(code);
    if (box.childElementCount > 1) return;
    if (reason === null) {
      box.open = false;
      return;
    }
    const items = (texts) => make("ul", {}, texts.map((text) => make("li", {}, text)));
    box.append(make("div", {},
      make("p", {}, `${sentence(reason.summary)} ${reason.meaning}`),
      make("p", {}, "Mostly it comes from:"), items(reason.causes),
      make("p", {}, `What to do: ${reason.advice}.`),
      ...(reason.terraform.length === 0 ? [] : [make("p", {}, "In Terraform:"), items(reason.terraform)]),
      make("p", { class: "muted" }, "The same stands ", make("a", { href: `/reasons#${encodeURIComponent(code)}` }, "among all reasons"), " and in ", make("code", {}, `docs/reasons.md#${code}`), ", and ", make("code", {}, `remint reasons ${code}`), " prints it.")));
  });
  return box;
}
