"""Handlers that say what there is: actions, sagas, and whether this process serves."""

import asyncio

from starlette.responses import Response

from ...actions.action import Action
from ...errors import LogUnavailable
from ...saga.definition import Saga
from . import metrics
from .answers import ActionList, ActionShown, Health, SagaList, SagaShown, answer
from .json_text import json_bytes
from .openapi import openapi, schema_of
from .problems import Problem
from .table import Ask

__all__ = ["actions", "document", "health", "ready", "sagas", "scrape"]

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
    if ask.console.closing.is_set():
        raise Problem(503, "not-ready", "the service is closing", headers={"Retry-After": "1"})
    return answer(Health(status="ok"))


async def scrape(ask: Ask) -> Response:
    """Answer with the metrics of this process."""
    return Response(ask.console.metrics.text(), media_type=metrics.MEDIA_TYPE)


async def document(ask: Ask) -> Response:
    """Answer with the OpenAPI document."""
    found = openapi(ask.console.table, ask.console.coordinator.registry)
    if root := ask.request.scope.get("root_path"):
        found["servers"] = [{"url": root}]
    return Response(json_bytes(found), media_type="application/json")


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
        input=schema_of(action.input),
        output=schema_of(action.output),
    )


def _saga(saga: "Saga[object, object]") -> SagaShown:
    return SagaShown(
        name=saga.name,
        version=saga.version,
        input=schema_of(saga.input),
        output=schema_of(saga.output),
        signals={name: schema_of(kind) for name, kind in saga.signals.items()},
    )
