/** Promises of a status that is to come. */

/**
 * Resolves with `value` once `isReached`, which is asked now and whenever the listener is called that `listen` gets.
 * Rejects with what it throws. `listen` returns what ends it.
 */
export function settled<T>(
  listen: (listener: () => void) => () => void,
  value: T,
  isReached: () => boolean,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      try {
        if (!isReached()) return;
        resolve(value);
      } catch (error) {
        reject(error);
      }
      stop();
    };
    const stop = listen(look);
    look();
  });
}
