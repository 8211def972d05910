/** The cheat detection panel: bots and findings, from the room `cheatwatch:demo`, and buttons to start bots. */

import { byId, element, replay, setText } from "./dom.js";

export const PANEL_ROOM = "cheatwatch:demo";
const FINDINGS_MAX = 30;
const WORD_MS = 5000; // how long it is shown why no bot was started; a second later that may be different
const WORDS = { mute: "muted", ban: "banned", warn: "warned" };

const EVIDENCE = {
  rate: ({ actions, seconds }) => `${actions} taps in ${seconds} s`,
  regularity: ({ actions, interval_ms: ms, variation }) =>
    `${actions} taps, one every ${ms} ms, ${(variation * 100).toFixed(2)} % apart`,
  reaction: ({ reactions_ms: times, human_ms_min: human }) =>
    `joined after ${times.join(", ")} ms; a person takes ${human} ms`,
};

/** What a rule counted, in words; as JSON if this page does not know the rule. */
function evidenceOf({ rule, evidence }) {
  try {
    return EVIDENCE[rule](evidence);
  } catch {
    return JSON.stringify(evidence);
  }
}

export class Panel {
  #match; // returns the id of the match for a bot to play in: the open one, else the first; null if there is none
  #bots = new Map(); // by event key
  #serverTime;
  #wordTimer = 0;

  constructor(match, serverTime) {
    this.#match = match;
    this.#serverTime = serverTime;
    for (const button of byId("panel").querySelectorAll("[data-cheat]")) {
      button.addEventListener("click", () => this.#start(button));
    }
  }

  reset(state) {
    byId("panel").hidden = false;
    byId("bots").replaceChildren();
    byId("findings").replaceChildren();
    this.#bots.clear();
    for (const event of state.sort((one, other) => one.offset - other.offset)) this.take(event, false);
    this.#showHint();
  }

  take({ key = "", data, ts }, isFresh) {
    if (typeof data !== "object" || (data === null && !key.startsWith("bot."))) return;
    if (key === "counts") this.#counts(data);
    else if (key.startsWith("bot.")) this.#bot(key, data);
    else if (key.startsWith("finding.")) this.#finding(data, ts, isFresh);
  }

  #counts({ actions = 0, findings = 0 }) {
    const counted = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
    setText(byId("panel-counts"), `${counted(actions, "action")} judged, ${counted(findings, "finding")}`);
  }

  #showHint() {
    byId("no-bots").hidden = this.#bots.size > 0;
  }

  #bot(key, data) {
    if (data === null) {
      this.#bots.get(key)?.row.remove();
      this.#bots.delete(key);
      return this.#showHint();
    }
    if (!this.#bots.has(key)) {
      this.#bots.set(key, botRow(data, this.#serverTime));
      byId("bots").append(this.#bots.get(key).row);
    }
    this.#bots.get(key).show(data);
    return this.#showHint();
  }

  #finding(data, ts, isFresh) {
    const { player = "", rule, verdict } = data;
    const time = new Date(ts).toLocaleTimeString("en-GB");
    const decided = verdict ? element("span", `chip ${verdict.kind}`, verdictWords(verdict, ts)) : "";
    const found = element("span", "found", element("b", "", player), ` broke “${rule}”: ${evidenceOf(data)}`);
    const row = element("li", "", element("time", "", time), found, decided);
    byId("findings").prepend(row);
    while (byId("findings").children.length > FINDINGS_MAX) byId("findings").lastElementChild.remove();
    if (isFresh) replay(row, "fresh");
  }

  #say(text) {
    clearTimeout(this.#wordTimer);
    setText(byId("bots-word"), text);
    this.#wordTimer = setTimeout(() => setText(byId("bots-word"), ""), WORD_MS);
  }

  async #start(button) {
    const match = this.#match();
    if (match === null) return this.#say("Wait for the first match: the bot plays in it.");
    button.disabled = true;
    try {
      const answer = await fetch("demo/bots", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ cheat: button.dataset.cheat, match }),
      });
      this.#say(answer.ok ? "" : (await answer.json()).error.message);
    } catch {
      this.#say("The server does not answer.");
    } finally {
      button.disabled = false;
    }
    return undefined;
  }
}

function verdictWords({ kind, until }, ts) {
  const seconds = until ? Math.round((until - ts) / 1000) : null;
  if (kind !== "mute" || seconds === null) return WORDS[kind] ?? kind;
  return `${WORDS[kind]} for ${seconds} s`;
}

function botRow({ player = "", cheat = "" }, serverTime) {
  const counts = element("span", "counts");
  const state = element("span", "chip");
  const row = element("li", "", element("b", "", player), element("span", "cheat", cheat), counts, state);
  return {
    row,
    show({ done = 0, refused, verdict, ended, close }) {
      const acted = cheat.includes("wave") ? "waves" : "taps";
      setText(counts, `${done} ${acted}${refused ? `, ${refused} refused` : ""}`);
      const kind = verdict && (!verdict.until || verdict.until > serverTime()) ? verdict.kind : null;
      const over = close ? `${ended}, closed with ${close}` : ended;
      setText(state, over ?? (kind ? WORDS[kind] : "playing"));
      state.className = `chip ${kind ?? ""}`;
    },
  };
}
