"""What the venue's tests share: one event of a receipt, whole; the books of a house checked; trades without orders."""

from __future__ import annotations

import time
from typing import Any

from eth_utils import is_address, to_checksum_address

from kana_insurance.backends import address_of
from kana_insurance.kit import Kit
from kana_insurance.model import invariants
from kana_insurance.orders import permit_data, sign_typed, split_signature
from kana_insurance.reader import venue_state
from kana_insurance.testing import logs

WAD = 10**18
ZERO = "0x" + "00" * 20
MAX_AMOUNT = 2**112 - 1


def events(receipt: Any, contract: Any, name: str) -> list[dict[str, Any]]:
    """The arguments of the events of that name, addresses in checksum form, in order."""

    def plain(value: Any) -> Any:
        return to_checksum_address(value) if isinstance(value, str) and is_address(value) else value

    return [
        {key: plain(value) for key, value in args.items()} for found, args in logs(receipt, contract) if found == name
    ]


def event(receipt: Any, contract: Any, name: str) -> dict[str, Any]:
    """The arguments of the one event of that name."""
    found = events(receipt, contract, name)
    assert len(found) == 1, f"{len(found)} {name} events"
    return found[0]


def people(kit: Kit) -> list[Any]:
    """Everyone who has money at the house in these tests."""
    actors = kit.actors
    return [actors.trader, actors.counterparty, actors.liquidator, *actors.others]


def check_books(kit: Kit) -> None:
    """I9 and M26 with M26a of the whole house, to the unit."""
    owed = {number: int(kit.fund.bad_debt(kit.house, number)) for number in range(int(kit.registry.next_market_id()))}
    state = venue_state(kit.system, [*people(kit), kit.actors.fee_recipient])
    invariants.check_venue(state, owed, donations=0)


def fill_of(
    maker: Any,
    taker: Any,
    size: int,
    price: int = 100 * WAD,
    margins: tuple[int, int] = (0, 0),
    reduce_only: tuple[bool, bool] = (False, False),
    market_id: int = 0,
) -> tuple[Any, ...]:
    """A match as the gateway hands it to the house; ``size`` > 0: the taker buys."""
    return (market_id, address_of(maker), address_of(taker), size, price, *margins, *reduce_only)


def trade(kit: Kit, maker: Any, taker: Any, size: int, *args: Any, **more: Any) -> Any:
    """A match executed as by the gateway, without orders."""
    return kit.house.trade(fill_of(maker, taker, size, *args, **more), sender=kit.impersonate(kit.gateway))


def permit(kit: Kit, owner: Any, amount: int, deadline: int) -> tuple[int, bytes, bytes]:
    """v, r, s of an owner's ERC-2612 permit of KanaUSDT to the house."""
    token, account = kit.asset, address_of(owner)
    data = permit_data(
        address_of(token),
        "Kana USDT",
        "1",
        kit.backend.chain_id(),
        account,
        address_of(kit.house),
        amount,
        int(token.nonces(account)),
        deadline,
    )
    return split_signature(sign_typed(data, owner))


def next_block_at(timestamp: int) -> None:
    """Put the next block, and calls in it, at exactly this time, Unix seconds."""
    from ape import chain

    chain.pending_timestamp = timestamp


def send(target: Any, sender: Any, data: bytes) -> None:
    """A transaction without what Ape does around it, for a long row of them; returns once it was mined."""
    from ape import chain

    ask = chain.provider.web3.provider.make_request
    call = {"from": address_of(sender), "to": address_of(target), "data": "0x" + data.hex(), "gas": hex(2_000_000)}
    sent = ask("eth_sendTransaction", [call])
    for _ in range(1_000):
        if receipt := ask("eth_getTransactionReceipt", [sent["result"]]).get("result"):
            assert int(receipt["status"], 16) == 1, f"reverted: {sent}"
            return
        time.sleep(0.002)
    raise AssertionError(f"not mined: {sent}")
