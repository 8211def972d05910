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

import { goalSentence } from "../model/scoreboard";
import type { Side } from "../model/teams";
import type { Card } from "../state/card";
import type { Site } from "../state/site";
import { Gaps } from "./gaps";
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
  #connection: Connection;
  #subscriptions = new Map<string, Subscription>();

  /** `token` is null if this page can only watch. */
  constructor(url: string, token: TokenFunction | null, site: Site, train: Train) {
    this.#site = site;
    this.#connection = connect(url, {
      token,
      agent: AGENT,
      actionsBufferMax: ACTIONS_MAX,
      WebSocket: train.WebSocket,
      fetch: train.fetch,
      onStatus: (status) => {
        site.link.report(status);
        if (status.state === "open") site.game.become(status.player);
        if (status.state === "closed") site.game.end();
      },
      onVerdict: (verdict) => site.game.judge(verdict, this.#connection.serverTime),
    });
    this.#follow(PANEL_ROOM, LATEST, this.#panelReader());
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

  /** Follow everything about one match. */
  open(id: string): void {
    const { match, game } = this.#site;
    const onOccupancy: SubscribeOptions["onOccupancy"] = ({ viewers }) => {
      match.viewers.value = viewers;
    };
    this.#follow(
      `match:${id}`,
      { last: RECENT_EVENTS, onOccupancy },
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
    const { event: take, clear } = reader;
    const { link } = this.#site;
    const gaps = new Gaps(link);
    const subscription = this.#connection.subscribe(room, {
      ...options,
      onEvent: (event) => {
        gaps.event();
        link.count(event.ts, event.live);
        take(event);
      },
      onJoined: (joined) => {
        gaps.joined(joined);
        if (joined.recovered && !joined.moved) return;
        clear?.();
        for (const event of inOrder(joined)) take({ ...event, live: false });
        if (joined.restarted && options.last) this.#followAgain(room, options, reader);
      },
      onStatus: ({ state, error }) => {
        if (state === "closed" && error !== null) this.#refused(room, error.message);
      },
    });
    subscription.on("change", () => gaps.look(subscription));
    this.#subscriptions.set(room, subscription);
  }

  /** A room that starts over begins with its state alone. To begin with recent events too, it is followed anew. */
  #followAgain(room: string, options: SubscribeOptions, reader: Reader): void {
    const subscription = this.#subscriptions.get(room);
    queueMicrotask(() => {
      if (this.#subscriptions.get(room) !== subscription) return;
      this.#leave(room);
      this.#follow(room, options, reader);
    });
  }

  #leave(room: string): void {
    this.#subscriptions.get(room)?.close();
    this.#subscriptions.delete(room);
  }

  #refused(room: string, message: string): void {
    if (room.startsWith("score:") || room.startsWith("match:")) this.#site.notice.value = `${room}: ${message}`;
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

/** The events of a room's state, oldest first. */
const inOrder = ({ state }: Joined): RoomEvent[] => [...state.values()].sort((one, other) => one.offset - other.offset);
