"""The shapes of sagas that the engine is walked through, cut after cut: at least forty, each there for a reason."""

from typing import Any

from ..actions.rate import Rate
from ..saga.events import RunStatus
from .plays import HANGS, LANDS_AND_HANGS, LATE, LOSES, OK, RAISES, VANISHES, Step
from .shapes import Block, Commit, Hear, How, Lock, Node, Shape, Sleep, par, seq

__all__ = ["SHAPES", "shape"]


_OR_UNDONE = (RunStatus.COMPENSATED,)
_OR_PARTLY = (RunStatus.PARTIALLY_COMPENSATED,)
_OR_PARKED = (RunStatus.PARKED,)


def _done(name: str, root: Node, **more: Any) -> Shape:
    return Shape(name, root, RunStatus.COMPLETED, **more)


def _undone(name: str, root: Node, **more: Any) -> Shape:
    return Shape(name, root, RunStatus.COMPENSATED, **more)


def _partly(name: str, root: Node, **more: Any) -> Shape:
    return Shape(name, root, RunStatus.PARTIALLY_COMPENSATED, **more)


def _parked(name: str, root: Node, **more: Any) -> Shape:
    return Shape(name, root, RunStatus.PARKED, **more)


def _ok(*names: str) -> tuple[Step, ...]:
    return tuple(Step(name) for name in names)


def _fails(name: str = "f", attempts: int = 1) -> Step:
    return Step(name, do=RAISES, attempts=attempts)


def _caught(*nodes: Node) -> Block:
    return Block(How.CAUGHT, nodes)


_SEQUENCES = (
    _done("nothing", seq()),
    _done("one", Step("a")),
    _done("three", seq(*_ok("a", "b", "c"))),
    _done("five", seq(*_ok("a", "b", "c", "d", "e"))),
    _undone("raises-at-once", Block(How.RAISE)),
    _undone("raises-after-two", seq(*_ok("a", "b"), Block(How.RAISE))),
    _undone("first-fails", seq(_fails(), *_ok("a", "b"))),
    _undone("middle-fails", seq(*_ok("a"), _fails(), *_ok("b"))),
    _undone("last-fails", seq(*_ok("a", "b"), _fails())),
    _undone("last-fails-thrice", seq(*_ok("a"), _fails(attempts=3))),
    _undone("same-action-twice", seq(Step("a"), Step("a"), _fails())),
    _done("flaky", seq(Step("a", do=(RAISES, RAISES)), *_ok("b"))),
    _done("patient", seq(Step("a", do=(RAISES,), wait_seconds=10.0), *_ok("b"))),
    _undone("undo-is-patient", seq(Step("a", undo=(RAISES,), wait_seconds=10.0), _fails())),
    _undone("flaky-then-fails", seq(Step("a", do=(RAISES, OK)), _fails())),
)

_PARALLEL = (
    _done("two-abreast", par(*_ok("a", "b"))),
    _done("five-abreast", par(*_ok("a", "b", "c", "d", "e"))),
    _done("two-abreast-then-one", seq(par(*_ok("a", "b")), *_ok("c"))),
    _done("limited", Block(How.PAR, tuple(Step(name, seconds=1.0) for name in "abcd"), limit=2)),
    _undone("limited-fails", seq(Block(How.PAR, (*_ok("a", "b"), _fails(), *_ok("c")), limit=1))),
    _undone("one-of-three-fails", par(Step("a"), _fails(), Step("b", seconds=2.0))),
    _undone("late-sibling-succeeds", seq(*_ok("a"), par(_fails(), Step("b", seconds=3.0), Step("c", seconds=1.0)))),
    _undone("late-sibling-fails", par(_fails(), Step("b", do=RAISES, attempts=2, seconds=2.0))),
    _undone("sibling-waits-for-its-retry", par(_fails(), Step("b", do=(RAISES,)))),
    _undone("sibling-unknown", par(_fails(), Step("b", do=LOSES, on_unknown="undo"))),
    _done("branches", par(seq(*_ok("a", "b")), seq(*_ok("c", "d")))),
    _undone("branch-fails", seq(*_ok("z"), par(seq(*_ok("a", "b"), _fails()), seq(*_ok("c", "d"))))),
    _done("nested", seq(*_ok("a"), par(seq(*_ok("b"), par(*_ok("c", "d"))), Step("e")), *_ok("g"))),
    _undone("nested-fails", seq(par(seq(*_ok("b"), par(*_ok("c", "d"))), Step("e")), _fails())),
    _done("gather", seq(Block(How.GATHER, _ok("a", "b")), *_ok("c"))),
    _undone("gather-fails", Block(How.GATHER, (*_ok("a"), _fails(), Step("b", seconds=1.0)))),
    _undone("gather-fails-beside-a-flaky-one", Block(How.GATHER, (_fails(), Step("b", do=RAISES, seconds=1.0)))),
    _undone("task-group-fails", Block(How.GROUP, (*_ok("a"), _fails(), Step("b", seconds=1.0)))),
    _done("detached", seq(*_ok("a"), Block(How.DETACHED, (Step("b", seconds=1.0),)))),
    _undone("detached-then-raises", seq(Block(How.DETACHED, (Step("b", seconds=1.0),)), *_ok("a"), Block(How.RAISE))),
)

_CAUGHT = (
    _done("caught", seq(*_ok("a"), _caught(_fails()), *_ok("b"))),
    _undone("caught-then-fails", seq(*_ok("a"), _caught(_fails("g")), *_ok("b"), _fails())),
    _done("another-way", seq(*_ok("a"), Block(How.AGAIN, (_fails(), Step("b"))), *_ok("c"))),
    _done("caught-abreast", seq(_caught(par(_fails(), Step("b", seconds=2.0))), *_ok("c"))),
    _done("caught-in-branch", par(seq(_caught(_fails()), *_ok("a")), seq(*_ok("b")))),
    _done("caught-unknown", seq(_caught(Step("a", do=VANISHES, on_unknown="undo")), *_ok("b"))),
)

_IRREVERSIBLE = (
    _done("irreversible-last", seq(*_ok("a"), Step("mail", undo=None))),
    _partly("irreversible-stands", seq(*_ok("a"), Step("mail", undo=None), *_ok("b"), _fails())),
    _undone(
        "irreversible-fails",
        seq(*_ok("a"), Step("mail", undo=None, do=RAISES, attempts=1)),
        or_else=_OR_PARTLY,
    ),
    _partly("irreversible-sibling", par(_fails(), Step("mail", undo=None, seconds=1.0))),
)

_UNKNOWN = (
    _done("loses-its-reply", seq(Step("a", do=(LOSES,)), *_ok("b"))),
    _undone("loses-then-fails", seq(Step("a", do=(LOSES, RAISES)), _fails())),
    _done("vanishes", seq(Step("a", do=(VANISHES,)), *_ok("b"))),
    _done("hangs", seq(Step("a", do=(HANGS,)), *_ok("b"))),
    _undone("lands-and-hangs", seq(Step("a", do=(LANDS_AND_HANGS,)), _fails())),
    _undone("late", seq(*_ok("z"), Step("a", do=LATE, on_unknown="undo")), settle_seconds=20.0),
    _done("late-and-retried", seq(Step("a", do=(LATE,)), *_ok("b")), settle_seconds=20.0),
    _done("probed", seq(Step("a", do=(LOSES,), probe=True), *_ok("b"))),
    _undone("probed-and-absent", seq(Step("a", do=(VANISHES,), probe=True), *_ok("b"), _fails())),
    _undone("unknown-is-undone", seq(*_ok("z"), Step("a", do=LOSES, on_unknown="undo"))),
    _undone("unknown-once-is-undone", seq(*_ok("z"), Step("a", do=(LOSES,), on_unknown="undo"))),
    _undone("unknown-is-probed-and-undone", seq(Step("a", do=LOSES, on_unknown="undo", probe=True))),
    _done(
        "a-crash-is-undone",
        seq(Step("a", on_unknown="undo"), Step("b", on_unknown="undo")),
        or_else=_OR_UNDONE,
    ),
    _done("a-crash-parks", seq(Step("a", on_unknown="park"), *_ok("b")), or_else=_OR_PARKED),
    _done("parks-and-is-retried", seq(Step("a", do=(VANISHES,), on_unknown="park"), *_ok("b")), orders=("retry",) * 4),
    _undone("parks-and-is-cancelled", seq(*_ok("z"), Step("a", do=LOSES, on_unknown="park")), orders=("cancel",) * 4),
    _parked("unknown-once-parks", seq(*_ok("z"), Step("a", do=(LOSES,), on_unknown="park"))),
    _parked("parks-beside-another", par(Step("a", do=LOSES, on_unknown="park"), Step("b", seconds=1.0))),
)

_UNDOING = (
    _undone("undo-fails-once", seq(*_ok("a"), Step("b", undo=(RAISES,)), *_ok("c"), _fails())),
    _undone("undo-loses-its-reply", seq(Step("a", undo=(LOSES,)), *_ok("b"), _fails())),
    _undone("undo-hangs-once", seq(*_ok("a"), Step("b", undo=(HANGS,)), _fails())),
    _undone("undo-is-late", seq(*_ok("a"), Step("b", undo=(LATE,)), _fails()), settle_seconds=20.0),
    _undone("undo-takes-time", seq(Step("a", seconds=1.0), Step("b", seconds=1.0), _fails())),
    _parked("undo-fails", seq(*_ok("a"), Step("b", undo=RAISES, undo_attempts=2), *_ok("c"), _fails())),
    _parked("undo-fails-beside", seq(par(Step("a", undo=RAISES, undo_attempts=1), *_ok("b")), *_ok("c"), _fails())),
    _partly(
        "undo-is-waived",
        seq(*_ok("a"), Step("b", undo=RAISES, undo_attempts=1), *_ok("c"), _fails()),
        orders=("waive 2",) * 6,
    ),
    _parked(
        "undo-fails-beside-a-branch",
        seq(
            par(Step("a", undo=RAISES, undo_attempts=1, seconds=1.0), seq(*_ok("b"), Step("c", seconds=3.0))), _fails()
        ),
    ),
    _partly(
        "the-wrong-step-is-waived-first",
        seq(*_ok("a"), Step("b", undo=RAISES, undo_attempts=1), _fails()),
        orders=("waive 1", *("waive 2",) * 6),
    ),
    _undone(
        "undo-is-retried-with-a-new-budget",
        seq(Step("a", undo=(RAISES, RAISES, RAISES), undo_attempts=2), _fails()),
        orders=("retry",),
    ),
    _undone(
        "undo-is-retried",
        seq(*_ok("a"), Step("b", undo=(RAISES, RAISES), undo_attempts=1), *_ok("c"), _fails()),
        orders=("retry",) * 6,
    ),
)

_PLAIN = (
    _done("plain", seq(Step("a", plain=True), Step("b", plain=True))),
    _undone("plain-fails", seq(Step("a", plain=True), Step("f", plain=True, do=RAISES, attempts=2))),
    _done("plain-late", seq(Step("a", plain=True, do=(LATE,)), *_ok("b")), settle_seconds=20.0),
    _undone("plain-late-undone", seq(Step("a", plain=True, do=LATE, on_unknown="undo")), settle_seconds=20.0),
    _undone("plain-undo-flaky", seq(Step("a", plain=True, undo=(RAISES,), seconds=1.0), _fails())),
)

_ONE, _TWO = (("x", "1"),), (("x", "1"), ("x", "2"))
"""What a shape is told."""

_WAITING = (
    _done("sleeps-no-time", seq(Sleep(0), *_ok("a"))),
    _done("sleeps-and-keeps-its-place", seq(*_ok("a"), Sleep(0.3), *_ok("b"))),
    _done("sleeps-and-is-let-go-of", seq(*_ok("a"), Sleep(30.0), *_ok("b"))),
    _undone("sleeps-then-fails", seq(*_ok("a"), Sleep(30.0), _fails())),
    _done("sleeps-abreast", par(seq(Sleep(2.0), *_ok("a")), seq(Sleep(30.0), *_ok("b")), Step("c"))),
    _undone("sleeps-beside-one-that-fails", par(seq(*_ok("a"), Sleep(30.0)), Step("f", do=RAISES, seconds=1.0))),
    _done("hears", seq(*_ok("a"), Hear("x"), *_ok("b")), signals=_ONE),
    _done("hears-twice", seq(Hear("x"), *_ok("a"), Hear("x", 50.0), *_ok("b")), signals=_TWO),
    _done("hears-in-time", seq(*_ok("a"), Hear("x", 0.8), *_ok("b")), signals=_ONE, or_else=_OR_UNDONE),
    _undone("hears-too-late", seq(*_ok("a"), Hear("x", 5.0), *_ok("b"))),
    _undone("hears-a-little-too-late", seq(*_ok("a"), Hear("x", 0.3), *_ok("b"))),
    _done("hears-too-late-and-goes-on", seq(*_ok("a"), _caught(Hear("x", 0.3), Step("c")), *_ok("b"))),
    _done("hears-beside-a-step", seq(par(seq(Hear("x"), *_ok("a")), Step("b", seconds=1.0)), *_ok("c")), signals=_ONE),
    _done("two-hear-one-name", par(seq(Hear("x"), *_ok("a")), seq(Hear("x"), *_ok("b"))), signals=_TWO),
    _done(
        "hears-deep-down",
        par(seq(par(seq(par(seq(Hear("x"), Sleep(0.1))))), *_ok("a")), seq(Sleep(20.0), *_ok("b"))),
        signals=_ONE,
    ),
    _undone("hears-then-fails", seq(*_ok("a"), Hear("x"), *_ok("b"), _fails()), signals=_ONE),
)

_COMMITTED = (
    _done("commits", seq(*_ok("a"), Commit(), *_ok("b"))),
    _done("commits-first", seq(Commit(), *_ok("a"))),
    _done("commits-last", seq(*_ok("a"), Commit())),
    _done("commits-twice", seq(*_ok("a"), Commit(), *_ok("b"), Commit())),
    _done("commits-in-a-branch", par(seq(*_ok("a"), Commit(), *_ok("b")), seq(Sleep(1.5), *_ok("c")))),
    _undone("fails-before-its-commit", seq(*_ok("a"), _fails(), Commit())),
    _parked("fails-past-its-commit", seq(*_ok("a"), Commit(), _fails())),
    _parked("raises-past-its-commit", seq(*_ok("a"), Commit(), Block(How.RAISE))),
    _done("fails-past-its-commit-and-is-retried", seq(Commit(), Step("a", do=(RAISES,) * 12)), orders=("retry",) * 4),
    _done("hears-past-its-commit", seq(*_ok("a"), Commit(), Hear("x"), *_ok("b")), signals=_ONE),
    _done("sleeps-before-and-past-its-commit", seq(*_ok("a"), Sleep(5.0), Commit(), Sleep(5.0), *_ok("b"))),
)

_LOCKED = (
    _done("locks", seq(Lock(("user",)), *_ok("a", "b"))),
    _done("locks-two", seq(*_ok("a"), Lock(("user", "account")), *_ok("b"))),
    _done("locks-one-after-the-other", seq(Lock(("account",)), *_ok("a"), Lock(("user",)), *_ok("b"))),
    _done("locks-what-it-has", seq(Lock(("user",)), *_ok("a"), Lock(("user",)), *_ok("b"))),
    _undone("locks-then-fails", seq(Lock(("user",)), *_ok("a"), _fails())),
    _undone("locks-out-of-order", seq(Lock(("user",)), *_ok("a"), Lock(("account",)))),
    _undone("locks-beside-a-step", par(Step("a", seconds=1.0), seq(Lock(("user",)), *_ok("b")))),
    _undone("locks-and-does-not-wait", par(Lock(("user",)), Step("a"))),
    _done("locks-and-hears", seq(Lock(("user",)), Hear("x"), *_ok("a")), signals=_ONE),
    _done("locks-and-commits", seq(Lock(("user",)), *_ok("a"), Commit(), *_ok("b"))),
    _parked("locks-and-parks", seq(Lock(("user",)), Step("a", undo=RAISES, undo_attempts=1), _fails())),
    _done("one-at-a-time", seq(*_ok("a", "b")), concurrency=1),
    _undone("one-at-a-time-fails", seq(*_ok("a"), _fails()), concurrency=1),
    _done("two-at-a-time-with-a-lock", seq(Lock(("user",)), Step("a", seconds=1.0)), concurrency=2),
)


def _permits(name: str = "p", concurrency: int = 1, **more: Any) -> Step:
    return Step(name, concurrency=concurrency, seconds=1.0, **more)


_LIMITED = (
    _done("permits-one-by-one", seq(par(_permits(), _permits(), _permits()), *_ok("b"))),
    _done("permits-two-by-two", par(*(_permits(concurrency=2) for _ in range(4)))),
    _done("permits-flaky", par(_permits(do=(RAISES,)), _permits(do=(RAISES,)))),
    _undone("permits-undone-one-by-one", seq(par(_permits(), _permits()), _fails())),
    _undone("permits-dropped-when-it-fails", par(_permits(), _permits(), _fails(), _permits())),
    _undone("permits-undo-flaky", seq(par(*(_permits(undo=(RAISES,)),) * 2), _fails())),
    _done("permits-late", seq(par(_permits(do=(LATE,)), _permits(do=(LATE,)))), settle_seconds=20.0),
    _done("permits-plain", par(_permits(plain=True), _permits(plain=True))),
    _done("permits-probed", par(_permits(do=(LOSES,), probe=True), _permits(do=(LOSES,), probe=True))),
    _done("permits-detached", seq(*_ok("a"), Block(How.DETACHED, (_permits(), _permits())))),
    _done("permits-beside-a-sleep", par(_permits(), seq(Sleep(30.0), *_ok("b")), _permits(), _permits())),
    _undone("permits-caught-then-fails", seq(_caught(par(_permits(), _fails("g"), _permits())), _fails())),
    _done("permits-past-its-commit", seq(*_ok("a"), Commit(), par(_permits(), _permits()))),
    _done("rated", par(*(Step("r", rate=Rate(2, per_seconds=3.0)),) * 4)),
    _done("rated-beside-a-sleep", par(seq(Sleep(30.0), *_ok("b")), *(Step("r", rate=Rate(2, per_seconds=3.0)),) * 4)),
    _undone("rated-undone", seq(par(*(_permits("r", rate=Rate(2, per_seconds=3.0)),) * 2), _fails())),
)

SHAPES: tuple[Shape, ...] = (
    *(_SEQUENCES + _PARALLEL + _CAUGHT + _IRREVERSIBLE + _UNKNOWN + _UNDOING + _PLAIN + _WAITING),
    *(_COMMITTED + _LOCKED + _LIMITED),
)


def shape(name: str) -> Shape:
    """Return the shape of that name.

    Raises:
        KeyError: there is none.
    """
    return next(found for found in SHAPES if found.name == name)
