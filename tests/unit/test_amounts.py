"""Amounts as people write them, and orders as traders sign them: exact, or refused."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import to_checksum_address

from kana_insurance import orders
from kana_insurance.amounts import MAX_AMOUNT, AmountError, format_amount, parse_amount, quote_scale, to_units
from kana_insurance.client import Candidate, pick_counterparties
from kana_insurance.orders import Order

GATEWAY = "0x" + "ab" * 20
KEY = b"\x11" * 32
TRADER = Account.from_key(KEY).address


@pytest.mark.parametrize(
    ("text", "decimals", "raw", "expected"),
    [
        ("1000", 6, False, 1_000_000_000),
        ("0.000001", 6, False, 1),
        ("1.50", 6, False, 1_500_000),
        ("1_000.5", 6, False, 1_000_500_000),
        ("1.0000000", 6, False, 1_000_000),
        (" 7 ", 0, False, 7),
        ("0.123456789012345678", 18, False, 123_456_789_012_345_678),
        ("123", 6, True, 123),
        (str(MAX_AMOUNT), 6, True, MAX_AMOUNT),
    ],
)
def test_parse_amount__good_text__exact(text: str, decimals: int, raw: bool, expected: int) -> None:
    assert parse_amount(text, decimals, raw=raw) == expected


@pytest.mark.parametrize(
    ("text", "raw", "words"),
    [
        ("0.0000001", False, "too many decimals"),
        ("1,5", False, "is not an amount"),
        (".5", False, "is not an amount"),
        ("5.", False, "is not an amount"),
        ("-1", False, "is not an amount"),
        ("1e6", False, "is not an amount"),
        ("", False, "is not an amount"),
        ("1.5", True, "whole number of base units"),
        (str(MAX_AMOUNT + 1), True, "too large"),
    ],
)
def test_parse_amount__bad_text__refused(text: str, raw: bool, words: str) -> None:
    with pytest.raises(AmountError, match=words):
        parse_amount(text, 6, raw=raw)


@pytest.mark.parametrize(
    ("value", "decimals", "places", "expected"),
    [
        (1_234_567_890_000, 6, 0, "1,234,567.89"),
        (-1, 6, 0, "-0.000001"),
        (0, 6, 0, "0"),
        (5_000_000, 6, 2, "5.00"),
        (7, 0, 2, "7"),
    ],
)
def test_format_amount__any_value__exact(value: int, decimals: int, places: int, expected: str) -> None:
    assert format_amount(value, decimals, places=places) == expected


@pytest.mark.parametrize("value", [0, 1, 999_999, 10**6, 10**17 + 1, MAX_AMOUNT])
def test_format_amount__parsed_again__the_same(value: int) -> None:
    assert parse_amount(format_amount(value, 6, group=False), 6) == value
    assert to_units(format_amount(value, 6, group=False)) == value


def test_quote_scale__six_decimals__notional_in_base_units() -> None:
    assert 3 * 10**18 * 100 * 10**18 // quote_scale(6) == 300 * 10**6


def order(**fields: object) -> Order:
    values: dict[str, object] = {
        "trader": TRADER,
        "market_id": 3,
        "is_buy": True,
        "size": 10**18,
        "limit_price": 10**20,
        "margin": 5,
        "nonce": 9,
    }
    return Order(**{**values, **fields})  # type: ignore[arg-type]


def test_digest__against_eip712_of_eth_account__equal() -> None:
    message = encode_typed_data(full_message=orders.typed_data(order(), 31337, GATEWAY))
    assert message.header == orders.domain_separator(31337, to_checksum_address(GATEWAY))
    assert message.body == orders.struct_hash(order())


def test_sign_order__by_key_or_account__the_same_signature() -> None:
    account = Account.from_key(KEY)
    expected = account.sign_typed_data(full_message=orders.typed_data(order(), 31337, GATEWAY)).signature
    assert orders.sign_order(order(), KEY, 31337, GATEWAY) == bytes(expected)
    assert orders.sign_order(order(), account, 31337, GATEWAY) == bytes(expected)


@pytest.mark.parametrize("change", [{"size": 1}, {"is_buy": False}, {"nonce": 1}, {"reduce_only": True}, {"expiry": 7}])
def test_digest__any_field_changed__another_digest(change: dict[str, object]) -> None:
    assert orders.digest(order(**change), 31337, GATEWAY) != orders.digest(order(), 31337, GATEWAY)
    assert orders.digest(order(), 1, GATEWAY) != orders.digest(order(), 31337, GATEWAY)


def test_split_signature__of_65_bytes__v_r_s() -> None:
    signature = bytes(range(65))
    assert orders.split_signature(signature) == (64, signature[:32], signature[32:64])


def test_pick_counterparties__largest_of_the_other_side__until_covered() -> None:
    book = [Candidate("a", -3), Candidate("b", -8), Candidate("c", 20), Candidate("d", -5)]
    assert pick_counterparties(book, 10) == ["b", "d"]
    assert pick_counterparties(book, 8) == ["b"]
    assert pick_counterparties(book, -5) == ["c"]
    assert pick_counterparties(book, 100) == ["b", "d", "a"]


def test_pick_counterparties__a_hundred_small_ones__at_most_64() -> None:
    assert len(pick_counterparties([Candidate(f"{n:03}", -1) for n in range(100)], 100)) == 64
