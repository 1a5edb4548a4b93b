"""The testing kit: runs a saga in a simulated world, with faults where you want them, and checks what it leaves."""

from typing import TYPE_CHECKING, Any

from .checker import Violation, check
from .cluster import Cluster
from .entry import spend
from .explore import Report, explore
from .ledger import Kind
from .plan import CUTS, PAUSES, AppendFault, AppendMode, Fault, HandlerFault, HandlerMode, Plan
from .scenario import Scenario
from .simulate import simulate
from .simulation import Simulation
from .spoken import Abandon, Cancel, Deadline, Signal, Spoken, Undo
from .world import World

if TYPE_CHECKING:
    from .strategies import fault_plans, patient

__all__ = [
    "CUTS",
    "PAUSES",
    "Abandon",
    "AppendFault",
    "AppendMode",
    "Cancel",
    "Cluster",
    "Deadline",
    "Fault",
    "HandlerFault",
    "HandlerMode",
    "Kind",
    "Plan",
    "Report",
    "Scenario",
    "Signal",
    "Simulation",
    "Spoken",
    "Undo",
    "Violation",
    "World",
    "check",
    "explore",
    "fault_plans",
    "patient",
    "simulate",
    "spend",
]


def __getattr__(name: str) -> Any:
    """Import what needs Hypothesis when it is asked for, because simulations do not need it."""
    if name not in ("fault_plans", "patient"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from . import strategies
    except ImportError as error:
        raise ImportError(f"{name} needs Hypothesis: pip install 'amends[testing]'") from error
    return getattr(strategies, name)
