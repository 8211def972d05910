/** The entry `touchline/react`: hooks for rooms, actions and the connection. */
export {};
