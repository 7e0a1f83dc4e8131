"""The attacks that are known to succeed. In the end nothing stands here without a reason."""

from fnmatch import fnmatchcase

_LINKS = "test_attack_links.py::test_"
OPEN: dict[str, str] = {
    f"{_LINKS}accounts_are_not_read_behind_a_link(*/etc/passwd)": "1.2: accounts on entering",
    f"{_LINKS}accounts_are_not_read_behind_a_link(*/etc/group)": "1.2: accounts on entering",
    f"{_LINKS}keystore_is_not_written_behind_a_link(*/etc/ssl/certs/java)": "1.2: crashes",
    f"{_LINKS}nothing_is_read_behind_a_link_that_a_package_has(*/etc/adduser.conf)": "crashes",
}
"""Pattern of a test's id, from its file's name on -> the point that it shows."""


def reason_of(test: str) -> str:
    """Return why that test fails today, nothing where it must not."""
    escaped = test.replace("[", "(").replace("]", ")")
    return next((reason for pattern, reason in OPEN.items() if fnmatchcase(escaped, pattern)), "")
