"""Who may do what: every route, without a token, with the wrong role, from elsewhere, under another name."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from amends.console.web import Role, console_app
from amends.console.web.app import endpoints
from amends.console.web.guard import HEADERS
from amends.console.web.table import Endpoint
from tests.console.scene import coordinator_on, served

BELOW = {Role.VIEWER: None, Role.OPERATOR: "reader", Role.ADMIN: "clerk"}
LOWEST = {Role.PUBLIC: None, Role.VIEWER: "viewer", Role.OPERATOR: "operator", Role.ADMIN: "admin"}
PUBLIC = {"health", "ready", "signInPage", "signIn", "static-amends.css", "static-amends.js", "static-icon.svg"}
OWN = {"signIn", "signOut"}


def path_of(endpoint: Endpoint) -> str:
    """A path that the endpoint serves."""
    filled = endpoint.path.replace("{run_id:path}", "r").replace("{action}", "greet").replace("{saga}", "buy")
    assert "{" not in filled
    return filled


def test_only_these_routes_are_public() -> None:
    assert {endpoint.name for endpoint in endpoints() if endpoint.role is Role.PUBLIC} == PUBLIC


def test_the_application_has_the_routes_of_the_table_and_no_other() -> None:
    app = console_app(coordinator_on("memory://"))
    routes = {(method, route.path) for route in app.routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]
    assert routes == {(endpoint.method, endpoint.path) for endpoint in endpoints()}


def test_what_changes_something_is_no_viewers_business() -> None:
    """But for their own session."""
    changing = [endpoint for endpoint in endpoints() if endpoint.method != "GET" and endpoint.name not in OWN]
    assert all(endpoint.role >= Role.OPERATOR for endpoint in changing)


async def ask_all(name: Mapping[Role, str | None], **headers: str) -> Mapping[str, httpx.Response]:
    """Ask for every route of the table, by somebody for each role that a route may need."""
    async with served("memory://") as console:
        await console.run("buy", run_id="r")
        found = {}
        for endpoint in endpoints():
            body: Any = {} if endpoint.body else None
            client = console.as_(name[endpoint.role])
            given = {header.replace("_", "-"): value for header, value in headers.items()}
            found[endpoint.name] = await client.request(endpoint.method, path_of(endpoint), headers=given, json=body)
        return found


def every(role: str | None) -> dict[Role, str | None]:
    return dict.fromkeys(Role, role)


def all_refused(responses: Mapping[str, httpx.Response], status: int, name: str) -> None:
    for route, response in responses.items():
        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), route
        assert response.json()["type"] == f"urn:amends:problem:{name}", route
        assert response.json()["status"] == status, route


def guarded(responses: Mapping[str, httpx.Response]) -> dict[str, httpx.Response]:
    return {route: response for route, response in responses.items() if route not in PUBLIC}


def test_every_route_is_refused_without_a_token() -> None:
    responses = guarded(asyncio.run(ask_all(every(None))))
    all_refused(responses, 401, "token-missing")
    assert all(response.headers["www-authenticate"].startswith("Bearer") for response in responses.values())


def test_every_route_is_refused_with_a_token_that_is_none() -> None:
    """Also a public one: whoever shows a token that is none is told so."""
    responses = asyncio.run(ask_all(every(None), Authorization="Bearer amends_x"))
    all_refused(responses, 401, "unknown-token")


def test_every_route_is_refused_to_a_lower_role() -> None:
    above_viewer = {endpoint.name for endpoint in endpoints() if endpoint.role > Role.VIEWER}
    responses = asyncio.run(ask_all({**BELOW, Role.PUBLIC: None}))
    all_refused({route: responses[route] for route in above_viewer}, 403, "role-missing")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"},
    ],
    ids=str,
)
def test_every_route_is_refused_to_pages_from_elsewhere(headers: dict[str, str]) -> None:
    """A page of another origin that has a browser ask, whatever token it has got hold of."""
    all_refused(asyncio.run(ask_all(every("admin"), **headers)), 403, "foreign-origin")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1:80:80", "[::2]:80", ""])
def test_every_route_is_refused_under_another_name(host: str) -> None:
    """A name that somebody else lets point to this machine."""
    all_refused(asyncio.run(ask_all(every("admin"), Host=host)), 421, "foreign-host")


def test_whoever_may_is_served() -> None:
    """The same requests, by the lowest role that may: none is refused, and every answer has its headers."""
    for route, response in asyncio.run(ask_all(LOWEST)).items():
        assert response.status_code not in (401, 403, 404, 405, 421), (route, response.text)
        for header, value in HEADERS.items():
            assert response.headers[header] == value, route
        assert "server" not in response.headers


def test_what_is_not_there_is_not_told_to_strangers() -> None:
    """Deny by default: a path that no row of the table is for, and a method that it is not for."""

    async def ask() -> None:
        async with served("memory://") as console:
            for method, path, status in (
                ("GET", "/api/nothing", 404),
                ("POST", "/api/runs", 405),
                ("PUT", "/nowhere", 404),
            ):
                assert (await console.as_(None).request(method, path)).status_code == 401, path
                assert (await console.as_("viewer").request(method, path)).status_code == status, path

    asyncio.run(ask())
