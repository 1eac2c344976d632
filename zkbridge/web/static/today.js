// Today, or any other day: who came, when, where; new punches appear as they happen.

import { ask, Refused } from "./api.js";
import { heat, Plot, scale, span, timeline } from "./chart.js";
import { card, el, empty, name, person, replace, shownText } from "./dom.js";
import { clock, clockSeconds, day, dayWords, direction, EVENTS, number, plural } from "./words.js";

const LATEST = 12;
const PEOPLE = 100;

function tile(label, value, more) {
  return el("div", { class: "tile" },
    el("span", { class: "label" }, label), el("strong", {}, value), el("span", { class: "more" }, more ?? "\u00a0"));
}

class Today {
  constructor(place, bridge) {
    this.place = place;
    this.bridge = bridge;
    this.data = null;
    this.by = "person";
    this.early = [];
    this.day = null;
    this.tiles = el("div", { class: "tiles" });
    this.hours = new Plot("Punches per hour");
    this.rows = el("div", { class: "rows" });
    this.latest = el("ol", { class: "latest" });
    this.date = el("input", { type: "date", "aria-label": "Day", onchange: () => this.load(this.date.value) });
    this.switch = el("div", { class: "switch", role: "group", "aria-label": "Show by" },
      ["person", "terminal"].map((by) =>
        el("button", { type: "button", "data-by": by, "aria-pressed": String(by === this.by), onclick: () => this.choose(by) },
          by === "person" ? "By person" : "By terminal")));
    this.title = el("h1", {}, "Today");
    replace(place,
      el("div", { class: "heading" }, this.title, this.date),
      this.tiles,
      el("div", { class: "columns" },
        el("div", {},
          card("Punches per hour", { class: "card hours" }, this.hours.place),
          el("section", { class: "card people" },
            el("div", { class: "heading" }, el("h2", {}, "The day"), this.switch), this.rows)),
        card("Latest", { class: "card newest" }, this.latest)));
    this.load("");
  }

  async load(date) {
    try {
      const data = await ask("api/day", { date, limit: PEOPLE });
      this.data = data;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      replace(this.rows, empty("The day cannot be shown", error.message));
      return;
    }
    this.date.value = this.data.date;
    this.date.max = this.data.today;
    for (const punch of this.early.splice(0)) this.take(punch);
    this.draw();
  }

  async more() {
    const data = this.data;
    const next = await ask("api/day", { date: data.date, limit: PEOPLE, offset: data.people.length });
    if (data !== this.data) return;
    const known = new Set(data.people.map((item) => item.user_id));
    data.people.push(...next.people.filter((item) => !known.has(item.user_id)));
    this.drawRows();
  }

  choose(by) {
    this.by = by;
    for (const button of this.switch.children) {
      button.setAttribute("aria-pressed", String(button.dataset.by === by));
    }
    this.drawRows();
  }

  state(state) {
    if (this.data && state.today !== this.data.today) {
      // Midnight: whoever looks at today goes on looking at today.
      this.load(this.data.date === this.data.today ? "" : this.data.date);
    }
    this.terminals = new Map(state.terminals.map((terminal) => [terminal.id, terminal]));
    if (this.data) this.drawTiles();
  }

  reset() {
    if (this.data) this.load(this.data.date === this.data.today ? "" : this.data.date);
  }

  joined(position) {
    // Something may have happened between reading the day and listening.
    if (this.data && this.data.seq < position) this.load(this.data.date);
  }

  punch(punch) {
    if (!this.data) {
      this.early.push(punch);
      return;
    }
    this.take(punch);
    if (!this.waiting) {
      this.waiting = true;
      requestAnimationFrame(() => {
        this.waiting = false;
        this.draw();
      });
    }
  }

  take(punch) {
    const data = this.data;
    if (punch.seq <= data.seq || day(punch.timestamp) !== data.date) return;
    data.seq = punch.seq;
    data.total += 1;
    data.hours[Number(punch.timestamp.slice(11, 13))] += 1;
    data.latest.unshift({ ...punch, arrived: true });
    data.latest.length = Math.min(data.latest.length, LATEST);
    this.takePerson(punch);
    const terminal = data.terminals.find((item) => item.terminal_id === punch.terminal_id);
    if (terminal) {
      terminal.count += 1;
      terminal.hours[Number(punch.timestamp.slice(11, 13))] += 1;
      if (!terminal.last || clockSeconds(punch.timestamp) > clockSeconds(terminal.last)) terminal.last = punch.timestamp;
    } else {
      const hours = Array(24).fill(0);
      hours[Number(punch.timestamp.slice(11, 13))] = 1;
      data.terminals.push({ terminal_id: punch.terminal_id, terminal_name: punch.terminal_name, count: 1, hours, last: punch.timestamp });
    }
  }

  takePerson(punch) {
    const list = this.data.people;
    let item = list.find((one) => one.user_id === punch.user_id);
    if (!item) {
      item = { user_id: punch.user_id, user_name: punch.user_name, count: 0, first: punch.timestamp, last: punch.timestamp, marks: [] };
      list.push(item);
      this.data.people_total += 1;
    }
    item.count += 1;
    item.user_name = punch.user_name ?? item.user_name;
    if (clockSeconds(punch.timestamp) < clockSeconds(item.first)) item.first = punch.timestamp;
    if (clockSeconds(punch.timestamp) >= clockSeconds(item.last)) item.last = punch.timestamp;
    item.marks.push({ timestamp: punch.timestamp, event_type: punch.event_type });
    list.splice(list.indexOf(item), 1);
    list.unshift(item);
  }

  draw() {
    const data = this.data;
    const isToday = data.date === data.today;
    this.title.textContent = isToday ? "Today" : dayWords(data.date);
    this.drawTiles();
    const now = new Date().getHours();
    this.hours.show(data.hours.map((value, hour) => ({
      value,
      now: isToday && hour === now,
      tick: hour % 3 ? null : String(hour).padStart(2, "0"),
      sure: true,
      title: `${String(hour).padStart(2, "0")}:00 – ${plural(value, "punch", "punches")}`,
    })));
    this.drawRows();
    this.drawLatest();
  }

  drawTiles() {
    const data = this.data;
    const newest = data.latest[0];
    const busiest = data.hours.indexOf(Math.max(...data.hours));
    replace(this.tiles,
      tile("Punches", number(data.total), data.total ? `busiest hour ${String(busiest).padStart(2, "0")}:00` : null),
      tile("People", number(data.people_total), data.total ? `seen on ${plural(data.terminals.filter((item) => item.count).length, "terminal")}` : null),
      tile("Latest", newest ? clock(newest.timestamp) : "–",
        newest ? [EVENTS[newest.event_type] ?? newest.event_type, " · ", name(newest.user_name ?? newest.user_id)] : null),
      tile("Terminals", this.terminals ? `${[...this.terminals.values()].filter((t) => t.online).length}/${this.terminals.size}` : "–",
        this.terminals ? "online now" : null));
  }

  drawRows() {
    const data = this.data;
    if (!data) return;
    const people = this.by === "person";
    if (people ? !data.people.length : !data.terminals.length) {
      replace(this.rows, empty("Nobody yet", data.date === data.today ? "Punches appear here as they happen." : "There were no punches on this day."));
      return;
    }
    replace(this.rows, people ? this.people() : this.terminalRows());
  }

  people() {
    const data = this.data;
    const hours = span(data.people);
    const missing = data.people_total - data.people.length;
    return [
      el("div", { class: "row head" }, el("div", { class: "who" }, "Person"),
        el("div", { class: "times" }, el("span", {}, "First"), el("span", {}, ""), el("span", {}, "Last"), el("span", { class: "count" }, "#")),
        scale(hours)),
      data.people.map((item) => el("div", { class: "row" },
        el("div", { class: "who" }, person(item)),
        el("div", { class: "times" },
          el("span", { class: "first" }, clock(item.first)), el("span", { class: "to" }, item.count > 1 ? "–" : ""),
          el("span", { class: "last" }, item.count > 1 ? clock(item.last) : ""),
          el("span", { class: "count", title: "Punches" }, number(item.count))),
        timeline(item, hours))),
      missing > 0
        ? el("button", { type: "button", class: "more", onclick: () => this.more() },
          `Show ${plural(Math.min(missing, PEOPLE), "person", "people")} more`)
        : null,
      el("div", { class: "legend", "aria-hidden": "true" },
        el("span", {}, el("i", { class: "mark in" }), "in"), el("span", {}, el("i", { class: "mark out" }), "out"),
        el("span", {}, el("i", { class: "mark other" }), "other")),
    ];
  }

  terminalRows() {
    const rows = this.data.terminals;
    const most = Math.max(1, ...rows.flatMap((item) => item.hours));
    return [
      el("div", { class: "row head" }, el("div", { class: "who" }, "Terminal"),
        el("div", { class: "times" }, el("span", {}, "Last"), el("span"), el("span"), el("span", { class: "count" }, "#")),
        scale([0, 1440])),
      rows.map((item) => el("div", { class: "row", "data-terminal": item.terminal_id },
        el("div", { class: "who" }, name(item.terminal_name)),
        el("div", { class: "times" }, el("span", { class: "last" }, clock(item.last)), el("span"), el("span"),
          el("span", { class: "count", title: "Punches" }, number(item.count))),
        heat(item.hours, most))),
    ];
  }

  drawLatest() {
    if (!this.data.latest.length) {
      replace(this.latest, el("li", { class: "quiet" }, "No punch yet."));
      return;
    }
    replace(this.latest, this.data.latest.map((punch) => {
      const item = el("li", { class: punch.arrived ? "arrived" : null, title: shownText(punch.verified_by) },
        el("time", {}, clockSeconds(punch.timestamp)),
        el("div", {}, el("div", { class: "who" }, person(punch)),
          el("div", { class: "quiet" }, name(punch.terminal_name ?? punch.terminal_id))),
        el("span", { class: `tag ${direction(punch.event_type)}` }, EVENTS[punch.event_type] ?? punch.event_type));
      punch.arrived = false;
      return item;
    }));
  }
}

export function open(place, bridge) {
  return new Today(place, bridge);
}
