"""Opens a fetcher with this host's proxies and the certificates that it trusts."""

import os
from collections.abc import Mapping

from envforge.config import Config
from envforge.transfer.http import Fetcher
from envforge.transfer.network import host_proxies, trusted_file


def open_fetcher(config: Config, otherwise: Mapping[str, str] | None = None) -> Fetcher:
    """Return a fetcher with this host's proxies and CA settings.

    Proxies are the environment's, else the user's configuration's, else `otherwise`.
    """
    configured = {"http": config.proxy, "https": config.proxy} if config.proxy else {}
    return Fetcher(
        connections=config.connections,
        timeout_s=config.timeout_s,
        proxies=host_proxies(os.environ, configured or dict(otherwise or {})),
        ca_file=trusted_file(os.environ, config.ca_file),
    )
