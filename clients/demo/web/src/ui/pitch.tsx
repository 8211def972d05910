/**
 * The pitch, drawn to scale in yards: 120 by 80, with the markings of the Laws of the Game. The home team plays to the
 * right. The newest actions fade as they get older, and the ball flies along them.
 */

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { type Action, LENGTH, WIDTH } from "../model/ball";
import { sentenceOf } from "../model/sentences";
import type { Card } from "../state/card";
import { usePage } from "./context";
import { isStill } from "./motion";

const MARGIN = { x: 3, y: 6 }; // room for the goals, and for a line of words

export function Pitch({ card }: { readonly card: Card }): VNode {
  const { home, away } = card.teams.value;
  return (
    <div class="ground">
      <Drawing />
      <p class="direction" aria-hidden="true">
        <span class="home">
          <span class="team">{home}</span>
          {home !== null && "→"}
        </span>
        <span class="away">
          {away !== null && "←"}
          <span class="team">{away}</span>
        </span>
      </p>
      <Caption card={card} />
    </div>
  );
}

/** What the newest action is, for those who watch the ball and not the timeline. */
function Caption({ card }: { readonly card: Card }): VNode {
  const newest = usePage().site.match.actions.value.at(-1);
  const sentence = newest && sentenceOf(newest.event);
  return (
    <p class={`caption ${newest?.side ?? ""}`} aria-hidden="true" data-live={card.period.value?.isPlaying ?? false}>
      {sentence && (
        <>
          <b>{sentence.who}</b> {sentence.what}
        </>
      )}
    </p>
  );
}

const VIEW = `${-MARGIN.x} ${-MARGIN.y} ${LENGTH + 2 * MARGIN.x} ${WIDTH + 2 * MARGIN.y}`;

/** Two layers: the pitch is painted once, and only what moves is painted again. */
const Drawing = (): VNode => (
  <>
    <svg
      id="pitch"
      class="pitch"
      viewBox={VIEW}
      role="img"
      aria-label="The pitch: where the newest actions happened, and the ball"
    >
      <Grass />
      <Lines />
    </svg>
    <svg class="play" viewBox={VIEW} aria-hidden="true">
      <Actions />
      <BallMark />
    </svg>
  </>
);

const STRIPES = 10;

const Grass = (): VNode => (
  <g class="grass">
    {Array.from({ length: STRIPES }, (_, at) => (
      <rect key={at} x={(at * LENGTH) / STRIPES} y={0} width={LENGTH / STRIPES} height={WIDTH} />
    ))}
  </g>
);

/** Distances in yards: law 1. */
const PENALTY_AREA = { deep: 18, wide: 44 };
const GOAL_AREA = { deep: 6, wide: 20 };
const GOAL = { deep: 1.6, wide: 8 };
const SPOT = 12;
const CIRCLE = 10;
const CORNER = 1;
const ARC_Y = 8; // where the arc of 10 yards around the spot meets the penalty area's line, 6 yards away

const box = ({ deep, wide }: { deep: number; wide: number }): string =>
  `M0 ${(WIDTH - wide) / 2}h${deep}v${wide}h${-deep}`;

const HALF = [
  box(PENALTY_AREA),
  box(GOAL_AREA),
  `M${PENALTY_AREA.deep} ${WIDTH / 2 - ARC_Y}a${CIRCLE} ${CIRCLE} 0 0 1 0 ${2 * ARC_Y}`,
  `M0 ${CORNER}a${CORNER} ${CORNER} 0 0 0 ${CORNER} ${-CORNER}`,
  `M0 ${WIDTH - CORNER}a${CORNER} ${CORNER} 0 0 1 ${CORNER} ${CORNER}`,
  `M0 ${(WIDTH - GOAL.wide) / 2}h${-GOAL.deep}v${GOAL.wide}h${GOAL.deep}`,
].join("");

const Lines = (): VNode => (
  <g class="lines">
    <path d={`M0 0h${LENGTH}v${WIDTH}h${-LENGTH}zM${LENGTH / 2} 0v${WIDTH}`} />
    <circle cx={LENGTH / 2} cy={WIDTH / 2} r={CIRCLE} />
    {["", `rotate(180 ${LENGTH / 2} ${WIDTH / 2})`].map((transform) => (
      <g key={transform} transform={transform}>
        <path d={HALF} />
        <circle class="spot" cx={SPOT} cy={WIDTH / 2} r={0.4} />
      </g>
    ))}
    <circle class="spot" cx={LENGTH / 2} cy={WIDTH / 2} r={0.4} />
  </g>
);

function Actions(): VNode {
  const actions = usePage().site.match.actions.value;
  return (
    <g class="actions">
      {actions.map((action, at) => (
        <g
          key={action.id}
          class={`action ${action.side} ${action.kind}`}
          style={{ opacity: (at + 1) / actions.length }}
        >
          <Mark action={action} isNewest={at === actions.length - 1} />
        </g>
      ))}
    </g>
  );
}

function Mark({ action, isNewest }: { readonly action: Action; readonly isNewest: boolean }): VNode {
  const { from, to, kind, moment, isLost } = action;
  return (
    <>
      {kind !== "touch" && (
        <line class={isLost ? "path lost" : "path"} x1={from[0]} y1={from[1]} x2={to[0]} y2={to[1]} pathLength={1} />
      )}
      <circle class="from" cx={from[0]} cy={from[1]} r={isNewest ? 1.5 : 1.1} />
      {moment === "goal" && <circle class="goal-ring" cx={to[0]} cy={to[1]} r={3} />}
    </>
  );
}

/** The ball. Its flight needs a place in every frame, so it is moved without drawing the page again. */
function BallMark(): VNode {
  const { match } = usePage().site;
  const mark = useRef<SVGGElement>(null);
  const actions = match.actions.value;
  useEffect(() => {
    const place = (nowMs: number): void => {
      const [x, y] = match.ball.at(nowMs);
      mark.current?.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
    };
    if (isStill()) match.ball.land();
    let frame = requestAnimationFrame(function fly(nowMs) {
      place(nowMs);
      if (match.ball.isMoving) frame = requestAnimationFrame(fly);
    });
    return () => cancelAnimationFrame(frame);
  }, [actions, match]);
  const newest = actions.at(-1);
  return (
    <g ref={mark} class="ball" transform={`translate(${LENGTH / 2} ${WIDTH / 2})`}>
      <circle class={`halo ${newest?.side ?? ""}`} r={2.6} />
      <circle class="leather" r={1.15} />
    </g>
  );
}
