// The two charts of the page, as SVG that follows the style sheet's colours.

import { el, replace, svg, shownText } from "./dom.js";
import { clock, direction, minutes, EVENTS } from "./words.js";

const HEIGHT = 170;
const LEFT = 34;
const BOTTOM = 22;
const TOP = 12;

function niceTop(highest) {
  if (highest <= 4) return 4;
  const size = 10 ** Math.floor(Math.log10(highest));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * size).find((top) => top >= highest);
}

/** A place for bars; drawn as wide as it is, so that text keeps its size. */
export class Plot {
  constructor(label) {
    this.label = label;
    this.items = [];
    this.place = el("div", { class: "plot" });
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.place);
  }

  show(items) {
    this.items = items;
    this.draw();
  }

  draw() {
    const width = Math.round(this.place.clientWidth);
    if (width && this.items.length) replace(this.place, bars(this.items, this.label, width));
  }
}

/** Bars for equal steps; items: {value, title, tick, now}. */
function bars(items, label, width) {
  const top = niceTop(Math.max(0, ...items.map((item) => item.value)));
  const room = (width - LEFT) / Math.max(1, items.length);
  const gap = Math.min(6, room * 0.25);
  const height = HEIGHT - TOP - BOTTOM;
  const y = (value) => TOP + height * (1 - value / top);
  const chart = svg("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, class: "bars", role: "img", "aria-label": label,
  });
  for (const share of [0, 0.5, 1]) {
    chart.append(
      svg("line", { x1: LEFT, x2: width, y1: y(top * share), y2: y(top * share), class: "grid" }),
      svg("text", { x: LEFT - 8, y: y(top * share) + 4, class: "axis", "text-anchor": "end" },
        (top * share).toLocaleString()),
    );
  }
  items.forEach((item, index) => {
    const x = LEFT + index * room;
    const rise = item.value ? Math.max(2, height * (item.value / top)) : 0;
    chart.append(
      svg("g", { class: item.now ? "bar now" : "bar" },
        svg("title", {}, item.title),
        svg("rect", { x, y: TOP, width: room, height, class: "hover" }),
        svg("rect", {
          x: x + gap / 2, y: TOP + height - rise, width: room - gap, height: rise, rx: Math.min(3, rise), class: "value",
        })),
    );
    const every = Math.ceil(56 / room);
    if (item.tick && (item.sure || index % every === 0)) {
      chart.append(svg("text", { x: x + room / 2, y: HEIGHT - 5, class: "axis", "text-anchor": "middle" }, item.tick));
    }
  });
  return chart;
}

/** The hours that a day's marks lie in, a little wider, as minutes. */
export function span(people) {
  const all = people.flatMap((item) => [item.first, item.last]).filter(Boolean).map(minutes);
  const from = Math.min(8 * 60, ...all);
  const to = Math.max(18 * 60, ...all);
  return [Math.max(0, Math.floor(from / 60) * 60), Math.min(1440, Math.floor(to / 60 + 1) * 60)];
}

/** One row's day: a band from first to last, a mark for every punch. */
export function timeline(item, [from, to]) {
  const at = (timestamp) => ((minutes(timestamp) - from) / (to - from)) * 100;
  const marks = item.marks.filter((mark) => mark.timestamp);
  const words = marks.map((mark) => `${EVENTS[mark.event_type] ?? mark.event_type} ${clock(mark.timestamp)}`);
  const line = el("div", { class: "timeline", role: "img", "aria-label": shownText(words.join(", ")) });
  if (item.first && item.last) {
    const band = el("span", { class: "band" });
    band.style.left = `${at(item.first)}%`;
    band.style.width = `${at(item.last) - at(item.first)}%`;
    line.append(band);
  }
  marks.forEach((mark, index) => {
    const dot = el("span", { class: `mark ${direction(mark.event_type)}`, title: words[index] });
    dot.style.left = `${at(mark.timestamp)}%`;
    line.append(dot);
  });
  return line;
}

/** One terminal's hours, darker where there is more. */
export function heat(hours, most) {
  const cells = hours.map((value, hour) => {
    const cell = el("span", { title: `${String(hour).padStart(2, "0")}:00 – ${value.toLocaleString()}` });
    if (value) cell.style.opacity = String(0.25 + 0.75 * (value / most));
    else cell.className = "none";
    return cell;
  });
  return el("div", { class: "heat", role: "img", "aria-label": "Punches per hour" }, cells);
}

/** The scale over the rows. */
export function scale([from, to]) {
  const line = el("div", { class: "timeline scale", "aria-hidden": "true" });
  const step = to - from > 14 * 60 ? 4 : to - from > 7 * 60 ? 2 : 1;
  for (let hour = Math.ceil(from / 60); hour <= to / 60; hour += 1) {
    if (hour % step) continue;
    const tick = el("span", {}, `${hour}`);
    tick.style.left = `${((hour * 60 - from) / (to - from)) * 100}%`;
    line.append(tick);
  }
  return line;
}
