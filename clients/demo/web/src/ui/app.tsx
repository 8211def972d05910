/** The page as a whole. */

import type { VNode } from "preact";

import { durationText } from "../model/latency";
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
