from hypothesis import given
from hypothesis import strategies as st

from envforge.store import listing
from envforge.store.listing import Entry

names = st.binary(min_size=1, max_size=40).map(lambda raw: b"/" + raw.replace(b"\0", b"x"))
digests = st.binary(min_size=32, max_size=32).map(lambda raw: raw.hex().encode())
xattrs = st.dictionaries(
    st.binary(min_size=1, max_size=10).map(lambda raw: b"user." + raw), st.binary(max_size=30), max_size=3
).map(lambda items: tuple(sorted(items.items())))
files = st.builds(
    Entry,
    path=names,
    type=st.just("f"),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 2),
    gid=st.integers(0, 2**32 - 2),
    mtime=st.integers(-(2**31), 2**40),
    size=st.integers(0, 2**60),
    content=digests,
    link=st.one_of(st.just(b""), names),
    xattrs=xattrs,
)
links = st.builds(Entry, path=names, type=st.just("l"), content=st.binary(min_size=1, max_size=50))
devices = st.builds(
    Entry,
    path=names,
    type=st.sampled_from("cb"),
    device=st.tuples(st.integers(0, 4095), st.integers(0, 2**20)),
)


@given(st.lists(st.one_of(files, links, devices), unique_by=lambda entry: entry.path))
def test_what_is_written_is_read_back(entries):
    text = listing.dump(entries)
    assert listing.load(text) == sorted(entries, key=lambda entry: entry.path)
    assert all(byte in range(0x20, 0x7F) or byte == 0x0A for byte in text)
    assert listing.dump(reversed(entries)) == text


@given(st.binary(max_size=200))
def test_escaping_is_reversible(raw):
    assert listing.unescape(listing.escape(raw)) == raw
