// The last lines of the log.

import { ask, Refused } from "./api.js";
import { card, el, empty, replace, shown } from "./dom.js";

const LEVELS = ["debug", "info", "warning", "error"];
const EVERY_MS = 3000;

export function open(place) {
  let after = 0;
  let timer = null;
  let closed = false;
  const lines = el("ol", { class: "lines" });
  const filter = el("select", { "aria-label": "At least", onchange: () => { lines.dataset.least = filter.value; } },
    LEVELS.map((level) => el("option", { value: level, selected: level === "info" }, level)));
  lines.dataset.least = "info";

  async function load() {
    try {
      const answer = await ask("api/log", { after });
      if (closed) return;
      if (after === 0) replace(lines);
      for (const line of answer.lines) {
        after = line.number;
        lines.prepend(el("li", { "data-level": line.level },
          el("time", { datetime: line.time, title: line.time }, new Date(line.time).toLocaleTimeString()),
          el("span", { class: "level" }, line.level),
          el("span", { class: "text" }, shownLine(line.text))));
      }
      while (lines.children.length > 500) lines.lastChild.remove();
      if (!lines.children.length) replace(lines, el("li", { class: "quiet" }, "Nothing was logged yet."));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (after === 0) replace(lines, empty("The log cannot be shown", error.message));
    }
    if (!closed) timer = setTimeout(load, EVERY_MS);
  }

  replace(place, el("div", { class: "heading" }, el("h1", {}, "Log"), el("label", { class: "inline" }, "At least ", filter)),
    card(null, { class: "card log" }, lines));
  load();
  return { close() { closed = true; clearTimeout(timer); } };
}

function shownLine(text) {
  // Lines are longer than names: shown in pieces, each as text.
  const nodes = [];
  const characters = Array.from(text);
  for (let at = 0; at < characters.length; at += 80) nodes.push(...shown(characters.slice(at, at + 80).join("")));
  return nodes;
}
