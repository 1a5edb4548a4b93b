"""gunicorn's settings for `flask_service.py` and `django_service.py`."""

from typing import Any

from examples.portal import portal


def worker_exit(server: Any, worker: Any) -> None:
    """Let the runs of a worker end before the worker does."""
    portal.close()
