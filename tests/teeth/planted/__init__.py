"""The planted bugs: what is changed in the engine's source, and where the testing kit or a test should trip over it."""

from tests.teeth.planted import attempts, children, engine, limits, sagas, transactions, unwinding, waiting
from tests.teeth.planted.gaps import GAPS
from tests.teeth.tooth import Tooth

__all__ = ["GAPS", "TEETH"]

TEETH: tuple[Tooth, ...] = (
    *engine.TEETH,
    *attempts.TEETH,
    *unwinding.TEETH,
    *sagas.TEETH,
    *waiting.TEETH,
    *limits.TEETH,
    *children.TEETH,
    *transactions.TEETH,
)
