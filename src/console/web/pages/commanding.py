"""The handler of the forms that tell a run something, in the name of whoever is signed in."""

from collections.abc import Awaitable, Callable

from pydantic import Field, field_validator
from starlette.responses import RedirectResponse, Response

from ..asked import Reason, Waiver
from ..table import Ask
from ..telling import told
from .forms import form_of
from .links import Links
from .rendering import root_of

__all__ = ["commanding"]


class _Told(Reason):
    run_id: str = Field(max_length=200)

    @field_validator("reason")
    @classmethod
    def _says_something(cls, reason: str) -> str:
        if not reason.strip():
            raise ValueError("say why; it is on record")
        return reason.strip()


class _Waived(_Told, Waiver):
    pass


def commanding(name: str) -> Callable[[Ask], Awaitable[Response]]:
    """Return the handler of a command."""

    async def handler(ask: Ask) -> Response:
        form = await form_of(ask, _Waived if name == "waive" else _Told)
        steps = (form.step,) if isinstance(form, _Waived) else ()
        taken = await told(ask, name, form.run_id, *steps, reason=form.reason)
        # A page that is loaded again asks for nothing twice.
        there = Links(root_of(ask.request)).plain(
            "/run", id=taken.run_id, told=name, changed="yes" if taken.changed else "no"
        )
        return RedirectResponse(there, 303)

    return handler
