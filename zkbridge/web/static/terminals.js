// Every terminal: how it is doing, how full it is, what is wrong and what to do.

import { el, empty, name, replace, shown } from "./dom.js";
import { clockSeconds, day, dayWords, number } from "./words.js";

function meter(label, used, capacity) {
  if (used === null || used === undefined) return null;
  const share = capacity ? Math.min(100, (used / capacity) * 100) : null;
  const level = share === null ? "" : share >= 95 ? "bad" : share >= 80 ? "warn" : "good";
  const bar = el("div", { class: "bar" }, el("span", { class: level }));
  if (share !== null) bar.firstChild.style.width = `${share}%`;
  return el("div", { class: "meter" },
    el("span", { class: "label" }, label),
    el("span", { class: "value" }, capacity ? `${number(used)} of ${number(capacity)}` : number(used)),
    share === null ? null : el("span", { class: "share" }, `${share < 10 ? share.toFixed(1) : Math.round(share)} %`),
    share === null ? null : bar);
}

function drift(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (Math.abs(seconds) < 1) return "exact";
  const size = Math.abs(seconds);
  const words = size < 120 ? `${Math.round(size)} s` : size < 7200 ? `${Math.round(size / 60)} min` : `${Math.round(size / 3600)} h`;
  return `${words} ${seconds > 0 ? "ahead" : "behind"}`;
}

function fact(label, value) {
  return el("div", {}, el("dt", {}, label), el("dd", {}, value));
}

function status(terminal) {
  if (terminal.online === null) return ["waiting", "Not tried yet"];
  if (!terminal.online) return ["bad", "Offline"];
  if (terminal.error) return ["warn", "Online, with a problem"];
  return ["good", terminal.mode === "live" ? "Live" : "Online, polled"];
}

function soon(date) {
  return new Date(date).getTime() - Date.now() < 60 * 86400000;
}

function draw(terminal) {
  const [level, words] = status(terminal);
  const full = terminal.log_full_on;
  return el("article", { class: "card terminal", "data-terminal": terminal.id },
    el("div", { class: "heading" }, el("h2", {}, name(terminal.name)), el("span", { class: `pill ${level}` }, words)),
    terminal.error
      ? el("div", { class: `problem ${terminal.online ? "warning" : "error"}` },
        el("strong", {}, terminal.error_text), el("p", {}, terminal.error_cure))
      : null,
    el("div", { class: "meters" },
      meter("Punch log", terminal.punches, terminal.punches_capacity),
      meter("Users", terminal.users, terminal.users_capacity),
      meter("Fingerprints", terminal.fingerprints, terminal.fingerprints_capacity),
      meter("Faces", terminal.faces, terminal.faces_capacity)),
    full
      ? el("p", { class: soon(full) ? "forecast soon" : "forecast" }, "At the present rate the punch log will be full on ", el("strong", {}, dayWords(full)), ".")
      : null,
    el("dl", { class: "facts" },
      fact("Last punch", terminal.last_punch ? `${dayWords(day(terminal.last_punch))} ${clockSeconds(terminal.last_punch)}` : "–"),
      fact("Clock", drift(terminal.clock_drift)),
      fact("Logs read", terminal.synced ? "to the end" : "not yet"),
      fact("Operation log", number(terminal.op_log)),
      terminal.undecodable ? fact("Undecodable", number(terminal.undecodable)) : null,
      fact("Serial", terminal.serial ? shown(terminal.serial) : "–"),
      fact("Model", terminal.model ? shown(terminal.model) : "–"),
      fact("Firmware", terminal.firmware ? shown(terminal.firmware) : "–"),
      fact("Address", terminal.host ? shown(terminal.host) : "–"),
      fact("MAC", terminal.mac ?? "–"),
      fact("Topics", `…/${terminal.id}/`)));
}

export function open(place, bridge) {
  const list = el("div", { class: "grid" });
  let before = "";
  replace(place, el("div", { class: "heading" }, el("h1", {}, "Terminals")), list);
  return {
    state(state) {
      const text = JSON.stringify(state.terminals);
      if (text === before) return;
      before = text;
      if (state.terminals.length) replace(list, state.terminals.map(draw));
      else replace(list, empty("No terminal yet", "Try an address under Setup; it gives you the lines for the configuration."));
    },
  };
}
