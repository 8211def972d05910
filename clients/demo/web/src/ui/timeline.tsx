/** The timeline of the open match: what happened in sentences, newest first. */

import type { VNode } from "preact";
import { memo } from "preact/compat";

import { sentenceOf } from "../model/sentences";
import type { KeyMoment } from "../model/stats";
import { type Side, sideOf, type Teams } from "../model/teams";
import type { Card } from "../state/card";
import type { Entry } from "../state/open_match";
import { usePage } from "./context";
import { Icon, type IconName } from "./icons";

export function Timeline({ card }: { readonly card: Card }): VNode {
  const { match } = usePage().site;
  const isKeyOnly = match.isKeyOnly.value;
  return (
    <section class="timeline" aria-labelledby="timeline-heading">
      <header>
        <h3 id="timeline-heading">Timeline</h3>
        <label class="toggle">
          <input
            id="key-only"
            type="checkbox"
            checked={isKeyOnly}
            onChange={(event) => (match.isKeyOnly.value = event.currentTarget.checked)}
          />
          key moments
        </label>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so it must be reached by keyboard */}
      <ol id="list" class="list" tabIndex={0} aria-label="Events, newest first">
        <Rows card={card} isKeyOnly={isKeyOnly} />
      </ol>
    </section>
  );
}

function Rows({ card, isKeyOnly }: { readonly card: Card; readonly isKeyOnly: boolean }): VNode {
  const { match } = usePage().site;
  const teams = card.teams.value;
  const entries = (isKeyOnly ? match.keyEntries : match.entries).value;
  const older = isKeyOnly ? match.olderMoments.value : [];
  return (
    <>
      {[...entries].reverse().map((entry) => (
        <EntryRow key={entry.offset} entry={entry} side={sideIn(teams, entry.event.team)} />
      ))}
      {[...older].reverse().map((moment, at) => (
        <OlderRow key={`older-${older.length - at}`} moment={moment} side={sideIn(teams, moment.team)} />
      ))}
    </>
  );
}

const sideIn = (teams: Teams, team: string | null): Side | "" => (team === null ? "" : sideOf(teams, team));

const EntryRow = memo(({ entry, side }: { readonly entry: Entry; readonly side: Side | "" }): VNode => {
  const { who, what } = sentenceOf(entry.event);
  return (
    <Row
      isMinor={MINOR.has(entry.event.kind)}
      moment={entry.event.moment}
      minute={entry.event.minute}
      side={side}
      who={who}
      what={what}
    />
  );
});

const WORDS: Readonly<Record<KeyMoment["kind"], string>> = {
  goal: "goal",
  card: "yellow card",
  red: "sent off",
  change: "off",
  whistle: "",
};

/** A moment from before the events that this page has. */
function OlderRow({ moment, side }: { readonly moment: KeyMoment; readonly side: Side | "" }): VNode {
  const { kind, note } = moment;
  const what = kind === "change" && note !== null ? `off, ${note} comes on` : WORDS[kind] || (note ?? "");
  return <Row moment={kind} minute={moment.minute} side={side} who={moment.player ?? moment.team ?? ""} what={what} />;
}

/** Kinds of events that say little, and come often. */
const MINOR = new Set(["Ball Receipt*", "Pressure", "Camera On", "Camera off", "Carry"]);

interface RowProps {
  readonly isMinor?: boolean;
  readonly moment: IconName | "";
  readonly minute: number | null;
  readonly side: Side | "";
  readonly who: string;
  readonly what: string;
}

const Row = ({ isMinor = false, moment, minute, side, who, what }: RowProps): VNode => (
  <li class={isMinor ? `minor ${side}` : side} data-moment={moment}>
    <span class="minute">{minute === null ? "" : `${minute}'`}</span>
    <span class="symbol">{moment !== "" && <Icon name={moment} />}</span>
    <span class="words">
      <b>{who}</b>
      {who === "" ? what : `: ${what}`}
    </span>
  </li>
);
