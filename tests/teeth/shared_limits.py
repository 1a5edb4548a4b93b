"""What is held of limits beside the invariants: of workers that share one, and of a run that waits for permits."""

from amends.testing import Cluster, Simulation
from amends.testing.shape_list import shape

__all__ = ["begins_all", "goes_on_beside_a_sleep", "shares_its_limit"]

SHAPES = (shape("permits-two-by-two").among_others, shape("permits-undone-one-by-one").among_others)


def shares_its_limit(simulation: Simulation) -> None:
    """Two workers have runs of one shape; one is killed, another stopped for longer than its lease; all ends well."""
    if simulation.fired:
        return
    for seed, of in enumerate((*SHAPES, *SHAPES)):
        with Cluster([of], seed=seed) as cluster:
            first, second, third = (cluster.boot() for _ in range(3))
            for number, worker in enumerate((first, second, third, first, second)):
                cluster.start(of, f"run-{number}", at=worker)
            cluster.advance(1.5)
            cluster.kill(first)
            cluster.advance(1.2)
            cluster.stop(second)
            cluster.advance(5.0)
            cluster.go_on(second)
            cluster.heal(within_seconds=300.0)
            found = cluster.violations()
            assert not found, f"{found[0][0]}: {found[0][1]}"


def begins_all(simulation: Simulation) -> None:
    """Nothing that a saga has asked for is left out, whether it waits for that or not."""
    if not simulation.fired:
        assert len(simulation.state.steps) == 3, f"{len(simulation.state.steps)} steps were begun, of 3"


def goes_on_beside_a_sleep(simulation: Simulation) -> None:
    """What waits for a token is begun when there is one, and not when the run is woken for something else."""
    if not simulation.fired:
        began = [step.started_at for step in simulation.state.steps.values() if step.action == "r"]
        late = [at for at in began if (at - min(began)).total_seconds() > 5.0]
        assert not late, f"{len(late)} of {len(began)} attempts began late"
