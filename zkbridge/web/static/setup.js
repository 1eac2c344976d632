// What the configuration says, and a try of a terminal's address.

import { ask, Refused, send } from "./api.js";
import { card, el, empty, replace, shown } from "./dom.js";
import { sentence } from "./words.js";

function value(item) {
  if (item === null || item === undefined) return el("span", { class: "quiet" }, "–");
  if (typeof item === "boolean") return item ? "yes" : "no";
  return el("span", {}, shown(item));
}

function table(section) {
  return el("dl", { class: "facts options" }, Object.entries(section).map(([key, item]) =>
    el("div", {}, el("dt", {}, key),
      el("dd", {}, item !== null && typeof item === "object"
        ? (Array.isArray(item) ? value(item.length ? item.join(", ") : null) : table(item))
        : value(item)))));
}

function configuration(place, options) {
  const plain = {};
  const parts = [];
  for (const [key, item] of Object.entries(options)) {
    if (key === "terminals") {
      for (const terminal of item) parts.push(el("h3", {}, "terminal: ", el("bdi", {}, shown(terminal.name))), table(terminal));
    } else if (item !== null && typeof item === "object" && !Array.isArray(item)) {
      parts.push(el("h3", {}, key), table(item));
    } else plain[key] = item;
  }
  replace(place, Object.keys(plain).length ? table(plain) : null, parts);
}

function outcome(place, result) {
  const level = result.status === "ok" ? "good" : result.status === "busy" ? "warn" : "bad";
  const facts = ["name", "serial", "model", "firmware", "platform", "mac", "users", "punches"].filter((key) => result[key] !== null && result[key] !== undefined);
  replace(place,
    el("p", {}, el("span", { class: `pill ${level}` }, result.status === "ok" ? "It answers" : sentence(result.status)), " ", result.text ?? null),
    result.cure ? el("p", { class: "quiet" }, result.cure) : null,
    facts.length ? el("dl", { class: "facts" }, facts.map((key) => el("div", {}, el("dt", {}, sentence(key)), el("dd", {}, shown(result[key]))))) : null,
    result.reads && Object.keys(result.reads).length
      ? el("ul", { class: "reads" }, Object.entries(result.reads).map(([key, works]) =>
        el("li", { class: works === true ? "good" : "bad" }, sentence(key), works === true ? ": works" : `: does not work${typeof works === "string" ? ` (${shown(works).map((n) => n.textContent ?? n).join("")})` : ""}`)))
      : null,
    result.yaml
      ? [el("h3", {}, "Add this under terminals:"), el("pre", { class: "yaml", tabindex: 0 }, result.yaml),
        el("button", { type: "button", onclick: async (event) => {
          const button = event.currentTarget;
          try {
            await navigator.clipboard.writeText(result.yaml);
            button.textContent = "Copied";
          } catch {
            getSelection().selectAllChildren(button.previousSibling);
          }
        } }, "Copy")]
      : null);
}

export function open(place) {
  const result = el("div", { class: "result", role: "status" });
  const shownOptions = el("div");
  const button = el("button", { type: "submit", class: "primary" }, "Try it");
  const form = el("form", { class: "filters", onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    replace(result, el("p", { class: "quiet" }, "Asking the terminal …"));
    const data = new FormData(form);
    try {
      outcome(result, await send("api/terminal-test", {
        host: data.get("host").trim(), port: Number(data.get("port")), comm_key: Number(data.get("comm_key") || 0), transport: data.get("transport"),
      }));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      replace(result, el("p", {}, el("span", { class: "pill bad" }, "Not tried"), " ", error.message));
    } finally {
      button.disabled = false;
    }
  } },
  el("label", {}, "Address", el("input", { name: "host", required: true, maxlength: 253, placeholder: "192.168.1.201", autocomplete: "off" })),
  el("label", {}, "Port", el("input", { name: "port", type: "number", min: 1, max: 65535, value: 4370, required: true })),
  el("label", {}, "Comm key", el("input", { name: "comm_key", type: "password", inputmode: "numeric", pattern: "[0-9]*", maxlength: 10, placeholder: "0", autocomplete: "off" })),
  el("label", {}, "Transport", el("select", { name: "transport" }, ["auto", "tcp", "udp"].map((kind) => el("option", {}, kind)))),
  button);
  replace(place, el("div", { class: "heading" }, el("h1", {}, "Setup")),
    card("Try a terminal", {}, el("p", { class: "quiet" }, "Asks a terminal on your own network who it is, and changes nothing on it."), form, result),
    card("Configuration", {}, el("p", { class: "quiet" }, "As the bridge runs now. Secrets are not shown; to change something, edit the configuration file or the app's options."), shownOptions));
  ask("api/configuration").then((answer) => configuration(shownOptions, answer.configuration), (error) => {
    replace(shownOptions, empty("It cannot be shown", error.message));
  });
  return {};
}
