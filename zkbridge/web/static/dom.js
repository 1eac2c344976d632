// Building the page from data. Text only ever becomes text nodes: nothing here parses markup.

const SVG = "http://www.w3.org/2000/svg";
// Controls, bidirectional overrides and other characters that hide; the two joiners are letters
// of ordinary writing.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/u;
const JOINERS = new Set(["\u200c", "\u200d"]);
const LONGEST = 80;

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

export function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Text from a terminal as nodes: hidden characters are shown as their number. */
export function shown(text) {
  const nodes = [];
  let plain = "";
  for (const character of Array.from(String(text)).slice(0, LONGEST)) {
    if (HIDDEN.test(character) && !JOINERS.has(character)) {
      const code = character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      nodes.push(plain, el("span", { class: "odd", title: "A hidden character" }, `U+${code}`));
      plain = "";
    } else plain += character;
  }
  nodes.push(plain);
  return nodes;
}

/** The same as one string, for titles. */
export function shownText(text) {
  return shown(text).map((node) => (typeof node === "string" ? node : node.textContent)).join("");
}

export function name(text, attributes) {
  return el("bdi", { class: "name", ...attributes }, shown(text));
}

export function person(item) {
  if (item.user_name) {
    return [name(item.user_name), el("bdi", { class: "id" }, shown(item.user_id))];
  }
  return [name(item.user_id)];
}

export function replace(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
}

export function card(title, attributes, ...children) {
  return el("section", { class: "card", ...attributes }, title ? el("h2", {}, title) : null, ...children);
}

export function empty(title, text) {
  return el("div", { class: "empty" }, el("strong", {}, title), text ? el("p", {}, text) : null);
}
