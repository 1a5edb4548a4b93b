"""`amends undo --plan`: what undoing a run would do, and what it could not."""

import argparse
import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

from .client import client_of
from .paint import Paint, paint_for
from .tables import Cell, table

if TYPE_CHECKING:
    from ..saga.undo_plan import UndoPlan


def show_plan(arguments: argparse.Namespace) -> int:
    """Print the plan; 0 if the run can be undone as it stands, completely."""
    plan = asyncio.run(_plan(arguments))
    if arguments.json:
        print(json.dumps(_json(arguments.run_id, plan)))
    else:
        print("\n".join(_lines(arguments.run_id, plan, paint_for(sys.stdout, os.environ))))
    return 1 if plan.is_committed or plan.is_failing or plan.remaining else 0


async def _plan(arguments: argparse.Namespace) -> "UndoPlan":
    async with client_of(arguments) as coordinator:
        return await coordinator.handle(arguments.run_id).undo_plan()


def _json(run_id: str, plan: "UndoPlan") -> dict[str, object]:
    return {
        "run_id": run_id,
        "is_committed": plan.is_committed,
        "is_failing": plan.is_failing,
        "undos": [{"step": undo.step, "action": undo.action, "stage": undo.stage} for undo in plan.undos],
        "remaining": [left.model_dump(mode="json") for left in plan.remaining],
    }


def _lines(run_id: str, plan: "UndoPlan", paint: Paint) -> list[str]:
    if plan.is_committed:
        return [f"{run_id} has passed its point of no return: nothing of it can be undone"]
    if plan.is_failing:
        return [f"{run_id} unwinds already, or was undone: asking for it changes nothing"]
    if not plan.undos and not plan.remaining:
        return [f"{run_id} has nothing to undo"]
    lines = []
    if plan.undos:
        rows = [[Cell(str(undo.stage), right=True), Cell(undo.step), Cell(undo.action)] for undo in plan.undos]
        lines += ["would be undone, stage by stage:", *table(["STAGE", "STEP", "ACTION"], rows, paint)]
    if plan.remaining:
        rows = [[Cell(left.step), Cell(left.action), Cell(left.why.replace("_", " "))] for left in plan.remaining]
        lines += [*([""] if lines else []), "would stand all the same:", *table(["STEP", "ACTION", "WHY"], rows, paint)]
    return lines
