/** The package `touchline`: what a client of the protocol needs, for browsers, Node, Deno and Bun. */

export * from "./action-errors.js";
export * from "./codes.js";
export { connect } from "./connect.js";
export * from "./errors.js";
export type * from "./types.js";
