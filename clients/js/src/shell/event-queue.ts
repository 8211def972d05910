/** Events that wait for one reader: an async iterator, with a bound that its owner watches. */

export class EventQueue<T> implements AsyncIterableIterator<T, void> {
  readonly #onRead: () => void;
  readonly #onReturn: (queue: EventQueue<T>) => void;
  #events: T[] = [];
  #readAt = 0; // events before this one have been read
  #readers: { resolve: (result: IteratorResult<T, void>) => void; reject: (error: Error) => void }[] = [];
  #end: { error: Error | null } | null = null;

  constructor(onRead: () => void, onReturn: (queue: EventQueue<T>) => void) {
    this.#onRead = onRead;
    this.#onReturn = onReturn;
  }

  get size(): number {
    return this.#events.length - this.#readAt;
  }

  push(event: T): void {
    if (this.#end !== null) return;
    const reader = this.#readers.shift();
    if (reader === undefined) this.#events.push(event);
    else reader.resolve({ done: false, value: event });
  }

  /** Nothing follows. With an error, what waits is read first; without one it is dropped. */
  end(error: Error | null): void {
    if (this.#end !== null) return;
    if (error === null) this.#events = [];
    this.#end = { error };
    for (const { resolve, reject } of this.#readers.splice(0)) {
      if (error === null) resolve(DONE);
      else reject(error);
    }
  }

  next(): Promise<IteratorResult<T, void>> {
    if (this.size > 0) {
      const value = this.#events[this.#readAt++] as T;
      if (this.#readAt * 2 > this.#events.length) {
        this.#events = this.#events.slice(this.#readAt); // seldom enough to cost little for each event
        this.#readAt = 0;
      }
      this.#onRead();
      return Promise.resolve({ done: false, value });
    }
    if (this.#end === null) return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    const { error } = this.#end;
    this.#end = { error: null }; // an iterator throws once
    return error === null ? Promise.resolve(DONE) : Promise.reject(error);
  }

  /** `break` in a loop. */
  return(): Promise<IteratorResult<T, void>> {
    this.end(null);
    this.#onReturn(this);
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

const DONE: IteratorReturnResult<void> = { done: true, value: undefined };
