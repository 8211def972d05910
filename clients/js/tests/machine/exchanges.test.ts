/** What a server answers, as the protocol's vectors have it: the machine takes it, and gives up only where it must. */
import { describe, expect, it } from "vitest";
import { isFinal } from "../../src/machine/close-reason.js";
import { Session } from "../../src/machine/session.js";
import { vectors } from "../vectors.js";

type Fields = Record<string, unknown> & { type?: string };
interface Step {
  readonly client?: Fields;
  readonly client_json?: string;
  readonly server?: Fields | readonly Fields[];
  readonly close?: number;
}

const { exchanges } = vectors<{ exchanges: { about: string; state: string; steps: readonly Step[] }[] }>("exchanges");

const welcome = {
  type: "welcome",
  session: "s",
  edge: "e",
  heartbeat_ms: 25_000,
  limits: { message_bytes_max: 65_536, rooms_max: 100 },
  time: 0,
};
/** Fields that the vectors leave out, since they are for people or of the server's choice. */
const REST: Readonly<Record<string, Fields>> = {
  welcome,
  error: { message: "no", code: "token_malformed" },
  nack: { message: "no", code: "muted" },
  goaway: { reason: "bye", reconnect_ms: 0 },
  subscribed: { epoch: "e", head: 0, recovered: false },
  event: { offset: 0, prev: null, ts: 0, data: null },
  refreshed: { expires: 1 },
  verdict: { kind: "warn", reason: "no" },
  skipped: { from: 0, to: 0, count: 0 },
  replayed: { to: 0 },
};

function greeted(): Session {
  const options = { backoff: { baseMs: 1, maxMs: 1 }, random: () => 0.5, canRenewToken: false };
  const session = new Session({ agent: "", ...options });
  session.connected(null, 0);
  return session;
}

/** Errors about a message of ours that cannot be read. This client does not send such messages, so it gives up. */
const isOurMistake = ({ code, room, id }: Fields): boolean =>
  /^(bad_message|unknown_type|out_of_order)$/.test(String(code)) && !room && (id ?? null) === null;

/** The messages of a step, with all their fields. */
function messagesOf({ server = [] }: Step): Fields[] {
  return [server].flat().map((shown) => {
    const set = Object.entries(shown as Fields).filter(([, value]) => value !== null);
    const fields: Fields = Object.fromEntries(set);
    return { ...REST[String(fields.type)], ...fields };
  });
}

function expectClosed(session: Session, code: number): void {
  session.disconnected(code, "", 0);
  expect(session.state).toBe(isFinal(code) ? "closed" : "waiting");
}

describe("a server's answers", () => {
  it.each(exchanges)("are taken: $about", ({ state, steps }) => {
    const session = greeted();
    if (state !== "new") session.receive({ ...welcome }, 0);
    for (const step of steps) {
      const messages = messagesOf(step);
      for (const message of messages) session.receive(message, 0);
      if (messages.some(isOurMistake)) {
        expect(session.state).toBe("closed");
        return;
      }
      expect(session.failure).toBeNull();
      if (step.close !== undefined) expectClosed(session, step.close);
    }
  });
});
