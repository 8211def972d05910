/** The bar at the top: the name, the bad train, figures of the connection, and its status. */

import type { VNode } from "preact";

import type { Signal } from "../live/train";
import { durationText } from "../model/latency";
import { usePage } from "./context";
import { Logo } from "./icons";
import { LatencyChart } from "./latency_chart";

export const Bar = (): VNode => (
  <header class="bar">
    <h1>
      <Logo /> Touchline
    </h1>
    <BadTrain />
    <Figures />
    <Status />
  </header>
);

const SIGNALS: readonly (readonly [Signal, string])[] = [
  ["good", "Off"],
  ["slow", "Slow"],
  ["tunnel", "Tunnel"],
];

function BadTrain(): VNode {
  const { link } = usePage().site;
  return (
    <fieldset class="train" title="Makes the network of this page slow, or cuts it. Watch how it catches up.">
      <legend>Bad train</legend>
      {SIGNALS.map(([signal, word]) => (
        <label key={signal} data-signal={signal}>
          <input
            type="radio"
            name="train"
            value={signal}
            checked={link.train.value === signal}
            onChange={() => link.ride(signal)}
          />
          <span>{word}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Figures(): VNode {
  const { link } = usePage().site;
  const { found, healed } = link.gaps.value;
  const median = link.medianMs.value;
  return (
    <dl class="figures">
      <div
        class="latency"
        title="From the event's timestamp in the log to this page: median of the last 50, and the slowest event of each second"
      >
        <dt>Latency</dt>
        <dd id="latency">{median === null ? "–" : durationText(median)}</dd>
        <dd class="chart">
          <LatencyChart />
        </dd>
      </div>
      <div class="events" title="Events received since this page was opened">
        <dt>Events</dt>
        <dd id="events">{link.events.value.toLocaleString("en")}</dd>
      </div>
      <div
        id="gaps-box"
        class={found === 0 ? "quiet" : found > healed ? "bad" : ""}
        title="How often an event showed that others before it were missing, and how often these came after all"
      >
        <dt>Gaps</dt>
        <dd id="gaps">{found === 0 ? "0" : `${found.toLocaleString("en")}, ${healed.toLocaleString("en")} healed`}</dd>
      </div>
    </dl>
  );
}

function Status(): VNode {
  const { link } = usePage().site;
  return (
    <p id="status" class="status" role="status" data-state={link.status.value.state} data-behind={link.isBehind.value}>
      {link.words.value}
    </p>
  );
}
