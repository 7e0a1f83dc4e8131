"""Digests: by Python's own SHA-256 where few bytes are hashed, by OpenSSL's else, and always the same."""

import hashlib
import subprocess
import sys

import pytest

from envforge.digest import is_sha256, sha256_of


@pytest.mark.parametrize("size", [0, 1, 1 << 18, (1 << 18) + 1])
def test_both_implementations_agree(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert sha256_of(data) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "text", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 63 + "g", "a" * 32 + "/" + "a" * 31, None]
)
def test_what_is_no_digest(text: object) -> None:
    assert not is_sha256(text)
    assert is_sha256("0123456789abcdef" * 4)


def test_few_bytes_load_no_openssl() -> None:
    code = (
        "import sys; from envforge import digest; digest.digest_of({}); sys.exit('_hashlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
