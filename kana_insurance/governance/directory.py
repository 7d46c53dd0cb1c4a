"""The contracts of a deployment by name and by address: the recorded ones, and the funds made since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_utils import is_address, to_checksum_address

from kana_insurance.backends import ZERO, address_of
from kana_insurance.client import Refusal
from kana_insurance.deployment import System
from kana_insurance.pools import POOL_MARKET

#: Funds in one page of the factory.
PAGE = 64
#: Parts of a system and what they are; the shared ones are named once.
_SHARED = {"timelock": "Timelock", "factory": "FundFactory", "notices": "NoticeBoard"}
_OWN = {
    "fund": "InsuranceFund",
    "registry": "MarketRegistry",
    "house": "ClearingHouse",
    "gateway": "OrderGateway",
    "lending": "LendingRegistry",
    "pool": "LendingPool",
    "lens": "Lens",
    "asset": "KanaUSDT",
}


@dataclass(frozen=True)
class Part:
    """A contract of the deployment.

    Attributes:
        name: What it is called.
        contract: Its type.
        at: The contract.
        asset: The token that its amounts are in; None: it has no amounts.
    """

    name: str
    contract: str
    at: Any
    asset: str | None = None

    @property
    def address(self) -> str:
        """Its address."""
        return address_of(self.at)


@dataclass(frozen=True)
class Market:
    """A recorded market of a house, or a lending pool, which is market 0 of itself (M15)."""

    name: str
    venue: str
    market_id: int


@dataclass(frozen=True)
class Collateral:
    """A recorded collateral of a lending registry."""

    name: str
    registry: str
    number: int


class Directory:
    """Who is who.

    Attributes:
        system: The deployment.
        parts: Its contracts.
        markets: Its markets.
        collaterals: Those of its lending pools.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.parts: list[Part] = []
        self.markets: list[Market] = []
        self.collaterals: list[Collateral] = []
        self._tokens: dict[str, tuple[int, str]] = {}
        for name, contract in _SHARED.items():
            self._add(name, contract, getattr(system, name))
        for one in (system, *system.others):
            self._add_system(one, "" if one is system else f"{self.token(address_of(one.asset))[1]} ")
        self._add_later_funds()

    def _add(self, name: str, contract: str, at: Any, asset: str | None = None) -> None:
        if at is not None and address_of(at) not in {part.address for part in self.parts}:
            self.parts.append(Part(name, contract, at, asset))

    def _add_system(self, system: System, prefix: str) -> None:
        asset = address_of(system.asset)
        for name, contract in _OWN.items():
            self._add(prefix + name, contract, getattr(system, name), asset)
        for layer in system.layers:
            self._add(prefix + layer.name, "Underwriter", layer.underwriter, asset)
            self._add(f"{prefix}vault of {layer.name}", "Backstop", layer.backstop, asset)
        for market, feed in zip(system.record.markets, system.feeds, strict=True):
            self._add(f"feed of {market.name}", "PriceFeed", feed)
            self.markets.append(Market(market.name, address_of(system.house), market.market_id))
            if market.market_id in system.isolated:
                self._add(f"fund of {market.name}", "InsuranceFund", system.isolated[market.market_id], asset)

        if system.pool is not None:
            self._add_pool(system, asset)

    def _add_pool(self, system: System, asset: str) -> None:
        self.markets.append(Market(f"lending of {self.token(asset)[1]}", address_of(system.pool), POOL_MARKET))
        for one in system.record.collaterals:
            backend, registry = system.backend, address_of(system.lending)
            self.collaterals.append(Collateral(one.name, registry, one.collateral_id))
            self._add(f"collateral {one.name}", "FaucetToken", backend.at("FaucetToken", one.token), one.token)
            self._add(f"feed of collateral {one.name}", "PriceFeed", backend.at("PriceFeed", one.feed))

    def _add_later_funds(self) -> None:
        """The factory's funds that no record names, by their numbers, and the layers behind funds."""
        backend, factory = self.system.backend, self.system.factory
        count = int(factory.fund_count())
        entries = [one for start in range(0, count, PAGE) for one in factory.funds(start, PAGE)]
        for number, entry in enumerate(entries):
            fund = backend.at("InsuranceFund", str(entry.fund))
            asset = str(fund.asset())
            self._add(f"fund {number}", "InsuranceFund", fund, asset)
            whose, layers = self.name_of(str(entry.fund)), fund.layers()
            for name, layer in (("stakers", layers.staked), ("reinsurance", layers.reinsurance)):
                if str(layer) != ZERO:
                    self._add(f"{name} of {whose}", "Underwriter", backend.at("Underwriter", str(layer)), asset)

    def _layer(self, address: str) -> Part | None:
        """A layer that the factory made, and that stands behind no fund."""
        backend = self.system.backend
        if str(self.system.factory.backstop_of(address)) == ZERO:
            return None
        layer = backend.at("Underwriter", address)
        return Part(f"layer {address}", "Underwriter", layer, str(layer.asset()))

    def layer(self, text: str) -> Part:
        """The layer of a name, such as stakers, or of an address.

        Raises:
            Refusal: if there is none.
        """
        part = self.find(text) or (self._layer(to_checksum_address(text)) if is_address(text) else None)
        if part is None or part.contract != "Underwriter":
            names = ", ".join(one.name for one in self.of({"Underwriter"})) or "none"
            raise Refusal(f"'{text}' is no layer; there are: {names}")
        return part

    # ------------------------------------------------------------------- look-up

    def by_address(self, address: str) -> Part | None:
        """The contract at an address, if it is one of the deployment's."""
        return next((part for part in self.parts if part.address == to_checksum_address(address)), None)

    def name_of(self, address: str) -> str:
        """Its name, or the address itself."""
        part = self.by_address(address)
        return part.name if part else address

    def find(self, text: str) -> Part | None:
        """The contract of a name or an address."""
        if is_address(text):
            return self.by_address(text)
        return next((part for part in self.parts if part.name.lower() == text.strip().lower()), None)

    def of(self, contracts: set[str]) -> list[Part]:
        """The contracts of some types."""
        return [part for part in self.parts if part.contract in contracts]

    def market(self, text: str) -> Market | None:
        """The market of a name."""
        return next((market for market in self.markets if market.name.lower() == text.strip().lower()), None)

    def collateral(self, registry: str, text: str) -> Collateral | None:
        """The collateral of a name at a lending registry."""
        found = (one for one in self.collaterals if one.registry == registry)
        return next((one for one in found if one.name.lower() == text.strip().lower()), None)

    def collateral_name(self, registry: str, number: int) -> str:
        """A collateral's name, or its id."""
        found = (one for one in self.collaterals if (one.registry, one.number) == (registry, number))
        return next((f"{number} ({one.name})" for one in found), str(number))

    def market_name(self, venue: str | None, market_id: int) -> str:
        """A market's name, or its id."""
        for market in self.markets:
            if market.market_id == market_id and venue in (None, market.venue):
                return f"{market_id} ({market.name})"
        return str(market_id)

    def house_of(self, registry: Part) -> str:
        """The house whose markets a registry keeps."""
        return str(registry.at.house())

    def token(self, address: str) -> tuple[int, str]:
        """Decimals and symbol of a token.

        Raises:
            Refusal: if there is none.
        """
        if address not in self._tokens:
            if not self.system.backend.has_code(address):
                raise Refusal(f"there is no token at {address}")
            token = self.system.backend.at("KanaUSDT", address)
            self._tokens[address] = int(token.decimals()), str(token.symbol())
        return self._tokens[address]

    def choose(self, contracts: set[str], on: str | None, what: str) -> Part:
        """The contract that a call is for.

        Args:
            contracts: Types of contracts that have the call.
            on: What the user named: a name, an address, or a market, whose fund or registry is meant; or None.
            what: The call's name.

        Raises:
            Refusal: if none is named where there are several, or what is named doesn't have the call.
        """
        fitting = self.of(contracts)
        choices = ", ".join(f"'{part.name}'" if " " in part.name else part.name for part in fitting)
        if on is None:
            if len(fitting) == 1:
                return fitting[0]
            if not fitting:
                raise Refusal(f"no contract of this deployment has {what}")
            raise Refusal(f"several contracts have {what}: name one by --on: {choices}")
        part = self.find(on)
        if part is None and (market := self.market(on)) is not None and "InsuranceFund" in contracts:
            part = self.by_address(str(self.system.factory.fund_of(market.venue, market.market_id)))
        if part is None and "Underwriter" in contracts and is_address(on):
            part = self._layer(to_checksum_address(on))
            fitting += [part] if part else []
        if part is None or part not in fitting:
            raise Refusal(f"'{on}' has no {what}: --on takes one of {choices or 'none'}, or its address")
        return part
