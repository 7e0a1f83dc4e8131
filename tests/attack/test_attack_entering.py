"""What the environment says to those who enter it: accounts, locales, certificates, a home."""

import pytest
from foe import last_of_all

pytestmark = pytest.mark.userns

_ROOT_AT = "sed -i 's,^root:.*,root:x:0:0:root:{}:/bin/sh,' /etc/passwd"
_KEYSTORE = "mkdir -p /etc/ssl/certs/java; printf '{}' >/etc/ssl/certs/java/cacerts"
_BUNDLE = "mkdir -p /etc/ssl/certs; {} >/etc/ssl/certs/ca-certificates.crt"
_MAGIC = "\\376\\355\\376\\355\\0\\0\\0\\2"
SAYS = {
    "accounts beyond measure": "head -c 5000000 /dev/zero | tr '\\0' x >>/etc/passwd",
    "accounts that are no text": "printf '\\377:x:0:0:\\n\\n:::::::\\n' >>/etc/passwd",
    "no accounts": "rm -f /etc/passwd /etc/group",
    "numbers beyond measure": "n=$(yes 9 | head -n 9000 | tr -d '\\n'); echo x:x:$n:$n::/: >>/etc/passwd",
    "a home above": _ROOT_AT.format("../../../x"),
    "a home with dots": _ROOT_AT.format("/root/../../proc/1/cwd"),
    "a home in proc": _ROOT_AT.format("/proc/self/fd"),
    "a home over all": _ROOT_AT.format("/"),
    "no home": _ROOT_AT.format(""),
    "a locale that is no text": "mkdir -p /usr/lib/locale/$(printf '\\377')",
    "locales beyond measure": "mkdir -p /usr/lib/locale; truncate -s 99M /usr/lib/locale/locale-archive",
    "a skeleton beyond measure": "mkdir /etc/skel; for n in $(seq 90); do truncate -s 4M /etc/skel/$n; done",
    "a skeleton with links": "mkdir -p /etc/skel/a; cd /etc/skel; ln -s CANARY a/b; ln -s CANARY .ssh",
    "a keystore cut short": _KEYSTORE.format(_MAGIC + "\\0\\0\\0\\5"),
    "a keystore of many": _KEYSTORE.format(_MAGIC + "\\377\\377\\377\\377\\0\\0\\0\\2\\377\\377"),
    "certificates that are none": _BUNDLE.format("yes '-----BEGIN CERTIFICATE-----' | head -c 3000000"),
}  # fmt: skip


@pytest.mark.parametrize("what", SAYS)
def test_what_the_environment_says_of_itself(victim, what):
    """It may say what it likes: a run goes well, or is refused."""
    acts = SAYS[what].replace("CANARY", str(victim.canary.directory))
    victim.package(postinst=last_of_all(acts))
    text = victim.canary.certificate.read_text().replace(
        "\n", "\nQUFB", 1
    )  # of the host alone, and no secret
    extra = victim.write(victim.place / "extra.pem", text.replace(text.split("\n")[1], "MIIBszCCAVmgAwIB"))
    trusting = {"SSL_CERT_FILE": str(extra)}
    for options in ((), ("-u", "root")):
        result = victim.attack(
            "run", *options, "--", "sh", "-c", "echo x >~/x; ls -la ~ /", environment=trusting
        )
        assert result.returncode in (0, 1, 2, 125), result.stderr
