"""Values of governance's calls as people write and read them: durations, shares, roles, markets, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from eth_utils import is_address, keccak, to_checksum_address

from kana_insurance.amounts import WAD_DECIMALS, AmountError, parse_amount
from kana_insurance.backends import ZERO
from kana_insurance.client import Figure, moment
from kana_insurance.governance.actions import Action, Argument, Unit
from kana_insurance.governance.directory import Directory, Part
from kana_insurance.measures import Misspelt, duration_text, parse_bps, parse_days, parse_duration

_LAYERS = ("staked", "reinsurance")
#: Roles by name; the timelock's ids are snekmate's.
ROLES = {
    "treasurer": keccak(text="TREASURER"),
    "guardian": keccak(text="GUARDIAN"),
    "deployer": keccak(text="DEPLOYER"),
    "governance": bytes(32),
    "proposer": keccak(text="PROPOSER_ROLE"),
    "executor": keccak(text="EXECUTOR_ROLE"),
    "canceller": keccak(text="CANCELLER_ROLE"),
}


class Duration(Figure):
    """Seconds, which people read as days, hours, minutes and seconds."""

    def text(self) -> str:
        """For people."""
        return duration_text(self.value)


class Words:
    """Reads and writes the values of one call.

    Args:
        directory: Who is who.
        alias: Finds the address of an account's alias; raises ``Misspelt`` if there is none.
        raw: Whether amounts and sizes are base units, bare durations seconds.
    """

    def __init__(self, directory: Directory, alias: Callable[[str], str] | None = None, *, raw: bool = False) -> None:
        self.directory = directory
        self.alias = alias
        self.raw = raw

    # ------------------------------------------------------------------- reading

    def parse(self, part: Part, argument: Argument, text: str, values: dict[str, Any]) -> Any:
        """The value that a text stands for.

        Args:
            part: The contract that is called.
            argument: What is read.
            text: The text.
            values: Arguments read before.

        Raises:
            Misspelt: if the text is no such value.
        """
        try:
            return self._parse(part, argument, text.strip(), values)
        except (Misspelt, AmountError) as error:
            raise Misspelt(f"{argument.name}: {error}") from error

    def _parse(self, part: Part, argument: Argument, text: str, values: dict[str, Any]) -> Any:
        unit = argument.unit
        if unit is Unit.COLLATERAL:
            return self._collateral(part, text)
        if unit is Unit.AMOUNT:
            if text.lower() == "off" and argument.name in ("cap", "window_cap"):
                return 0
            return parse_amount(text, self._token(part, argument, values)[0], raw=self.raw)
        if unit is Unit.SIZE:
            return parse_amount(text, WAD_DECIMALS, raw=self.raw)
        if unit is Unit.BPS:
            return parse_bps(text)
        if unit is Unit.SECONDS:
            return parse_duration(text, raw=self.raw)
        if unit is Unit.DAYS:
            return parse_days(text)
        if unit is Unit.ADDRESS:
            return self._address(argument, text)
        if unit is Unit.MARKET:
            return self._market(text)
        if unit is Unit.MARKETS:
            return [self._key(one.strip()) for one in text.split(",") if one.strip()]
        if unit is Unit.TEXT:
            return text
        if unit is Unit.FLAG:
            return _choice(text, {"yes": True, "true": True, "no": False, "false": False}, Unit.FLAG)
        if unit is Unit.PLACE:
            return _choice(text, {"0": 0, "1": 1, **{name: n for n, name in enumerate(_LAYERS)}}, Unit.PLACE)
        if unit is Unit.ROLE:
            return ROLES.get(text.lower()) or _word(text, f"a role: one of {', '.join(ROLES)}, or 32 bytes")
        if unit is Unit.SALT:
            return _word(text, "") if re.fullmatch("0x[0-9a-fA-F]{64}", text) else keccak(text=text)
        if unit is Unit.ID:
            return _word(text, "an id: 32 bytes, as 'ape run govern list --json' shows them")
        if not re.fullmatch("0x([0-9a-fA-F]{2})*", text):
            raise Misspelt(f"'{text}' is no call data: write 0x and pairs of hexadecimal digits")
        return bytes.fromhex(text[2:])

    def _address(self, argument: Argument, text: str) -> str:
        if text.lower() == "none" and argument.name in (*_LAYERS, "feed"):
            return ZERO
        if is_address(text):
            return str(to_checksum_address(text))
        if (part := self.directory.find(text)) is not None:
            return part.address
        if self.alias is not None:
            return self.alias(text)
        raise Misspelt(f"'{text}' is {Unit.ADDRESS.value.replace('an ', 'no ', 1)}")

    def _market(self, text: str) -> int:
        if text.isdecimal():
            return int(text)
        if (market := self.directory.market(text)) is None:
            names = ", ".join(one.name for one in self.directory.markets)
            raise Misspelt(f"'{text}' is no market: write an id, or one of {names}")
        return market.market_id

    def _collateral(self, part: Part, text: str) -> int:
        if text.isdecimal():
            return int(text)
        if (found := self.directory.collateral(part.address, text)) is None:
            names = ", ".join(one.name for one in self.directory.collaterals if one.registry == part.address)
            raise Misspelt(f"'{text}' is no collateral: write an id, or one of {names}")
        return found.number

    def _key(self, text: str) -> tuple[str, int]:
        if (market := self.directory.market(text)) is not None:
            return market.venue, market.market_id
        venue, _, number = text.partition(":")
        if not is_address(venue) or not number.isdecimal():
            raise Misspelt(f"'{text}' is no market: write its name or VENUE:ID")
        return to_checksum_address(venue), int(number)

    def _token(self, part: Part, argument: Argument, values: dict[str, Any]) -> tuple[int, str]:
        """Decimals and symbol of the token that an amount of a call is in."""
        if part.contract != "LendingRegistry":
            address = values.get("token") or values.get("asset") or part.asset
        elif argument.name != "collateral_cap":
            address = part.asset
        elif "asset" in values:
            address = values["asset"]
        else:
            listed = bool(part.at.listed(values["collateral_id"]))
            address = str(part.at.collateral(values["collateral_id"]).asset) if listed else None
        return self.directory.token(address) if address else (0, "base units")

    # ------------------------------------------------------------------- writing

    def figure(self, part: Part, argument: Argument, value: Any, values: dict[str, Any]) -> Figure | str:
        """A value, ready to be shown."""
        unit = argument.unit
        if isinstance(value, str) and unit is not Unit.ADDRESS:
            return value
        if unit is Unit.AMOUNT:
            return Figure(int(value), *self._token(part, argument, values))
        if unit is Unit.SIZE:
            return Figure(int(value), WAD_DECIMALS)
        if unit is Unit.BPS:
            return Figure(int(value), 2, "%")
        if unit is Unit.SECONDS:
            return Duration(int(value))
        if unit is Unit.DAYS:
            return Figure(int(value), 0, "days")
        if unit is Unit.ADDRESS:
            part_there = self.directory.by_address(value) if is_address(value) else None
            return f"{part_there.name} {value}" if part_there else "none" if value == ZERO else str(value)
        if unit is Unit.MARKET:
            return self.directory.market_name(self._venue(part, values), int(value))
        if unit is Unit.COLLATERAL:
            return self.directory.collateral_name(part.address, int(value))
        if unit is Unit.MARKETS:
            return ", ".join(self._key_text(str(to_checksum_address(key[0])), int(key[1])) for key in value) or "none"
        if unit is Unit.FLAG:
            return "yes" if value else "no"
        if unit is Unit.PLACE:
            return _LAYERS[int(value)] if int(value) < len(_LAYERS) else str(value)
        if unit is Unit.ROLE:
            return next((name for name, role in ROLES.items() if role == bytes(value)), "0x" + bytes(value).hex())
        return "0x" + bytes(value).hex()

    def _venue(self, part: Part, values: dict[str, Any]) -> str | None:
        if "venue" in values:
            return str(values["venue"])
        return self.directory.house_of(part) if part.contract == "MarketRegistry" else None

    def _key_text(self, venue: str, market_id: int) -> str:
        found = next((one for one in self.directory.markets if (one.venue, one.market_id) == (venue, market_id)), None)
        return found.name if found else f"{venue}:{market_id}"

    def call(self, part: Part, action: Action, values: dict[str, Any], describe: Callable[[str, bytes], str]) -> str:
        """A call in words: ``fund.set-threshold(2,000,000 KanaUSDT)``.

        Args:
            part: The contract.
            action: The call.
            values: Its values by argument.
            describe: Says what a call within it is, of an address and call data.
        """
        words = []
        for argument in action.arguments:
            value = values[argument.name]
            if argument.unit is Unit.DATA:
                words.append(describe(values.get("fund", part.address), bytes(value)))
                continue
            shown = self.figure(part, argument, value, values)
            named = self.directory.by_address(value) if argument.unit is Unit.ADDRESS else None
            words.append(named.name if named else shown.text() if isinstance(shown, Figure) else shown)
        return f"{part.name}.{action.name}({', '.join(words)})"


def _choice(text: str, choices: dict[str, Any], unit: Unit) -> Any:
    if text.lower() not in choices:
        raise Misspelt(f"'{text}' is not {unit.value}")
    return choices[text.lower()]


def _word(text: str, what: str) -> bytes:
    if not re.fullmatch("0x[0-9a-fA-F]{64}", text):
        raise Misspelt(f"'{text}' is not {what}")
    return bytes.fromhex(text[2:])


def until(timestamp: int, now: int) -> str:
    """A time to come, with what is left until then."""
    return moment(timestamp) + (f", in {duration_text(timestamp - now)}" if timestamp > now else "")
