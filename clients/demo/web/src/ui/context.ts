/** How components find what they show, and what they can ask for. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Client } from "../live/client";
import type { Site } from "../state/site";

export interface Page {
  readonly site: Site;
  /** Null until the server has said where its edge is. */
  readonly client: () => Client | null;
}

export const PageContext = createContext<Page | null>(null);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === null) throw new Error("a component is outside of the page");
  return page;
}
