"""The contacts of the demo's CRM: what HubSpot's v3 objects API does with them, in memory.

Requests in, replies out; it knows nothing of HTTP servers. Only what the story uses is here.
"""

import json
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ROOT = "/crm/v3/objects/contacts"
_ALWAYS = ("email", "firstname", "lastname")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `key` is its `Idempotency-Key`, or `""`."""

    method: str
    target: str
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, and a JSON document where there is one."""

    status: HTTPStatus
    body: dict[str, Any] | None = None
    retry_after_seconds: int | None = None

    @property
    def content(self) -> bytes:
        """The body as bytes."""
        return b"" if self.body is None else json.dumps(self.body).encode()


def problem(status: HTTPStatus, category: str, message: str, retry_after_seconds: int | None = None) -> Reply:
    """Return an error in HubSpot's form."""
    body = {"status": "error", "message": message, "correlationId": "demo", "category": category}
    return Reply(status, body, retry_after_seconds)


class Contacts:
    """Contacts by id.

    Args:
        honours_keys: answer a repeated `Idempotency-Key` as the first time. HubSpot does not; other services do.
    """

    def __init__(self, *, honours_keys: bool = False) -> None:
        self._honours_keys = honours_keys
        self._by_id: dict[str, dict[str, str]] = {}
        self._answered: dict[str, Reply] = {}
        self._ids = count(101)
        self._lock = Lock()

    def list(self) -> list[dict[str, str]]:
        """Return the properties of every contact that is not archived."""
        with self._lock:
            return [dict(properties) for properties in self._by_id.values()]

    def answer(self, request: Request) -> Reply:
        """Do what the request asks for."""
        with self._lock:
            if self._honours_keys and request.key in self._answered:
                return self._answered[request.key]
            reply = self._dispatch(request)
            if request.key and reply.status < HTTPStatus.BAD_REQUEST:
                self._answered[request.key] = reply
            return reply

    def _dispatch(self, request: Request) -> Reply:
        url = urlsplit(request.target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        name = unquote(url.path.removeprefix(f"{ROOT}/"))
        match request.method, url.path.startswith(f"{ROOT}/"):
            case "POST", False if url.path == ROOT:
                return self._create(_properties(request))
            case "GET", True:
                found = self._find(name, query.get("idProperty", "hs_object_id"))
                return self._missing(name) if found is None else self._shown(found, query.get("properties", ""))
            case "PATCH", True if name in self._by_id:
                self._by_id[name] |= _properties(request)
                return self._shown(name, "")
            case "DELETE", True if name in self._by_id:
                del self._by_id[name]
                return Reply(HTTPStatus.NO_CONTENT)
        return self._missing(name)

    def _create(self, properties: dict[str, str]) -> Reply:
        existing = self._find(properties.get("email", ""), "email")
        if existing is not None:
            return problem(HTTPStatus.CONFLICT, "CONFLICT", f"Contact already exists. Existing ID: {existing}")
        record_id = str(next(self._ids))
        self._by_id[record_id] = properties
        return Reply(HTTPStatus.CREATED, self._shown(record_id, "").body)

    def _find(self, value: str, id_property: str) -> str | None:
        if id_property == "hs_object_id":
            return value if value in self._by_id else None
        return next((id_ for id_, held in self._by_id.items() if held.get(id_property) == value), None)

    def _shown(self, record_id: str, wanted: str) -> Reply:
        held = self._by_id[record_id]
        names = {*_ALWAYS, *filter(None, wanted.split(","))}
        properties = {name: held.get(name) or None for name in sorted(names)}
        return Reply(HTTPStatus.OK, {"id": record_id, "properties": properties, "archived": False})

    def _missing(self, name: str) -> Reply:
        return problem(HTTPStatus.NOT_FOUND, "OBJECT_NOT_FOUND", f"Object not found: {name}")


def _properties(request: Request) -> dict[str, str]:
    properties: dict[str, str] = json.loads(request.body)["properties"]
    return properties
