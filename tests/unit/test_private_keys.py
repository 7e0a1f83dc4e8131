"""A private key that configuration made is an error, wherever in a file it stands; mere words are not."""

import pytest

from envforge.build.normalize import refuse_private_keys
from envforge.errors import BuildError

KEY = """\
-----BEGIN {0}PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASC
BKcwggSj
-----END {0}PRIVATE KEY-----
"""


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
@pytest.mark.parametrize(
    "before", ["", "# a remark\n", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]
)
def test_keys_are_found(tmp_path, kind, before):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/key.pem").write_text(before + KEY.format(kind))
    with pytest.raises(BuildError, match=r"/etc/key\.pem"):
        refuse_private_keys(str(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "grep -q -- '-----BEGIN PRIVATE KEY-----' file\n",
        "-----BEGIN RSA PRIVATE KEY-----\0-----END RSA PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
    ],
)
def test_words_are_none(tmp_path, text):
    (tmp_path / "program").write_text(text)
    refuse_private_keys(str(tmp_path))
