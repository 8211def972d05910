/** What the page asks the demo's server for: which matches are played, tokens, and bots. */

import type { TokenFunction } from "touchline";

import { fieldsOf, listOf, numberOf, textOf } from "../model/shape";
import type { Memory } from "./memory";

export interface Configuration {
  readonly port: number;
  readonly matches: readonly string[];
  readonly attribution: string;
}

/** Which matches are played; null if the server does not answer. */
export async function configuration(): Promise<Configuration | null> {
  try {
    const answer = await fetch("demo.json", { cache: "no-store" });
    if (!answer.ok) return null;
    const { ws_port: port, matches, attribution } = fieldsOf(await answer.json());
    return { port: numberOf(port) ?? 0, matches: listOf(matches).map(String), attribution: textOf(attribution) ?? "" };
  } catch {
    return null; // the connection's status shows it already
  }
}

/** The address of the edge, which listens on a port of its own. */
export function edgeUrl(port: number): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:${port}/ws`;
}

/**
 * Tokens for a player with an invented name: each newer one is for the same player, also after a reload. Null if the
 * server has none.
 */
export async function tokenSource(memory: Memory): Promise<TokenFunction | null> {
  let token = await newToken(memory.token).catch(() => null);
  let isUsed = false;
  memory.token = token;
  if (token === null) return null;
  return async () => {
    if (isUsed) memory.token = token = (await newToken(token)) ?? token;
    isUsed = true;
    return token ?? "";
  };
}

/** A token for the player of `token`, or for a new player. */
async function newToken(token: string | null): Promise<string | null> {
  const answer = await post("demo/token", token === null ? {} : { token });
  return answer.ok ? textOf(fieldsOf(await answer.json()).token) : null;
}

/** Start a bot that cheats in a match. Returns why there is none, or nothing. */
export async function startBot(cheat: string, match: string): Promise<string> {
  try {
    const answer = await post("demo/bots", { cheat, match });
    if (answer.ok) return "";
    return textOf(fieldsOf(fieldsOf(await answer.json()).error).message) ?? `The server answers ${answer.status}.`;
  } catch {
    return "The server does not answer.";
  }
}

const post = (path: string, form: object): Promise<Response> =>
  fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(form) });
