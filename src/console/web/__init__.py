"""The console over HTTP: an API for actions, sagas and their runs, safe by default. Needs `amends[console]`.

`console_app` makes it, `amends serve` serves it. Nothing else of amends imports this.
"""

try:
    import jinja2  # noqa: F401 - for the pages
    import limits  # noqa: F401
    import prometheus_client  # noqa: F401
    import starlette  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"amends.console.web needs {missing.name}: pip install 'amends[console]'", name=missing.name
    ) from None

from .app import console_app
from .roles import Actor, Role
from .settings import ConsoleSettings
from .tokens import Token, new_token, read_tokens

__all__ = ["Actor", "ConsoleSettings", "Role", "Token", "console_app", "new_token", "read_tokens"]
