"""One form for client order ids, read back only if we could have written it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rules.client_order_ids import (
    ClientOrderId,
    format_client_order_id,
    is_ours,
    new_installation,
    new_trade_id,
    parse_client_order_id,
)

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
installations = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=4, max_size=4)
trade_ids = st.text(CROCKFORD, min_size=6, max_size=6)
roles = st.one_of(st.sampled_from(["S", "X"]), st.from_regex("[ET][1-9][0-9]?", fullmatch=True))


@pytest.mark.parametrize(
    ("epoch", "role", "revision", "written"),
    [
        (0, "E1", 0, "SF7QK20-7K3Q9X-E1-0"),
        (1, "E2", 0, "SF7QK21-7K3Q9X-E2-0"),
        (35, "T4", 3, "SF7QK2Z-7K3Q9X-T4-3"),
        (36, "S", 10, "SF7QK210-7K3Q9X-S-10"),
        (36**6 - 1, "X", 7, "SF7QK2ZZZZZZ-7K3Q9X-X-7"),
    ],
)
def test_an_id_names_installation_epoch_trade_role_and_revision(
    epoch: int, role: str, revision: int, written: str
) -> None:
    made = format_client_order_id(installation="7QK2", epoch=epoch, trade_id="7K3Q9X", role=role, revision=revision)
    assert made == written
    assert parse_client_order_id(written) == ClientOrderId(
        installation="7QK2", epoch=epoch, trade_id="7K3Q9X", role=role, revision=revision
    )


@given(installations, st.integers(0, 36**6 - 1), trade_ids, roles, st.integers(0, 36**4 - 1))
def test_an_id_reads_back_as_its_parts_and_fits_the_exchange(
    installation: str, epoch: int, trade_id: str, role: str, revision: int
) -> None:
    made = format_client_order_id(
        installation=installation, epoch=epoch, trade_id=trade_id, role=role, revision=revision
    )
    assert re.fullmatch(r"[0-9A-Za-z_-]{1,36}", made)
    assert parse_client_order_id(made) == ClientOrderId(
        installation=installation, epoch=epoch, trade_id=trade_id, role=role, revision=revision
    )


@given(st.one_of(st.text(), st.from_regex(r"SF[0-9A-Z]{4,8}-[0-9A-Z]{6}-[ETSX][0-9]{0,2}-[0-9]{1,3}", fullmatch=True)))
def test_whatever_reads_as_ours_is_written_exactly_so(text: str) -> None:
    parsed = parse_client_order_id(text)
    if parsed is not None:
        assert text == format_client_order_id(
            installation=parsed.installation,
            epoch=parsed.epoch,
            trade_id=parsed.trade_id,
            role=parsed.role,
            revision=parsed.revision,
        )


@pytest.mark.parametrize(
    "foreign",
    [
        None,
        "",
        "web_5f1c",
        "SF7QK2-7K3Q9X-E1-0",  # no epoch
        "SF7QK201-7K3Q9X-E1-0",  # an epoch with a leading zero
        "SF7QK21-7K3Q9X-E0-0",  # entries count from 1
        "SF7QK21-7K3Q9X-E-0",  # an entry without its number
        "SF7QK21-7K3Q9X-S1-0",  # a stop with a number
        "SF7QK21-7K3Q9X-T1-00",  # a revision with a leading zero
        "SF7QK21-7K3Q9X-T1",  # no revision
        "SF7QK21-7K3Q9I-T1-0",  # I is not in Crockford's alphabet
        "sf7qk21-7k3q9x-t1-0",
        "SF7QK21-7K3Q9X-T1-0\n",
        "SF7QK21-7K3Q9X-T1-٣",  # a digit, but not one of ours
        "SF7QK21-7K3Q9X-T1-" + "1" * 30,  # over 36 characters
    ],
)
def test_a_foreign_id_reads_as_none(foreign: str | None) -> None:
    assert parse_client_order_id(foreign) is None
    assert not is_ours(foreign, "7QK2")


def test_another_installations_order_is_not_ours() -> None:
    theirs = format_client_order_id(installation="AAAA", epoch=1, trade_id="7K3Q9X", role="S", revision=0)
    assert is_ours(theirs, "AAAA")
    assert not is_ours(theirs, "7QK2")


def test_installation_and_epoch_cannot_be_confused() -> None:
    one = format_client_order_id(installation="AAAA", epoch=10, trade_id="7K3Q9X", role="S", revision=0)
    other = format_client_order_id(installation="AAAA", epoch=370, trade_id="7K3Q9X", role="S", revision=0)
    assert one == "SFAAAAA-7K3Q9X-S-0"
    assert other == "SFAAAAAA-7K3Q9X-S-0"
    assert [parsed.epoch for parsed in map(parse_client_order_id, (one, other)) if parsed] == [10, 370]


@pytest.mark.parametrize(
    "wrong",
    [
        {"installation": "ABC"},
        {"installation": "abcd"},
        {"installation": "ABCDE"},
        {"trade_id": "SHORT"},
        {"trade_id": "7K3Q9U"},
        {"epoch": -1},
        {"epoch": 36**20},
        {"revision": -1},
        {"role": "E0"},
        {"role": "E"},
        {"role": "S2"},
        {"role": "Q"},
    ],
)
def test_a_part_out_of_form_is_never_written(wrong: dict[str, Any]) -> None:
    parts: dict[str, Any] = {"installation": "7QK2", "epoch": 1, "trade_id": "7K3Q9X", "role": "E1", "revision": 0}
    with pytest.raises(ValueError, match="client order id"):
        format_client_order_id(**{**parts, **wrong})


@given(st.integers(0, 2**64))
def test_random_bits_become_well_formed_ids(bits: int) -> None:
    assert re.fullmatch(f"[{CROCKFORD}]{{6}}", new_trade_id(bits))
    assert re.fullmatch("[0-9A-Z]{4}", new_installation(bits))


@given(st.integers(0, 2**30 - 1), st.integers(0, 2**30 - 1))
def test_thirty_bits_make_distinct_trade_ids(one: int, other: int) -> None:
    assert (new_trade_id(one) == new_trade_id(other)) == (one == other)
