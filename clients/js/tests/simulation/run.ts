/** One simulated run: a client that watches and acts, a log that goes on, and faults; and what has to be true after it. */

import { ActionInDoubt } from "../../src/action-errors.js";
import type { PendingAction } from "../../src/machine/actions/pending-action.js";
import { Client } from "./client.js";
import { Log, type LoggedEvent, ROOMS } from "./log.js";
import { Scheduler, seeded } from "./scheduler.js";
import type { Connection, Fleet } from "./server.js";

export const FAULTS = [
  "cut",
  "deadLink",
  "drain",
  "tokenEnd",
  "tooSlow",
  "unreachable",
  "unavailable",
  "repeat",
  "lostEvent",
  "sleep",
  "move",
] as const;

export interface Fault {
  readonly kind: (typeof FAULTS)[number];
  readonly at: number;
}

export interface Plan {
  readonly seed: number;
  readonly durationMs: number;
  readonly faults: readonly Fault[];
  /** On average, from one event, and one action, to the next. */
  readonly eventMs: number;
  readonly actionMs: number;
}

/** Faults at random times, a minute before the end at the latest. */
export function randomFaults(seed: number, count: number, durationMs: number): Fault[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => ({
    kind: FAULTS[Math.floor(random() * FAULTS.length)] ?? "cut",
    at: Math.floor(random() * (durationMs - 60_000)),
  }));
}

/** Each room has some when the client joins, which begins with them: so it can find its place in another log. */
const EARLY_EVENTS = 3;
/** Faults one after another can keep some actions from being answered for 300 s. */
const IN_DOUBT_MAX = 5;
const RESEND_MS_MAX = 300_000;
/** A computer that sleeps for so much of that time may wake up too late to send an action again. */
const SLEEP_MS_MAX = 150_000;
/** In this time it joins, while nothing else happens. */
const JOIN_MS = 1_000;

/** What is left over after a run: everything is quiet, and the client has had time to catch up. */
export interface Outcome {
  readonly client: Client;
  readonly log: Log;
}

export function simulate({ seed, durationMs, faults, eventMs, actionMs }: Plan): Outcome {
  const random = seeded(seed);
  const time = new Scheduler();
  time.now = 1_700_000_000_000;
  const fleet: Fleet = { log: new Log(), time, connections: new Set(), unavailableUntil: 0 };
  for (const room of ROOMS) for (let count = 0; count < EARLY_EVENTS; count++) append(fleet, room, random);
  const client = new Client(fleet, random);
  client.subscribe("score:1", "latest", EARLY_EVENTS);
  client.subscribe("match:1", "all", EARLY_EVENTS);
  client.subscribe("match:2", "all", EARLY_EVENTS);
  time.runUntil(time.now + JOIN_MS);
  const begin = time.now;
  const end = begin + durationMs;
  const publish = (): void => {
    if (time.now < end) time.in(2 * eventMs * random(), publish);
    const room = ROOMS[Math.floor(random() * ROOMS.length)] ?? "match:1";
    append(fleet, room, random);
  };
  const act = (): void => {
    if (time.now < end) time.in(2 * actionMs * random(), act);
    if (client.session.state !== "closed") client.act(`kind-${client.acted.length}`);
  };
  publish();
  act();
  for (const fault of faults) time.at(begin + fault.at, () => strike(fault, fleet, client, random));
  time.runUntil(end + 600_000); // enough for every wait: a sleep, an action in doubt
  return { client, log: fleet.log };
}

function append(fleet: Fleet, room: string, random: () => number): void {
  const key = random() < 0.4 ? null : `key-${Math.floor(random() * 5)}`;
  const data = key !== null && random() < 0.1 ? null : { value: Math.floor(random() * 1e9) };
  const before = fleet.log.eventsOf(room).at(-1);
  const event = fleet.log.append(room, key, data, Math.floor(fleet.time.now));
  for (const connection of fleet.connections) connection.deliver(room, event, before);
}

function strike({ kind }: Fault, fleet: Fleet, client: Client, random: () => number): void {
  const { time } = fleet;
  const closeAll = (close: (connection: Connection) => void): void => [...fleet.connections].forEach(close);
  switch (kind) {
    case "cut":
      client.cut(false);
      break;
    case "deadLink":
      client.cut(true);
      break;
    case "drain":
      closeAll((connection) => connection.goAway(Math.floor(random() * 5_000), 5_000));
      break;
    case "tokenEnd":
      closeAll((connection) => connection.close(4002, "token_expired"));
      break;
    case "tooSlow":
      closeAll((connection) => connection.close(4000, "too_slow"));
      break;
    case "unreachable":
      client.unreachableUntil = time.now + random() * 20_000;
      client.cut(false);
      break;
    case "unavailable":
      fleet.unavailableUntil = time.now + random() * 10_000;
      client.cut(false);
      break;
    case "repeat":
      closeAll((connection) => connection.repeat(3));
      break;
    case "lostEvent":
      closeAll((connection) => {
        connection.losesNext = 1;
      });
      break;
    case "sleep":
      client.sleep(random() * 240_000);
      break;
    case "move":
      fleet.log.move();
      closeAll((connection) => connection.close(1001, "going_away"));
      break;
  }
}

/** Everything that is wrong after a run; empty if all is well. */
export function problems({ client, log }: Outcome): string[] {
  return [...ROOMS.flatMap((room) => roomProblems(client, log, room)), ...actionProblems(client, log)];
}

function roomProblems(client: Client, log: Log, room: string): string[] {
  const found: string[] = [];
  const view = client.views.get(room);
  const state = (events: Iterable<{ key: string | null; data: unknown }>): string =>
    JSON.stringify([...events].map(({ key, data }) => [key, data]).sort());
  const [ours, theirs] = [state(view?.state.values() ?? []), state(log.stateOf(room))];
  if (ours !== theirs) found.push(`${room}: the state is ${ours}, and that of the log ${theirs}`);
  if (view?.restarts !== 0) found.push(`${room}: started over ${view?.restarts} times`);
  const identity = ({ key, ts, data }: { key: string | null; ts: number; data: unknown }): string =>
    JSON.stringify([key, ts, data]);
  const received = (client.events.get(room) ?? []).map(identity);
  const expected = log.eventsOf(room);
  if (room.startsWith("score:")) return [...found, ...latestProblems(room, received, expected.map(identity), expected)];
  expected.map(identity).forEach((event, index) => {
    if (received[index] !== event) found.push(`${room}: event ${index} is ${received[index]}, not ${event}`);
  });
  if (received.length !== expected.length) found.push(`${room}: ${received.length} events, not ${expected.length}`);
  return found.slice(0, 3);
}

/** With `latest` events with keys may be missing; the rest is the log's sequence. */
function latestProblems(
  room: string,
  received: string[],
  sequence: string[],
  logged: readonly LoggedEvent[],
): string[] {
  const found: string[] = [];
  let at = 0;
  for (const event of received) {
    const place = sequence.indexOf(event, at); // equal events occur
    if (place < 0) return [`${room}: ${event} is out of order`];
    at = place + 1;
  }
  const happenings = sequence.filter((_, index) => logged[index]?.key === null);
  if (happenings.some((event) => !received.includes(event))) found.push(`${room}: a happening is missing`);
  return found;
}

/** Acknowledged actions are in the log, each once but for repetitions, in order; refused ones are not. */
function actionProblems(client: Client, log: Log): string[] {
  const found: string[] = [];
  const kinds = firstOccurrences(log, found);
  const isDone = (action: PendingAction): boolean => kinds.includes(action.kind);
  for (const action of client.acted) {
    const outcome = client.outcomes.get(action);
    if (outcome === undefined) found.push(`${action.kind} has no outcome`);
    else if (outcome instanceof Error && !(outcome instanceof ActionInDoubt)) found.push(`refused: ${outcome.message}`);
    else if (!(outcome instanceof Error) && !isDone(action)) found.push(`${action.kind} is not in the log`);
  }
  const hadTime = ({ firstSentAt }: PendingAction): boolean =>
    client.sleptMs(firstSentAt, firstSentAt + RESEND_MS_MAX) < SLEEP_MS_MAX;
  const inDoubt = [...client.outcomes].filter(
    ([action, outcome]) => outcome instanceof ActionInDoubt && hadTime(action),
  ).length;
  if (inDoubt > IN_DOUBT_MAX) found.push(`${inDoubt} actions are in doubt`);
  if (new Set(kinds).size !== kinds.length) found.push("an action is in the log twice");
  const order = client.acted.filter(isDone).map(({ kind }) => kind);
  if (JSON.stringify(kinds) !== JSON.stringify(order)) found.push(`actions are out of order`);
  return found.slice(0, 5);
}

/** What a reader of the log makes of it, which drops duplicates by session and id. */
function firstOccurrences(log: Log, found: string[]): string[] {
  const firsts = new Map<string, string>();
  for (const { session, id, kind } of log.actions) {
    const name = `${session}/${id}`;
    if ((firsts.get(name) ?? kind) !== kind) found.push(`${name} is two actions`);
    if (!firsts.has(name)) firsts.set(name, kind);
  }
  return [...firsts.values()];
}
