"""What a coordinator knows: the actions and sagas that it was given, checked once, found by name."""

from collections.abc import Iterable
from typing import Any

from ..actions.action import Action
from ..errors import DefinitionError, UnknownName
from .definition import InvokedAction, Saga


class Registry:
    """The actions and sagas of one coordinator.

    Args:
        actions: every action that its sagas use or that is invoked by name.
        sagas: every saga that it runs; several versions of one may stand side by side.

    Raises:
        DefinitionError: one of them is incomplete, or two have the same name (and version).
    """

    def __init__(self, actions: Iterable[Action[Any, Any]], sagas: Iterable[Saga[Any, Any]]) -> None:
        self.actions: dict[str, Action[Any, Any]] = {}
        self._sagas: dict[tuple[str, int], Saga[Any, Any]] = {}
        self._newest: dict[str, Saga[Any, Any]] = {}
        for action in actions:
            self._add_action(action)
        for saga in sagas:
            self._add_saga(saga)

    def __repr__(self) -> str:
        sagas = sorted(f"{name} v{v}" for (name, v), s in self._sagas.items() if not isinstance(s, InvokedAction))
        return f"sagas {', '.join(sagas) or 'none'}; actions {', '.join(sorted(self.actions)) or 'none'}"

    def _add_action(self, action: Action[Any, Any]) -> None:
        if not isinstance(action, Action):
            raise DefinitionError(f"actions: {action!r} is not an Action; decorate it with @action(...)")
        if action.name in self.actions:
            raise DefinitionError(f"actions: two actions are called {action.name!r}")
        action.check()
        self.actions[action.name] = action
        self._add_saga(InvokedAction(action))

    def _add_saga(self, saga: Saga[Any, Any]) -> None:
        if not isinstance(saga, Saga):
            raise DefinitionError(f"sagas: {saga!r} is not a Saga; decorate it with @saga(...)")
        if (saga.name, saga.version) in self._sagas:
            raise DefinitionError(f"sagas: two sagas are called {saga.name!r} version {saga.version}")
        self._sagas[saga.name, saga.version] = saga
        if saga.name not in self._newest or self._newest[saga.name].version < saga.version:
            self._newest[saga.name] = saga

    def action(self, action: Action[Any, Any] | str) -> Action[Any, Any]:
        """Return a known action.

        Raises:
            DefinitionError: it is something else.
            UnknownName: it is not known; or another action of that name is.
        """
        if not isinstance(action, (Action, str)):
            raise DefinitionError(f"{action!r} is neither an Action nor the name of one")
        name = action if isinstance(action, str) else action.name
        known = self.actions.get(name)
        if known is None or (isinstance(action, Action) and known is not action):
            raise UnknownName("action", name, list(self.actions))
        return known

    def saga(self, saga: Saga[Any, Any] | str) -> Saga[Any, Any]:
        """Return a known saga; by name alone, its newest version.

        Raises:
            DefinitionError: it is something else.
            UnknownName: it is not known; or another saga of that name is.
        """
        if not isinstance(saga, (Saga, str)):
            raise DefinitionError(f"{saga!r} is neither a Saga nor the name of one")
        if isinstance(saga, str):
            known = self._newest.get(saga)
            name = saga
        else:
            known = self._sagas.get((saga.name, saga.version))
            name = saga.name
        if known is None or (isinstance(saga, Saga) and known is not saga):
            visible = [name for name in self._newest if not isinstance(self._newest[name], InvokedAction)]
            raise UnknownName("saga", name, visible)
        return known

    def known(self) -> set[tuple[str, int]]:
        """Return the names and versions of all sagas, those that invoke one action included."""
        return set(self._sagas)

    @property
    def sagas(self) -> list[Saga[Any, Any]]:
        """The newest version of each saga, without those that invoke one action."""
        return [saga for saga in self._newest.values() if not isinstance(saga, InvokedAction)]

    def recorded_saga(self, name: str, version: int) -> Saga[Any, Any] | None:
        """Return the saga that a run was started with, or None where this coordinator does not know it."""
        return self._sagas.get((name, version))

    def invoked(self, action: Action[Any, Any] | str) -> Saga[Any, Any]:
        """Return the saga that runs just this action.

        Raises:
            UnknownName: the action is not known.
        """
        return self._sagas[InvokedAction(self.action(action)).name, 1]
