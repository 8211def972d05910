/**
 * The hooks: what a component sees of the connection and of rooms, and how it acts.
 *
 * They read by `useSyncExternalStore`, so that all components of a render see the same, and render again only if what they
 * see has changed.
 */
import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { ConnectionClosed } from "../errors.js";
import type { ActionArguments, AnyRoom, RoomEvent, RoomTypes, StateData, StateKey } from "../room-types.js";
import type { Connection, Receipt, Status, Verdict } from "../types.js";
import { useProvidedConnection, useProvidedRoom } from "./context.js";
import { NOT_JOINED, type RoomView, type RoomWants } from "./room-view.js";
import { roomsOf } from "./rooms.js";

/** How to use a room: see `RoomWants`; and `onEvent`, which is called with each event, in order. */
export interface RoomOptions<R extends RoomTypes = AnyRoom> extends RoomWants {
  readonly onEvent?: (event: RoomEvent<R>) => void;
}

/**
 * A room, and everything that it reports: the component renders again with each change. For one key of a busy room,
 * `useRoomState` renders less.
 *
 * The room is left a moment after the last component that uses it has gone. Without `room` it is the `RoomProvider`'s;
 * with null, nothing is subscribed to.
 */
export function useRoom<R extends RoomTypes = AnyRoom>(room: string | null, options?: RoomOptions<R>): RoomView<R>;
export function useRoom<R extends RoomTypes = AnyRoom>(options?: RoomOptions<R>): RoomView<R>;
export function useRoom<R extends RoomTypes = AnyRoom>(
  first?: string | null | RoomOptions<R>,
  second: RoomOptions<R> = {},
): RoomView<R> {
  const [room, options] = typeof first === "object" && first !== null ? [undefined, first] : [first, second];
  const { last = 0 } = options;
  const view = useRoomValue(room, options, wholeView);
  // Other components may have asked for more events than this one.
  const own = useMemo(
    () => (view.events.length > last ? { ...view, events: last > 0 ? view.events.slice(-last) : [] } : view),
    [view, last],
  );
  return own as unknown as RoomView<R>;
}

/** The data of one key of a room's state: undefined while there is none. Renders again only if that changes. */
export function useRoomState<R extends RoomTypes = AnyRoom, K extends StateKey<R> = StateKey<R>>(
  key: K,
  room?: string | null,
): StateData<R, K> | undefined {
  const read = useCallback((view: RoomView) => view.state.get(key)?.data, [key]);
  return useRoomValue(room, NO_WANTS, read) as StateData<R, K> | undefined;
}

/** A function that acts in a room, always the same one. Its promise resolves once the action is in the log. */
export function useAct<R extends RoomTypes = AnyRoom>(
  room?: string | null,
): (...action: ActionArguments<R>) => Promise<Receipt> {
  const connection = useProvidedConnection();
  const name = useProvidedRoom(room);
  return useCallback(
    (...action: ActionArguments<R>) => {
      if (connection === null || name === null)
        return Promise.reject(new ConnectionClosed("there is no room to act in yet"));
      return connection.act<R>(name, ...action);
    },
    [connection, name],
  );
}

/** The connection, and how it is. */
export interface ConnectionView {
  /** Null before the provider has mounted, as on a server. */
  readonly connection: Connection | null;
  readonly status: Status;
  /** The newest verdict about the player; null before the first. */
  readonly verdict: Verdict | null;
}

/** The provider's connection: renders again with each change of its status, and each verdict. */
export function useConnection(): ConnectionView {
  const connection = useProvidedConnection();
  const subscribe = useCallback(
    (onChange: () => void) => {
      const stops = [connection?.on("status", onChange), connection?.on("verdict", onChange)];
      return () => {
        for (const stop of stops) stop?.();
      };
    },
    [connection],
  );
  const status = useSyncExternalStore(subscribe, () => connection?.status ?? NOT_CONNECTED, notConnected);
  const verdict = useSyncExternalStore(subscribe, () => connection?.verdict ?? null, nothing);
  return useMemo(() => ({ connection, status, verdict }), [connection, status, verdict]);
}

const NOT_CONNECTED: Status = { state: "connecting", reason: null };
const NO_WANTS: RoomWants = {};

const notConnected = (): Status => NOT_CONNECTED;
const nothing = (): null => null;
const wholeView = (view: RoomView): RoomView => view;

/** Use a room, and read a value of it, which has to be the same one until it has changed. */
function useRoomValue<T, R extends RoomTypes>(
  room: string | null | undefined,
  { last = 0, deliver = "all", occupancy = false, members = false, persist = true, onEvent }: RoomOptions<R>,
  read: (view: RoomView) => T,
): T {
  const connection = useProvidedConnection();
  const name = useProvidedRoom(room);
  const newest = useRef(onEvent);
  useEffect(() => {
    newest.current = onEvent;
  });
  const subscribe = useCallback(
    (onChange: () => void) => {
      if (connection === null || name === null) return () => undefined;
      const wants = { last, deliver, occupancy, members, persist };
      const onRoomEvent = (event: RoomEvent): void => newest.current?.(event as unknown as RoomEvent<R>);
      return roomsOf(connection).attach(name, { wants, onChange, onEvent: onRoomEvent });
    },
    [connection, name, last, deliver, occupancy, members, persist],
  );
  const view = (): RoomView => (connection === null || name === null ? NOT_JOINED : roomsOf(connection).view(name));
  return useSyncExternalStore(
    subscribe,
    () => read(view()),
    () => read(NOT_JOINED),
  );
}
