/** The scoreboard: a card for each match that is played. */

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { initialsOf, SIDES, type Side } from "../model/teams";
import type { Card } from "../state/card";
import type { Site } from "../state/site";
import { usePage } from "./context";
import { Icon } from "./icons";
import { teamColours, useReplay } from "./motion";

export function Matches(): VNode {
  const { site } = usePage();
  const cards = site.cards.value;
  useFocusAfterClosing(site);
  return (
    <section class="matches" aria-labelledby="matches-heading">
      <h2 id="matches-heading">Matches</h2>
      {site.notice.value !== "" && <p class="notice">{site.notice.value}</p>}
      {site.unknownMatch.value !== "" && (
        <p id="unknown-match" class="notice" role="status">
          {`Match ${site.unknownMatch.value} is not played now.`}
        </p>
      )}
      {cards.length === 0 && <p class="notice">Waiting for the first match…</p>}
      {cards.length > 0 && (
        <ul id="cards" class="cards">
          {cards.map((card) => (
            <li key={card.id}>
              <MatchCard card={card} />
            </li>
          ))}
        </ul>
      )}
      {cards.length > 0 && (
        <p id="hint" class="hint">
          Open a match to cheer for a team, or start a cheating bot below and see it caught.
        </p>
      )}
    </section>
  );
}

/** Closing a match that the visitor had opened leads back to its card. */
function useFocusAfterClosing(site: Site): void {
  const chosen = useRef<string | null>(null);
  const id = site.isChosen.value ? site.openId.value : null;
  useEffect(() => {
    if (id === null && chosen.current !== null) document.getElementById(`card-${chosen.current}`)?.focus();
    chosen.current = id;
  }, [id]);
}

function MatchCard({ card }: { readonly card: Card }): VNode {
  const { site } = usePage();
  const period = card.period.value;
  const classes = [
    "card",
    period?.isPlaying && "playing",
    card.isOver.value && "over",
    card.celebrations.value > 0 && "goal",
  ];
  const anchor = useReplay<HTMLAnchorElement>("celebrated", card.celebrations.value);
  return (
    <a
      ref={anchor}
      id={`card-${card.id}`}
      class={classes.filter(Boolean).join(" ")}
      href={`#${card.id}`}
      aria-current={site.openId.value === card.id ? "true" : undefined}
      style={teamColours(card.hues.value)}
    >
      <span class="card-top">
        <span class="period">{period?.name ?? "Waiting for the match"}</span>
        <span class="clock">{card.clock.value === null || card.isOver.value ? "" : `${card.clock.value.minute}'`}</span>
      </span>
      {SIDES.map((side) => (
        <TeamRow key={side} card={card} side={side} />
      ))}
      <LastGoal card={card} />
    </a>
  );
}

function TeamRow({ card, side }: { readonly card: Card; readonly side: Side }): VNode {
  const name = card.teams.value[side];
  const goals = card.score.value?.goals[side];
  return (
    <span class={`team-row ${side}`}>
      <Crest name={name} side={side} />
      <span class="team">{name}</span>
      <span class="goals">{goals}</span>
    </span>
  );
}

export const Crest = ({ name, side }: { readonly name: string | null; readonly side: Side }): VNode => (
  <span class={`crest ${side}`} data-initials={name === null ? "" : initialsOf(name)} aria-hidden="true" />
);

function LastGoal({ card }: { readonly card: Card }): VNode {
  const goal = card.lastGoal.value;
  if (goal === null) return <span class="last-goal">No goals yet</span>;
  const scorer = `${goal.player ?? goal.team ?? ""}${goal.isOwnGoal ? " (own goal)" : ""}`;
  return (
    <span class="last-goal">
      <Icon name="goal" /> <span class="scorer">{`${scorer} ${goal.minute ?? ""}'`}</span>
    </span>
  );
}
