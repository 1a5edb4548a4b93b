"""Who may do what: roles, the right to see payloads, and the actor of a request. Pure values."""

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Actor", "Role"]


class Role(IntEnum):
    """What somebody may do; each may do what those below it may. Every route declares the one that it needs."""

    PUBLIC = 0
    """Nobody in particular: for a route that needs no token, never of a token."""
    VIEWER = 1
    """Reads runs and what they did."""
    OPERATOR = 2
    """Starts runs, and tells them what people may tell them."""
    ADMIN = 3
    """Abandons runs."""

    @property
    def label(self) -> str:
        """Its name as people write it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. What is recorded as the `by` of a command is this name, never something that a request says.

    Attributes:
        name: the name of the token.
        role: what they may do.
        payloads: whether they see inputs, outputs, signals' payloads and the texts of errors.
        is_ambient: known by something that a browser sends by itself, not by a token that the caller put there.
    """

    name: str
    role: Role
    payloads: bool = False
    is_ambient: bool = False


LOCAL = Actor("local", Role.ADMIN, payloads=True, is_ambient=True)
"""Whoever asks from this machine, where no token is configured."""
