"""The rights that the documentation gives to each kind of role are enough for all that it is for."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from amends import Coordinator, Rate, Run, RunHandle, Saga, UnknownName
from amends.console.cli import main
from amends.projections import Hooks, Since
from tests.docs.pages import read
from tests.integration.test_hooks import Told
from tests.postgres import execute
from tests.tree import ROOT
from tests.worlds import World

ROLES = ("amends_owner", "app", "starter", "views", "reader")


@dataclass(frozen=True)
class Roles:
    """A database, and the page's roles under names of this database."""

    url: str

    def name(self, role: str) -> str:
        return f"{psycopg.conninfo.conninfo_to_dict(self.url)['dbname']}_{role}"

    def as_(self, role: str) -> str:
        options = quote(f"-csearch_path=amends -crole={self.name(role)}")
        return f"{self.url}{'&' if '?' in self.url else '?'}options={options}"

    def execute(self, script: str) -> None:
        """Run a script of the page."""
        names = re.sub(rf"(?<=[ ,])({'|'.join(ROLES)})(?=[ ,;\n])", lambda found: self.name(found[0]), script)
        with psycopg.connect(self.url) as connection:
            connection.execute(names.encode())


@pytest.fixture
def roles(postgres_url: str) -> Iterator[Roles]:
    """The roles, without any right yet."""
    made = Roles(postgres_url)
    names = [sql.Identifier(made.name(role)) for role in ROLES]
    execute(postgres_url, *(sql.SQL("CREATE ROLE {}").format(name) for name in names))
    try:
        yield made
    finally:
        execute(postgres_url, *(sql.SQL("DROP OWNED BY {} CASCADE").format(name) for name in names))
        execute(postgres_url, *(sql.SQL("DROP ROLE {}").format(name) for name in names))


@pytest.fixture
def granted(roles: Roles) -> Roles:
    """The same, after all that the page says was done."""
    page = read(ROOT / "docs/howto/postgresql.md")
    owner, services, readers = [block.code for block in page.blocks if re.search(r"\bTO\b|AUTHORIZATION", block.code)]
    roles.execute(owner)
    assert main(["migrate", "--url", roles.as_("amends_owner")]) == 0
    roles.execute(services)
    roles.execute(readers)
    return roles


def everything(world: World) -> Saga[None, None]:
    """A saga that needs whatever a worker may need a table for."""
    a = world.action("a", concurrency=2, rate=Rate(100, per_seconds=1))

    async def body(run: Run) -> None:
        await run.lock("user:42")
        await run.do(a, "x")
        await run.wait_for("go")

    return Saga("everything", version=1, function=body, concurrency=1, concurrency_per_tag={"tenant": 1})


async def signalled(handle: RunHandle[None]) -> None:
    """Tell the run to go on, as soon as a worker has moved it into the log."""
    while True:
        try:
            return await handle.signal("go", by="ada", key="go")
        except UnknownName:
            await asyncio.sleep(0.01)


def test_the_roles_of_the_page_can_do_what_they_are_for(
    granted: Roles, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A run with a lock, a limited saga, a limited action and a wait; a hook; the audit view; and who only looks."""
    world = World()
    saga, told = everything(world), Told()

    async def story() -> None:
        async with (
            world.coordinator(granted.as_("app"), saga),
            Coordinator(granted.as_("starter"), sagas=[saga], max_running=0) as starter,
            Hooks(granted.as_("views"), on_ended=told, since=Since.BEGINNING) as hooks,
        ):
            handles = [await starter.start(saga, run_id=f"run-{n}", tags={"tenant": "acme"}) for n in range(2)]
            async with await psycopg.AsyncConnection.connect(granted.as_("starter")) as connection:
                handles.append(await starter.start(saga, run_id="run-2", connection=connection))
            for handle in handles:
                await signalled(handle)
            for handle in handles:
                await handle.result()
            await hooks.caught_up()

    asyncio.run(story())
    assert set(told.runs) == {"run-0", "run-1", "run-2"}
    for command in (["runs"], ["stats"], ["seal"], ["verify"], ["rebuild", "audit"], ["runs"]):
        assert main([*command, "--url", granted.as_("views")]) == 0, command
    capsys.readouterr()
    for command in (["runs", "--as-is"], ["stats", "--as-is"], ["show", "run-0"], ["limits"], ["verify"]):
        assert main([*command, "--url", granted.as_("reader")]) == 0, command
    assert "run-2" in capsys.readouterr().out
    assert main(["undo", "run-0", "--by", "ada", "--reason", "no", "--url", granted.as_("starter")]) == 0
    assert [record.message for record in caplog.records if record.name.startswith("amends")] == []
