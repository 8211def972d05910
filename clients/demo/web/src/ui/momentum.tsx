/** The momentum chart: who pressed in each minute, and the key moments at their minutes; below it, the match in numbers. */

import type { VNode } from "preact";

import { type Bar, type Comparison, type KeyMoment, momentumSentence, type Period, sideOfMoment } from "../model/stats";
import type { Card } from "../state/card";
import { usePage } from "./context";
import { Icon } from "./icons";

const HALF_MINUTES = 48; // room for a half with its usual added time; a longer one gets narrower bars
const EXTRA_MINUTES = 16;
const GAP = 2; // minutes between two periods
const HEIGHT = 40; // of the bars of one team
const PINNED: ReadonlySet<string> = new Set(["goal", "card", "red"]);

/** A period's place on the chart, in minutes from its left edge. */
interface Slot {
  readonly number: number;
  readonly start: number;
  readonly length: number;
  readonly bars: readonly Bar[];
  readonly firstMinute: number;
}

function slotsOf(periods: readonly Period[]): Slot[] {
  const numbers = Math.max(2, ...periods.map((period) => period.number));
  let start = 0;
  return Array.from({ length: Math.min(numbers, 4) }, (_, at) => {
    const period = periods.find(({ number }) => number === at + 1);
    const length = Math.max(at < 2 ? HALF_MINUTES : EXTRA_MINUTES, period?.bars.length ?? 0);
    const slot = { number: at + 1, start, length, bars: period?.bars ?? [], firstMinute: [0, 45, 90, 105][at] ?? 0 };
    start += length + GAP;
    return slot;
  });
}

export function Momentum({ card }: { readonly card: Card }): VNode {
  const { match } = usePage().site;
  const periods = match.periods.value;
  const slots = slotsOf(periods);
  const last = slots[slots.length - 1];
  const length = last === undefined ? 1 : last.start + last.length;
  return (
    <section class="momentum" aria-labelledby="momentum-heading">
      <h3 id="momentum-heading">Momentum</h3>
      <div class="momentum-chart" role="img" aria-label={momentumSentence(periods, card.teams.value)}>
        <svg viewBox={`0 ${-HEIGHT} ${length} ${2 * HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          {slots.map((slot) => (
            <PeriodBars key={slot.number} slot={slot} />
          ))}
        </svg>
        <Pins slots={slots} length={length} moments={match.moments.value} card={card} />
        <Axis slots={slots} length={length} />
      </div>
      <Comparisons comparisons={match.comparisons.value} />
    </section>
  );
}

const PeriodBars = ({ slot }: { readonly slot: Slot }): VNode => (
  <g>
    <rect class="base" x={slot.start} y={-0.4} width={slot.length} height={0.8} />
    {slot.bars.map(({ minute, value }, at) => {
      const height = Math.max(1.5, Math.abs(value) * HEIGHT);
      const side = value >= 0 ? "home" : "away";
      return (
        <rect
          key={minute}
          class={side}
          x={slot.start + at + 0.14}
          y={value >= 0 ? -height : 0}
          width={0.72}
          height={height}
        />
      );
    })}
  </g>
);

interface PinsProps {
  readonly slots: readonly Slot[];
  readonly length: number;
  readonly moments: readonly KeyMoment[];
  readonly card: Card;
}

function Pins({ slots, length, moments, card }: PinsProps): VNode {
  const pins = moments.flatMap((moment) => {
    const slot = slots.find(({ number }) => number === moment.period);
    const side = sideOfMoment(moment, card.teams.value);
    if (slot === undefined || side === null || !PINNED.has(moment.kind)) return [];
    const at = slot.start + Math.min(slot.length - 1, Math.max(0, moment.minute - slot.firstMinute)) + 0.5;
    return [{ moment, side, left: `${(100 * at) / length}%` }];
  });
  return (
    <>
      {pins.map(({ moment, side, left }, at) => (
        <span key={at} class={`pin ${side}`} data-kind={moment.kind} style={{ left }} title={pinTitle(moment)}>
          <Icon name={moment.kind} />
        </span>
      ))}
    </>
  );
}

const pinTitle = ({ minute, player, team, note }: KeyMoment): string =>
  `${minute}' ${[player ?? team, note].filter(Boolean).join(", ")}`;

const Axis = ({ slots, length }: { readonly slots: readonly Slot[]; readonly length: number }): VNode => (
  <div class="axis" aria-hidden="true">
    {slots.flatMap(({ start, firstMinute, number }) =>
      (number < 3 ? [0, 15, 30] : [0]).map((minute) => (
        <span key={firstMinute + minute} style={{ left: `${(100 * (start + minute)) / length}%` }}>
          {`${firstMinute + minute}'`}
        </span>
      )),
    )}
  </div>
);

const Comparisons = ({ comparisons }: { readonly comparisons: readonly Comparison[] }): VNode => (
  <dl class="comparisons">
    {comparisons.map(({ name, home, away }) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd class="home">{home}</dd>
        <dd class="away">{away}</dd>
        <dd class="split" style={{ "--share": home + away === 0 ? 0.5 : home / (home + away) }} aria-hidden="true" />
      </div>
    ))}
  </dl>
);
