// What the page is made of. Texts go into it as text nodes only.

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; texts become text nodes. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

/** A command with a button that copies it. */
export function copyable(text) {
  const button = make("button", { type: "button", class: "small", "aria-label": `Copy ${text}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Browsers have a clipboard only for localhost and for TLS.
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = "Selected";
    }
    announce(button.textContent);
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  // Many lines scroll, also by keyboard.
  return make("div", { class: "copyable" }, make("pre", text.split("\n").length > 6 ? { tabindex: "0" } : {}, words(text)), button);
}

/** Lines break between words, and not between the hyphens of an option. */
const words = (text) => text.split(/(\s+)/).map((word, place) => (place % 2 === 0 ? make("span", { class: "word" }, word) : word));

/** Has those told who do not see the page. */
export function announce(text) {
  say(byId("news"), text);
}

/** Where the catalogue has that reason. */
export const reasonLink = (code) => make("a", { href: `/reasons#${encodeURIComponent(code)}` }, code);

/** Pairs of names and values; those without a value are left out. */
export function terms(pairs) {
  return pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "" && value.length !== 0)
    .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
}

export const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;

export const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** Sets a text only where it differs, so that what is selected stays so. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Builds an element anew only when what it shows has changed. */
export function show(element, shown, build) {
  const text = JSON.stringify(shown);
  if (element.shown === text) return;
  element.shown = text;
  element.replaceChildren(...build());
}

/** Seconds as people say them. */
export function span(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

/** How far a time is from the gateway's own now. */
export function away(time, now) {
  const seconds = (Date.parse(time) - Date.parse(now)) / 1000;
  return seconds < 0 ? `${span(-seconds)} ago` : `in ${span(seconds)}`;
}

/** The time of day (UTC) of a time. */
export const clock = (time) => `${time.slice(11, 19)} UTC`;

/** What a text says, whatever the numbers in it. */
export const withoutNumbers = (text) => text.replaceAll(/\d[\d.,:]*/g, "#");

/** Rows of a table by their keys: kept while they are there, in this order. */
export class Rows {
  #rows = new Map();

  /** `cells` are [column, text, note, class, title] each. */
  update(key, cells) {
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = make("tr", {}, cells.map(([column], place) =>
        make(place === 0 ? "th" : "td", place === 0 ? { scope: "row", "data-name": column } : { "data-name": column },
          make("div", {}, make("div", {}), make("div", { class: "note" })))));
      this.#rows.set(key, row);
    }
    cells.forEach(([, text, note = "", style = "", title = ""], place) => {
      const cell = row.children[place];
      if (cell.className !== style) cell.className = style;
      if (cell.title !== title) cell.title = title;
      const [first, second] = cell.firstElementChild.children;
      say(first, text);
      say(second, note);
    });
    return row;
  }

  keep(keys) {
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
  }
}

/**
 * Puts children into this order, and moves only those that stand elsewhere. Who
 * moves loses the focus: the one that has it stays, and the others move around it.
 */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) {
    if (!wanted.has(child)) child.remove();
  }
  const held = children.findIndex((child) => child.contains(document.activeElement));
  if (held >= 0) arrangeBefore(parent, children.slice(0, held), children[held]);
  arrangeBefore(parent, children.slice(held + 1), null);
}

function arrangeBefore(parent, children, end) {
  let next = end;
  for (const child of children.toReversed()) {
    if (child.parentElement !== parent || child.nextElementSibling !== next) parent.insertBefore(child, next);
    next = child;
  }
}
