/**
 * The title of the page has the score, so that one sees a goal from another tab. It is set at once: a page that is not
 * seen is not drawn.
 */

import { effect } from "@preact/signals";

import type { Site } from "../state/site";

export function keepTitle(site: Site): void {
  effect(() => {
    const score = site.openCard.value?.score.value;
    const words = score ? `${score.teams.home} ${score.goals.home}–${score.goals.away} ${score.teams.away} · ` : "";
    document.title = `${words}Touchline: live matches`;
  });
}
