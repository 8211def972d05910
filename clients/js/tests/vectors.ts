/** Reads the protocol's test vectors. */
import { readFileSync } from "node:fs";

export interface MessageVectors {
  readonly type: string;
  readonly sent_by: "client" | "server";
  readonly valid: readonly { about: string; message: object; json: string; msgpack: string }[];
  readonly read_as: readonly { about: string; message: object; json: string }[];
  readonly invalid: readonly { about: string; json?: string; msgpack?: string; code: string }[];
}

/** The content of a file in protocol/vectors. */
export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../protocol/vectors/${name}.json`, import.meta.url), "utf-8"));
}
