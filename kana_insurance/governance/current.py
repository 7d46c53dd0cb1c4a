"""What governance's calls would change, as it is now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kana_insurance.client import moment
from kana_insurance.governance.directory import Directory, Part

Read = Callable[[Part, dict[str, Any]], Sequence[Any]]


def _params(*names: str) -> tuple[tuple[str, ...], Read]:
    """Fields of a market's parameters."""

    def read(part: Part, values: dict[str, Any]) -> Sequence[Any]:
        params = part.at.params(values["market_id"])
        return [getattr(params, name) for name in names]

    return names, read


def _backstop(directory: Directory, part: Part) -> Any:
    return directory.system.backend.at("Backstop", str(part.at.backstop()))


def _window(part: Part, _values: dict[str, Any]) -> Sequence[Any]:
    window = part.at.window()
    return window.cap, window.length


def _layers(part: Part, _values: dict[str, Any]) -> Sequence[Any]:
    layers = part.at.layers()
    return layers.staked, layers.reinsurance, layers.staker_bps


def _terms(part: Part, values: dict[str, Any]) -> Sequence[Any]:
    terms = part.at.terms(values["fund"])
    return terms.limit, terms.window_cap, terms.window_length, terms.premium_bps


def _collateral(*names: str) -> tuple[tuple[str, ...], Read]:
    """Fields of a collateral's parameters."""

    def read(part: Part, values: dict[str, Any]) -> Sequence[Any]:
        collateral = part.at.collateral(values["collateral_id"])
        return [getattr(collateral, name) for name in names]

    return names, read


def _rates(part: Part, _values: dict[str, Any]) -> Sequence[Any]:
    rates = part.at.terms().rates
    return [getattr(rates, name) for name in _RATES]


def _limits(part: Part, _values: dict[str, Any]) -> Sequence[Any]:
    terms = part.at.terms()
    return terms.supply_cap, terms.min_debt


_RATES = ("base_bps", "slope1_bps", "slope2_bps", "kink_bps", "reserve_factor_bps")
_TERMS = ("limit", "window_cap", "window_length", "premium_bps")
#: By function: the arguments that have a present value, and how it is read once the other arguments are known.
_READERS: dict[str, tuple[tuple[str, ...], Read]] = {
    "set_threshold": (("threshold",), lambda part, _: [part.at.threshold()]),
    "set_split": (("liquidator_bps", "fund_bps"), lambda part, _: part.at.split_bps()),
    "set_window": (("cap", "length"), _window),
    "set_layers": (("staked", "reinsurance", "staker_bps"), _layers),
    "set_max_insurance": (
        ("max_insurance",),
        lambda part, values: [part.at.market(values["venue"], values["market_id"]).max_insurance],
    ),
    "replace_venue": (("new_venue",), lambda _, values: [values["venue"]]),
    "set_governance": (("new",), lambda part, _: [part.at.governance()]),
    "assign": (("fund",), lambda part, values: [part.at.fund_of(values["venue"], values["market_id"])]),
    "set_fund": (_TERMS, _terms),
    "set_margins": _params("initial_margin_bps", "maintenance_margin_bps", "fill_band_bps"),
    "set_fees": _params("taker_fee_bps", "maker_fee_bps", "fund_fee_bps"),
    "set_caps": _params("open_interest_cap", "position_cap", "min_notional"),
    "set_grace": _params("grace"),
    "set_feed": _params("feed"),
    "replace_fund": _params("fund"),
    "set_fee_recipient": (("fee_recipient",), lambda part, _: [part.at.fee_recipient()]),
    "update_delay": (("new_delay",), lambda part, _: [part.at.get_minimum_delay()]),
}
#: The same of a lending registry, some of whose functions go by the names of others'.
_LENDING_READERS: dict[str, tuple[tuple[str, ...], Read]] = {
    "set_fund": (("fund",), lambda part, _: [part.at.fund()]),
    "set_rates": (_RATES, _rates),
    "set_limits": (("supply_cap", "min_debt"), _limits),
    "set_debt_feed": (("feed",), lambda part, _: [part.at.debt_feed()]),
    "set_factors": _collateral("factor_bps", "threshold_bps", "close_factor_bps", "premium_bps", "premium_fund_bps"),
    "set_caps": _collateral("collateral_cap", "borrow_cap"),
    "set_feed": _collateral("feed"),
    "set_governance": _READERS["set_governance"],
}


def _readers(contract: str) -> dict[str, tuple[tuple[str, ...], Read]]:
    return _LENDING_READERS if contract == "LendingRegistry" else _READERS


def present_names(contract: str, function: str) -> tuple[str, ...]:
    """The arguments of a contract's function that have a present value."""
    if function == "set_cooldown":
        return ("cooldown_days",)
    if function == "set_stream":
        return ("length", "min_staked")
    readers = _readers(contract)
    return readers[function][0] if function in readers else ()


def present(directory: Directory, part: Part, function: str, values: dict[str, Any]) -> dict[str, Any]:
    """The present values of what a call sets, by argument.

    Args:
        directory: Who is who.
        part: The contract.
        function: The call.
        values: The arguments that say which market or fund is meant.
    """
    names = present_names(part.contract, function)
    if not names:
        return {}
    if function == "set_cooldown":
        found: Sequence[Any] = [_backstop(directory, part).cooldown_days()]
    elif function == "set_stream":
        stream = _backstop(directory, part).stream()
        found = [stream.length, stream.min_staked]
    else:
        found = _readers(part.contract)[function][1](part, values)
    plain = [int(one) if isinstance(one, int) else str(one) for one in found]
    return dict(zip(names, plain, strict=True))


def condition(part: Part, function: str, values: dict[str, Any]) -> tuple[str, str, str] | None:
    """What a call changes that isn't one of its arguments: what it is, as it is now, as it is then."""
    if function in ("grantRole", "revokeRole"):
        holds = bool(part.at.hasRole(values["role"], values["account"]))
        return "holds the role", "yes" if holds else "no", "yes" if function == "grantRole" else "no"
    if function == "resume_payouts":
        paused = bool(part.at.payouts_paused())
        return "payouts", f"paused until {moment(int(part.at.payouts_resume_at()))}" if paused else "open", "open"
    if function == "resume_trading":
        resume_at = int(part.at.trading_resume_at())
        return "trading", f"paused until {moment(resume_at)}" if resume_at else "never paused", "open"
    if function == "resume_borrowing":
        resume_at = int(part.at.borrowing_resume_at())
        return "borrowing", f"paused until {moment(resume_at)}" if resume_at else "never paused", "open"
    if function == "resume_layer":
        layers = part.at.layers()
        ends = (layers.staked_suspended_until, layers.reinsurance_suspended_until)
        ends_at = int(ends[values["place"]])
        return "layer", f"suspended until {moment(ends_at)}" if ends_at else "never suspended", "in use"
    if function == "remove_fund":
        return "may draw", "yes" if part.at.terms(values["fund"]).registered else "no", "no"
    if function == "remove_collateral":
        return "listed", "yes" if part.at.listed(values["collateral_id"]) else "no", "no"
    if function == "remove_market":
        return "listed", "yes" if part.at.listed(values["market_id"]) else "no", "no"
    return None
