// Services with the senders, rules and regions of each. What is broken stands
// first; the rest of many is folded away.

import { Rows, arrange, away, byId, counted, make, say, show } from "/make.js";
import { ERRORS, FAILURES, named, shown } from "/rates.js";

/** More than so many rows are folded away while they are well. */
const FEW = 8;

const NUMBERS = new Set(["Requests/s", "Refused/s", "Errors/s", "Attempts/s", "Failed/s", "In flight"]);

const groups = new Map();

export function showFlow(status, rates, search) {
  const names = new Set(status.services.map((service) => service.name));
  for (const [name, group] of groups) {
    if (!names.has(name)) { group.element.remove(); groups.delete(name); }
  }
  const troubled = new Map();
  status.headline.troubles.forEach((trouble) => {
    if (trouble.service !== null && !troubled.has(trouble.service)) troubled.set(trouble.service, stateOfService(trouble));
  });
  const rank = (service) => ["broken", "warning"].indexOf(troubled.get(service.name)?.level ?? "") >>> 0;
  const rules = Map.groupBy(status.rules, (rule) => rule.service);
  const ordered = [...status.services].sort((one, other) => rank(one) - rank(other));
  const elements = ordered.map((service) => {
    let group = groups.get(service.name);
    if (group === undefined) groups.set(service.name, group = new Group(service.name, status.services.length));
    group.update(service, rules.get(service.name) ?? [], troubled.get(service.name) ?? WELL, status.now, rates, search);
    return group.element;
  });
  arrange(byId("services"), elements);
  byId("nothing").hidden = elements.length === 0 || elements.some((element) => !element.hidden);
}

const WELL = { level: "well", words: "✓ well" };

/** By the worst of its troubles. One that has a reason is its callers'. */
function stateOfService({ level, reason }) {
  const words = { broken: "✕ broken", warning: reason === null ? "⚠ partly failing" : "⚠ refuses callers", notice: "✓ well" };
  return { level, words: words[level] };
}

class Group {
  constructor(name, ofAll) {
    this.state = make("span", { class: "state" });
    this.line = make("span", { class: "line muted" });
    this.senders = make("ul", { class: "senders" });
    this.rules = new Fold("rule", ["Rule", "Asks for", "Requests/s", "Refused/s", "Errors/s"]);
    this.regions = new Fold("region", ["Region", "State", "Attempts/s", "Failed/s", "In flight", "Token", "Made for"]);
    const part = (title, ...children) => make("div", { class: "part" }, make("h4", {}, title), ...children);
    this.element = make("details", { class: "service" },
      make("summary", {}, make("h3", {}, name), this.state, this.line),
      make("div", { class: "parts" }, part("Senders", this.senders), part("Rules", this.rules.element), part("Regions", this.regions.element)));
    this.element.open = ofAll <= FEW;
    this.level = "well";
  }

  update(service, rules, { level, words }, now, rates, search) {
    // What breaks while somebody looks opens, and may be closed again.
    if (level !== this.level && level !== "well") this.element.open = true;
    this.level = level;
    const own = service.name.toLowerCase().includes(search);
    const all = rules.map((rule) => `rule ${rule.name}`);
    const sum = (names) => shown(rates.of(...all.flatMap((rule) => named(rule, names))));
    const requests = Object.keys(rules[0]?.requests ?? {});
    say(this.state, service.panic ? `${words}, ejections are ignored` : words);
    this.state.className = `state ${level}`;
    say(this.line, `${sum(requests)} requests/s, ${sum(["refused"])} refused/s, ${sum(ERRORS)} errors/s; ${counted(rules.length, "rule")}, ${counted(service.regions.length, "region")}`);
    this.showSenders(rules, rates);
    const rulesFound = this.rules.update(rules.map((rule) => ruleRow(rule, rates)), own ? "" : search);
    const regionsFound = this.regions.update(service.regions.map((region) => regionRow(service, region, now, rates)), own ? "" : search);
    this.element.hidden = !own && !rulesFound && !regionsFound;
    if (search !== "" && !this.element.hidden) this.element.open = true;
  }

  showSenders(rules, rates) {
    const kinds = Object.keys(rules[0]?.senders ?? {});
    const count = (kind) => rules.reduce((all, rule) => all + (rule.senders?.[kind] ?? 0), 0);
    const seen = kinds.filter((kind) => count(kind) > 0);
    const lines = seen.map((kind) => [kind, shown(rates.of(...rules.map((rule) => `sender ${rule.name} ${kind}`)))]);
    show(this.senders, lines, () => lines.length === 0
      ? [make("li", { class: "muted" }, "none yet")]
      : lines.map(([kind, rate]) => make("li", {}, make("span", {}, kind), make("span", { class: "number" }, `${rate}/s`))));
  }
}

/** A table whose rows that are well are folded away if they are many. */
class Fold {
  #rows = new Rows();

  constructor(what, columns) {
    this.what = what;
    const table = () => make("table", {}, make("thead", {}, make("tr", {}, columns.map((column) => make("th", NUMBERS.has(column) ? { scope: "col", class: "number" } : { scope: "col" }, column)))), make("tbody"));
    this.first = table();
    this.rest = table();
    this.summary = make("summary");
    this.fold = make("details", { class: "fold" }, this.summary, make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Further ${what}s` }, this.rest));
    this.none = make("p", { class: "muted" }, `no ${what} is like this`);
    this.element = make("div", {}, make("div", { class: "scroll" }, this.first), this.fold, this.none);
  }

  /** `rows` are { key, cells, bad, text }. Says whether there is any like that. */
  update(rows, search) {
    const found = rows.filter((row) => row.text.toLowerCase().includes(search));
    const isMany = found.length > FEW;
    const [first, rest] = isMany ? [found.filter((row) => row.bad), found.filter((row) => !row.bad)] : [found, []];
    // What is sought is shown, as long as it is little enough to read.
    const [above, below] = search !== "" && found.length <= 5 * FEW ? [found, []] : [first, rest];
    if (!isMany) above.sort((one, other) => Number(other.bad) - Number(one.bad));
    const place = (table, some) => arrange(table.tBodies[0], some.map(({ key, cells }) => this.#rows.update(key, cells)));
    place(this.first, above);
    place(this.rest, below);
    this.first.parentElement.hidden = above.length === 0;
    this.fold.hidden = below.length === 0;
    this.none.hidden = found.length > 0;
    say(this.summary, above.length === 0
      ? `all ${counted(below.length, this.what)}, none with trouble`
      : `${counted(below.length, `further ${this.what}`)} without trouble`);
    this.#rows.keep(new Set(rows.map((row) => row.key)));
    return found.length > 0;
  }
}

function ruleRow(rule, rates) {
  const prefix = `rule ${rule.name}`;
  const of = (names) => rates.of(...named(prefix, names));
  const [refused, errors] = [of(["refused"]), of(ERRORS)];
  const bad = rates.any(...named(prefix, ["refused", ...ERRORS]));
  const scope = [rule.methods.join(" "), rule.hosts.join(" ") || "any host", rule.paths.join(" ")].filter(Boolean).join(" ");
  const callers = rule.caller_count === null ? "anyone of its issuers" : counted(rule.caller_count, "caller");
  const [audience] = rule.audiences;
  const more = rule.audience_count > 1 ? ` and ${rule.audience_count - 1} more` : "";
  const asks = rule.is_anonymous ? "nothing: anonymous" : `${audience ?? "no audience"}${more}`;
  const mode = rule.mode === "report" ? " (only reports)" : "";
  return {
    key: rule.name,
    bad,
    text: [rule.name, scope, rule.mode, ...rule.audiences].join(" "),
    cells: [
      ["Rule", `${rule.name}${mode}`, scope],
      ["Asks for", asks, rule.is_anonymous ? "" : callers],
      ["Requests/s", shown(of(Object.keys(rule.requests ?? {}))), "", "number"],
      ["Refused/s", shown(refused), "", refused > 0 ? "number bad" : "number"],
      ["Errors/s", shown(errors), "", errors > 0 ? "number bad" : "number"],
    ],
  };
}

const CAUSES = {
  unreachable: "no connection",
  refused_stream: "it takes no more requests",
  connection_lost: "connections broke",
  timeout: "no answer in time",
  front_end: "its front end could not serve",
  failure_rate: "too many failures",
  probes: "probes failed",
};

function stateOf(region, now) {
  if (region.token.expires_at === null) return ["✕ no token", region.token.last_error ?? "it is being fetched", "bad"];
  if (region.refuses_gateway !== null) {
    const { status, at, likely_cause: cause } = region.refuses_gateway;
    return [`✕ refuses the gateway (${status})`, `${away(at, now)}: ${cause ?? ""}`, "bad", at];
  }
  if (region.is_ejected) {
    const until = region.ejected_until === null ? "until it is well" : `tried again ${away(region.ejected_until, now)}`;
    return [`⚠ left alone: ${CAUSES[region.ejection_cause] ?? region.ejection_cause ?? "being tried"}`, until, "odd", region.ejected_until ?? ""];
  }
  if (region.ejection_cause !== null) return ["⚠ on trial", `after: ${CAUSES[region.ejection_cause]}`, "odd"];
  return ["✓ well", ""];
}

function tokenOf({ expires_at: ends, next_attempt_at: next, last_error: error }, now) {
  if (ends === null) return ["✕ none", `next attempt ${away(next, now)}`, "bad", `next attempt ${next}`];
  const renewed = error === null ? `renewed ${away(next, now)}` : `⚠ not renewed: ${error}; next attempt ${away(next, now)}`;
  return [`ends ${away(ends, now)}`, renewed, error === null ? "" : "odd", `ends ${ends}, next attempt ${next}`];
}

function regionRow(service, region, now, rates) {
  const prefix = `region ${service.name} ${region.name}`;
  const attempts = rates.of(...named(prefix, ["answered", "front_end", "unreachable", "refused_stream", "connection_lost", "timeout"]));
  const failed = rates.of(...named(prefix, FAILURES));
  const state = stateOf(region, now);
  const token = tokenOf(region.token, now);
  const bad = state[2] !== undefined || token[2] !== "" || rates.any(...named(prefix, FAILURES));
  return {
    key: region.name,
    bad,
    text: [region.name, region.host, state[0], region.token.audience, region.token.account ?? ""].join(" "),
    cells: [
      ["Region", region.name, region.host],
      ["State", ...state],
      ["Attempts/s", shown(attempts), "", "number"],
      ["Failed/s", shown(failed), "", failed > 0 ? "number bad" : "number"],
      ["In flight", String(region.in_flight ?? 0), "", "number"],
      ["Token", ...token],
      ["Made for", region.token.audience, region.token.account === null ? "of an account that its source does not tell" : `of ${region.token.account}`],
    ],
  };
}
