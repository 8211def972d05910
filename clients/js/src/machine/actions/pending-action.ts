/** One action on its way into the log, and what can become of it. Pure data. */

import type { ActionInDoubt, ActionRefused } from "../../action-errors.js";
import type { Receipt } from "../../types.js";
import type { Action } from "../messages.js";
import { bytesOf } from "../text.js";
import type { ActionData } from "./action-data.js";

export class PendingAction {
  readonly room: string;
  readonly kind: string;
  readonly data: ActionData;
  readonly traceparent: string | undefined;
  /** Set when it is first sent. The id counts within the session. */
  id: number | null = null;
  session = "";
  sendCount = 0;
  firstSentAt = 0;
  /** An earlier copy went unanswered, or the log may have taken it although the server said no. */
  mayBeDone = false;

  constructor(room: string, kind: string, data: ActionData, traceparent?: string) {
    this.room = room;
    this.kind = kind;
    this.data = data;
    this.traceparent = traceparent;
  }

  /** The message for this action. Defaults are left out. */
  message(id: number, prev: number | null): Action {
    const { room, kind, data, traceparent } = this;
    return {
      type: "action",
      id,
      room,
      kind,
      ...(data.value !== null && { data: data.value }),
      ...(prev !== null && { prev }),
      ...(traceparent && { traceparent }),
    };
  }

  /** The bytes of the longest message that this action can become. */
  get messageBytesMax(): number {
    return bytesOf(JSON.stringify(this.message(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)));
  }
}

export type Outcome = Receipt | ActionRefused | ActionInDoubt;
