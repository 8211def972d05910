/**
 * The entry `touchline/msgpack`: the protocol's other encoding, which takes about a fifth fewer bytes.
 *
 * ```ts
 * import { connect } from "touchline";
 * import { msgpack } from "touchline/msgpack";
 * const connection = connect("wss://live.example.org/ws", { codec: msgpack });
 * ```
 */

import { Decoder, Encoder } from "@msgpack/msgpack";
import type { Codec } from "../types.js";

const encoder = new Encoder({ ignoreUndefined: true });
const decoder = new Decoder();

/** Integers beyond 2^53 become the nearest number, as with `JSON.parse`. */
export const msgpack: Codec = {
  name: "msgpack",
  encode: (message) => encoder.encode(message),
  decode: (payload) => decoder.decode(payload as Uint8Array),
};
