/**
 * The providers: which connection the hooks below them use, and which room those that name none.
 *
 * Nothing connects while rendering, so a server can render every component: there, no room has been joined.
 */
import {
  createContext,
  createElement,
  type ReactNode,
  type RefObject,
  useContext,
  useEffect,
  useRef,
  useState,
} from "react";
import { connect } from "../connect.js";
import type { Connection, ConnectOptions } from "../types.js";

const ConnectionContext = createContext<Connection | null | undefined>(undefined);
const RoomContext = createContext<string | null>(null);

export type TouchlineProviderProps = { readonly children?: ReactNode } & (
  | {
      /** A connection of yours, which you close. */
      readonly connection: Connection;
    }
  | {
      /** Where to connect to, for as long as the provider is mounted. With another address it connects again. */
      readonly url: string | URL;
      /** Read when it connects. To connect with other options, give the provider another `key`. */
      readonly options?: ConnectOptions;
    }
);

/** Gives the hooks below it their connection. */
export function TouchlineProvider(props: TouchlineProviderProps): ReactNode {
  const own = useOwnConnection("url" in props ? String(props.url) : null, "url" in props ? props.options : undefined);
  const value = "connection" in props ? props.connection : own;
  return createElement(ConnectionContext.Provider, { value }, props.children);
}

/** A room for the hooks below it that name none. It subscribes to nothing: the hooks do. */
export function RoomProvider(props: { readonly room: string; readonly children?: ReactNode }): ReactNode {
  return createElement(RoomContext.Provider, { value: props.room }, props.children);
}

/** The provider's connection; null before it has mounted. */
export function useProvidedConnection(): Connection | null {
  const connection = useContext(ConnectionContext);
  if (connection === undefined) throw new Error("this hook needs a <TouchlineProvider> above its component");
  return connection;
}

/** The room that a hook was given, or that of the provider. With null, nothing is subscribed to. */
export function useProvidedRoom(room: string | null | undefined): string | null {
  const provided = useContext(RoomContext);
  if (room !== undefined) return room;
  if (provided === null) throw new Error("name a room, or put a <RoomProvider> above this component");
  return provided;
}

interface OwnConnection {
  readonly url: string;
  readonly connection: Connection;
  users: number;
}

/**
 * A connection for as long as the component is mounted. It is closed a moment after the component has gone: StrictMode
 * mounts it again at once, and that should cost no second connection.
 */
function useOwnConnection(url: string | null, options: ConnectOptions | undefined): Connection | null {
  const [connection, setConnection] = useState<Connection | null>(null);
  const held = useRef<OwnConnection>(null);
  const newest = useRef(options);
  useEffect(() => {
    newest.current = options;
  });
  useEffect(() => {
    if (url === null) return undefined;
    const own = held.current?.url === url ? held.current : { url, connection: connect(url, newest.current), users: 0 };
    held.current = own;
    own.users += 1;
    setConnection(own.connection);
    return () => {
      own.users -= 1;
      queueMicrotask(() => closeIfUnused(own, held));
    };
  }, [url]);
  return connection;
}

function closeIfUnused(own: OwnConnection, held: RefObject<OwnConnection | null>): void {
  if (own.users > 0) return;
  own.connection.close();
  if (held.current === own) held.current = null;
}
