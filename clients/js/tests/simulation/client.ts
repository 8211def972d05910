/** A simulated client: a session of the machine, with a shell that obeys it in simulated time. */

import { LoadFailed } from "../../src/errors.js";
import { actionData } from "../../src/machine/actions/action-data.js";
import { Outbox } from "../../src/machine/actions/outbox.js";
import type { Outcome, PendingAction } from "../../src/machine/actions/pending-action.js";
import { extras } from "../../src/machine/rooms/extras.js";
import type { Event } from "../../src/machine/rooms/items.js";
import type { Room } from "../../src/machine/rooms/room.js";
import { View } from "../../src/machine/rooms/view.js";
import { Session } from "../../src/machine/session.js";
import { isConnected } from "../../src/machine/states.js";
import { Connection, type Fleet, type Wire } from "./server.js";

const LATENCY_MS = 20;
const JITTER_MS = 60;

/** One connection between the two: messages take time, and stay in order. */
class Line implements Wire {
  readonly #client: Client;
  readonly #fleet: Fleet;
  readonly #random: () => number;
  readonly server: Connection;
  isDead = false;
  isOpen = false;
  #lastDown = 0;
  #lastUp = 0;

  constructor(client: Client, fleet: Fleet, random: () => number) {
    this.#client = client;
    this.#fleet = fleet;
    this.#random = random;
    this.server = new Connection(fleet, this);
  }

  toClient(message: object): void {
    const json = JSON.stringify(message);
    this.#lastDown = this.#later(this.#lastDown, () => this.#client.received(this, JSON.parse(json)));
  }

  toServer(message: object): void {
    const json = JSON.stringify(message);
    this.#lastUp = this.#later(this.#lastUp, () => this.server.receive(JSON.parse(json)));
  }

  close(code: number, reason: string): void {
    this.#lastDown = this.#later(this.#lastDown, () => this.#client.closed(this, code, reason));
  }

  #later(last: number, run: () => void): number {
    const at = Math.max(last, this.#fleet.time.now + LATENCY_MS + JITTER_MS * this.#random());
    this.#fleet.time.at(at, () => {
      if (!this.isDead) run();
    });
    return at;
  }
}

export class Client {
  readonly session: Session;
  readonly events = new Map<string, Event[]>();
  readonly views = new Map<string, View>();
  readonly outcomes = new Map<PendingAction, Outcome>();
  readonly acted: PendingAction[] = [];
  readonly #fleet: Fleet;
  readonly #random: () => number;
  readonly #rooms = new Map<Room, string>();
  /** Nothing can be connected to until then. */
  unreachableUntil = 0;
  readonly #outbox: Outbox;
  #sleepsUntil = 0;
  readonly #sleeps: [from: number, until: number][] = [];
  #line: Line | null = null;
  #isOpening = false;
  #isLoading = false;
  #alarm = 0;

  constructor(fleet: Fleet, random: () => number) {
    this.#fleet = fleet;
    this.#random = random;
    this.#outbox = new Outbox(256, random);
    this.session = new Session({
      agent: "simulated",
      backoff: { baseMs: 500, maxMs: 30_000 },
      random,
      canRenewToken: true,
    });
    this.session.startActing(this.#outbox);
    this.step();
  }

  subscribe(room: string, deliver: "all" | "latest", last: number): void {
    const wants = { last, ...(deliver === "latest" && { deliver }) };
    this.#rooms.set(this.session.rooms.subscribe(room, null, wants), room);
    this.events.set(room, []);
    this.views.set(room, new View({ cursor: null, state: [], stateComplete: true }));
    this.step();
  }

  act(kind: string): void {
    this.acted.push(this.#outbox.submit("match:1", kind, actionData("null")));
    this.step();
  }

  // What happens to it.

  received(line: Line, message: unknown): void {
    this.#awake(() => {
      if (line === this.#line) this.session.receive(message, this.#fleet.time.now);
    });
  }

  closed(line: Line, code: number, reason: string): void {
    this.#awake(() => {
      if (line !== this.#line) return;
      this.#line = null;
      this.session.disconnected(code, reason, this.#fleet.time.now);
    });
  }

  /** The connection is gone, and both sides notice; or nobody does. */
  cut(isSilent: boolean): void {
    const line = this.#line;
    if (line === null || !line.isOpen) return;
    line.isDead = true;
    line.server.end();
    if (!isSilent) this.closed(line, 1006, "");
  }

  /** The computer sleeps: nothing runs, and what arrives waits. */
  sleep(ms: number): void {
    const until = this.#fleet.time.now + ms;
    if (until <= this.#sleepsUntil) return;
    this.#sleeps.push([Math.max(this.#fleet.time.now, this.#sleepsUntil), until]);
    this.#sleepsUntil = until;
    this.#fleet.time.at(until, () => {
      this.session.awake(this.#fleet.time.now);
      this.step();
    });
  }

  /** How long it slept between two times. */
  sleptMs(from: number, until: number): number {
    const parts = this.#sleeps.map(([begin, end]) => Math.min(end, until) - Math.max(begin, from));
    return parts.reduce((sum, ms) => sum + Math.max(0, ms), 0);
  }

  get server(): Connection | null {
    return this.#line?.isOpen ? this.#line.server : null;
  }

  /** Run now, or after the sleep. */
  #awake(run: () => void): void {
    if (this.#fleet.time.now >= this.#sleepsUntil) {
      run();
      this.step();
    } else {
      this.#fleet.time.at(this.#sleepsUntil, () => this.#awake(run));
    }
  }

  // What it does: the shell's part.

  step(): void {
    const { session } = this;
    const { time } = this.#fleet;
    if (time.now < this.#sleepsUntil) return;
    session.tick(time.now);
    this.#takeReports();
    this.#obey();
    if (this.#line?.isOpen) for (const message of session.takeOutput(time.now)) this.#line.toServer(message);
    this.#takeReports();
    if (session.rooms.lacksExtras && !this.#isLoading) this.#loadExtras();
    if (session.isTokenDue) {
      session.refresh("newer", time.now);
      time.in(0, () => this.step());
    }
    this.#setAlarm();
  }

  /** This takes time, and fails now and then. */
  #loadExtras(): void {
    const { rooms } = this.session;
    const { time } = this.#fleet;
    this.#isLoading = true;
    time.in(2_000 * this.#random(), () => {
      this.#isLoading = false;
      if (this.#random() < 0.5) rooms.extras = extras;
      else rooms.loadFailed(new LoadFailed("not found"), time.now);
      this.step();
    });
  }

  #setAlarm(): void {
    const { time } = this.#fleet;
    const alarm = ++this.#alarm;
    if (this.session.deadline === Infinity) return;
    time.at(this.session.deadline, () => {
      if (alarm === this.#alarm) this.#awake(() => {});
    });
  }

  #takeReports(): void {
    for (const [room, name] of this.#rooms) {
      for (const item of room.takeItems()) {
        this.views.get(name)?.apply(item);
        if (item.type === "event") this.events.get(name)?.push(item.event);
      }
    }
    for (const [action, outcome] of this.#outbox.takeOutcomes()) this.outcomes.set(action, outcome);
  }

  #obey(): void {
    const { state } = this.session;
    const line = this.#line;
    if (line !== null && !(line.isOpen && isConnected(state)) && !(state === "connecting" && !line.isOpen)) {
      this.#line = null;
      line.isDead = true;
      line.server.end();
    }
    if (state === "connecting" && this.#line === null && !this.#isOpening) this.#open();
  }

  #open(): void {
    const { time } = this.#fleet;
    this.#isOpening = true;
    this.session.opening(time.now);
    time.in(2 * LATENCY_MS, () =>
      this.#awake(() => {
        this.#isOpening = false;
        if (this.session.state !== "connecting") return;
        if (time.now < this.unreachableUntil) {
          this.session.connectFailed({ code: "unreachable", message: "refused" }, time.now);
          return;
        }
        this.#line = new Line(this, this.#fleet, this.#random);
        this.#line.isOpen = true;
        this.session.connected("token", time.now);
      }),
    );
  }
}
