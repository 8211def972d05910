/** The entry `touchline/msgpack`: the protocol's other encoding. */
export {};
