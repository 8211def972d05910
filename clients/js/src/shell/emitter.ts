/** Listeners by name. One that throws does not keep the others from being called. */

import { isFunction, mustBe } from "../checks.js";

type Listener = (value: never) => void;

export class Emitter<L extends { [N in keyof L]: Listener }> {
  readonly #listeners = new Set<[name: keyof L, listener: Listener]>();

  on<N extends keyof L>(name: N, listener: L[N]): () => void {
    mustBe(isFunction(listener), String(name), listener);
    const own: [keyof L, Listener] = [name, listener]; // one function can be added twice
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  emit<N extends keyof L>(name: N, value: Parameters<L[N]>[0]): void {
    for (const [own, listener] of [...this.#listeners]) {
      try {
        if (own === name) listener(value as never);
      } catch (error) {
        // As if the listener had been called by the runtime itself.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
