/**
 * Reads values of unknown shape. Events come from a log that anybody may publish to, so every field may be missing or
 * of another type; the page leaves out what it cannot read and goes on. Pure.
 */

export type Fields = Readonly<Record<string, unknown>>;

/** The fields of an object; of anything else, none. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);

export const numberOf = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

/** The elements of a list; of anything else, none. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The numbers of a list, with 0 in place of anything else. */
export const numbersOf = (value: unknown): number[] => listOf(value).map((item) => numberOf(item) ?? 0);

/** The `name` of a named thing, as in `{"team": {"name": "Alder Vale"}}`. */
export const nameOf = (value: unknown): string | null => textOf(fieldsOf(value).name);
