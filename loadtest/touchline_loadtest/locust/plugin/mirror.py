"""Sends what a worker writes to its master, where they do not share a folder.

The files only grow, so it sends what is new in each, compressed, in chunks of bounded size, by Locust's own messages.
The master appends a chunk to the same file under the worker's name.
"""

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from touchline_loadtest.runs.files import INFO, BadRun

CHUNK_BYTES = 1 << 18
"""Bytes of a file in one message, before compression: Locust's heartbeats wait behind it."""
NAME_CHARS_MAX = 200


class Outbox:
    """What is new in a folder since the last call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sent: dict[Path, int] = {}

    def chunks(self) -> Iterator[Mapping[str, Any]]:
        """The messages to send now."""
        for path in sorted(self._folder.rglob("*")):
            if not path.is_file() or path.name == INFO:
                continue
            with path.open("rb") as file:
                file.seek(self._sent.get(path, 0))
                while data := file.read(CHUNK_BYTES):
                    self._sent[path] = file.tell()
                    name = str(path.relative_to(self._folder).as_posix())
                    yield {"name": name, "data": zlib.compress(data)}


def receive(folder: Path, worker: str, chunk: Mapping[str, Any]) -> None:
    """Append a chunk that ``worker`` has sent.

    Raises:
        BadRun: the chunk names a file outside of the folder, or the folder cannot be written.
    """
    name = PurePosixPath(chunk["name"])
    if name.is_absolute() or ".." in name.parts or len(str(name)) > NAME_CHARS_MAX:
        raise BadRun(f"{worker} sent a file with the name {str(name)!r}")
    path = folder / name.with_name(f"{name.stem}-{worker}{name.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(zlib.decompress(chunk["data"]))
    except OSError as error:
        raise BadRun(f"cannot write {path}: {error.strerror or error}") from error
