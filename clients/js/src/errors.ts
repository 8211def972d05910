/**
 * What can go wrong for a user of the SDK. The errors of actions are in action-errors.ts, which a page that only watches
 * does not load.
 *
 *     TouchlineError
 *     ├── BadArgument            an argument that cannot be right: an address, a room, a cursor, an action's kind or data
 *     ├── ConnectionFailed       the connection has given up: iterators and `opened` reject with this
 *     │   ├── ConnectionRefused  the server refused the client, and would again
 *     │   └── ProtocolViolated   the server sent something that cannot be read
 *     ├── ConnectionClosed       the page closed the connection, or the subscription
 *     ├── RoomRefused            the server refused one room; the other rooms go on
 *     ├── AlreadySubscribed      the connection has a subscription to that room already
 *     ├── ActionRefused          the action was not done: it is not in the log
 *     ├── ActionInDoubt          the action may have been done or not: no answer arrived in time
 *     ├── ActionsFull            the action was not taken: too many others are waiting for their answers
 *     └── LoadFailed             code that is loaded when it is needed did not load: it is tried again
 *
 * Every error has a `code`, so that code which crosses bundles or workers need not rely on `instanceof`. Losing a
 * connection is not an error: the client makes a new one, and `status` says so.
 */

/** Any error of this package. `code` names it, in the words of the protocol's tables where it comes from a server. */
export class TouchlineError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** An argument that cannot be right. Thrown at once, before anything is sent. */
export class BadArgument extends TouchlineError {
  constructor(message: string) {
    super("bad_argument", message);
  }
}

/** The connection has given up, and makes no further attempt. */
export class ConnectionFailed extends TouchlineError {}

/**
 * The server does not accept this client, and would say the same again.
 *
 * `code` is the name of a close, such as `banned`, or the code of an error that is not about one room. `closeCode` is
 * the WebSocket's, null if the server refused without a close.
 */
export class ConnectionRefused extends ConnectionFailed {
  readonly closeCode: number | null;

  constructor(code: string, closeCode: number | null, message: string) {
    super(code, message);
    this.closeCode = closeCode;
  }
}

/** The server sent something that cannot be read. To carry on would be to lose it silently. */
export class ProtocolViolated extends ConnectionFailed {
  constructor(message: string) {
    super("protocol_violated", message);
  }
}

/** There is no open connection, or subscription: it was closed. If an action was sent, it may be done. */
export class ConnectionClosed extends TouchlineError {
  constructor(message: string) {
    super("closed", message);
  }
}

/** The server refused `room`; `code` is one of the protocol's errors. */
export class RoomRefused extends TouchlineError {
  readonly room: string;

  constructor(room: string, code: string, message: string) {
    super(code, `${room}: ${message} (${code})`);
    this.room = room;
  }
}

/** A connection has one subscription to a room. Close that first, or share it. */
export class AlreadySubscribed extends TouchlineError {
  constructor(room: string) {
    super("already_subscribed", `${room} has a subscription`);
  }
}

/** A part of this package that is loaded when it is needed did not load. It is tried again, so this may pass. */
export class LoadFailed extends TouchlineError {
  constructor(cause: unknown) {
    super("load_failed", `code did not load: ${cause}`, { cause });
  }
}
