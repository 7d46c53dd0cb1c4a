"""What operators do with several funds: see them, and create one through the timelock and the factory (M16 to M18).

Figures are exact, see :mod:`kana_insurance.client`; each fund's amounts are in its own asset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils import keccak

from kana_insurance.backends import ZERO, address_of
from kana_insurance.client import Client, Figure, Refusal, moment
from kana_insurance.config import StakersConfig
from kana_insurance.deployment import LOCAL_CHAINS, layer_terms, wire_layer
from kana_insurance.pools import POOL_MARKET

#: Funds in one page of the lens.
PAGE = 64
_NO_WORD = b"\x00" * 32
_DONE = 1


@dataclass(frozen=True)
class Plan:
    """A fund to be created. Amounts are base units of its asset; None is the deployment's own."""

    asset: str
    threshold: int
    #: Tells funds apart; a name is as good as any.
    salt: str
    isolated: bool = False
    liquidator_bps: int | None = None
    fund_bps: int | None = None
    treasurer: str | None = None
    guardian: str | None = None
    treasury: str | None = None
    #: The market that it serves from the beginning: venue and id; for perpetuals its maximum.
    venue: str | None = None
    market_id: int = 0
    is_perp: bool = True
    max_insurance: int = 0
    #: What stakers of its own may be drawn on for life; None: no layer of its own.
    stakers: int | None = None
    #: Layers that there are, put behind it: they pay once their own governance has registered it (M23).
    staked: str = ZERO
    reinsurance: str = ZERO


class Funds:
    """The funds of a deployment's factory.

    Attributes:
        client: The client of the deployment.
        factory: The factory.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.system = client.system
        self.backend = client.system.backend
        self.factory = client.system.factory

    # ------------------------------------------------------------------ figures

    def page(self, names: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Every fund, or those named: asset, reserve, threshold, coverage, layers, markets, bad debt.

        Raises:
            Refusal: if one that is named isn't the factory's.
        """
        rows = {str(state.fund): state for state in self._summaries()}
        for name in names:
            if name not in rows:
                raise Refusal(f"{name} is no fund of the factory {address_of(self.factory)}")
        markets = self._markets()
        return [self._row(rows[fund], markets.get(fund, [])) for fund in names or rows]

    def _summaries(self) -> list[Any]:
        found: list[Any] = []
        count = int(self.factory.fund_count())
        while len(found) < count:
            found += self.system.lens.funds(address_of(self.factory), len(found), PAGE)
        return found

    def _row(self, state: Any, markets: list[str]) -> dict[str, Any]:
        token = self.backend.at("KanaUSDT", str(state.asset))
        symbol, decimals = str(token.symbol()), int(state.decimals)

        def tokens(value: int) -> Figure:
            return Figure(int(value), decimals, symbol)

        layers = self.backend.at("InsuranceFund", str(state.fund)).layers()
        placed = [(name, str(getattr(layers, name))) for name in ("staked", "reinsurance")]
        successor = str(state.successor)
        return {
            "fund": str(state.fund),
            "kind": "isolated" if state.is_isolated else "shared",
            "asset": str(state.asset),
            "symbol": symbol,
            "state": self._state(state),
            "successor": "" if successor == ZERO else successor,
            "reserve": tokens(state.reserve),
            "threshold": tokens(state.threshold),
            "coverage": tokens(state.coverage),
            "layers": ", ".join(name for name, layer in placed if layer != ZERO) or "none",
            "layer_capacity": tokens(state.layer_capacity),
            "markets": ", ".join(markets) or "none",
            "bad_debt": tokens(state.total_bad_debt),
        }

    @staticmethod
    def _state(state: Any) -> str:
        if str(state.successor) != ZERO:
            return "merged"
        if not state.setup_finished:
            return "setup"
        return "paused" if state.payouts_paused else "open"

    def _markets(self) -> dict[str, list[str]]:
        """The markets that each fund serves, by the names of the record where it has them."""
        names = {}
        for system in (self.system, *self.system.others):
            for market in system.record.markets:
                names[address_of(system.house), market.market_id] = market.name
            if system.pool is not None:
                names[address_of(system.pool), POOL_MARKET] = f"lending of {system.asset.symbol()}"
        serving: dict[tuple[str, int], str] = {}
        for event in self.backend.events(self.factory, "MarketAssigned"):
            serving[str(event["venue"]), int(event["market_id"])] = str(event["new"])
        served: dict[str, list[str]] = {}
        for (venue, market_id), fund in serving.items():
            served.setdefault(fund, []).append(names.get((venue, market_id), f"{market_id} of {venue}"))
        return served

    def skim(self, account: Any, fund: str | None = None, contributor: str | None = None) -> dict[str, Any]:
        """Book what was transferred to a fund without a call, by default to the deployment's own (M6).

        Raises:
            Refusal: if it isn't a fund of the factory.
        """
        address = fund or address_of(self.system.fund)
        if not self.factory.is_fund(address):
            raise Refusal(f"{address} is no fund of the factory {address_of(self.factory)}")
        contract = self.backend.at("InsuranceFund", address)
        token = self.backend.at("KanaUSDT", str(contract.asset()))
        whose = contributor or address_of(account)
        before = int(contract.reserve())
        contract.skim(whose, sender=account)
        after, decimals, symbol = int(contract.reserve()), int(token.decimals()), str(token.symbol())
        return {
            "fund": address,
            "contributor": whose,
            "booked": Figure(after - before, decimals, symbol),
            "reserve": Figure(after, decimals, symbol),
        }

    # ------------------------------------------------------------------ creation

    def create(self, account: Any, plan: Plan, *, travel: bool = False) -> dict[str, Any]:
        """Take the next step towards a fund; with ``travel``, all of them.

        The steps: schedule its creation in the timelock; execute it after the delay; wire it and finish its setup,
        which the account that began does; where it serves a market, schedule and execute the assignment.

        Args:
            account: Proposer and executor of the timelock; the fund's deployer.
            plan: The fund.
            travel: Let the timelock's delays pass; local chains alone.

        Raises:
            Refusal: if nothing of the kind can be created, with what is wrong.
        """
        if travel and self.backend.chain_id() not in LOCAL_CHAINS:
            raise Refusal("time is the chain's: only on a local one can it be moved on")
        if not self.backend.has_code(plan.asset):
            raise Refusal(f"there is no token at {plan.asset}")
        salt = keccak(text=plan.salt)
        address = str(self.factory.fund_by_salt(salt))
        if address == ZERO:
            terms = self._terms(plan, account)
            if not plan.isolated and str(self.factory.shared_fund(plan.asset)) != ZERO:
                raise Refusal(f"{plan.asset} has a shared fund already: add --isolated for one of a single market")
            address = str(self.factory.fund_address(terms, salt))
            calls = [self.backend.encode(self.factory.create_fund, terms, plan.isolated, salt)]
            if plan.stakers is not None:
                layer = self._layer_terms(plan, account)
                calls.append(self.backend.encode(self.factory.create_layer, layer, salt))
            if waiting := self._step(account, calls, "created", address, travel):
                return waiting
        fund = self.backend.at("InsuranceFund", address)
        if not fund.setup_finished():
            self._wire(account, plan, fund, salt)
        if plan.venue is not None and str(self.factory.fund_of(plan.venue, plan.market_id)) != address:
            calls = [self.backend.encode(self.factory.assign, plan.venue, plan.market_id, address)]
            if waiting := self._step(account, calls, "assigned", address, travel):
                return waiting
        return {"step": "done", **self.page([address])[0]}

    def _terms(self, plan: Plan, account: Any) -> tuple[Any, ...]:
        config = self.system.config
        return (
            plan.asset,
            plan.treasurer or config.treasurer,
            plan.guardian or config.guardian,
            address_of(account),
            plan.treasury or config.treasury,
            plan.threshold,
            config.liquidator_bps if plan.liquidator_bps is None else plan.liquidator_bps,
            config.fund_bps if plan.fund_bps is None else plan.fund_bps,
        )

    def _layer_terms(self, plan: Plan, account: Any) -> tuple[Any, ...]:
        config = StakersConfig(limit=plan.stakers or 0)
        return layer_terms(config, self.backend.at("KanaUSDT", plan.asset), address_of(account))

    def _step(self, account: Any, calls: list[bytes], what: str, fund: str, travel: bool) -> dict[str, Any] | None:
        """Schedule calls of the factory as one batch, or execute it when it is ready; None once it is done."""
        timelock, factory = self.system.timelock, address_of(self.factory)
        batch = ([factory] * len(calls), [0] * len(calls), calls, _NO_WORD, keccak(b"".join(calls)))
        operation = timelock.hash_operation_batch(*batch)
        ready = int(timelock.get_timestamp(operation))
        if ready == _DONE:
            return None
        if ready == 0:
            # Tried first, so that what the factory or the fund would refuse is told before the delay, not after it.
            for payload in calls:
                self.backend.simulate(address_of(timelock), factory, payload)
            timelock.schedule_batch(*batch, int(timelock.get_minimum_delay()), sender=account)
            ready = int(timelock.get_timestamp(operation))
        now = self.backend.timestamp()
        if now < ready:
            if not travel:
                return {
                    "step": "scheduled",
                    "fund": fund,
                    "to_be": what,
                    "operation": "0x" + bytes(operation).hex(),
                    "ready": moment(ready),
                    "next": "run the same command again then",
                }
            self.backend.travel(ready - now)
        timelock.execute_batch(*batch, sender=account)
        return None

    def _wire(self, account: Any, plan: Plan, fund: Any, salt: bytes) -> None:
        """Register the plan's market, place its stakers, open the fund."""
        if plan.venue is not None and not fund.market(plan.venue, plan.market_id).registered:
            fund.register_market(plan.venue, plan.market_id, plan.is_perp, sender=account)
            if plan.max_insurance > 0:
                fund.set_max_insurance(plan.venue, plan.market_id, plan.max_insurance, sender=account)
        if plan.stakers is not None and str(fund.layers().staked) == ZERO:
            layer = str(self.factory.layer_by_salt(salt))
            underwriter = self.backend.at("Underwriter", layer)
            backstop = self.backend.at("Backstop", str(self.factory.backstop_of(layer)))
            if not underwriter.setup_finished():
                wire_layer(underwriter, backstop, fund, StakersConfig(limit=plan.stakers), account)
            fund.set_layers(layer, plan.reinsurance, self.system.config.staker_bps, sender=account)
        elif (plan.staked, plan.reinsurance) != (ZERO, ZERO):
            fund.set_layers(plan.staked, plan.reinsurance, self.system.config.staker_bps, sender=account)
        fund.finish_setup(sender=account)
