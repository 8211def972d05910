"""The life of one worker, over all processes that take its place. Pure: the caller has the clock, and the processes.

    WAITING ──spawned──► STARTING ──served──► SERVING
       ▲                    │                    │
       └───────ended────────┴────────────────────┤          stop: WAITING ─► STOPPED
       └───────────ended──── DRAINING ◄──drain───┘
                                                            stop: STARTING, SERVING ─► STOPPING ──ended──► STOPPED

Rules:

1. A process that ends is replaced after a wait that doubles each time: a worker that cannot live must not keep the
   machine busy. Once a process has served for `LIVED_S`, the next wait is the shortest again.
2. A process that gives no sign of life for too long hangs. Before its first sign it may take `FIRST_SIGN_S`: it is
   importing its modules. Well before it counts as hung it is not ready any more.
3. A process that was asked to drain is replaced at once when it has ended: nothing was wrong with it.
4. If the caller itself was held up, it calls `forgive` before it judges: signs of life may wait to be read.
"""

from enum import Enum

BACKOFF_S_MIN = 0.25
"""The first wait. The clients of a worker that died come back to the others meanwhile."""
BACKOFF_S_MAX = 30.0
"""The longest wait: how late a worker notices that what it needs is there again."""
LIVED_S = 60.0
"""A process that served for this long was well: what ended it is not what ended the one before it."""
FIRST_SIGN_S = 120.0
"""Until a new process gives a sign of life: importing takes a second, or many on a machine that is overloaded."""
SILENT_S_MAX = 3.0
"""The longest silence of a process that is ready. Signs come each half second."""
_DOUBLINGS_MAX = 16


class WorkerState(Enum):
    """Where a worker is in its life."""

    WAITING = "waiting"
    """No process: the next one starts when the wait is over."""
    STARTING = "starting"
    """A process that does not accept clients yet."""
    SERVING = "serving"
    DRAINING = "draining"
    """A process that was asked to end, and that another one follows."""
    STOPPING = "stopping"
    """A process that was asked to end."""
    STOPPED = "stopped"
    """No process, and none will follow."""


_PROCESS = (WorkerState.STARTING, WorkerState.SERVING, WorkerState.DRAINING, WorkerState.STOPPING)


class WorkerLife:
    """One worker. Times are in seconds by a monotonic clock. ``hang_s``: the longest silence."""

    def __init__(self, hang_s: float, now_s: float) -> None:
        self.state = WorkerState.WAITING
        self.has_served = False
        """Whether any of its processes has ever accepted clients."""
        self.hang_s = hang_s
        self._due_s = now_s
        self._failures = 0
        self._since_s = now_s
        self._heard_s = now_s
        self.gave_sign = False
        """Whether its process, if it has one, has given a sign of life: before that it holds nothing of anybody."""

    @property
    def has_process(self) -> bool:
        """Whether a process has this worker's place."""
        return self.state in _PROCESS

    def is_due(self, now_s: float) -> bool:
        """Whether a process is to be started."""
        return self.state is WorkerState.WAITING and now_s >= self._due_s

    def is_hung(self, now_s: float) -> bool:
        """Whether its process is to be killed."""
        limit_s = self.hang_s if self.gave_sign else max(self.hang_s, FIRST_SIGN_S)
        return self.has_process and self.silent_s(now_s) > limit_s

    def is_silent(self, now_s: float) -> bool:
        """Whether a process that accepts clients has given no sign of life for so long that it is not ready.

        That is after half the time of `hang_s` at the latest: nobody calls a process ready that is killed next.
        """
        return self.state is WorkerState.SERVING and self.silent_s(now_s) > min(SILENT_S_MAX, self.hang_s / 2)

    def silent_s(self, now_s: float) -> float:
        """How long ago its process gave a sign of life, or was started."""
        return now_s - self._heard_s

    def spawned(self, now_s: float) -> None:
        """A process was started."""
        self._expect(WorkerState.WAITING)
        self.state = WorkerState.STARTING
        self._since_s = self._heard_s = now_s
        self.gave_sign = False

    def heard(self, now_s: float) -> None:
        """The process gave a sign of life."""
        self._heard_s = now_s
        self.gave_sign = True

    def forgive(self, now_s: float) -> None:
        """Nobody could hear the process until now."""
        self._heard_s = now_s

    def served(self, now_s: float) -> None:
        """The process accepts clients."""
        if self.state is WorkerState.STARTING:
            self.state = WorkerState.SERVING
            self.has_served = True
            self._since_s = now_s

    def drain(self) -> None:
        """Its process, which serves, was asked to end. Another one is to follow."""
        self._expect(WorkerState.SERVING)
        self.state = WorkerState.DRAINING

    def stop(self) -> None:
        """No process is to follow this one."""
        self.state = WorkerState.STOPPING if self.has_process else WorkerState.STOPPED

    def ended(self, now_s: float) -> float | None:
        """The process has ended. Returns after how many seconds the next one is due; None if none is."""
        self._expect(*_PROCESS)
        if self.state is WorkerState.STOPPING:
            self.state = WorkerState.STOPPED
            return None
        if self.state is WorkerState.DRAINING:
            self._due_s = now_s
            self.state = WorkerState.WAITING
            return 0.0
        if self.state is WorkerState.SERVING and now_s - self._since_s >= LIVED_S:
            self._failures = 0
        wait_s = min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2.0 ** min(self._failures, _DOUBLINGS_MAX))
        self._failures += 1
        self._due_s = now_s + wait_s
        self.state = WorkerState.WAITING
        return wait_s

    def _expect(self, *states: WorkerState) -> None:
        if self.state not in states:
            raise AssertionError(f"a worker that is {self.state.value} cannot do this")
