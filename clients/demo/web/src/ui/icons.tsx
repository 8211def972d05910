/** The page's icons: drawn in the colour of the text around them, and hidden from screen readers. */

import type { VNode } from "preact";

const PATHS = {
  goal: (
    <>
      <circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" stroke-width="1.5" />
      <path d="M8 4.6 11 6.8 9.9 10.3H6.1L5 6.8Z" />
      <path
        d="M8 1.5v3.1M11 6.8l3-.9M9.9 10.3l1.7 2.7M6.1 10.3l-1.7 2.7M5 6.8l-3-.9"
        stroke="currentColor"
        stroke-width="1.2"
      />
    </>
  ),
  card: <rect x="4" y="2" width="8" height="12" rx="1.5" class="yellow" />,
  red: <rect x="4" y="2" width="8" height="12" rx="1.5" class="red" />,
  shot: <circle cx="8" cy="8" r="4" fill="none" stroke="currentColor" stroke-width="1.8" />,
  change: (
    <path
      d="M5 13V3.5m0 0L2.2 6.3M5 3.5l2.8 2.8M11 3v9.5m0 0 2.8-2.8M11 12.5 8.2 9.7"
      fill="none"
      stroke="currentColor"
      stroke-width="1.7"
      stroke-linecap="round"
      stroke-linejoin="round"
    />
  ),
  whistle: (
    <>
      <path
        d="M1.5 6h12.2v2.6h-3.3a3.6 3.6 0 1 1-6.9 0h-2Z"
        fill="none"
        stroke="currentColor"
        stroke-width="1.5"
        stroke-linejoin="round"
      />
      <circle cx="7" cy="9.6" r="1.2" />
    </>
  ),
  viewers: (
    <>
      <circle cx="8" cy="5" r="3" />
      <path d="M2.5 14a5.5 5.5 0 0 1 11 0Z" />
    </>
  ),
  back: (
    <path
      d="M10 3 5 8l5 5"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      stroke-linejoin="round"
    />
  ),
  check: (
    <path
      d="m3 8.5 3.2 3.2L13 5"
      fill="none"
      stroke="currentColor"
      stroke-width="2.2"
      stroke-linecap="round"
      stroke-linejoin="round"
    />
  ),
} as const;

export type IconName = keyof typeof PATHS;

export const Icon = ({ name }: { readonly name: IconName }): VNode => (
  <svg class={`icon icon-${name}`} viewBox="0 0 16 16" width="16" height="16" fill="currentColor" aria-hidden="true">
    {PATHS[name]}
  </svg>
);

/** The product's mark: a pitch seen from above, and the ball beside its line. */
export const Logo = (): VNode => (
  <svg class="logo" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
    <rect width="32" height="32" rx="8" class="logo-ground" />
    <path d="M7 24.5h18M16 24.5V13a6 6 0 0 1 6-6h3" class="logo-line" />
    <circle cx="10.5" cy="11" r="3.6" class="logo-ball" />
  </svg>
);
