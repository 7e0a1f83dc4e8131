"""Gives system users and groups the same ids whatever else is installed: homes and volumes outlive packages.

Well-known names have fixed ids (part of the recipe format); the others get one from a hash of their name, or
the next free one if that is taken. Packages ask for users in three ways. Each gives these ids while packages
are configured, through files that lie over the tree meanwhile (`lay_numbers`):

    adduser, addgroup      UID_POOL and GID_POOL, tied to a hash that answers for every name
    systemd-sysusers       sysusers.d(5) lines with the id in place of `-`
    useradd -r, groupadd   programs that add `-u NUMBER` and call the real ones
"""

import re
from typing import Final

from envforge.kernel.tree import Tree
from envforge.sources.debian.quirks.standins import OURS, lay_program

_HASHED_FIRST: Final = 400
_HASHED_COUNT: Final = 500
_FNV_OFFSET: Final = 2166136261
_FNV_PRIME: Final = 16777619

_PROGRAMS: Final = ("/usr/sbin/useradd", "/usr/sbin/groupadd")
_MODULE: Final = "/usr/share/perl5/Envforge/Numbers.pm"
_NUMBERS: Final = "/usr/share/perl5/Envforge/numbers"
_ADDUSER_MODULE: Final = "/usr/share/perl5/Debian/AdduserCommon.pm"
_ADDUSER_CONFIGURATION: Final = "/etc/adduser.conf"
_SYSUSERS: Final = "/usr/lib/sysusers.d/*.conf"

_READ_POOL: Final = "sub read_pool {\n"
_TIED_POOL: Final = """\
    require Envforge::Numbers;
    return tie %{$_[2]}, 'Envforge::Numbers';
}

sub read_pool_file {
"""
_SYSUSERS_LINE: Final = re.compile(
    r"^(?P<start>(?P<kind>[ug]!?)\s+(?P<name>\S+)\s+)-(?P<group>:\S+)?(?=\s|$)"
)

# fmt: off
TABLE: Final = {
    "messagebus": 101, "systemd-journal": 102, "systemd-network": 103, "systemd-resolve": 104,
    "systemd-timesync": 105, "systemd-coredump": 106, "systemd-oom": 107, "systemd-journal-remote": 108,
    "systemd-bus-proxy": 109, "input": 110, "kvm": 111, "render": 112, "sgx": 113, "clock": 114,
    "netdev": 115, "_ssh": 116, "sshd": 117, "ssl-cert": 118, "crontab": 119, "plocate": 120,
    "mlocate": 121, "uuidd": 122, "tcpdump": 123, "tss": 124, "syslog": 125, "rdma": 126, "i2c": 127,
    "gpio": 128, "spi": 129, "utempter": 130, "polkitd": 131, "avahi": 132, "avahi-autoipd": 133,
    "rtkit": 134, "colord": 135, "geoclue": 136, "saned": 137, "scanner": 138, "lpadmin": 139,
    "pulse": 140, "pulse-access": 141, "usbmux": 142, "bluetooth": 143, "speech-dispatcher": 144,
    "hplip": 145, "cups-pk-helper": 146, "fwupd-refresh": 147, "_flatpak": 148, "gpsd": 149, "lirc": 150,
    "nm-openvpn": 151, "nm-openconnect": 152, "Debian-gdm": 153, "lightdm": 154, "sddm": 155,
    "gnome-initial-setup": 156, "gnome-remote-desktop": 157, "pcscd": 158, "whoopsie": 159,
    "kernoops": 160, "dhcpcd": 161, "postgres": 162, "mysql": 163, "redis": 164, "valkey": 165,
    "memcache": 166, "epmd": 167, "rabbitmq": 168, "couchdb": 169, "influxdb": 170, "etcd": 171,
    "zookeeper": 172, "mongodb": 173, "_galera": 174, "firebird": 175, "openldap": 176, "gearman": 177,
    "beanstalkd": 178, "mosquitto": 179, "sqlrelay": 180, "virtuoso": 181, "postfix": 182,
    "postdrop": 183, "Debian-exim": 184, "dovecot": 185, "dovenull": 186, "opendkim": 187,
    "opendmarc": 188, "postgrey": 189, "amavis": 190, "clamav": 191, "debian-spamd": 192,
    "spamass-milter": 193, "_rspamd": 194, "courier": 195, "cyrus": 196, "fetchmail": 197,
    "mailman3": 198, "opensmtpd": 199, "opensmtpq": 200, "nullmail": 201, "msmtp": 202, "vmail": 203,
    "sympa": 204, "haproxy": 205, "varnish": 206, "vcache": 207, "varnishlog": 208, "tomcat": 209,
    "jetty": 210, "caddy": 211, "hitch": 212, "_hitch": 213, "traffic-server": 214, "hiawatha": 215,
    "gunicorn": 216, "stunnel4": 217, "sslh": 218, "redsocks": 219, "privoxy": 220, "debian-tor": 221,
    "bind": 222, "unbound": 223, "dnsmasq": 224, "pdns": 225, "knot": 226, "knot-resolver": 227,
    "nsd": 228, "_dnsdist": 229, "gdnsd": 230, "_kea": 231, "frr": 232, "frrvty": 233, "bird": 234,
    "quagga": 235, "quaggavty": 236, "radvd": 237, "nagios": 238, "icingadb": 239, "munin": 240,
    "zabbix": 241, "prometheus": 242, "grafana": 243, "telegraf": 244, "Debian-snmp": 245,
    "smokeping": 246, "netdata": 247, "vnstat": 248, "uptimed": 249, "pcp": 250, "ganglia": 251,
    "collectd": 252, "ntopng": 253, "ulog": 254, "_chrony": 255, "ntpsec": 256, "ntpd": 257,
    "openntpd": 258, "statd": 259, "_rpc": 260, "gluster": 261, "davfs2": 262, "ftp": 263, "proftpd": 264,
    "tftp": 265, "sambashare": 266, "winbindd_priv": 267, "fuse": 268, "nslcd": 269, "sssd": 270,
    "freerad": 271, "_lldpd": 272, "turnserver": 273, "prosody": 274, "ejabberd": 275, "_znc": 276,
    "inspircd": 277, "mumble-server": 278, "asterisk": 279, "kamailio": 280, "freeswitch": 281,
    "quassel": 282, "ngircd": 283, "soju": 284, "docker": 285, "libvirt": 286, "swtpm": 287, "lxd": 288,
    "_lxd": 289, "incus": 290, "incus-admin": 291, "podman": 292, "_dhcpcd": 293, "uml-net": 294,
    "wireshark": 295, "kismet": 296, "xpra": 297, "x2gouser": 298, "x2goprint": 299, "xrdp": 300,
    "guacd": 301, "boinc": 302, "cockpit-ws": 303, "cockpit-wsinstance": 304,
    "cockpit-session-socket": 305, "sbuild": 306, "buildbot": 307, "gitolite3": 308, "gitdaemon": 309,
    "gitlog": 310, "git": 311, "puppet": 312, "salt": 313, "distccd": 314, "icecc": 315,
    "apt-cacher-ng": 316, "approx": 317, "logcheck": 318, "minidlna": 319, "debian-transmission": 320,
    "debian-deluged": 321, "mpd": 322, "icecast": 323, "icecast2": 324, "shairport-sync": 325,
    "mopidy": 326, "motion": 327, "zoneminder": 328, "munge": 329, "slurm": 330, "condor": 331,
    "hacluster": 332, "haclient": 333, "nut": 334, "dirsrv": 335, "softhsm": 336, "opendnssec": 337,
    "_tang": 338, "certmonger": 339, "krb5kdc": 340, "backuppc": 341, "bacula": 342, "bareos": 343,
    "amanda": 344, "suricata": 345, "snort": 346, "crowdsec": 347, "debsecan": 348,
    "debian-security-support": 349, "iodine": 350, "openvpn": 351, "strongswan": 352, "ceph": 353,
    "jenkins": 354, "sonar": 355, "solr": 356, "elasticsearch": 357, "kafka": 358, "cassandra": 359,
    "neo4j": 360,
}
# fmt: on
"""Id of each well-known name, for the user and the group of that name: 101 to 399, never changed."""


def number(name: str) -> int:
    """Return the id of the user and the group of that name, taken if it is free."""
    return TABLE.get(name) or _HASHED_FIRST + _hash(name.encode()) % _HASHED_COUNT


def _hash(name: bytes) -> int:
    """Return FNV-1a with 32 bits: the rule also runs in perl-base, which has no better hash."""
    value = _FNV_OFFSET
    for byte in name:
        value = (value ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return value


def pool_text() -> str:
    """Return the table as lines `name:number`, the format of adduser's pools."""
    return "".join(f"{name}:{number}\n" for name, number in sorted(TABLE.items()))


def numbered_sysusers(text: str) -> str:
    """Return a sysusers.d(5) file with the id of every user and group written in."""
    return "\n".join(map(_numbered_line, text.split("\n")))


def _numbered_line(line: str) -> str:
    match = _SYSUSERS_LINE.match(line)
    if match is None or "%" in match["name"]:
        return line
    return f"{match['start']}{number(match['name'])}{match['group'] or ''}{line[match.end() :]}"


def tied_adduser(module: str) -> str:
    """Return adduser's Perl module with pools that answer for every name. Releases of Debian 12 and 13."""
    return module.replace(_READ_POOL, _READ_POOL + _TIED_POOL, 1)


def pooled_configuration(text: str) -> str:
    """Return adduser.conf(5) with the pools switched on."""
    return f"{text.rstrip()}\nUID_POOL={_NUMBERS}\nGID_POOL={_NUMBERS}\n"


def lay_numbers(scaffold: str, farm: str) -> None:
    """Lay the files that give users their ids into the directory `scaffold`, a layer over `farm`'s root."""
    with Tree(scaffold) as above, Tree(farm) as below:
        above.write(_NUMBERS, pool_text().encode())
        above.write(_MODULE, OURS["Numbers.pm"])
        for program in _PROGRAMS:
            if below.is_file(program):
                lay_program(above, below, program, "useradd")
        if below.is_file(_ADDUSER_MODULE):
            _write(above, _ADDUSER_MODULE, tied_adduser(below.read_text(_ADDUSER_MODULE)))
            pooled = pooled_configuration(below.read_text(_ADDUSER_CONFIGURATION))
            _write(above, _ADDUSER_CONFIGURATION, pooled)
        for path, text in numbered_files(farm).items():
            _write(above, path, text)


def numbered_files(root: str) -> dict[str, str]:
    """Return path and text, ids written in, of the sysusers.d files in the tree at `root`."""
    with Tree(root) as tree:
        return {
            path: numbered_sysusers(tree.read_text(path))
            for path in tree.matching(_SYSUSERS)
            if tree.is_file(path)
        }


def _write(tree: Tree, path: str, text: str) -> None:
    tree.write(path, text.encode("utf-8", "surrogateescape"))
