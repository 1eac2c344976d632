// The frame of the page: which view is shown, the header, and the live connection.

import { el, name, replace } from "./dom.js";
import { ago, number, plural } from "./words.js";
import * as today from "./today.js";
import * as terminals from "./terminals.js";
import * as history from "./history.js";
import * as setup from "./setup.js";
import * as log from "./log.js";

const VIEWS = { today, terminals, history, setup, log };
const bridge = { state: null, connected: false, lastId: null };
let current = null;
let source = null;

function show() {
  const wanted = location.hash.slice(1).split("?")[0];
  const key = Object.hasOwn(VIEWS, wanted) ? wanted : "today";
  current?.close?.();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === key) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.view = key;
  const place = el("div", { class: `view ${key}` });
  replace(document.getElementById("view"), place);
  current = VIEWS[key].open(place, bridge);
  if (bridge.state) current.state?.(bridge.state);
}

function glance() {
  const state = bridge.state;
  const place = document.getElementById("glance");
  if (!bridge.connected) {
    const words = state ? "Connection lost, trying again …" : "Connecting …";
    replace(place, el("span", { class: "pill waiting" }, words));
    return;
  }
  const problems = state.problems;
  const bad = problems.some((problem) => problem.severity === "error");
  const words = problems.length
    ? (problems.length === 1 ? "1 thing needs attention" : `${problems.length} things need attention`)
    : "Everything works";
  const waiting = state.queue.depth;
  const oldest = waiting && state.queue.oldest ? `, oldest ${ago(state.queue.oldest)}` : "";
  replace(
    place,
    el("span", { class: `pill ${problems.length ? (bad ? "bad" : "warn") : "good"}` }, words),
    el("span", { class: "facts" },
      el("span", { class: "fact broker", title: state.broker.address },
        el("i", { class: `dot ${state.broker.connected ? "good" : "bad"}` }),
        state.broker.connected ? "Broker connected" : "Broker away"),
      el("span", { class: "fact queue", title: "Events stored and not yet acknowledged by the broker" },
        waiting ? `${number(waiting)} waiting${oldest}` : "Nothing waiting"),
      el("span", { class: "fact" },
        `${state.terminals_online}/${plural(state.terminals.length, "terminal")} online`)),
  );
}

function problems() {
  replace(
    document.getElementById("problems"),
    (bridge.state?.problems ?? []).map((problem) =>
      el("div", { class: `problem ${problem.severity}${problem.terminal ? " of-terminal" : ""}` },
        el("strong", {},
          problem.terminal ? [name(problem.terminal), ": "] : null, problem.text),
        problem.cure ? el("p", {}, problem.cure) : null)),
  );
}

function listen() {
  const query = bridge.lastId === null ? "" : `?last_event_id=${bridge.lastId}`;
  source = new EventSource(`api/events${query}`);
  source.addEventListener("state", (event) => {
    bridge.state = JSON.parse(event.data);
    bridge.lastId = event.lastEventId;
    if (!bridge.connected) {
      bridge.connected = true;
      current?.joined?.(Number(event.lastEventId));
    }
    glance();
    problems();
    current?.state?.(bridge.state);
  });
  source.addEventListener("punch", (event) => {
    bridge.lastId = event.lastEventId;
    current?.punch?.(JSON.parse(event.data));
  });
  source.addEventListener("reset", (event) => {
    bridge.lastId = JSON.parse(event.data).seq;
    current?.reset?.();
  });
  source.addEventListener("error", () => {
    bridge.connected = false;
    glance();
    if (source.readyState === EventSource.CLOSED) {
      source.close();
      setTimeout(listen, 5000);
    }
  });
}

window.addEventListener("hashchange", show);
show();
listen();
