"""How an account is named beside a trade. Enters: account names. Stays out: everything else."""

from __future__ import annotations

MAIN = "main"


def on_account(account: str) -> str:
    """Mark what is told of another account than main.

    >>> on_account("main"), on_account("mirror")
    ('', ' on mirror')
    """
    return "" if account == MAIN else f" on {account}"
