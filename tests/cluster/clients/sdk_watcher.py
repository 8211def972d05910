"""A client that is the Python SDK."""

import touchline
from cluster.clients.numbers import number_of
from support.sdk_player import BACKOFF
from support.sdk_trace import SdkTrace
from touchline_loadtest.checks.trace import Refused, Trace
from touchline_protocol.codecs import CodecName


class SdkWatcher:
    """The Python SDK in one room."""

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
            room = SdkTrace(client, self._trace, number_of)
            await room.joined()
            async for _ in room.events():
                pass
