"""Who plays, on which stage, and what the report draws: what all acts of the story share.

Market 0 is COIN at 100 U with a limit of 5,000 U, market 1 is ALT at 20 U with a limit of 500 U, market 2 is ETH at
2,000 U with a limit of 20,000 U; market 3 is DOGE at 10 U with a limit of 1,000 U at a fund of its own, whose threshold
is 300 U. Initial margin 10 %, maintenance 5 %, fees 5 bps (taker) and 2 bps (maker). The shared fund's threshold is
10,000 U. It may draw 2,000 U of its stakers and 1,000 U of the reinsurance for life.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eth_utils import keccak

from kana_insurance.backends import address_of
from kana_insurance.backends.rpc import Key, RpcBackend
from kana_insurance.demo.stage import Stage, Watch
from kana_insurance.deployment import DAY, FundConfig, MarketConfig, StakersConfig
from kana_insurance.kit import COIN, Actors, Kit, SignedOrder, U, deploy_kit
from kana_insurance.pools import CollateralConfig, PoolConfig
from kana_insurance.values import FaucetConfig

COIN_MARKET, ALT_MARKET, ETH_MARKET, DOGE_MARKET = 0, 1, 2, 3
THRESHOLD, DOGE_THRESHOLD = 10_000 * U, 300 * U
CAPS = {"open_interest_cap": 1_000_000 * COIN, "position_cap": 500_000 * COIN}
MARKETS = [
    MarketConfig(name="COIN / USD", price=100 * COIN, max_insurance=5_000 * U, **CAPS),
    MarketConfig(name="ALT / USD", price=20 * COIN, max_insurance=500 * U, **CAPS),
    MarketConfig(name="ETH / USD", price=2_000 * COIN, max_insurance=20_000 * U, **CAPS),
    MarketConfig(
        name="DOGE / USD",
        price=10 * COIN,
        max_insurance=1_000 * U,
        isolated=True,
        threshold=DOGE_THRESHOLD,
        **CAPS,
    ),
]
STAKERS = StakersConfig(limit=2_000 * U, cooldown_days=7, stream_length=7 * DAY)
REINSURANCE = StakersConfig(
    name="Kana Reinsurance",
    symbol="KREIN",
    limit=1_000 * U,
    cooldown_days=7,
    stream_length=7 * DAY,
    premium_bps=1_000,
)
#: Two more assets: each with a fund of its own and a lending pool, whose rates are 0 so that figures stay round.
LENDERS = [
    FundConfig(
        asset=FaucetConfig(name=name, symbol=symbol, decimals=6),
        threshold=1_000 * U,
        venue=False,
        pool=PoolConfig(
            slope1_bps=0,
            slope2_bps=0,
            supply_cap=10_000 * U,
            collaterals=[
                CollateralConfig(
                    name="ETH",
                    token=FaucetConfig(name="Kana Ether", symbol="KETH", decimals=18),
                    price=2_000 * COIN,
                    collateral_cap=100 * COIN,
                    borrow_cap=5_000 * U,
                )
            ],
        ),
    )
    for name, symbol in (("Kana Euro", "KEUR"), ("Kana Pound", "KGBP"))
]
#: The first block's time and the seconds between blocks: the same in every run, so every figure is too.
GENESIS = 1_800_014_400
BLOCK_SECONDS = 1
LAYERS = ("own collateral", "reserve", "stakers", "reinsurance", "other traders", "bad debt")


@dataclass(frozen=True)
class Split:
    """Where the collateral of one liquidated position went, base units."""

    trader: str
    collateral: int
    liquidator: int
    fund: int
    back: int


@dataclass(frozen=True)
class Loss:
    """Who bore the loss of one insolvent position, base units: ``parts`` in the order of ``LAYERS``."""

    trader: str
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Stake:
    """What became of a stake, base units: staked + earned - lost = left."""

    name: str
    staked: int
    earned: int
    lost: int
    left: int


@dataclass(frozen=True)
class Worth:
    """What a staker's shares, requests and claims are worth at a time, Unix seconds and base units."""

    at: int
    name: str
    value: int


@dataclass(frozen=True)
class PoolLoss:
    """Who bore a bankrupt loan of a pool, base units of its asset: ``repaid`` is what its collateral brought."""

    asset: str
    repaid: int
    covered: int
    lenders: int
    bad_debt: int


@dataclass
class Tale:
    """What the report draws."""

    splits: list[Split] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    worths: list[Worth] = field(default_factory=list)
    #: Happenings beside the worths: (Unix seconds, what).
    marks: list[tuple[int, str]] = field(default_factory=list)
    stakes: list[Stake] = field(default_factory=list)
    pools: list[PoolLoss] = field(default_factory=list)


def person(name: str) -> Key:
    """An account of the story, by what it does."""
    return Key(keccak(text=f"kana demo, {name}"))


def deploy(backend: RpcBackend) -> Kit:
    """The system of the story, deployed by the code of ``ape run deploy``; everybody gets ether."""
    backend.rpc("anvil_setBlockTimestampInterval", BLOCK_SECONDS)
    cast = [person(f"actor {number}") for number in range(20)]
    named = [person(name) for name in PEOPLE]
    backend.rpc_batch([("anvil_setBalance", [str(account), hex(10**22)]) for account in (*cast, *named)])
    terms: dict[str, Any] = {"threshold": THRESHOLD, "stakers": STAKERS, "reinsurance": REINSURANCE}
    return deploy_kit(backend, Actors.of(cast), markets=MARKETS, others=LENDERS, **terms)


PEOPLE = (
    *("contributor 1", "contributor 2", "contributor 3", "latecomer"),
    *(f"long {letter}" for letter in "ABCDEFGHK"),
    *("short S", "short T", "ALT long V", "ALT long X", "ALT short P", "ALT short Q", "liquidator", "passer-by"),
    *("DOGE long N", "DOGE long M", "DOGE short O"),
    *("ETH long W", "ETH long Y", "ETH short Z", "staker 1", "staker 2", "staker 3", "reinsurer"),
    *("lender 1", "lender 2", "lender 3", "borrower"),
)


class Acts:
    """What every act uses.

    Args:
        stage: Where they happen.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.kit = stage.kit
        self.tale = Tale()
        self.liquidator = person("liquidator")

    # ------------------------------------------------------------------ figures to watch

    def reserve(self) -> Watch:
        """The fund's reserve."""
        return Watch("reserve", lambda: int(self.kit.fund.reserve()))

    def room(self) -> Watch:
        """What the reserve lacks to its threshold."""
        return Watch("room to the threshold", lambda: int(self.kit.fund.room()))

    def used(self, market_id: int, name: str) -> Watch:
        """What a market has cost the fund."""
        return Watch(f"used of {name}'s limit", lambda: self.stage.used(market_id))

    def free(self, account: Key, name: str) -> Watch:
        """An account's free balance."""
        return Watch(f"free balance, {name}", lambda: self.stage.free(account))

    def equity(self, account: Key, name: str, market_id: int = COIN_MARKET) -> Watch:
        """An account's equity."""
        return Watch(f"equity, {name}", lambda: self.stage.equity(account, market_id))

    def position(self, account: Key, name: str, market_id: int = COIN_MARKET) -> Watch:
        """An account's base size."""
        unit = ("COIN", "ALT", "ETH", "DOGE")[market_id]
        return Watch(f"position, {name}", lambda: self.stage.size(account, market_id), unit, 18)

    def tokens_of(self, account: Any, name: str) -> Watch:
        """An account's tokens."""
        return Watch(f"tokens, {name}", lambda: int(self.kit.asset.balanceOf(address_of(account))))

    # ------------------------------------------------------------------ happenings

    def _order(
        self,
        trader: Key,
        is_buy: bool,
        size: int,
        price: int,
        margin: int,
        market: int = 0,
        reduce_only: bool = False,
    ) -> SignedOrder:
        """A signed order; its margin is deposited first."""
        if margin:
            self.stage.deposit(trader, margin)
        return self.kit.sign_order(trader, is_buy, size, price, margin, market_id=market, reduce_only=reduce_only)

    def _resolve(self, who: Key, name: str, own: int, function: str, sender: Any, *args: Any) -> Any:
        """Close an insolvent position, keep who bore its loss for the chart, claim that the parts sum (M13).

        Args:
            who: Whose position.
            name: What the report calls it.
            own: Its collateral, base units.
            function: "liquidate" or "deleverage" of the house.
            sender: Who calls.
            args: Arguments of the call.

        Returns:
            The chain's receipt.
        """
        stage, fund = self.stage, self.kit.system.fund_of(args[0])
        before = int(fund.reserve())
        receipt = stage.act("house", function, sender, *args)
        events = self.kit.house.events(receipt)
        (got,) = [event.args for event in events if event.name == "ShortfallResolved"]
        paid = {str(e.args["layer"]): int(e.args["amount"]) for e in fund.events(receipt) if e.name == "LayerPaid"}
        layers = [paid.get(address_of(layer.underwriter), 0) for layer in self.kit.system.layers]
        parts = (before - int(fund.reserve()), *layers, got["socialised"], got["bad_debt"])
        self.tale.losses.append(Loss(name, (own, *parts)))
        stage.equal("reserve + layers + other traders + bad debt = shortfall", sum(parts), got["shortfall"])
        stage.equal(f"that is the shortfall of {name}", str(got["trader"]), str(who), quiet=True)
        return receipt
