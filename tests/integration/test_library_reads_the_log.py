"""The format stays the library's: its plain application, its projections, its cipher and its compressor work."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from eventsourcing.application import Application
from eventsourcing.cryptography import AESCipher
from eventsourcing.persistence import Tracking
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.conninfo import conninfo_to_dict

from amends import Coordinator, DefinitionError, LogCorrupt, Run, RunStatus
from amends.saga import events as e
from amends.saga.log.port import Record
from tests.logs import opened
from tests.worlds import World, a_saga, boom

SECRET = "a-text-that-must-not-be-in-the-clear"


class Stored(Application[str]):
    """A plain application of the library, with its own mapper, on our table."""

    name = "stored"


def environment(url: str) -> dict[str, str]:
    """Return the library's own settings for a log of ours."""
    if url.startswith("sqlite:///"):
        settings = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": url.removeprefix("sqlite:///")}
    else:
        parts = conninfo_to_dict(url)
        settings = {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": str(parts["dbname"]),
            "POSTGRES_HOST": str(parts["host"]),
            "POSTGRES_PORT": str(parts.get("port", 5432)),
            "POSTGRES_USER": str(parts["user"]),
            "POSTGRES_PASSWORD": str(parts.get("password") or "none"),
        }
    return settings | {"ORIGINATOR_ID_TYPE": "text"}


def read_by_library(url: str, **settings: str) -> Iterator[tuple[str, int, e.Event]]:
    """Yield what the library makes of the log: run, version, event."""
    application = Stored(env=environment(url) | settings)
    try:
        after = 0
        while page := application.notification_log.select(start=after + 1, limit=10):
            after = page[-1].id
            for notification in page:
                read: Any = application.mapper.to_domain_event(notification)
                yield read.originator_id, read.originator_version, type(read).model_validate(vars(read))
    finally:
        application.close()


async def _an_unwound_run(url: str, run_id: str = "signup:ada@example.com") -> list[e.Event]:
    """Make a run in which most things happen, and return its events as we read them."""
    world = World()
    a, mail = world.action("a", do=[boom()], undo=[boom()]), world.action("mail", irreversible=True)
    bad = world.action("bad", do=boom(SECRET))

    async def body(run: Run) -> None:
        await run.do(a, SECRET)
        await run.all(run.do(mail, "x"), run.do(bad, "y"))

    saga = a_saga(body)
    async with world.coordinator(url, saga) as coordinator:
        ran = await world.rest(await coordinator.start(saga, run_id=run_id))
    assert ran.status is RunStatus.PARTIALLY_COMPENSATED
    return ran.events


def test_a_plain_application_reads_our_events(shared_log_url: str) -> None:
    """Through the library's own notification log and mapper, with the run's id and the versions 1, 2, 3 ..."""
    ours = asyncio.run(_an_unwound_run(shared_log_url))
    theirs = list(read_by_library(shared_log_url))
    assert [event for _, _, event in theirs] == ours
    assert [version for _, version, _ in theirs] == list(range(1, len(ours) + 1))
    assert {run_id for run_id, _, _ in theirs} == {"signup:ada@example.com"}


class Counting(Projection[POPOTrackingRecorder]):
    """Counts what it sees."""

    topics = (e.RunStarted.TOPIC, e.RunCompensated.TOPIC)

    def __init__(self, view: POPOTrackingRecorder) -> None:
        super().__init__(view)
        self.seen: list[str] = []

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.seen.append(f"{type(domain_event).__name__} {domain_event.originator_id}")
        self.view._max_tracking_ids[tracking.application_name] = tracking.notification_id


def test_the_librarys_projection_runner_follows_a_live_log(postgres_url: str) -> None:
    """What is there already, and what comes while it looks."""
    asyncio.run(_an_unwound_run(postgres_url, "one"))
    settings = environment(postgres_url) | {"COUNTING_PERSISTENCE_MODULE": "eventsourcing.popo"}
    with ProjectionRunner(
        application_class=Stored, projection_class=Counting, view_class=POPOTrackingRecorder, env=settings
    ) as runner:
        runner.wait(asyncio.run(_last_position(postgres_url)), timeout=30)
        asyncio.run(_an_unwound_run(postgres_url, "two"))
        runner.wait(asyncio.run(_last_position(postgres_url)), timeout=30)
        assert isinstance(runner.projection, Counting)
        assert runner.projection.seen == [
            "RunStarted one",
            "RunCompensated one",
            "RunStarted two",
            "RunCompensated two",
        ]


async def _last_position(url: str) -> int:
    """Return the position of the last event, which is the end of the last run."""
    async with opened(url) as log:
        last = 0
        async for page in log.follow():
            last = page[-1].id
            if page[-1].topic == e.RunCompensated.TOPIC:
                break
        return last


@pytest.fixture
def encrypted(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The library's settings for its cipher and a compressor, set in the environment."""
    settings = {
        "CIPHER_TOPIC": "eventsourcing.cryptography:AESCipher",
        "CIPHER_KEY": AESCipher.create_key(num_bytes=32),
        "COMPRESSOR_TOPIC": "eventsourcing.compressor:ZlibCompressor",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


def test_events_are_encrypted_and_compressed_where_the_environment_says_so(
    shared_log_url: str, encrypted: dict[str, str]
) -> None:
    """Nothing is stored in the clear; we read it back, and so does the library with the same settings."""
    ours = asyncio.run(_an_unwound_run(shared_log_url))
    states = asyncio.run(_states(shared_log_url))
    assert len(states) == len(ours)
    assert not any(SECRET.encode() in state or b"occurred_at" in state for state in states)
    assert [event for _, _, event in read_by_library(shared_log_url, **encrypted)] == ours


def test_a_log_cannot_be_read_with_another_key(shared_log_url: str, encrypted: dict[str, str]) -> None:
    """It is called corrupt, and the error repeats nothing of it."""
    asyncio.run(_an_unwound_run(shared_log_url))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIPHER_KEY", AESCipher.create_key(num_bytes=32))

        async def read() -> None:
            async with World().coordinator(shared_log_url) as coordinator:
                await coordinator.handle("signup:ada@example.com").history()

        with pytest.raises(LogCorrupt, match="cannot be decrypted"):
            asyncio.run(read())


@pytest.mark.parametrize(
    "settings",
    [
        {"CIPHER_TOPIC": "eventsourcing.cryptography:AESCipher"},
        {"CIPHER_TOPIC": "no.such.module:Cipher", "CIPHER_KEY": "x"},
        {"COMPRESSOR_TOPIC": "zlib:nothing_of_that_name"},
        {"CIPHER_TOPIC": "eventsourcing.cryptography:AESCipher", "CIPHER_KEY": "too-short"},
    ],
    ids=["no key", "no such cipher", "no such compressor", "bad key"],
)
def test_a_cipher_that_cannot_be_had_is_a_definition_error(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    """When the coordinator is built, not when the first event is to be written; and never with the key in it."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DefinitionError, match="CIPHER_KEY does not fit") as refusal:
        Coordinator("memory://")
    assert "too-short" not in str(refusal.value)


async def _states(url: str) -> list[bytes]:
    async with opened(url) as log:
        return [record.state for record in await log.read("signup:ada@example.com")]


FOREIGN = ["this:s", "amends.saga.events:Nothing", "os:system", "", "antigravity:geohash"]


def test_a_row_with_a_foreign_topic_is_refused(log_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that it names is imported, for reading, for waiting, or for giving a command."""

    async def scenario() -> None:
        async with World().coordinator(log_url) as coordinator:
            for number, topic in enumerate(FOREIGN):
                await coordinator._log.append(f"run-{number}", 0, [Record(topic, b"{}")])
                handle = coordinator.handle(f"run-{number}")
                for ask in (handle.history, handle.status, handle.result):
                    with pytest.raises(LogCorrupt, match="unknown topic"):
                        await ask()
                with pytest.raises(LogCorrupt, match="unknown topic"):
                    await handle.cancel(by="ada", reason="?")

    asyncio.run(scenario())
    assert "this" not in sys.modules
    assert "antigravity" not in sys.modules
    assert capsys.readouterr().out == ""


BROKEN = [b"", b"{", b"[]", b"null", b"{}", b'{"occurred_at":"yesterday"}', b"\xff\xfe", b'{"saga":1}']


def test_a_row_that_cannot_be_read_is_refused(log_url: str) -> None:
    """The other runs of the log are not touched by it."""
    world = World()
    a = world.action("a")

    async def body(run: Run) -> str:
        return await run.do(a, "x")

    saga = a_saga(body)

    async def scenario() -> None:
        async with world.coordinator(log_url, saga) as coordinator:
            for number, state in enumerate(BROKEN):
                await coordinator._log.append(f"broken-{number}", 0, [Record(e.RunStarted.TOPIC, state)])
                with pytest.raises(LogCorrupt):
                    await coordinator.handle(f"broken-{number}").status()
            assert (await world.rest(await coordinator.start(saga, run_id="run"))).output == "X"

    asyncio.run(scenario())
