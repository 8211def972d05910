/** Rendering on a server, in Node without a DOM: nothing connects, and every hook has something to show. */
import type { ReactNode } from "react";
import { renderToString } from "react-dom/server";
import { expect, it } from "vitest";
import { TouchlineProvider, useAct, useConnection, useRoom, useRoomState } from "../../src/react/index.js";
import { Wire } from "./wire.js";

export function Page(): ReactNode {
  const { status } = useConnection();
  const room = useRoom("match:1", { last: 5 });
  const score = useRoomState("score", "match:1");
  const act = useAct("match:1");
  return (
    <p>{[status.state, room.status.state, room.state.size, room.events.length, typeof score, typeof act].join()}</p>
  );
}

it("renders a page as it is before anything has arrived, and connects to nothing", async () => {
  const wire = new Wire();
  const html = renderToString(
    <TouchlineProvider url="ws://server/ws" options={wire.options}>
      <Page />
    </TouchlineProvider>,
  );
  expect(html).toBe("<p>connecting,joining,0,0,undefined,function</p>");
  await Promise.resolve();
  expect(wire.connections).toBe(0);
});
