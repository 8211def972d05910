/** Acting, held to the protocol's own example and its rules about the pace. */
import { describe, expect, it } from "vitest";
import { TouchlineError } from "../../src/errors.js";
import { actionData } from "../../src/machine/actions/action-data.js";
import { Outbox } from "../../src/machine/actions/outbox.js";
import type { Welcome } from "../../src/machine/messages.js";

const LIMITS = { message_bytes_max: 65_536, rooms_max: 100, action_bytes_max: 4_096, actions_window: 64 };

function welcome(limits: object = {}): Welcome {
  const pace = { actions_burst: 0, action_interval_ms: 0 };
  const common = { session: "s", edge: "e", heartbeat_ms: 25_000, time: 0, player: "ada", expires: null };
  return { type: "welcome", ...common, limits: { ...LIMITS, ...pace, ...limits } };
}

/** An outbox on a connection, with this many actions that were sent. */
function outboxWith(count: number, limits: object = {}): Outbox {
  const outbox = new Outbox(256, () => 0);
  outbox.welcome(welcome(limits));
  submit(outbox, count);
  outbox.takeOutput(0);
  return outbox;
}

function submit(outbox: Outbox, count: number): void {
  for (let number = 0; number < count; number++) outbox.submit("match:1", "tap", actionData("null"));
}

const nack = (id: number, code: string, retry_ms: number | null = null) => ({
  type: "nack" as const,
  id,
  code,
  message: "no",
  retry_ms,
});

const sent = (outbox: Outbox, now = 0): [number, number | undefined][] =>
  outbox.takeOutput(now).map(({ id, prev }) => [id, prev]);

/** The code of each refusal, and the id of each action that is done. */
const outcomes = (outbox: Outbox): unknown[] =>
  outbox.takeOutcomes().map(([, outcome]) => (outcome instanceof TouchlineError ? outcome.code : outcome.id));

describe("a nack with a code of a newer server", () => {
  it("is retried only if it says when", () => {
    const outbox = outboxWith(2);
    outbox.nack(nack(1, "paused"), 0);
    outbox.nack(nack(2, "paused", 500), 0);
    expect(outcomes(outbox)).toEqual(["paused"]);
    expect(sent(outbox, 700)).toEqual([[2, 0]]);
  });
});

describe("the example of the protocol", () => {
  it("is acted by hand", () => {
    const outbox = outboxWith(4);
    outbox.nack(nack(3, "action_kind_unknown"), 0);
    outbox.ack(1);
    expect(outcomes(outbox)).toEqual(["action_kind_unknown", 1]);
    outbox.connectionLost();
    outbox.welcome(welcome());
    expect(sent(outbox)).toEqual([
      [2, 0],
      [4, 2],
    ]);
    outbox.nack(nack(2, "log_unavailable", 1_000), 0);
    outbox.nack(nack(4, "id_gap", 1_000), 0);
    expect([outbox.deadline, sent(outbox, 999)]).toEqual([1_000, []]);
    expect(sent(outbox, 1_000)).toEqual([[2, 0]]); // alone
    outbox.ack(2);
    expect(sent(outbox, 1_000)).toEqual([[4, 0]]);
    outbox.ack(4);
    expect(outcomes(outbox)).toEqual([2, 4]);
    submit(outbox, 1);
    expect(sent(outbox, 1_000)).toEqual([[5, undefined]]);
    outbox.nack(nack(5, "muted"), 1_000);
    expect(outcomes(outbox)).toEqual(["muted"]);
  });
});

describe("an action", () => {
  it("is done if its repetition is a duplicate, and refused if its first copy is one", () => {
    const outbox = outboxWith(2);
    outbox.nack(nack(1, "duplicate_id"), 0);
    outbox.connectionLost();
    outbox.welcome(welcome());
    sent(outbox);
    outbox.nack(nack(2, "duplicate_id"), 0);
    expect(outcomes(outbox)).toEqual(["duplicate_id", 2]);
  });

  it("is in doubt if a repetition is refused, or nothing is heard for 300 s, or the session is another", () => {
    const outbox = outboxWith(1);
    outbox.connectionLost();
    outbox.welcome(welcome());
    sent(outbox);
    outbox.nack(nack(1, "muted"), 0);
    submit(outbox, 1);
    sent(outbox, 5);
    expect(outbox.deadline).toBe(300_005);
    outbox.tick(300_005);
    submit(outbox, 1);
    sent(outbox, 6);
    outbox.connectionLost();
    outbox.welcome({ ...welcome(), session: "t" });
    expect(outcomes(outbox)).toEqual(["in_doubt", "in_doubt", "in_doubt"]);
  });

  it("is refused before it is sent, where a server takes none, or none so large", () => {
    const outbox = outboxWith(0, { action_bytes_max: 4 });
    expect(() => outbox.submit("match:1", "tap", actionData(JSON.stringify("long")))).toThrow(
      expect.objectContaining({ code: "action_too_large" }),
    );
    submit(outbox, 1);
    outbox.connectionLost();
    outbox.welcome(welcome({ actions_window: 0 }));
    expect(() => outbox.submit("match:1", "tap", actionData("null"))).toThrow(
      expect.objectContaining({ code: "actions_disabled" }),
    );
    expect(outcomes(outbox)).toEqual(["actions_disabled"]);
  });
});

describe("the window", () => {
  it("is a range of ids", () => {
    const outbox = outboxWith(6, { actions_window: 3 });
    outbox.ack(2);
    expect(sent(outbox)).toEqual([]); // 1 is unanswered, so 4 has to wait
    outbox.ack(1);
    expect(sent(outbox).map(([id]) => id)).toEqual([4, 5]);
  });

  it("opens slowly after the server has said later", () => {
    const outbox = outboxWith(9);
    outbox.nack(nack(1, "too_many_unacked", 100), 0);
    const steps: number[][] = [];
    for (let next = 1; next <= 9; ) {
      const ids = sent(outbox, 100).map(([id]) => id);
      steps.push(ids);
      for (const id of ids) outbox.ack(id);
      next += ids.length;
    }
    expect(steps.map(({ length }) => length)).toEqual([1, 2, 6]);
  });
});

describe("the pace", () => {
  it("begins with a burst but for one, and goes on at the interval", () => {
    const outbox = outboxWith(0, { actions_burst: 4, action_interval_ms: 50 });
    submit(outbox, 6);
    expect(sent(outbox, 0)).toHaveLength(3);
    expect(outbox.deadline).toBe(50);
    expect([
      sent(outbox, 49).length,
      sent(outbox, 50).length,
      sent(outbox, 99).length,
      sent(outbox, 100).length,
    ]).toEqual([0, 1, 0, 1]);
  });

  it("is as long as the server says after it was too fast", () => {
    const outbox = outboxWith(3, { actions_burst: 9, action_interval_ms: 50 });
    outbox.nack(nack(1, "rate_limited", 400), 0);
    expect([sent(outbox, 399), sent(outbox, 400)]).toEqual([[], [[1, undefined]]]);
    outbox.ack(1);
    expect(outbox.takeOutput(401)).toEqual([]);
    expect(sent(outbox, 450)).toHaveLength(1);
  });
});
