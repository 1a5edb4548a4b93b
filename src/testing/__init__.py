"""The testing kit: runs a saga in a simulated world, with faults where you want them, and checks what it leaves."""

from .checker import Violation, check
from .cluster import Cluster
from .entry import spend
from .explore import Report, explore
from .ledger import Kind
from .plan import AppendFault, AppendMode, Cancel, Fault, HandlerFault, HandlerMode, Plan
from .scenario import Scenario
from .simulate import simulate
from .simulation import Simulation
from .world import World

__all__ = [
    "AppendFault",
    "AppendMode",
    "Cancel",
    "Cluster",
    "Fault",
    "HandlerFault",
    "HandlerMode",
    "Kind",
    "Plan",
    "Report",
    "Scenario",
    "Simulation",
    "Violation",
    "World",
    "check",
    "explore",
    "simulate",
    "spend",
]
