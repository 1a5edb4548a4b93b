"""Bearer tokens: 256 random bits each, of which only a hash is stored, with a name, a role and maybe a right.

A token is as long as its hash is, so a fast hash is enough: there is nothing to guess (decision record 035).
"""

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ...errors import InvalidValue
from .roles import Actor, Role

__all__ = ["Token", "new_token", "read_tokens"]

PREFIX = "amends_"
"""What a token begins with, so that people and scanners of secrets recognise one that lies around."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PAYLOADS = "payloads"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is stored: who has it and what they may do, and the hash by which it is recognised.

    Attributes:
        name: of whoever has it; recorded as who gave a command.
        role: `Role.VIEWER`, `Role.OPERATOR` or `Role.ADMIN`.
        digest: `sha256:` and 64 hexadecimal digits.
        payloads: whether its bearer sees inputs, outputs, payloads and the texts of errors.

    Raises:
        InvalidValue: one of them is not of its form.
    """

    name: str
    role: Role
    digest: str
    payloads: bool = False

    def __post_init__(self) -> None:
        """Check it."""
        if not _NAME.fullmatch(self.name):
            raise InvalidValue("name", "use 1 to 64 letters, digits and _ . @ -, a letter or digit first")
        if not isinstance(self.role, Role) or self.role is Role.PUBLIC:
            raise InvalidValue("role", "use viewer, operator or admin")
        if not _DIGEST.fullmatch(self.digest):
            raise InvalidValue("digest", "is not sha256: and 64 hexadecimal digits; `amends token` prints one")

    @property
    def line(self) -> str:
        """The line of a file of tokens that stores it."""
        return f"{self.name} {self.role.label}{f'+{_PAYLOADS}' if self.payloads else ''} {self.digest}"

    @property
    def actor(self) -> Actor:
        """Its bearer."""
        return Actor(self.name, self.role, self.payloads)

    @classmethod
    def from_line(cls, line: str) -> "Token":
        """Return the token that a line stores.

        Raises:
            InvalidValue: it is no such line. The message does not repeat it.
        """
        parts = line.split()
        if len(parts) != 3:
            raise InvalidValue("line", "is not NAME ROLE[+payloads] sha256:HASH")
        name, rights, digest = parts
        role, plus, right = rights.partition("+")
        if role not in {each.label for each in Role if each} or (plus and right != _PAYLOADS):
            raise InvalidValue("role", "use viewer, operator or admin, each also with +payloads")
        return cls(name, Role[role.upper()], digest, payloads=bool(plus))


def new_token(name: str, role: Role, *, payloads: bool = False) -> tuple[str, Token]:
    """Make a token: the secret, which is shown once and stored nowhere, and what is stored of it.

    Raises:
        InvalidValue: the name or the role is not of its form.
    """
    secret = PREFIX + secrets.token_urlsafe(32)
    return secret, Token(name, role, digest_of(secret), payloads)


def digest_of(secret: str) -> str:
    """Return what is stored of a token."""
    return f"sha256:{sha256(secret.encode('utf-8', 'surrogatepass')).hexdigest()}"


def bearer(tokens: Iterable[Token], secret: str) -> Actor | None:
    """Return whose token it is, or None. Every one is compared, each in constant time."""
    digest, found = digest_of(secret), None
    for token in tokens:
        if hmac.compare_digest(token.digest, digest):
            found = token.actor
    return found


def read_tokens(path: str | Path) -> tuple[Token, ...]:
    """Read a file of tokens: a line each, as `amends token` prints it; empty lines and those with a # are left out.

    Raises:
        InvalidValue: a line is not of that form, or two have one name; names its number.
        OSError: the file cannot be read.
    """
    tokens: dict[str, Token] = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            token = Token.from_line(line)
        except InvalidValue as error:
            raise InvalidValue(f"{path}:{number}: {error.field}", error.problem) from None
        if token.name in tokens:
            raise InvalidValue(f"{path}:{number}: name", f"two tokens are called {token.name!r}")
        tokens[token.name] = token
    return tuple(tokens.values())
