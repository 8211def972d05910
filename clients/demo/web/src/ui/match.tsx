/** The open match: score and clock, the pitch, its momentum, the game, and its timeline. */

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { SIDES, type Side } from "../model/teams";
import type { Card } from "../state/card";
import { Cheering } from "./cheering";
import { usePage } from "./context";
import { Icon } from "./icons";
import { Crest } from "./matches";
import { Momentum } from "./momentum";
import { teamColours, useReplay } from "./motion";
import { Pitch } from "./pitch";
import { Timeline } from "./timeline";

export function Match(): VNode | null {
  const { site } = usePage();
  const card = site.openCard.value;
  if (card === null) return null;
  return (
    <section id="detail" class="match" aria-labelledby="detail-heading" style={teamColours(card.hues.value)}>
      <div class="stage">
        <div class="front">
          <Scoreboard card={card} />
          <Pitch card={card} />
        </div>
        <Momentum card={card} />
      </div>
      <div class="side">
        <Cheering card={card} />
        <Timeline card={card} />
      </div>
    </section>
  );
}

function Scoreboard({ card }: { readonly card: Card }): VNode {
  const { site } = usePage();
  const heading = useRef<HTMLHeadingElement>(null);
  const header = useReplay<HTMLElement>("celebrated", card.celebrations.value);
  const isChosen = site.isChosen.value;
  useEffect(() => {
    if (isChosen) heading.current?.focus({ preventScroll: true });
  }, [card.id, isChosen]);
  const viewers = site.match.viewers.value;
  return (
    <header class="scoreboard" ref={header} data-scored={scorer(card)}>
      <a id="back" class="back" href="#matches" aria-label="Back to all matches">
        <Icon name="back" />
      </a>
      <h2 id="detail-heading" tabIndex={-1} ref={heading}>
        <Team card={card} side="home" />
        <Goals card={card} />
        <Team card={card} side="away" />
      </h2>
      <p class="facts">
        <span class="clock">{card.clock.value === null ? "" : `${card.clock.value.minute}'`}</span>
        <span class="period">{card.period.value?.name ?? ""}</span>
        <span id="watchers" class="watchers">
          {viewers !== null && (
            <>
              <Icon name="viewers" />
              {` ${viewers.toLocaleString("en")} watching`}
            </>
          )}
        </span>
      </p>
      <button
        id="to-panel"
        class="to-panel"
        type="button"
        onClick={() => document.getElementById("panel")?.scrollIntoView()}
      >
        Bots ↓
      </button>
    </header>
  );
}

/** The side that scored last, for the colour of the celebration. */
function scorer(card: Card): Side | undefined {
  return SIDES.find((side) => card.lastGoal.value?.team === card.teams.value[side]);
}

/** A team. Its place stays free until its name is known: a name of two lines would move what was there before. */
function Team({ card, side }: { readonly card: Card; readonly side: Side }): VNode {
  const name = card.teams.value[side];
  return (
    <span class={`name ${side}`}>
      {name !== null && (
        <>
          <Crest name={name} side={side} />
          <span>{name}</span>
        </>
      )}
    </span>
  );
}

function Goals({ card }: { readonly card: Card }): VNode {
  return (
    <span class="result">
      {" "}
      <Digit card={card} side="home" />
      <span class="dash">–</span>
      <Digit card={card} side="away" />{" "}
    </span>
  );
}

/** A number of goals that rolls when its team scores. */
function Digit({ card, side }: { readonly card: Card; readonly side: Side }): VNode {
  const digit = useReplay<HTMLSpanElement>("rolled", scorer(card) === side ? card.celebrations.value : 0);
  return (
    <span ref={digit} class="digit">
      {card.score.value?.goals[side] ?? "–"}
    </span>
  );
}
