"""`amends worker` as a process: it says when it is ready, hosts runs, and drains when it is told to."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amends import Coordinator, Run, RunStatus, action, saga

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 60

SERVICE = textwrap.dedent(
    """
    import asyncio, os, time
    from pathlib import Path
    from amends import Coordinator, Run, action, saga

    HERE = Path(__file__).parent

    @action("note", irreversible=True)
    def note(text: str) -> str:
        with (HERE / "entered").open("a") as file:
            file.write(f"{text} in {os.getpid()}\\n")
        return text

    @action("hang", irreversible=True, timeout=None)
    def hang(text: str) -> str:
        print("hanging", flush=True)
        time.sleep(600)
        return text

    @action("linger", irreversible=True, timeout=None)
    async def linger(text: str) -> str:
        print("lingering", flush=True)
        while not (HERE / "enough").exists():
            await asyncio.sleep(0.01)
        return text

    @saga("tell", version=1)
    async def tell(run: Run, names: list[str]) -> str:
        for name in names:
            await run.do({"note": note, "hang": hang, "linger": linger}[name], name)
        return "told"

    def make():
        return Coordinator(
            os.environ["AMENDS_URL"], sagas=[tell], actions=[note, hang, linger], drain_seconds=DRAIN, lease_seconds=5
        )

    number = 3

    def makes_nothing():
        return None

    async def makes_later():
        return make()

    def client():
        return Coordinator("memory://", max_running=0)
    """
)


@action("note", irreversible=True)
def note(text: str) -> str:
    raise NotImplementedError


@saga("tell", version=1)
async def tell(run: Run, names: list[str]) -> str:
    raise NotImplementedError


class Process:
    """An `amends worker`."""

    def __init__(self, place: Path, factory: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "amends.console.cli", "worker", factory, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    @property
    def name(self) -> str:
        return f"amends worker {self._process.pid}: "

    def hear(self) -> str:
        """What it says next to whoever supervises it."""
        assert self._process.stderr is not None
        return self._process.stderr.readline().removeprefix(self.name).strip()

    def hear_handler(self) -> str:
        """What a handler prints next."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for its end: the exit code, and what it said last."""
        _, said = self._process.communicate(timeout=TIMEOUT_SECONDS)
        return self._process.returncode, said.replace(self.name, "").strip()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def worker(place: Path, factory: str, *arguments: str, drain_seconds: float = 5) -> Iterator[Process]:
    (place / "service.py").write_text(SERVICE.replace("DRAIN", str(drain_seconds)))
    process = Process(place, factory, *arguments)
    try:
        yield process
    finally:
        process.kill()


async def start(url: str, *names: str) -> None:
    """Start a run for whoever claims it first."""
    async with Coordinator(url, sagas=[tell], actions=[note], max_running=0) as client:
        await client.start(tell, list(names), run_id="run", here=False)


async def finished(url: str) -> str:
    async with Coordinator(url, sagas=[tell], actions=[note], max_running=0) as client:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await client.handle("run").result() == "told"
        return (await client.handle("run").status()).value


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_hosts_runs_until_it_is_told_to_stop(shared_log_url: str, tmp_path: Path, number: int) -> None:
    """A run that was started elsewhere is done by it, once; then it drains and exits with 0."""
    with worker(tmp_path, "service:make", "--url", shared_log_url) as process:
        assert process.hear().startswith("ready: <Coordinator of sagas ")
        asyncio.run(start(shared_log_url, "note", "note"))
        assert asyncio.run(finished(shared_log_url)) == RunStatus.COMPLETED
        process.send(number)
        assert process.end() == (0, "draining\ndrained")
    assert (tmp_path / "entered").read_text() == f"note in {process.name.split()[2][:-1]}\n" * 2


def test_a_drain_lets_a_short_attempt_end_and_leaves_the_rest_to_others(sqlite_url: str, tmp_path: Path) -> None:
    """The step that was under way is recorded by the first worker, the next one is done by the second."""
    with worker(tmp_path, "service:make", "--url", sqlite_url) as first:
        assert first.hear().startswith("ready: <Coordinator of sagas ")
        asyncio.run(start(sqlite_url, "linger", "note"))
        assert first.hear_handler() == "lingering"
        first.send(signal.SIGTERM)
        assert first.hear() == "draining"
        (tmp_path / "enough").touch()
        assert first.end() == (0, "drained")
    with worker(tmp_path, "service:make", "--url", sqlite_url) as second:
        assert second.hear().startswith("ready: <Coordinator of sagas ")
        assert asyncio.run(finished(sqlite_url)) == RunStatus.COMPLETED
        second.send(signal.SIGTERM)
        assert second.end() == (0, "draining\ndrained")
    assert (tmp_path / "entered").read_text().count("note in") == 1


def test_a_drain_does_not_wait_for_a_thread_that_hangs(sqlite_url: str, tmp_path: Path) -> None:
    """After its `drain_seconds` it goes, with exit code 0, and the run is free for others at once."""
    with worker(tmp_path, "service:make", "--url", sqlite_url, drain_seconds=0.2) as process:
        assert process.hear().startswith("ready: <Coordinator of sagas ")
        asyncio.run(start(sqlite_url, "hang"))
        assert process.hear_handler() == "hanging"
        process.send(signal.SIGTERM)
        assert process.end() == (0, "draining\ndrained")

    async def is_free() -> bool:
        coordinator = Coordinator(sqlite_url, sagas=[tell], actions=[note], max_running=0)
        async with coordinator:
            return [run.lapsed for run in await coordinator._log.claimable([("tell", 1)], 10)] == [False]

    assert asyncio.run(is_free())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_drain_at_once(sqlite_url: str, tmp_path: Path, number: int) -> None:
    """Whatever hangs (failure 61); the exit code says that it did not drain."""
    with worker(tmp_path, "service:make", "--url", sqlite_url, drain_seconds=600) as process:
        assert process.hear().startswith("ready: <Coordinator of sagas ")
        asyncio.run(start(sqlite_url, "hang"))
        assert process.hear_handler() == "hanging"
        process.send(signal.SIGTERM)
        assert process.hear() == "draining"
        process.send(number)
        code, said = process.end()
    assert code == 128 + number
    assert "ended at once" in said


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("service", "is not MODULE:FACTORY"),
        (":make", "is not MODULE:FACTORY"),
        ("service:", "is not MODULE:FACTORY"),
        ("absent:make", "no module absent"),
        ("service.absent:make", "no module service.absent"),
        ("..service:make", "is not the name of a module"),
        ("service:absent", "service has no absent"),
        ("service:number", "something of type int"),
        ("service:makes_nothing", "returned something of type NoneType"),
        ("service:makes_later", "returned something of type coroutine"),
    ],
)
def test_what_is_no_factory_is_refused_with_a_reason(tmp_path: Path, factory: str, says: str) -> None:
    """Exit code 2, as for any wrong argument, and no traceback."""
    with worker(tmp_path, factory) as process:
        code, said = process.end()
    assert code == 2
    assert says in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("body", "says"),
    [("import absent_dependency", "absent_dependency"), ("def make(): import absent_dependency", "absent_dependency")],
    ids=["in the module", "in the factory"],
)
def test_what_a_service_itself_misses_is_named(tmp_path: Path, body: str, says: str) -> None:
    """Its own missing module is not taken for a wrong argument."""
    (tmp_path / "lame.py").write_text(f"{body}\n")
    with worker(tmp_path, "lame:make") as process:
        code, said = process.end()
    assert code == 1
    assert says in said


def test_a_database_that_is_away_ends_the_worker_with_1(tmp_path: Path) -> None:
    """Who supervises it starts it again."""
    with worker(tmp_path, "service:make", "--url", "sqlite:////no/such/place.db") as process:
        code, said = process.end()
    assert code == 1
    assert "LogUnavailable" in said
