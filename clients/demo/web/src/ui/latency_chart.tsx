/** The last minute of latency as small columns, one per second: green is live, red is late, a dot is silence. */

import type { VNode } from "preact";

import { COLUMNS, durationText, heightOf } from "../model/latency";
import { usePage } from "./context";

const HEIGHT = 28;
const STEP = 2;
const FINE_MS = 200;
const LATE_MS = 1_500;

export function LatencyChart(): VNode {
  const { link } = usePage().site;
  const columns = link.columns.value;
  const slowest = Math.max(0, ...columns.map((ms) => ms ?? 0));
  return (
    <svg
      class="latency-chart"
      viewBox={`0 0 ${COLUMNS * STEP} ${HEIGHT}`}
      width={COLUMNS * STEP}
      height={HEIGHT}
      role="img"
      aria-label={`Latency in the last minute: at most ${durationText(slowest)}`}
    >
      {columns.map((ms, at) => {
        const height = ms === null ? 1 : Math.max(2, heightOf(ms) * HEIGHT);
        return (
          <rect key={at} x={at * STEP} y={HEIGHT - height} width={STEP - 0.5} height={height} class={classOf(ms)} />
        );
      })}
    </svg>
  );
}

function classOf(ms: number | null): string {
  if (ms === null) return "silent";
  if (ms <= FINE_MS) return "fine";
  return ms <= LATE_MS ? "slow" : "late";
}
