/** Events that wait for one reader: an async iterator, with a bound that its owner watches. */

export class EventQueue<T> implements AsyncIterableIterator<T, void> {
  readonly #onRead: () => void;
  readonly #onReturn: (queue: EventQueue<T>) => void;
  #events: T[] = [];
  #readAt = 0; // events before this one have been read
  readonly #readers: { resolve: (result: IteratorResult<T, void>) => void; reject: (error: Error) => void }[] = [];
  #isOver = false;
  #error: Error | null = null;

  constructor(onRead: () => void, onReturn: (queue: EventQueue<T>) => void) {
    this.#onRead = onRead;
    this.#onReturn = onReturn;
  }

  get size(): number {
    return this.#events.length - this.#readAt;
  }

  push(event: T): void {
    this.#events.push(event);
    this.#serve();
  }

  /** Nothing follows. With an error, what waits is read first; without one it is dropped. */
  end(error: Error | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    if (error === null) this.#events.length = this.#readAt;
    this.#serve();
  }

  next(): Promise<IteratorResult<T, void>> {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#serve();
    });
  }

  /** `break` in a loop. */
  async return(): Promise<IteratorResult<T, void>> {
    this.end(null);
    this.#onReturn(this);
    return DONE;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Give the readers what there is. The error comes once, as from every iterator. */
  #serve(): void {
    while (this.size > 0 || this.#isOver) {
      const reader = this.#readers.shift();
      if (reader === undefined) return;
      if (this.size > 0) {
        reader.resolve({ done: false, value: this.#take() });
        this.#onRead();
      } else if (this.#error !== null) {
        reader.reject(this.#error);
        this.#error = null;
      } else {
        reader.resolve(DONE);
      }
    }
  }

  #take(): T {
    const event = this.#events[this.#readAt++] as T;
    if (this.#readAt * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#readAt); // seldom enough to cost little for each event
      this.#readAt = 0;
    }
    return event;
  }
}

const DONE: IteratorReturnResult<void> = { done: true, value: undefined };
