"""Restate: a service handler of steps, a server of its own (Rust, RocksDB) and requests over HTTP/2.

The server comes from the npm package @restatedev/restate-server and keeps its data on disk; the database that is given
is not used. Handler and client live in this process, so its CPU time leaves the server's out. Compensations are steps
in an `except` block; a step that fails for good raises `TerminalError`, as Restate's guide to sagas says.
"""

import asyncio
import os
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import restate
from hypercorn.asyncio import serve
from hypercorn.config import Config
from restate import Context, TerminalError

from benchmarks.peers.peer import EMAIL, measure

SERVER = Path(__file__).with_name("node_modules") / ".bin" / "restate-server"

users = restate.Service("users")


async def nothing() -> str:
    return "done"


async def bounce() -> str:
    raise TerminalError("no such mailbox")


@users.handler()
async def onboard_user(ctx: Context, email: str) -> str:
    user_id = await ctx.run_typed("create-user", nothing)
    await restate.gather(ctx.run_typed("send-welcome-email", nothing), ctx.run_typed("update-crm-contact", nothing))
    return user_id


@users.handler()
async def fail_to_onboard_user(ctx: Context, email: str) -> str:
    user_id = await ctx.run_typed("create-user", nothing)
    contact = ctx.run_typed("update-crm-contact", nothing)
    sent = ctx.run_typed("bounce", bounce)
    try:
        await contact
        await sent
    except TerminalError:
        await ctx.run_typed("archive-crm-contact", nothing)
        await ctx.run_typed("delete-user", nothing)
    return user_id


def free_ports(count: int) -> list[int]:
    with socket.socket() as first, socket.socket() as second, socket.socket() as third, socket.socket() as fourth:
        sockets = [first, second, third, fourth][:count]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def started(folder: str, ingress: int, admin: int, node: int) -> "subprocess.Popen[bytes]":
    environment = os.environ | {
        "RESTATE_BASE_DIR": folder,
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_LOG_FILTER": "error",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_ADMIN__DISABLE_WEB_UI": "true",
    }
    return subprocess.Popen([SERVER, "--no-logo"], env=environment, stdout=subprocess.DEVNULL)


@asynccontextmanager
async def running(url: str, in_flight: int, fails: bool) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    ingress, admin, node, service = free_ports(4)
    config = Config()
    config.bind = [f"127.0.0.1:{service}"]
    config.loglevel = "ERROR"
    over = asyncio.Event()
    serving = asyncio.create_task(serve(restate.app([users]), config, shutdown_trigger=over.wait))
    with tempfile.TemporaryDirectory(prefix="amends-bench-restate-") as folder:
        server = started(folder, ingress, admin, node)
        try:
            await registered(admin, service)
            limits = httpx.Limits(max_connections=None)
            base_url = f"http://127.0.0.1:{ingress}"
            async with httpx.AsyncClient(
                base_url=base_url, http1=False, http2=True, limits=limits, timeout=60
            ) as client:
                handler = "fail_to_onboard_user" if fails else "onboard_user"

                async def run() -> None:
                    answer = await client.post(f"/users/{handler}", json=EMAIL)
                    answer.raise_for_status()

                yield run
        finally:
            server.terminate()
            server.wait(20)
            over.set()
            await asyncio.wait([serving], timeout=5)


async def registered(admin: int, service: int) -> None:
    """Tell the server where the handlers are, as soon as it listens."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{admin}", timeout=10) as client, asyncio.timeout(60):
        while True:
            try:
                answer = await client.post("/deployments", json={"uri": f"http://127.0.0.1:{service}"})
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.is_success:
                return
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    measure(running)
