/** What few rooms need: its code is loaded when the first of them does. */

import { MemberList } from "./member-list.js";
import type { RoomExtras } from "./room.js";
import { PlaceSearch } from "./search.js";

export const extras: RoomExtras = {
  startSearch: (reading, answer) => new PlaceSearch(reading, answer),
  createMembers: () => new MemberList(),
};
