/** The page as a user of the package `touchline`: one connection, and a subscription for each room that is shown. */

import {
  type Connection,
  connect,
  type Joined,
  type RoomEvent,
  type SubscribeOptions,
  type Subscription,
  type TokenFunction,
} from "touchline";
import { keepIn } from "touchline/storage";

import type { KeptMatch } from "../model/kept_match";
import { goalSentence } from "../model/scoreboard";
import type { Side } from "../model/teams";
import type { Card } from "../state/card";
import type { Site } from "../state/site";
import { Gaps } from "./gaps";
import type { Memory } from "./memory";
import type { Train } from "./train";

const PANEL_ROOM = "cheatwatch:demo";
const RECENT_EVENTS = 120; // with which an opened match begins
const LATEST: SubscribeOptions = { deliver: "latest" }; // for rooms whose events are all state
const ACTIONS_MAX = 20; // two seconds of quick tapping; more would be a surprise when the connection is back
const AGENT = "touchline-demo-site";

/** What to do with a room's events. The state of a room that is joined, or starts over, comes as events as well. */
interface Reader {
  readonly event: (event: RoomEvent) => void;
  /** Forget the room: the state that follows is all that is true of it. */
  readonly clear?: () => void;
}

export class Client {
  #site: Site;
  #memory: Memory;
  #connection: Connection;
  #subscriptions = new Map<string, Subscription>();

  /** `token` is null if this page can only watch. */
  constructor(url: string, token: TokenFunction | null, site: Site, train: Train, memory: Memory) {
    this.#site = site;
    this.#memory = memory;
    this.#connection = connect(url, {
      token,
      storage: memory.storage && keepIn(memory.storage),
      agent: AGENT,
      actionsBufferMax: ACTIONS_MAX,
      WebSocket: train.WebSocket,
      fetch: train.fetch,
      onStatus: (status) => {
        site.link.report(status);
        if (status.state === "open") site.game.become(status.player);
        if (status.state === "closed") this.#end();
      },
      onVerdict: (verdict) => site.game.judge(verdict, this.#connection.serverTime),
    });
    this.#follow(PANEL_ROOM, LATEST, this.#panelReader());
    memory.keepMatch(() => this.#keptMatch());
  }

  /** The time by the server's clock: the visitor's own clock may be wrong. */
  get serverTime(): number {
    return this.#connection.serverTime;
  }

  followScore(card: Card): void {
    this.#follow(`score:${card.id}`, LATEST, this.#scoreReader(card));
  }

  leaveScore(id: string): void {
    this.#leave(`score:${id}`);
  }

  /** Follow everything about one match. After a reload, the timeline goes on from the events that the page had. */
  open(id: string): void {
    const { match, game } = this.#site;
    const kept = this.#memory.takeMatch(id);
    if (kept !== null) match.restore(kept);
    const onOccupancy: SubscribeOptions["onOccupancy"] = ({ viewers }) => {
      match.viewers.value = viewers;
    };
    this.#follow(
      `match:${id}`,
      { last: RECENT_EVENTS, after: kept?.cursor ?? null, persist: false, onOccupancy },
      { event: ({ offset, data }) => match.add(offset, data), clear: () => match.clear() },
    );
    this.#follow(`stats:${id}`, LATEST, { event: ({ key, data }) => match.takeStats(key, data) });
    this.#follow(`cheer:${id}`, LATEST, {
      event: ({ key, data, offset, live }) => game.take(key, data, offset, live),
    });
  }

  close(id: string): void {
    for (const feed of ["match", "stats", "cheer"]) this.#leave(`${feed}:${id}`);
  }

  /** Cheer for a team, in the open match. */
  cheer(id: string, side: Side): void {
    void this.#site.game.follow(side, this.#connection.act(`cheer:${id}`, "tap", { team: side }));
  }

  /** Join the wave that rolls through the open match. */
  joinWave(id: string, offset: number): void {
    void this.#site.game.follow("wave", this.#connection.act(`cheer:${id}`, "wave", { offset }));
  }

  #follow(room: string, options: SubscribeOptions, reader: Reader): void {
    const { event: take } = reader;
    const { link } = this.#site;
    const gaps = new Gaps(link);
    let wasJoined = false;
    const subscription = this.#connection.subscribe(room, {
      ...options,
      onEvent: (event) => {
        gaps.event();
        link.count(event.ts, event.live);
        take(event);
      },
      onJoined: (joined) => {
        gaps.joined(joined);
        const isFirst = !wasJoined;
        wasJoined = true;
        if (joined.recovered && !joined.moved) return;
        show(joined, reader);
        if (joined.restarted && !isFirst && options.last) this.#followAgain(room, options, reader);
      },
      onStatus: ({ state, error }) => {
        if (state === "closed" && error !== null) this.#refused(room, error.message);
      },
    });
    subscription.on("change", () => gaps.look(subscription));
    this.#subscriptions.set(room, subscription);
    if (options.persist !== false && subscription.cursor !== null) show(subscription, reader); // kept from before a reload
  }

  /** A room that starts over begins with its state alone. To begin with recent events too, follow it again. */
  #followAgain(room: string, options: SubscribeOptions, reader: Reader): void {
    const subscription = this.#subscriptions.get(room);
    queueMicrotask(() => {
      if (this.#subscriptions.get(room) !== subscription) return;
      this.#leave(room);
      this.#follow(room, { ...options, after: null }, reader);
    });
  }

  #leave(room: string): void {
    this.#subscriptions.get(room)?.close();
    this.#subscriptions.delete(room);
  }

  #refused(room: string, message: string): void {
    if (room.startsWith("score:") || room.startsWith("match:")) this.#site.notice.value = `${room}: ${message}`;
  }

  #keptMatch(): KeptMatch | null {
    const id = this.#site.openId.peek();
    const cursor = this.#subscriptions.get(`match:${id}`)?.cursor ?? null;
    if (id === null || cursor === null) return null;
    return { id, cursor, ...this.#site.match.kept };
  }

  /** The server does not let this player in again. After a reload, the page plays as somebody else. */
  #end(): void {
    this.#site.game.end();
    this.#memory.token = null;
  }

  #scoreReader(card: Card): Reader {
    return {
      event: ({ key, data, live }) => {
        const goal = card.take(key, data, live);
        if (goal !== null) this.#site.announcement.value = goalSentence(goal, card.teams.value);
      },
      clear: () => card.clear(),
    };
  }

  #panelReader(): Reader {
    const { detection } = this.#site;
    return { event: ({ key, data, ts }) => detection.take(key, data, ts), clear: () => detection.clear() };
  }
}

/** Show a room's state, and nothing else of the room. */
function show(room: Pick<Joined, "state">, { event: take, clear }: Reader): void {
  clear?.();
  for (const event of inOrder(room)) take({ ...event, live: false });
}

/** The events of a room's state, oldest first. */
const inOrder = ({ state }: Pick<Joined, "state">): RoomEvent[] =>
  [...state.values()].sort((one, other) => one.offset - other.offset);
