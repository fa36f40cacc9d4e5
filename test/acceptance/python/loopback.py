"""Holds a test process to this machine: what it looks up or connects to elsewhere is noted."""

import ipaddress
import sys

LEFT = []  # addresses that were tried, since the process began


def _here(host):
    if host in (None, "", "localhost") or not isinstance(host, (str, bytes)):
        return True
    text = host.decode() if isinstance(host, bytes) else host
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def _audit(event, args):
    if event == "socket.getaddrinfo" and not _here(args[0]):
        LEFT.append(args[0])
        raise PermissionError(f"a test may not look up {args[0]}")
    if event == "socket.connect" and isinstance(args[1], tuple) and not _here(args[1][0]):
        LEFT.append(args[1])
        raise PermissionError(f"a test may not connect to {args[1]}")


def watch():
    """Refuses and notes every way off this machine, for the rest of the process."""
    sys.addaudithook(_audit)
