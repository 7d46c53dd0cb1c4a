"""Networks' files: the examples, what people may write, and what is said, with which line, about what they may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from kana_insurance.amounts import WAD
from kana_insurance.backends import ROOT
from kana_insurance.config import local_config
from kana_insurance.deployment import LOCAL_STAKERS
from kana_insurance.networks import read_plan
from kana_insurance.pools import LOCAL_POOL
from kana_insurance.system import DeploymentError
from kana_insurance.values import FaucetConfig, TokenConfig

DAY = 86_400
EXAMPLES = sorted((ROOT / "networks").glob("*.yaml"))
ROLLUP = (ROOT / "networks" / "arbitrum-one.yaml").read_text()
#: TEST::1 to TEST::5 of local chains.
LOCAL_ROLES = [
    "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
    "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
]
TWO = "0x2222222222222222222222222222222222222222"


def line_of(text: str, part: str) -> int:
    """The first line with a part, from 1."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_read_plan__example__parses(path: Path) -> None:
    plan = read_plan(path)
    assert (plan.network, plan.path) == (path.stem, path)
    assert plan.config.stakers is not None
    assert len(plan.config.markets) == 2


def test_read_plan__local_example__what_is_deployed_without_a_file() -> None:
    plan = read_plan(ROOT / "networks" / "local.yaml")
    assert plan.chain_id == 31337
    assert plan.config == local_config(LOCAL_ROLES, stakers=LOCAL_STAKERS, pool=LOCAL_POOL)


def test_read_plan__rollup__units_of_people_become_those_of_the_chain() -> None:
    plan = read_plan(ROOT / "networks" / "arbitrum-one.yaml")
    config, (eth, btc) = plan.config, plan.config.markets
    assert isinstance(config.asset, TokenConfig)
    assert (config.threshold, config.window_cap, config.window) == (10**12, 250_000 * 10**6, DAY)
    assert (config.liquidator_bps, config.fund_bps, config.timelock_delay) == (3_000, 2_000, 3 * DAY)
    assert config.stakers is not None
    assert (config.stakers.premium_bps, config.stakers.cooldown_days, config.stakers.limit) == (250, 14, 10**12)
    assert (eth.max_age, eth.taker_fee_bps, eth.grace, eth.min_notional) == (25 * 3_600, 5, 600, 10 * 10**6)
    assert (eth.open_interest_cap, btc.position_cap) == (2_500 * WAD, 8 * WAD)
    assert (eth.sequencer, btc.sequencer_grace) == ("0xFdB631F5EE196F0ed6FAa767959853A9F217697D", 3_600)


def test_read_plan__funds_of_two_assets__each_in_its_own_decimals(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    text = (ROOT / "networks" / "sepolia.yaml").read_text()
    text += (
        "others:\n  - asset: {name: Kana BTC, symbol: KBTC, decimals: 8}\n    threshold: 0.5\n    markets:\n"
        "      - {name: A / BTC, price: 0.25, open_interest_cap: 1, position_cap: 1, sequencer: '" + TWO + "'}\n"
    )
    path.write_text(text)
    config = read_plan(path).config
    assert (config.threshold, config.others[0].threshold) == (10**11, 5 * 10**7)
    assert isinstance(config.others[0].asset, FaucetConfig)
    assert (config.others[0].markets[0].sequencer, config.others[0].markets[0].price) == (TWO, WAD // 4)
    text = text.replace("threshold: 0.5", "threshold: 0.123456789")
    path.write_text(text)
    words = rf"two.yaml:{line_of(text, '0.1234')}: others\[0\].threshold: .* too many decimals: at most 8"
    with pytest.raises(DeploymentError, match=words):
        read_plan(path)


CASES = {
    "chain_id: 42161": ("chain_id: base", "chain_id: 'base' is no whole number"),
    "  decimals: 6": ("  decimals: 3", "asset.decimals: 3 is out of bounds: must be at least 6"),
    "treasurer: ": ("treasurrer: ", "treasurrer: there is no such field, did you mean treasurer?"),
    "timelock_delay: 3d": ("timelock_delay: 1d", "timelock_delay: 1d is out of bounds: must be at least 2 days"),
    "timelock_floor: 2d": ("timelock_floor: 4d", "timelock_delay is below timelock_floor: 3 days, must be at least 4"),
    "window: 1d": ("window: 86400", "window: '86400' is no duration: write 2d, 36h, 10m or 90s"),
    "threshold: 1_000_000": ("threshold: 1.0000001", "threshold: '1.0000001' has too many decimals: at most 6"),
    "liquidator_bps: 30%": ("liquidator_bps: 70%", "liquidator_bps: 70% is out of bounds: must be at most 50%"),
    "fund_bps: 20%": ("fund_bps:", "fund_bps: this is empty: write a value, or leave the field out"),
    "staker_bps: 50%": ("staker_bps: [1]", "staker_bps: write a single value"),
    "    max_age: 1d1h": ("    max_age: soon", "markets[0].max_age: 'soon' is no duration"),
    "    max_insurance: 50_000": ("    max_insurance: -1", "markets[0].max_insurance: '-1' is not an amount"),
    "evm: cancun": ("evm: london", "evm: 'london': input should be 'cancun'"),
    "network: arbitrum-one": ("network: Arbitrum One", "network: 'Arbitrum One': write small letters"),
    "cooldown_days: 14d": ("cooldown_days: 5", "stakers.cooldown_days: 5 is out of bounds: must be at least 7 days"),
    "guardian: ": ("guardian: 0x0000000000000000000000000000000000000000 #", "guardian can't be the zero address"),
    '  - "0x1111111111111111111111111111111111111111"': ("  - 0x12", "proposers[0]: '0x12' is no address"),
    "treasury: ": ("treasurer: ", "treasurer is there already, in line 24"),
    "sequencer_grace: 1h": ("sequencer_grace: {a: 1}", "sequencer_grace: write a single value"),
}


@pytest.mark.parametrize("old", CASES)
def test_read_plan__broken_line__named_with_what_is_wanted(tmp_path: Path, old: str) -> None:
    new, words = CASES[old]
    path = tmp_path / "x.yaml"
    broken = ROLLUP.replace(old, new, 1)
    path.write_text(broken)
    with pytest.raises(DeploymentError) as refused:
        read_plan(path)
    line = line_of(broken, "timelock_delay" if "timelock_floor" in old else new)
    if words.endswith("in line 24"):
        line = line_of(broken, "0x4444")
    assert any(told.startswith(f"{path}:{line}: ") and words in told for told in str(refused.value).splitlines()), (
        refused.value
    )


def test_read_plan__mistyped_address__checksum_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(ROLLUP.replace("EDb3A432268e5831", "EDb3A432268e5832"))
    with pytest.raises(DeploymentError, match=r"x.yaml:12: asset.address: .* has a wrong checksum"):
        read_plan(path)


def test_read_plan__several_faults__each_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(ROLLUP.replace("threshold: 1_000_000", "threshold: many").replace("    position_cap: 250\n", ""))
    with pytest.raises(DeploymentError) as refused:
        read_plan(path)
    first, second = str(refused.value).splitlines()
    assert first.startswith(f"{path}:{line_of(path.read_text(), 'many')}: threshold: 'many' is not an amount")
    assert second == f"{path}:{line_of(path.read_text(), 'name: ETH / USD')}: markets[0].position_cap: this is missing"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n- b\n", "this is no network file"),
        ("a: [1\nb: 2\n", "x.yaml:2: this is no YAML"),
        ("? [a]\n: b\n", "x.yaml:1: a field's name is missing"),
        ("", "this is no network file"),
        ("a: !!python/object:os.system x\n", "a: there is no such field"),
    ],
)
def test_read_plan__no_yaml__says_so(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(DeploymentError, match=words):
        read_plan(path)


def test_read_plan__asset_without_decimals__said_once(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(ROLLUP.replace("  decimals: 6\n", ""))
    with pytest.raises(DeploymentError) as refused:
        read_plan(path)
    assert str(refused.value) == f"{path}:11: asset.decimals: this is missing"


POOL = """
pool:
  supply_cap: 1_000_000
  slope2_bps: 90%
  collaterals:
    - name: WETH
      token: {address: "0x82aF49447D8a07e3bd95BD0d56f35241523fBab1", decimals: 18}
      aggregator: "0x639Fe6ab55C921f74e7fac1ee960C0B6293ba612"
      collateral_cap: 2_000
      borrow_cap: 2_000_000
"""


def test_read_plan__pool__collateral_in_its_own_decimals(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(ROLLUP + POOL)
    pool = read_plan(path).config.pool
    assert pool is not None
    (weth,) = pool.collaterals
    assert (pool.supply_cap, weth.collateral_cap, weth.borrow_cap) == (10**12, 2_000 * WAD, 2 * 10**12)
    assert (pool.slope2_bps, weth.address) == (9_000, "0x82aF49447D8a07e3bd95BD0d56f35241523fBab1")
    assert weth.sequencer == "0xFdB631F5EE196F0ed6FAa767959853A9F217697D"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("collateral_cap: 2_000", "collateral_cap: 90_000_000_000", "must be at most 79,228,162,514"),
        (", decimals: 18}", "}", "pool.collaterals[0].token.decimals: this is missing"),
        ("borrow_cap: 2_000_000", "borow_cap: 1", "there is no such field, did you mean borrow_cap?"),
        ("supply_cap: 1_000_000", "supply_cap: 0", "pool.supply_cap: 0 is out of bounds: must be more than 0"),
        ("slope2_bps: 90%", "slope2_bps: 299%", "above 30,000 bps a year"),
    ],
)
def test_read_plan__broken_pool__named_with_what_is_wanted(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(ROLLUP + POOL.replace(old, new))
    with pytest.raises(DeploymentError) as refused:
        read_plan(path)
    assert words in str(refused.value)
    assert all(line.startswith(f"{path}:") for line in str(refused.value).splitlines())


def test_plan_at__place__nearest_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(ROLLUP)
    plan = read_plan(path)
    assert plan.at("markets", 0, "sequencer") == f"{path}:{line_of(ROLLUP, 'name: ETH')}: markets[0].sequencer"
    assert plan.place_of("treasurer", TWO) == f"{path}:{line_of(ROLLUP, 'treasurer:')}: treasurer"
    assert plan.place_of("proposers", plan.config.proposers[0]).startswith(
        f"{path}:{line_of(ROLLUP, 'proposers') + 1}:"
    )
