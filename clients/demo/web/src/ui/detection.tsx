/** Live cheat detection: bots to start, how they fare, and what the rules found. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";

import { startBot } from "../live/server";
import { type Bot, botWords, countWords, type Finding, type Gauge, verdictNow, verdictWords } from "../model/detection";
import { usePage } from "./context";

const CHEATS = [
  ["fast", "taps too fast"],
  ["reflexes", "reacts instantly"],
  ["steady", "taps like clockwork"],
] as const;

const WORD_MS = 5_000; // how long it is shown why no bot was started; a second later that may be different

export function Detection(): VNode | null {
  const { detection } = usePage().site;
  if (!detection.isShown.value) return null;
  const { actions, findingCount, bots, findings } = detection;
  return (
    <section id="panel" class="panel" aria-labelledby="panel-heading">
      <header>
        <h2 id="panel-heading">Cheat detection</h2>
        <p id="panel-counts" class="panel-counts">
          {`${counted(actions.value, "action")} judged, ${counted(findingCount.value, "finding")}`}
        </p>
      </header>
      <Starts />
      {bots.value.length === 0 && (
        <p id="no-bots" class="hint">
          No bot plays. Start one to see what it does and how it is caught.
        </p>
      )}
      <ul id="bots" class="bots" tabIndex={bots.value.length > 0 ? 0 : -1} aria-label="Bots">
        {bots.value.map((bot) => (
          <BotRow key={bot.key} bot={bot} />
        ))}
      </ul>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so it must be reached by keyboard */}
      <ol id="findings" class="findings" tabIndex={0} aria-label="Findings, newest first">
        {findings.value.map((finding) => (
          <FindingRow key={finding.key} finding={finding} />
        ))}
      </ol>
    </section>
  );
}

const counted = (number: number, what: string): string =>
  `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

function Starts(): VNode {
  const { site } = usePage();
  const [word, setWord] = useState("");
  const [busy, setBusy] = useState("");
  async function start(cheat: string): Promise<void> {
    if (busy !== "") return;
    const match = site.openId.peek() ?? site.cards.peek()[0]?.id;
    setBusy(cheat);
    const said = match === undefined ? "Wait for the first match: the bot plays in it." : await startBot(cheat, match);
    setBusy("");
    setWord(said);
    window.setTimeout(() => setWord((shown) => (shown === said ? "" : shown)), WORD_MS);
  }
  return (
    <>
      <fieldset class="starts">
        <legend>Start a bot that</legend>
        {CHEATS.map(([cheat, title]) => (
          <button
            key={cheat}
            type="button"
            data-cheat={cheat}
            aria-disabled={busy === cheat}
            onClick={() => void start(cheat)}
          >
            {title}
          </button>
        ))}
      </fieldset>
      <p id="bots-word" class="word" role="status">
        {word}
      </p>
    </>
  );
}

function BotRow({ bot }: { readonly bot: Bot }): VNode {
  const { client } = usePage();
  const nowMs = client()?.serverTime ?? Date.now();
  return (
    <li>
      <b>{bot.player}</b>
      <span class="cheat">{bot.cheat}</span>
      <span class="counts">{countWords(bot)}</span>
      <span class={`chip ${verdictNow(bot, nowMs)?.kind ?? ""}`}>{botWords(bot, nowMs)}</span>
    </li>
  );
}

function FindingRow({ finding }: { readonly finding: Finding }): VNode {
  const { ts, player, rule, evidence, gauge, verdict } = finding;
  return (
    <li>
      <time dateTime={timeOf(ts)}>{timeOf(ts)}</time>
      <span class="found">
        <b>{player}</b> {`broke “${rule}”: ${evidence}`}
      </span>
      {verdict !== null && <span class={`chip ${verdict.kind}`}>{verdictWords(verdict, ts)}</span>}
      {gauge !== null && <GaugeBar gauge={gauge} />}
    </li>
  );
}

/** What was measured on a scale, beside what a person can do. */
const GaugeBar = ({ gauge }: { readonly gauge: Gauge }): VNode => (
  <span class={`gauge ${gauge.isMaximum ? "maximum" : "minimum"}`}>
    <span class="scale" aria-hidden="true">
      <span class="measured" style={{ left: `${100 * gauge.share}%` }} />
    </span>
    <span class="limit">{gauge.limit}</span>
  </span>
);

const timeOf = (ts: number): string => new Date(ts).toLocaleTimeString("en-GB");
