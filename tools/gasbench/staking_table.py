"""Floors, extras and targets of what stakers do."""

from __future__ import annotations

from tools.gasbench.costs import Part, event, keys, read, update, work
from tools.gasbench.operations import Operation

_SET = work(cold_slot=1, slot_set=1)
#: Given back for a word that is emptied (EIP-3529).
_EMPTIED = 4_800

_CALL_TOKEN = Part("call to the token", "vault", work(cold_account=1))
_FROM = Part("balance of the payer", "token", update(1))
_TO = Part("balance of the receiver", "token", update(1))
_TRANSFERRED = Part("Transfer", "token", event(2, 1))
_PUSH = (_CALL_TOKEN, _FROM, _TO, _TRANSFERRED)
_PULL = (*_PUSH, Part("allowance", "token", read(2)))
_LOCK = Part("reentrancy lock", "vault", work(transient=3), "M38")
_UNVESTED = (
    Part("the word of the stream", "vault", read(), "M22"),
    Part("what of it is unvested, rounded up", "vault", work(share=1, sum=4, check=3, field=3), "M22"),
    Part("is enough staked for it to run?", "vault", work(sum=1, check=3, field=3), "M22"),
)
_PRICE = Part("the price: two virtual sums, product and quotient", "vault", work(share=1, sum=3, field=2), "M19")
_NOT_BURNT = work(cold_slot=-1, slot_update=-1, log=-1, log_topic=-3, log_word=-1)
_ROLLED = Part("is a day due?", "vault", work(share=1, check=3, field=3), "M20")


def _stake(first: bool) -> Operation:
    own = _SET + keys(1) if first else update(1)
    return Operation(
        id="stake_first" if first else "stake_repeat",
        title=f"stake deposit, {'first' if first else 'repeat'}",
        target=80_000 if first else 63_000,
        floor=69_130 if first else 52_030,
        parts=(
            Part("the word of stake and shares", "vault", update()),
            Part("shares of the account", "vault", own),
            Part("Transfer of the shares", "vault", event(2, 1)),
            Part("Deposit", "vault", event(2, 2)),
            *_PULL,
        ),
        extras=(
            _LOCK,
            *_UNVESTED,
            _PRICE,
            Part("open, not closed, within its width, worth a share", "vault", work(check=7, sum=3, field=4), "M21"),
            Part("two calls that measure what arrived", "vault", work(warm_account=2, measuring_call=2), "M6"),
            Part("their difference is what was asked", "vault", work(sum=1, check=1), "M6"),
            Part("the balance read twice more", "token", work(warm_slot=2) + keys(2), "M6"),
        ),
        own=(Part("slot addresses computed again", "token", keys(2)),),
        note="Revenue is on its way.",
    )


def _request(first: bool) -> Operation:
    slot = _SET if first else work(cold_slot=1, slot_update=1)
    return Operation(
        id="request_first" if first else "request_later",
        title=f"redeem request, {'first of its day' if first else 'later'}",
        target=95_000 if first else 62_000,
        floor=27_919,
        parts=(
            Part("shares of the account", "vault", update(1)),
            Part("an event of one word, no field indexed", "vault", event(0, 1)),
        ),
        extras=(
            _LOCK,
            Part("the word of stake and shares", "vault", update() + work(field=5, sum=2), "M19"),
            *_UNVESTED,
            _PRICE,
            Part("the word of the exit pool", "vault", update() + work(warm_slot=1, field=7, sum=2, check=4), "M20"),
            _ROLLED,
            Part("the day that begins a cooldown later", "vault", work(share=1, sum=3, field=1), "M20"),
            Part("units of that day", "vault", slot + keys(1) + work(field=5, sum=1, check=1), "M20"),
            Part("the account's own of that day", "vault", slot + keys(1) + work(field=9, sum=2, check=3), "M20"),
            Part("RedeemRequest: controller, owner, day, sender", "vault", work(log_topic=3, log_word=1), "M20"),
            Part("what they were worth, in an event of its own", "vault", event(1, 1), "M20"),
            Part("Transfer of the shares, which are gone", "vault", event(2, 1), "M20"),
        ),
        spare=(Part("slot addresses computed again", "vault", keys(3)),),
        note=(
            "Revenue is on its way and somebody else is leaving; the account's first, and the day's."
            if first
            else "The account's second for the same day."
        ),
    )


STAKING_OPERATIONS: tuple[Operation, ...] = (
    _stake(first=True),
    _stake(first=False),
    _request(first=True),
    _request(first=False),
    Operation(
        id="claim",
        title="claim",
        target=60_000,
        floor=50_577,
        refund=_EMPTIED,
        parts=(
            Part("the claim's word", "vault", update(1)),
            Part("a word of global state", "vault", update()),
            Part("Transfer of the shares", "vault", event(2, 1)),
            Part("Withdraw", "vault", event(3, 2)),
            *_PUSH,
        ),
        extras=(
            _LOCK,
            Part("shares are gone since the request: neither their word nor Transfer", "vault", _NOT_BURNT, "M20"),
            Part("the word of the exit pool: is a day due, what is?", "vault", read() + work(warm_slot=1), "M20"),
            _ROLLED,
            Part("what its day got", "vault", read(1), "M20"),
            Part("its part of that", "vault", work(share=1, field=8, check=4), "M20"),
            Part("may the caller claim, and so much?", "vault", work(check=5, sum=3), "M20"),
        ),
        spare=(Part("slot address computed again", "vault", keys(1)),),
        own=(Part("slot addresses computed again", "token", keys(2)),),
    ),
    Operation("claim_part", "claim a part"),
    Operation("claim_unrolled", "claim, and let the day mature"),
    Operation("request_other", "redeem request, an account's first, not of its day"),
    Operation("cancel", "cancel a request"),
)
