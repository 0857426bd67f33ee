// Rates, from counters as they were at several times.

/** How far back, in milliseconds: for a rate, and for what happened lately. */
const RATE = 10_000;
const LATELY = 60_000;

export class Rates {
  /** [milliseconds of the gateway's, counters by name], the oldest first. */
  #samples = [];

  add(at, counters) {
    // A gateway that started anew counts from nothing.
    if (this.#samples.length > 0 && at < this.#samples.at(-1)[0]) this.#samples = [];
    this.#samples.push([at, counters]);
    while (this.#samples.length > 2 && this.#samples[1][0] <= at - LATELY) this.#samples.shift();
  }

  #grown(names, within) {
    const newest = this.#samples.at(-1);
    const oldest = this.#samples.find(([at]) => at >= newest?.[0] - within);
    if (oldest === undefined || oldest === newest) return null;
    const sum = ([, counters]) => names.reduce((all, name) => all + (counters.get(name) ?? 0), 0);
    // Another configuration may have counters that begin anew.
    return { count: Math.max(0, sum(newest) - sum(oldest)), seconds: (newest[0] - oldest[0]) / 1000 };
  }

  /** Per second; null while it is unknown. */
  of(...names) {
    const grown = this.#grown(names, RATE);
    return grown === null || grown.seconds === 0 ? null : grown.count / grown.seconds;
  }

  /** Whether there were any lately. */
  any(...names) {
    return (this.#grown(names, LATELY)?.count ?? 0) > 0;
  }
}

export function shown(rate) {
  if (rate === null) return "–";
  if (rate === 0) return "0";
  if (rate < 0.1) return "< 0.1";
  return rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en");
}

/** Outcomes of requests that are no answer of a region, and no refusal. */
export const ERRORS = ["5xx", "no_token", "no_region", "connection_lost", "timeout", "overloaded"];
/** Attempts at a region that failed. */
export const FAILURES = ["front_end", "unreachable", "refused_stream", "connection_lost", "timeout", "broken_off", "front_end_302", "front_end_401", "front_end_403", "front_end_404", "front_end_429"];

/** All counters of a status, by names such as "rule push 2xx". */
export function counters(status) {
  const all = new Map([["refused_without_rule", status.refused_without_rule]]);
  const add = (prefix, values) => {
    for (const [name, value] of Object.entries(values ?? {})) all.set(`${prefix} ${name}`, value);
  };
  for (const rule of status.rules) {
    add(`rule ${rule.name}`, rule.requests);
    add(`sender ${rule.name}`, rule.senders);
  }
  for (const service of status.services) {
    for (const region of service.regions) add(`region ${service.name} ${region.name}`, region.attempts);
  }
  return all;
}

export const named = (prefix, names) => names.map((name) => `${prefix} ${name}`);
