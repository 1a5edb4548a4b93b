"""`docker-compose.yml` against the code: read, and its commands started as processes of this machine.

No Docker engine runs here, so what the images hold is not tried; that what is started in them works is.
"""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from inspect import signature
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from uvicorn.main import main as uvicorn

from amends import Coordinator
from amends.actions.onboarding import Users
from amends.console.cli import make_parser
from amends.console.factories import factory_of
from amends.console.web.app import endpoints
from tests.tree import ROOT, python_files

PASSWORD = "0123456789abcdef"
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(re.sub(r"\$\{POSTGRES_PASSWORD:\?[^}]+\}", PASSWORD, TEXT))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "database"}
ENVIRON = re.compile(r"environ(?:\.get\(|\[)\"(\w+)\"")
DRAIN_SECONDS = signature(Coordinator).parameters["drain_seconds"].default


def test_what_it_is_to_hold_is_there() -> None:
    assert set(SERVICES) == {"database", "systems", "service", "worker", "console", "token"}
    assert SERVICES["worker"]["deploy"] == {"replicas": 2}
    assert SERVICES["database"]["image"].startswith("postgres:18.")
    assert set(COMPOSE["volumes"]) == {
        volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])
    }


@pytest.mark.parametrize("name", OURS)
def test_a_command_is_one_that_there_is(name: str) -> None:
    """Parsed by the real parser; what it is told to import is there, and can be called."""
    command, *arguments = OURS[name]["command"]
    if command == "amends":
        given = make_parser().parse_args(arguments)
        if "factory" in given:
            assert callable(factory_of(given.factory))
    elif command == "uvicorn":
        parsed = uvicorn.make_context("uvicorn", list(arguments)).params
        assert callable(factory_of(parsed["app"]))
        assert parsed["factory"]
    else:
        assert [command, arguments[0]] == ["python", "-m"]
        assert importlib.util.find_spec(arguments[1])


def test_its_settings_are_those_that_the_code_reads() -> None:
    """None is misspelt, and none of the story's systems is left at its default, which is this machine."""
    read = {
        name for path in (*python_files("src"), *python_files("examples")) for name in ENVIRON.findall(path.read_text())
    }
    for name, service in OURS.items():
        assert set(service.get("environment", {})) <= read, name
    needed = {"AMENDS_URL", "USERS_URL", "SMTP_HOST", "SMTP_PORT", "CRM_URL"}
    assert all(needed <= set(OURS[name]["environment"]) for name in ("service", "worker", "console"))
    for name in ("service", "worker", "console"):
        environment = OURS[name]["environment"]
        assert urlsplit(environment["AMENDS_URL"]).hostname in SERVICES
        assert urlsplit(environment["CRM_URL"]).port == int(OURS["systems"]["environment"]["CRM_PORT"])
        assert environment["SMTP_PORT"] == OURS["systems"]["environment"]["SMTP_PORT"]


def test_a_health_check_asks_a_route_that_needs_no_token() -> None:
    """On the port on which the service listens; and what it is published as is on this machine only."""
    public = {endpoint.path for endpoint in endpoints() if not endpoint.role}
    checked = {name: service["healthcheck"]["test"] for name, service in OURS.items() if "healthcheck" in service}
    assert set(checked) == {"service", "console"}
    for name, (kind, *_, address) in checked.items():
        url = urlsplit(address)
        assert kind == "CMD"
        assert url.path.removeprefix("/console" if name == "service" else "") in public
        assert str(url.port) == OURS[name]["command"][OURS[name]["command"].index("--port") + 1]
        assert OURS[name]["ports"] == [f"127.0.0.1:{url.port}:{url.port}"]
    assert [name for name, service in SERVICES.items() if "ports" in service] == list(checked)


def test_whoever_hosts_runs_is_given_the_time_to_drain() -> None:
    for name in ("service", "worker", "console"):
        assert int(OURS[name]["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS + 10, name


def test_nothing_in_it_is_secret_and_everything_is_pinned() -> None:
    """The password and the token are made by whoever starts it, where git does not look."""
    images = [service["image"] for service in SERVICES.values() if "build" not in service]
    images += re.findall(r"^\s*FROM (\S+)$", TEXT, re.MULTILINE)
    assert images
    assert [image for image in images if not re.search(r":\d+\.\d+[\w.-]*$", image)] == []
    assert re.findall(r"^ +\w*PASSWORD: *(?!\"\$\{POSTGRES_PASSWORD:\?)\S", TEXT, re.MULTILINE) == []
    assert re.findall(r"://amends:(?!\$\{POSTGRES_PASSWORD:\?)", TEXT) == []
    for name in (".env", "tokens.txt"):
        assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0


def test_the_image_is_built_of_what_is_copied(tmp_path: Path) -> None:
    """Everything that setuptools needs is there before it is installed, with extras that there are."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    before, install, after = re.split(r"^ +RUN pip install (.+)$", TEXT, flags=re.MULTILINE)
    assert "-c constraints.txt" in install
    (wanted,) = re.findall(r"'\.\[(.+)\]'", install)
    assert set(wanted.split(",")) <= set(extras)
    for copied in " ".join(re.findall(r"COPY (.+) \S+$", before, re.MULTILINE)).split():
        copy = shutil.copytree if (ROOT / copied).is_dir() else shutil.copy
        copy(ROOT / copied, tmp_path / copied)
    assert "COPY examples examples" in after
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run([*command, "--wheel-dir", "dist", "."], cwd=tmp_path, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    (wheel,) = (tmp_path / "dist").iterdir()
    listed = zipfile.ZipFile(wheel).namelist()
    assert {"_amends_pytest.py", "amends/console/cli.py", "amends/console/web/pages/templates/run.html"} <= set(listed)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class Composed:
    """The commands of the file as processes, with the addresses of this machine for those of the containers."""

    def __init__(self, stack: ExitStack, place: Path, database: str) -> None:
        self._stack, self._place = stack, place
        self.ports = {str(port): str(free_port()) for port in (1025, 8025, 8000, 8765)}
        url = SERVICES["worker"]["environment"]["AMENDS_URL"]
        self._addresses = {url: database, "0.0.0.0": "127.0.0.1", "/var/lib/amends": str(place), "systems": "127.0.0.1"}

    def _here(self, text: str) -> str:
        text = self._addresses.get(text, text)
        for there, here in ("http://systems", "http://127.0.0.1"), ("/var/lib/amends", str(self._place)):
            text = text.replace(there, here)
        return re.sub("|".join(self.ports), lambda port: self.ports[port[0]], text) if len(text) < 60 else text

    def command(self, given: list[str]) -> list[str]:
        modules = {"amends": ["-m", "amends.console.cli"], "uvicorn": ["-m", "uvicorn"], "python": []}
        return [sys.executable, *modules[given[0]], *map(self._here, given[1:])]

    def environ(self, name: str) -> dict[str, str]:
        given = {key: self._here(value) for key, value in OURS[name].get("environment", {}).items()}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **given}

    def start(self, name: str) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._place / f"{name}.log").open("a"))
        command = self.command(OURS[name]["command"])
        process = subprocess.Popen(command, cwd=self._place, env=self.environ(name), stdout=log, stderr=log)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        return process

    def healthy(self, name: str, seconds: float = 60) -> bool:
        """Ask as its health check does, until it answers."""
        check = self.command(OURS[name]["healthcheck"]["test"][1:])
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if subprocess.run(check, check=False, capture_output=True, timeout=30).returncode == 0:
                return True
        return False


@pytest.fixture
def composed(postgres_url: str, tmp_path: Path) -> Iterator[Composed]:
    with ExitStack() as stack:
        yield Composed(stack, tmp_path, postgres_url)


def test_what_it_starts_works_together(composed: Composed, postgres_url: str, tmp_path: Path) -> None:
    """A token is made; a user signs up at the service; the console shows the run to that token."""
    made = composed.command(OURS["token"]["command"])
    secret = subprocess.run(
        made, cwd=tmp_path, env=composed.environ("token"), check=True, capture_output=True, text=True
    )
    started = {name: composed.start(name) for name in ("systems", "service", "console")}
    workers = [composed.start("worker") for _ in range(2)]
    assert composed.healthy("service"), (tmp_path / "service.log").read_text()
    assert composed.healthy("console"), (tmp_path / "console.log").read_text()
    ada = {"name": "Ada", "email": "ada@example.com"}
    with httpx.Client(trust_env=False, timeout=30) as client:
        key = {"Idempotency-Key": "a-key-of-the-client"}
        answer = client.post(f"http://127.0.0.1:{composed.ports['8000']}/signup", json=ada, headers=key)
        assert answer.status_code == 201, answer.text
        allowed = {"Authorization": f"Bearer {secret.stdout.strip()}"}
        console = f"http://127.0.0.1:{composed.ports['8765']}"
        shown = client.get(f"{console}/api/runs/signup:a-key-of-the-client", headers=allowed).json()
        assert shown["status"] == "completed"
        started["service"].terminate()
        started["service"].wait(timeout=60)
        # The console is a client of the log: it is a worker that hosts what is started there.
        begun = client.post(
            f"{console}/api/sagas/onboard-user/runs?wait_seconds=30",
            json={"input": {"name": "Alan", "email": "alan@example.com"}},
            headers=allowed,
        )
        assert (begun.status_code, begun.json()["status"]) == (200, "completed"), begun.text
    assert [email for _, _, email in Users(postgres_url).list()] == ["ada@example.com", "alan@example.com"]
    assert [process.poll() for process in workers] == [None, None]
