/** Describes an event of the feed `match` in words. Pure. Every field but the kind may be missing. */

import { cardOf, contradictsItself, type MatchEvent } from "./match_event";
import { type Fields, fieldsOf, nameOf } from "./shape";

type Words = Readonly<Record<string, string>>;

const SHOT_OUTCOMES: Words = {
  Goal: "goal",
  Saved: "saved",
  Blocked: "blocked",
  Post: "against the post",
  "Off T": "wide",
  Wayward: "far wide",
  "Saved Off Target": "saved on its way out",
  "Saved to Post": "saved onto the post",
};

const PASS_OUTCOMES: Words = {
  Incomplete: "lost",
  Out: "out of play",
  "Pass Offside": "offside",
  "Injury Clearance": "out for an injured player",
};

const PASS_KINDS: Words = {
  Corner: "corner",
  "Free Kick": "free kick",
  "Throw-in": "throw-in",
  "Goal Kick": "goal kick",
};

const KEEPER: Words = {
  "Goal Conceded": "beaten",
  "Shot Saved": "saves",
  "Shot Faced": "faces the shot",
  Collected: "collects the ball",
  Punch: "punches the ball away",
  Claim: "claims the ball",
  Smother: "smothers the ball",
  "Keeper Sweeper": "sweeps up",
  "Penalty Saved": "saves the penalty",
  "Penalty Conceded": "beaten from the spot",
};

const WORDS: Words = {
  "50/50": "goes for a loose ball",
  "Bad Behaviour": "bad behaviour",
  "Ball Receipt*": "receives the ball",
  "Ball Recovery": "wins the ball back",
  Block: "blocks",
  Carry: "runs with the ball",
  Clearance: "clears the ball",
  Dispossessed: "loses the ball",
  "Dribbled Past": "is dribbled past",
  Error: "makes a mistake",
  "Foul Committed": "foul",
  "Foul Won": "is fouled",
  Interception: "intercepts",
  Miscontrol: "fails to control the ball",
  Offside: "offside",
  "Player Off": "leaves the pitch",
  "Player On": "comes back on",
  Pressure: "presses",
  Shield: "shields the ball",
  "Starting XI": "line-up announced",
  "Half Start": "ready, play begins",
  "Half End": "the whistle, play ends",
  "Tactical Shift": "change of tactics",
  "Injury Stoppage": "play is stopped for an injury",
  "Referee Ball-Drop": "the referee drops the ball",
  "Camera On": "back in the picture",
  "Camera off": "out of the picture",
  "Own Goal For": "is given an own goal",
  "Own Goal Against": "own goal",
};

/** A sentence in two parts: who acts, and what they do. */
export interface Sentence {
  readonly who: string;
  readonly what: string;
}

export const sentenceOf = (event: MatchEvent): Sentence => ({
  who: event.player ?? event.team ?? "",
  what: whatOf(event.kind, event.details),
});

function whatOf(kind: string, details: Fields): string {
  switch (kind) {
    case "Shot":
      return joined(shotWords(fieldsOf(details.shot)), wordIn(SHOT_OUTCOMES, fieldsOf(details.shot).outcome));
    case "Pass":
      return passWords(fieldsOf(details.pass));
    case "Goal Keeper":
      return wordIn(KEEPER, fieldsOf(details.goalkeeper).type) ?? "in action";
    case "Duel":
      return nameOf(fieldsOf(details.duel).type) === "Tackle" ? "tackles" : "loses a header";
    case "Dribble":
      return nameOf(fieldsOf(details.dribble).outcome) === "Incomplete"
        ? "dribbles, stopped"
        : "dribbles past an opponent";
    case "Substitution":
      return `off, ${nameOf(fieldsOf(details.substitution).replacement) ?? "another player"} comes on`;
    case "Own Goal For":
    case "Own Goal Against":
      return `${WORDS[kind]}${contradictsItself(details) ? " (not counted: the record contradicts itself)" : ""}`;
    default:
      return joined(WORDS[kind] ?? kind.toLowerCase(), cardOf(details)?.toLowerCase());
  }
}

function shotWords(shot: Fields): string {
  const kind = nameOf(shot.type);
  if (kind === "Penalty") return "penalty";
  if (kind === "Free Kick") return "shot from a free kick";
  return nameOf(shot.body_part) === "Head" ? "header" : "shot";
}

function passWords(pass: Fields): string {
  const kind = wordIn(PASS_KINDS, pass.type) ?? (pass.cross ? "cross" : "pass");
  const recipient = nameOf(pass.recipient);
  return joined(recipient ? `${kind} to ${recipient}` : kind, wordIn(PASS_OUTCOMES, pass.outcome));
}

const wordIn = (words: Words, named: unknown): string | undefined => words[nameOf(named) ?? ""];

const joined = (...parts: readonly (string | undefined)[]): string => parts.filter(Boolean).join(", ");
