"""The 300 packages that Dockerfiles ask for most, by kind. A name that only one suite has stands for both:
what a suite does not have is left out there.
"""

from collections.abc import Iterator

_BATCH = 8
"""Some packages exclude each other; a batch that apt refuses is taken apart."""

POPULAR: dict[str, str] = {
    "tools that every second file asks for": """
        apt-transport-https apt-utils bash-completion bc bzip2 ca-certificates cron curl
        debian-archive-keyring dirmngr fd-find file gawk gettext-base gnupg gnupg2 gosu gpg gpg-agent gzip
        htop jq less locales locales-all logrotate lsb-release lsof make man-db nano parallel patch procps
        psmisc ripgrep rsync sed software-properties-common strace sudo supervisor tar time tini tmux tree
        tzdata unzip vim vim-tiny wget xxd xz-utils zip zsh zstd
    """,
    "network": """
        bind9-dnsutils dnsutils iproute2 iptables iputils-ping net-tools netbase netcat-openbsd nmap
        openssh-client openssh-server openssl socat sshpass tcpdump telnet traceroute
    """,
    "compilers and what builds with them": """
        autoconf automake autotools-dev bison build-essential ccache clang clang-format clang-tidy cmake
        dpkg-dev fakeroot flex g++ gcc gdb gfortran git git-lfs libtool meson ninja-build pkg-config pkgconf
        protobuf-compiler subversion swig valgrind yasm
    """,
    "cross compilers and boards": """
        crossbuild-essential-arm64 crossbuild-essential-armhf device-tree-compiler gcc-aarch64-linux-gnu
        gcc-arm-linux-gnueabihf gcc-arm-none-eabi gcc-avr gcc-mingw-w64 qemu-system-x86 qemu-user-static
    """,
    "languages": """
        cargo composer default-jdk default-jdk-headless default-jre default-jre-headless erlang ghc golang
        golang-go gradle lua5.4 maven nodejs npm openjdk-17-jdk openjdk-17-jdk-headless
        openjdk-21-jdk-headless perl php php-cli php-curl php-gd php-mbstring php-mysql php-pgsql php-xml
        php-zip r-base r-base-dev ruby ruby-bundler ruby-dev rustc
    """,
    "Python": """
        cython3 jupyter-notebook pipx python-is-python3 python3 python3-dev python3-django python3-flask
        python3-matplotlib python3-numpy python3-opencv python3-pip python3-pytest python3-requests
        python3-scipy python3-setuptools python3-tk python3-venv python3-wheel python3-yaml
    """,
    "libraries to build against": """
        libatlas-base-dev libavcodec-dev libavformat-dev libblas-dev libboost-all-dev libboost-dev
        libbz2-dev libcairo2-dev libcurl4-gnutls-dev libcurl4-openssl-dev libexpat1-dev libffi-dev
        libfontconfig1-dev libfreetype6-dev libgdal-dev libgeos-dev libgl1-mesa-dev libglib2.0-dev
        libgmp-dev libgtk-3-dev libhdf5-dev libicu-dev libjpeg-dev libjpeg62-turbo-dev libkrb5-dev
        liblapack-dev libldap2-dev liblzma-dev libmagickwand-dev libmariadb-dev libmemcached-dev
        libncurses-dev libonig-dev libopenblas-dev libpcap-dev libpcre2-dev libpng-dev libpq-dev libproj-dev
        libprotobuf-dev libreadline-dev libsodium-dev libsqlite3-dev libssl-dev libsystemd-dev libtiff-dev
        libudev-dev libusb-1.0-0-dev libwebp-dev libx11-dev libxml2-dev libxslt1-dev libyaml-dev libzip-dev
        libzstd-dev unixodbc-dev uuid-dev zlib1g-dev
    """,
    "libraries that programs need": """
        chromium firefox-esr fontconfig fonts-dejavu fonts-liberation fonts-noto-color-emoji libasound2
        libatk-bridge2.0-0 libcups2 libdrm2 libgbm1 libgl1 libgl1-mesa-glx libglib2.0-0 libgomp1 libgtk-3-0
        libmagic1 libnss3 libpango-1.0-0 libpq5 libsm6 libx11-xcb1 libxext6 libxrender1 libxtst6 xauth
        xdg-utils xvfb
    """,
    "servers": """
        apache2 certbot dbus default-mysql-client docker.io dovecot-imapd haproxy libapache2-mod-php
        mariadb-client mariadb-server memcached mosquitto nginx postfix postgresql postgresql-client
        rabbitmq-server redis-server redis-tools rsyslog slapd sqlite3 systemd
    """,
    "media, documents, maps": """
        doxygen ffmpeg gdal-bin ghostscript graphviz imagemagick inkscape latexmk libreoffice pandoc
        poppler-utils postgis proj-bin tesseract-ocr texlive texlive-latex-extra texlive-xetex
    """,
    "operations": """
        ansible awscli nfs-common podman e2fsprogs kmod shellcheck
    """,
}


def batches(known: set[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield kind with number, and some packages of it that a suite has."""
    for kind, text in POPULAR.items():
        names = [name for name in text.split() if name in known]
        for number, start in enumerate(range(0, len(names), _BATCH)):
            yield f"{kind.replace(' ', '-')}-{number}", tuple(names[start : start + _BATCH])
