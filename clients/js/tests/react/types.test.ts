/** The types of the hooks, which `tsc` checks: what a room carries goes through them. */
import { expectTypeOf, it } from "vitest";
import type { RoomView, useAct, useRoom, useRoomState } from "../../src/react/index.js";
import type { AnyRoom, Receipt, RoomState } from "../../src/types.js";

interface Match {
  state: { score: { home: number; away: number }; clock: number };
  happening: { kind: "goal" };
  actions: { tap: { x: number }; cheer: null };
}

it("give the data of a key its type", () => {
  expectTypeOf<ReturnType<typeof useRoomState<Match, "clock">>>().toEqualTypeOf<number | undefined>();
  expectTypeOf<Parameters<typeof useRoomState<Match>>[0]>().toEqualTypeOf<"score" | "clock">();
  expectTypeOf<ReturnType<typeof useRoomState<AnyRoom>>>().toEqualTypeOf<unknown>();
});

it("give a room's view the types of its state and events", () => {
  expectTypeOf<ReturnType<typeof useRoom<Match>>>().toEqualTypeOf<RoomView<Match>>();
  expectTypeOf<RoomView<Match>["state"]>().toEqualTypeOf<RoomState<Match>>();
  expectTypeOf<RoomView<Match>["events"][number]["data"]>().toEqualTypeOf<
    Match["state"]["score"] | number | null | { kind: "goal" }
  >();
});

it("let only actions through that the room takes", () => {
  type Act = ReturnType<typeof useAct<Match>>;
  expectTypeOf<Act>().toBeCallableWith("tap", { x: 1 });
  expectTypeOf<Act>().toBeCallableWith("cheer");
  expectTypeOf<Act>().returns.toEqualTypeOf<Promise<Receipt>>();
  // @ts-expect-error - there is no such action
  expectTypeOf<Act>().toBeCallableWith("jump");
  // @ts-expect-error - nor one with such data
  expectTypeOf<Act>().toBeCallableWith("tap", { x: "1" });
});
