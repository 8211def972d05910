/**
 * A bad train: makes this client's network slow, or cuts it, so that one sees the client catch up.
 *
 * `Train.WebSocket` and `Train.fetch` are given to the client in place of the browser's. They are real connections; what
 * arrives is held back, or the connection is ended. Neither the client nor the server knows that it is on a train.
 */

import type { WebSocketConstructor, WebSocketLike } from "touchline";

export type Signal = "good" | "slow" | "tunnel";

const BYTES_PER_S = 700; // less than an ordinary match needs, so the page falls behind more and more
const DELAY_MS = 400; // one way
const CLOSED_ABNORMALLY = 1006;

export class Train {
  #signal: Signal = "good";
  #sockets = new Set<TrainSocket>();
  readonly WebSocket: WebSocketConstructor;

  constructor() {
    const train = this;
    this.WebSocket = class extends TrainSocket {
      constructor(url: string, protocols?: string | string[]) {
        super(train, url, protocols);
      }
    };
  }

  get signal(): Signal {
    return this.#signal;
  }

  /** Events that have reached this machine and are held back. */
  get heldBack(): number {
    return [...this.#sockets].reduce((sum, socket) => sum + socket.heldBack, 0);
  }

  go(signal: Signal): void {
    if (signal === this.#signal) return;
    const before = this.#signal;
    this.#signal = signal;
    for (const socket of [...this.#sockets]) signal === "tunnel" ? socket.cut() : socket.hurry();
    // The client waits longer and longer for a network that is away, and hears of its return as it would on a train.
    if (before === "tunnel") dispatchEvent(new Event("online"));
  }

  readonly fetch: typeof fetch = (...request) =>
    this.#signal === "tunnel" ? Promise.reject(new TypeError("in a tunnel")) : fetch(...request);

  /** How long something of this size takes now. */
  delayMs(bytes: number): number {
    return this.#signal === "slow" ? (bytes / BYTES_PER_S) * 1000 : 0;
  }

  add(socket: TrainSocket): void {
    this.#sockets.add(socket);
  }

  remove(socket: TrainSocket): void {
    this.#sockets.delete(socket);
  }
}

/** A message of the client on its way. */
interface Frame {
  readonly data: string | Uint8Array<ArrayBuffer>;
}

type Listener = ((event: never) => unknown) | null;

/** A WebSocket whose messages take the train's time, in order. */
class TrainSocket implements WebSocketLike {
  onopen: Listener = null;
  onmessage: Listener = null;
  onerror: Listener = null;
  onclose: Listener = null;
  #train: Train;
  #socket: WebSocket | null;
  #held: MessageEvent[] = [];
  #unsent: Frame[] = [];
  #timer = 0;

  constructor(train: Train, url: string, protocols?: string | string[]) {
    this.#train = train;
    this.#socket = train.signal === "tunnel" ? null : new WebSocket(url, protocols);
    train.add(this);
    if (this.#socket === null) window.setTimeout(() => this.cut());
    else this.#listen(this.#socket);
  }

  get binaryType(): string {
    return this.#socket?.binaryType ?? "blob";
  }

  set binaryType(type: string) {
    if (this.#socket !== null) this.#socket.binaryType = type as BinaryType;
  }

  get protocol(): string {
    return this.#socket?.protocol ?? "";
  }

  get heldBack(): number {
    return this.#held.length;
  }

  send(data: Frame["data"]): void {
    const frame = { data };
    this.#unsent.push(frame);
    if (this.#train.signal === "slow") window.setTimeout(() => this.#sendThrough(frame), DELAY_MS);
    else this.#sendThrough(frame);
  }

  close(code?: number, reason?: string): void {
    this.#sendThrough(this.#unsent.at(-1));
    this.#leave();
    this.#socket?.close(code, reason);
  }

  /** The network is gone: the connection ends, as the browser reports it. */
  cut(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#leave();
    this.#report(this.onclose, new CloseEvent("close", { code: CLOSED_ABNORMALLY }));
  }

  /** The signal has changed: what is held back waits no longer than it has to now. */
  hurry(): void {
    if (this.#train.signal === "good") this.#sendThrough(this.#unsent.at(-1));
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#next();
  }

  /** Send a frame, after all before it. One that an earlier change of the signal has sent is not sent again. */
  #sendThrough(frame: Frame | undefined): void {
    const due = this.#unsent.splice(0, frame === undefined ? 0 : this.#unsent.indexOf(frame) + 1);
    for (const { data } of due) if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(data);
  }

  #listen(socket: WebSocket): void {
    const pass = (report: () => void) => () => this.#socket === socket && report();
    socket.onopen = (event) => pass(() => this.#report(this.onopen, event))();
    socket.onerror = (event) => pass(() => this.#report(this.onerror, event))();
    socket.onclose = (event) => {
      this.#leave();
      pass(() => this.#report(this.onclose, event))();
    };
    socket.onmessage = (event) => pass(() => this.#hold(event))();
  }

  #hold(event: MessageEvent): void {
    this.#held.push(event);
    if (this.#timer === 0) this.#next();
  }

  #next(): void {
    while (this.#held[0] !== undefined) {
      const [event] = this.#held;
      const delayMs = this.#train.delayMs(sizeOf(event.data));
      if (delayMs > 0) {
        this.#timer = window.setTimeout(() => {
          this.#timer = 0;
          this.#held.shift();
          this.#report(this.onmessage, event);
          this.#next();
        }, delayMs);
        return;
      }
      this.#held.shift();
      this.#report(this.onmessage, event);
    }
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#held = [];
    this.#unsent = [];
    this.#train.remove(this);
  }

  #report(listener: Listener, event: Event): void {
    (listener as ((event: Event) => unknown) | null)?.(event);
  }
}

const sizeOf = (data: unknown): number => (typeof data === "string" ? data.length : (data as ArrayBuffer).byteLength);
