/**
 * One client's session: when to connect, what to send, what the server's messages mean, and when to try again.
 *
 * It is handed what the server sent, and times. It hands back messages to send (`takeOutput`), what happened to each
 * room (`rooms.takeItems`), what became of actions (`outbox.takeOutcomes`), and when to look again (`deadline`). Actions
 * that are left when it closes have no outcome.
 *
 * Rules:
 *
 * 1. The shell obeys `state`. In `connecting` it opens a transport, and reports `opening`, then `connected` or
 *    `connectFailed`. While the state is connected it sends the output and hands in what it receives. Once it is not, the
 *    shell closes the transport and hands in nothing more from it.
 * 2. The shell looks at all of the above after every call. It calls `tick` before `takeOutput`.
 * 3. While `isTokenDue` is true, the shell gets a newer token and hands it in (`refresh`), or reports that it has none.
 * 4. No event loop, socket, clock, storage or randomness of its own: times are in milliseconds on any clock that never
 *    goes back.
 */

import { type ConnectionFailed, ConnectionRefused, ProtocolViolated } from "../errors.js";
import type { Backoff, Reason, Verdict } from "../types.js";
import type { Outbox } from "./actions/outbox.js";
import { closeReason, isFinal, TOKEN_EXPIRED, UNAUTHORIZED } from "./close-reason.js";
import { Liveness } from "./liveness.js";
import {
  type ClientMessage,
  type ErrorMessage,
  type Goaway,
  readMessage,
  type ServerMessage,
  type Welcome,
} from "./messages.js";
import { Reconnect } from "./reconnect.js";
import { RoomSet } from "./rooms/room-set.js";
import { isConnected, isServed, type State } from "./states.js";
import { TokenRefresh } from "./token-refresh.js";

export interface SessionOptions {
  readonly agent: string;
  readonly backoff: Backoff;
  /** Returns numbers from 0 to 1. */
  readonly random: () => number;
  /** The shell can get newer tokens. */
  readonly canRenewToken: boolean;
}

export class Session {
  state: State = "connecting";
  /** Why the session is closed; null if the user closed it. */
  failure: ConnectionFailed | null = null;
  /** Why it is waiting, or had to connect again. */
  trouble: Reason | null = null;
  welcome: Welcome | null = null;
  verdict: Verdict | null = null;
  /** How far the server's clock is ahead of the shell's; null before the first welcome. */
  clockDifferenceMs: number | null = null;
  /** The rooms that the user follows. */
  readonly rooms: RoomSet;
  /** The user's actions; null for a client that only watches, or has not acted yet. */
  outbox: Outbox | null = null;
  readonly #options: SessionOptions;
  readonly #reconnect: Reconnect;
  readonly #liveness = new Liveness();
  readonly #token: TokenRefresh;
  readonly #output: ClientMessage[] = [];
  #requestId = 0;
  #lastError: ErrorMessage | null = null;
  #presented: string | null = null;
  /** The token that was refused, and why: the client comes back once, if it gets another one. */
  #refusal: { token: string | null; failure: ConnectionFailed } | null = null;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#reconnect = new Reconnect(options.backoff, options.random);
    this.rooms = new RoomSet(
      () => ++this.#requestId,
      (attempt) => this.#reconnect.delayMs(attempt),
    );
    this.#token = new TokenRefresh(options.canRenewToken);
  }

  /** The client acts, from now on. */
  startActing(outbox: Outbox): void {
    this.outbox = outbox;
    if (isServed(this.state) && this.welcome !== null) outbox.welcome(this.welcome);
  }

  /** The user closes the connection for good. */
  close(): void {
    this.state = "closed";
  }

  // What the transport and the computer say.

  opening(now: number): void {
    this.#liveness.allow(OPEN_MS_MAX, now);
  }

  /** The transport is open. `token` says who the client is. */
  connected(token: string | null, now: number): void {
    if (this.state !== "connecting") return;
    if (this.#refusal !== null && this.#refusal.token === token) {
      this.#giveUp(this.#refusal.failure);
      return;
    }
    this.state = "greeting";
    this.#liveness.allow(WELCOME_MS_MAX, now);
    this.#lastError = null;
    this.#presented = token;
    const { agent } = this.#options;
    const session = this.outbox?.session;
    this.#output.push({ type: "hello", agent, ...(token !== null && { token }), ...(session && { session }) });
  }

  /** No transport could be opened. */
  connectFailed(trouble: Reason, now: number): void {
    if (this.state === "connecting") this.#lose(trouble, now);
  }

  /** The transport was closed with this code; 1006 if it was lost without a close frame. */
  disconnected(code: number, reason: string, now: number): void {
    if (!isConnected(this.state)) return;
    const error = this.#lastError;
    const trouble = closeReason(code, reason, error, this.verdict);
    const { canRenew } = this.#token;
    const mayRenew = code === UNAUTHORIZED && canRenew && this.#refusal === null;
    const failure = new ConnectionRefused(error?.code ?? trouble.code, code, trouble.message);
    if (mayRenew) this.#refusal = { token: this.#presented, failure };
    if ((isFinal(code) || (code === TOKEN_EXPIRED && !canRenew)) && !mayRenew) this.#giveUp(failure);
    else this.#lose(trouble, now);
  }

  /** Something arrived, already decoded; undefined if it could not be. */
  receive(value: unknown, now: number): void {
    if (!isConnected(this.state)) return;
    this.#liveness.heard(now);
    const message = readMessage(value);
    if (message === undefined) {
      this.#giveUp(new ProtocolViolated(`not a message: ${excerpt(value)}`));
    } else if (message !== null) {
      this.#handle(message, now);
    }
  }

  /** Hand in a newer token; null if there is none to be had. */
  refresh(token: string | null, now: number): void {
    const id = token !== null && isServed(this.state) ? ++this.#requestId : null;
    if (token !== null && id !== null) this.#output.push({ type: "refresh", token, id });
    this.#token.requested(id, now);
  }

  /** The page is frozen, or hidden for good: hold no connection until `awake`. */
  suspend(now: number): void {
    if (this.state === "closed") return;
    this.#hangUp(now, "waiting", { code: "suspended", message: "the page is suspended" });
    this.#reconnect.suspend();
  }

  /** The page or the computer is back from a sleep, or the network is: silence until now proves nothing. */
  awake(now: number): void {
    this.#liveness.woke(now);
    this.#reconnect.hasten(now);
  }

  /** The network is another one, so the link is dead: connect again at once. */
  networkChanged(now: number): void {
    if (isConnected(this.state)) {
      this.#lose({ code: "network_changed", message: "the network changed" }, now);
    }
    this.#reconnect.hasten(now);
  }

  // When to do what.

  /** When to hang up, if need be, and to open the next connection; Infinity if that is not planned. */
  get connectAt(): number {
    return this.state === "waiting" || this.state === "leaving" ? this.#reconnect.at : Infinity;
  }

  get isTokenDue(): boolean {
    return this.#token.isDue;
  }

  /** When to call `tick`; Infinity if there is nothing to wait for. */
  get deadline(): number {
    if (this.state === "closed") return Infinity;
    return Math.min(
      this.connectAt,
      this.#liveness.deadline,
      this.rooms.deadline,
      this.#token.deadline,
      this.outbox?.deadline ?? Infinity,
    );
  }

  /** Do what is due. Calling this too early does no harm. */
  tick(now: number): void {
    if (this.state === "closed") return;
    if (now >= this.connectAt) this.#hangUp(now, "connecting", this.trouble);
    else if (now >= this.#liveness.deadline) this.#lose(this.state === "connecting" ? UNREACHABLE : SILENT, now);
    this.rooms.tick(now);
    this.outbox?.tick(now);
    this.#token.tick(now);
  }

  // What to do.

  /** The messages to send now. */
  takeOutput(now: number): ClientMessage[] {
    const output = this.#output.splice(0);
    if (!isServed(this.state) || this.welcome === null) return output;
    const { message_bytes_max } = this.welcome.limits;
    return [...output, ...this.rooms.takeOutput(message_bytes_max), ...(this.outbox?.takeOutput(now) ?? [])];
  }

  // Inside.

  #handle(message: ServerMessage, now: number): void {
    const { type } = message;
    if (type === "goaway") this.#goAway(message, now);
    else if (type === "error") this.#refused(message, now);
    else if (type === "verdict") this.verdict = { kind: message.kind, reason: message.reason, until: message.until };
    else if (isServed(this.state)) this.#handleServed(message, now);
    else if (type === "welcome") this.#begin(message, now);
  }

  #handleServed(message: ServerMessage, now: number): void {
    const { type } = message;
    if (type === "ack") this.outbox?.ack(message.id);
    else if (type === "nack") this.outbox?.nack(message, now);
    else if (type === "refreshed") {
      this.#lastError = null;
      this.#token.extend(this.#timeOf(message.expires), now);
    } else if ("room" in message && type !== "error" && type !== "unsubscribed") this.rooms.receive(message);
  }

  #begin(welcome: Welcome, now: number): void {
    this.state = "open";
    this.welcome = welcome;
    this.trouble = null;
    this.#refusal = null;
    this.clockDifferenceMs = welcome.time - now;
    this.#liveness.welcomed(welcome.heartbeat_ms, now);
    this.#reconnect.welcomed(now);
    this.#token.extend(this.#timeOf(welcome.expires), now);
    this.outbox?.welcome(welcome);
  }

  /** An error answers the rooms, or the token, sent under its id. Without room and id it concerns everything. */
  #refused(error: ErrorMessage, now: number): void {
    const isGeneral = error.room === null && (error.id === null || error.id === this.#token.requestId);
    if (isGeneral) this.#lastError = error; // a close may follow that does not say why
    if (error.room !== null || error.id !== null) this.rooms.refused(error, now);
    else if (FATAL.test(error.code)) {
      this.#giveUp(new ConnectionRefused(error.code, null, `${error.message} (${error.code})`));
    }
  }

  #goAway({ reconnect_ms, reason }: Goaway, now: number): void {
    this.#reconnect.scheduleGoaway(now, reconnect_ms);
    this.trouble = { code: "goaway", message: `sent away: ${reason}` };
    if (isServed(this.state)) this.state = "leaving";
    else this.#hangUp(now, "waiting", this.trouble);
  }

  /** Connect again after a wait. After a goaway, the wait is what it said. */
  #lose(trouble: Reason, now: number): void {
    const wasLeaving = this.state === "leaving";
    this.#hangUp(now, "waiting", trouble);
    if (!wasLeaving) this.#reconnect.schedule(now);
  }

  /** The connection is over. */
  #hangUp(now: number, next: State, trouble: Reason | null): void {
    this.state = next;
    this.trouble = trouble;
    this.#output.length = 0;
    this.#reconnect.ended(now);
    this.#liveness.end();
    this.rooms.connectionLost();
    this.outbox?.connectionLost();
    this.#token.requestId = null;
    this.#token.extend(Infinity, now);
  }

  #giveUp(failure: ConnectionFailed): void {
    if (this.state === "closed") return;
    this.failure = failure;
    this.state = "closed";
  }

  /** A time of the server's clock on ours, which may be wrong by hours; never is Infinity. */
  #timeOf(time: number | null): number {
    return time === null ? Infinity : time - (this.clockDifferenceMs ?? 0);
  }
}

/** How long a transport may take to open, and then the welcome: a bad mobile network needs seconds for either. */
const OPEN_MS_MAX = 15_000;
const WELCOME_MS_MAX = 10_000;

const UNREACHABLE: Reason = { code: "unreachable", message: "the server does not answer" };
const SILENT: Reason = { code: "silent", message: "the server was silent" };

/** Errors about a message of ours, which we would send again. One about a token is followed by a close. */
const FATAL = /^(bad_message|unknown_type|out_of_order)$/;

const excerpt = (value: unknown): string => `${JSON.stringify(value)}`.slice(0, 80);
