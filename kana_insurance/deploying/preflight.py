"""What is asked of a chain before anything is sent to it: is it the one, and is there what the file says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kana_insurance.amounts import format_amount
from kana_insurance.backends import ZERO, Reverted
from kana_insurance.backends.rpc import NodeError, RpcBackend
from kana_insurance.config import FundConfig
from kana_insurance.measures import duration_text
from kana_insurance.networks import Place, Plan
from kana_insurance.pools import FeedConfig
from kana_insurance.system import LOCAL_CHAINS, SEQUENCED, TEST_CHAINS, DeploymentError
from kana_insurance.values import TokenConfig

#: Creation code that stores 42 transiently, loads it, copies it in memory and returns the copy: what Cancun brought.
_PROBE = bytes.fromhex("602a5f5d5f5c5f5260205f60205e60206020f3")
_ANSWER = 42
#: How much of the estimate the deployer must hold, percent: the fee may rise meanwhile.
BALANCE_PERCENT = 120


@dataclass
class _Checks:
    """The chain, and what was found wrong."""

    backend: RpcBackend
    plan: Plan
    wrong: list[str]

    def expect(self, holds: bool, place: Place, what: str) -> bool:
        if not holds:
            self.wrong.append(f"{self.plan.at(*place)}: {what}")
        return holds

    def has_code(self, address: str, place: Place, what: str) -> bool:
        return self.expect(self.backend.has_code(address), place, f"there is no {what} at {address} on this chain")


def check_chain(backend: RpcBackend, plan: Plan, deployer: str) -> None:
    """Compare the plan with the chain and with the deployer's account; sends nothing.

    Args:
        backend: Reaches the chain.
        plan: What is to be deployed.
        deployer: Who pays.

    Raises:
        DeploymentError: with a line for everything that isn't as it must be.
    """
    chain_id = backend.chain_id()
    if plan.chain_id is not None and plan.chain_id != chain_id:
        raise DeploymentError(
            f"{plan.at('chain_id')}: the file is for chain {plan.chain_id}, the node is chain {chain_id}: name the "
            "right --network or the right --config"
        )
    checks = _Checks(backend, plan, [])
    for role, holders in plan.config.holders().items():
        if deployer in holders:
            checks.wrong.append(
                f"{plan.place_of(role, deployer)}: the deployer {deployer} can't be among {role}: it keeps no role (M9)"
            )
    _check_evm(checks)
    for place, fund in _funds(plan):
        _check_token(checks, fund.asset, fund.token, (*place, "asset"))
        for number, market in enumerate(fund.markets):
            _check_feed(checks, market, market.name, (*place, "markets", number))
        _check_pool(checks, fund, (*place, "pool"))
        for number, entry in enumerate(fund.registrations):
            checks.has_code(entry.venue, (*place, "registrations", number, "venue"), "venue")
    if checks.wrong:
        raise DeploymentError("\n".join(dict.fromkeys(checks.wrong)))


def _funds(plan: Plan) -> Iterator[tuple[Place, FundConfig]]:
    yield (), plan.config
    for number, other in enumerate(plan.config.others):
        yield ("others", number), other


def _check_evm(checks: _Checks) -> None:
    """Have the node run code that needs transient storage; it is a call, nothing is created."""
    try:
        answer = checks.backend.rpc("eth_call", {"data": "0x" + _PROBE.hex()}, "latest")
        found = int(answer, 16) if len(answer) > 2 else None
    except NodeError as error:
        checks.expect(
            False, ("evm",), f"the chain doesn't run transient storage (EIP-1153), or its node refuses: {error}"
        )
        return
    checks.expect(found == _ANSWER, ("evm",), "the chain has no transient storage (EIP-1153)")


def _check_pool(checks: _Checks, fund: FundConfig, place: Place) -> None:
    if fund.pool is None:
        return
    if fund.pool.debt_feed is not None:
        _check_feed(checks, fund.pool.debt_feed, "the pool's asset", (*place, "debt_feed"))
    for number, one in enumerate(fund.pool.collaterals):
        here = (*place, "collaterals", number)
        _check_token(checks, one.token, one.address, (*here, "token"))
        _check_feed(checks, one, one.name, here)


def _check_token(checks: _Checks, written: Any, address: str | None, here: Place) -> None:
    chain_id = checks.backend.chain_id()
    if address is None:
        test = chain_id in LOCAL_CHAINS | TEST_CHAINS
        checks.expect(test, here, f"chain {chain_id} is no test network: name a real token, anyone mints this one")
        return
    if not checks.has_code(address, here, "token"):
        return
    token = checks.backend.at("KanaUSDT", address)
    try:
        decimals = int(token.decimals())
    except (Reverted, NodeError, ValueError):
        checks.expect(False, here, f"{address} has no decimals: it is no ERC-20 token")
        return
    checks.expect(6 <= decimals <= 18, here, f"{address} has {decimals} decimals, must have 6 to 18")
    if not isinstance(written, TokenConfig):
        return
    wanted = written
    checks.expect(
        decimals == wanted.decimals, (*here, "decimals"), f"the token has {decimals}, the file says {wanted.decimals}"
    )
    if wanted.symbol is not None:
        try:
            symbol = str(token.symbol())
        except (Reverted, NodeError, ValueError):
            symbol = ""
        checks.expect(
            symbol == wanted.symbol, (*here, "symbol"), f"the token is '{symbol}', the file says '{wanted.symbol}'"
        )


def _check_feed(checks: _Checks, feed: FeedConfig, name: str, place: Place) -> None:
    backend, chain_id = checks.backend, checks.backend.chain_id()
    if feed.sequencer != ZERO:
        at = (*place, "sequencer") if (*place, "sequencer") in checks.plan.lines else ("sequencer",)
        if checks.has_code(feed.sequencer, at, "sequencer feed") and (round_ := _round(checks, feed.sequencer, at)):
            _, answer, started, _, _ = round_
            checks.expect(answer == 0, at, "the sequencer is down, its feed says: wait until it is up")
            left = started + feed.sequencer_grace - backend.timestamp()
            words = f"the sequencer is up again, the grace runs for another {duration_text(max(left, 0))}"
            checks.expect(answer != 0 or left <= 0, at, words)
    elif chain_id in SEQUENCED:
        what = f"{name}: chain {chain_id} has a sequencer: name the feed that tells whether it is up"
        checks.expect(False, ("sequencer",), what)
    at = (*place, "aggregator")
    if feed.aggregator is None:
        test = chain_id in LOCAL_CHAINS | TEST_CHAINS
        checks.expect(
            test, at, f"chain {chain_id} is no test network: name a real aggregator, anyone sets a mock's price"
        )
        return
    if not checks.has_code(feed.aggregator, at, "aggregator"):
        return
    round_ = _round(checks, feed.aggregator, at)
    if round_ is None:
        return
    _, answer, _, updated, _ = round_
    checks.expect(answer > 0, at, f"the aggregator answers {answer}, no price")
    age = backend.timestamp() - updated
    checks.expect(
        age <= feed.max_age,
        (*place, "max_age"),
        f"the aggregator's answer is {duration_text(max(age, 0))} old, at most {duration_text(feed.max_age)} is good",
    )
    if feed.feed_description is not None:
        try:
            found = str(backend.at("MockAggregator", feed.aggregator).description())
        except (Reverted, NodeError, ValueError):
            found = ""
        wanted = feed.feed_description
        what = f"the aggregator calls itself '{found}', the file says '{wanted}'"
        checks.expect(found == wanted, (*place, "feed_description"), what)


def _round(checks: _Checks, address: str, place: Place) -> tuple[Any, ...] | None:
    """The latest round of an aggregator."""
    try:
        return tuple(int(value) for value in checks.backend.at("MockAggregator", address).latestRoundData())
    except (Reverted, NodeError, ValueError) as error:
        checks.expect(False, place, f"{address} gives no round, it is no aggregator: {error}")
        return None


def check_balance(backend: RpcBackend, deployer: str, cost: int, coin: str) -> None:
    """Refuse unless the deployer can pay, with something to spare.

    Args:
        backend: Reaches the chain.
        deployer: Who pays.
        cost: The estimate, wei.
        coin: The chain's coin.

    Raises:
        DeploymentError: if it can't.
    """
    held, needed = int(backend.rpc("eth_getBalance", deployer, "latest"), 16), cost * BALANCE_PERCENT // 100
    if held < needed:
        raise DeploymentError(
            f"the deployer {deployer} holds {coins(held)} {coin}, the deployment costs about {coins(cost)} {coin}: "
            f"have {coins(needed)} there, the fee may rise meanwhile"
        )


def coins(wei: int) -> str:
    """Wei as whole coins, to nine decimals, rounded up."""
    return format_amount(-(-wei // 10**9), 9, places=4)
