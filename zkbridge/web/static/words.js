// What the page calls things.

export const EVENTS = {
  check_in: "Check in",
  check_out: "Check out",
  break_out: "Break out",
  break_in: "Break in",
  overtime_in: "Overtime in",
  overtime_out: "Overtime out",
  punch: "Punch",
};

const ARRIVING = new Set(["check_in", "break_in", "overtime_in"]);
const LEAVING = new Set(["check_out", "break_out", "overtime_out"]);

export function direction(type) {
  if (ARRIVING.has(type)) return "in";
  return LEAVING.has(type) ? "out" : "other";
}

export function sentence(identifier) {
  const text = String(identifier ?? "").replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Wall clock of the terminal, as it stands in the timestamp. */
export function clock(timestamp) {
  return timestamp ? timestamp.slice(11, 16) : "–";
}

export function clockSeconds(timestamp) {
  return timestamp ? timestamp.slice(11, 19) : "no valid time";
}

export function day(timestamp) {
  return timestamp ? timestamp.slice(0, 10) : null;
}

export function minutes(timestamp) {
  const [hour, minute] = timestamp.slice(11, 16).split(":").map(Number);
  return hour * 60 + minute;
}

export function dayWords(date) {
  const [year, month, number] = date.split("-").map(Number);
  return new Date(year, month - 1, number).toLocaleDateString(undefined, {
    weekday: "short", day: "numeric", month: "short", year: "numeric",
  });
}

export function shortDay(date) {
  const [year, month, number] = date.split("-").map(Number);
  return new Date(year, month - 1, number).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

export function number(value) {
  return value === null || value === undefined ? "–" : Number(value).toLocaleString();
}

export function ago(moment) {
  const seconds = Math.max(0, (Date.now() - new Date(moment).getTime()) / 1000);
  if (seconds < 60) return "less than a minute";
  if (seconds < 3600) return plural(Math.floor(seconds / 60), "minute");
  if (seconds < 172800) return plural(Math.floor(seconds / 3600), "hour");
  return plural(Math.floor(seconds / 86400), "day");
}

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}
