"""Where a tree of envforge may differ from mmdebstrap's, each with its reason. Nothing else may."""

from attrs import frozen

_GONE = ("missing",)
_BYTES = ("content",)


@frozen
class Allowed:
    """Paths that may differ in some aspects."""

    pattern: str
    """A regular expression that the whole path matches."""
    aspects: tuple[str, ...]
    reason: str


ALLOWED: tuple[Allowed, ...] = (
    # What the other tool leaves behind because it is the host's own apt that installs.
    Allowed(
        r"/etc/apt/(sources\.list|apt\.conf\.d/99mmdebstrap|sources\.list\.d/.*)",
        _GONE,
        "addresses are the user's",
    ),
    Allowed(
        r"/var/(lib|cache)/apt(/.*)?",
        ("missing", "mode", "extra", "owner"),
        "the state of an apt that ran inside",
    ),
    Allowed(
        r"/etc/(hostname|resolv\.conf)", ("missing", "content", "type"), "the host's, bound in on entering"
    ),
    Allowed(r"/var/cache/debconf/tmp\.ci", _GONE, "an empty directory that apt's hook of debconf leaves"),
    Allowed(r"/etc/fstab", _GONE, "written by mmdebstrap itself"),
    # Made at first start, never in a build.
    Allowed(
        r"/etc/machine-id|/var/lib/dbus/machine-id",
        ("missing", "content", "mode"),
        "identity of one machine",
    ),
    Allowed(r"/var/lib/systemd/random-seed", _GONE, "a seed is never shared"),
    Allowed(r"/etc/ssh/ssh_host_.*", _GONE, "host keys are never shared"),
    Allowed(
        r"/etc/ssl/(private|certs)/ssl-cert-snakeoil\.(key|pem)|/etc/ssl/certs/[0-9a-f]{8}\.\d+",
        _GONE,
        "made at first start",
    ),
    Allowed(r"/(etc|var/lib)/postgresql/\d+(/main(/.*)?)?", _GONE, "clusters are made at first start"),
    Allowed(
        r"/etc/apt/apt\.conf\.d/02autoremove-postgresql", _BYTES, "names the releases that have a cluster"
    ),
    Allowed(
        r"/var/lib/texmf/web2c/(lua[^/]*/[^/]*\.fmt|tex/tex\.fmt|(.*/)?[^/]*\.log)",
        _GONE,
        "formats that are never the same twice, made at first use by mktexfmt; logs with dates",
    ),
    Allowed(
        r"/etc/ldap/slapd\.d(/.*)?|/var/lib/ldap/.*|/etc/mailman3/mailman\.cfg|/etc/backuppc/htpasswd"
        r"|/etc/roundcube/(config\.inc|debian-db)\.php|/etc/dbconfig-common/[^/]*\.conf|/var/lib/dbconfig-common/.*"
        r"|/var/lib/tango/\.my\.cnf"
        r"|/etc/crowdsec/(local|online)_api_credentials\.yaml|/var/lib/crowdsec/data/crowdsec\.db.*",
        _GONE,
        "passwords and what they protect: dpkg-reconfigure makes them, or `cscli machines add --auto`",
    ),
    Allowed(
        r"/var/cache/debconf/passwords\.dat|/var/lib/ucf/hashfile|/var/lib/ucf/cache/:etc:(mailman3|roundcube|dbconfig-common):.*"
        r"|/var/lib/ucf/cache/:var:lib:tango:\.my\.cnf",
        ("content", "missing"),
        "nothing of such passwords stays",
    ),
    Allowed(r"(/root|/var/lib/[^/]*)/\.erlang\.cookie", _GONE, "a secret: Erlang makes one at first start"),
    Allowed(r"/etc/ejabberd/ejabberd\.pem", _GONE, "a self-made certificate and its key"),
    Allowed(r"/etc/freeradius/3\.0/certs/dh", _GONE, "random parameters of a key exchange"),
    Allowed(r"/etc/aliases\.db", _GONE, "a database with the time in it; newaliases makes it"),
    Allowed(
        r"/usr/share/x?emacs[^/]*/site-lisp/.*/(Compilation|Install|CompilationLog)\.log\.gz|"
        r"/usr/share/emacs/site-lisp/elpa/[^/]*/Install\.log\.gz",
        _BYTES,
        "a compressed log: its header has the time of the build, or the newest package's",
    ),
    Allowed(r"/var/cache/man/.*", _GONE, "the index of all manuals; mandb makes it"),
    Allowed(r"/var/log/postgresql/.*", _GONE, "the log of making a cluster"),
    Allowed(r"/var/lib/sgml-base/supercatalog\.old", _BYTES, "a backup that nothing reads"),
    Allowed(
        r"/var/cache/swcatalog/cache/.*\.xb",
        _BYTES,
        "names what it was made from by the times of directories, which are the format's constant",
    ),
    Allowed(
        r"/var/lib/texmf/(ls-R|web2c/(.*/)?[^/]*\.(fmt|base|log))",
        ("missing", "content"),
        "TeX's formats hold the time at which they were made (mktexfmt makes some at first use), and "
        "its list of files is in no order",
    ),
    Allowed(r"/usr/lib/mono/aot-cache(/.*)?", _GONE, "machine code for the processor that builds"),
    Allowed(
        r"/var/lib/ucf/(hashfile|registry)\.\d+",
        ("missing", "content", "extra"),
        "backups of each step before the last one, in the order of configuring",
    ),
    Allowed(r"/var/(run|lock)", ("mtime",), "made by base-files' postinst, with the time of the build"),
    # Written in another way, or not kept, so that two builds are equal.
    Allowed(
        r"/etc/ssl/certs/java/cacerts", _BYTES, "the keystore is written canonically: the original has dates"
    ),
    Allowed(
        r"/var/cache/fontconfig/[0-9a-f]{32}-le64\.cache-\d+",
        ("missing", "content"),
        "holds the times of directories, which are the format's constant; fc-cache finds it valid",
    ),
    Allowed(r"/var/log/fontconfig\.log", _BYTES, "says what fc-cache made of those times"),
    Allowed(
        r"/etc/fonts/conf\.d/10-sub-pixel-none\.conf",
        ("mtime",),
        "a link that fontconfig-config's postinst makes again, with the time of the build",
    ),
    Allowed(r"/usr/share/octave/octave_packages", _BYTES, "its first line names the moment and the machine"),
    Allowed(r"/var/cache/ldconfig/aux-cache", _GONE, "holds inode numbers"),
    Allowed(r"/var/log/(alternatives|dpkg|bootstrap)\.log", _GONE, "a log with dates"),
    Allowed(r"/var/log/apt(/.*)?", _GONE, "logs with dates"),
    Allowed(
        r"/var/lib/dpkg/.*-old|/var/cache/debconf/.*-old",
        ("missing", "content"),
        "backups that nothing reads",
    ),
    Allowed(
        r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-",
        ("missing", "content"),
        "backups that nothing reads",
    ),
    Allowed(
        r"/usr/share/info/dir\.old", _BYTES, "a backup that nothing reads: the index before its last change"
    ),
    Allowed(r"/etc/\.pwd\.lock|/var/lib/dpkg/(lock|lock-frontend|triggers/Lock)", _GONE, "a lock file"),
    Allowed(r"/(run|tmp|dev)/.*", ("missing", "extra"), "not content: fresh on entering"),
    Allowed(r"/var/tmp/.*", _GONE, "not content"),
)
