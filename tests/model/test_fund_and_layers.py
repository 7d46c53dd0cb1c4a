"""The fund and two real backstops behind it, in titanoboa, beside the model: M9 to M13, M24, M37, I7.

Every step goes to both and must do the same to the unit; the model's own figures are worked out in test_fund_layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boa
import pytest
from boa.environment import Env

from kana_insurance.backends import decode_reason
from kana_insurance.model import DAY, Clock, FundModel, Refused, TokenLedger
from kana_insurance.model.backstop import BackstopModel
from kana_insurance.model.underwriter import UnderwriterModel
from tests.model.worlds import U

ZERO = "0x" + "00" * 20
START = 1_800_000_000
THRESHOLD = 1_000 * U
LIMIT = 10_000 * U
PLENTY = 10**6 * U
CODE = {
    name: boa.load_partial(f"contracts/{name}.vy")
    for name in (
        "testing/KanaUSDT",
        "testing/BenchVenue",
        "Timelock",
        "NoticeBoard",
        "InsuranceFund",
        "Underwriter",
        "Backstop",
    )
}
PLACES = ("staked", "reinsurance")


class Twins:
    """A fund with a venue and two layers that can pay 200 U and 300 U, on chain and as models."""

    def __init__(self, premiums: tuple[int, int] = (0, 0), reserve: int = 100 * U, staker_bps: int = 5_000) -> None:
        boa.env.evm.patch.timestamp = START
        names = ("treasurer", "guardian", "deployer", "treasury", "contributor", "staker", "outsider")
        self.at = {name: boa.env.generate_address(name) for name in names}
        deployer = self.at["deployer"]
        self.token = CODE["testing/KanaUSDT"].deploy()
        self.timelock = CODE["Timelock"].deploy(2 * DAY, 2 * DAY, [deployer], [deployer])
        self.at["governance"] = self.timelock.address
        self.board = CODE["NoticeBoard"].deploy()
        roles = [self.board.address, ZERO, self.timelock.address, *(self.at[name] for name in names[:4])]
        self.fund = CODE["InsuranceFund"].deploy(self.token.address, *roles, THRESHOLD, 3_000, 2_000)
        self.venue = CODE["testing/BenchVenue"].deploy(self.token.address, self.fund.address)
        self.at |= {"venue": self.venue.address, "fund": self.fund.address}
        self.clock = Clock(START)
        self.logs: list[Any] = []
        self.tokens = TokenLedger()
        self.model = FundModel("fund", self.tokens, self.clock, treasury="treasury", threshold=THRESHOLD)
        self.layers: list[tuple[Any, Any, UnderwriterModel]] = []
        for name, premium, stake, cooldown in zip(PLACES, premiums, (201 * U, 301 * U), (14, 30), strict=True):
            self._add(name, premium, stake, cooldown)
        self.do("deployer", "register_market", "venue", 0, True)
        self.do("deployer", "set_max_insurance", "venue", 0, LIMIT)
        self.do("deployer", "set_layers", 0, 1, staker_bps)
        self.do("deployer", "finish_setup")
        self.mint("venue", PLENTY)
        if reserve:
            self.mint("contributor", reserve)
            self.token.approve(self.fund.address, reserve, sender=self.at["contributor"])
            self.do("contributor", "contribute", reserve)

    def _add(self, name: str, premium: int, stake: int, cooldown: int) -> None:
        deployer = self.at["deployer"]
        arguments = (self.token.address, self.timelock.address, deployer)
        underwriter = CODE["Underwriter"].deploy(*arguments)
        vault = CODE["Backstop"].deploy(self.token.address, name, "KANA", underwriter.address, cooldown, 7 * DAY, 0)
        underwriter.connect_backstop(vault.address, sender=deployer)
        underwriter.set_fund(self.fund.address, PLENTY, 0, DAY, premium, sender=deployer)
        underwriter.finish_setup(sender=deployer)
        stakers = BackstopModel(name, self.tokens, self.clock, cooldown_days=cooldown)
        model = UnderwriterModel(f"{name} underwriter", stakers, self.clock)
        model.set_fund("deployer", "fund", PLENTY, 0, DAY, premium)
        model.finish_setup("deployer")
        self.at[name] = vault.address
        self.mint("staker", stake)
        self.token.approve(vault.address, stake, sender=self.at["staker"])
        vault.deposit(stake, self.at["staker"], sender=self.at["staker"])
        stakers.deposit("staker", stake, "staker")
        self.layers.append((underwriter, vault, model))

    def mint(self, name: str, amount: int) -> None:
        """Tokens for somebody, on both sides."""
        self.token.faucet_to(self.at[name], amount)
        self.tokens.mint(name, amount)

    def pass_time(self, seconds: int) -> None:
        """Let time pass on both sides."""
        self.clock.advance(seconds)
        boa.env.evm.patch.timestamp = self.clock.now

    def _named(self, function: str, arguments: tuple[Any, ...], on_chain: bool) -> tuple[Any, ...]:
        if function == "set_layers":
            if on_chain:
                found = [ZERO if at is None else self.layers[at][0].address for at in arguments[:2]]
            else:
                found = [None if at is None else self.layers[at][2] for at in arguments[:2]]
            return (*found, arguments[2])
        return tuple(self.at.get(value, value) if on_chain and isinstance(value, str) else value for value in arguments)

    def call(self, function: str, *arguments: Any) -> bytes:
        """Calldata of a call to the fund."""
        return bytes(getattr(self.fund, function).prepare_calldata(*self._named(function, arguments, True)))

    def do(self, caller: str, function: str, *arguments: Any) -> Any:
        """A call on both sides: both go through with the same result, or both are refused for the same reason."""
        reason = None
        expected: Any = None
        contract, model = (self.board, self.model.notices) if function == "announce" else (self.fund, self.model)
        if function == "announce":
            chain: tuple[Any, ...] = (self.fund.address, self.call(*arguments))
            call = (arguments[0], *self._named(arguments[0], arguments[1:], False))
            wanted: tuple[Any, ...] = (self.model, call)
        else:
            chain, wanted = self._named(function, arguments, True), self._named(function, arguments, False)
        try:
            expected = getattr(model, function)(caller, *wanted)
        except Refused as refusal:
            reason = refusal.reason
        method = getattr(contract, function)
        computation = boa.env.execute_code(
            to_address=contract.address,
            sender=self.at[caller],
            data=method.prepare_calldata(*chain),
            is_modifying=True,
            contract=contract,
        )
        found = decode_reason(bytes(computation.output)) if computation.is_error else None
        assert found == reason
        self.logs = self.fund.get_logs(computation, strict=False)
        if reason is None and expected is not None:
            answer = self.fund.marshal_to_python(computation, method.func_t.return_type)
            assert tuple(answer) == tuple(expected) if isinstance(expected, tuple) else answer == expected
        self.check()
        return reason or expected

    def check(self) -> None:
        """Everything that both sides keep is the same."""
        fund, model = self.fund, self.model
        word = fund.market(self.venue.address, 0)
        kept = model.markets.get(("venue", 0))
        assert fund.reserve() == model.reserve
        assert fund.coverage(self.venue.address, 0) == model.coverage("venue", 0)
        assert fund.payouts_resume_at() == model.payouts_resume_at
        if kept is not None:
            assert (word.max_insurance, word.used, word.bad_debt) == kept[1:]
        window = fund.window()
        assert (window.cap, window.spent, window.last) == (model.window_cap, model.window_spent, model.window_last)
        found = fund.layers()
        assert (found.staked_suspended_until, found.reinsurance_suspended_until) == model.layers.suspended_until
        assert found.staker_bps == model.layers.staker_bps
        for name in ("venue", "fund", "treasury", *PLACES):
            if (name in self.at and name != "fund") or self.tokens.balances[name]:
                assert self.token.balanceOf(self.at[name]) == self.tokens.balances[name], name
        for underwriter, vault, layer in self.layers:
            assert vault.totalAssets() == layer.backstop.staked()
            assert vault.stream().unvested == layer.backstop.unvested()
            assert underwriter.exit_clock() == layer.exit_clock()
            assert underwriter.held_until() == layer.held_until
            assert self.token.allowance(self.fund.address, underwriter.address) == 0

    def notice(self, function: str, *arguments: Any) -> tuple[int, int]:
        """How far a notice has come, the same on both sides."""
        found = tuple(self.board.notice(self.fund.address, self.call(function, *arguments)))
        assert found == self.model.notices.notice(self.model, (function, *self._named(function, arguments, False)))
        return found[0], found[1]


# A layer of which governance was wrong to think well: it fails, says more than it sends, or sends more than asked.
BAD_LAYER = """
from ethereum.ercs import IERC20

asset: public(immutable(address))
fails: public(bool)
sent: uint256
said: uint256

@deploy
def __init__(token: address):
    asset = token

@external
def behave(fails: bool, sent: uint256, said: uint256):
    self.fails = fails
    self.sent = sent
    self.said = said

@external
def absorb(amount: uint256) -> uint256:
    assert not self.fails, "layer: broken"
    extcall IERC20(asset).transfer(msg.sender, self.sent)
    return self.said

@external
def hold(resume_at: uint256):
    assert not self.fails, "layer: broken"

@view
@external
def revenue_terms(fund: address) -> (uint256, bool):
    assert not self.fails, "layer: broken"
    return 10_000, True

@external
def add_revenue(amount: uint256):
    assert extcall IERC20(asset).transferFrom(msg.sender, self, amount)

@view
@external
def capacity(fund: address) -> uint256:
    assert not self.fails, "layer: broken"
    return self.said

@view
@external
def exit_clock() -> uint256:
    assert not self.fails, "layer: broken"
    return block.timestamp

@view
@external
def longest_cooldown(since: uint256) -> uint256:
    return 0
"""


@pytest.fixture
def twins() -> Iterator[Twins]:
    """Two layers, no premiums, a reserve of 100 U."""
    with boa.swap_env(Env()):
        yield Twins()


def paid(twins: Twins) -> list[tuple[str, int]]:
    """What the layers paid in the last call to the fund, by its events."""
    names = {underwriter.address: model.address for underwriter, _, model in twins.layers}
    return [(names[log.layer], log.amount) for log in twins.logs if type(log).__name__ == "LayerPaid"]


# ------------------------------------------------------------------ waterfall (M10, M11, M13, I7)


@pytest.mark.parametrize("shortfall", [99 * U, 100 * U, 100 * U + 1, 300 * U, 300 * U + 1, 600 * U, 600 * U + 1])
def test_cover__reserve_then_layers__as_the_model(twins: Twins, shortfall: int) -> None:
    covered = twins.do("venue", "cover_shortfall", 0, shortfall)
    assert covered == min(shortfall, 600 * U)
    assert paid(twins) == [(event["layer"], event["amount"]) for event in twins.model.log.named("LayerPaid")]
    assert twins.do("venue", "cover_shortfall", 0, 10**15) == min(600 * U, LIMIT) - covered


def test_cover__limit_and_window__bound_reserve_and_layers(twins: Twins) -> None:
    twins.do("governance", "set_max_insurance", "venue", 0, 250 * U)
    twins.do("governance", "set_window", 150 * U, DAY)
    assert twins.do("venue", "cover_shortfall", 0, 600 * U) == 150 * U
    twins.pass_time(DAY // 2)
    assert twins.do("venue", "cover_shortfall", 0, 600 * U) == 75 * U
    twins.pass_time(DAY)
    assert twins.do("venue", "cover_shortfall", 0, 600 * U) == 25 * U


def test_cover__suspended_or_removed__is_passed_over(twins: Twins) -> None:
    twins.do("guardian", "suspend_layer", 0, DAY)
    assert twins.do("venue", "cover_shortfall", 0, 150 * U) == 150 * U
    assert paid(twins) == [("reinsurance underwriter", 50 * U)]
    twins.do("governance", "resume_layer", 0)
    assert twins.do("venue", "cover_shortfall", 0, 50 * U) == 50 * U
    twins.do("governance", "set_layers", None, 1, 5_000)
    assert twins.do("venue", "cover_shortfall", 0, 1_000 * U) == 250 * U


def test_settle_liquidation__layers__are_not_touched(twins: Twins) -> None:
    twins.do("venue", "settle_liquidation", 0, 10_000 * U)
    twins.do("venue", "settle_liquidation", 0, 10_000 * U)  # at the cap


# ------------------------------------------------------------------ revenue (M24)


@pytest.mark.parametrize("amount", [1, 101, 999_999, 250 * U, 5_000 * U])
@pytest.mark.parametrize("owed", [0, 50 * U])
def test_settle_fees__premiums_stream_reserve__as_the_model(amount: int, owed: int) -> None:
    with boa.swap_env(Env()):
        twins = Twins(premiums=(333, 1_777), reserve=990 * U, staker_bps=4_321)
        if owed:
            twins.do("venue", "record_bad_debt", 0, owed)
        twins.do("venue", "settle_fees", 0, amount)
        twins.do("guardian", "suspend_layer", 0, DAY)
        twins.do("venue", "settle_fees", 0, amount)
        twins.do("guardian", "suspend_layer", 1, DAY)
        twins.do("venue", "settle_fees", 0, amount)
        for _, _, layer in twins.layers:
            assert layer.backstop.unvested() > 0 or amount - owed <= 1
        assert twins.tokens.balances["fund"] == twins.model.reserve


# ------------------------------------------------------------------ notices (M9)


def test_notice__longest_cooldown_and_three_days__to_the_second(twins: Twins) -> None:
    twins.do("governance", "announce", "set_threshold", 1)
    assert twins.notice("set_threshold", 1) == (0, 33 * DAY)
    twins.pass_time(33 * DAY - 1)
    assert twins.do("governance", "set_threshold", 1) == "fund: notice not mature"
    twins.pass_time(1)
    twins.do("governance", "set_layers", 0, None, 5_000)
    assert twins.notice("set_threshold", 1) == (33 * DAY, 17 * DAY)
    assert twins.do("governance", "set_threshold", 1) == "fund: notice lapsed"
    twins.do("governance", "announce", "set_threshold", 1)
    assert twins.do("governance", "announce", "set_threshold", 1) == "notices: notice running"
    twins.pass_time(17 * DAY)
    assert twins.do("governance", "set_threshold", 1) is None


def test_notice__cooldown_raised_meanwhile__counts(twins: Twins) -> None:
    twins.do("governance", "set_layers", 0, None, 5_000)
    twins.do("governance", "announce", "set_threshold", 1)
    for days in (20, 7):
        twins.pass_time(60)
        twins.layers[0][0].set_cooldown(days, sender=twins.timelock.address)
        twins.layers[0][2].set_cooldown("governance", days)
    assert twins.notice("set_threshold", 1) == (120, 23 * DAY)


def test_notice__pause__stands_still_with_the_exits(twins: Twins) -> None:
    twins.do("governance", "announce", "set_threshold", 1)
    twins.pass_time(DAY)
    twins.do("guardian", "suspend_layer", 1, DAY)
    twins.do("guardian", "pause_payouts", 5 * DAY)
    twins.pass_time(3 * DAY)
    assert twins.notice("set_threshold", 1)[0] == DAY
    twins.do("guardian", "resume_payouts")
    twins.pass_time(2 * DAY)
    assert twins.notice("set_threshold", 1)[0] == 2 * DAY


def test_notice__exits_held_by_another_fund__stands_still(twins: Twins) -> None:
    twins.do("governance", "set_layers", 0, None, 5_000)
    underwriter, _, model = twins.layers[0]
    other = boa.loads(BAD_LAYER, twins.token.address)  # has an asset, as a fund has
    terms = (U, 0, DAY, 0)
    underwriter.announce(underwriter.set_fund.prepare_calldata(other.address, *terms), sender=twins.timelock.address)
    model.announce("governance", ("set_fund", "other", *terms))
    twins.pass_time(17 * DAY)
    underwriter.set_fund(other.address, *terms, sender=twins.timelock.address)
    model.set_fund("governance", "other", *terms)
    twins.do("governance", "announce", "set_threshold", 1)
    twins.pass_time(DAY)
    underwriter.hold(twins.clock.now + 2 * DAY, sender=other.address)
    model.hold("other", twins.clock.now + 2 * DAY)
    twins.pass_time(19 * DAY - 1)
    assert twins.notice("set_threshold", 1) == (17 * DAY - 1, 17 * DAY)
    assert twins.do("governance", "set_threshold", 1) == "fund: notice not mature"
    twins.pass_time(1)
    assert twins.do("governance", "set_threshold", 1) is None


def test_notice__new_layer__waits_for_its_cooldown_and_voids_the_others(twins: Twins) -> None:
    twins.do("governance", "set_layers", None, None, 5_000)
    assert twins.do("governance", "set_layers", None, 1, 5_000) == "fund: no notice"
    assert twins.do("governance", "set_layers", 1, 1, 5_000) == "fund: layer twice"
    assert twins.do("governance", "set_layers", None, None, 10_001) == "fund: staker bps out of bounds"
    twins.do("governance", "announce", "set_layers", None, 1, 5_000)
    twins.do("governance", "announce", "set_threshold", 1)
    assert twins.notice("set_layers", None, 1, 5_000) == (0, 33 * DAY)
    assert twins.notice("set_threshold", 1) == (0, 2 * DAY)
    twins.pass_time(7 * DAY)
    assert twins.do("governance", "set_layers", None, 1, 5_000) == "fund: notice not mature"
    twins.pass_time(26 * DAY)
    twins.do("governance", "announce", "set_threshold", 2)
    twins.do("guardian", "pause_payouts", 4 * DAY)
    twins.do("governance", "set_layers", None, 1, 5_000)
    assert twins.layers[1][2].held_until == twins.clock.now + 5 * DAY
    assert twins.do("governance", "set_threshold", 2) == "fund: no notice"


# ------------------------------------------------------------------ pauses (M37)


def test_pause__layers__are_held_unless_suspended(twins: Twins) -> None:
    twins.do("guardian", "suspend_layer", 1, 2 * DAY)
    twins.do("guardian", "pause_payouts", 5 * DAY)
    twins.pass_time(DAY)
    twins.do("guardian", "resume_layer", 1)
    assert {layer.held_until for *_, layer in twins.layers} == {START + 6 * DAY}
    twins.pass_time(DAY)
    twins.do("governance", "resume_payouts")
    assert {layer.held_until for *_, layer in twins.layers} == {START + 3 * DAY}


@pytest.mark.parametrize(
    ("caller", "function", "arguments", "reason"),
    [
        ("outsider", "suspend_layer", (0, DAY), "fund: not guardian"),
        ("governance", "suspend_layer", (0, DAY), "fund: not guardian"),
        ("outsider", "resume_layer", (0,), "fund: not guardian"),
        ("guardian", "suspend_layer", (2, DAY), "fund: no layer"),
        ("guardian", "resume_layer", (2,), "fund: no layer"),
        ("guardian", "suspend_layer", (0, 0), "fund: zero duration"),
        ("guardian", "suspend_layer", (0, 7 * DAY + 1), "fund: pause too long"),
        ("guardian", "set_layers", (ZERO, ZERO, 0), "fund: not governance"),
        ("governance", "set_layers", ("treasury", ZERO, 0), "fund: no layer of its asset"),
        ("governance", "set_layers", (ZERO, "other", 0), "fund: no layer of its asset"),
    ],
)
def test_refusals__verbatim(twins: Twins, caller: str, function: str, arguments: tuple[Any, ...], reason: str) -> None:
    if "other" in arguments:
        token = CODE["testing/KanaUSDT"].deploy()
        other = CODE["Underwriter"].deploy(token.address, twins.timelock.address, twins.at["deployer"])
        twins.at["other"] = other.address
    named = [twins.at.get(value, value) if isinstance(value, str) else value for value in arguments]
    with boa.reverts(reason):
        getattr(twins.fund, function)(*named, sender=twins.at[caller])
    twins.check()


# ------------------------------------------------------------------ a layer that misbehaves (M10)


@pytest.fixture
def bad(twins: Twins) -> Any:
    """A layer that isn't a backstop in place of the first, with 1,000 U."""
    layer = boa.loads(BAD_LAYER, twins.token.address)
    fund, governance = twins.fund, twins.timelock.address
    second = twins.layers[1][0].address
    call = fund.set_layers.prepare_calldata(layer.address, second, 5_000)
    twins.board.announce(fund.address, call, sender=governance)
    boa.env.evm.patch.timestamp += 33 * DAY
    fund.set_layers(layer.address, second, 5_000, sender=governance)
    twins.token.faucet_to(layer.address, 1_000 * U)
    return layer


def cover(twins: Twins, amount: int) -> int:
    return int(twins.fund.cover_shortfall(0, amount, sender=twins.venue.address))


def test_broken_layer__reverts_the_whole_until_it_is_suspended(twins: Twins, bad: Any) -> None:
    """A caller could starve it of gas otherwise; what needs no layer goes on."""
    bad.behave(True, 0, 0)
    fund, guardian = twins.fund, twins.at["guardian"]
    assert cover(twins, 40 * U) == 40 * U
    refused: list[Any] = [
        lambda: cover(twins, 200 * U),
        lambda: fund.settle_fees(0, U, sender=twins.venue.address),
        lambda: fund.pause_payouts(DAY, sender=guardian),
        lambda: twins.board.announce(
            fund.address, fund.set_threshold.prepare_calldata(1), sender=twins.timelock.address
        ),
    ]
    for call in refused:
        with boa.reverts("layer: broken"):
            call()
    fund.suspend_layer(0, 7 * DAY, sender=guardian)
    assert cover(twins, 200 * U) == 200 * U  # 60 of the reserve, 140 of the second layer
    fund.settle_fees(0, U, sender=twins.venue.address)
    fund.pause_payouts(DAY, sender=guardian)
    # Its removal asks it nothing.
    fund.set_layers("0x" + "00" * 20, twins.layers[1][0].address, 5_000, sender=twins.timelock.address)
    twins.board.announce(fund.address, fund.set_threshold.prepare_calldata(1), sender=twins.timelock.address)


@pytest.mark.parametrize(("sent", "said"), [(10 * U - 1, 10 * U), (0, 1), (150 * U, 150 * U), (10 * U, 101 * U)])
def test_layer__sends_less_than_it_says_or_says_too_much__is_refused(
    twins: Twins, bad: Any, sent: int, said: int
) -> None:
    bad.behave(False, sent, said)
    with boa.reverts("fund: received less"):
        cover(twins, 200 * U)
    assert twins.fund.reserve() == 100 * U


def test_layer__asks_too_high_a_premium__gets_the_most_there_is(twins: Twins, bad: Any) -> None:
    """3,000 bps of 100 U, then 5,000 of 70 as stream."""
    fund = twins.fund
    fund.settle_fees(0, 100 * U, sender=twins.venue.address)
    log = next(log for log in fund.get_logs(strict=False) if type(log).__name__ == "FeesSettled")
    assert (log.premiums, log.streamed, log.booked, log.forwarded) == (30 * U, 35 * U, 35 * U, 0)
    assert twins.token.balanceOf(bad.address) == 1_065 * U
