"""What a service manager (systemd) is told: ready, still well, stopping. Without one every call does nothing.

Source: sd_notify(3): a datagram to $NOTIFY_SOCKET; a leading @ means an abstract name.
"""

from __future__ import annotations

import os
import socket


def notify(state: str) -> bool:
    """Send one state ("READY=1", "WATCHDOG=1", "STATUS=...", "STOPPING=1"); False when nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
            sending.connect(address)
            sending.sendall(state.encode())
    except OSError:
        return False
    return True
