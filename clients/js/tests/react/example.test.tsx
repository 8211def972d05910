// @vitest-environment happy-dom
/** The example of REACT.md works as it stands there. */
import { act, cleanup, render, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { App } from "./example.js";
import { Wire } from "./wire.js";

const ROOM = "match:15946";

afterEach(cleanup);

it("shows the score, the timeline and the viewers, and cheers", async () => {
  const wire = new Wire();
  vi.stubGlobal("WebSocket", wire.options.WebSocket);
  wire.publish(ROOM, "kick-off");
  wire.publish(ROOM, { home: 1, away: 0 }, "score");
  render(<App url="ws://server/ws" token="e30.e30.e30" />);
  await screen.findByText("1 : 0");
  expect(screen.getAllByRole("listitem").map((item) => item.textContent)).toEqual([
    '"kick-off"',
    '{"home":1,"away":0}',
  ]);
  await act(async () => wire.send(ROOM, { type: "occupancy", room: ROOM, viewers: 7 }));
  await screen.findByText("7 are watching");
  screen.getByRole("button").click();
  await waitFor(() => expect(wire.sent.at(-1)).toMatchObject({ type: "action", room: ROOM, kind: "cheer" }));
  expect(wire.conversation.slice(0, 2)).toEqual(["hello", `subscribe ${ROOM}`]);
});
