/** Motion and colour that tell what has changed. */

import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

import { SIDES, type Side } from "../model/teams";

/** Play the CSS animation of `className` again whenever `count` grows. */
export function useReplay<E extends Element>(className: string, count: number): RefObject<E | null> {
  const element = useRef<E>(null);
  const before = useRef(count);
  useLayoutEffect(() => {
    const target = element.current;
    if (target === null || count <= before.current) return;
    before.current = count;
    target.classList.remove(className);
    void target.getBoundingClientRect(); // makes the browser notice that the class was gone
    target.classList.add(className);
  }, [className, count]);
  return element;
}

/** The colours of two teams as CSS variables. */
export const teamColours = (hues: Readonly<Record<Side, number>>): Record<string, string> =>
  Object.fromEntries(SIDES.map((side) => [`--hue-${side}`, String(hues[side])]));

export const isStill = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;
