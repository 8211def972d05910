/**
 * What the page does, on its way into the log: numbered, sent, sent again where it has to be, and answered once.
 * "Acting" in protocol/README.md has the rules. Knows no socket: `send` is handed in, and says nothing of success.
 *
 * An action is kept until it is answered. Each knows `prev`, the newest one before it that was not refused, so that a
 * server that did not hear of the refused ones sees no gap. What is sent again is sent with all that came after it, in
 * order: as long as an id is missing nothing behind it is taken.
 */

const KEPT_MAX = 20; // two seconds of quick tapping: more would be a surprise when the connection is back
const WINDOW_MAX = 16; // on their way at once, or fewer where the server says so
const RESEND_MS_MAX = 300_000; // from the first sending on: later nobody remembers whether it is in the log
const REST_MS = 1_000; // where a nack does not say how long
const REST_MS_MAX = 60_000; // a server's mistake must not silence a player for long
const FREE_CODES = new Set(["id_gap", "rate_limited", "too_many_unacked", "log_unavailable", "token_expired"]);

const now = () => performance.now();

/** An action that is not in the log, or of which nobody can tell. `code` is a nack's, or one of those below. */
export class ActionError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code; // "token_missing", "full", "in_doubt", "closed", or of the table of nacks
  }
}

export class Outbox {
  #send;
  #kept = []; // in order; those with an id are before those without
  #idNext = 1;
  #newest = 0; // the newest id that was given and not refused
  #sendFrom = Infinity; // from this id on they are to be sent, again or first
  #window = null; // null: there is no connection that was greeted
  #player = null;
  #restTimer = 0;
  #endCode = null; // why nothing is taken any more

  constructor(send) {
    this.#send = send;
  }

  /** Do something; resolves once it is in the log, and rejects with an `ActionError`. */
  add(action) {
    if (this.#endCode) return Promise.reject(new ActionError(this.#endCode, "nothing can be done any more"));
    if (this.#window === 0) return Promise.reject(new ActionError("token_missing", "this page may only watch"));
    if (this.#kept.length >= KEPT_MAX) return Promise.reject(new ActionError("full", "too much waits for an answer"));
    return new Promise((resolve, reject) => {
      this.#kept.push({ action, id: null, prev: 0, firstMs: null, sendings: 0, resolve, reject });
      this.#flush();
    });
  }

  /** A connection was greeted: what is not answered is sent again on it. */
  welcome({ player = null, limits }) {
    if (player !== this.#player) this.#forgetSent();
    this.#player = player;
    this.#window = player === null ? 0 : Math.min(WINDOW_MAX, limits.actions_window ?? 0);
    this.#sendFrom = 0;
    this.#rest(0);
    if (this.#window === 0) this.#rejectAll("token_missing", "this page may only watch");
    this.#flush();
  }

  /** The connection is lost; what is not answered is kept for the next one. */
  lost() {
    this.#window = null;
    this.#rest(0);
  }

  /** There will be no other connection. */
  end(message) {
    this.#endCode = "closed";
    this.#rejectAll("closed", message);
  }

  ack({ id }) {
    const entry = this.#take(id);
    if (!entry) return;
    entry.resolve(id);
    this.#flush();
  }

  nack({ id, code, message, retry_ms: retryMs }) {
    const entry = this.#kept.find((one) => one.id === id);
    if (!entry) return;
    if (FREE_CODES.has(code) || retryMs !== undefined) {
      this.#goBack(id, retryMs ?? REST_MS);
    } else if (code === "duplicate_id" && entry.sendings > 1) {
      this.ack({ id });
    } else {
      this.#refuse(entry, new ActionError(code, message));
      this.#flush();
    }
  }

  #goBack(id, ms) {
    this.#sendFrom = Math.min(this.#sendFrom, id);
    this.#rest(Math.min(Math.max(ms, 0), REST_MS_MAX));
  }

  /** Send nothing for so long, then what is due. Of two rests the newer one counts. */
  #rest(ms) {
    clearTimeout(this.#restTimer);
    this.#restTimer = 0;
    if (ms > 0) {
      this.#restTimer = setTimeout(() => {
        this.#restTimer = 0;
        this.#flush();
      }, ms);
    }
  }

  #flush() {
    if (!this.#window || this.#restTimer) return;
    this.#giveUpOld();
    for (const entry of [...this.#kept]) {
      if (entry.id === null) this.#number(entry);
      if (entry.id === null) break; // the window is full
      if (entry.id >= this.#sendFrom || entry.sendings === 0) this.#sendOne(entry);
    }
    this.#sendFrom = Infinity;
  }

  #number(entry) {
    const lowest = this.#kept[0].id ?? this.#idNext;
    if (this.#idNext - lowest >= this.#window) return;
    Object.assign(entry, { id: this.#idNext, prev: this.#newest, firstMs: now() });
    this.#newest = this.#idNext;
    this.#idNext += 1;
  }

  #sendOne(entry) {
    const { id, prev, action } = entry;
    entry.sendings += 1;
    this.#send({ type: "action", id, ...action, ...(prev === id - 1 ? {} : { prev }) });
  }

  /** What was sent first too long ago is in the log or not: it is not sent again, and passed over as a refused one. */
  #giveUpOld() {
    const isOld = ({ id, firstMs }) => id !== null && id >= this.#sendFrom && now() - firstMs > RESEND_MS_MAX;
    for (const entry of this.#kept.filter(isOld)) this.#refuse(entry, inDoubt());
  }

  /** Another player goes on: what the one before sent is not sent again in the new one's name. */
  #forgetSent() {
    for (const entry of this.#kept.filter(({ id }) => id !== null)) this.#refuse(entry, inDoubt());
  }

  #refuse(entry, error) {
    this.#take(entry.id);
    const behind = this.#kept.find(({ prev, id }) => id !== null && prev === entry.id);
    if (behind) behind.prev = entry.prev;
    if (this.#newest === entry.id) this.#newest = entry.prev;
    entry.reject(error);
  }

  #take(id) {
    const at = this.#kept.findIndex((entry) => entry.id === id);
    return at < 0 ? null : this.#kept.splice(at, 1)[0];
  }

  #rejectAll(code, message) {
    for (const entry of this.#kept.splice(0)) entry.reject(new ActionError(code, message));
  }
}

const inDoubt = () => new ActionError("in_doubt", "nobody can tell whether it was done");
