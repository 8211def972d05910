/**
 * What a browser says about its page: shown or hidden, frozen or back, online or offline. Elsewhere nothing is said.
 *
 * A page that the browser freezes, or keeps for its back button, lets go of its connection: it could not read anyway, and
 * some browsers only keep pages without one.
 */

export interface PageListener {
  /** The page may be gone after this: save what is to be saved. */
  hidden(): void;
  suspended(): void;
  /** The page is back, or somebody looks at it again, or the network may be back. */
  awake(): void;
  networkChanged(): void;
}

/** Call `listener`, until the function that is returned is called. */
export function listenToPage(listener: PageListener): () => void {
  const end = new AbortController();
  const on = (target: EventTarget | undefined, name: string, call: (event: Event) => void): void =>
    target?.addEventListener?.(name, call, { signal: end.signal });
  const page = globalThis.document as Document | undefined;
  let wasOffline = false;
  on(page, "visibilitychange", () => (page?.visibilityState === "hidden" ? listener.hidden() : listener.awake()));
  on(page, "freeze", () => listener.suspended());
  on(page, "resume", () => listener.awake());
  on(globalThis, "pagehide", (event) => {
    listener.hidden();
    if ((event as PageTransitionEvent).persisted) listener.suspended();
  });
  on(globalThis, "pageshow", (event) => {
    if ((event as PageTransitionEvent).persisted) listener.awake();
  });
  on(globalThis, "offline", () => {
    wasOffline = true;
  });
  on(globalThis, "online", () => {
    if (wasOffline) listener.networkChanged();
    else listener.awake();
    wasOffline = false;
  });
  return () => end.abort();
}
