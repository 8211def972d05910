/** How the package is built: one module per entry, with what they share in a chunk, and declarations beside them. */
import { defineConfig } from "tsdown";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    react: "src/react/index.ts",
    msgpack: "src/msgpack/index.ts",
    storage: "src/storage/index.ts",
  },
  format: "esm",
  platform: "neutral",
  target: "es2022",
  tsconfig: "tsconfig.json",
  fixedExtension: false,
  dts: true,
  sourcemap: true,
  hash: false,
  // Of what touchline/msgpack brings along: users install nothing for it.
  inputOptions: { resolve: { mainFields: ["module", "main"] } },
});
