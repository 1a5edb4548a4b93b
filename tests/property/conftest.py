"""How many examples each property gets: 130, or what the profile named by HYPOTHESIS_PROFILE says."""

import os

import pytest
from hypothesis import HealthCheck, settings

_CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("session", max_examples=130, deadline=None, suppress_health_check=_CHECKS)
settings.register_profile("campaign", max_examples=2_000, deadline=None, suppress_health_check=_CHECKS)
settings.register_profile("glance", max_examples=20, deadline=None, suppress_health_check=_CHECKS)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "session"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A campaign takes the time that it takes."""
    if os.environ.get("HYPOTHESIS_PROFILE") == "campaign":
        for item in items:
            item.add_marker(pytest.mark.timeout(0))
