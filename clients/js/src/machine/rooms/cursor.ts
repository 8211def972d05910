/** Cursors: how far a client has read a room. Their string form is for `after`, storage, and server-sent events. */

/** `ts` is the time of the event there; null if it is not known. */
export interface Cursor {
  readonly epoch: string;
  readonly offset: number;
  readonly ts: number | null;
}

const OFFSET_MAX = 2n ** 63n - 1n;

/** The cursor after an event. A time that a cursor cannot have is left out. */
export const cursorAt = (epoch: string, offset: number, ts: number): Cursor => ({
  epoch,
  offset,
  ts: ts >= 0 && ts <= Number.MAX_SAFE_INTEGER ? ts : null,
});

export const formatCursor = ({ epoch, offset, ts }: Cursor): string =>
  ts === null ? `${epoch}.${offset}` : `${epoch}.${offset}.${ts}`;

/** Reads `<epoch>.<offset>` or `<epoch>.<offset>.<ts>`. Null if the text is not a cursor. */
export function parseCursor(text: string): Cursor | null {
  const [, epoch, offset, ts] = /^([^.]+)\.(-1|0|[1-9]\d{0,18})(?:\.(0|[1-9]\d{0,15}))?$/.exec(text) ?? [];
  if (epoch === undefined || offset === undefined || BigInt(offset) > OFFSET_MAX) return null;
  if (ts !== undefined && !Number.isSafeInteger(Number(ts))) return null;
  return { epoch, offset: Number(offset), ts: ts === undefined ? null : Number(ts) };
}
