/** REACT.md shows the example that is tested beside it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

it("has the example", () => {
  const document = readFileSync(join(import.meta.dirname, "../../REACT.md"), "utf-8");
  const example = readFileSync(join(import.meta.dirname, "example.tsx"), "utf-8");
  expect(document).toContain(`\`\`\`tsx\n${example}\`\`\``);
});
