import { describe, expect, test } from "vitest";

import { botOf, botWords, countWords, findingOf, verdictWords } from "../src/model/detection";

const BOT = {
  player: "bot-fast-1",
  cheat: "taps too fast",
  done: 48,
  refused: 2,
  verdict: null,
  ended: null,
  close: null,
};

function bot(changes: object): NonNullable<ReturnType<typeof botOf>> {
  const made = botOf("bot.x", { ...BOT, ...changes });
  if (made === null) throw new Error("not a bot");
  return made;
}

describe("a bot", () => {
  test("plays until a verdict or its end", () => {
    expect(botWords(bot({}), 1000)).toBe("playing");
    expect(botWords(bot({ verdict: { kind: "mute", until: 2000 } }), 1000)).toBe("muted");
    expect(botWords(bot({ verdict: { kind: "mute", until: 2000 } }), 3000)).toBe("playing");
    expect(botWords(bot({ ended: "banned", close: 4503 }), 1000)).toBe("banned, closed with 4503");
    expect(botWords(bot({ ended: "it gave up" }), 1000)).toBe("it gave up");
  });

  test("is counted in what it does", () => {
    expect(countWords(bot({}))).toBe("48 taps, 2 refused");
    expect(countWords(bot({ cheat: "joins waves instantly", done: 3, refused: 0 }))).toBe("3 waves");
  });
});

describe("a finding", () => {
  test.each([
    ["rate", { actions: 48, seconds: 2 }, "48 taps in 2\u00a0s", true],
    [
      "regularity",
      { actions: 80, interval_ms: 125, variation: 0.0013 },
      "80 taps, one every 125 ms, 0.13 % apart",
      false,
    ],
    ["reaction", { reactions_ms: [3, 5], human_ms_min: 120 }, "joined after 3, 5 ms; a person takes 120 ms", false],
  ])("of the rule %s shows its evidence beside what a person can do", (rule, evidence, words, isMaximum) => {
    const finding = findingOf("finding.1", { player: "x", rule, evidence }, 0);
    expect(finding?.evidence).toBe(words);
    expect(finding?.gauge?.isMaximum).toBe(isMaximum);
    expect((finding?.gauge?.share ?? 0) > 0.5).toBe(isMaximum);
  });

  test("of an unknown rule, or of another shape, shows its evidence as it is", () => {
    expect(findingOf("finding.1", { player: "x", rule: "new", evidence: { n: 1 } }, 0)?.evidence).toBe('{"n":1}');
    expect(findingOf("finding.1", { player: "x", rule: "rate", evidence: 7 }, 0)?.evidence).toBe("7");
    for (const data of [null, 7, "text", []]) expect(findingOf("finding.1", data, 0)).toBeNull();
  });

  test("says for how long a mute holds", () => {
    expect(verdictWords({ kind: "mute", until: 6000 }, 1000)).toBe("muted for 5 s");
    expect(verdictWords({ kind: "ban", until: 6000 }, 1000)).toBe("banned");
    expect(verdictWords({ kind: "other", until: null }, 1000)).toBe("other");
  });
});
