"""The lines of a server's log about the process itself: its start, its end, and what nobody caught."""

import asyncio
import faulthandler
import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Timer
from typing import Any

import structlog

from touchline_protocol.errors import TouchlineError
from touchline_protocol.printable import without_credentials
from touchline_protocol.version import __version__
from touchline_server.config.changed import changed_settings
from touchline_server.config.reload import Reload
from touchline_server.config.settings import Settings

MARGIN_S = 20.0
"""How much longer than a usual stop the one after a bug may take."""
BUG = 1
"""The exit code: see `cli.exit_codes`."""

logger = structlog.get_logger("touchline.node")


def log_start(settings: Settings, *, open_files_max: int) -> None:
    """Log what is about to be served, and the settings that differ from their defaults."""
    logger.info("server_starting", **what_starts(settings), open_files_max=open_files_max)


def what_starts(settings: Settings) -> Mapping[str, Any]:
    """The fields of a line about the start of a process that reads the log of ``settings``."""
    return {
        "version": __version__,
        "log": without_credentials(settings.log),
        "feeds": {name: feed.topic for name, feed in settings.feeds.items()},
        "changed_settings": changed_settings(settings),
    }


@contextmanager
def failures_logged(settings: Settings) -> Iterator[None]:
    """Log what ends the server, unless people read the log: the command itself reports it to them."""
    try:
        yield
    except Exception as error:
        if settings.logging.format == "json":
            is_bug = not isinstance(error, TouchlineError)
            logger.error("server_failed", why=str(error), exc_info=is_bug)
        raise


def log_reload(reload: Reload) -> None:
    """Log that the configuration was read again, and what of it has to wait for a restart."""
    logger.info("settings_reloaded", changed=reload.changed)
    if reload.restart_needed:
        logger.warning("restart_needed", settings=reload.restart_needed)


def log_reload_refused(error: TouchlineError) -> None:
    """Log that the configuration cannot be used, and that the server goes on with the one that it has."""
    logger.error("reload_refused", why=str(error))


def log_signal(received: signal.Signals, *, action: str = "drain and stop") -> None:
    """Log a signal that stops the process, and what that does."""
    sooner = "SIGTERM" if received is signal.SIGHUP else f"second {received.name}"  # a second SIGHUP does nothing
    logger.info("signal_received", signal=received.name, action=f"{action}; a {sooner} stops at once")


def log_second_signal(received: signal.Signals) -> None:
    """Log a signal that ends the process at once, and wait until that is written."""
    logger.warning("stop_cut_short", signal=received.name)
    for handler in logging.getLogger().handlers:
        handler.flush()


def log_unexpected(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that reached the event loop. The rest of ``context`` could show what a client sent."""
    logger.error("unexpected_error", why=context.get("message", ""), exc_info=context.get("exception"))


@contextmanager
def ends_in_time(stop_s: float, *, margin_s: float = MARGIN_S) -> Iterator[None]:
    """Run a server within this block. After a bug in it, the process ends ``stop_s`` and ``margin_s`` later at most.

    Stopping leads through all parts, and one of them is broken. Where that hangs, a process that is neither ready nor
    gone is worse than one that ends without a farewell: nobody starts it again.
    """
    try:
        yield
    except TouchlineError:  # an operator's mistake, not a bug
        raise
    except Exception:
        logger.exception("server_failing", ends_within_s=stop_s + margin_s)
        timer = Timer(stop_s + margin_s, _end)
        timer.daemon = True
        timer.start()
        raise


def _end() -> None:
    """End the process, whatever its event loop does. Where it hung goes to stderr."""
    faulthandler.dump_traceback(all_threads=True)
    os._exit(BUG)
