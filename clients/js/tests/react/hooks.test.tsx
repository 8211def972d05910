// @vitest-environment happy-dom
/** The hooks over the real SDK: what components show, and what reaches the server. */
import { act, cleanup, render, screen, waitFor } from "@testing-library/react";
import { Component, type ReactNode, StrictMode, useState } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { connect } from "../../src/connect.js";
import {
  RoomProvider,
  type RoomView,
  TouchlineProvider,
  useAct,
  useConnection,
  useRoom,
  useRoomState,
} from "../../src/react/index.js";
import type { AnyRoom, Connection, RoomEvent } from "../../src/types.js";
import { Wire } from "./wire.js";

const ROOM = "match:1";
const connections: Connection[] = [];

function connected(wire: Wire): Connection {
  const connection = connect("ws://server/ws", wire.options);
  connections.push(connection);
  return connection;
}

afterEach(() => {
  cleanup();
  for (const connection of connections.splice(0)) connection.close();
});

function Score({ room = ROOM }: { readonly room?: string | null }): ReactNode {
  return <b role="status">{JSON.stringify(useRoomState("score", room) ?? "none")}</b>;
}

function Room({ last = 0, occupancy = false }: { readonly last?: number; readonly occupancy?: boolean }): ReactNode {
  const view = useRoom(ROOM, { last, occupancy });
  const shown = [view.status.state, view.events.map(({ data }) => data).join(), view.occupancy?.viewers].join(" ");
  return <p>{shown}</p>;
}

async function shows(...texts: string[]): Promise<void> {
  await waitFor(() => expect(screen.queryAllByRole("status").map((element) => element.textContent)).toEqual(texts));
}

describe("subscriptions", () => {
  it("are shared by components, and left with the last of them", async () => {
    const wire = new Wire();
    wire.publish(ROOM, 1, "score");
    const connection = connected(wire);
    const page = (count: number): ReactNode => (
      <TouchlineProvider connection={connection}>
        {Array.from({ length: count }, (_, index) => (
          <Score key={String(index)} />
        ))}
      </TouchlineProvider>
    );
    const { rerender } = render(page(2));
    await shows("1", "1");
    rerender(page(1));
    await shows("1");
    await act(async () => wire.publish(ROOM, 2, "score"));
    await shows("2");
    expect(wire.conversation).toEqual(["hello", `subscribe ${ROOM}`]);
    rerender(page(0));
    await waitFor(() => expect(wire.conversation).toEqual(["hello", `subscribe ${ROOM}`, `unsubscribe ${ROOM}`]));
    await act(async () => wire.publish(ROOM, 3, "score"));
    rerender(page(1));
    await shows("3");
    expect(wire.requests(ROOM)).toHaveLength(2);
  });

  it("survive StrictMode, which mounts everything twice, without a word to the server", async () => {
    const wire = new Wire();
    const seen: RoomEvent[] = [];
    function Listener(): ReactNode {
      useRoom(ROOM, { onEvent: (event) => seen.push(event) });
      return <Score />;
    }
    const { unmount } = render(
      <StrictMode>
        <TouchlineProvider url="ws://server/ws" options={wire.options}>
          <Listener />
        </TouchlineProvider>
      </StrictMode>,
    );
    await waitFor(() => expect(wire.conversation).toEqual(["hello", `subscribe ${ROOM}`]));
    await act(async () => {
      wire.publish(ROOM, 1, "score");
      wire.publish(ROOM, 2, "score");
    });
    await shows("2");
    expect(seen.map(({ data }) => data)).toEqual([1, 2]);
    expect(wire.connections).toBe(1);
    unmount();
    await waitFor(() => expect(wire.connections).toBe(0));
    expect(wire.sent.filter(({ type }) => type === "subscribe")).toHaveLength(1);
  });

  it("stay while one component takes the place of another, also in StrictMode", async () => {
    const wire = new Wire();
    wire.publish(ROOM, 1, "score");
    const connection = connected(wire);
    const page = (key: string): ReactNode => (
      <StrictMode>
        <TouchlineProvider connection={connection}>
          <Score key={key} />
        </TouchlineProvider>
      </StrictMode>
    );
    const { rerender } = render(page("one"));
    await shows("1");
    rerender(page("two"));
    await act(async () => wire.publish(ROOM, 2, "score"));
    await shows("2");
    expect(wire.conversation).toEqual(["hello", `subscribe ${ROOM}`]);
  });

  it("have everything that components ask for which mount together", async () => {
    const wire = new Wire();
    render(
      <TouchlineProvider connection={connected(wire)}>
        <Score />
        <Room last={2} />
        <Room occupancy />
      </TouchlineProvider>,
    );
    await screen.findAllByText(/joined/);
    expect(wire.requests(ROOM)).toEqual([expect.objectContaining({ last: 2, occupancy: true })]);
  });

  it("start over for a component that wants more, and show what they had until then", async () => {
    const wire = new Wire();
    wire.publish(ROOM, 1, "score");
    const connection = connected(wire);
    const page = (more: boolean): ReactNode => (
      <TouchlineProvider connection={connection}>
        <Score />
        {more ? <Room last={5} occupancy /> : null}
      </TouchlineProvider>
    );
    const { rerender } = render(page(false));
    await shows("1");
    wire.answersAtOnce = false;
    rerender(page(true));
    await waitFor(() => expect(wire.requests(ROOM)).toHaveLength(2));
    await shows("1");
    wire.answer();
    await screen.findByText("joined 1");
    await act(async () => wire.send(ROOM, { type: "occupancy", room: ROOM, viewers: 7 }));
    await screen.findByText("joined 1 7");
    rerender(page(false));
    rerender(page(true));
    await screen.findByText("joined 1 7");
    expect(wire.requests(ROOM)).toHaveLength(2);
  });

  it("follow the room that a component names, and none if it names none", async () => {
    const wire = new Wire();
    wire.publish("match:1", 1, "score");
    wire.publish("match:2", 2, "score");
    const connection = connected(wire);
    const page = (room: string | null): ReactNode => (
      <TouchlineProvider connection={connection}>
        <Score room={room} />
      </TouchlineProvider>
    );
    const { rerender } = render(page(null));
    await shows('"none"');
    rerender(page("match:1"));
    await shows("1");
    rerender(page("match:2"));
    await shows("2");
    await waitFor(() => expect(wire.conversation).toContain("unsubscribe match:1"));
    rerender(page(null));
    await waitFor(() => expect(wire.conversation).toContain("unsubscribe match:2"));
    expect(wire.sent.filter(({ type }) => type === "subscribe")).toHaveLength(2);
  });

  it("resume after a lost connection, and say so meanwhile", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const wire = new Wire();
    wire.publish(ROOM, 1);
    const statuses: string[] = [];
    function Status(): ReactNode {
      const { status, events } = useRoom(ROOM, { last: 9 });
      statuses.push(status.state);
      return <b role="status">{events.map(({ data }) => data).join()}</b>;
    }
    render(
      <TouchlineProvider connection={connected(wire)}>
        <Status />
      </TouchlineProvider>,
    );
    await shows("1");
    await act(async () => wire.cut());
    wire.publish(ROOM, 2);
    await shows("1,2");
    const changes = statuses.filter((state, index) => state !== statuses[index - 1]);
    expect(changes).toEqual(["joining", "joined", "joining", "joined"]);
    expect(wire.requests(ROOM)[1]).toMatchObject({ after: 1 });
  });
});

describe("rendering", () => {
  it("happens for a key only if that key has changed", async () => {
    const wire = new Wire();
    wire.publish(ROOM, "0:0", "score");
    let renders = 0;
    function Counter(): ReactNode {
      renders += 1;
      return <b role="status">{String(useRoomState("score"))}</b>;
    }
    render(
      <TouchlineProvider connection={connected(wire)}>
        <RoomProvider room={ROOM}>
          <Counter />
        </RoomProvider>
      </TouchlineProvider>,
    );
    await shows("0:0");
    const before = renders;
    await act(async () => {
      wire.publish(ROOM, 17, "clock");
      wire.publish(ROOM, "corner");
      wire.publish(ROOM, "1:0", "score");
    });
    await shows("1:0");
    expect(renders - before).toBe(1);
  });

  it("gives every component the same view of a room, event for event", async () => {
    const wire = new Wire();
    const views = new Map<string, Set<RoomView>>();
    function Viewer({ name }: { readonly name: string }): ReactNode {
      const view = useRoom(ROOM, { last: 3 });
      views.set(name, (views.get(name) ?? new Set()).add(view));
      return <b role="status">{view.events.map(({ data }) => data).join()}</b>;
    }
    render(
      <TouchlineProvider connection={connected(wire)}>
        <Viewer name="a" />
        <Viewer name="b" />
      </TouchlineProvider>,
    );
    await waitFor(() => expect(wire.requests(ROOM)).toHaveLength(1));
    for (const value of [1, 2, 3, 4]) await act(async () => wire.publish(ROOM, value));
    await shows("2,3,4", "2,3,4");
    expect([...(views.get("a") ?? [])]).toEqual([...(views.get("b") ?? [])]);
  });
});

describe("the connection", () => {
  function Status(): ReactNode {
    const { status, verdict } = useConnection();
    const player = status.state === "open" ? status.edge : "";
    return <b role="status">{[status.state, player, verdict?.kind].join(" ").trim()}</b>;
  }

  it("reports its status and verdicts", async () => {
    const wire = new Wire();
    const connection = connected(wire);
    render(
      <TouchlineProvider connection={connection}>
        <Status />
        <Score />
      </TouchlineProvider>,
    );
    await shows("open edge-1", '"none"');
    await act(async () => wire.send(ROOM, { type: "verdict", kind: "mute", reason: "too fast" }));
    await shows("open edge-1 mute", '"none"');
    act(() => connection.close());
    await shows("closed  mute", '"none"');
  });

  it("is another one with another address", async () => {
    const wire = new Wire();
    const page = (url: string): ReactNode => (
      <TouchlineProvider url={url} options={wire.options}>
        <Score />
      </TouchlineProvider>
    );
    const { rerender } = render(page("ws://one/ws"));
    await waitFor(() => expect(wire.requests(ROOM)).toHaveLength(1));
    rerender(page("ws://two/ws"));
    await waitFor(() => expect(wire.requests(ROOM)).toHaveLength(2));
    await waitFor(() => expect(wire.connections).toBe(1));
  });

  it("takes actions, by a function that stays the same", async () => {
    const wire = new Wire();
    const functions = new Set<unknown>();
    function Button(): ReactNode {
      const tap = useAct<{ actions: { tap: { x: number } } }>(ROOM);
      const [receipt, setReceipt] = useState("none");
      functions.add(tap);
      return (
        <button type="button" onClick={async () => setReceipt(String((await tap("tap", { x: 1 })).id))}>
          {receipt}
        </button>
      );
    }
    render(
      <TouchlineProvider connection={connected(wire)}>
        <Button />
      </TouchlineProvider>,
    );
    const button = screen.getByRole("button");
    await act(async () => button.click());
    await screen.findByText("1");
    expect(functions.size).toBe(1);
    expect(wire.sent.at(-1)).toMatchObject({ type: "action", room: ROOM, kind: "tap", data: { x: 1 } });
  });
});

describe("what goes wrong", () => {
  class Boundary extends Component<{ children: ReactNode }, { error: Error | null }> {
    override state = { error: null as Error | null };
    static getDerivedStateFromError(error: Error): { error: Error } {
      return { error };
    }
    override render(): ReactNode {
      return this.state.error === null ? this.props.children : <b role="status">{this.state.error.name}</b>;
    }
  }

  it("is shown as the status of a room that the server refuses", async () => {
    const wire = new Wire();
    wire.refused.set(ROOM, "forbidden");
    let view: RoomView<AnyRoom> | undefined;
    function Viewer(): ReactNode {
      view = useRoom(ROOM);
      return null;
    }
    render(
      <TouchlineProvider connection={connected(wire)}>
        <Viewer />
      </TouchlineProvider>,
    );
    await waitFor(() => expect(view?.status).toMatchObject({ state: "closed", error: { code: "forbidden" } }));
  });

  it("is shown as the status of every room once the connection is closed", async () => {
    const connection = connected(new Wire());
    connection.close();
    render(
      <TouchlineProvider connection={connection}>
        <Room />
      </TouchlineProvider>,
    );
    await screen.findByText(/closed/);
  });

  it("reaches the error boundary if it is a mistake in a name", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {}); // React reports what boundaries catch
    const connection = connected(new Wire());
    render(
      <Boundary>
        <TouchlineProvider connection={connection}>
          <Score room="no room" />
        </TouchlineProvider>
      </Boundary>,
    );
    await shows("BadArgument");
  });

  it("is said by a hook without a provider, or without a room", () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const connection = connected(new Wire());
    expect(() => render(<Score />)).toThrow("TouchlineProvider");
    const page = (
      <TouchlineProvider connection={connection}>
        <Clock />
      </TouchlineProvider>
    );
    expect(() => render(page)).toThrow("RoomProvider");
  });

  function Clock(): ReactNode {
    return <b>{String(useRoomState("clock"))}</b>;
  }
});
