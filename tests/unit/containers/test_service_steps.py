"""What `up` and `down` do with each service, and in which order."""

from envforge.containers.services.plan import Dependency, Existing, Step, Wanted, ordered, steps, stopping


def wanted(name: str, *after: str, **fields: object) -> Wanted:
    return Wanted(name, fields, tuple(Dependency(one, "started") for one in after))


SERVICES = {
    "web": wanted("web", "cache", "db", command=["web"]),
    "db": wanted("db", command=["db"]),
    "cache": wanted("cache", "db", command=["cache"], restart="no"),
    "mail": wanted("mail", command=["mail"]),
}


def existing(name: str, status: str = "running", **fields: object) -> Existing:
    return Existing(f"id-{name}", name, status, {**SERVICES[name].fields, **fields})


def test_a_service_comes_after_all_that_it_waits_for():
    assert ordered(SERVICES) == ("db", "cache", "web", "mail")


def test_chosen_services_bring_what_they_wait_for():
    assert ordered(SERVICES, ["cache"]) == ("db", "cache")


def test_what_is_not_there_is_created():
    assert steps(SERVICES, [], ["db"]) == (Step("db", "create"),)


def test_what_runs_unchanged_is_kept_and_what_stopped_is_started():
    found = steps(SERVICES, [existing("db"), existing("cache", "exited")], ["cache"])
    assert found == (Step("db", "keep", (), "id-db"), Step("cache", "start", (), "id-cache"))


def test_a_changed_field_is_named_and_decides_between_restart_and_recreate():
    found = steps(
        SERVICES, [existing("db", command=["old"], user="x"), existing("cache", restart="always")], ["cache"]
    )
    assert found == (
        Step("db", "recreate", ("command", "user"), "id-db"),
        Step("cache", "restart", ("restart",), "id-cache"),
    )


def test_everything_can_be_made_anew():
    assert steps(SERVICES, [existing("db")], ["db"], anew=True) == (Step("db", "recreate", (), "id-db"),)


def test_services_that_the_spec_has_no_more_are_removed_first_unless_some_were_chosen():
    old = Existing("id-old", "old", "running", {})
    assert steps(SERVICES, [old])[0] == Step("old", "remove", (), "id-old")
    assert "remove" not in [one.action for one in steps(SERVICES, [old], ["db"])]


def test_they_stop_in_the_reverse_order():
    old = Existing("id-old", "old", "running", {})
    found = stopping(SERVICES, [existing("db"), existing("web"), old, existing("cache")])
    assert found == ("id-old", "id-web", "id-cache", "id-db")
