import pytest

from envforge.containers.network.published import PublishError, all_of, published_of, text_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3000:80", [("127.0.0.1", 3000, 80, "tcp")]),
        ("3000:80/tcp", [("127.0.0.1", 3000, 80, "tcp")]),
        ("auto:80", [("127.0.0.1", 0, 80, "tcp")]),
        ("53:5353/udp", [("127.0.0.1", 53, 5353, "udp")]),
        ("0.0.0.0:1:65535", [("0.0.0.0", 1, 65535, "tcp")]),
        ("[::1]:auto:80", [("::1", 0, 80, "tcp")]),
        ("[0:0::1]:8:80", [("::1", 8, 80, "tcp")]),
        ("10-11:20-21", [("127.0.0.1", 10, 20, "tcp"), ("127.0.0.1", 11, 21, "tcp")]),
        ("auto:20-21", [("127.0.0.1", 0, 20, "tcp"), ("127.0.0.1", 0, 21, "tcp")]),
    ],
)
def test_what_is_published(text, found):
    assert published_of(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "80", "80:", ":80", "a:80", "80:a", "0:80", "80:0", "65536:80", "80:65536", "80:auto"),
        *("1-2:3", "1:2-3", "2-1:2-1", "-1:1", "1-:1-", "1:1/sctp", "1:1/", "localhost:1:1", "::1:1:1"),
        *(
            "[127.0.0.1]:1:1",
            "[]:1:1",
            "1.2.3:1:1",
            "256.0.0.1:1:1",
            "0030000000:1",
            "٣:1",
            "1:1:1:1",
            "+1:1",
        ),
    ],
)
def test_what_is_refused(text):
    with pytest.raises(PublishError) as caught:
        published_of(text)
    assert caught.value.hint


def test_a_port_of_the_host_is_published_once():
    assert len(all_of(["80:80", "80:80/udp", "[::1]:80:80", "auto:80", "auto:80"])) == 5
    with pytest.raises(PublishError, match="once more"):
        all_of(["79-81:79-81", "80:1"])
    with pytest.raises(PublishError, match="too many"):
        all_of(["1000-3000:1000-3000"])


def test_ports_are_written_as_they_are_read():
    for text in ("127.0.0.1:3000:80", "[::1]:auto:80/udp"):
        assert text_of(published_of(text)[0]) == text
