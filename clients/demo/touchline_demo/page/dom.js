/** Helpers for the page's elements. Text is set as text, never as HTML, because it comes from the network. */

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** A new element with a class, and children that are elements or strings. */
export function element(tag, className, ...children) {
  const created = document.createElement(tag);
  if (className) created.className = className;
  created.append(...children);
  return created;
}

export function svgElement(tag, attributes) {
  const created = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value);
  return created;
}

/** Set an element's text; returns whether it changed. The browser lays out a changed element only. */
export function setText(target, text) {
  if (target.textContent === text) return false;
  target.textContent = text;
  return true;
}

/** Restart an element's CSS animation. */
export function replay(target, className) {
  target.classList.remove(className);
  void target.offsetWidth; // makes the browser notice that the class was gone
  target.classList.add(className);
}

const HUES_FROM = 165; // the range of hues that excludes the pitch's green
const HUES = 275;

/** Colours for two teams, as hues: the same for the same names, never the pitch's green, and well apart. */
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
