import pytest

from envforge.errors import StoreError
from envforge.store import listing
from envforge.store.listing import Entry

SHA = b"ab" * 32
CAPABILITY = ((b"security.capability", b"\1\0"),)


def test_a_listing_is_byte_exact():
    entries = [
        Entry(b"/etc/odd name\\\xc3\n", "f", 0o4755, 0, 42, 1700000000, size=5, content=SHA),
        Entry(b"/", "d"),
        Entry(b"/usr/bin/perl5", "f", 0o755, mtime=3, size=7, content=SHA, link=b"/usr/bin/perl"),
        Entry(b"/bin", "l", 0o777, mtime=9, content=b"usr/bin"),
        Entry(b"/dev/null", "c", 0o666, mtime=0, device=(1, 3)),
        Entry(b"/gone", "w", 0),
        Entry(b"/l-", "l", 0o777, content=b"-"),
        Entry(
            b"/ping", "f", 0o755, mtime=1, size=0, content=SHA, xattrs=((b"security.capability", b"\1\0"),)
        ),
    ]
    assert listing.dump(entries) == (
        b"envforge-listing 1\n"
        b"d 0755 0 0 315532800 - - - - /\n"
        b"l 0777 0 0 9 - usr/bin - - /bin\n"
        b"c 0666 0 0 0 1:3 - - - /dev/null\n"
        b"f 4755 0 42 1700000000 5 " + SHA + rb" - - /etc/odd\x20name\x5c\xc3\x0a" + b"\n"
        b"w 0000 0 0 315532800 - - - - /gone\n"
        rb"l 0777 0 0 315532800 - \x2d - - /l-" + b"\n"
        b"f 0755 0 0 1 0 " + SHA + b" - security.capability=0100 /ping\n"
        b"f 0755 0 0 3 7 " + SHA + b" /usr/bin/perl - /usr/bin/perl5\n"
    )


def test_the_digest_is_the_sha256_of_the_listing():
    text = listing.dump([Entry(b"/", "d")])
    assert listing.digest(text) == "93a4edc3b738c18823f2eb9a5a26d8cb489c2fd9fca28f81a42d99a3c26cea05"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"envforge-listing 2\n",
        b"envforge-listing 1\nd 0755 0 0\n",
        b"envforge-listing 1\nd x 0 0 0 - - - - /\n",
    ],
)
def test_other_formats_and_broken_lines_are_refused(text):
    with pytest.raises(StoreError) as caught:
        listing.load(text)
    assert caught.value.hint
