"""Runs a replay from beginning to end: a node of its own, the model ahead, the contracts beside it, the comparison."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from eth_utils import keccak

from kana_insurance.anvil import Anvil
from kana_insurance.backends.artifacts import prepare
from kana_insurance.deployment import CONTRACT_NAMES, DAY
from kana_insurance.reader import accounts_seen, fund_state, layers_state, registry_state, venue_state
from kana_insurance.replay.book import account_of
from kana_insurance.replay.chain import ANVIL, Chain, launch
from kana_insurance.replay.checks import Check, model_checks, same_state
from kana_insurance.replay.engine import Accounts, Replay, Settings, make_world
from kana_insurance.replay.outcome import Outcome
from kana_insurance.replay.prices import History
from kana_insurance.replay.world import Addresses

#: Stakers behind the reserve.
STAKERS = 12

#: Told of each stage: what is being done, bars done, bars in all.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Cast:
    """Everybody beside the traders, by private key; the same in every replay."""

    @staticmethod
    def key(name: str) -> bytes:
        """The private key of an actor."""
        return keccak(text=f"kana replay, {name}")

    @classmethod
    def accounts(cls) -> Accounts:
        """Who sends transactions."""
        return Accounts(
            cls.key("relayer"),
            cls.key("keeper"),
            cls.key("thief, long"),
            cls.key("thief, short"),
            {
                "stakers": [cls.key(f"staker {number + 1}") for number in range(STAKERS)],
                "reinsurance": [cls.key("reinsurer")],
            },
        )

    @classmethod
    def roles(cls) -> list[str]:
        """Addresses of treasurer, guardian, proposer, fee recipient and treasury."""
        names = ("treasurer", "guardian", "proposer", "fee recipient", "treasury")
        return [account_of(cls.key(name)) for name in names]


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def run_model(history: History, settings: Settings, progress: Progress = _silent) -> Outcome:
    """A replay in the model alone: seconds, no node."""
    begun = time.monotonic()
    replay = Replay(history, settings, Cast.accounts(), make_world(history, settings, Addresses()))
    replay.begin()
    for done, _ in enumerate(replay.bars(), 1):
        replay.world.take_calls()
        progress("replaying", done, len(history.bars))
    replay.afterwards()
    outcome = Outcome(replay, model_checks(replay), time.monotonic() - begun, 0, 0)
    outcome.tokens = _tokens(replay.world.token.balances, replay)
    return outcome


def run(history: History, settings: Settings, progress: Progress = _silent) -> Outcome:
    """A replay on the real contracts and in the model, compared at the end.

    Raises:
        AnvilError: if there is no Anvil, or it doesn't start.
        ContractMissing: if a contract doesn't compile.
        ChainError: if the chain refuses what the model did.
        NodeError: if the node stops answering.
    """
    total = len(history.bars)
    progress("compiling", 0, total)
    prepare([*CONTRACT_NAMES.values(), "PriceFeed", "MockAggregator"])
    progress("deploying", 0, total)
    with Anvil(timestamp=history.start - DAY, arguments=ANVIL) as node:
        begun = time.monotonic()
        chain = launch(node.url, history, settings, Cast.accounts(), Cast.roles())
        try:
            outcome = _beside(chain, history, settings, progress)
        finally:
            chain.close()
        outcome.seconds = time.monotonic() - begun
    return outcome


def _beside(chain: Chain, history: History, settings: Settings, progress: Progress) -> Outcome:
    """The replay on a deployed system."""
    total = len(history.bars)
    replay = Replay(history, settings, Cast.accounts(), make_world(history, settings, chain.addresses))
    replay.begin()
    chain.mine(replay.world.take_calls(), history.start)
    for done, block_time in enumerate(replay.bars(), 1):
        chain.mine(replay.world.take_calls(), block_time)
        progress("replaying", done, total)
    if (afterwards := replay.afterwards()) is not None:
        chain.mine(replay.world.take_calls(), afterwards)
    progress("waiting for the chain", total, total)
    chain.finish()
    progress("comparing chain and model", total, total)
    outcome = Outcome(replay, model_checks(replay), 0.0, chain.transactions, chain.gas)
    # Streams and exits go by the time: that of the last block, as in the model.
    with chain.backend.as_of(chain.backend.block_number()):
        outcome.checks += chain_checks(chain, replay)
        outcome.tokens = _tokens(_balances(chain, replay), replay)
        outcome.checks.append(_conserved(chain, outcome))
    return outcome


def chain_checks(chain: Chain, replay: Replay) -> list[Check]:
    """Whether every figure that the contracts hold is the model's; accounts are found by the chain's own events."""
    world, system = replay.world, chain.system
    accounts = accounts_seen(system)
    return [
        same_state(
            "The fund's state on the chain is the model's, to the unit",
            world.fund.state(),
            fund_state(system, accounts),
        ),
        same_state(
            "The house's state on the chain is the model's, to the unit",
            world.venue.state(),
            venue_state(system, accounts),
        ),
        same_state("The registry's state on the chain is the model's", world.registry.state(), registry_state(system)),
        *(
            same_state(f"{layer.name}: the state on the chain is the model's, to the unit", layer.state(), found)
            for layer, found in zip(world.layers, layers_state(system, accounts).values(), strict=True)
        ),
    ]


def _holders(replay: Replay) -> dict[str, str]:
    """Whoever may hold tokens, by address."""
    world, roles = replay.world, Cast.roles()
    return {
        world.fund.address: "the fund's reserve",
        world.venue.address: "the house, for its traders",
        world.addresses.treasury: "the treasury",
        replay.thief.long: "the thief",
        replay.thief.short: "the thief",
        replay.relayer: "the relayer",
        replay.keeper.account: "the keeper's wallet",
        **{layer.backstop.address: f"the vault of the {layer.name}" for layer in world.layers},
        **{staker.account: "stakers' wallets" for staker in replay.crowd.stakers},
        **{role: "roles" for role in roles if role != world.addresses.treasury},
    }


def _tokens(balances: dict[str, int], replay: Replay) -> dict[str, int]:
    """Tokens by kind of holder; who holds nothing is left out."""
    sums: dict[str, int] = {}
    for account, name in _holders(replay).items():
        sums[name] = sums.get(name, 0) + balances.get(account, 0)
    return {name: amount for name, amount in sums.items() if amount}


def _balances(chain: Chain, replay: Replay) -> dict[str, int]:
    """Token balances on the chain."""
    accounts = list(_holders(replay))
    asset = chain.system.asset
    return dict(zip(accounts, chain.backend.read_many([(asset.balanceOf, (a,)) for a in accounts]), strict=True))


def _conserved(chain: Chain, outcome: Outcome) -> Check:
    """Whether every token that was ever minted is where it is said to be."""
    supply, found = int(chain.system.asset.totalSupply()), sum(outcome.tokens.values())
    detail = "" if supply == found else f"{supply} minted, {found} found"
    return Check("Every token minted is accounted for, to the unit", supply == found, detail)
