"""Hosts the runs of one worker: gives them places, claims what nobody has, lets go of what is lost, and drains.

Who has a run is decided in the log: a claim is an event, and the version of the stream is the fence. The lease and the
table of unfinished runs only say where to try.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from ..errors import AmendsError, AppendConflict, CoordinatorClosed, LogError, LogUnavailable
from .driver import Driver
from .heart import Heart
from .host import Host
from .moments import Claim
from .moving import move_starts
from .observing import Figures
from .state import RunState, fold
from .suspects import Suspects

CLAIMS_AT_ONCE = 50
"""How many runs a sweep takes in one go: bounded, so that a hundred thousand orphans do not stop a worker's heart."""

WAKES_AT_ONCE = 200
"""How many waiting runs that are due are made claimable in one transaction."""

SWEEPS_A_LEASE = 3
OWNERSHIP_CHECKS_A_LEASE = 20

_logger = logging.getLogger("amends.hosting")


class Hosting:
    """The runs that this worker has.

    Args:
        host: what their drivers share.
        heart: this worker's lease.
        worker: its token.
        lease_seconds: how long a silent worker keeps its runs.
        max_running: how many runs have a place here at once.
    """

    def __init__(self, host: Host, heart: Heart, worker: str, lease_seconds: float, max_running: int) -> None:
        self.worker = worker
        self.drivers: dict[str, Driver] = {}
        self._host = host
        self._heart = heart
        self._lease_seconds = lease_seconds
        self._max_running = max_running
        self._places = host.places
        self._places.freed = self._stir
        self._tasks: dict[Driver, asyncio.Task[None]] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._lapses_seen = 0
        self._checking: asyncio.Task[None] | None = None
        self._expected: dict[str, set[asyncio.Future[None]]] = {}
        self._next_due: datetime | None = None
        self._listening: asyncio.Task[None] | None = None
        self._stirred: asyncio.Future[None] | None = None
        self._unreadable: set[str] = set()
        self._suspects = Suspects(self.drivers, lease_seconds)
        self._named: set[tuple[str, int]] = set()
        self.draining = False
        host.may_enter = self.may_enter
        if host.limits is not None:
            host.limits.lapses = lambda: heart.lapses if heart.alive else None

    def figures(self) -> Figures:
        """Return what can be counted at any time, from any thread."""
        return Figures(len(self.drivers), self._host.log.backlog)

    async def open(self) -> None:
        """Start the heart, and look for work from now on.

        Raises:
            LogUnavailable: the database does not answer.
        """
        if self._max_running:
            await self._heart.start()
            self._sweeper = asyncio.create_task(self._sweep_on(), name="amends sweeper")

    # Places

    async def host(self, run_id: str, make: Callable[[], Driver]) -> Driver:
        """Return the run's driver, made and launched when there is a place for it.

        Raises:
            CoordinatorClosed: the coordinator is closing.
        """
        await self._places.acquire()
        hosted = self.drivers.get(run_id)
        try:
            if self.draining:
                raise CoordinatorClosed("the coordinator is closing")
            driver = make() if hosted is None or hosted.finished.done() else hosted
        except BaseException:
            self._places.release()
            raise
        if driver is hosted:
            self._places.release()
        else:
            self._launch(driver)
        return driver

    def _launch(self, driver: Driver) -> None:
        run_id = driver.state.run_id
        self.drivers[run_id] = driver
        for waiter in self._expected.pop(run_id, ()):
            if not waiter.done():
                waiter.set_result(None)
        self._tasks[driver] = task = self._host.loop.create_task(driver.drive(), name=f"amends run {run_id}")
        task.add_done_callback(partial(self._ended, driver))

    def _ended(self, driver: Driver, _: "asyncio.Task[None]") -> None:
        del self._tasks[driver]
        if self.drivers.get(driver.state.run_id) is driver:
            del self.drivers[driver.state.run_id]
        self._places.release()
        if self._expect(driver.due_at):
            self._stir()

    def _expect(self, due_at: datetime | None) -> bool:
        """Note when a run is due; returns whether that is earlier than all that are known of."""
        is_next = due_at is not None and (self._next_due is None or due_at < self._next_due)
        if is_next:
            self._next_due = due_at
        return is_next

    async def until_hosted(self, run_id: str, seconds: float) -> None:
        """Return when a driver of this run is launched here, or the time is up."""
        waiter: asyncio.Future[None] = self._host.loop.create_future()
        waiters = self._expected.setdefault(run_id, set())
        waiters.add(waiter)
        try:
            await asyncio.wait({waiter}, timeout=seconds)
        finally:
            waiters.discard(waiter)
            if not waiters and self._expected.get(run_id) is waiters:
                del self._expected[run_id]

    # The lease

    async def may_enter(self) -> None:
        """Return when this worker may enter a handler: its lease holds, and nobody took its runs while it did not."""
        while not self._heart.alive or self._lapses_seen != self._heart.lapses:
            if self._heart.alive:
                await self._check_once()
            else:
                await asyncio.sleep(self._lease_seconds / OWNERSHIP_CHECKS_A_LEASE)

    async def _check_once(self) -> None:
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check_ownership(), name="amends ownership check")
        await asyncio.shield(self._checking)

    async def _check_ownership(self) -> None:
        """After a lapse: let go of the runs that others have taken meanwhile, and claim the rest anew."""
        lapses = self._heart.lapses
        hosted = list(self.drivers.values())
        try:
            owned = await self._host.log.owned(self.worker)
        except LogError:
            await asyncio.sleep(self._lease_seconds / OWNERSHIP_CHECKS_A_LEASE)
            return
        begun = [driver for driver in hosted if driver.acknowledged.done()]
        for driver in begun:
            if driver.state.run_id not in owned:
                driver.lose()
        # What a claim meets (a conflict, the end of this process), its driver meets too, and gives up the run.
        claims = (self._claim_anew(driver) for driver in begun if driver.state.run_id in owned)
        await asyncio.gather(*claims, return_exceptions=True)
        self._lapses_seen = lapses

    async def _claim_anew(self, driver: Driver) -> None:
        """Claim a run that is ours, and wait until that is durable; decision record 021.

        Another worker may be about to claim it, from a time when our lease still seemed lapsed. The version of the
        stream lets one of the two claims in.
        """
        if not driver.finished.done():
            driver.take(Claim(self.worker, lapsed=False))
            await driver.durable()

    # Work that nobody has

    async def _sweep_on(self) -> None:
        while True:
            self._stirred = stirred = self._host.loop.create_future()  # Now: what stirs during the sweep counts, too.
            try:
                has_more = await self._sweep()
                await self._hear()  # Last: what rings from the sweep's look on ends the rest, and is heard next time.
                if not has_more:
                    await self._rest(stirred)
            except LogError as error:
                _logger.warning("the sweep for unfinished runs failed, it is tried again: %s", error)
                await asyncio.sleep(self._lease_seconds / SWEEPS_A_LEASE)
            except Exception:  # A fault of ours; but a worker that does not sweep leaves runs lying.
                _logger.exception("the sweep for unfinished runs failed, it is tried again")
                await asyncio.sleep(self._lease_seconds / SWEEPS_A_LEASE)

    @property
    def _has_room(self) -> bool:
        return self._places.free_count > 0

    async def _rest(self, stirred: "asyncio.Future[None]") -> None:
        """Wait until there may be something to do: it rings, a run is due, there is a place again, or time is up."""
        parts = OWNERSHIP_CHECKS_A_LEASE if self._suspects.held_back() else SWEEPS_A_LEASE
        longest = self._lease_seconds / parts
        due_in = longest
        if self._next_due is not None and self._has_room:
            due_in = max(0.0, (self._next_due - self._host.clock.now()) / timedelta(seconds=1))
        if self._listening is None or self._listening.done():
            self._listening = self._host.loop.create_task(self._host.log.wait_for_work(longest), name="amends bell")
        await asyncio.wait(
            {self._listening, stirred}, timeout=min(longest, due_in), return_when=asyncio.FIRST_COMPLETED
        )
        if self._listening.done():
            self._listening.result()

    def _stir(self) -> None:
        if self._stirred is not None and not self._stirred.done():
            self._stirred.set_result(None)

    async def _hear(self) -> None:
        """Let the drivers look for whose runs somebody has rung."""
        if self.drivers:
            for run_id, count in (await self._host.log.rung(self.worker)).items():
                driver = self.drivers.get(run_id)
                if driver is not None and driver.heard_count != count:
                    driver.heard_count = count
                    driver.look()

    async def _sweep(self) -> bool:
        """Claim a bounded number of runs, if there is room; returns whether there may be more."""
        if not self._has_room:
            await self._host.log.claimable((), 0)  # It has been looked: without that, the rest would end at once.
            return False
        await self.may_enter()
        self._next_due = None  # From here on: of a run that is let go of while the log answers, it may not tell.
        self._expect(await self._host.log.wake(self._host.clock.now(), WAKES_AT_ONCE))
        known = self._host.registry.known()
        limit = min(CLAIMS_AT_ONCE, self._places.free_count)
        free = list(await self._free(known, limit))[:limit]
        if await move_starts(self._host):  # After that look: what rings between the two must not count as heard.
            return True
        if not free:
            await self._name_unknown(known)
            return False
        read = await asyncio.gather(*map(self._read, free))
        # A run that is still free now was free when it was read: whoever takes it from here on changes its version.
        # Without this second look, one that was taken in between would be taken from its new owner.
        lapsed = await self._free(known, limit)
        states = [state for state in read if state is not None and state.run_id in lapsed]
        await asyncio.gather(
            *(self._claim(state, lapsed=lapsed[state.run_id]) for state in self._suspects.in_turn(states))
        )
        return True

    async def _free(self, known: set[tuple[str, int]], limit: int) -> dict[str, bool]:
        """Return the runs that may be claimed, and of each whether its owner has fallen silent."""
        passed_over = self._unreadable | self._suspects.held_back()
        found = await self._host.log.claimable(known, limit + len(passed_over))
        lapsed = {run.run_id: run.lapsed for run in found} or dict.fromkeys(await self._strays(), True)
        for run_id in lapsed.keys() & self.drivers.keys():
            self.drivers[run_id].look()  # It is free although we have it: somebody rang when we were to let go of it.
        taken = passed_over | self.drivers.keys()
        return {run_id: lapsed[run_id] for run_id in lapsed if run_id not in taken}

    async def _strays(self) -> list[str]:
        """Return runs that are ours in the log but have no driver: it failed, or the reply to their start was lost."""
        return sorted(await self._host.log.owned(self.worker) - self.drivers.keys())

    async def _read(self, run_id: str) -> RunState | None:
        try:
            state = fold(run_id, map(self._host.codec.decode, await self._host.log.read(run_id)))
        except LogUnavailable:
            raise
        except AmendsError as error:
            self._give_up_on(run_id, error)
            return None
        return None if state.at_rest else state  # What we were told may be out of date.

    async def _claim(self, state: RunState, *, lapsed: bool) -> None:
        try:
            saga = self._host.registry.recorded_saga(state.saga, state.saga_version)
            claim = Claim(self.worker, lapsed)
            driver = await self.host(state.run_id, lambda: _claiming(Driver(self._host, state, saga), claim))
            await driver.acknowledged.wait()
        except (AppendConflict, CoordinatorClosed):
            pass  # Another worker was faster, or this one is going.
        except LogUnavailable:
            raise
        except AmendsError as error:
            self._give_up_on(state.run_id, error)

    def _give_up_on(self, run_id: str, error: AmendsError) -> None:
        self._unreadable.add(run_id)
        _logger.warning("run %s cannot be taken up: %s", run_id, error, extra={"run_id": run_id})

    async def _name_unknown(self, known: set[tuple[str, int]]) -> None:
        """Say once of each saga and version that nobody here knows that runs of it are waiting."""
        for run in await self._host.log.unknown(known, CLAIMS_AT_ONCE):
            if (run.saga, run.version) not in self._named:
                self._named.add((run.saga, run.version))
                _logger.warning(
                    "run %s waits for a worker that knows saga %s version %s",
                    run.run_id,
                    run.saga,
                    run.version,
                    extra={"run_id": run.run_id, "saga": run.saga},
                )

    # The end

    async def drain(self, drain_seconds: float) -> None:
        """Claim nothing more, let the attempts under way end, for so long at most, and give up the rest at once."""
        self.draining = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait({self._sweeper})
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})
        drains = {asyncio.create_task(driver.drain()) for driver in list(self.drivers.values())}
        if drains:
            _, late = await asyncio.wait(drains, timeout=drain_seconds)
            for drain in late:
                drain.cancel()
        tasks = set(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Give up the lease and every run. Call it after `drain`."""
        if self._host.limits is not None:
            await self._host.limits.close()
        if not self._max_running:
            return  # It had no lease and no run, and its role may have no right to give any up.
        await self._heart.stop()
        try:
            await self._host.log.release(self.worker)
        except LogError as error:
            _logger.warning("the runs could not be released, others wait for the lease to lapse: %s", error)


def _claiming(driver: Driver, claim: Claim) -> Driver:
    driver.take(claim)
    driver.recover()
    return driver
