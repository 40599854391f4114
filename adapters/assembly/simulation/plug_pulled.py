"""Raised where the daemon's process is to end, through whatever it was doing."""

from __future__ import annotations


class PulledPlug(Exception):
    """The daemon's process ends here."""
