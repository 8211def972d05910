import { RoomProvider, TouchlineProvider, useAct, useConnection, useRoom, useRoomState } from "touchline/react";

interface Match {
  state: { score: { home: number; away: number } };
  happening: string;
  actions: { cheer: null };
}

export function App({ url, token }: { url: string; token: string }) {
  return (
    <TouchlineProvider url={url} options={{ token }}>
      <RoomProvider room="match:15946">
        <Score />
        <Timeline />
        <Cheer />
      </RoomProvider>
    </TouchlineProvider>
  );
}

function Score() {
  const score = useRoomState<Match, "score">("score"); // renders again only when the score is another one
  return <h1>{score ? `${score.home} : ${score.away}` : "not begun"}</h1>;
}

function Timeline() {
  const { events, occupancy } = useRoom<Match>({ last: 20, occupancy: true });
  const { status } = useConnection();
  return (
    <section aria-busy={status.state !== "open"}>
      <p>{occupancy?.viewers ?? "some"} are watching</p>
      <ol>
        {events.map(({ offset, data }) => (
          <li key={offset}>{JSON.stringify(data)}</li>
        ))}
      </ol>
    </section>
  );
}

function Cheer() {
  const act = useAct<Match>();
  return (
    <button type="button" onClick={() => act("cheer")}>
      Cheer
    </button>
  );
}
