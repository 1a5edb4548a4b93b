"""Group commit: all appends of a process go through one writer, and what waits together is committed together.

It knows no database. A `Backend` commits a batch and reads a run; this module decides what a batch is, what a
conflict means and who is told what. Nothing waits for a timer: a batch is whatever was handed in while the batch
before it was being committed (or, for the first, in the same turn of the event loop).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Collection, Sequence
from typing import NamedTuple, Protocol

from ...errors import AppendConflict, LogUnavailable
from .patience import Patience
from .port import Backlog, Record, Standing

__all__ = ["Append", "Backend", "GroupCommit", "is_stored"]


class Append(NamedTuple):
    """What one caller wants written: records for a run that has `expected_version` records, and what goes with them.

    Its standing changes in the transaction that stores the records, so one that is found stored has changed it already.
    """

    run_id: str
    expected_version: int
    records: Sequence[Record]
    standing: Standing | None = None
    ring: str | None = None


class Backend(Protocol):
    """What the writer needs of a database."""

    async def commit(self, batch: Sequence[Append]) -> Collection[str]:
        """Write the appends of a batch in one durable transaction, at most one append a run.

        Returns:
            The ids of the runs whose version differs from the expected one. They are left out; the others are
            committed.

        Raises:
            LogUnavailable: no answer; the batch may or may not be committed.
        """
        ...

    async def read(self, run_id: str, after_version: int) -> list[Record]:
        """Return the run's records with versions above `after_version`, in order.

        Raises:
            LogUnavailable: no answer.
        """
        ...


def is_stored(append: Append, after_expected: Sequence[Record]) -> bool:
    """Tell whether an append is already in the log, byte for byte, given what follows its expected version.

    If so it is our own write whose reply was lost. What others have written behind it since does not matter.
    """
    return list(after_expected[: len(append.records)]) == list(append.records)


class _Waiting:
    """An append and the future its caller waits for."""

    __slots__ = ("append", "done", "size_bytes")

    def __init__(self, append: Append, done: "asyncio.Future[None]") -> None:
        self.append = append
        self.done = done
        self.size_bytes = 0
        for topic, state in append.records:
            self.size_bytes += len(topic) + len(state)

    def succeed(self) -> None:
        if not self.done.done():  # its caller may have been cancelled
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class GroupCommit:
    """The one writer of a log.

    Args:
        backend: where to write.
        patience_seconds: how long a batch is repeated while the database does not answer.
        batch_bytes: bound of a batch; a single append that is larger goes alone.
        batch_count: bound of a batch, in appends.
    """

    def __init__(
        self,
        backend: Backend,
        patience_seconds: float = 10.0,
        *,
        batch_bytes: int = 1024 * 1024,
        batch_count: int = 512,
    ) -> None:
        self._backend = backend
        self._patience_seconds = patience_seconds
        self._patience = Patience(patience_seconds)
        self._batch_bytes = batch_bytes
        self._batch_count = batch_count
        self._queue: deque[_Waiting] = deque()
        self._append_count = 0
        self._size_bytes = 0
        self._commit_count = 0
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def backlog(self) -> Backlog:
        """What waits to be written, or is being written."""
        return Backlog(self._append_count, self._size_bytes, self._commit_count)

    async def append(
        self,
        run_id: str,
        expected_version: int,
        records: Sequence[Record],
        standing: Standing | None = None,
        ring: str | None = None,
    ) -> None:
        """Hand in an append and wait until it is durable; see `Log.append`.

        Cancelling the caller only stops its waiting: the write may still happen.

        Raises:
            AppendConflict: the run is at another version, written by somebody else.
            LogUnavailable: no answer for `patience_seconds`, or the writer is closed.
        """
        if not records:
            raise ValueError("an append takes at least one record")
        if self._closed:
            raise LogUnavailable("the log is closed")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(Append(run_id, expected_version, tuple(records), standing, ring), loop.create_future())
        self._queue.append(waiting)
        self._append_count += 1
        self._size_bytes += waiting.size_bytes
        if self._writer is None:
            self._writer = loop.create_task(self._drain(), name="amends group commit")
        try:
            await waiting.done
        finally:
            self._append_count -= 1
            self._size_bytes -= waiting.size_bytes

    async def close(self) -> None:
        """Refuse new appends and let those under way end. Safe to call twice."""
        self._closed = True
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _drain(self) -> None:
        """Write until nothing waits. A task of its own, so that no caller's cancellation can cut a commit."""
        self._patience = Patience(self._patience_seconds)
        try:
            while self._queue:
                await self._write(self._next_batch())
        finally:
            self._writer = None
            # Only left over when this task itself was cancelled, which ends the event loop.
            self._give_up(self._queue, "the writer was stopped")

    def _next_batch(self) -> list[_Waiting]:
        """Take what fits, in order of arrival; a second append of one run stays for the next batch."""
        batch: list[_Waiting] = []
        runs: set[str] = set()
        size_bytes = 0
        passed_over: list[_Waiting] = []
        while self._queue and len(batch) < self._batch_count:
            waiting = self._queue[0]
            if batch and size_bytes + waiting.size_bytes > self._batch_bytes:
                break
            self._queue.popleft()
            if waiting.done.cancelled():
                continue
            if waiting.append.run_id in runs:
                passed_over.append(waiting)
                continue
            batch.append(waiting)
            runs.add(waiting.append.run_id)
            size_bytes += waiting.size_bytes
        self._queue.extendleft(reversed(passed_over))
        return batch

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        appends = [waiting.append for waiting in batch]

        def commit() -> Awaitable[Collection[str]]:
            self._commit_count += 1
            return self._backend.commit(appends)

        try:
            conflicted = await self._patience.ask(commit) if appends else ()
        except LogUnavailable as error:
            self._give_up(batch, str(error), error)
        except Exception as error:
            await self._isolate(batch, error)
        except BaseException:
            self._give_up(batch, "the writer was stopped")
            raise
        else:
            await self._answer(batch, conflicted)

    async def _isolate(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Write each append of a refused batch alone, so that one run's poison harms no other."""
        if len(batch) == 1:
            batch[0].fail(error)
            return
        for waiting in batch:
            await self._write([waiting])

    async def _answer(self, batch: Sequence[_Waiting], conflicted: Collection[str]) -> None:
        """Tell the callers, those who need no second look first."""
        doubtful: list[_Waiting] = []
        for waiting in batch:
            if waiting.append.run_id in conflicted:
                doubtful.append(waiting)
            else:
                waiting.succeed()
        for waiting in doubtful:
            await self._settle(waiting)

    async def _settle(self, waiting: _Waiting) -> None:
        """Read back who wrote: we ourselves, in an attempt whose reply was lost, or somebody else."""
        append = waiting.append
        try:
            after = await self._patience.ask(lambda: self._backend.read(append.run_id, append.expected_version))
        except LogUnavailable as error:
            self._give_up([waiting], str(error), error)
        except Exception as error:
            waiting.fail(error)
        else:
            if is_stored(append, after):
                waiting.succeed()
            else:
                waiting.fail(AppendConflict(append.run_id, append.expected_version))

    @staticmethod
    def _give_up(batch: Collection[_Waiting], reason: str, cause: Exception | None = None) -> None:
        """Tell each caller by an error of its own: one shared by many tasks would collect all their tracebacks."""
        for waiting in batch:
            error = LogUnavailable(reason)
            error.__cause__ = cause
            waiting.fail(error)
