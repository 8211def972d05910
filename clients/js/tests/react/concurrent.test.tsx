// @vitest-environment happy-dom
/** What concurrent rendering could tear apart: a render that is interrupted while events arrive; and hydration. */
import { act, cleanup, screen, waitFor } from "@testing-library/react";
import { type ReactNode, startTransition, useLayoutEffect, useState } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server.browser";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { connect } from "../../src/connect.js";
import { TouchlineProvider, useRoomState } from "../../src/react/index.js";
import { Wire } from "./wire.js";

const ROOM = "match:1";
const SLOW_MS = 4;
const CELLS = 20;
const EVENTS = 5;

let container: HTMLElement;

beforeEach(() => {
  container = document.createElement("div");
  document.body.append(container);
});

afterEach(() => {
  cleanup();
  container.remove();
});

/** Takes so long to render that React yields between two of them. */
function Cell(): ReactNode {
  const value = useRoomState("score", ROOM);
  const end = performance.now() + SLOW_MS;
  while (performance.now() < end);
  return <i>{String(value)}</i>;
}

it("shows no two versions of a room at once, though events arrive in the middle of a render", async () => {
  const wire = new Wire();
  wire.publish(ROOM, 0, "score");
  const connection = connect("ws://server/ws", wire.options);
  const versions: Set<string>[] = [];
  let show: (count: number) => void = () => {};
  function List(): ReactNode {
    const [count, setCount] = useState(0);
    show = setCount;
    useLayoutEffect(() => {
      versions.push(new Set([...container.querySelectorAll("i")].map((cell) => cell.textContent ?? "")));
    });
    return (
      <p>
        <Cell />
        {Array.from({ length: count }, (_, index) => (
          <Cell key={String(index)} />
        ))}
      </p>
    );
  }
  const root = createRoot(container);
  root.render(
    <TouchlineProvider connection={connection}>
      <List />
    </TouchlineProvider>,
  );
  await waitFor(() => expect(container.textContent).toBe("0"));
  let published = 0;
  const publishing = setInterval(() => {
    published += 1;
    wire.publish(ROOM, published, "score");
    if (published === EVENTS) clearInterval(publishing);
  }, SLOW_MS);
  startTransition(() => show(CELLS));
  await waitFor(() => expect(container.querySelectorAll("i")).toHaveLength(CELLS + 1), { timeout: 30_000 });
  await waitFor(() => expect(published).toBe(EVENTS));
  expect(versions.filter(({ size }) => size > 1)).toEqual([]);
  root.unmount();
  connection.close();
});

it("hydrates what a server rendered, then shows the room", async () => {
  const errors = vi.spyOn(console, "error");
  const wire = new Wire();
  wire.publish(ROOM, 7, "score");
  const page = (
    <TouchlineProvider url="ws://server/ws" options={wire.options}>
      <Cell />
    </TouchlineProvider>
  );
  container.innerHTML = renderToString(page);
  expect(container.textContent).toBe("undefined");
  const root = await act(async () => hydrateRoot(container, page));
  await screen.findByText("7");
  expect(errors).not.toHaveBeenCalled();
  await act(async () => root.unmount());
  await waitFor(() => expect(wire.connections).toBe(0));
});
