"""dpkg's own check from listings: what is missing, what was diverted, what one package took from another."""

from envforge.sources.debian.layers.whole import Diversion, Fault, Repair, Shipped, check, diversions
from envforge.sources.debian.quirks import changing
from envforge.store import listing
from envforge.store.listing import Entry
from envforge.store.merge import Shown


def directory(path):
    return Entry(path.encode(), "d")


def file(path, content="a", **other):
    return Entry(path.encode(), "f", 0o644, size=1, content=content.encode(), **other)


def whiteout(path):
    return Entry(path.encode(), "w", 0, 0, 0)


TOP = [
    directory("/"),
    directory("/usr"),
    directory("/usr/bin"),
    Entry(b"/bin", "l", 0o777, content=b"usr/bin"),
]


def shipped(name, *entries, known=True, conffiles=()):
    lines = listing.dump([*TOP[:3], *entries]).splitlines()[1:]
    return Shipped(name, lines, frozenset(conffiles), known)


def shown(*layers):
    return Shown([listing.dump(layer) for layer in layers])


def test_everything_is_there():
    package = shipped("a", file("/usr/bin/a"))
    assert check([package], shown([], [*TOP, file("/usr/bin/a")]), ()) == (Repair(), [])


def test_another_mode_owner_or_time_is_no_fault_but_other_bytes_are():
    package = shipped("a", file("/usr/bin/a"), file("/usr/bin/b"))
    over = [file("/usr/bin/a", uid=5, mtime=7), file("/usr/bin/b", "other")]
    assert check([package], shown(over, [*TOP, file("/usr/bin/a"), file("/usr/bin/b")]), ()) == (
        Repair(),
        [Fault("a", b"/usr/bin/b", missing=False)],
    )


def test_a_link_may_become_that_of_an_alternative_a_file_may_not():
    alternative = Entry(b"/usr/bin/a", "l", 0o777, content=b"/etc/alternatives/a")
    own = Entry(b"/usr/bin/a", "l", 0o777, content=b"a-1")
    elsewhere = Entry(b"/usr/bin/a", "l", 0o777, content=b"/etc/other")
    fault = [Fault("p", b"/usr/bin/a", missing=False)]
    assert check([shipped("p", own)], shown([alternative], [*TOP, own]), ())[1] == []
    assert check([shipped("p", own)], shown([elsewhere], [*TOP, own]), ())[1] == fault
    file_of_it = file("/usr/bin/a")
    assert check([shipped("p", file_of_it)], shown([alternative], [*TOP, file_of_it]), ())[1] == fault


def test_what_a_whiteout_hides_is_missing_a_directory_of_it_too():
    package = shipped("a", file("/usr/bin/a"))
    farm = [*TOP, file("/usr/bin/a")]
    for path in ("/usr/bin/a", "/usr/bin"):
        assert check([package], shown([whiteout(path)], farm), ())[1] == [
            Fault("a", b"/usr/bin/a", missing=True)
        ]


def test_a_file_of_a_package_that_no_layer_was_made_over_is_laid_again():
    package = shipped("a", file("/usr/bin/a"), known=False)
    repair, faults = check([package], shown([whiteout("/usr/bin")], [*TOP, file("/usr/bin/a")]), ())
    assert repair == Repair({b"/usr/bin/a": ("a", b"/usr/bin/a")})
    assert faults == []


def test_conffiles_may_be_gone():
    package = shipped("a", file("/etc/a"), conffiles=[b"/etc/a"])
    assert check([package], shown(TOP), ())[1] == []


def test_a_diversion_moves_what_configuring_did_not_see():
    diverted = diversions("/bin/a\n/bin/a.real\ndiverter\n")
    assert diverted == (Diversion(b"/usr/bin/a", b"/usr/bin/a.real", "diverter"),)
    plain = shipped("plain", file("/usr/bin/a", "plain"), known=False)
    diverter = shipped("diverter", file("/usr/bin/a", "diverter"))
    both = shown([*TOP, file("/usr/bin/a", "diverter")])
    repair = Repair({b"/usr/bin/a.real": ("plain", b"/usr/bin/a")})
    assert check([diverter, plain], both, diverted) == (repair, [])
    alone = check([shipped("diverter"), plain], shown([*TOP, file("/usr/bin/a", "plain")]), diverted)
    assert alone == (Repair(repair.links, (b"/usr/bin/a",)), [])


def test_a_file_that_another_package_took_over_is_its():
    old, new = shipped("old", file("/usr/bin/a", "old")), shipped("new", file("/usr/bin/a", "new"))
    assert check([old, new], shown([*TOP, file("/usr/bin/a", "new")]), ()) == (Repair(), [])


def test_links_above_are_followed():
    package = shipped("a", file("/bin/a"))
    assert check([package], shown([*TOP, file("/usr/bin/a")]), ()) == (Repair(), [])


def test_what_scripts_are_known_to_change_is_a_table():
    assert changing.is_known(b"/etc/default/x", missing=True)
    assert not changing.is_known(b"/usr/share/x", missing=False)
