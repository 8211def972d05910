/**
 * What a browser says about its page: shown or hidden, frozen or back, online or offline. Elsewhere nothing is said.
 *
 * A page that the browser freezes, or keeps for its back button, lets go of its connection: it could not read anyway, and
 * some browsers only keep pages without one.
 */

import type { Driver } from "./driver.js";

/** Tell the session what the page does, until the function that is returned is called. `save` what is to be kept. */
export function listenToPage(driver: Driver, save: () => void): () => void {
  const end = new AbortController();
  const on = (target: EventTarget | undefined, name: string, call: (event: Event) => void): void =>
    target?.addEventListener?.(name, call, { signal: end.signal });
  const suspend = (): void => driver.tell((session, now) => session.suspend(now));
  /** The page is back, or somebody looks at it again, or the network may be back. */
  const awake = (): void => driver.tell((session, now) => session.awake(now));
  const page = globalThis.document as Document | undefined;
  let wasOffline = false;
  on(page, "visibilitychange", () => (page?.visibilityState === "hidden" ? save() : awake()));
  on(page, "freeze", suspend);
  on(page, "resume", awake);
  on(globalThis, "pagehide", (event) => {
    save(); // the page may be gone after this
    if ((event as PageTransitionEvent).persisted) suspend();
  });
  on(globalThis, "pageshow", (event) => {
    if ((event as PageTransitionEvent).persisted) awake();
  });
  on(globalThis, "offline", () => {
    wasOffline = true;
  });
  on(globalThis, "online", () => {
    if (wasOffline) driver.tell((session, now) => session.networkChanged(now));
    else awake();
    wasOffline = false;
  });
  return () => end.abort();
}
