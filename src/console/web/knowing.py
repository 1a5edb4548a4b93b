"""Handlers that say what there is: actions, sagas, and whether this process serves."""

import asyncio

from starlette.responses import Response

from ...actions.action import Action
from ...errors import LogUnavailable
from ...saga.definition import Saga
from .answers import ActionList, ActionShown, Health, SagaList, SagaShown, answer
from .problems import Problem
from .table import Ask

__all__ = ["actions", "health", "ready", "sagas"]

READY_SECONDS = 5.0


async def health(ask: Ask) -> Response:  # noqa: ARG001 - handlers have one form
    """Answer that the process serves."""
    return answer(Health(status="ok"))


async def ready(ask: Ask) -> Response:
    """Answer whether the database answers, too."""
    host, _ = ask.console.coordinator.runs.opened()
    try:
        async with asyncio.timeout(READY_SECONDS):
            await host.log.read("ready")
    except (TimeoutError, LogUnavailable):
        raise Problem(503, "not-ready", "the database does not answer", headers={"Retry-After": "1"}) from None
    if ask.console.closing:
        raise Problem(503, "not-ready", "the service is closing", headers={"Retry-After": "1"})
    return answer(Health(status="ok"))


async def actions(ask: Ask) -> Response:
    """Answer with the actions."""
    return answer(ActionList(actions=[_action(each) for each in ask.console.coordinator.registry.actions.values()]))


async def sagas(ask: Ask) -> Response:
    """Answer with the sagas."""
    return answer(SagaList(sagas=[_saga(each) for each in ask.console.coordinator.registry.sagas]))


def _action(action: "Action[object, object]") -> ActionShown:
    return ActionShown(
        name=action.name,
        irreversible=action.irreversible,
        transactional=action.transactional,
        input=action.input.json_schema(),
        output=action.output.json_schema(),
    )


def _saga(saga: "Saga[object, object]") -> SagaShown:
    return SagaShown(
        name=saga.name,
        version=saga.version,
        input=saga.input.json_schema(),
        output=saga.output.json_schema(),
        signals={name: kind.json_schema() for name, kind in saga.signals.items()},
    )
