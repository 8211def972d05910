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
interface Field {
  readonly name: string;
  readonly check: Check;
  /** What it is if it is absent; undefined if it must not be. */
  readonly absent: unknown;
}

/**
 * The fields of a message, as `name:kind`, or `name?kind` for one that may be absent, and is then `ABSENT[kind]`.
 *
 * Kinds: t text, i integer, p not negative, n integer or null, b boolean, f boolean that is false if absent, e events,
 * l list of texts, x anything, v the kind of a verdict, m limits.
 */
const EVENT = "room:t offset:i prev:n ts:i data:x key?t epoch?t traceparent?t";
const SHAPES: Readonly<Record<string, string>> = {
  welcome: "session:t edge:t heartbeat_ms:i limits:m time:i player?t expires?i",
  event: EVENT,
  subscribed: "room:t epoch:t head:i recovered:b ts?p state?e state_complete?b recent?e id?i after?i by_time?f",
  unsubscribed: "room:t id?i",
  skipped: "room:t to:i count:i",
  replayed: "room:t to:i ts?p",
  occupancy: "room:t viewers:i complete?b",
  members: "room:t players?l too_many?f complete?b",
  members_changed: "room:t joined?l left?l complete?b",
  refreshed: "expires:i id?i",
  ack: "id:i",
  nack: "id:i code:t message:t retry_ms?i",
  verdict: "kind:v reason:t until?i",
  error: "code:t message:t room?t id?i retry_ms?i",
  goaway: "reconnect_ms:i reason:t",
  beat: "",
};
/** The default of an integer here is 0; everywhere else it is null. */
const LIMITS =
  "message_bytes_max:i rooms_max:i action_bytes_max?z actions_window?z actions_burst?z action_interval_ms?z";

const isText: Check = (value) => typeof value === "string";
const isInteger: Check = Number.isInteger;
const isFlag: Check = (value) => typeof value === "boolean";
const listOf =
  (isElement: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(isElement);

const CHECKS: Readonly<Record<string, Check>> = {
  t: isText,
  i: isInteger,
  z: isInteger,
  p: (value) => isInteger(value) && (value as number) >= 0,
  n: (value) => value === null || isInteger(value),
  b: isFlag,
  f: isFlag,
  e: listOf((event) => fits(event, EVENT)),
  l: listOf(isText),
  x: () => true,
  v: (value) => isText(value) && /^(warn|mute|ban|pardon)$/.test(value as string),
  m: (value) => fits(value, LIMITS),
};

const ABSENT: Readonly<Record<string, unknown>> = { z: 0, b: true, f: false, e: [], l: [] };

const parsed = new Map<string, readonly Field[]>();

function fieldsOf(shape: string): readonly Field[] {
  const fields =
    parsed.get(shape) ??
    [...shape.matchAll(/(\w+)([:?])(.)/g)].map(([, name = "", mark, kind = ""]) => ({
      name,
      check: CHECKS[kind] as Check,
      absent: mark === ":" ? undefined : (ABSENT[kind] ?? null),
    }));
  parsed.set(shape, fields);
  return fields;
}

function fits(value: unknown, shape: string): boolean {
  if (typeof value !== "object" || value === null) return false;
  const message = value as Record<string, unknown>;
  return fieldsOf(shape).every(({ name, check, absent }) => {
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
