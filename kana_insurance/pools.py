"""A lending pool that a fund insures: what it is made of, how it is deployed, wired and checked (M32).

The pool is market 0 of a venue of its own, without a maximum (M15). Amounts of its asset are base units of that, those
of a collateral base units of the collateral.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationInfo, model_validator

from kana_insurance.amounts import WAD
from kana_insurance.backends import ZERO, address_of
from kana_insurance.values import (
    SHARE,
    Address,
    Amount,
    Bps,
    CollateralAmount,
    FaucetConfig,
    Price,
    Seconds,
    Spoken,
    Token,
    TokenConfig,
)

#: The market as which a fund knows a pool.
POOL_MARKET = 0


class FeedConfig(BaseModel):
    """A price feed: an aggregator, or a mock of it whose answers anyone sets (local chains and testnets alone)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    aggregator: Address | None = None
    #: The mock's first answer, and its decimals.
    price: Price = 100 * WAD
    feed_decimals: Annotated[int, Field(ge=0, le=18)] = 8
    #: What an existing aggregator must call itself, such as "ETH / USD"; None: not compared.
    feed_description: str | None = None
    max_age: Annotated[Seconds, Field(gt=0)] = 3_600
    sequencer: Address = ZERO
    sequencer_grace: Annotated[Seconds, Field(ge=0)] = 3_600


class CollateralConfig(FeedConfig):
    """A collateral of a pool: its token, feed, factors and caps."""

    name: str = Field(min_length=1, max_length=128)
    #: An existing token, or on local chains and testnets alone a new one that anyone mints.
    token: Token
    factor_bps: Bps = 7_500
    threshold_bps: Bps = 8_000
    close_factor_bps: Annotated[Bps, Field(ge=1_000)] = 5_000
    premium_bps: Bps = 500
    premium_fund_bps: Bps = 2_000
    collateral_cap: Annotated[CollateralAmount, Field(gt=0)]
    #: Debt of all loans against it.
    borrow_cap: Annotated[Amount, Field(gt=0)]

    @model_validator(mode="wrap")
    @classmethod
    def _in_tokens(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if isinstance(info.context, Spoken) and isinstance(data, dict):
            with info.context.collateral(data.get("token")):
                return handler(data)
        return handler(data)

    @property
    def address(self) -> str | None:
        """The existing token's address; None if a new one is made."""
        if isinstance(self.token, TokenConfig):
            return self.token.address
        return None if isinstance(self.token, FaucetConfig) else self.token


#: A nominal rate a year, basis points.
Rate = Annotated[int, Field(ge=0, le=30_000), SHARE.validator(), SHARE]


class PoolConfig(BaseModel):
    """A pool: its share token, rates a year, caps and collaterals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: The share token's name and symbol.
    name: Annotated[str, Field(min_length=1, max_length=25)] = "Kana Lending"
    symbol: Annotated[str, Field(min_length=1, max_length=5)] = "KLEND"
    base_bps: Rate = 0
    slope1_bps: Rate = 400
    slope2_bps: Rate = 7_500
    kink_bps: Annotated[Bps, Field(gt=0, lt=10_000)] = 8_000
    #: The fund's part of the interest.
    reserve_factor_bps: Annotated[Bps, Field(le=5_000)] = 1_000
    #: Most that lenders may bring.
    supply_cap: Annotated[Amount, Field(gt=0)]
    #: Least debt of a loan; None is 10 whole tokens.
    min_debt: Annotated[Amount, Field(gt=0)] | None = None
    #: The price of the pool's asset; None where the collaterals' feeds quote in it.
    debt_feed: FeedConfig | None = None
    collaterals: list[CollateralConfig] = []

    @model_validator(mode="after")
    def _consistent(self) -> PoolConfig:
        if self.base_bps + self.slope1_bps + self.slope2_bps > 30_000:
            raise ValueError("base, slope1 and slope2 together are above 30,000 bps a year")
        for one in self.collaterals:
            if not 0 < one.factor_bps < one.threshold_bps:
                raise ValueError(f"{one.name}: factor_bps must be above 0 and below threshold_bps")
            if one.threshold_bps * (10_000 + one.premium_bps) >= 10_000**2:
                raise ValueError(f"{one.name}: threshold and premium together leave nothing to liquidate with")
        return self

    def rates(self) -> tuple[int, ...]:
        """The registry's ``Rates``."""
        return (self.base_bps, self.slope1_bps, self.slope2_bps, self.kink_bps, self.reserve_factor_bps)


class CollateralRecord(BaseModel):
    """Where a collateral's token and feed are."""

    collateral_id: int
    name: str
    token: str
    feed: str
    aggregator: str
    #: Whether anyone sets the aggregator's answers, and whether anyone mints the token.
    mock: bool
    faucet: bool


#: The pool of local chains, insured by the fund: ether and a bitcoin of 8 decimals as collateral.
LOCAL_POOL = PoolConfig(
    supply_cap=10_000_000 * 10**6,
    collaterals=[
        CollateralConfig(
            name="ETH",
            token=FaucetConfig(name="Kana Ether", symbol="KETH", decimals=18),
            price=2_000 * WAD,
            collateral_cap=100_000 * 10**18,
            borrow_cap=5_000_000 * 10**6,
        ),
        CollateralConfig(
            name="BTC",
            token=FaucetConfig(name="Kana Bitcoin", symbol="KBTC", decimals=8),
            price=60_000 * WAD,
            collateral_cap=1_000 * 10**8,
            borrow_cap=5_000_000 * 10**6,
        ),
    ],
)


def deploy_pool(
    pool: PoolConfig, guardian: str, site: Any, parts: dict[str, Any], serve: Callable[..., None]
) -> list[CollateralRecord]:
    """Deploy a pool and its registry, have the fund register it, list its collaterals, end the deployer's power.

    Args:
        pool: What to deploy.
        guardian: Who may pause borrowing.
        site: Where, and by whom.
        parts: The contracts of the fund; ``pool`` and ``lending`` come to them.
        serve: Registers a market at a fund and assigns it.

    Returns:
        Where the collaterals are.
    """
    deployer, asset, fund = site.deployer, parts["asset"], parts["fund"]
    least = 10 * 10 ** int(asset.decimals()) if pool.min_debt is None else pool.min_debt
    debt_feed = ZERO if pool.debt_feed is None else address_of(make_feed(pool.debt_feed, "debt", "debt", site)[0])
    registry = site.make(
        "lending",
        "LendingRegistry",
        address_of(asset),
        site.governance,
        guardian,
        site.me,
        address_of(site.factory),
        debt_feed,
        pool.rates(),
        pool.supply_cap,
        least,
    )
    lending_pool = site.make("pool", "LendingPool", address_of(registry), pool.name, pool.symbol)
    site.progress("connecting the pool")
    registry.connect_pool(address_of(lending_pool), sender=deployer)
    serve(site, fund, address_of(lending_pool), POOL_MARKET, False, 0)
    registry.set_fund(address_of(fund), sender=deployer)
    records = []
    for number, collateral in enumerate(pool.collaterals):
        records.append(_list(registry, number, collateral, site))
    registry.finish_setup(sender=deployer)
    parts |= {"lending": registry, "pool": lending_pool}
    return records


def make_feed(feed: FeedConfig, part: str, name: str, site: Any) -> tuple[Any, Any]:
    """Deploy a price feed, and what it reads where that is a mock.

    Args:
        feed: Its terms.
        part: What the record calls it.
        name: What a mock calls itself.
        site: Where, and by whom.
    """
    if feed.aggregator is None:
        answer = feed.price // 10 ** (18 - feed.feed_decimals)
        source = site.make(f"aggregator_{part}", "MockAggregator", feed.feed_decimals, name, answer)
    else:
        source = site.backend.at("MockAggregator", feed.aggregator)
    terms = (feed.max_age, feed.sequencer, feed.sequencer_grace)
    return site.make(f"feed_{part}", "PriceFeed", address_of(source), *terms), source


def _list(registry: Any, number: int, collateral: CollateralConfig, site: Any) -> CollateralRecord:
    """List a collateral."""
    token = collateral.address
    if isinstance(collateral.token, FaucetConfig):
        new = collateral.token
        token = address_of(site.make(f"collateral_{number}", "FaucetToken", new.name, new.symbol, new.decimals))
    feed, source = make_feed(collateral, f"collateral_{number}", f"{collateral.name} / USD", site)
    site.progress(f"listing {collateral.name}")
    registry.list_collateral(collateral_terms(collateral, str(token), address_of(feed)), sender=site.deployer)
    return CollateralRecord(
        collateral_id=number,
        name=collateral.name,
        token=str(token),
        feed=address_of(feed),
        aggregator=address_of(source),
        mock=collateral.aggregator is None,
        faucet=collateral.address is None,
    )


def collateral_terms(collateral: CollateralConfig, token: str, feed: str) -> tuple[Any, ...]:
    """The registry's ``Collateral``."""
    return (
        token,
        feed,
        collateral.factor_bps,
        collateral.threshold_bps,
        collateral.close_factor_bps,
        collateral.premium_bps,
        collateral.premium_fund_bps,
        collateral.collateral_cap,
        collateral.borrow_cap,
    )


def check_pool(
    system: Any, roles: dict[str, bytes], demand: Callable[[bool, str], None], same: Callable[[Any, Any], bool]
) -> None:
    """Read from the chain that a system's pool is wired as recorded and that the deployer has no power over it."""
    registry, pool, deployer = system.lending, system.pool, system.record.deployer
    for role in ("DEFAULT_ADMIN_ROLE", "DEPLOYER"):
        demand(not registry.hasRole(roles[role], deployer), f"the deployer still holds {role} of the lending registry")
    demand(same(registry.governance(), system.timelock), "the lending registry isn't governed by the timelock")
    demand(registry.hasRole(roles["GUARDIAN"], system.config.guardian), "the guardian can't pause borrowing")
    demand(bool(registry.setup_finished()), "the setup of the lending registry isn't finished")
    demand(same(registry.pool(), pool), "the lending registry knows another pool")
    demand(same(pool.registry(), registry), "the pool knows another registry")
    demand(same(pool.asset(), system.asset), "the pool lends another asset")
    demand(same(registry.fund(), system.fund), "the pool has another fund")
    demand(same(system.factory.fund_of(address_of(pool), POOL_MARKET), system.fund), "the pool is assigned elsewhere")
    market = system.fund.market(address_of(pool), POOL_MARKET)
    demand(bool(market.registered) and not market.is_perp, "the fund doesn't know the pool")
    for record, wanted in zip(system.record.collaterals, system.config.pool.collaterals, strict=True):
        found = registry.collateral(record.collateral_id)
        demand(
            tuple(found)[2:] == collateral_terms(wanted, record.token, record.feed)[2:]
            and same(found.asset, record.token)
            and same(found.feed, record.feed),
            f"{record.name} has other terms",
        )
