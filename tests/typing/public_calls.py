"""Every public form of a call, for mypy only: nothing here runs, and nothing here is collected."""

import asyncio
from datetime import datetime
from typing import Any, assert_type
from uuid import UUID

from pydantic import BaseModel
from tenacity import stop_after_attempt, wait_fixed

from amends import Action, Call, Coordinator, Run, RunHandle, RunStatus, Saga, action, saga
from amends.blocking import BlockingCoordinator, BlockingHandle
from amends.telemetry import Observer, RunLogger
from amends.telemetry.otel import OpenTelemetry


class NewUser(BaseModel):
    name: str


class User(BaseModel):
    user_id: str


@action("create", timeout=None, stop=stop_after_attempt(2), wait=wait_fixed(1), on_unknown="park")
async def create(new_user: NewUser, call: Call) -> User:
    return User(user_id=call.idempotency_key + new_user.name)


@create.undo
async def delete(new_user: NewUser, user: User | None) -> None: ...


@create.probe
def find(new_user: NewUser, call: Call) -> User | None: ...


@action("update")
def update(email: str) -> list[int]:
    return [len(email)]


@update.undo(stop=stop_after_attempt(5), timeout=1.0)
def restore(email: str, before: list[int] | None, call: Call) -> None: ...


@action("ping", irreversible=True)
async def ping() -> str:
    return "pong"


@saga("onboard", version=2)
async def onboard(run: Run, new_user: NewUser) -> User:
    user = await run.do(create, new_user)
    assert_type(user, User)
    numbers, pong = await run.all(run.do(update, "a@example.com"), run.do(ping), limit=2)
    assert_type(numbers, list[int])
    assert_type(pong, str)
    assert_type(await run.all(*[run.do(update, name) for name in "abc"]), tuple[list[int], ...])
    assert_type(await asyncio.gather(run.do(ping), run.do(create, new_user)), tuple[str, User])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run.do(ping))
    assert_type(task.result(), str)
    await run.sleep(1.5)
    assert_type(await run.saga(onboard, new_user), User)
    assert_type(await run.saga(nothing), None)
    assert_type(await run.wait_for("approved", User, timeout_seconds=5), User)
    assert_type(await run.wait_for("approved"), Any)
    await run.commit()
    assert_type(run.now(), datetime)
    assert_type(run.uuid(), UUID)
    return user


@saga("nothing")
async def nothing(run: Run) -> None: ...


async def asynchronous(coordinator: Coordinator) -> None:
    assert_type(create, Action[NewUser, User])
    assert_type(update, Action[str, list[int]])
    assert_type(onboard, Saga[NewUser, User])
    assert_type(nothing, Saga[None, None])
    handle = await coordinator.start(onboard, NewUser(name="Ada"), run_id="r", tags={"tenant": "acme"}, here=False)
    assert_type(handle, RunHandle[User])
    assert_type(await handle.result(), User)
    assert_type(await handle.status(), RunStatus)
    assert_type(await handle.cancel(by="ada", reason="changed her mind"), RunStatus)
    assert_type(await handle.abandon(by="ada", reason="enough"), RunStatus)
    assert_type(await coordinator.undo("r", by="ada", reason="she left"), RunStatus)
    await coordinator.signal("r", "approved", {"ok": True}, by="ada", key="1")
    assert_type(await coordinator.start("onboard", {"name": "Ada"}, deadline_seconds=5), RunHandle[Any])
    assert_type(await coordinator.run(onboard, NewUser(name="Ada")), User)
    assert_type(await coordinator.invoke(create, NewUser(name="Ada")), User)
    assert_type(await coordinator.invoke("create", {"name": "Ada"}), Any)
    await coordinator.start(nothing)


def synchronous(coordinator: Coordinator) -> None:
    with BlockingCoordinator(coordinator) as portal:
        assert_type(portal.run(onboard, NewUser(name="Ada"), timeout_seconds=5.0), User)
        assert_type(portal.start(onboard, NewUser(name="Ada")), BlockingHandle[User])
        assert_type(portal.start(onboard, NewUser(name="Ada")).result(1.0), User)
        assert_type(portal.invoke(create, NewUser(name="Ada")), User)


async def wrong(coordinator: Coordinator, run: Run) -> None:
    await run.do(create, "no model")  # type: ignore[misc]
    await run.do(create)  # type: ignore[arg-type]
    await coordinator.start(onboard, 5)  # type: ignore[misc]


class Quiet(Observer): ...


def watch() -> Coordinator:
    observers: list[Observer] = [Quiet(), RunLogger(), OpenTelemetry(messages=True)]
    assert_type(Coordinator("memory://", observers=(Quiet(),)), Coordinator)
    return Coordinator("memory://", observers=observers)
