/** Helpers for the page's elements. Text goes in as text, never as HTML: what is shown comes from the network. */

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** A new element with a class, and children that are elements or strings. */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function svgElement(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Set an element's text, and say whether that changed it: an unchanged one is not laid out anew. */
export function setText(target, text) {
  if (target.textContent === text) return false;
  target.textContent = text;
  return true;
}

/** Run an element's CSS animation from its beginning. */
export function replay(target, className) {
  target.classList.remove(className);
  void target.offsetWidth; // makes the browser notice that the class was gone
  target.classList.add(className);
}

const HUES_FROM = 165; // the hues that are not the pitch's green
const HUES = 275;

/** Colours for two teams, as hues: for the same names always the same, never the pitch's, and well apart. */
export function huesOf(home, away) {
  const first = hash(home);
  const second = hash(away);
  const isNear = Math.abs(first - second) < HUES / 4;
  const hue = (place) => (HUES_FROM + place) % 360;
  return { home: hue(first), away: hue(isNear ? (first + HUES / 2) % HUES : second) };
}

function hash(name) {
  let value = 7;
  for (const character of name) value = (value * 31 + character.codePointAt(0)) % (HUES * 10);
  return value / 10;
}

export const initialsOf = (name) =>
  name.split(/\s+/).filter(Boolean).slice(0, 2).map((word) => word[0].toUpperCase()).join("");
