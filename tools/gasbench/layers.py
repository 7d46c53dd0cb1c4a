"""A fund of its own with two backstops behind it: what a cover through all of them costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kana_insurance.backends import ZERO, address_of
from kana_insurance.kit import U
from kana_insurance.model.clock import DAY
from tools.gasbench.bench import AMOUNT, Bench, Measured
from tools.gasbench.trace import trace

#: What each layer is given at first, and the first one again between two covers, base units.
STAKE = 1_000 * U


class LayersBench:
    """On the bench's chain; each layer has stakers, and some of them are leaving."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        bench.progress("measuring a fund with layers")
        self.me, self.keeper = bench.actors.deployer, bench.actors.keeper
        actors, token = bench.actors, bench.token
        roles = [
            bench.kit.notices,
            ZERO,
            bench.kit.timelock,
            actors.treasurer,
            actors.guardian,
            self.me,
            actors.treasury,
        ]
        names = [address_of(token), *map(address_of, roles)]
        deploy = bench.backend.deploy
        self.fund = deploy("InsuranceFund", *names, 10**6 * U, 3_000, 2_000, sender=self.me)
        self.venue = deploy("BenchVenue", address_of(token), self.fund.address, sender=self.me)
        self.staker = bench.account(200)
        self.layers = [self._layer() for _ in range(2)]
        self.fund.register_market(self.venue.address, 0, True, sender=self.me)
        self.fund.set_max_insurance(self.venue.address, 0, 10**6 * U, sender=self.me)
        self.fund.set_layers(*(layer.address for layer, _ in self.layers), 5_000, sender=self.me)
        self.fund.finish_setup(sender=self.me)
        self.names = {address_of(token).lower(): "token", self.fund.address.lower(): "fund"}
        self.names |= {self.venue.address.lower(): "venue"}

    def _layer(self) -> tuple[Any, Any]:
        deploy, token = self.bench.backend.deploy, address_of(self.bench.token)
        layer = deploy("Underwriter", token, address_of(self.bench.kit.timelock), self.me.address, sender=self.me)
        vault = deploy("Backstop", token, "Kana backstop", "KANA", layer.address, 14, 7 * DAY, 0, sender=self.me)
        layer.connect_backstop(vault.address, sender=self.me)
        layer.set_fund(self.fund.address, 10**6 * U, 0, DAY, 0, sender=self.me)
        layer.finish_setup(sender=self.me)
        self._stake(vault)
        vault.requestRedeem(STAKE * 10**5, self.staker.address, self.staker.address, sender=self.staker)
        return layer, vault

    def _stake(self, vault: Any) -> None:
        self.bench.kit.provide(self.staker, vault, STAKE)
        vault.deposit(STAKE, self.staker.address, sender=self.staker)

    def _cover(self) -> Measured:
        """A cover that takes the reserve, all that the first layer can pay, and some of the second."""
        self.bench.kit.provide(self.keeper, self.fund, AMOUNT)
        self.fund.contribute(AMOUNT, sender=self.keeper)
        first, second = (int(layer.capacity(self.fund.address)) for layer, _ in self.layers)
        shortfall = AMOUNT + first + STAKE // 10
        receipt = self.venue.cover(shortfall, sender=self.keeper)
        after = [int(layer.capacity(self.fund.address)) for layer, _ in self.layers]
        if (self.fund.reserve(), *after) != (0, 0, second - STAKE // 10):
            raise RuntimeError("the cover didn't go through reserve and layers")
        return Measured(trace(self.bench.backend, receipt.hash), self.names)

    def covers(self) -> Iterator[tuple[str, Measured]]:
        """The first cover through all, and one later."""
        yield "cover_layers_first", self._cover()
        self._stake(self.layers[0][1])
        yield "cover_layers", self._cover()
