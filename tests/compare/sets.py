"""What is compared: between them diversions, alternatives, triggers, users, set-id files and odd names."""

SUITES = ("bookworm", "trixie")

SETS: dict[str, tuple[str, ...]] = {
    "minimal": (),
    "reference": ("python3", "git", "curl", "nodejs", "build-essential", "ca-certificates"),
    "python-web": ("python3-flask", "python3-venv", "python3-requests", "gunicorn"),
    "node": ("npm",),  # hundreds of small packages
    "database": ("postgresql", "redis-server"),
    "java": ("default-jre-headless", "ant"),
    "data-science": ("python3-numpy", "python3-pandas"),
    "servers": ("nginx", "openssh-server", "postfix"),  # users, groups, debconf, state
    "system": ("systemd", "dbus", "cron", "sudo", "rsyslog"),  # set-id, sysusers, tmpfiles
    "schemas-and-fonts": ("gsettings-desktop-schemas", "fontconfig", "fonts-dejavu-core", "shared-mime-info"),
    "capabilities": ("iputils-ping", "screen", "fuse3", "man-db"),  # file capabilities, setgid, a cache
    "editors": ("vim", "emacs-nox", "less", "bash-completion"),  # alternatives, byte-compiled lisp
    "diversions": ("molly-guard", "dash", "debianutils", "lsb-release"),
    "php-and-ruby": ("php-cli", "ruby", "sqlite3"),
}
