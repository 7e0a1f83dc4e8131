"""A container that runs, as what a further process joins."""

from envforge.sandbox.life.running import Running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.containers.records import Container
    from envforge.sandbox.compiled import Plan


def target_of(container: "Container", plan: "Plan") -> Running:
    """Return a container that runs as what `exec` joins."""
    config, state = container.config, container.state
    return Running(
        container.id,
        container.name,
        config["project"],
        config["environment_name"],
        config["environment"],
        container.store,
        tuple(config["command"]),
        state["pid"],
        state["started"] // 1_000_000_000,
        state["pid_started"],
        plan,
        tuple(state["cgroup"]),
    )
