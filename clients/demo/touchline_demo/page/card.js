/** One match's card on the scoreboard: built once, then updated by the events of its room in the feed `score`. */

import { element, huesOf, initialsOf, replay, setText } from "./dom.js";

export class Card {
  constructor(id, onOpen) {
    this.id = id;
    this.teams = { home: null, away: null };
    this.goals = { home: 0, away: 0 };
    this.home = teamRow("home");
    this.away = teamRow("away");
    this.period = element("span", "period", "Waiting for the match");
    this.clock = element("span", "clock");
    this.goal = element("span", "last-goal");
    this.button = element(
      "button",
      "card",
      element("span", "card-top", this.period, this.clock),
      this.home.row,
      this.away.row,
      this.goal,
    );
    this.button.type = "button";
    this.button.addEventListener("click", onOpen);
    this.item = element("li", "", this.button);
  }

  hues() {
    return huesOf(this.teams.home ?? "", this.teams.away ?? "");
  }

  scoreLine() {
    const { home, away } = this.teams;
    return home ? `${home} ${this.goals.home}–${this.goals.away} ${away}` : `Match ${this.id}`;
  }

  select(isSelected) {
    this.button.setAttribute("aria-pressed", String(isSelected));
  }

  /** Show an event of the room. `isFresh`: it has just happened, so it may be celebrated. */
  take({ key, data }, isFresh) {
    if (data === null || typeof data !== "object") return;
    if (key === "score") this.#score(data);
    else if (key === "clock") setText(this.clock, `${data.minute ?? ""}'`);
    else if (key === "period") this.#period(data);
    else if (key === "last_goal") this.#lastGoal(data, isFresh);
  }

  #score({ home, away }) {
    if (!home?.name || !away?.name) return;
    this.teams = { home: home.name, away: away.name };
    this.goals = { home: home.goals, away: away.goals };
    const hues = this.hues();
    this.home.show(home, hues.home);
    this.away.show(away, hues.away);
  }

  #period({ name, playing }) {
    setText(this.period, name ?? "");
    this.button.classList.toggle("playing", playing);
    this.button.classList.toggle("over", name === "Full-time");
  }

  #lastGoal({ team, player, minute, own_goal: isOwnGoal }, isFresh) {
    const scorer = `${player ?? team}${isOwnGoal ? " (own goal)" : ""}`;
    this.goal.replaceChildren(element("span", "goal-symbol"), element("span", "scorer", `${scorer} ${minute}'`));
    if (!isFresh) return;
    replay(this.button, "goal");
    const side = team === this.teams.home ? this.home : this.away;
    replay(side.row, "scored");
  }
}

function teamRow(side) {
  const crest = element("span", "crest");
  crest.setAttribute("aria-hidden", "true");
  const name = element("span", "team", "…");
  const goals = element("span", "goals", "–");
  const row = element("span", `team-row ${side}`, crest, name, goals);
  return {
    row,
    show(team, hue) {
      row.style.setProperty("--hue", hue);
      setText(crest, initialsOf(team.name));
      setText(name, team.name);
      setText(goals, String(team.goals));
    },
  };
}
