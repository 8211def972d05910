/**
 * The page's actions on their way to the log: each is numbered, sent, sent again if needed, and answered once.
 * The rules are in "Acting" in protocol/README.md. Knows no socket: `send` is passed in and does not report success.
 *
 * An action is kept until it is answered. Its `prev` is the newest action before it that was not refused, so a server
 * that never received the refused ones sees no gap. The server accepts nothing behind a missing id, so an action is sent
 * again before all later ones: alone first, then twice as many with each answer. Actions keep the server's pace.
 */

const KEPT_MAX = 20; // two seconds of quick tapping; more would be a surprise when the connection is back
const WINDOW_MAX = 16; // unanswered at the same time; the server may allow fewer
const RESEND_MS_MAX = 300_000; // after the first attempt; later nobody can tell a duplicate in the log
const REST_MS = 1_000; // if a nack does not say how long to wait
const REST_MS_MAX = 60_000; // a server's mistake must not silence a player for longer
const FREE_CODES = new Set(["id_gap", "rate_limited", "too_many_unacked", "log_unavailable", "token_expired"]);

const now = () => performance.now();

/** An action that is not in the log, or may not be. `code` is that of the nack, or one of those below. */
export class ActionError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code; // "token_missing", "full", "in_doubt", "closed", or a nack's code
  }
}

/** When the next action may be sent: some at once, then one per interval, as "Pace" in protocol/README.md says. */
class Pace {
  #intervalMs = 0;
  #aheadMs = 0; // how far the actions that were sent may be ahead of an even pace
  #evenMs = -Infinity; // when the next action would be due at an even pace

  begin({ action_interval_ms: intervalMs = 0, actions_burst: burst = 0 }) {
    this.#intervalMs = intervalMs;
    this.#aheadMs = intervalMs * Math.max(burst - 2, 0);
    this.#evenMs = -Infinity;
  }

  get waitMs() {
    return this.#evenMs - this.#aheadMs - now();
  }

  take() {
    this.#evenMs = Math.max(this.#evenMs, now()) + this.#intervalMs;
  }

  /** The server says that it was too early: one action after `ms`, others one interval apart. */
  hold(ms) {
    this.#evenMs = now() + ms + this.#aheadMs;
  }
}

export class Outbox {
  #send;
  #kept = []; // in order; those with an id come before those without
  #idNext = 1;
  #newest = 0; // the newest id that was assigned and not refused
  #sendFrom = 0; // send from this id on, again or for the first time; those before it are on their way
  #onTheirWayMax = Infinity; // few after the server has said "later"
  #pace = new Pace();
  #window = null; // null: no connection has been welcomed
  #player = null;
  #restTimer = 0;
  #endCode = null; // why no action is accepted any more

  constructor(send) {
    this.#send = send;
  }

  /** Act. Resolves once the action is in the log; rejects with an `ActionError`. */
  add(action) {
    if (this.#endCode) return Promise.reject(new ActionError(this.#endCode, "the connection is closed for good"));
    if (this.#window === 0) return Promise.reject(new ActionError("token_missing", "this page can only watch"));
    if (this.#kept.length >= KEPT_MAX) return Promise.reject(new ActionError("full", "too many actions are waiting for an answer"));
    return new Promise((resolve, reject) => {
      this.#kept.push({ action, id: null, prev: 0, firstMs: null, sendings: 0, resolve, reject });
      this.#flush();
    });
  }

  /** A connection was welcomed: send unanswered actions again on it. */
  welcome({ player = null, limits }) {
    if (player !== this.#player) this.#forgetSent();
    this.#player = player;
    this.#window = player === null ? 0 : Math.min(WINDOW_MAX, limits.actions_window ?? 0);
    this.#sendFrom = 0;
    this.#pace.begin(limits);
    this.#rest(0);
    if (this.#window === 0) this.#rejectAll("token_missing", "this page can only watch");
    this.#flush();
  }

  /** The connection was lost. Unanswered actions are kept for the next one. */
  lost() {
    this.#window = null;
    this.#rest(0);
  }

  /** There will be no further connection. */
  end(message) {
    this.#endCode = "closed";
    this.#rejectAll("closed", message);
  }

  ack({ id }) {
    const entry = this.#take(id);
    if (!entry) return;
    entry.resolve(id);
    this.#onTheirWayMax *= 2;
    this.#flush();
  }

  nack({ id, code, message, retry_ms: retryMs }) {
    const entry = this.#kept.find((one) => one.id === id);
    if (!entry) return;
    if (FREE_CODES.has(code) || retryMs !== undefined) {
      this.#goBack(id, code, Math.min(Math.max(retryMs ?? REST_MS, 0), REST_MS_MAX));
    } else if (code === "duplicate_id" && entry.sendings > 1) {
      this.ack({ id });
    } else {
      this.#refuse(entry, new ActionError(code, message));
      this.#onTheirWayMax *= 2;
      this.#flush();
    }
  }

  #goBack(id, code, ms) {
    if (id >= this.#sendFrom) return; // it will be sent again anyway, behind another one
    this.#sendFrom = code === "id_gap" ? this.#kept[0].id : id;
    this.#onTheirWayMax = 1;
    if (code === "rate_limited") this.#pace.hold(ms);
    else ms *= 1 + Math.random() / 4; // all clients were refused together when the log went away
    this.#rest(ms);
  }

  /** Send nothing for `ms`, then what is due. A new rest replaces the one before. */
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
    const isSent = ({ id }) => id !== null && id < this.#sendFrom;
    for (const entry of this.#kept.filter((one) => !isSent(one))) {
      if (this.#kept.filter(isSent).length >= this.#onTheirWayMax) return;
      if (entry.id === null && !this.#hasRoom) return;
      const waitMs = this.#pace.waitMs;
      if (waitMs > 0) return this.#rest(Math.ceil(waitMs));
      this.#pace.take();
      if (entry.id === null) this.#number(entry);
      this.#sendFrom = entry.id + 1;
      this.#sendOne(entry);
    }
  }

  get #hasRoom() {
    const lowest = this.#kept[0].id ?? this.#idNext;
    return this.#idNext - lowest < this.#window;
  }

  #number(entry) {
    Object.assign(entry, { id: this.#idNext, prev: this.#newest, firstMs: now() });
    this.#newest = this.#idNext;
    this.#idNext += 1;
  }

  #sendOne(entry) {
    const { id, prev, action } = entry;
    entry.sendings += 1;
    this.#send({ type: "action", id, ...action, ...(prev === id - 1 ? {} : { prev }) });
  }

  /** An action sent too long ago may be in the log or not: do not send it again, and treat it as refused. */
  #giveUpOld() {
    const isOld = ({ id, firstMs }) => id !== null && id >= this.#sendFrom && now() - firstMs > RESEND_MS_MAX;
    for (const entry of this.#kept.filter(isOld)) this.#refuse(entry, inDoubt());
  }

  /** The page continues as another player: do not send the old player's actions again in the new one's name. */
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

const inDoubt = () => new ActionError("in_doubt", "the action may or may not be in the log");
