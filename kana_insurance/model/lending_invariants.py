"""What always holds of a lending pool, as functions of plain state: the model's, or the same read from a chain (I3).

State is what ``LendingPoolModel.state`` gives; events are those of one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kana_insurance.model.lending_books import VIRTUAL_SHARES
from kana_insurance.model.lending_interest import RAY
from kana_insurance.model.state import Event
from kana_insurance.model.units import ceil_div

State = Mapping[str, Any]


def price(state: State) -> tuple[int, int]:
    """Assets and shares whose quotient is the price of a share (M32)."""
    return state["books"]["assets"] + 1, state["total_shares"] + VIRTUAL_SHARES


def books_balance(state: State, bad_debt: int) -> None:
    """Cash + total debt + bad debt = lenders' assets + fees, none below 0; the fund's record is the pool's."""
    books = state["books"]
    owned = books["cash"] + books["total_debt"] + books["bad_debt"]
    owed = books["assets"] + books["fees"]
    assert owned == owed, f"the pool has {owned} and owes {owed}"
    assert min(books["cash"], books["fees"], books["bad_debt"], books["assets"]) >= 0, f"below 0: {books}"
    assert books["bad_debt"] == bad_debt, f"M14: bad debt {books['bad_debt']}, the fund's record {bad_debt}"


def claims_within_assets(state: State) -> None:
    """The lenders' claims sum to the assets, but for the virtual shares' part and less than one unit a lender."""
    value, supply = price(state)
    shares = state["shares"].values()
    assert sum(shares) == state["total_shares"], "shares aren't conserved"
    claims = sum(amount * value // supply for amount in shares)
    dust = state["books"]["assets"] - claims
    most = len(shares) + ceil_div(VIRTUAL_SHARES * value, supply)
    assert 0 <= dust <= most, f"claims of {claims} on assets of {state['books']['assets']}: dust {dust}, at most {most}"


def tokens_cover(state: State, donated: int, collateral_donated: Mapping[int, int]) -> None:
    """Tokens = cash + donations, and of each collateral the same (M38)."""
    surplus = state["tokens"] - state["books"]["cash"]
    assert surplus == donated, f"{surplus} tokens above the cash, donated {donated}"
    for number, tokens in state["collateral_tokens"].items():
        held = state["totals"].get(number, {"collateral": 0})["collateral"]
        given = collateral_donated.get(number, 0)
        assert tokens - held == given, f"{tokens - held} tokens of collateral {number} above the books, donated {given}"


def debts_add_up(state: State) -> None:
    """Scaled debts and collaterals sum to their totals; debts rounded up exceed the total by less than one a loan."""
    books, loans = state["books"], state["loans"]
    for field in ("scaled", "collateral"):
        sums: dict[int, int] = {}
        for (number, _), loan in loans.items():
            sums[number] = sums.get(number, 0) + loan[field]
        totals = {number: total[field] for number, total in state["totals"].items()}
        for number in sums.keys() | totals.keys():
            found, total = sums.get(number, 0), totals.get(number, 0)
            assert found == total, f"{field} of collateral {number}: loans {found}, total {total}"
    scaled = sum(loan["scaled"] for loan in loans.values())
    assert books["total_debt"] == scaled * books["index"] // RAY, "the total debt isn't that of the loans"
    above = sum(loan["debt"] for loan in loans.values()) - books["total_debt"]
    assert 0 <= above < len(loans) + 1, f"debts exceed their total by {above}"


def debt_is_secured(state: State) -> None:
    """M33: a loan with debt has collateral: the transaction that takes the last resolves it."""
    bare = [key for key, loan in state["loans"].items() if loan["debt"] and not loan["collateral"]]
    assert not bare, f"M33: debts without collateral: {bare}"


def i3_loss_conserved(events: Iterable[Event]) -> None:
    """I3, M13: covered + lenders' loss + bad debt = shortfall, for each loan that was resolved."""
    for fields in (event.fields for event in events if event.name == "LoanResolved"):
        parts = fields["covered"], fields["lenders_loss"], fields["bad_debt"]
        assert min(parts) >= 0, f"I3: {parts}"
        assert sum(parts) == fields["shortfall"], f"I3: {sum(parts)} of a shortfall of {fields['shortfall']}"


def index_never_falls(before: State, after: State) -> None:
    """The index of debts never falls."""
    assert after["books"]["index"] >= before["books"]["index"], "the index fell"


def price_falls_only_in_a_resolution(before: State, after: State, events: Iterable[Event]) -> None:
    """M33: the price of a share falls only in a resolution."""
    if any(event.name == "LoanResolved" for event in events):
        return
    (assets, shares), (more, fewer) = price(before), price(after)
    assert more * shares >= assets * fewer, f"the price of a share fell from {assets, shares} to {more, fewer}"


def loss_is_the_lenders(before: State, after: State, events: Iterable[Event]) -> None:
    """M33: a resolution lowers the assets by the lenders' loss, but for rounding up the debts that it moves.

    ``before`` is with interest up to the resolution.
    """
    losses = [event.fields["lenders_loss"] for event in events if event.name == "LoanResolved"]
    if losses:
        fell = before["books"]["assets"] - after["books"]["assets"]
        assert sum(losses) - len(losses) <= fell <= sum(losses), f"M33: assets fell by {fell}, losses {losses}"


def check_pool(
    state: State, bad_debt: int, *, donated: int = 0, collateral_donated: Mapping[int, int] | None = None
) -> None:
    """All that holds of a pool at any moment; ``bad_debt`` is the fund's record."""
    books_balance(state, bad_debt)
    claims_within_assets(state)
    tokens_cover(state, donated, collateral_donated or {})
    debts_add_up(state)
    debt_is_secured(state)


def check_pool_step(before: State, after: State, events: Iterable[Event]) -> None:
    """All that holds of one call of a pool; ``before`` is with interest up to the call."""
    events = list(events)
    i3_loss_conserved(events)
    index_never_falls(before, after)
    price_falls_only_in_a_resolution(before, after, events)
    loss_is_the_lenders(before, after, events)
