/** The package `touchline`: what a client of the protocol needs, for browsers, Node, Deno and Bun. */
export { CloseCode, ErrorCode, NackCode, type Recovery } from "./codes.js";
