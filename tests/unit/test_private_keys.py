"""A private key that configuring made is an error, wherever it stands; words and shipped keys are not."""

import py_compile

import pytest

from envforge.errors import BuildError
from envforge.sources.debian.configure.cleaning.keys import published_keys, refuse_made_keys

KEY = """\
-----BEGIN {0}PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASC
BKcwggSj
-----END {0}PRIVATE KEY-----
"""


def refuse(tree, *, shipped=(), published=()):
    refuse_made_keys(str(tree), shipped.__contains__, lambda: published_keys(published))


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
@pytest.mark.parametrize(
    "before", ["", "# a remark\n", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]
)
def test_keys_are_found(tmp_path, kind, before):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/key.pem").write_text(before + KEY.format(kind))
    with pytest.raises(BuildError, match=r"/etc/key\.pem"):
        refuse(tmp_path)


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
    refuse(tmp_path)


def test_bytecode_of_a_shipped_module_is_no_key(tmp_path):
    package = tmp_path / "usr/lib/python3/dist-packages/tests"
    package.mkdir(parents=True)
    (package / "keys.py").write_text(f'KEY = """{KEY.format("RSA ")}"""\n')
    py_compile.compile(str(package / "keys.py"))
    (package / "keys.py").unlink()  # it lies in the farm
    refuse(tmp_path, shipped=("/usr/lib/python3/dist-packages/tests/keys.py",))
    with pytest.raises(BuildError, match="keys"):
        refuse(tmp_path, shipped=("/usr/lib/python3/dist-packages/tests/other.py",))


def test_a_copy_of_a_shipped_key_is_none_but_another_beside_it_is(tmp_path):
    shipped = tmp_path / "sample.pem"
    shipped.write_text(KEY.format("EC ") + "\n")
    made = tmp_path / "made"
    made.mkdir()
    (made / "copy.conf").write_text("# a copy\n" + KEY.format("EC "))
    refuse(made, published=((str(tmp_path), "/sample.pem"),))
    (made / "copy.conf").write_text(KEY.format("EC ") + KEY.format("RSA "))
    with pytest.raises(BuildError, match="copy"):
        refuse(made, published=((str(tmp_path), "/sample.pem"),))
