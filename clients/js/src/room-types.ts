/**
 * What the rooms of an application carry, as types: the parameter of `subscribe` and `act`, and what follows from it for
 * events, state and actions.
 */

/**
 * What the events and actions of a room carry: the type parameter of `subscribe` and `act`. Leave out what it has not.
 *
 * ```ts
 * interface Match {
 *   state: { score: { home: number; away: number }; [player: `player.${string}`]: { x: number; y: number } };
 *   happening: { kind: "goal" | "corner"; minute: number };
 *   actions: { tap: { x: number; y: number }; cheer: null };
 * }
 * const match = connection.subscribe<Match>("match:15946");
 * ```
 */
export interface RoomTypes {
  /** Data of events with a key, by key: what the room's state is made of. */
  readonly state?: object;
  /** Data of events without a key. */
  readonly happening?: unknown;
  /** Data of actions, by their kind. */
  readonly actions?: object;
}

/** A room of which nothing is known: data is `unknown`, and has to be checked before it is used. */
export interface AnyRoom {
  readonly state: { readonly [key: string]: unknown };
  readonly happening: unknown;
  readonly actions: { readonly [kind: string]: unknown };
}

/** The keys of a room's state. */
export type StateKey<R extends RoomTypes> = R extends { readonly state: infer S extends object }
  ? Extract<keyof S, string>
  : never;

/** The data under a key. */
export type StateData<R extends RoomTypes, K extends StateKey<R>> = R extends { readonly state: infer S extends object }
  ? S[K & keyof S]
  : never;

/** What every event has. */
export interface EventPosition {
  readonly room: string;
  /** Where the event is in the log. Offsets of a room increase, with gaps. */
  readonly offset: number;
  /** When the event was produced. */
  readonly ts: number;
  /** The position after this event, for `subscribe(room, { after })`. */
  readonly cursor: string;
  /** False if the event comes from a catch-up: it had happened when the room was joined. Animate only live ones. */
  readonly live: boolean;
  /** The producer's span, as W3C Trace Context writes it; null if the event has none. */
  readonly traceparent: string | null;
}

/** The event of a key that is part of the state. */
export type StateEvent<R extends RoomTypes = AnyRoom, K extends StateKey<R> = StateKey<R>> = {
  readonly [Key in K]: EventPosition & { readonly key: Key; readonly data: StateData<R, Key> };
}[K];

/** An event with a key. It replaces the one before of its key; data of null removes the key from the state. */
export type KeyedEvent<R extends RoomTypes = AnyRoom, K extends StateKey<R> = StateKey<R>> = {
  readonly [Key in K]: EventPosition & { readonly key: Key; readonly data: StateData<R, Key> | null };
}[K];

/** An event without a key. Nothing replaces it. */
export type Happening<R extends RoomTypes = AnyRoom> = R extends { readonly happening: infer H }
  ? EventPosition & { readonly key: null; readonly data: H }
  : never;

/** One event of a room. `key` tells the two kinds apart. */
export type RoomEvent<R extends RoomTypes = AnyRoom> = KeyedEvent<R> | Happening<R>;

/** A room's state: the newest event of each key. */
export interface RoomState<R extends RoomTypes = AnyRoom> extends Iterable<readonly [StateKey<R>, StateEvent<R>]> {
  readonly size: number;
  get<K extends StateKey<R>>(key: K): StateEvent<R, K> | undefined;
  has(key: string): boolean;
  keys(): IterableIterator<StateKey<R>>;
  values(): IterableIterator<StateEvent<R>>;
  entries(): IterableIterator<[StateKey<R>, StateEvent<R>]>;
  forEach(callback: (event: StateEvent<R>, key: StateKey<R>) => void): void;
}

/** Options of one action. */
export interface ActOptions {
  /** Your span, as W3C Trace Context writes it: the action's record continues its trace. The server ignores a wrong one. */
  readonly traceparent?: string | undefined;
}

/** The arguments of an action: its kind, and data that fits the kind. Data that may be null can be left out. */
export type ActionArguments<R extends RoomTypes = AnyRoom> = R extends { readonly actions: infer A extends object }
  ? {
      [K in Extract<keyof A, string>]: null extends A[K]
        ? [kind: K, data?: A[K], options?: ActOptions]
        : unknown extends A[K]
          ? [kind: K, data?: unknown, options?: ActOptions]
          : [kind: K, data: A[K], options?: ActOptions];
    }[Extract<keyof A, string>]
  : never;
