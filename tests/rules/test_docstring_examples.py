"""The examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import actors.model
import actors.rules

MODULES = [
    found.name
    for room in (actors.model, actors.rules)
    for found in pkgutil.iter_modules(room.__path__, f"{room.__name__}.")
]
WITH_EXAMPLES = {
    "actors.model.money",
    "actors.rules.apportionment",
    "actors.rules.backstop",
    "actors.rules.client_order_ids",
    "actors.rules.entry_weights",
    "actors.rules.liquidation",
    "actors.rules.plan_text",
    "actors.rules.size_words",
    "actors.rules.wording",
}


@pytest.mark.parametrize("name", MODULES)
def test_examples_compute_what_they_show(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0
    assert results.attempted > 0 or name not in WITH_EXAMPLES
