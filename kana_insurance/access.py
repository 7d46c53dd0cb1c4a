"""Who may call what: every state-changing function of every contract, and what anybody else is told.

The table is what tests check against the contracts, role by role, and what `docs/access.md` is written from. A function
without an entry fails the tests, so a new one can't slip in unnoticed (M36).
"""

from __future__ import annotations

from dataclasses import dataclass

#: Who calls, in the order of the table's columns. "venue" is the clearing house, a fund's caller by registration, and
#: "fund" that of an underwriter; "underwriter" is the one whom the backstop obeys, "lending" the registry that a pool
#: obeys; "deployer" is the account that set the system up and has finished; "outsider" is everybody else.
ROLES = (
    "governance",
    "treasurer",
    "guardian",
    "venue",
    "gateway",
    "registry",
    "fund",
    "underwriter",
    "lending",
    "proposer",
    "deployer",
    "outsider",
)

ANYONE = frozenset(ROLES)


@dataclass(frozen=True)
class Rule:
    """Who may call a function.

    Attributes:
        allowed: Roles that get past the check of who calls.
        reason: What everybody else is told; empty where anyone may call.
        purpose: What the call is for, in a few words.
        notice: When it needs a notice besides the timelock's delay (M9); empty: never.
    """

    allowed: frozenset[str]
    reason: str
    purpose: str
    notice: str = ""


def _rule(allowed: str, reason: str, purpose: str, notice: str = "") -> Rule:
    return Rule(frozenset(allowed.split()), reason, purpose, notice)


def _anyone(purpose: str) -> Rule:
    return Rule(ANYONE, "", purpose)


def _only(role: str, reason: str) -> dict[str, str]:
    return {"allowed": role, "reason": reason}


_FUND_GOVERNANCE = _only("governance", "fund: not governance")
_FUND_VENUE = _only("venue", "fund: unknown market")
_BOARD_GOVERNANCE = _only("governance", "notices: not governance")
_UNDERWRITER_GOVERNANCE = _only("governance", "layer: not governance")
_BACKSTOP_UNDERWRITER = _only("underwriter", "backstop: not underwriter")
_FACTORY_GOVERNANCE = _only("governance", "factory: not governance")
_REGISTRY_GOVERNANCE = _only("governance", "registry: not governance")
_LENDING_GOVERNANCE = _only("governance", "lending: not governance")
_TIMELOCK_PROPOSER = _only("proposer", "access_control: account is missing role")
_TIMELOCK_ITSELF = _only("governance", "timelock: not the timelock")

#: Contract -> function -> rule. Overloads by default arguments share one entry.
ACCESS: dict[str, dict[str, Rule]] = {
    "InsuranceFund": {
        "contribute": _anyone("give to the reserve (M7)"),
        "contribute_with_permit": _anyone("give to the reserve by ERC-2612 permit (M7)"),
        "skim": _anyone("book donations as a contribution (M6)"),
        "settle_liquidation": _rule(**_FUND_VENUE, purpose="split what a liquidation left (M1)"),
        "settle_liquidations": _rule(**_FUND_VENUE, purpose="the same for a batch (M4)"),
        "settle_fees": _rule(**_FUND_VENUE, purpose="take the fund's part of fees (M24)"),
        "cover_shortfall": _rule(**_FUND_VENUE, purpose="be paid a shortfall (M10, M11)"),
        "record_bad_debt": _rule(**_FUND_VENUE, purpose="record what nobody bears (M14)"),
        "repay_bad_debt": _rule(**_FUND_VENUE, purpose="report a repayment (M14)"),
        "release_market": _rule(**_FUND_VENUE, purpose="end an own market's registration (M31)"),
        "withdraw_excess": _rule("treasurer", "fund: not treasurer", "send excess to the treasury (M8)"),
        "pause_payouts": _rule("guardian", "fund: not guardian", "stop payouts for at most 7 days (M37)"),
        "resume_payouts": _rule("guardian governance", "fund: not guardian", "end a pause early (M37)"),
        "suspend_layer": _rule("guardian", "fund: not guardian", "let a layer count as empty for a while (M10)"),
        "resume_layer": _rule(
            "guardian governance", "fund: not guardian", "end a suspension (M10); anyone once it is over"
        ),
        "finish_setup": _rule("", "fund: setup finished", "open the fund, once; the deployer's last call (M9)"),
        "hand_over": _rule("", "fund: not factory", "close the fund and hand it to its successor; a factory (M18)"),
        "adopt": _rule("", "fund: not factory", "take over what another fund handed over; a factory (M18)"),
        "register_market": _rule(
            **_FUND_GOVERNANCE, purpose="let a venue report a market, with notice (M9)", notice="always"
        ),
        "replace_venue": _rule(
            **_FUND_GOVERNANCE, purpose="hand a market to another venue, with notice (M9)", notice="always"
        ),
        "set_max_insurance": _rule(
            **_FUND_GOVERNANCE, purpose="limit a market; raising with notice (M31)", notice="to raise"
        ),
        "set_threshold": _rule(
            **_FUND_GOVERNANCE, purpose="cap the reserve; lowering with notice (M8)", notice="to lower"
        ),
        "set_split": _rule(**_FUND_GOVERNANCE, purpose="set the shares of a liquidation (M1)"),
        "set_window": _rule(
            **_FUND_GOVERNANCE,
            purpose="bound payouts by time; widening with notice (M11)",
            notice="for a higher cap, none, or a shorter window",
        ),
        "set_layers": _rule(
            **_FUND_GOVERNANCE,
            purpose="name the layers; a new one with notice (M10, M24)",
            notice="for a layer new in its place",
        ),
        "set_governance": _rule(**_FUND_GOVERNANCE, purpose="hand over to another timelock (M9)"),
        "grantRole": _rule(**_FUND_GOVERNANCE, purpose="appoint treasurers and guardians (M36)"),
        "revokeRole": _rule(**_FUND_GOVERNANCE, purpose="dismiss them (M36)"),
        "renounceRole": _anyone("give up an own role, though not the last holder's (M36)"),
        "rescue": _rule(**_FUND_GOVERNANCE, purpose="send other tokens than the asset to the treasury (M38)"),
    },
    "FundFactory": {
        "create_fund": _rule(**_FACTORY_GOVERNANCE, purpose="create a fund (M18)"),
        "create_layer": _rule(**_FACTORY_GOVERNANCE, purpose="create a staked layer (M18, M23)"),
        "assign": _rule(**_FACTORY_GOVERNANCE, purpose="name the fund that serves a market (M17, M18)"),
        "merge": _rule(
            **_FACTORY_GOVERNANCE, purpose="merge a fund into another, by notices of both (M18)", notice="of both funds"
        ),
        "finish_setup": _rule("", "factory: setup finished", "end the deployer's power, once (M9)"),
        "set_governance": _rule(**_FACTORY_GOVERNANCE, purpose="hand over to another timelock (M9)"),
    },
    "NoticeBoard": {
        "announce": _rule(**_BOARD_GOVERNANCE, purpose="give notice of a call to a fund that lets more be drawn (M9)"),
        "cancel": _rule(**_BOARD_GOVERNANCE, purpose="withdraw a notice (M9)"),
        "use": _anyone("use up a notice of the caller's own, as a fund does (M9)"),
        "hold": _anyone("let the caller's own notices stand still, as a fund does (M37)"),
    },
    "Underwriter": {
        "absorb": _anyone("pay a fund what its terms let it draw, others nothing (M21, M23)"),
        "add_revenue": _rule("fund", "layer: unknown fund", "pass revenue on to the stakers (M22)"),
        "hold": _anyone("hold exits while a fund's payouts are paused; others' calls do nothing (M37)"),
        "connect_backstop": _rule("", "layer: not deployer", "name the backstop, once, during set-up"),
        "finish_setup": _rule("", "layer: setup finished", "open the backstop, once; the deployer's last (M9)"),
        "announce": _rule(**_UNDERWRITER_GOVERNANCE, purpose="give notice of terms that let more be drawn (M9)"),
        "cancel_notice": _rule(**_UNDERWRITER_GOVERNANCE, purpose="withdraw a notice (M9)"),
        "set_fund": _rule(
            **_UNDERWRITER_GOVERNANCE,
            purpose="set a fund's terms; more with notice (M23)",
            notice="for a new fund, or more",
        ),
        "remove_fund": _rule(**_UNDERWRITER_GOVERNANCE, purpose="let a fund draw no more (M23)"),
        "set_cooldown": _rule(**_UNDERWRITER_GOVERNANCE, purpose="set the cooldown of new requests (M20)"),
        "set_stream": _rule(**_UNDERWRITER_GOVERNANCE, purpose="set how later payments stream (M22)"),
        "set_governance": _rule(**_UNDERWRITER_GOVERNANCE, purpose="hand over to another timelock (M9)"),
        "rescue": _rule(**_UNDERWRITER_GOVERNANCE, purpose="send other tokens than the asset from the backstop (M38)"),
    },
    "Backstop": {
        "deposit": _anyone("stake (M19)"),
        "deposit_with_permit": _anyone("stake by ERC-2612 permit (M19)"),
        "mint": _anyone("stake for so many shares (M19)"),
        "mint_with_permit": _anyone("the same by ERC-2612 permit (M19)"),
        "requestRedeem": _anyone("begin the exit of own shares, or of whose operator or spender one is (M20)"),
        "cancel_request": _anyone("restake an own pending request, or as operator (M20)"),
        "redeem": _anyone("claim own matured requests by shares, or as operator (M20)"),
        "withdraw": _anyone("the same by assets (M20)"),
        "setOperator": _anyone("let somebody act for oneself (M20)"),
        "transfer": _anyone("move own shares"),
        "transferFrom": _anyone("move shares within an allowance"),
        "approve": _anyone("allow somebody own shares"),
        "permit": _anyone("use an ERC-2612 permit for shares"),
        "roll": _anyone("let the days that are due mature (M20)"),
        "open": _rule(**_BACKSTOP_UNDERWRITER, purpose="take money from now on (M9)"),
        "slash": _rule(**_BACKSTOP_UNDERWRITER, purpose="pay a fund at the stakers' cost (M21)"),
        "book_revenue": _rule(**_BACKSTOP_UNDERWRITER, purpose="stream revenue to the stakers (M22)"),
        "hold": _rule(**_BACKSTOP_UNDERWRITER, purpose="let no day of exits mature for a while (M37)"),
        "set_cooldown": _rule(**_BACKSTOP_UNDERWRITER, purpose="set the cooldown of new requests (M20)"),
        "set_stream": _rule(**_BACKSTOP_UNDERWRITER, purpose="set how later payments stream (M22)"),
        "rescue": _rule(**_BACKSTOP_UNDERWRITER, purpose="send other tokens than the asset away (M38)"),
    },
    "ClearingHouse": {
        "deposit": _anyone("add free balance"),
        "deposit_with_permit": _anyone("add free balance by ERC-2612 permit"),
        "withdraw": _anyone("take out own free balance"),
        "add_margin": _anyone("move own free balance into an own position (M27)"),
        "release_margin": _anyone("move it back (M26a, M27)"),
        "trade": _rule("gateway", "house: not gateway", "execute a verified match (M27)"),
        "settle": _anyone("charge a position what the index asks (M29)"),
        "liquidate": _anyone("take over a position below maintenance (M28)"),
        "liquidate_batch": _anyone("the same for a batch (M28)"),
        "flag": _anyone("mark an insolvent position (M28a)"),
        "unflag": _anyone("take back the mark of a solvent one (M28a)"),
        "deleverage": _anyone("close a flagged position against others (M28a)"),
        "collect_fees": _anyone("share out accrued fees (M24)"),
        "repay_bad_debt": _anyone("repay bad debt of a market (M14)"),
        "connect_fund": _rule("registry", "house: not registry", "grant a fund its allowance (M38)"),
        "disconnect_fund": _rule("registry", "house: not registry", "revoke it (M38)"),
        "close_market": _rule("registry", "house: not registry", "release an empty market (M31)"),
    },
    "OrderGateway": {
        "fill": _anyone("submit two signed orders that match (M27)"),
        "cancel": _anyone("cancel own orders of a nonce (M27)"),
        "cancel_below": _anyone("cancel own orders below a nonce (M27)"),
    },
    "MarketRegistry": {
        "connect_house": _rule("", "registry: not deployer", "name the house, once, during set-up"),
        "finish_setup": _rule("", "registry: setup finished", "end the deployer's power, once (M9)"),
        "list_market": _rule(**_REGISTRY_GOVERNANCE, purpose="list a market that its fund has registered (M31)"),
        "remove_market": _rule(**_REGISTRY_GOVERNANCE, purpose="remove an empty market (M31)"),
        "replace_fund": _rule(
            **_REGISTRY_GOVERNANCE, purpose="move a market to the fund that serves it now (M18, M38)"
        ),
        "set_feed": _rule(**_REGISTRY_GOVERNANCE, purpose="replace a price feed (M30)"),
        "set_margins": _rule(**_REGISTRY_GOVERNANCE, purpose="set margins and fill band (M27)"),
        "set_fees": _rule(**_REGISTRY_GOVERNANCE, purpose="set fees and the fund's part (M24)"),
        "set_caps": _rule(**_REGISTRY_GOVERNANCE, purpose="set caps and least notional (M31)"),
        "set_grace": _rule(**_REGISTRY_GOVERNANCE, purpose="set the grace of a flag (M28a)"),
        "set_fee_recipient": _rule(**_REGISTRY_GOVERNANCE, purpose="name who gets the venue's fees (M24)"),
        "set_governance": _rule(**_REGISTRY_GOVERNANCE, purpose="hand over to another timelock (M9)"),
        "pause_trading": _rule("guardian", "registry: not guardian", "stop growing risk for at most 7 days (M37)"),
        "resume_trading": _rule("guardian governance", "registry: not guardian", "end a pause early (M37)"),
        "grantRole": _rule(**_REGISTRY_GOVERNANCE, purpose="appoint guardians (M36)"),
        "revokeRole": _rule(**_REGISTRY_GOVERNANCE, purpose="dismiss them (M36)"),
        "renounceRole": _anyone("give up an own role, though not the last holder's (M36)"),
    },
    "LendingPool": {
        "deposit": _anyone("lend (M32)"),
        "deposit_with_permit": _anyone("lend by ERC-2612 permit (M32)"),
        "mint": _anyone("lend for so many shares (M32)"),
        "withdraw": _anyone("take out own assets, or of whose spender one is (M32, M33)"),
        "redeem": _anyone("the same by shares (M32, M33)"),
        "transfer": _anyone("move own shares"),
        "transferFrom": _anyone("move shares within an allowance"),
        "approve": _anyone("allow somebody own shares"),
        "permit": _anyone("use an ERC-2612 permit for shares"),
        "add_collateral": _anyone("put collateral into a loan (M32)"),
        "withdraw_collateral": _anyone("take collateral out of an own loan (M32)"),
        "borrow": _anyone("borrow against own collateral (M32)"),
        "repay": _anyone("repay a loan (M32)"),
        "repay_with_permit": _anyone("the same by ERC-2612 permit (M32)"),
        "liquidate": _anyone("repay an unhealthy loan for its collateral (M32, M33)"),
        "flag": _anyone("stop withdrawals because of an insolvent loan (M33)"),
        "unflag": _anyone("take back the mark of a solvent one (M33)"),
        "accrue": _anyone("book interest (M32)"),
        "collect_fees": _anyone("send the fund its part (M24)"),
        "repay_bad_debt": _anyone("repay bad debt of the pool (M14)"),
        "change_fund": _rule("lending", "pool: not registry", "grant a fund its allowance (M38)"),
        "change_rates": _rule("lending", "pool: not registry", "take new rates (M32)"),
    },
    "LendingRegistry": {
        "connect_pool": _rule("", "lending: not deployer", "name the pool, once, during set-up"),
        "finish_setup": _rule("", "lending: setup finished", "end the deployer's power, once (M9)"),
        "set_fund": _rule(**_LENDING_GOVERNANCE, purpose="name the fund that serves the pool now (M18, M38)"),
        "set_rates": _rule(**_LENDING_GOVERNANCE, purpose="set rates and the fund's part of the interest (M32)"),
        "set_limits": _rule(**_LENDING_GOVERNANCE, purpose="set supply cap and least debt (M32)"),
        "set_debt_feed": _rule(**_LENDING_GOVERNANCE, purpose="replace the feed of the pool's asset (M30)"),
        "list_collateral": _rule(**_LENDING_GOVERNANCE, purpose="list a collateral (M32)"),
        "remove_collateral": _rule(**_LENDING_GOVERNANCE, purpose="remove an unused one"),
        "set_factors": _rule(**_LENDING_GOVERNANCE, purpose="set what may be borrowed and how it is liquidated (M32)"),
        "set_caps": _rule(**_LENDING_GOVERNANCE, purpose="set caps of collateral and debt (M32)"),
        "set_feed": _rule(**_LENDING_GOVERNANCE, purpose="replace a collateral's feed (M30)"),
        "set_governance": _rule(**_LENDING_GOVERNANCE, purpose="hand over to another timelock (M9)"),
        "pause_borrowing": _rule("guardian", "lending: not guardian", "stop growing risk for at most 7 days (M37)"),
        "resume_borrowing": _rule("guardian governance", "lending: not guardian", "end a pause early (M37)"),
        "grantRole": _rule(**_LENDING_GOVERNANCE, purpose="appoint guardians (M36)"),
        "revokeRole": _rule(**_LENDING_GOVERNANCE, purpose="dismiss them (M36)"),
        "renounceRole": _anyone("give up an own role, though not the last holder's (M36)"),
    },
    "Timelock": {
        "schedule": _rule(**_TIMELOCK_PROPOSER, purpose="announce a call (M9)"),
        "schedule_batch": _rule(**_TIMELOCK_PROPOSER, purpose="announce several, made together (M9)"),
        "cancel": _rule(**_TIMELOCK_PROPOSER, purpose="strike an announced operation (M36)"),
        "execute": _rule(**_TIMELOCK_PROPOSER, purpose="make an announced call after its delay (M9)"),
        "execute_batch": _rule(**_TIMELOCK_PROPOSER, purpose="make announced calls after their delay (M9)"),
        "update_delay": _rule(**_TIMELOCK_ITSELF, purpose="change the delay, never below the floor (M9)"),
        "grantRole": _rule(**_TIMELOCK_ITSELF, purpose="appoint proposers and executors (M36)"),
        "revokeRole": _rule(**_TIMELOCK_ITSELF, purpose="dismiss them, though not the last (M36)"),
        "renounceRole": _anyone("give up an own role, though not the last holder's (M36)"),
    },
    "PriceFeed": {},
    "Lens": {},
}


def render() -> str:
    """The table as Markdown, for `docs/access.md`."""
    lines = [
        "# Who may call what",
        "",
        "Every state-changing function, who gets past the check of who calls, and what everybody else is told. Views",
        "are open to anyone. Written from `kana_insurance/access.py` by `make fmt`; `tests/unit/test_access.py` calls",
        f"each function as each of {', '.join(ROLES)}, and fails where a function has no entry.",
    ]
    for contract, functions in ACCESS.items():
        lines += ["", f"## {contract}", ""]
        if not functions:
            lines.append("Views only.")
            continue
        lines += ["| function | for | who may | others are told |", "|---|---|---|---|"]
        for name, rule in functions.items():
            who = "anyone" if rule.allowed == ANYONE else ", ".join(r for r in ROLES if r in rule.allowed) or "nobody"
            told = f"`{rule.reason}`" if rule.reason else ""
            lines.append(f"| `{name}` | {rule.purpose} | {who} | {told} |")
    return "\n".join(lines) + "\n"


#: Roles that people or multisigs hold, and contracts; what passes between a call and its effect.
_WAITS = {
    "governance": "timelock's delay, 2 days or more",
    "guardian": "none; ends within 7 days",
}
_EXECUTIONS = frozenset({"execute", "execute_batch"})
_BEGIN, _END = "<!-- powers: written by tools/artifacts.py -->", "<!-- end of powers -->"


def render_powers() -> str:
    """Who alone may call which functions, after what: the table of SECURITY.md."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for role in (*ROLES, "executor", "nobody"):
        for contract, functions in ACCESS.items():
            for name, rule in functions.items():
                if rule.allowed != ANYONE and role in _holders(contract, name, rule):
                    rows.setdefault((role, contract, rule.notice), []).append(f"`{name}`")
    lines = ["| who | contract | may call | waits | notice |", "|---|---|---|---|---|"]
    for (role, contract, notice), names in rows.items():
        waits = _WAITS.get(role, "none" if role != "nobody" else "")
        lines.append(f"| {role} | {contract} | {', '.join(names)} | {waits} | {notice} |")
    return "\n".join(lines) + "\n"


def _holders(contract: str, name: str, rule: Rule) -> frozenset[str]:
    """Who may, executors told from proposers, and nobody where nobody may."""
    if contract == "Timelock" and name in _EXECUTIONS:
        return frozenset({"executor"})
    return rule.allowed or frozenset({"nobody"})


def with_powers(page: str) -> str:
    """A page with the table of powers between its markers as it must be now.

    Raises:
        ValueError: if it has no markers.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page lacks the markers {_BEGIN} and {_END}")
    return f"{before}{_BEGIN}\n\n{render_powers()}\n{_END}{after}"
