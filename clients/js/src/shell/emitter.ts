/** Listeners by name. One that throws does not keep the others from being called. */

type Listener = (value: never) => void;

export class Emitter<L extends { [N in keyof L]: Listener }> {
  readonly #listeners = new Map<keyof L, Set<(value: unknown) => void>>();

  on<N extends keyof L>(name: N, listener: L[N]): () => void {
    const own = (value: unknown) => listener(value as never); // so that one function can be added twice
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(own));
    return () => void listeners.delete(own);
  }

  emit<N extends keyof L>(name: N, value: Parameters<L[N]>[0]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        // As if the listener had been called by the runtime itself.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
