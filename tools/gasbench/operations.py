"""What each operation can't do without, what the rules add to it, and what it may cost.

The floors are the project's yardstick: the least that storage, calls, events and call data of the operation cost with
one packed word of global state and a minimal event, in whatever language. Each is itemised here. The extras are what
the rules of docs/mechanics.md ask beyond that, in counts of priced work. Floor and extras together must be exactly the
priced work that the trace shows, contract by contract; what no price names (arithmetic, memory, jumps) is never an
extra of the fund.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from tools.gasbench.costs import Part, Work, event, keys, read, times, update, work

#: A reset allowance gives back so much, at most a fifth of the transaction (EIP-3529).
REFUND = 19_900


@dataclass(frozen=True)
class Operation:
    """An operation, its floor and its target.

    Attributes:
        id: Short name, the key in docs/gas.json.
        title: What it is.
        target: Most that it may cost, gas; None: it is only watched.
        floor: The floor, gas, before a refund; None: there is none.
        parts: The floor, itemised, but for the call itself.
        extras: What rules add.
        own: Priced work of KanaUSDT beyond the least of a token; taken off before anything is compared.
        spare: Priced work that no rule asks for: in the trace, but not in the bound.
        refund: Refund that floor and operation earn alike.
        items: Entries of a batch; floor and figures are per entry, parts and extras of the whole.
        missed: Why the target can't be met, where it can't; a miss is then told but is no failure.
        note: How it is measured, where that isn't plain.
    """

    id: str
    title: str
    target: int | None = None
    floor: int | None = None
    parts: tuple[Part, ...] = ()
    extras: tuple[Part, ...] = ()
    refund: int = 0
    items: int = 1
    missed: str = ""
    note: str = ""
    own: tuple[Part, ...] = ()
    spare: tuple[Part, ...] = ()

    def expected(self, kinds: Collection[str]) -> dict[str, Work]:
        """Work of these kinds by contract."""
        result: dict[str, Work] = {}
        for part in (*self.parts, *self.extras, *self.own, *self.spare):
            done = result.setdefault(part.where, Counter())
            for kind, number in part.work.items():
                if kind in kinds:
                    done[kind] += number
        return result


_SET = work(cold_slot=1, slot_set=1)
_POT = Part("the word of reserve and contributions", "fund", update())
_FROM = Part("balance of the payer", "token", update(1))
_TO = Part("balance of the receiver", "token", update(1))
_TRANSFERRED = Part("Transfer", "token", event(2, 1))
_CALL_TOKEN = Part("call to the token", "fund", work(cold_account=1))
_ALLOWANCE = Part("allowance", "token", read(2))
_PULL = (_CALL_TOKEN, _ALLOWANCE, _FROM, _TO, _TRANSFERRED)
_PUSH = (_CALL_TOKEN, _FROM, _TO, _TRANSFERRED)

_LOCK = Part("reentrancy lock", "fund", work(transient=3), "M38")
_MEASURED = (
    Part("two calls that measure what arrived", "fund", work(warm_account=2, measuring_call=2), "M6"),
    Part("their difference is what was asked", "fund", work(sum=1, check=1), "M6"),
    Part("the balance read twice more", "token", work(warm_slot=2) + keys(2), "M6"),
)
_TOKEN_KEYS = Part("slot addresses computed again", "token", keys(2))
# Two shares; slice on reserve, threshold and bad debt, what is left to the trader, the reserve after it.
_SPLIT = work(share=2, sum=5, check=1)
_BOUNDS = Part(
    "is the market known, is the amount within its width, is it owed anything?", "fund", work(check=3), "M14"
)
_VENUE_CALLS = Part("call to the fund: a venue is a contract", "venue", work(cold_account=1), "M36")
_MARKET_READ = Part("the market's word: is the caller its venue?", "fund", read(2), "M36")
_TERMS = Part("the word of threshold, bad debt and shares", "fund", read(), "M1")


def _contribute(first: bool) -> Operation:
    own = _SET + keys(1) if first else update(1)
    return Operation(
        id="contribute_first" if first else "contribute_repeat",
        title=f"contribute, {'first' if first else 'repeat'}",
        target=71_000 if first else 53_500,
        floor=66_387 if first else 49_287,
        parts=(
            _POT,
            Part("what the account contributed", "fund", own),
            Part("an event of one word", "fund", event(1, 1)),
            *_PULL,
        ),
        extras=(
            _LOCK,
            Part("total of the account and reserve in the event", "fund", work(log_word=2), "M7"),
            *_MEASURED,
        ),
        own=(_TOKEN_KEYS,),
        spare=(Part("address of the account's slot computed again", "fund", keys(1)),),
    )


def _permit(first: bool) -> Operation:
    plain = _contribute(first)
    nonce = (_SET if first else work(cold_slot=1, slot_update=1)) + keys(1)
    return Operation(
        id="permit_first" if first else "permit_repeat",
        title=f"permit and contribute, {'first' if first else 'repeat'}",
        target=102_000 if first else 71_000,
        floor=115_223 if first else 81_023,
        refund=REFUND,
        parts=(
            *(part for part in plain.parts if part is not _ALLOWANCE),
            Part("call to permit", "fund", work(warm_account=1)),
            Part("nonce", "token", nonce),
            Part("recovering the signer", "token", work(warm_account=1, ecrecover=1)),
            Part(
                "allowance set, read and reset",
                "token",
                work(cold_slot=1, slot_set=1, warm_slot=1, slot_rewrite=1) + keys(4),
            ),
            Part("Approval", "token", event(2, 1)),
            Part("the digest", "token", work(keccak=2, keccak_word=9)),
        ),
        extras=(
            *plain.extras,
            Part("call that asks for the allowance first", "fund", work(warm_account=1), "M7"),
            Part("the allowance read for it", "token", keys(2), "M7"),
            Part("a call that returns nothing asks whether there is code", "fund", work(warm_account=1), "M38"),
        ),
        own=(
            Part("a second Approval, when it is spent", "token", event(2, 1)),
            Part("slot addresses computed again", "token", keys(5)),
        ),
        spare=plain.spare,
    )


def _settle(used: bool) -> Operation:
    extras: tuple[Part, ...] = (
        _VENUE_CALLS,
        _LOCK,
        _MARKET_READ,
        _TERMS,
        Part("liquidator's part and reserve in the event", "fund", work(log_word=2), "M1"),
        Part("the split's shares and sums", "fund", _SPLIT, "M1"),
        _BOUNDS,
        *_MEASURED,
    )
    if used:
        extras += (Part("the market's use falls", "fund", work(slot_update=1, sum=1, check=1) + keys(2), "M12"),)
    return Operation(
        id="settle_used" if used else "settle",
        title="settle a liquidation that lowers the market's use" if used else "settle a liquidation, repeat",
        target=None if used else 56_000,
        floor=45_356,
        parts=(_POT, Part("an event of three words", "fund", event(2, 3)), *_PULL),
        extras=extras,
        own=(_TOKEN_KEYS,),
    )


def _batch(items: int) -> Operation:
    return Operation(
        id="settle_batch_credits",
        title=f"settlement in a batch of {items} with each trader's credit, each, repeat",
        target=10_000,
        floor=6_965,
        items=items,
        parts=(
            _POT,
            *_PULL,
            Part("each trader's credit", "venue", times(items, update(1))),
            Part("an event of one word, without a topic", "fund", times(items, work(log=1, log_word=1))),
        ),
        extras=(
            _VENUE_CALLS,
            Part("the liquidator's credit", "venue", update(1), "M28"),
            _LOCK,
            _TERMS,
            _MARKET_READ,
            Part("the market's word again, for each", "fund", times(items - 1, work(warm_slot=1) + keys(2)), "M4"),
            Part("venue and market in each event, its signature", "fund", work(log_topic=3 * items), "M4"),
            Part("both parts, repayment and reserve in each event", "fund", work(log_word=4 * items), "M1"),
            *_MEASURED,
            Part("each split's shares and sums, the sum of gains", "fund", times(items, _SPLIT + work(sum=1)), "M1"),
            Part(_BOUNDS.what, "fund", times(items, _BOUNDS.work), _BOUNDS.rule),
            Part("each entry read and its split returned", "fund", times(items, work(entry_in=1, entry_out=1)), "M4"),
        ),
        own=(_TOKEN_KEYS,),
        note="The lean venue credits every trader his rest and the caller the rewards, as one with balances does.",
        missed=(
            "the credits, 5,042 each, are the venue's own; with them and an event for each, floor and named extras "
            "alone are over the target. The fund's part is the row before."
        ),
    )


FUND_OPERATIONS: tuple[Operation, ...] = (
    _contribute(first=True),
    _contribute(first=False),
    _permit(first=True),
    _permit(first=False),
    _settle(used=False),
    _settle(used=True),
    Operation(
        id="settle_batch",
        title="settlement in a batch of 50, the fund's part, each, repeat",
        target=10_000,
        items=50,
        note="The lean venue credits nobody; all else of the transaction is counted.",
    ),
    _batch(50),
    Operation(
        id="cover",
        title="cover a shortfall, reserve only",
        target=58_000,
        floor=41_942,
        parts=(_POT, Part("an event of two words, no field indexed", "fund", event(0, 2)), *_PUSH),
        extras=(
            _VENUE_CALLS,
            _LOCK,
            Part("the market's word: venue, maximum and use", "fund", update(2) + keys(2), "M11"),
            Part("the word of the window", "fund", read(), "M11"),
            Part("venue and market in the event", "fund", work(log_topic=2), "M14"),
            Part("use and reserve in the event", "fund", work(log_word=2), "M12"),
        ),
        own=(_TOKEN_KEYS,),
    ),
    Operation(
        id="withdraw_excess",
        title="withdraw excess",
        target=47_000,
        floor=42_429,
        parts=(
            _POT,
            Part("an event of one word", "fund", event(1, 1)),
            *_PUSH,
            Part("a receiver in the call", "call", work(calldata_zero_byte=12, calldata_byte=20)),
        ),
        extras=(
            _LOCK,
            Part("membership of the role", "fund", read(2), "M36"),
            Part("the word of threshold and bad debt", "fund", read(), "M8"),
            Part("reserve in the event", "fund", work(log_word=1), "M8"),
            Part("no receiver in the call", "call", work(calldata_zero_byte=-12, calldata_byte=-20), "M8"),
        ),
        own=(_TOKEN_KEYS,),
        missed=(
            "the target leaves out that the treasurer's role is read from storage (M36: several may hold it) and "
            "threshold with bad debt from a word of their own (M8): the place beside the reserve is taken by the total "
            "of contributions, which every contribution writes. Floor and named extras alone are 46,901."
        ),
    ),
)


def _socialise(with_dust: bool) -> Operation:
    dust = (Part("the market's dust", "house", update(1), "M26"),) if with_dust else ()
    return Operation(
        id="socialise_with_dust" if with_dust else "socialise",
        title="socialise a loss, its dust included" if with_dust else "socialise a loss, repeat (index update alone)",
        target=None if with_dust else 32_000,
        floor=27_702,
        parts=(
            Part("the market's loss index", "house", update(1)),
            Part("an event of one word", "house", event(1, 1)),
        ),
        extras=(
            Part("the trader in the event", "house", work(log_topic=1), "M13"),
            Part("shortfall, covered, bad debt, index in the event", "house", work(log_word=4), "M13"),
            *dust,
        ),
        spare=(Part("the open book, in transient storage", "house", work(transient=6)),),
        note=(
            "Not a transaction of its own: 21,000 and call data, what the house itself spends more in the socialised "
            "resolution of a position than in the covered one, the reading and writing of the index, and the event. "
            "The index that the liquidator's own position has seen is left out"
            + ("." if with_dust else ", and so is the market's dust.")
        ),
    )


_WATCHED: tuple[tuple[str, str], ...] = (
    ("faucet", "faucet, repeat"),
    ("deposit_first", "deposit, first"),
    ("deposit_repeat", "deposit, repeat"),
    ("withdraw", "withdraw free balance"),
    ("open_first", "fill two signed orders, both traders new to the market"),
    ("open_repeat", "fill two signed orders, both positions grow"),
    ("reduce", "fill two signed orders, both positions shrink"),
    ("close", "fill two signed orders, both positions close"),
    ("add_margin", "add margin"),
    ("release_margin", "release margin"),
    ("collect_fees", "collect fees, repeat"),
    ("cover_layers_first", "cover a shortfall, reserve and two layers, the layers' first loss"),
    ("resolve_covered", "liquidate an insolvent position, covered by the fund"),
    ("resolve_socialised", "liquidate an insolvent position, socialised"),
    ("flag", "flag an insolvent position"),
    ("deleverage", "deleverage against one counterparty"),
)

HOUSE_OPERATIONS: tuple[Operation, ...] = (
    _socialise(with_dust=False),
    _socialise(with_dust=True),
    Operation(
        "cover_layers",
        "cover a shortfall, reserve and two layers, repeat",
        target=160_000,
        note="All of the reserve and of the first layer, a part of the second; stakers of both are leaving.",
    ),
    Operation("liquidate", "whole liquidation, one, with split through the fund", target=200_000),
    Operation(
        "liquidate_further",
        "whole liquidation, each further one in a batch",
        target=100_000,
        items=49,
        note="A batch of 50 less a batch of one, by 49.",
    ),
    *(Operation(name, title) for name, title in _WATCHED),
    Operation(
        "deleverage_further",
        "deleverage, each further counterparty",
        items=10,
        note="Against eleven less against one, by ten.",
    ),
)

OPERATIONS = (*FUND_OPERATIONS, *HOUSE_OPERATIONS)
