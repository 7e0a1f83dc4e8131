import pytest

from envforge.environment.made import accounts
from envforge.environment.made.accounts import User
from envforge.errors import NotFoundError

PASSWD = "root:x:0:0:root:/root:/bin/bash\npostgres:x:162:162:,,,:/var/lib/postgresql:/bin/sh\nbroken\n"
GROUP = "root:x:0:\nssl-cert:x:118:postgres\nalice:x:50:\nstaff:x:51:bob,postgres\n"


def test_users_are_found_by_name_and_others_are_named():
    assert accounts.named(PASSWD, "postgres") == User(
        "postgres", 162, 162, "/var/lib/postgresql", "/bin/sh", ",,,"
    )
    with pytest.raises(NotFoundError) as caught:
        accounts.named(PASSWD, "nobody-here")
    assert "root, postgres" in caught.value.hint


def test_supplementary_groups():
    assert accounts.groups_of(GROUP, "postgres") == (118, 51)
    assert accounts.groups_of(GROUP, "root") == ()


def test_the_own_line_takes_the_place_of_one_of_the_same_name_or_number():
    me = User("postgres", 1000, 1000, "/home/postgres")
    assert accounts.with_user(PASSWD, me).count("\npostgres:") == 1
    same_number = User("alice", 162, 100, "/home/alice")
    text = accounts.with_user(PASSWD, same_number)
    assert "alice:x:162:100::/home/alice:/bin/bash\n" in text
    assert "postgres" not in text
    assert text.startswith("root:x:0:0:")


def test_a_group_is_added_only_where_its_number_is_free():
    assert accounts.with_group(GROUP, "alice", 51) == GROUP
    assert accounts.with_group(GROUP, "bob", 1000).endswith("bob:x:1000:\n")
    assert accounts.with_group(GROUP, "alice", 1000).endswith("alice-self:x:1000:\n")
