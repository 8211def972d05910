/** The page as a whole. */

import type { VNode } from "preact";
import { useEffect } from "preact/hooks";

import { durationText } from "../model/latency";
import type { Card } from "../state/card";
import { Bar } from "./bar";
import { type Page, PageContext, usePage } from "./context";
import { Detection } from "./detection";
import { Match } from "./match";
import { Matches } from "./matches";

export const App = ({ page }: { readonly page: Page }): VNode => (
  <PageContext.Provider value={page}>
    <Bar />
    <Main />
    <Footer />
    <CaughtUp />
    <Announcer />
    <Title />
  </PageContext.Provider>
);

function Main(): VNode {
  const { site } = usePage();
  const classes = [site.isChosen.value && "chosen", site.cards.value.length === 1 && "one"].filter(Boolean);
  return (
    <main id="main" class={classes.join(" ")} data-connection={site.link.status.value.state}>
      <Matches />
      <Match />
      <Detection />
    </main>
  );
}

const Footer = (): VNode => (
  <footer>
    <p>Every event arrives exactly once, in the order of the log. So does every cheer.</p>
    <p id="attribution">{usePage().site.attribution.value}</p>
  </footer>
);

/** After a tunnel: how much was missed, and that all of it came. */
function CaughtUp(): VNode {
  const { link } = usePage().site;
  const caughtUp = link.caughtUp.value;
  return (
    <div class="toasts" role="status">
      {caughtUp !== null && (
        <p id="caught-up" class="toast">
          <b>{`Caught up on ${caughtUp.events.toLocaleString("en")} event${caughtUp.events === 1 ? "" : "s"}`}</b>
          {` in ${durationText(caughtUp.ms)}, in order, none missing`}
        </p>
      )}
    </div>
  );
}

const Announcer = (): VNode => (
  <div id="announcer" class="hidden" aria-live="polite">
    {usePage().site.announcement.value}
  </div>
);

/** The tab shows the score, so that one sees a goal from another tab. */
function Title(): null {
  const { site } = usePage();
  const card = site.openCard.value;
  const title = card === null ? "" : titleOf(card);
  useEffect(() => {
    document.title = title === "" ? "Touchline: live matches" : `${title} · Touchline`;
  }, [title]);
  return null;
}

function titleOf(card: Card): string {
  const score = card.score.value;
  return score === null ? "" : `${score.teams.home} ${score.goals.home}–${score.goals.away} ${score.teams.away}`;
}
