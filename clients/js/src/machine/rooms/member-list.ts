/**
 * The members of one room, as the server's messages tell them: as of the newest message, whatever has been read. While
 * there is no connection they stay as they were.
 */

import type { Members } from "../../types.js";
import type { MembersChanged, MembersMessage } from "../messages.js";
import type { Item } from "./items.js";

export class MemberList {
  #members: Members | null = null;

  /** Null if a change has no list that it could apply to. */
  receive(message: MembersMessage | MembersChanged): Item | null {
    const members = message.type === "members" ? this.#list(message) : this.#change(message);
    if (members === null) return null;
    this.#members = members;
    return { type: "members", members };
  }

  /** A full list. It is compared to the list before, even if the connection was lost since. */
  #list({ room, players, too_many, complete }: MembersMessage): Members {
    const before = this.#members?.players ?? [];
    if (too_many) return { room, players: null, joined: [], left: [], complete };
    return { room, players, joined: without(players, before), left: without(before, players), complete };
  }

  #change({ room, joined, left, complete }: MembersChanged): Members | null {
    const before = this.#members?.players;
    if (!before) return null;
    const players = [...without(before, [...left, ...joined]), ...joined].sort(byCodePoints);
    return { room, players, joined, left, complete };
  }
}

function without(players: readonly string[], others: readonly string[]): string[] {
  const excluded = new Set(others);
  return players.filter((player) => !excluded.has(player));
}

/** JavaScript compares UTF-16 units; the protocol orders by code points, and surrogates stand for the largest ones. */
function byCodePoints(one: string, other: string): number {
  const [ours, theirs] = [Array.from(one), Array.from(other)];
  const at = ours.findIndex((char, index) => char !== theirs[index]);
  if (at < 0) return ours.length - theirs.length;
  return (ours[at]?.codePointAt(0) ?? 0) - (theirs[at]?.codePointAt(0) ?? -1);
}
