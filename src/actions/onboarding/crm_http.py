"""The five requests of the CRM that the story makes, and what each way of failing means.

A request that was never sent, or was answered with 429 or 503, changed nothing and is worth another try. A 4xx is
final. Whatever else goes wrong with a request that changes something leaves an unknown outcome: a gateway's 502 or
504 says nothing about the server behind it. HubSpot itself does not know the `Idempotency-Key` header; services that
do (Stripe's, say) make a repeated request safe by it.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ...errors import OutcomeUnknown

_CONTACTS = "/crm/v3/objects/contacts"
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_NOT_DONE = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class CrmUnavailable(ConnectionError):
    """The CRM is away or busy; nothing was changed.

    Attributes:
        retry_after_seconds: how long the CRM asks to be left alone, or None.
    """

    def __init__(self, problem: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after_seconds = retry_after_seconds


class CrmRefused(ValueError):
    """The CRM refuses the request for good; nothing was changed.

    Attributes:
        status_code: of the reply.
    """

    def __init__(self, problem: str, status_code: int) -> None:
        super().__init__(problem)
        self.status_code = status_code


def crm_client(
    base_url: str, token: str, *, timeout_seconds: float = 10.0, trust_env: bool = True
) -> httpx.AsyncClient:
    """Return a client to close when the service ends.

    Args:
        base_url: `https://api.hubapi.com`, or a server of your own.
        token: of a private app.
        timeout_seconds: for connecting and for the reply, each; keep it below the action's own time limit.
        trust_env: take proxies from the environment, as httpx does; not for a server on the same machine.
    """
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=base_url, headers=headers, timeout=timeout_seconds, trust_env=trust_env)


class CrmApi:
    """Makes the requests.

    Args:
        client: from `crm_client`; stays the caller's to close.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def create(self, properties: dict[str, str], key: str) -> dict[str, Any] | None:
        """Create a contact; None if there is one with its address ("Contact already exists. Existing ID: ...")."""
        reply = await self._send("POST", _CONTACTS, key=key, json={"properties": properties})
        return None if reply.status_code == HTTPStatus.CONFLICT else _body(reply)

    async def change(self, record_id: str, properties: dict[str, str], key: str) -> None:
        """Change properties of a contact; the empty text removes one."""
        _body(await self._send("PATCH", f"{_CONTACTS}/{record_id}", key=key, json={"properties": properties}))

    async def archive(self, record_id: str, key: str) -> None:
        """Archive a contact; that there is none is fine."""
        reply = await self._send("DELETE", f"{_CONTACTS}/{record_id}", key=key)
        if reply.status_code != HTTPStatus.NOT_FOUND:
            _refuse_errors(reply)

    async def get(self, record_id: str, properties: str) -> dict[str, Any] | None:
        """Return a contact, or None."""
        return await self._find(record_id, {"properties": properties})

    async def find(self, email: str, properties: str) -> dict[str, Any] | None:
        """Return the contact with this address, or None. Unlike HubSpot's search, this sees it at once."""
        return await self._find(email, {"idProperty": "email", "properties": properties})

    async def _find(self, name: str, params: dict[str, str]) -> dict[str, Any] | None:
        reply = await self._send("GET", f"{_CONTACTS}/{quote(name, safe='@')}", key=None, params=params)
        return None if reply.status_code == HTTPStatus.NOT_FOUND else _body(reply)

    async def _send(self, method: str, path: str, *, key: str | None, **keywords: Any) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        lost = CrmUnavailable if key is None else OutcomeUnknown
        try:
            reply = await self._client.request(method, path, headers=headers, **keywords)
        except _NOT_SENT as error:
            raise CrmUnavailable(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        except httpx.TransportError as error:
            raise lost(f"{method} was sent and not answered: {type(error).__name__}: {error}".rstrip(": ")) from error
        if reply.status_code in _NOT_DONE:
            raise CrmUnavailable(_said(reply), _retry_after(reply))
        if reply.is_server_error:
            raise lost(_said(reply))
        return reply


def _body(reply: httpx.Response) -> dict[str, Any]:
    _refuse_errors(reply)
    try:
        body: dict[str, Any] = reply.json()
    except ValueError as error:
        raise OutcomeUnknown(f"{reply.status_code} without a JSON document") from error
    return body


def _refuse_errors(reply: httpx.Response) -> None:
    if not reply.is_success:
        raise CrmRefused(_said(reply), reply.status_code)


def _said(reply: httpx.Response) -> str:
    try:
        message = reply.json()["message"]
    except (ValueError, KeyError, TypeError):
        message = reply.text[:200]
    return f"{reply.status_code} {reply.reason_phrase}: {message}".rstrip(": ")


def _retry_after(reply: httpx.Response) -> float | None:
    text = reply.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None
