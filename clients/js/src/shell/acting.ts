/** The user's actions: puts them into the outbox, and answers them. Its code is loaded when it is needed. */

import type { ConnectionClosed, ConnectionFailed } from "../errors.js";
import { TouchlineError } from "../errors.js";
import { actionData, checkKind } from "../machine/actions/action-data.js";
import { jsonOf } from "../machine/actions/json-of.js";
import { Outbox } from "../machine/actions/outbox.js";
import type { PendingAction } from "../machine/actions/pending-action.js";
import type { Session } from "../machine/session.js";
import type { Receipt } from "../types.js";

type Answer = { resolve: (receipt: Receipt) => void; reject: (error: TouchlineError) => void };

export class Acting {
  readonly #outbox: Outbox;
  readonly #answers = new Map<PendingAction, Answer>();

  constructor(session: Session, actionsMax: number, random: () => number) {
    this.#outbox = new Outbox(actionsMax, random);
    session.startActing(this.#outbox);
  }

  /**
   * Take an action. `json` is its data as it was when the user acted, if it could be copied.
   *
   * Rejects with `BadArgument`, `ActionsFull`, or what became of it.
   */
  async submit(room: string, kind: string, data: unknown, json?: string, traceparent?: string): Promise<Receipt> {
    checkKind(kind);
    const checked = jsonOf(data);
    const action = this.#outbox.submit(room, kind, actionData(json ?? checked), traceparent);
    return new Promise((resolve, reject) => this.#answers.set(action, { resolve, reject }));
  }

  /** Hand out what became of actions. */
  report(): void {
    for (const [action, outcome] of this.#outbox.takeOutcomes()) {
      const answer = this.#answers.get(action);
      this.#answers.delete(action);
      if (outcome instanceof TouchlineError) answer?.reject(outcome);
      else answer?.resolve(outcome);
    }
  }

  /** The connection is over. */
  end(error: ConnectionFailed | ConnectionClosed): void {
    for (const { reject } of this.#answers.values()) reject(error);
    this.#answers.clear();
  }
}
