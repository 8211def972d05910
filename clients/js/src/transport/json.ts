/** The JSON encoding of messages. */

import type { Codec } from "../types.js";

export const json: Codec = {
  name: "json",
  encode: (message) => JSON.stringify(message),
  decode: (payload) => JSON.parse(payload as string),
};
