// Everything stored, newest first, with filters and download.

import { address, ask, Refused } from "./api.js";
import { Plot } from "./chart.js";
import { card, el, empty, name, person, replace, shown } from "./dom.js";
import { clockSeconds, day, dayWords, direction, EVENTS, number, plural, sentence, shortDay } from "./words.js";

const PAGE = 100;

class History {
  constructor(place) {
    this.next = null;
    this.request = 0;
    this.from = el("input", { type: "date", name: "from" });
    this.to = el("input", { type: "date", name: "to" });
    this.terminal = el("select", { name: "terminal" }, el("option", { value: "" }, "All"));
    this.user = el("input", { type: "search", name: "user", placeholder: "id", autocomplete: "off", maxlength: 64, size: 10 });
    this.csv = el("a", { class: "button", download: "" }, "CSV");
    this.json = el("a", { class: "button", download: "" }, "JSON");
    this.days = new Plot("Punches per day");
    this.body = el("tbody");
    this.foot = el("div", { class: "foot" });
    const form = el("form", {
      class: "filters", onsubmit: (event) => { event.preventDefault(); this.load(); }, onchange: () => this.load(),
    },
      el("label", {}, "From", this.from), el("label", {}, "To", this.to),
      el("label", {}, "Terminal", this.terminal), el("label", {}, "User", this.user),
      el("button", { type: "submit" }, "Show"),
      el("span", { class: "downloads" }, el("span", {}, "Download"), this.csv, this.json));
    replace(place, el("div", { class: "heading" }, el("h1", {}, "History")),
      card(null, {}, form),
      card("Punches per day", { class: "card days" }, this.days.place),
      card(null, { class: "card table" },
        el("table", {}, el("thead", {}, el("tr", {},
          ["Day", "Time", "Person", "Event", "Terminal", "Verified by", "Delivered"].map((title) => el("th", { scope: "col" }, title)))),
          this.body), this.foot));
    this.load();
  }

  filters() {
    return { from: this.from.value, to: this.to.value, terminal: this.terminal.value, user: this.user.value.trim() };
  }

  state(state) {
    const known = new Set([...this.terminal.options].map((option) => option.value));
    for (const terminal of state.terminals) {
      if (!known.has(terminal.id)) this.terminal.append(el("option", { value: terminal.id }, shown(terminal.name).map((n) => n.textContent ?? n).join("")));
    }
  }

  async load() {
    const number = (this.request += 1);
    const filters = this.filters();
    this.csv.href = address("api/punches", { ...filters, format: "csv", download: 1 });
    this.json.href = address("api/punches", { ...filters, format: "json", download: 1 });
    try {
      const [page, days] = await Promise.all([
        ask("api/punches", { ...filters, limit: PAGE }), ask("api/days", filters),
      ]);
      if (number !== this.request) return;
      replace(this.body);
      this.add(page);
      this.drawDays(days.days);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (number === this.request) replace(this.foot, empty("Nothing can be shown", error.message));
    }
  }

  async more() {
    const number = this.request;
    const page = await ask("api/punches", { ...this.filters(), limit: PAGE, before: this.next });
    if (number === this.request) this.add(page);
  }

  add(page) {
    this.next = page.next;
    this.body.append(...page.punches.map((punch) => el("tr", {},
      el("td", { class: "day" }, punch.timestamp ? dayWords(day(punch.timestamp)) : "–"),
      el("td", { class: "time" }, clockSeconds(punch.timestamp)),
      el("td", { class: "who" }, person(punch)),
      el("td", {}, el("span", { class: `tag ${direction(punch.event_type)}` }, EVENTS[punch.event_type] ?? punch.event_type)),
      el("td", {}, name(punch.terminal_name ?? punch.terminal_id)),
      el("td", { class: "quiet" }, sentence(punch.verified_by)),
      el("td", { class: "quiet" }, punch.delivered === null ? "waiting" : punch.delivered ? "yes" : "refused"))));
    const rows = this.body.children.length;
    replace(this.foot,
      rows ? el("span", { class: "quiet" }, `${number(rows)} shown`) : empty("No punches", "Nothing stored fits these filters."),
      this.next ? el("button", { type: "button", class: "more", onclick: () => this.more() }, "Show older") : null);
  }

  drawDays(days) {
    this.days.show(days.map((item) => ({
      value: item.punches,
      tick: shortDay(item.date),
      title: `${dayWords(item.date)} – ${plural(item.punches, "punch", "punches")}`,
    })));
  }
}

export function open(place) {
  return new History(place);
}
