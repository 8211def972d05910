/** The demo's page: asks `demo.json` for the matches, shows a card for each, and opens one of them. */

import { Card } from "./card.js";
import { Detail } from "./detail.js";
import { byId, setText } from "./dom.js";
import { Game } from "./game.js";
import { PANEL_ROOM, Panel } from "./panel.js";
import { Touchline } from "./touchline.js";

const POLL_MS = 3_000;
const RECENT_EVENTS = 120; // fetched when a match is opened
const LATENCIES_MAX = 50;

const cards = new Map();
const detail = new Detail();
const figures = { events: 0, gaps: 0, healed: 0, latencies: [] };
let client = null;
let opened = null; // the id of the open match

const serverTime = () => client?.serverTime ?? Date.now(); // a visitor's own clock may be wrong
const game = new Game((...action) => client.act(...action), serverTime);
const panel = new Panel(() => opened ?? cards.keys().next().value ?? null, serverTime);

const isWide = matchMedia("(min-width: 900px)");
const idOf = (room) => room.slice(room.indexOf(":") + 1);

const handlers = {
  status(state, detailed) {
    const words = {
      connecting: "connecting",
      live: "live",
      waiting: `back in ${Math.ceil(detailed / 1000)} s`,
      closed: detailed,
    };
    setText(byId("status"), words[state]);
    byId("status").dataset.state = state;
    if (state === "closed") game.end();
  },
  reset(room, state, recent) {
    if (room === PANEL_ROOM) return panel.reset(state);
    if (!room.startsWith("match:")) return state.forEach((event) => take(event, false));
    detail.clear();
    return recent.forEach((event) => detail.add(event));
  },
  occupancy({ room, viewers }) {
    if (room === `match:${opened}`) setText(byId("watchers"), `${viewers.toLocaleString("en")} watching`);
  },

  event(event, isFresh) {
    figures.events += 1;
    if (isFresh) measure(event.ts);
    take(event, isFresh);
  },
  gap() {
    figures.gaps += 1;
  },
  healed() {
    figures.healed += 1;
  },
  player: (name) => game.player(name),
  verdict: (verdict) => game.verdict(verdict),
  refused(room, message) {
    if (!cards.has(idOf(room))) return;
    setText(byId("empty"), `${room}: ${message}`);
    byId("empty").hidden = false;
  },
};

function take(event, isFresh) {
  if (event.room === PANEL_ROOM) return panel.take(event, isFresh);
  if (event.room.startsWith("match:")) return detail.add(event);
  if (event.room.startsWith("cheer:")) return game.take(event, isFresh);
  const card = cards.get(idOf(event.room));
  card?.take(event, isFresh);
  if (event.key === "score") {
    detail.showScore();
    if (card?.id === opened) game.showTeams();
  }
  if (card && isFresh && event.key === "last_goal" && event.data?.score) announce(card, event.data);
  return undefined;
}

function announce(card, { team, player, minute, score }) {
  const scorer = player ? ` by ${player}` : "";
  const text = `Goal for ${team}${scorer}, minute ${minute}. ${card.teams.home} ${score.home}, ${card.teams.away} ${score.away}.`;
  setText(byId("announcer"), text);
}

function measure(ts) {
  figures.latencies.push(Date.now() - ts);
  if (figures.latencies.length > LATENCIES_MAX) figures.latencies.shift();
}

function showFigures() {
  setText(byId("events"), figures.events.toLocaleString("en"));
  const { gaps, healed } = figures;
  setText(byId("gaps"), gaps ? `${gaps.toLocaleString("en")}, ${healed.toLocaleString("en")} healed` : "0");
  byId("gaps-box").classList.toggle("bad", gaps > healed);
  const sorted = [...figures.latencies].sort((one, other) => one - other);
  // Below zero: the clocks of this machine and of the log differ by more than the latency.
  if (sorted.length) setText(byId("latency"), `${Math.max(0, sorted[sorted.length >> 1])} ms`);
}

function show(matches) {
  for (const id of cards.keys()) if (!matches.includes(id)) remove(id);
  for (const id of matches) if (!cards.has(id)) add(id);
  byId("empty").hidden = cards.size > 0;
  byId("main").classList.toggle("one", cards.size === 1);
  openSomething();
}

function add(id) {
  const card = new Card(id, () => {
    location.hash = id;
  });
  cards.set(id, card);
  byId("cards").append(card.item);
  client.join(`score:${id}`, { deliver: "latest" });
}

function remove(id) {
  cards.get(id).item.remove();
  cards.delete(id);
  client.leave(`score:${id}`);
  if (opened === id) close();
}

/** Open the match that the address names; otherwise the first one, if there is room beside the cards. */
function openSomething() {
  const wanted = location.hash.slice(1);
  if (cards.has(wanted)) return open(wanted, true);
  const first = cards.keys().next().value;
  if (opened === null && first && (isWide.matches || cards.size === 1)) open(first, false);
  return undefined;
}

/** `isChosen`: the visitor chose it, not the page. On a narrow page only a chosen match covers the cards. */
function open(id, isChosen) {
  document.body.classList.toggle("chosen", isChosen);
  if (opened === id) return;
  close();
  opened = id;
  document.body.classList.toggle("chosen", isChosen);
  cards.get(id).select(true);
  detail.open(cards.get(id));
  game.open(cards.get(id));
  byId("detail").hidden = false;
  setText(byId("watchers"), "");
  client.join(`match:${id}`, { last: RECENT_EVENTS, occupancy: true });
  client.join(`cheer:${id}`, { deliver: "latest" });
}

function close() {
  if (opened === null) return;
  client.leave(`match:${opened}`);
  client.leave(`cheer:${opened}`);
  cards.get(opened)?.select(false);
  opened = null;
  document.body.classList.remove("chosen");
  byId("detail").hidden = true;
}

function hashChanged() {
  if (!cards.has(location.hash.slice(1))) close();
  openSomething();
  if (location.hash) byId("detail-heading").focus();
}

function connect(port) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const created = new Touchline(`${scheme}://${location.hostname}:${port}/ws`, handlers, { getToken });
  created.join(PANEL_ROOM, { deliver: "latest" });
  return created;
}

/** A token for a player with an invented name, or for the player of `token`. Without one the page only watches. */
async function getToken(token) {
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch("demo/token", { method: "POST", headers, body: JSON.stringify(token ? { token } : {}) });
    return answer.ok ? (await answer.json()).token : null;
  } catch {
    return null;
  }
}

async function poll() {
  try {
    const answer = await fetch("demo.json", { cache: "no-store" });
    if (answer.ok) {
      const { ws_port: port, matches, attribution } = await answer.json();
      client ??= connect(port);
      setText(byId("attribution"), attribution ?? "");
      show(matches.map(String));
    }
  } catch {
    // The server does not answer: the connection's status shows it already, and the next poll tries again.
  }
  setTimeout(poll, POLL_MS);
}

addEventListener("hashchange", hashChanged);
isWide.addEventListener("change", openSomething);
byId("back").addEventListener("click", () => {
  const last = cards.get(opened);
  location.hash = "";
  last?.button.focus();
});
byId("to-panel").addEventListener("click", () => byId("panel").scrollIntoView({ behavior: "smooth" }));
setInterval(showFigures, 250);
poll();
