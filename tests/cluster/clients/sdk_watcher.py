"""A client that is the Python SDK."""

import time

import touchline
from cluster.clients.patience import BACKOFF
from touchline_loadtest.checks.trace import Gap, Joined, Received, Refused, Trace
from touchline_protocol.codecs import CodecName


class SdkWatcher:
    """The Python SDK in one room. It shows neither ``prev`` nor which events were skipped, and resumes by itself."""

    def __init__(self, port: int, codec: CodecName, trace: Trace) -> None:
        self._port = port
        self._codec = codec
        self._trace = trace

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            await self._watch()
        except touchline.errors.TouchlineError as error:
            self._trace.add(Refused(repr(error)))

    async def _watch(self) -> None:
        url = f"ws://127.0.0.1:{self._port}/ws"
        async with touchline.connect(url, codec=self._codec, retry_first=True, proxy=False, backoff=BACKOFF) as client:
            trace = self._trace
            room = client.subscribe(trace.room, deliver=trace.deliver, on_restart=self._joined)
            self._joined(await room.joined())
            gaps = 0
            async for event in room:
                if room.gaps > gaps:
                    gaps = room.gaps
                    trace.add(Gap(None, event.offset))
                removal = event.data is None
                number = event.ts if removal else event.data["number"]
                trace.add(Received(event.epoch, event.offset, None, number, event.key, removal))

    def _joined(self, room: touchline.Subscription) -> None:
        cursor = room.cursor
        assert cursor is not None
        state = {key: event.data["number"] for key, event in room.state.items()}
        self._trace.add(
            Joined(cursor.epoch, cursor.offset, recovered=False, state=state, live=True, at_ms=time.time() * 1000)
        )
