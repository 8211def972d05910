/** The entry `touchline/react`: hooks for rooms, their state, actions and the connection, and the providers above them. */
export { RoomProvider, TouchlineProvider, type TouchlineProviderProps } from "./context.js";
export {
  type ConnectionView,
  type RoomOptions,
  useAct,
  useConnection,
  useRoom,
  useRoomState,
} from "./hooks.js";
export type { RoomView, RoomWants } from "./room-view.js";
