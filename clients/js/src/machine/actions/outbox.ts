/**
 * The actions of a client on their way into the log: numbered, sent, sent again if necessary, and answered once.
 *
 *     an action is  what happens                                        next
 *     waiting       the window has room: it gets its id and is sent     sent
 *     waiting       this server would not take it                       over
 *     sent          ack                                                 over    acknowledged
 *     sent          nack: refused                                       over
 *     sent          nack: later, for it or for one before it            back    it and all after it, after a pause
 *     sent          the connection is lost                              back
 *     back          its turn has come                                   sent
 *     back          an answer to an earlier copy, other than "later"    over
 *     sent or back  it was first sent too long ago                      over    in doubt
 *
 * Ids count within a session of one player. This is go-back-N: an action that is sent again is sent together with all
 * that were sent after it, in order, so that the log has a player's actions in the player's order.
 *
 * Rules:
 *
 * 1. The ids on their way span at most the window: `ACTIONS_WINDOW_MAX`, or what the server allows if that is less.
 * 2. An unanswered action before this one was sent before it on this connection. If the previous id is not on its way
 *    and was not acknowledged here (it was refused, given up, or is another server's to answer), `prev` names the last
 *    one that may still be missing, 0 for none.
 * 3. For an action that was sent more than once, "duplicate" is an acknowledgement. Otherwise another client is using
 *    the same session.
 * 4. A refusal means that the action was not done this time. If an earlier copy may have been done, because its answer
 *    was lost with the connection or the log failed under it, the outcome is in doubt.
 * 5. After "later" only one action is sent, and twice as many with each one that is resolved (slow start, RFC 5681):
 *    while the log is away, clients must not keep a server busy with actions that it cannot take.
 * 6. Actions are sent at the pace that the server announces, those that are sent again too.
 */

import { ActionInDoubt, ActionRefused, ActionsFull } from "../../action-errors.js";
import { type Action, type Limits, type Nack, WATCHING_ONLY, type Welcome } from "../messages.js";
import { bytesOf } from "../text.js";
import type { ActionData } from "./action-data.js";
import { RECOVERABLE_NACKS } from "./nack-codes.js";
import { Pace } from "./pace.js";
import { type Outcome, PendingAction } from "./pending-action.js";

/** Actions on their way: with a round trip of 100 ms that is 320 a second, more than a player does. */
const ACTIONS_WINDOW_MAX = 32;
/** After this long an action is not sent again: readers of the log look no further back for duplicates. */
const RESEND_MS_MAX = 300_000;
/** The longest pause that a server can ask for: a mistake there must not silence a player for long. */
const RETRY_MS_MAX = 60_000;
const RETRY_MS = 1_000;
/** How much of a pause is added at random: clients that were all refused when the log went away spread out. */
const RETRY_SPREAD = 0.25;

export class Outbox {
  /** The session to continue in the next hello; null before the first welcome. */
  session: string | null = null;
  readonly #random: () => number;
  readonly #actionsMax: number;
  readonly #pace = new Pace();
  readonly #numbered = new Map<number, PendingAction>(); // in the order of their ids
  #waiting: PendingAction[] = [];
  readonly #outcomes: [PendingAction, Outcome][] = [];
  #player: string | null = null;
  #limits: Limits | null = null;
  #nextId = 1;
  #nextToSend = 1; // of the numbered ones: this one and those after it are to be sent, again or first
  #newestAcked = 0; // on this connection
  #retryAt = -Infinity;
  #sendWindow = ACTIONS_WINDOW_MAX;
  #isPaced = false; // an action waits for its time alone

  constructor(actionsMax: number, random: () => number) {
    this.#actionsMax = actionsMax;
    this.#random = random;
  }

  /** Take an action. Throws `ActionRefused` or `ActionsFull`. */
  submit(room: string, kind: string, data: ActionData, traceparent?: string): PendingAction {
    const action = new PendingAction(room, kind, data, traceparent);
    const refusal = this.#refusal(action);
    if (refusal !== null) throw refusal;
    if (this.#waiting.length + this.#numbered.size >= this.#actionsMax) throw new ActionsFull(this.#actionsMax);
    this.#waiting.push(action);
    return action;
  }

  /** A connection begins. Actions of another session are in doubt; what this server would not take is refused. */
  welcome({ session, player, limits }: Welcome): void {
    this.#limits = limits;
    if (limits.actions_window !== WATCHING_ONLY) {
      const isSameSession = session === this.session;
      if (!isSameSession || player !== this.#player) this.#doubtAll();
      if (!isSameSession) this.#nextId = this.#nextToSend = 1;
      this.session = session;
      this.#player = player;
      this.#pace.begin(limits);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const action of waiting) {
      const refusal = this.#refusal(action);
      if (refusal === null) this.#waiting.push(action);
      else this.#resolve(action, refusal);
    }
  }

  /** All numbered actions are to be sent again on the next connection. */
  connectionLost(): void {
    for (const [id, action] of this.#numbered) if (id < this.#nextToSend) action.mayBeDone = true;
    this.#nextToSend = this.#oldestId ?? this.#nextId;
    this.#newestAcked = 0;
    this.#retryAt = -Infinity;
    this.#isPaced = false;
  }

  /** The action is in the server's log. */
  ack(id: number): void {
    const action = this.#take(id);
    if (action === null) return;
    this.#newestAcked = Math.max(this.#newestAcked, id);
    this.#resolve(action, { session: action.session, id });
  }

  /** The server does not take the action, or not now. */
  nack(nack: Nack, now: number): void {
    const action = this.#numbered.get(nack.id);
    if (action === undefined) return;
    if (nack.code === "log_unavailable") action.mayBeDone = true;
    if (nack.retry_ms === null && !RECOVERABLE_NACKS.has(nack.code)) {
      if (nack.code === "duplicate_id" && action.sendCount > 1) this.ack(nack.id);
      else this.#refuse(nack);
    } else if (nack.id < this.#nextToSend) {
      this.#goBack(nack, now);
    }
  }

  /** When to call `tick`, and to take output. */
  get deadline(): number {
    const oldest = this.#numbered.values().next().value;
    const oldAt = oldest === undefined ? Infinity : oldest.firstSentAt + RESEND_MS_MAX;
    if (this.#retryAt > -Infinity) return Math.min(oldAt, this.#retryAt);
    return this.#isPaced ? Math.min(oldAt, this.#pace.next) : oldAt;
  }

  /** End a pause that is over, and give up actions that are too old. */
  tick(now: number): void {
    if (now >= this.#retryAt) this.#retryAt = -Infinity;
    for (const [id, { firstSentAt }] of this.#numbered) {
      if (now < firstSentAt + RESEND_MS_MAX) break;
      this.#doubt(id, "no answer arrived in time");
    }
  }

  /** The actions to send now, on a connection that has its welcome. */
  takeOutput(now: number): Action[] {
    this.tick(now);
    this.#isPaced = false;
    const output: Action[] = [];
    const { actions_window: window = 0 } = this.#limits ?? {};
    if (this.#retryAt > -Infinity || window <= 0) return output;
    const ids = [...this.#numbered.keys()];
    let free = this.#sendWindow - ids.filter((id) => id < this.#nextToSend).length;
    while (free > 0) {
      const action = this.#next(window);
      if (action === null) break;
      this.#isPaced = !this.#pace.take(now);
      if (this.#isPaced) break;
      free -= 1;
      this.#send(action, now, output);
    }
    return output;
  }

  /** What became of actions, in order. */
  takeOutcomes(): [PendingAction, Outcome][] {
    return this.#outcomes.splice(0);
  }

  /** The next action to send: again, or for the first time if the window has room. */
  #next(window: number): PendingAction | null {
    for (const [id, action] of this.#numbered) if (id >= this.#nextToSend) return action;
    const hasRoom = this.#nextId - (this.#oldestId ?? this.#nextId) < Math.min(ACTIONS_WINDOW_MAX, window);
    return hasRoom ? (this.#waiting[0] ?? null) : null;
  }

  #send(action: PendingAction, now: number, output: Action[]): void {
    if (action.id === null) {
      this.#waiting.shift();
      action.id = this.#nextId++;
      action.session = this.session ?? "";
      action.firstSentAt = now;
      this.#numbered.set(action.id, action);
    }
    const message = action.message(action.id, this.#prev(action.id));
    this.#nextToSend = action.id + 1;
    if (bytesOf(JSON.stringify(message)) > (this.#limits?.message_bytes_max ?? 0)) {
      this.#doubt(action.id, "it is too large to be sent again to this server"); // it was not for another one
      return;
    }
    action.sendCount += 1;
    output.push(message);
  }

  /** What to say about the actions before this one: see rule 2. */
  #prev(id: number): number | null {
    if (this.#numbered.has(id - 1) || id - 1 === this.#newestAcked) return null;
    return Math.max(0, ...[...this.#numbered.keys()].filter((before) => before < id));
  }

  #goBack({ id, code, retry_ms }: Nack, now: number): void {
    const retryMs = Math.min(Math.max(retry_ms ?? RETRY_MS, 0), RETRY_MS_MAX);
    const isRate = code === "rate_limited";
    this.#retryAt = now + retryMs * (isRate ? 1 : 1 + RETRY_SPREAD * this.#random());
    if (isRate) this.#pace.hold(this.#retryAt);
    this.#nextToSend = code === "id_gap" ? (this.#oldestId ?? id) : id;
    this.#sendWindow = 1;
  }

  #refuse({ id, code, message }: Nack): void {
    const action = this.#take(id);
    if (action === null) return;
    const why = `${action.kind} in ${action.room}: ${message} (${code})`;
    const refusal = action.mayBeDone
      ? new ActionInDoubt(`${why}; an earlier copy of it may have been done`)
      : new ActionRefused(code, why);
    this.#resolve(action, refusal);
  }

  /** An action has its answer: more may be sent than before. */
  #take(id: number): PendingAction | null {
    const action = this.#numbered.get(id) ?? null;
    if (this.#numbered.delete(id)) this.#sendWindow = Math.min(this.#sendWindow * 2, ACTIONS_WINDOW_MAX);
    return action;
  }

  get #oldestId(): number | undefined {
    return this.#numbered.keys().next().value;
  }

  /** Why this server would not take the action. */
  #refusal(action: PendingAction): ActionRefused | null {
    if (this.#limits === null) return null;
    const { actions_window, action_bytes_max, message_bytes_max } = this.#limits;
    if (actions_window === WATCHING_ONLY) {
      return new ActionRefused("watching_only", "WebSockets are blocked here, so this client can only watch");
    }
    if (actions_window <= 0) return new ActionRefused("actions_disabled", "this server takes no actions");
    if (action.data.sizeBytes <= action_bytes_max && action.messageBytesMax <= message_bytes_max) return null;
    const message = `the data takes ${action.data.sizeBytes} bytes as JSON; this server takes ${action_bytes_max}`;
    return new ActionRefused("action_too_large", message);
  }

  #doubtAll(): void {
    for (const id of this.#numbered.keys()) this.#doubt(id, "the server began a new session");
  }

  #doubt(id: number, why: string): void {
    const action = this.#numbered.get(id);
    if (action === undefined) return;
    this.#numbered.delete(id);
    this.#resolve(action, new ActionInDoubt(`${action.kind} in ${action.room} may have been done or not: ${why}`));
  }

  #resolve(action: PendingAction, outcome: Outcome): void {
    this.#outcomes.push([action, outcome]);
  }
}
