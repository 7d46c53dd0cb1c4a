"""The calls of governance, listed and explained."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from kana_insurance.client import Refusal
from kana_insurance.governance.actions import Action, actions, named
from kana_insurance.governance.meanings import effect, meaning


def catalogue(name: str | None = None) -> list[dict[str, Any]]:
    """Every call by name, or those of one name: the contracts, the arguments and how they are written, what it does.

    Raises:
        Refusal: if there is none of that name.
    """
    wanted = actions() if name is None else calls_named(name)
    if name is None:
        return [
            {
                "name": one.name,
                "contract": one.contract,
                "arguments": " ".join(argument.name for argument in one.arguments),
                "what_it_does": effect(one.contract, one.function),
            }
            for one in wanted
        ]
    return [
        {
            "contract": one.contract,
            "argument": argument.name,
            "is": meaning(one.contract, argument.name),
            "written_as": argument.unit.value,
        }
        for one in wanted
        for argument in one.arguments
    ]


def calls_named(name: str) -> list[Action]:
    """The calls of a name, one for each type of contract that has it.

    Raises:
        Refusal: if there is none; with names that are near.
    """
    found = named(name)
    if not found:
        near = get_close_matches(name, {one.name for one in actions()})
        meant = f" (is {' or '.join(near)} meant?)" if near else ""
        raise Refusal(f"governance has no call '{name}'{meant}: 'ape run govern calls' lists them")
    return found
