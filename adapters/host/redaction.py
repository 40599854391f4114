"""Redaction: no secret reaches a log, whoever speaks.

Enters: anything that is about to be logged. Stays out: logging. Three nets: exact values known to be secret, fields
whose name says so, and the shapes of tokens and signatures inside longer texts (a URL in a traceback).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

HIDDEN = "[hidden]"
_SHORTEST = 6  # characters; hiding a shorter "secret" would blot out ordinary words

_SECRET_FIELD = re.compile(r"(?i)(^|_)(token|secret|password|passphrase|signature|sign|api_?key|authorization)$")
_SHAPES = (
    re.compile(r"(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,}"),  # a Telegram bot token, also inside /bot…/ addresses
    re.compile(
        r"""(?ix) (?<= [\s"'?&{,(] ) (?: x-bapi-(?:sign|api-key) | api_?key | api_?secret | secret | token | password
            | sign | signature ) ["']? \s* [=:] \s* ["']? (?P<value> [^\s"'&,;})\]]{6,} )"""
    ),
)


class Redactor:
    """Hides secrets in any value; more can be made known later."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Make further values known; empty and very short ones are passed over."""
        known = {*self._secrets, *(secret for secret in secrets if len(secret) >= _SHORTEST)}
        self._secrets = tuple(sorted(known, key=len, reverse=True))  # a secret that contains another goes first

    def text(self, words: str) -> str:
        """Hide every known secret and everything shaped like one."""
        for secret in self._secrets:
            if secret in words:
                words = words.replace(secret, HIDDEN)
        words = _SHAPES[0].sub(HIDDEN, words)
        return _SHAPES[1].sub(_without_value, words)

    def value(self, value: Any) -> Any:
        """Give a value of plain JSON kinds without secrets; what is not plain becomes its text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.field(str(name), each) for name, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(each) for each in value]
        if isinstance(value, Decimal):
            return str(value)
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, BaseException):
            return self.text(f"{type(value).__name__}: {value}")
        return self.text(repr(value))

    def field(self, name: str, value: Any) -> Any:
        """As `value`, but a field whose name says secret is hidden whole."""
        if isinstance(value, str) and value and _SECRET_FIELD.search(name):
            return HIDDEN
        return self.value(value)


def _without_value(found: re.Match[str]) -> str:
    start = found.start("value") - found.start()
    return found.group()[:start] + HIDDEN
