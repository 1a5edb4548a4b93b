"""The coordinator of a process without an event loop, for the views of `flask_service.py` and `django_service.py`."""

import json
from threading import Lock

from amends import AmendsError
from amends.actions.onboarding import User
from amends.blocking import BlockingCoordinator, BlockingHandle
from examples.signup import WAIT_SECONDS, answer_of, make, run_id_of


class Portal:
    """Opens a coordinator with the first request that needs it, and so after the server has forked.

    Commands of `manage.py` or `flask` that only import the views open nothing. Any number of threads may share it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._opened: BlockingCoordinator | None = None

    def __call__(self) -> BlockingCoordinator:
        """Return the coordinator; raises what opening it raises, and then the next request tries again."""
        with self._lock:
            if self._opened is None:
                self._opened = BlockingCoordinator(make()).__enter__()
            return self._opened

    def close(self) -> None:
        """Let the runs under way end, if it is open. For the server's own hook, because `atexit` comes too late."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.__exit__(None, None, None)


portal = Portal()


def sign_up(raw: bytes, idempotency_key: str) -> tuple[int, dict[str, str]]:
    """Take a user in, as the body of a request says; return the status and the body of the answer."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):  # The latter for a hundred thousand brackets.
        return 400, {"detail": "the body is not JSON"}
    try:
        handle: BlockingHandle[User] = portal().start("onboard-user", body, run_id=run_id_of(idempotency_key))
        user = handle.result(timeout_seconds=WAIT_SECONDS)
    except (AmendsError, ConnectionError, TimeoutError) as error:
        return answer_of(error)
    return 201, user.model_dump()
