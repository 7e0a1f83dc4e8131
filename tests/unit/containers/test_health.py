"""How a container's health follows from its checks."""

from envforge.containers.supervisor.health import Health

CONFIG = {"interval": 10.0, "start_interval": 0.2, "start_period": 5.0, "retries": 3}


def test_it_is_asked_often_until_it_is_well_once():
    health = Health(CONFIG, 100.0)
    assert (health.status, health.due) == ("starting", 100.2)
    health.checked(passed=False, output="refused", now=100.3)
    assert (health.status, health.failing, health.due) == ("starting", 0, 100.5)
    assert health.checked(passed=True, output="", now=100.6)
    assert (health.status, health.due) == ("healthy", 110.6)


def test_a_start_that_takes_too_long_is_unhealthy():
    health = Health(CONFIG, 0.0)
    for number, now in enumerate((6.0, 16.0, 26.0), 1):
        assert health.status == "starting"
        health.checked(passed=False, output="no", now=now)
        assert health.failing == number
    assert health.document() == {"status": "unhealthy", "failing": 3, "output": "no"}


def test_one_failure_of_a_healthy_one_is_forgiven_and_it_recovers():
    health = Health(CONFIG, 0.0)
    health.checked(passed=True, output="", now=1.0)
    health.checked(passed=False, output="", now=2.0)
    assert (health.status, health.failing, health.due) == ("healthy", 1, 12.0)
    assert health.checked(passed=True, output="", now=12.0)
    assert not health.checked(passed=True, output="", now=22.0)
    for now in (32.0, 42.0, 52.0):
        health.checked(passed=False, output="", now=now)
    assert health.status == "unhealthy"
    health.checked(passed=True, output="", now=62.0)
    assert health.status == "healthy"


def test_only_the_end_of_an_output_is_kept():
    health = Health(CONFIG, 0.0)
    health.checked(passed=False, output="a" * 5000 + "end", now=1.0)
    assert len(health.output) == 4096
    assert health.output.endswith("end")
