/** Bundles `page.js` as an application would. Each `import()` becomes a file of its own. */
export default {
  input: { page: new URL("page.js", import.meta.url).pathname },
  treeshake: true,
  output: {
    minify: true,
    comments: { annotation: false },
    dir: new URL("../../../node_modules/.cache/touchline-size", import.meta.url).pathname,
  },
};
