/** The errors of actions. errors.ts has all others, and the tree of all. */

import { TouchlineError } from "./errors.js";

/**
 * The action is not in the log, and the client will not send it again.
 *
 * `code` is one of the protocol's nacks; or `actions_disabled`: this server takes no actions from this client; or
 * `watching_only`: server-sent events are in use, since WebSockets are blocked, and those cannot carry actions.
 */
export class ActionRefused extends TouchlineError {}

/** The action was sent, and nobody can tell whether it is in the log. Doing it once more risks doing it twice. */
export class ActionInDoubt extends TouchlineError {
  constructor(message: string) {
    super("in_doubt", message);
  }
}

/** The action was not taken, because as many as `actionsBufferMax` allows are waiting for their answers. */
export class ActionsFull extends TouchlineError {
  constructor(max: number) {
    super("actions_full", `${max} actions are waiting for their answers, and actionsBufferMax allows no more`);
  }
}
