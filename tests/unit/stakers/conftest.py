"""A backstop behind one fund, as its own tests see it."""

from __future__ import annotations

from typing import Any

import pytest

from kana_insurance.backends import ZERO, address_of
from kana_insurance.testing import DAY, Actors, U

COOLDOWN, STREAM, MIN_STAKED, LIMIT = 14, 7 * DAY, 1_000 * U, 50_000 * U


class Pool:
    """A backstop and its underwriter, with a fund that may draw 50,000 U; ``fund_sender`` acts as that fund."""

    def __init__(self, backend: Any, actors: Actors, asset: Any = None) -> None:
        self.backend, self.actors = backend, actors
        me = actors.deployer
        people = [address_of(actors.proposer)]
        self.asset = asset or backend.deploy("KanaUSDT", sender=me)
        self.timelock = backend.deploy("Timelock", 2 * DAY, 2 * DAY, people, people, sender=me)
        self.governance = backend.impersonate(address_of(self.timelock))
        self.notices = backend.deploy("NoticeBoard", sender=me)
        self.fund = self.another_fund()
        self.fund_sender = backend.impersonate(address_of(self.fund))
        self.layer, self.vault = self.bare()
        self.layer.connect_backstop(self.vault, sender=me)
        self.layer.set_fund(self.fund, LIMIT, 0, DAY, 0, sender=me)
        self.layer.finish_setup(sender=me)

    def another_fund(self, asset: Any = None) -> Any:
        """One more fund, of the same asset unless another is named."""
        me = self.actors.deployer
        roles = (address_of(self.notices), ZERO, address_of(self.timelock), *([address_of(me)] * 4))
        token = address_of(asset or self.asset)
        return self.backend.deploy("InsuranceFund", token, *roles, 10**6 * U, 3_000, 2_000, sender=me)

    def bare(self) -> tuple[Any, Any]:
        """An underwriter and a backstop that aren't connected yet."""
        asset, me = address_of(self.asset), self.actors.deployer
        layer = self.backend.deploy("Underwriter", asset, address_of(self.timelock), address_of(me), sender=me)
        return layer, self.vault_of(layer)

    def vault_of(self, layer: Any, **overrides: Any) -> Any:
        """A backstop of an underwriter."""
        values: dict[str, Any] = {
            "asset": address_of(self.asset),
            "name": "Staked Kana USDT",
            "symbol": "sKUSD",
            "underwriter": address_of(layer),
            "cooldown_days": COOLDOWN,
            "stream_length": STREAM,
            "min_staked": MIN_STAKED,
            **overrides,
        }
        return self.backend.deploy("Backstop", *values.values(), sender=self.actors.outsider)

    def provide(self, account: Any, amount: int, spender: Any = None) -> None:
        """Tokens and their allowance."""
        if hasattr(self.asset, "faucet_to"):
            self.asset.faucet_to(account, amount, sender=self.actors.keeper)
        else:
            self.asset.mint(account, amount, sender=self.actors.keeper)
        self.asset.approve(spender or self.vault, amount, sender=account)

    def stake(self, account: Any, amount: int) -> Any:
        """Mint and stake; the receipt."""
        self.provide(account, amount)
        return self.vault.deposit(amount, account, sender=account)

    def pay(self, amount: int) -> Any:
        """Revenue of the fund; the receipt."""
        self.provide(self.fund_sender, amount, self.layer)
        return self.layer.add_revenue(amount, sender=self.fund_sender)

    def request(self, account: Any, shares: int) -> int:
        """A request for oneself; its id."""
        self.vault.requestRedeem(shares, account, account, sender=account)
        return int(self.vault.request_ids(account)[0])

    def travel_to(self, day: int) -> None:
        """Wait for the begin of a day."""
        self.backend.travel(day * DAY - self.backend.timestamp())


@pytest.fixture(scope="module")
def pool(backend: Any, actors: Actors) -> Pool:
    """A backstop open for money."""
    return Pool(backend, actors)


@pytest.fixture
def staker(actors: Actors) -> Any:
    """Who stakes."""
    return actors.others[0]


@pytest.fixture
def friend(actors: Actors) -> Any:
    """Whom the staker trusts, or doesn't."""
    return actors.others[1]
