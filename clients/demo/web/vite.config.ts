/**
 * Builds the site into the demo's Python package, where its server finds it. Names of files have no hashes: the server
 * lets browsers check them each time, and a build changes only the files that are different.
 */

import { readFileSync } from "node:fs";

import { defineConfig, type Plugin } from "vite";

const FONT = /archivo-latin-wdth.*\.woff2$/;

/** Fetch the font at once: a page that has it only later would move its words. */
const preloadFont: Plugin = {
  name: "preload-font",
  transformIndexHtml: (_html, { bundle }) =>
    Object.keys(bundle ?? {})
      .filter((file) => FONT.test(file))
      .map((file) => ({
        tag: "link",
        attrs: { rel: "preload", href: `./${file}`, as: "font", type: "font/woff2", crossorigin: true },
        injectTo: "head-prepend",
      })),
};

/** The licences of what is built in. */
const LICENSED = ["preact", "@preact/signals", "@preact/signals-core", "@fontsource-variable/archivo"];

const nameLicences: Plugin = {
  name: "name-licences",
  generateBundle() {
    const texts = LICENSED.map((name) => {
      const path = new URL(`../../node_modules/${name}/LICENSE`, import.meta.url);
      return `${name}\n\n${readFileSync(path, "utf8").trim()}\n`;
    });
    this.emitFile({ type: "asset", fileName: "assets/licences.txt", source: texts.join("\n\n") });
  },
};

export default defineConfig({
  base: "./",
  plugins: [preloadFont, nameLicences],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../touchline_demo/site",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: {
        entryFileNames: "assets/site.js",
        chunkFileNames: ({ name }) => `assets/${name.replace(/-.*/, "")}.js`, // the SDK's own chunks have hashes
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
});
