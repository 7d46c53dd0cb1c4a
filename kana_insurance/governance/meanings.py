"""What each call of governance and each value of it means, in one sentence, from the rules of docs/mechanics.md."""

from __future__ import annotations

#: By contract and function.
EFFECTS: dict[str, dict[str, str]] = {
    "InsuranceFund": {
        "resume_payouts": "Ends the guardian's pause: shortfalls are paid and excess withdrawn again (M37).",
        "resume_layer": "Ends a layer's suspension: shortfalls are drawn from it again (M10).",
        "register_market": "Lets a venue report a market to the fund, which pays nothing for a perpetual one until "
        "its maximum is raised (M12).",
        "replace_venue": "Hands a market with its maximum, use and bad debt to another venue, which reports it from "
        "then on (M9).",
        "set_max_insurance": "Bounds what the market can cost the fund for life, net of what it paid in (M12, M31).",
        "set_threshold": "Caps the reserve: it is filled up to here, and only what exceeds it and all bad debt can be "
        "withdrawn (M1, M8).",
        "set_split": "Shares out what a liquidation leaves of the collateral; the trader gets the rest (M1, M2).",
        "set_window": "Bounds what the fund pays in a stretch of time, whatever its markets' maxima (M11).",
        "set_layers": "Names who pays after the reserve, in this order, and what stakers get of revenue (M10, M24).",
        "set_governance": "Hands this contract over for good to another timelock, whose floor is at least 2 days (M9).",
        "grantRole": "Makes the account a holder of the role: treasurers withdraw excess, guardians pause (M36).",
        "revokeRole": "Takes the role from the account; with no guardian left nobody can pause (M36).",
        "rescue": "Sends tokens other than the asset, that were sent here by mistake, to the treasury (M38).",
    },
    "FundFactory": {
        "create_fund": "Creates a fund at an address known beforehand; its deployer wires it and opens it (M18).",
        "create_layer": "Creates an underwriter and a backstop for stakers; their deployer connects them and names the "
        "funds behind which they stand (M18, M23).",
        "assign": "Names the fund that serves a market, which that fund has registered (M17, M18).",
        "merge": "Closes the old fund for good and moves its reserve, contributions and the markets named into the "
        "successor, once (M18).",
        "set_governance": "Hands the factory over for good to another timelock; the funds keep theirs (M9).",
    },
    "NoticeBoard": {
        "announce": "Gives notice of a call to a fund that lets more be drawn, so that stakers can leave first (M9).",
        "cancel": "Withdraws a notice: the call it was given for can't be made any more (M9).",
    },
    "Underwriter": {
        "announce": "Gives notice of terms that let a fund draw more, so that stakers can leave first (M9).",
        "cancel_notice": "Withdraws a notice: the terms it was given for can't be set any more (M9).",
        "set_fund": "Sets what a fund may draw from these stakers and the share of revenue it pays for that (M23).",
        "remove_fund": "Ends at once what a fund may draw here; what it has drawn stays counted (M23).",
        "set_cooldown": "Sets how long new requests to leave take; those made already stay as they are (M20).",
        "set_stream": "Sets over how long revenue is paid out to stakers, and below what stake none is (M22).",
        "set_governance": "Hands the layer over for good to another timelock, whose floor is at least 2 days (M9).",
        "rescue": "Sends tokens other than the asset, that lie at the backstop by mistake, to the receiver (M38).",
    },
    "MarketRegistry": {
        "list_market": "Opens a market for trading under the next id, insured by the fund that serves it (M31).",
        "remove_market": "Removes a market that has no open interest, claims, fees and bad debt, for good (M31).",
        "replace_fund": "Moves a market to the fund that serves it now, and the house's allowance with it (M18, M38).",
        "set_feed": "Replaces the market's price: every margin and liquidation follows the new feed (M30).",
        "set_margins": "Sets what a position must hold to be opened and to be kept, and how far from the mark it may "
        "trade (M27, M28).",
        "set_fees": "Sets what traders pay and how much of it the fund gets (M24).",
        "set_caps": "Bounds the market as a whole, one account in it, and the smallest position (M31).",
        "set_grace": "Sets how long after its flag an insolvent position may be closed against others (M28a).",
        "set_fee_recipient": "Names who is credited the part of the fees that isn't the fund's (M24).",
        "set_governance": "Hands the registry over for good to another timelock, whose floor is at least 2 days (M9).",
        "resume_trading": "Ends the guardian's pause: risk may grow again (M37).",
        "grantRole": "Makes the account a holder of the role: guardians pause trading (M36).",
        "revokeRole": "Takes the role from the account; with no guardian left nobody can pause trading (M36).",
    },
    "LendingRegistry": {
        "set_fund": "Moves the pool to the fund that serves it now, and its allowance with it (M18, M38).",
        "set_rates": "Sets what borrowers pay by how much of the pool is lent, and the fund's part of it (M32).",
        "set_limits": "Bounds what lenders may bring and how little a loan may owe (M32).",
        "set_debt_feed": "Replaces the price of the pool's asset: every loan is valued by the new feed (M30).",
        "list_collateral": "Opens a collateral for loans under the next id; what it can cost is capped (M31, M32).",
        "remove_collateral": "Removes a collateral of which the pool holds nothing, for good (M31).",
        "set_factors": "Sets what may be borrowed against a collateral, and when and how its loans are liquidated "
        "(M32).",
        "set_caps": "Bounds what the pool holds of a collateral and lends against it (M31, M32).",
        "set_feed": "Replaces a collateral's price: every loan against it is valued by the new feed (M30).",
        "set_governance": "Hands the registry over for good to another timelock, whose floor is at least 2 days (M9).",
        "resume_borrowing": "Ends the guardian's pause: loans may grow again (M37).",
        "grantRole": "Makes the account a holder of the role: guardians pause borrowing (M36).",
        "revokeRole": "Takes the role from the account; with no guardian left nobody can pause borrowing (M36).",
    },
    "Timelock": {
        "update_delay": "Sets how long every later operation waits at least; never below the floor (M9).",
        "grantRole": "Makes the account a holder of the role: proposers announce and cancel, executors execute (M36).",
        "revokeRole": "Takes the role from the account; the last proposer and the last executor stay (M36).",
    },
}

#: By argument; where a contract means another thing by it, by contract and argument.
VALUES: dict[str, str] = {
    "account": "who gets or loses the role",
    "amount": "how much is sent",
    "asset": "the token that is held",
    "base_bps": "what borrowers pay a year while nothing is lent",
    "borrow_cap": "the most that all loans against it may owe",
    "call": "the call that is announced",
    "cap": "the most that fits into the window; 0 means no such bound",
    "close_factor_bps": "the most of a debt that one liquidation repays",
    "collateral_cap": "the most that all loans against it may hold",
    "collateral_id": "the collateral concerned",
    "cooldown_days": "days from a request to leave until the money is free, at least",
    "deployer": "wires what is created and has no power once it is open",
    "factor_bps": "the most that may be borrowed, of the collateral's value",
    "fee_recipient": "credited the fees that aren't the fund's",
    "feed": "where the market's price comes from",
    "fill_band_bps": "trades further from the mark are refused",
    "fund": "the fund concerned",
    "fund_bps": "the fund's share of what a liquidation leaves",
    "fund_fee_bps": "the fund's part of the trading fees",
    "grace": "time from a flag until anyone may close the position",
    "guardian": "may pause the fund, for at most 7 days",
    "id": "which notice",
    "initial_margin_bps": "equity that a growing position needs, of its notional",
    "is_isolated": "whether it serves one market alone",
    "is_perp": "whether a maximum holds for the market; a lending pool has none",
    "kink_bps": "the part of the pool that is lent where the rate bends",
    "length": "time in which a full window drains",
    "limit": "the most that the fund may draw here, for life",
    "liquidator_bps": "the liquidator's share of what a liquidation leaves",
    "maintenance_margin_bps": "equity below which a position is liquidated, of its notional",
    "maker_fee_bps": "fee of the resting side",
    "market_id": "the market concerned",
    "markets": "those that move along",
    "max_insurance": "the most that the market can cost the fund, for life",
    "min_debt": "the least that a loan may owe, other than nothing",
    "min_notional": "the smallest position",
    "min_staked": "below this stake nothing is streamed",
    "name": "name of the stakers' shares",
    "new": "who governs from then on",
    "new_delay": "how long every later operation waits at least",
    "new_venue": "who reports the market from then on",
    "old": "the fund that is closed",
    "open_interest_cap": "the most that all accounts may hold, both sides",
    "place": "the layer concerned",
    "position_cap": "the most that one account may hold",
    "premium_bps": "share of the fund's revenue that the layer gets before all others",
    "premium_fund_bps": "the fund's part of the premium",
    "receiver": "who gets it",
    "reinsurance": "drawn on when the reserve and the staked layer are spent",
    "reserve_factor_bps": "the fund's part of the interest",
    "role": "the role",
    "salt": "tells it apart from others",
    "slope1_bps": "what they pay more a year at the kink",
    "slope2_bps": "what they pay more yet when all is lent",
    "staked": "drawn on when the reserve is spent; gets the stakers' revenue",
    "staker_bps": "the stakers' share of what bad debt and premiums leave of revenue",
    "stream_length": "time over which a payment of revenue is spread",
    "successor": "the fund that takes everything over",
    "supply_cap": "the most that lenders may bring",
    "symbol": "symbol of the stakers' shares",
    "taker_fee_bps": "fee of the side that takes",
    "threshold": "cap of the reserve",
    "threshold_bps": "debt above this part of the collateral's value is liquidated",
    "token": "which token",
    "treasurer": "may withdraw the excess to the treasury",
    "treasury": "gets the excess, for ever",
    "venue": "who reports the market",
    "window_cap": "the most that the fund may draw within the window; 0 means no such bound",
    "window_length": "time in which a full window drains",
}
VALUES_BY_CONTRACT: dict[tuple[str, str], str] = {
    ("LendingRegistry", "asset"): "the token that is taken as collateral",
    ("LendingRegistry", "feed"): "where the price comes from",
    ("LendingRegistry", "premium_bps"): "collateral that a liquidator gets beyond what he repays",
    ("Underwriter", "length"): "time over which a payment of revenue is spread",
}


def effect(contract: str, function: str) -> str:
    """What a call does."""
    return EFFECTS[contract][function]


def meaning(contract: str, argument: str) -> str:
    """What a value is."""
    return VALUES_BY_CONTRACT.get((contract, argument)) or VALUES[argument]
