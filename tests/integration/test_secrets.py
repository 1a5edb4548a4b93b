"""A secret in an error's text never reaches the log, nor what is raised from it; ids are never touched."""

import asyncio

import pytest

from amends import OutcomeUnknown, Run
from tests.logs import opened
from tests.worlds import Ran, World, boom

CANARY = "hunter2-canary"
TEXTS = {
    "url": f"could not connect to postgresql://app:{CANARY}@db.internal:5432/app",
    "url without a user": f"redis://:{CANARY}@cache/0 timed out",
    "bearer": f"401 for headers Authorization: Bearer {CANARY}.abc-def_ghi",
    "basic": f"Authorization: Basic {CANARY}=",
    "assignment": f"login failed with password={CANARY} for ada",
    "environment": f"AWS_SECRET_ACCESS_KEY={CANARY} is not valid",
    "json": f'{{"user": "ada", "password": "{CANARY}"}}',
    "json with spaces": f'{{"client_secret" : "correct horse {CANARY}", "x": 1}}',
    "json in json": '{"body": "{\\"password\\": \\"' + CANARY + '\\"}"}',
    "query": f"GET https://api/v1?api_key={CANARY}&page=2 failed",
    "repr": f"Login(user='ada', password='{CANARY}')",
    "header": f"X-Api-Key: {CANARY}",
    "mapping": f"{{'access_token': '{CANARY}'}}",
    "at the cut": "x" * 1_990 + f" password={CANARY}",
}
every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


RUN_ID = "token:abcdefgh12345678/password:x"


async def _fail_with(log_url: str, text: str, run_id: str) -> Ran:
    """Let do, undo, an unknown outcome and the saga itself fail with a text."""
    world = World()
    a = world.action("a", undo=[boom(text), OutcomeUnknown(text)])
    bad = world.action("bad", do=[boom(text), OutcomeUnknown(text), boom(text)])

    async def body(run: Run) -> None:
        await run.do(a, "x")
        try:
            await run.do(bad, "x")
        except Exception as error:
            raise RuntimeError(text) from error

    return await world.run(log_url, body, run_id)


@every_text
def test_a_secret_in_an_error_is_not_recorded(text: str) -> None:
    """Neither in an event nor in what is raised; the run's id is not touched."""
    ran = asyncio.run(_fail_with("memory://", text, RUN_ID))
    assert CANARY not in repr(ran.events)
    assert CANARY not in f"{ran.error!r} {ran.error}"
    assert RUN_ID in str(ran.error)


def test_no_secret_is_in_any_stored_byte(shared_log_url: str) -> None:
    """After a run for each of the texts."""

    async def scenario() -> None:
        for number, text in enumerate(TEXTS.values()):
            await _fail_with(shared_log_url, text, f"run-{number}")
        async with opened(shared_log_url) as log:
            records = [record for number in range(len(TEXTS)) for record in await log.read(f"run-{number}")]
        assert len(records) > 10 * len(TEXTS)
        assert not any(CANARY.encode() in record.state for record in records)

    asyncio.run(scenario())


def test_no_traceback_and_no_local_variable_is_recorded() -> None:
    """Nor the cause of an error: only its class and its own text."""
    world = World()

    async def fail(call: object) -> None:
        password = CANARY
        try:
            raise ValueError(password)
        except ValueError as cause:
            raise LookupError("cannot log in") from cause

    a = world.action("a", do=fail)

    async def body(run: Run) -> None:
        await run.do(a, "x")

    ran = asyncio.run(world.run("memory://", body))
    assert CANARY not in repr(ran.events)
    assert "LookupError: cannot log in" in str(ran.error)
