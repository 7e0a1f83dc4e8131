"""Java's keystore is written the same way every time, and Java reads it."""

import base64
import os
import shutil
import subprocess

import pytest

from envforge.key_files import jks

# A self-made certificate of nobody, with a P-256 key that was thrown away.
PEM = b"""-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUSitLikeluC3ZkC3bcbnobyn/gs0wCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGTm9ib2R5MCAXDTI2MTEyNTAxMDA0NFoYDzIxMjYxMTAxMDEw
MDQ0WjARMQ8wDQYDVQQDDAZOb2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAToJqsQakUfYF1Trv6wQeP+l+R/sBKoyo3yzzTOYfMzetP+Dezz76vszhtDJ+dp
NQJdBfN2XNwxvVHVF0sdfGRGo1MwUTAdBgNVHQ4EFgQULfJlTYowM306OBG7SkRl
b5qnJ50wHwYDVR0jBBgwFoAULfJlTYowM306OBG7SkRlb5qnJ50wDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAK6sCjYzOfljpDTvu4EFEaOCyh0Wk2
LCoOwmuflR5+SwIhAIvZq8Nz+qDoXPh7GVtzGDiTSjgccHEGJQv0SzFM8hQE
-----END CERTIFICATE-----
"""


def test_aliases_are_sorted_and_lower_case_and_dates_are_the_epoch():
    data = jks.keystore({"debian:B.pem": b"second", "debian:a.pem": b"first"})
    assert jks.read_keystore(data) == {"debian:a.pem": b"first", "debian:b.pem": b"second"}
    assert data.index(b"debian:a.pem") < data.index(b"debian:b.pem")
    assert data == jks.keystore({"debian:a.pem": b"first", "debian:B.pem": b"second"})
    date = data.index(b"debian:a.pem") + len("debian:a.pem")
    assert data[date : date + 8] == bytes(8)


def test_an_empty_keystore():
    assert jks.read_keystore(jks.keystore({})) == {}


def test_what_is_no_keystore():
    with pytest.raises(ValueError, match="not a JKS"):
        jks.read_keystore(bytes(40))


def test_pem():
    der = jks.der_of(b"comment\n" + PEM)
    assert der is not None
    assert base64.b64encode(der) in PEM.replace(b"\n", b"")
    assert jks.der_of(b"nothing") is None


def _tree(tmp_path):
    upper, farm = tmp_path / "upper", tmp_path / "farm"
    (upper / "etc/ssl/certs").mkdir(parents=True)
    (upper / "usr/bin").mkdir(parents=True)
    (upper / "usr/bin/java").symlink_to("/etc/alternatives/java")
    (farm / "etc/ssl/certs/java").mkdir(parents=True)
    (farm / "usr/share/ca-certificates/mozilla").mkdir(parents=True)
    (farm / "usr/share/ca-certificates/mozilla/Some_CA.crt").write_bytes(PEM)
    (upper / "etc/ssl/certs/Some_CA.pem").symlink_to("/usr/share/ca-certificates/mozilla/Some_CA.crt")
    (upper / "etc/ssl/certs/0123abcd.0").symlink_to("Some_CA.pem")
    (upper / "etc/ssl/certs/ca-certificates.crt").write_bytes(PEM)
    return upper, farm


def test_the_keystore_of_a_tree(tmp_path):
    upper, farm = _tree(tmp_path)
    assert jks.write_java_keystore(str(upper), [str(farm)])
    written = (upper / "etc/ssl/certs/java/cacerts").read_bytes()
    assert jks.read_keystore(written) == {"debian:some_ca.pem": jks.der_of(PEM)}


def test_no_keystore_without_java(tmp_path):
    upper, farm = _tree(tmp_path)
    (upper / "usr/bin/java").unlink()
    assert not jks.write_java_keystore(str(upper), [str(farm)])
    assert not os.path.lexists(upper / "etc/ssl/certs/java")


@pytest.mark.skipif(shutil.which("keytool") is None, reason="needs a Java runtime")
def test_java_reads_it(tmp_path):
    upper, farm = _tree(tmp_path)
    jks.write_java_keystore(str(upper), [str(farm)])
    path = str(upper / "etc/ssl/certs/java/cacerts")
    command = ["keytool", "-J-Duser.language=en", "-list", "-keystore", path, "-storepass", "changeit"]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert "debian:some_ca.pem, Jan 1, 1970, trustedCertEntry" in output
    assert "1 entry" in output
