/** The game of the open match: cheers for its teams, and waves. It shows the events of the match's `cheer` room. */

import { byId, element, replay, setText } from "./dom.js";

const SIDES = ["home", "away"];
const WORD_MS = 4_000; // how long a passing message is shown
const WORDS = {
  full: "The connection cannot keep up: some taps were dropped.",
  in_doubt: "Some taps may have been lost with the connection.",
  token_missing: "This page can only watch.",
};

export class Game {
  #act;
  #card = null;
  #player = null;
  #verdict = null; // the newest about this player
  #verdictTimer = 0;
  #wave = null; // the offset of the wave that can be joined now
  #waveTimer = 0;
  #wordTimer = 0;
  #isOver = false;
  #serverTime;

  /** `act(room, kind, data)` sends an action and returns a promise. `serverTime()` is the time that verdicts end by. */
  constructor(act, serverTime) {
    this.#act = act;
    this.#serverTime = serverTime;
    for (const side of SIDES) {
      byId(`cheer-${side}`).append(element("span", "cheer-team"), element("span", "cheer-count", "0"));
      byId(`cheer-${side}`).addEventListener("click", () => this.#tap(side));
    }
    byId("wave").append(element("span", "wave-word", "Wave"), element("span", "wave-count"));
    byId("wave").addEventListener("click", () => this.#join());
    this.#show();
  }

  open(card) {
    this.#card = card;
    this.showTeams();
    this.#cheers({ home: 0, away: 0 });
    this.#endWave();
    setText(this.#part("wave", "wave-count"), "");
    this.#show();
  }

  showTeams() {
    const hues = this.#card.hues();
    for (const side of SIDES) {
      const button = byId(`cheer-${side}`);
      setText(this.#part(`cheer-${side}`, "cheer-team"), this.#card.teams[side] ?? "…");
      button.setAttribute("aria-label", `Cheer for ${this.#card.teams[side] ?? "this team"}`);
      byId("game").style.setProperty(`--hue-${side}`, hues[side]);
    }
  }

  take({ key, data, offset }, isFresh) {
    if (data === null || typeof data !== "object") return;
    if (key === "cheers") this.#cheers(data);
    if (key === "joined") this.#joined(data);
    if (key === "wave" && isFresh) this.#beginWave(data, offset);
  }

  /** This player's name; null without a token. */
  player(name) {
    if (name !== this.#player) this.#verdict = null;
    this.#player = name;
    this.#show();
  }

  verdict(verdict) {
    const { kind, until } = verdict;
    clearTimeout(this.#verdictTimer);
    this.#verdict = kind === "pardon" ? null : verdict;
    if (kind === "mute" && until) {
      const ms = Math.max(0, until - this.#serverTime()); // the server does not announce its end
      byId("game").style.setProperty("--mute-ms", `${ms}ms`);
      this.#verdictTimer = setTimeout(() => this.verdict({ kind: "pardon" }), ms);
    }
    this.#show();
  }

  /** The server will not let this player in again. */
  end() {
    this.#isOver = true;
    this.#show();
  }

  #tap(side) {
    if (!this.#canPlay()) return;
    replay(byId(`cheer-${side}`), "tapped");
    this.#do("tap", { team: side });
  }

  #join() {
    const offset = this.#wave;
    if (offset === null || !this.#canPlay()) return;
    this.#endWave();
    this.#do("wave", { offset });
    this.#say("You are in the wave!");
  }

  async #do(kind, data) {
    try {
      await this.#act(`cheer:${this.#card.id}`, kind, data);
    } catch (error) {
      if (error.code !== "muted" && error.code !== "closed") this.#say(WORDS[error.code] ?? error.message);
    }
  }

  #cheers({ home, away }) {
    const shares = { home, away };
    for (const side of SIDES) setText(this.#part(`cheer-${side}`, "cheer-count"), shares[side].toLocaleString("en"));
    const share = home + away ? home / (home + away) : 0.5;
    byId("tug").firstElementChild.style.setProperty("--share", share);
  }

  #joined({ players }) {
    setText(this.#part("wave", "wave-count"), players ? `${players} joined` : "");
  }

  #beginWave({ ms }, offset) {
    this.#wave = offset;
    clearTimeout(this.#waveTimer);
    this.#waveTimer = setTimeout(() => this.#endWave(), ms);
    replay(byId("wave"), "rolling");
    this.#show();
  }

  #endWave() {
    this.#wave = null;
    clearTimeout(this.#waveTimer);
    byId("wave").classList.remove("rolling");
    this.#show();
  }

  /** Show a passing message. */
  #say(word) {
    clearTimeout(this.#wordTimer);
    setText(byId("word"), word);
    this.#wordTimer = setTimeout(() => this.#show(), WORD_MS);
  }

  #canPlay() {
    return this.#player !== null && !this.#isOver && !["mute", "ban"].includes(this.#verdict?.kind);
  }

  /** Buttons without effect are marked as disabled, but stay enabled: disabling one would take the focus from it. */
  #show() {
    for (const side of SIDES) byId(`cheer-${side}`).setAttribute("aria-disabled", String(!this.#canPlay()));
    const canJoin = this.#canPlay() && this.#wave !== null;
    byId("wave").setAttribute("aria-disabled", String(!canJoin));
    setText(this.#part("wave", "wave-word"), canJoin ? "Join in!" : "Wave");
    byId("game").dataset.verdict = this.#verdict?.kind ?? "";
    setText(byId("word"), this.#standing());
  }

  #standing() {
    const { kind, reason, until } = this.#verdict ?? {};
    if (kind === "ban") return `${reason} You are out. Reload the page to play as somebody else.`;
    if (kind === "mute") {
      return `${reason} Your cheers don't count${until ? " for a few seconds" : ""}.`;
    }
    if (kind === "warn") return reason;
    return this.#player === null ? "" : `You play as ${this.#player}. Cheer for your team, and join the waves.`;
  }

  #part(id, className) {
    return byId(id).querySelector(`.${className}`);
  }
}
