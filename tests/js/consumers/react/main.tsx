// A page with React, as a user would begin one. The address of the server is in that of the page.
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { RoomProvider, TouchlineProvider, useAct, useConnection, useRoom, useRoomState } from "touchline/react";

interface Match {
  state: { score: { home: number; away: number } };
  happening: string;
  actions: { tap: { x: number } };
}

function Score() {
  const score = useRoomState<Match, "score">("score");
  return <output>{score === undefined ? "no score" : `${score.home}:${score.away}`}</output>;
}

function Timeline() {
  const { status, events } = useRoom<Match>({ last: 20 });
  const act = useAct<Match>();
  const [acted, setActed] = useState(0);
  const connection = useConnection();
  return (
    <>
      <p>{`${connection.status.state} ${status.state}`}</p>
      <ol>
        {events.map(({ offset, data }) => (
          <li key={offset}>{JSON.stringify(data)}</li>
        ))}
      </ol>
      <button type="button" onClick={async () => setActed((await act("tap", { x: 1 })).id)}>
        {`acted ${acted}`}
      </button>
    </>
  );
}

const query = new URLSearchParams(location.search);
const token = query.get("token") ?? "";
createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <TouchlineProvider url={query.get("url") ?? "/ws"} options={{ token }}>
      <RoomProvider room="match:1">
        <Score />
        <Timeline />
      </RoomProvider>
    </TouchlineProvider>
  </StrictMode>,
);
