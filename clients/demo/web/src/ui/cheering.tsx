/** The game: cheer for a team with everybody else, join the waves, and see each tap acknowledged. */

import type { VNode } from "preact";

import { durationText } from "../model/latency";
import type { Side } from "../model/teams";
import type { Card } from "../state/card";
import type { Tap } from "../state/game";
import { usePage } from "./context";
import { Icon } from "./icons";
import { useReplay } from "./motion";

export function Cheering({ card }: { readonly card: Card }): VNode {
  const { game } = usePage().site;
  const { home, away } = game.cheers.value;
  return (
    <section id="game" class="game" aria-labelledby="game-heading" data-verdict={game.verdict.value?.kind ?? ""}>
      <h3 id="game-heading">Cheer with everybody else</h3>
      <div class="cheers">
        <CheerButton card={card} side="home" />
        <WaveButton card={card} />
        <CheerButton card={card} side="away" />
      </div>
      <div class="tug" style={{ "--share": home + away === 0 ? 0.5 : home / (home + away) }} aria-hidden="true" />
      <p id="word" class="word" role="status">
        {game.word.value}
      </p>
      <Acknowledgements />
    </section>
  );
}

/** Buttons without effect are marked as disabled, but stay enabled: disabling one would take the focus from it. */
function CheerButton({ card, side }: { readonly card: Card; readonly side: Side }): VNode {
  const { site, client } = usePage();
  const team = card.teams.value[side];
  const isEnabled = site.game.canPlay.value;
  return (
    <button
      id={`cheer-${side}`}
      class={`cheer ${side}`}
      type="button"
      aria-disabled={!isEnabled}
      onClick={() => site.game.canPlay.peek() && client()?.cheer(card.id, side)}
    >
      <span class="hidden">Cheer for </span>
      {team !== null && (
        <>
          <span class="cheer-team">{team}</span>
          <span class="cheer-count">{site.game.cheers.value[side].toLocaleString("en")}</span>
        </>
      )}
      <span class="taps" aria-hidden="true">
        {site.game.taps.value
          .filter((tap) => tap.side === side)
          .map((tap) => (
            <FlyingTap key={tap.id} tap={tap} />
          ))}
      </span>
    </button>
  );
}

/** A tap that rises from its button: hollow while it is on its way, filled once the log has it. */
function FlyingTap({ tap }: { readonly tap: Tap }): VNode {
  const { game } = usePage().site;
  return (
    <span class={`tap ${tap.state}`} style={{ "--lean": (tap.id % 5) - 2 }} onAnimationEnd={() => game.forget(tap.id)}>
      {tap.state === "refused" ? "✕" : <Icon name="check" />}
    </span>
  );
}

function WaveButton({ card }: { readonly card: Card }): VNode {
  const { site, client } = usePage();
  const { game } = site;
  const wave = game.wave.value;
  const canJoin = game.canJoin.value;
  const button = useReplay<HTMLButtonElement>("rolling", wave?.offset ?? -1);
  /** A second tap can come before the first one has changed what is drawn. */
  function join(): void {
    const rolling = game.wave.peek();
    if (rolling === null || !game.canJoin.peek()) return;
    game.endWave();
    client()?.joinWave(card.id, rolling.offset);
    game.say("You are in the wave!");
  }
  return (
    <button
      ref={button}
      id="wave"
      class={canJoin ? "wave open" : "wave"}
      type="button"
      aria-disabled={!canJoin}
      style={{ "--wave-ms": `${wave?.ms ?? 0}ms` }}
      onClick={join}
    >
      <span class="wave-word">
        <span>Wave</span>
        <span>Join in!</span>
      </span>
      <span class="wave-count">{game.joined.value > 0 ? `${game.joined.value.toLocaleString("en")} joined` : ""}</span>
    </button>
  );
}

function Acknowledgements(): VNode {
  const { sent, acknowledged, refused, lastMs } = usePage().site.game.tally.value;
  const waiting = sent - acknowledged - refused;
  const counted = [
    `${acknowledged} of ${sent} acknowledged`,
    lastMs === null ? "" : `the last in ${durationText(lastMs)}`,
    waiting > 0 ? `${waiting} on the way` : "",
    refused > 0 ? `${refused} refused` : "",
  ];
  return (
    <p id="acks" class="acks" data-waiting={waiting}>
      {sent === 0 ? "Each tap is acknowledged once it is in the log." : counted.filter(Boolean).join(", ")}
    </p>
  );
}
