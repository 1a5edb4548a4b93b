"""What a console is told when it is made: whom it lets in, and how much it takes. Checked once, frozen."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import DefinitionError
from .tokens import Token

__all__ = ["ConsoleSettings"]

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsoleSettings:
    """Settings of a console. The defaults are for one on this machine.

    Attributes:
        tokens: who may come in. Without one, only requests from this machine are served, as the admin `local`.
        allowed_hosts: what the `Host` of a request may be, without the port.
        allowed_origins: further origins that are its own, for where a proxy changes the `Host`
            (`https://console.example.com`). Pages of other sites cannot read the answers: no CORS header is ever sent.
        audit_url: the log, as it is opened for searching: that of the coordinator if None. A database role that may
            only read is enough.
        follow: keep the audit view up to date from this process, through the coordinator's log.
        body_limit_bytes: the most that a request may bring.
        body_seconds: how long a body may take to arrive.
        wait_limit_seconds: how long a request may wait for a run at most.
        start_seconds: how long a start waits for a place in this process at most.
        search_seconds: how long a search may take, with those before it.
        rate_per_minute: how many requests a token may make, or without one an address.
        stream_limit: how many live streams are open at once.
        stream_seconds: how long a stream lasts at most; a client goes on with `Last-Event-ID`.

    Raises:
        DefinitionError: one of them cannot be.
    """

    tokens: Sequence[Token] = ()
    allowed_hosts: Sequence[str] = LOOPBACK_HOSTS
    allowed_origins: Sequence[str] = ()
    audit_url: str | None = None
    follow: bool = False
    body_limit_bytes: int = 2 << 20
    body_seconds: float = 10.0
    wait_limit_seconds: float = 30.0
    start_seconds: float = 30.0
    search_seconds: float = 10.0
    rate_per_minute: int = 1_200
    stream_limit: int = 200
    stream_seconds: float = 3_600.0

    def __post_init__(self) -> None:
        """Check them."""
        counts = ("body_limit_bytes", "rate_per_minute", "stream_limit")
        spans = ("body_seconds", "wait_limit_seconds", "start_seconds", "search_seconds", "stream_seconds")
        for name in (*counts, *spans):
            if not getattr(self, name) > 0:
                raise DefinitionError(f"{name}={getattr(self, name)!r}; use a number above 0")
        names = [token.name for token in self.tokens]
        if len(set(names)) < len(names):
            raise DefinitionError("tokens: two have one name")
        if isinstance(self.allowed_hosts, str) or isinstance(self.allowed_origins, str):
            raise DefinitionError("allowed_hosts and allowed_origins are lists of strings")
