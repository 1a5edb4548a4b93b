"""From the saga function's end to a moment, and from a failed step to the error that the function gets."""

from collections.abc import Iterator
from typing import Any

from ..actions.call import Outcome
from ..errors import ActionError, InvalidValue, ValueTooLarge
from .definition import Saga
from .events import ErrorInfo, FailingReason
from .failures import describe
from .moments import SagaFailed, SagaReturned
from .run import Run
from .state import Step, StepStatus


async def saga_ended(saga: Saga[Any, Any], run: Run, input_text: str) -> SagaReturned | SagaFailed:
    """Call the saga function and say how that ended. Never raises, whatever the function does."""
    try:
        return SagaReturned(saga.output.encode(await saga.call(run, input_text)))
    except InvalidValue as error:
        return SagaFailed(FailingReason.SAGA_RAISED, describe(error))
    except BaseException as error:
        return _raised(error)


def action_error(step: Step) -> ActionError:
    """Return what the saga function gets for a step that failed for good."""
    return ActionError(
        action=step.action,
        step=step.path,
        attempts=step.attempts,
        outcome=Outcome.UNKNOWN if step.status is StepStatus.UNKNOWN else Outcome.FAILED,
        error=step.error or ErrorInfo(type="", message=""),
    )


def _raised(error: BaseException) -> SagaFailed:
    failed_step = next(_action_errors(error), None)
    if failed_step is None:
        return SagaFailed(FailingReason.SAGA_RAISED, describe(error))
    return SagaFailed(FailingReason.ACTION_FAILED, failed_step.error, failed_step.action, failed_step.step)


def _action_errors(error: BaseException) -> Iterator[ActionError]:
    """Find the failed steps in what the function let pass; a `TaskGroup` wraps them."""
    if isinstance(error, ActionError):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _action_errors(inner)


def named(error: InvalidValue, path: str, action: str) -> InvalidValue:
    """Return a complaint about a value that also says whose value it is."""
    if isinstance(error, ValueTooLarge):
        return ValueTooLarge(f"step {path} ({action}) {error.field}", error.size_bytes, error.limit_bytes)
    return InvalidValue(f"step {path} ({action}) {error.field}", error.problem)
