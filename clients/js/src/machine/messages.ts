/**
 * The messages of the protocol, and a reader of those that a server sends.
 *
 * The names of fields are the wire's. `readMessage` checks what it is given and fills in the defaults of fields that are
 * absent, so that the rest of the machine has no `undefined` to think of. Fields that it does not know stay as they are.
 */

export interface Limits {
  message_bytes_max: number;
  rooms_max: number;
  action_bytes_max: number;
  actions_window: number;
  actions_burst: number;
  action_interval_ms: number;
}

/** The `actions_window` of a link that cannot carry actions. No server sends it. */
export const WATCHING_ONLY = -1;

export interface Welcome {
  type: "welcome";
  session: string;
  edge: string;
  heartbeat_ms: number;
  limits: Limits;
  time: number;
  player: string | null;
  expires: number | null;
}

export interface EventMessage {
  type: "event";
  room: string;
  offset: number;
  prev: number | null;
  ts: number;
  data: unknown;
  key: string | null;
  epoch: string | null;
  traceparent: string | null;
}

export interface Subscribed {
  type: "subscribed";
  room: string;
  epoch: string;
  head: number;
  recovered: boolean;
  ts: number | null;
  state: readonly EventMessage[];
  state_complete: boolean;
  recent: readonly EventMessage[];
  id: number | null;
  after: number | null;
  by_time: boolean;
}

export interface Skipped {
  type: "skipped";
  room: string;
  to: number;
  count: number;
}

export interface Replayed {
  type: "replayed";
  room: string;
  to: number;
  ts: number | null;
}

export interface OccupancyMessage {
  type: "occupancy";
  room: string;
  viewers: number;
  complete: boolean;
}

export interface MembersMessage {
  type: "members";
  room: string;
  players: readonly string[];
  too_many: boolean;
  complete: boolean;
}

export interface MembersChanged {
  type: "members_changed";
  room: string;
  joined: readonly string[];
  left: readonly string[];
  complete: boolean;
}

export type PresenceMessage = OccupancyMessage | MembersMessage | MembersChanged;

export interface Nack {
  type: "nack";
  id: number;
  code: string;
  message: string;
  retry_ms: number | null;
}

export interface ErrorMessage {
  type: "error";
  code: string;
  message: string;
  room: string | null;
  id: number | null;
  retry_ms: number | null;
}

export interface Goaway {
  type: "goaway";
  reconnect_ms: number;
  reason: string;
}

export interface VerdictMessage {
  type: "verdict";
  kind: "warn" | "mute" | "ban" | "pardon";
  reason: string;
  until: number | null;
}

export type ServerMessage =
  | Welcome
  | EventMessage
  | Subscribed
  | Skipped
  | Replayed
  | PresenceMessage
  | Nack
  | ErrorMessage
  | Goaway
  | VerdictMessage
  | { type: "unsubscribed"; room: string; id: number | null }
  | { type: "ack"; id: number }
  | { type: "refreshed"; expires: number; id: number | null }
  | { type: "beat" };

export interface RoomRequest {
  room: string;
  epoch?: string;
  after?: number;
  ts?: number;
  last?: number;
  deliver?: "latest";
  occupancy?: true;
  members?: true;
}

export interface Action {
  type: "action";
  id: number;
  room: string;
  kind: string;
  data?: unknown;
  prev?: number;
  traceparent?: string;
}

export type ClientMessage =
  | { type: "hello"; token?: string; session?: string; agent?: string }
  | { type: "subscribe"; rooms: readonly RoomRequest[]; id: number }
  | { type: "unsubscribe"; rooms: readonly string[] }
  | { type: "refresh"; token: string; id: number }
  | Action;

type Check = (value: unknown) => boolean;
/** What a field has to be, and what it is if it is absent; without that it must not be. */
type Field = readonly [check: Check, absent?: unknown];
type Shape = Readonly<Record<string, Field>>;

const isText: Check = (value) => typeof value === "string";
const isInteger: Check = Number.isInteger;
const isFlag: Check = (value) => typeof value === "boolean";
const listOf =
  (isElement: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(isElement);

const text: Field = [isText];
const textOrNull: Field = [isText, null];
const integer: Field = [isInteger];
const integerOrNull: Field = [isInteger, null];
const integerOr0: Field = [isInteger, 0];
const timeOrNull: Field = [(value) => isInteger(value) && (value as number) >= 0, null];
const flag: Field = [isFlag];
const flagOrTrue: Field = [isFlag, true];
const flagOrFalse: Field = [isFlag, false];
const texts: Field = [listOf(isText), []];

const EVENT: Shape = {
  room: text,
  offset: integer,
  prev: [(value) => value === null || isInteger(value)],
  ts: integer,
  data: [() => true],
  key: textOrNull,
  epoch: textOrNull,
  traceparent: textOrNull,
};
const LIMITS: Shape = {
  message_bytes_max: integer,
  rooms_max: integer,
  action_bytes_max: integerOr0,
  actions_window: integerOr0,
  actions_burst: integerOr0,
  action_interval_ms: integerOr0,
};
const events: Field = [listOf((value) => fits(value, EVENT)), []];
const SHAPES: Readonly<Record<string, Shape>> = {
  welcome: {
    session: text,
    edge: text,
    heartbeat_ms: integer,
    limits: [(value) => fits(value, LIMITS)],
    time: integer,
    player: textOrNull,
    expires: integerOrNull,
  },
  event: EVENT,
  subscribed: {
    room: text,
    epoch: text,
    head: integer,
    recovered: flag,
    ts: timeOrNull,
    state: events,
    state_complete: flagOrTrue,
    recent: events,
    id: integerOrNull,
    after: integerOrNull,
    by_time: flagOrFalse,
  },
  unsubscribed: { room: text, id: integerOrNull },
  skipped: { room: text, to: integer, count: integer },
  replayed: { room: text, to: integer, ts: timeOrNull },
  occupancy: { room: text, viewers: integer, complete: flagOrTrue },
  members: { room: text, players: texts, too_many: flagOrFalse, complete: flagOrTrue },
  members_changed: { room: text, joined: texts, left: texts, complete: flagOrTrue },
  refreshed: { expires: integer, id: integerOrNull },
  ack: { id: integer },
  nack: { id: integer, code: text, message: text, retry_ms: integerOrNull },
  verdict: {
    kind: [(value) => isText(value) && /^(warn|mute|ban|pardon)$/.test(value as string)],
    reason: text,
    until: integerOrNull,
  },
  error: { code: text, message: text, room: textOrNull, id: integerOrNull, retry_ms: integerOrNull },
  goaway: { reconnect_ms: integer, reason: text },
  beat: {},
};

/** Whether this has the shape. Fills in what is absent. */
function fits(value: unknown, shape: Shape): boolean {
  if (typeof value !== "object" || value === null) return false;
  const message = value as Record<string, unknown>;
  return Object.entries(shape).every(([name, [check, absent]]) => {
    const { [name]: field = absent } = message;
    message[name] = field;
    return field !== undefined && (field === absent || check(field));
  });
}

/**
 * Reads what a server sent, once it is decoded. The object becomes the message.
 *
 * Returns null for a type that this client does not know, which it has to ignore, and undefined for anything else that
 * is not a message.
 */
export function readMessage(value: unknown): ServerMessage | null | undefined {
  const type = (value as { type?: unknown } | null | undefined)?.type;
  if (typeof type !== "string") return undefined;
  const shape = Object.hasOwn(SHAPES, type) ? SHAPES[type] : undefined;
  if (shape === undefined) return null;
  return fits(value, shape) ? (value as ServerMessage) : undefined;
}
