/**
 * Describes an event of the feed `match` in words, whether it comes from StatsBomb or from the simulator.
 * Pure. Every field but `type.name` may be missing.
 */

const FIRST_MINUTES = { 1: 0, 2: 45, 3: 90, 4: 105, 5: 120 };
const CLOCK_TOLERANCE_S = 2;

const SHOT_OUTCOMES = {
  Goal: "goal", Saved: "saved", Blocked: "blocked", Post: "against the post", "Off T": "wide", Wayward: "far wide",
  "Saved Off Target": "saved on its way out", "Saved to Post": "saved onto the post",
};
const PASS_OUTCOMES = {
  Incomplete: "lost", Out: "out of play", "Pass Offside": "offside", "Injury Clearance": "out for an injured player",
};
const KEEPER = {
  "Goal Conceded": "beaten", "Shot Saved": "saves", "Shot Faced": "faces the shot", Collected: "collects the ball",
  Punch: "punches the ball away", Claim: "claims the ball", Smother: "smothers the ball", "Keeper Sweeper": "sweeps up",
  "Penalty Saved": "saves the penalty", "Penalty Conceded": "beaten from the spot",
};
const WORDS = {
  "50/50": "goes for a loose ball", "Bad Behaviour": "bad behaviour", "Ball Receipt*": "receives the ball",
  "Ball Recovery": "wins the ball back", Block: "blocks", Carry: "runs with the ball", Clearance: "clears the ball",
  Dispossessed: "loses the ball", "Dribbled Past": "is dribbled past", Error: "makes a mistake",
  "Foul Committed": "foul", "Foul Won": "is fouled", Interception: "intercepts", Miscontrol: "fails to control the ball",
  Offside: "offside", "Player Off": "leaves the pitch", "Player On": "comes back on", Pressure: "presses",
  Shield: "shields the ball",
};
const TEAM_WORDS = {
  "Starting XI": "line-up announced", "Half Start": "ready, play begins", "Half End": "the whistle, play ends",
  "Tactical Shift": "change of tactics", "Injury Stoppage": "play is stopped for an injury",
  "Referee Ball-Drop": "the referee drops the ball", "Camera On": "back in the picture",
  "Camera off": "out of the picture", "Own Goal For": "is given an own goal",
};

const cardOf = (event) => {
  const name = (event.foul_committed ?? event.bad_behaviour)?.card?.name;
  return name && String(name);
};

/** Whether the two times of an own goal contradict each other. Real files have such records; they do not count. */
function contradictsItself({ period, timestamp, minute, second }) {
  if (typeof timestamp !== "string" || !(period in FIRST_MINUTES)) return false;
  const [hours, minutes, seconds] = timestamp.split(":").map(Number);
  const byPeriod = FIRST_MINUTES[period] * 60 + hours * 3600 + minutes * 60 + seconds;
  return Math.abs(minute * 60 + second - byPeriod) > CLOCK_TOLERANCE_S;
}

/** The kind of key moment: "goal", "card", "red", "shot", "change" or "whistle"; "" for ordinary play. */
export function momentOf(event) {
  const kind = event.type?.name;
  const card = cardOf(event);
  if (kind === "Shot") return event.shot?.outcome?.name === "Goal" && event.period !== 5 ? "goal" : "shot";
  if (kind === "Own Goal For") return contradictsItself(event) ? "" : "goal";
  if (card) return card === "Yellow Card" ? "card" : "red";
  if (kind === "Substitution") return "change";
  if (kind === "Half Start" || kind === "Half End") return "whistle";
  return "";
}

/** The sentence about `event` in two parts: who, and what they do. */
export function sentenceOf(event) {
  const kind = String(event.type?.name ?? "Event");
  const who = event.player?.name ?? event.team?.name ?? "";
  return { who, what: wordsFor(kind, event) };
}

function wordsFor(kind, event) {
  switch (kind) {
    case "Shot":
      return joined(shotKind(event.shot), SHOT_OUTCOMES[event.shot?.outcome?.name]);
    case "Pass":
      return passWords(event.pass ?? {});
    case "Goal Keeper":
      return KEEPER[event.goalkeeper?.type?.name] ?? "in action";
    case "Duel":
      return event.duel?.type?.name === "Tackle" ? "tackles" : "loses a header";
    case "Dribble":
      return event.dribble?.outcome?.name === "Incomplete" ? "dribbles, stopped" : "dribbles past an opponent";
    case "Substitution":
      return `off, ${event.substitution?.replacement?.name ?? "another player"} comes on`;
    case "Own Goal For":
    case "Own Goal Against": {
      const words = kind === "Own Goal For" ? TEAM_WORDS[kind] : "own goal";
      return contradictsItself(event) ? `${words} (not counted: the record contradicts itself)` : words;
    }
    default:
      return joined(WORDS[kind] ?? TEAM_WORDS[kind] ?? kind.toLowerCase(), cardOf(event)?.toLowerCase());
  }
}

function shotKind(shot) {
  const kind = shot?.type?.name;
  if (kind === "Penalty") return "penalty";
  if (kind === "Free Kick") return "shot from a free kick";
  return shot?.body_part?.name === "Head" ? "header" : "shot";
}

function passWords(pass) {
  const kinds = { Corner: "corner", "Free Kick": "free kick", "Throw-in": "throw-in", "Goal Kick": "goal kick" };
  const kind = kinds[pass.type?.name] ?? (pass.cross ? "cross" : "pass");
  const to = pass.recipient?.name;
  return joined(to ? `${kind} to ${to}` : kind, PASS_OUTCOMES[pass.outcome?.name]);
}

const joined = (...parts) => parts.filter(Boolean).join(", ");
