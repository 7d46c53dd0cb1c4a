"""What a deployment is made of: asset, roles, layers, markets. As JSON its amounts are decimal strings."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    ModelWrapValidatorHandler,
    Tag,
    ValidationInfo,
    model_validator,
)

from kana_insurance.amounts import WAD
from kana_insurance.measures import DAY as DAY
from kana_insurance.measures import duration_text
from kana_insurance.pools import FeedConfig, PoolConfig
from kana_insurance.values import (
    DAYS,
    FAUCET_TOKEN,
    TOKENS,
    Address,
    Amount,
    Bps,
    FaucetConfig,
    Seconds,
    Size,
    Spoken,
    TokenConfig,
    address,
    kind_of_token,
)

#: Most that a backstop holds, base units (M16).
MAX_STAKE = 2**96 - 1


def _asset(value: str) -> str:
    return value if value == FAUCET_TOKEN else address(value)


class MarketConfig(FeedConfig):
    """One market: what it is, its price feed, its parameters. Sizes and prices have 18 decimals."""

    name: str = Field(min_length=1, max_length=128)
    #: What the market may cost the fund for life, base units (M31).
    max_insurance: Amount = 0
    initial_margin_bps: Bps = 1_000
    maintenance_margin_bps: Bps = 500
    fill_band_bps: Bps = 300
    taker_fee_bps: Bps = 5
    maker_fee_bps: Bps = 2
    fund_fee_bps: Bps = 5_000
    grace: Seconds = 600
    #: Base units; None is 10 whole tokens.
    min_notional: Amount | None = None
    open_interest_cap: Size
    position_cap: Size
    #: Whether the market has a fund of its own (M17), and that one's threshold, base units; None: the shared fund's.
    isolated: bool = False
    threshold: Annotated[Amount, Field(gt=0)] | None = None


class Registration(BaseModel):
    """A market of a venue of one's own, registered at the fund during setup, where it needs no notice yet (M9)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    venue: Address
    market_id: Annotated[int, Field(ge=0)]
    #: False: a lending pool, without a maximum (M15).
    is_perp: bool = True
    #: Base units.
    max_insurance: Amount = 0


class StakersConfig(BaseModel):
    """A layer of stakers behind the reserve: a backstop and the underwriter that the fund registers (M19 to M23)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: The share token's name and symbol.
    name: Annotated[str, Field(min_length=1, max_length=25)] = "Kana Backstop"
    symbol: Annotated[str, Field(min_length=1, max_length=5)] = "KBACK"
    cooldown_days: Annotated[int, Field(ge=7, le=30), DAYS.validator(), DAYS] = 14
    #: Seconds over which a payment of revenue is spread.
    stream_length: Annotated[Seconds, Field(ge=DAY, le=30 * DAY)] = 7 * DAY
    #: Stake below which nothing streams, base units; None is 1,000 whole tokens.
    min_staked: Annotated[int, Field(ge=0, le=MAX_STAKE), TOKENS.validator(), TOKENS] | None = None
    #: What the fund may draw here for life, base units; within it, a window (cap 0: off) and its seconds.
    limit: Amount
    window_cap: Amount = 0
    window: Annotated[Seconds, Field(ge=3_600, le=30 * DAY)] = DAY
    #: Share of the fund's revenue that the layer takes before all others.
    premium_bps: Annotated[Bps, Field(le=3_000)] = 0


#: The staked layer of local chains: it stands for as much as the fund's threshold there.
LOCAL_STAKERS = StakersConfig(limit=1_000_000 * 10**6)


Asset = Annotated[
    Annotated[str, AfterValidator(_asset), Tag("name")]
    | Annotated[TokenConfig, Tag("token")]
    | Annotated[FaucetConfig, Tag("new")],
    Discriminator(kind_of_token),
]


class FundConfig(BaseModel):
    """A fund of one asset, its layers, and the venue settled in that asset. Amounts are base units of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: An existing token, or on local chains and testnets alone a new faucet token, "KanaUSDT" or one of one's own.
    asset: Asset = FAUCET_TOKEN
    threshold: Annotated[Amount, Field(gt=0)]
    liquidator_bps: Annotated[Bps, Field(le=5_000)] = 3_000
    fund_bps: Annotated[Bps, Field(le=3_000)] = 2_000
    window_cap: Amount = 0
    window: Annotated[Seconds, Field(ge=3_600, le=30 * DAY)] = DAY
    #: The staked layer, drawn on after the reserve, and the reinsurance after it (M10); None: without.
    stakers: StakersConfig | None = None
    reinsurance: StakersConfig | None = None
    #: The stakers' share of what revenue the bad debt and the premiums leave (M24).
    staker_bps: Bps = 5_000
    #: False deploys the fund alone, for venues of one's own.
    venue: bool = True
    #: The markets of the venue deployed here, by id.
    markets: list[MarketConfig] = []
    #: Markets of other venues.
    registrations: list[Registration] = []
    #: A lending pool of the asset that the fund insures; None: without.
    pool: PoolConfig | None = None

    @model_validator(mode="after")
    def _with_venue(self) -> FundConfig:
        if self.markets and not self.venue:
            raise ValueError("markets need the venue")
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _in_tokens(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if isinstance(info.context, Spoken) and isinstance(data, dict):
            with info.context.asset(data.get("asset")):
                return handler(data)
        return handler(data)

    @property
    def token(self) -> str | None:
        """The existing token's address; None if a new one is made."""
        if isinstance(self.asset, TokenConfig):
            return self.asset.address
        return None if self.has_faucet else str(self.asset)

    @property
    def has_faucet(self) -> bool:
        """Whether anyone mints the asset."""
        return self.asset == FAUCET_TOKEN or isinstance(self.asset, FaucetConfig)


class DeploymentConfig(FundConfig):
    """All that a deployment is made of: the roles, a first fund with its venue, and further ones of other assets."""

    proposers: Annotated[list[Address], Field(min_length=1)]
    executors: Annotated[list[Address], Field(min_length=1)]
    treasurer: Address
    guardian: Address
    treasury: Address
    fee_recipient: Address
    timelock_floor: Annotated[Seconds, Field(ge=2 * DAY, le=30 * DAY)] = 2 * DAY
    timelock_delay: Annotated[Seconds, Field(ge=2 * DAY, le=30 * DAY)] = 2 * DAY
    #: Funds of other assets, each with a venue of its own, with the same timelock, factory and roles (M16).
    others: list[FundConfig] = []

    @model_validator(mode="after")
    def _consistent(self) -> DeploymentConfig:
        if self.timelock_delay < self.timelock_floor:
            delay, floor = duration_text(self.timelock_delay), duration_text(self.timelock_floor)
            raise ValueError(f"timelock_delay is below timelock_floor: {delay}, must be at least {floor}")
        return self

    def of(self, other: FundConfig) -> DeploymentConfig:
        """The configuration of one of ``others`` as of a deployment of its own with the same roles."""
        own = {name: getattr(other, name) for name in FundConfig.model_fields}
        return self.model_copy(update={**own, "others": []})

    def holders(self) -> dict[str, list[str]]:
        """The accounts by role."""
        single = ("treasurer", "guardian", "treasury", "fee_recipient")
        return {
            "proposers": self.proposers,
            "executors": self.executors,
            **{name: [getattr(self, name)] for name in single},
        }


def local_config(accounts: list[str], **overrides: Any) -> DeploymentConfig:
    """The configuration of local chains, from at least five addresses that aren't the deployer's.

    In order: treasurer, guardian, proposer (who executes too), fee recipient, treasury. Threshold 1,000,000 U and two
    markets of 50,000 U insurance each, marked 100 U and 2,000 U.
    """
    unit = 10**6
    treasurer, guardian, proposer, fee_recipient, treasury = accounts[:5]
    caps = {"open_interest_cap": 1_000_000 * WAD, "position_cap": 500_000 * WAD, "max_insurance": 50_000 * unit}
    values: dict[str, Any] = {
        "proposers": [proposer],
        "executors": [proposer],
        "treasurer": treasurer,
        "guardian": guardian,
        "treasury": treasury,
        "fee_recipient": fee_recipient,
        "threshold": 1_000_000 * unit,
        "markets": [
            MarketConfig(name="COIN / USD", price=100 * WAD, **caps),
            MarketConfig(name="ETH / USD", price=2_000 * WAD, **caps),
        ],
    }
    if overrides.get("venue") is False:
        values["markets"] = []
    return DeploymentConfig(**{**values, **overrides})
