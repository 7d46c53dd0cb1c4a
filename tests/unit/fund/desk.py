"""A fund alone with everything a test asks of it: its whole state before and after, its events, its clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ape import chain
from eth_utils import keccak

from kana_insurance.backends import address_of, decode_reason
from kana_insurance.testing import DAY, Kit, U, logs

ZERO = "0x" + "00" * 20
#: Widest stored amount, 112 bits.
MAX_AMOUNT = 2**112 - 1
MAX_WORD = 2**256 - 1
#: `payouts_resume_at` before the setup is finished.
NOT_OPEN = 2**32 - 1
THRESHOLD = 1_000_000 * U
LIMIT = 50_000 * U
#: In arguments of a test's table: the venue and the asset, which have no address yet.
VENUE, ASSET = "venue", "asset"
#: Perpetual markets of the venue, and its lending market.
PERP, OTHER, LENDING = 0, 1, 2


class Desk:
    """A kit of a fund alone, seen from the fund."""

    def __init__(self, kit: Kit) -> None:
        self.kit, self.fund, self.asset, self.notices = kit, kit.fund, kit.asset, kit.notices
        self.venue, self.actors = kit.venue, kit.actors
        self.governance = kit.governance
        self._questions = list(self._ask())

    def _ask(self) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
        """Names of the figures that a view answers, and the call."""

        def call(names: str, view: Any, *args: Any) -> tuple[tuple[str, ...], dict[str, str]]:
            target = self.asset if view == self.asset.balanceOf else self.fund
            return tuple(names.split()), {"to": address_of(target), "data": "0x" + view.encode_input(*args).hex()}

        fund, venue, actors = self.fund, address_of(self.venue), self.actors
        yield call("reserve", fund.reserve)
        yield call("threshold", fund.threshold)
        yield call("contributions", fund.total_contributions)
        yield call("bad_debt", fund.total_bad_debt)
        yield call("resume_at", fund.payouts_resume_at)
        yield call("liquidator_bps fund_bps", fund.split_bps)
        yield call("cap length spent last _", fund.window)
        for holder in ("contributor", "treasury"):
            yield call(holder, self.asset.balanceOf, address_of(getattr(actors, holder)))
        yield call("tokens", self.asset.balanceOf, address_of(fund))
        yield call("venue", self.asset.balanceOf, venue)
        yield call("by_contributor", fund.contributions, address_of(actors.contributor))
        yield call("by_outsider", fund.contributions, address_of(actors.outsider))
        for number in (PERP, OTHER, LENDING):
            fields = " ".join(f"{name}_{number}" for name in ("registered", "perp", "max", "used", "debt"))
            yield call(fields, fund.market, venue, number)

    def state(self) -> dict[str, int]:
        """Every figure that the fund keeps, and the tokens of all whom it pays or who pay it."""
        requests = [("eth_call", [call, "latest"]) for _, call in self._questions]
        answers = chain.provider.web3.provider.make_batch_request(requests)
        figures: dict[str, int] = {}
        for (names, _), answer in zip(self._questions, answers, strict=True):
            data = bytes.fromhex(answer["result"][2:])
            words = [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]
            figures.update(zip(names, words, strict=True))
        del figures["_"]  # what the window lets through depends on the time
        return figures

    @contextmanager
    def changes(self, **expected: int) -> Iterator[None]:
        """Expect that exactly these figures change, by these differences, and that the books still add up."""
        before = self.state()
        yield
        after = self.state()
        found = {name: after[name] - before[name] for name in before if after[name] != before[name]}
        assert found == {name: change for name, change in expected.items() if change}
        assert after["tokens"] >= after["reserve"], "I1"
        assert sum(after[f"debt_{number}"] for number in (PERP, OTHER, LENDING)) == after["bad_debt"]

    def events(self, receipt: Any) -> list[tuple[str, dict[str, Any]]]:
        """The fund's events of a receipt."""
        return logs(receipt, self.fund)

    def notice_events(self, receipt: Any) -> list[tuple[str, dict[str, Any]]]:
        """The board's events of a receipt."""
        return logs(receipt, self.notices)

    def named(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Arguments of a table with the addresses filled in."""
        addresses = {VENUE: address_of(self.venue), ASSET: address_of(self.asset)}
        return tuple(addresses[value] if isinstance(value, str) else value for value in arguments)

    def fill(self, amount: int) -> None:
        """Bring the reserve to `amount` by a contribution of the keeper."""
        self.kit.contribute(self.actors.keeper, amount - self.fund.reserve())

    def settle(self, collateral: int, market_id: int = PERP) -> Any:
        """A liquidation of the venue; the receipt."""
        return self.fund.settle_liquidation(market_id, collateral, sender=self.venue)

    def cover(self, shortfall: int, market_id: int = PERP) -> Any:
        """A shortfall of the venue; the receipt."""
        return self.fund.cover_shortfall(market_id, shortfall, sender=self.venue)

    def owe(self, amount: int, market_id: int = PERP) -> Any:
        """Bad debt of the venue; the receipt."""
        return self.fund.record_bad_debt(market_id, amount, sender=self.venue)

    def announce(self, function: str, *args: Any) -> bytes:
        """Give notice of a call as governance; its id."""
        call = self.kit.encode(self.fund, function, *args)
        self.notices.announce(self.fund, call, sender=self.governance)
        return self.id_of(function, *args)

    def notice(self, function: str, *args: Any) -> tuple[int, int]:
        """How far the notice of a call has come, and how long it is."""
        passed, length = self.notices.notice(self.fund, self.kit.encode(self.fund, function, *args))
        return int(passed), int(length)

    def id_of(self, function: str, *args: Any) -> bytes:
        """The notice id of a call."""
        return bytes(keccak(self.kit.encode(self.fund, function, *args)))

    def announced(self, function: str, *args: Any) -> Any:
        """Make a call with a notice that has matured; the receipt."""
        self.announce(function, *args)
        self.kit.travel(2 * DAY)
        return getattr(self.fund, function)(*args, sender=self.governance)

    def snapshot(self) -> str:
        """A point to come back to by `restore`."""
        return str(chain.provider.web3.provider.make_request("evm_snapshot", [])["result"])

    def restore(self, snapshot: str) -> None:
        """Back to a point; only once."""
        assert chain.provider.web3.provider.make_request("evm_revert", [snapshot])["result"]

    def sends_ether(self, data: bytes) -> str | None:
        """What a call with one wei returns; None when it reverts."""
        call = {
            "from": self.actors.outsider.address,
            "to": address_of(self.fund),
            "value": "0x1",
            "data": "0x" + data.hex(),
        }
        return chain.provider.web3.provider.make_request("eth_call", [call, "latest"]).get("result")

    def reason_at(self, moment: int, caller: Any, data: bytes, contract: Any = None) -> str | None:
        """Why the fund, or another contract, would refuse a call in a block at `moment`; None when it wouldn't."""
        target = self.fund if contract is None else contract
        call = {"from": address_of(caller), "to": address_of(target), "data": "0x" + data.hex()}
        overrides = {"time": hex(moment)}
        answer = chain.provider.web3.provider.make_request("eth_call", [call, "latest", {}, overrides])
        if "error" not in answer:
            return None
        return decode_reason(bytes.fromhex(answer["error"]["data"][2:]))
