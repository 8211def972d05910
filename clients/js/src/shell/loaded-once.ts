/** Code that is loaded when it is needed. */

import { LoadFailed } from "../errors.js";

/** Loads something once; again only if that failed. Rejects with `LoadFailed`. */
export function loadedOnce<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | null = null;
  return () => {
    loaded ??= load().catch((error: unknown) => {
      loaded = null;
      throw new LoadFailed(error);
    });
    return loaded;
  };
}
