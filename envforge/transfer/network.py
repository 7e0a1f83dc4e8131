"""The host's network settings: proxies, and certificates to trust."""

import base64
import os
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit


def host_proxies(environment: Mapping[str, str], fallback: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies of the usual variables; `fallback` counts where none is set for a scheme.

    `HTTP_PROXY` in capitals does not count where `REQUEST_METHOD` is set (httpoxy), as curl and urllib do.
    """
    found = {scheme: fallback.get(scheme, "") for scheme in ("http", "https", "no")}
    for scheme in found:
        capitals = "" if scheme == "http" and "REQUEST_METHOD" in environment else f"{scheme.upper()}_PROXY"
        value = environment.get(f"{scheme}_proxy") or environment.get(capitals)
        value = value or (environment.get("all_proxy") if scheme != "no" else None)
        if value:
            found[scheme] = value
    return found


def trusted_file(environment: Mapping[str, str], configured: str) -> str:
    """Return a file with certificates to trust besides OpenSSL's own settings, or nothing."""
    if configured:
        return configured
    if "SSL_CERT_FILE" in environment or "SSL_CERT_DIR" in environment:
        return ""
    for variable in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        if os.path.isfile(environment.get(variable, "")):
            return environment[variable]
    return ""


def proxy_for(proxies: Mapping[str, str], scheme: str, host: str) -> str:
    """Return the proxy for a host, or nothing. `no` lists hosts and domains, as curl reads it."""
    for item in proxies.get("no", "").split(","):
        name = item.strip().lstrip(".").lower()
        if name and (name in {"*", host} or host.endswith(f".{name}")):
            return ""
    return proxies.get(scheme, "")


def basic_credentials(parts: SplitResult) -> str:
    """Return an address's credentials as the value of a Basic authorization header (RFC 7617)."""
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def without_password(url: str) -> tuple[str, dict[str, str]]:
    """Return an address without user and password, for messages too, and the header that carries them."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, {}
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), {
        "Authorization": basic_credentials(parts)
    }
