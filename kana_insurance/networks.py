"""One YAML file for each network: what is deployed there, checked with the lines of what is wrong.

A file has the fields of :class:`~kana_insurance.config.DeploymentConfig` and those of :class:`NetworkFile`. Its amounts
are whole tokens, its sizes and prices whole units, its durations "2d" or "90m", its shares "5%" or basis points.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from kana_insurance.backends import ZERO
from kana_insurance.config import DeploymentConfig, FundConfig
from kana_insurance.pools import FeedConfig
from kana_insurance.system import LOCAL_CHAINS, DeploymentError, read_config
from kana_insurance.values import (
    COLLATERALS,
    UNKNOWN_ASSET,
    Address,
    FaucetConfig,
    Measure,
    Seconds,
    Spoken,
    TokenConfig,
)

#: A path into a file: keys and positions.
Place = tuple[str | int, ...]

#: What has a price feed.
Priced = TypeVar("Priced", bound=FeedConfig)

_ROLES = ("treasurer", "guardian", "treasury", "fee_recipient")


class NetworkFile(DeploymentConfig):
    """A deployment's configuration, and the chain that it is for."""

    #: What the record is called: deployments/<network>.json; "local" on a local chain.
    network: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]*$")]
    chain_id: Annotated[int, Field(gt=0)]
    #: What the chain's EVM knows at least; the contracts need transient storage (EIP-1153).
    evm: Literal["cancun", "prague", "osaka"] = "cancun"
    #: What the chain's own coin is called, in which gas is paid.
    coin: Annotated[str, Field(min_length=1, max_length=10)] = "ETH"
    #: The feed that tells whether the chain's sequencer is up, for all markets that name none of their own.
    sequencer: Address = ZERO
    sequencer_grace: Annotated[Seconds, Field(gt=0)] = 3_600

    @model_validator(mode="after")
    def _named(self) -> NetworkFile:
        if (self.network == "local") != (self.chain_id in LOCAL_CHAINS):
            raise ValueError(
                f"network is called '{self.network}' and chain_id is {self.chain_id}: 'local' is the name of chains "
                f"{' and '.join(map(str, sorted(LOCAL_CHAINS)))}, and theirs alone"
            )
        for role, holders in self.holders().items():
            if ZERO in holders and role != "executors":
                raise ValueError(f"{role} can't be the zero address")
        return self

    def config(self) -> DeploymentConfig:
        """What is deployed, with the network's sequencer feed at every market that names none."""
        values = {name: getattr(self, name) for name in DeploymentConfig.model_fields}
        values |= self._heeding(self)
        values["others"] = [other.model_copy(update=self._heeding(other)) for other in self.others]
        return DeploymentConfig(**values)

    def _heeding(self, fund: FundConfig) -> dict[str, Any]:
        """The markets and the pool of a fund, whose feeds heed the sequencer."""
        pool = fund.pool
        if pool is not None:
            heeding: dict[str, Any] = {"collaterals": [self._heeds(one) for one in pool.collaterals]}
            if pool.debt_feed is not None:
                heeding["debt_feed"] = self._heeds(pool.debt_feed)
            pool = pool.model_copy(update=heeding)
        return {"markets": [self._heeds(market) for market in fund.markets], "pool": pool}

    def _heeds(self, feed: Priced) -> Priced:
        if "sequencer" in feed.model_fields_set:
            return feed
        return feed.model_copy(update={"sequencer": self.sequencer, "sequencer_grace": self.sequencer_grace})


@dataclass(frozen=True)
class Plan:
    """What is to be deployed, and where each of its parts is written.

    Attributes:
        path: The file.
        config: What it asks for.
        network: The name it gives the network; empty in JSON, which names none.
        chain_id: The chain that it is for; None in JSON.
        lines: Line by place, from 1; empty in JSON.
        coin: What gas is paid in.
    """

    path: Path
    config: DeploymentConfig
    network: str = ""
    chain_id: int | None = None
    lines: dict[Place, int] = field(default_factory=dict)
    coin: str = "ETH"

    def at(self, *place: str | int) -> str:
        """Where something is written: file and line where they are known, and the field."""
        line = next((self.lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in self.lines), None)
        return f"{self.path}{f':{line}' if line else ''}: {_dotted(place)}"

    def place_of(self, role: str, holder: str) -> str:
        """Where the holder of a role is written."""
        value = getattr(self.config, role)
        return self.at(role, value.index(holder)) if isinstance(value, list) else self.at(role)


def read_plan(path: Path) -> Plan:
    """What a network's YAML file, or a JSON configuration, asks for.

    Raises:
        DeploymentError: if it can't be read or is wrong; with every line, field and what is wanted.
    """
    if path.suffix.lower() == ".json":
        return Plan(path, read_config(path))
    try:
        tree = _Tree(path, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeploymentError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DeploymentError(f"{path} is no text in UTF-8") from None
    try:
        network = NetworkFile.model_validate(tree.value, context=Spoken())
    except ValidationError as error:
        raise DeploymentError("\n".join(tree.told(error))) from None
    return Plan(path, network.config(), network.network, network.chain_id, tree.lines, network.coin)


class _Tree:
    """The texts of a YAML file, with their lines; nothing is taken for a number, a date or a truth here.

    Raises:
        DeploymentError: if it is no YAML, no mapping, or says something twice.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines: dict[Place, int] = {}
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if not isinstance(node, yaml.MappingNode):
                raise DeploymentError(f"{path}: this is no network file: write 'field: value' in each line")
            self._loader = loader
            self.value: dict[str, Any] = self._read(node, ())
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            what = getattr(error, "problem", None) or str(error)
            raise DeploymentError(f"{path}{f':{mark.line + 1}' if mark else ''}: this is no YAML: {what}") from None
        finally:
            loader.dispose()

    def _read(self, node: yaml.Node, place: Place) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            found = []
            for number, item in enumerate(node.value):
                self.lines[(*place, number)] = item.start_mark.line + 1
                found.append(self._read(item, (*place, number)))
            return found
        return None if node.tag == "tag:yaml.org,2002:null" else node.value

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise DeploymentError(f"{self.path}:{line}: a field's name is missing")
            if key.value in seen:
                where = _dotted((*place, key.value))
                raise DeploymentError(f"{self.path}:{line}: {where} is there already, in line {seen[key.value]}")
            seen[key.value] = line
        self._loader.flatten_mapping(node)
        found = {}
        for key, value in node.value:
            self.lines[(*place, key.value)] = key.start_mark.line + 1
            found[key.value] = self._read(value, (*place, key.value))
        return found

    def told(self, error: ValidationError) -> list[str]:
        """Every error of a validation in a line of its own."""
        found = error.errors()
        if any(one["loc"][:1] == ("asset",) for one in found):
            # Without a good asset no amount can be read; that it can't needn't be said of each.
            found = [one for one in found if UNKNOWN_ASSET not in str(one["msg"])]
        return [self._told(one) for one in found]

    def _told(self, error: Any) -> str:
        place: Place = ()
        model: Any = NetworkFile
        for part in error["loc"]:
            if (*place, part) in self.lines:
                place = (*place, part)
                model = _within(model, part)
        line = self.lines.get(place)
        name = _dotted(place)
        if error["type"] == "missing":
            name = _dotted((*place, error["loc"][-1]))
        elif error["type"] == "value_error" and (not place or isinstance(self._at(place), dict)):
            # What concerns a whole part names the field that it is told at.
            for word in str(error["ctx"]["error"]).replace("'", " ").split():
                if (*place, word) in self.lines:
                    line, name = self.lines[(*place, word)], _dotted((*place, word))
                    break
        where = f"{self.path}{f':{line}' if line else ''}"
        return f"{where}: {name + ': ' if name else ''}{self._wanted(error, model, place)}"

    def _at(self, place: Place) -> Any:
        value: Any = self.value
        for part in place:
            value = value[part]
        return value

    def _wanted(self, error: Any, model: Any, place: Place) -> str:
        kind, context = error["type"], error.get("ctx") or {}
        if kind == "missing":
            return "this is missing"
        if kind == "extra_forbidden":
            known = _fields_of(_model_at(place[:-1], self._at(place[:-1])))
            close = get_close_matches(str(place[-1]), known, 1)
            return f"there is no such field{f', did you mean {close[0]}?' if close else f': write {_or(known)}'}"
        if kind == "value_error":
            return str(context["error"])
        if kind == "string_pattern_mismatch":
            return f"'{error['input']}': write small letters, digits and dashes"
        given = error["input"]
        if given is None:
            return "this is empty: write a value, or leave the field out"
        if kind in ("model_type", "dict_type", "model_attributes_type"):
            return "write fields of its own below it, in lines that are indented"
        if kind == "list_type":
            return "write a list: each entry in a line of its own, after a dash"
        if isinstance(given, (dict, list)):
            return "write a single value"
        for name, words in (("greater_than_equal", "at least"), ("less_than_equal", "at most"), ("greater_than", ">")):
            if kind == name:
                bound = context[{"at least": "ge", "at most": "le", ">": "gt"}[words]]
                shown = model.text(bound, self._decimals(place, model)) if isinstance(model, Measure) else str(bound)
                return f"{given} is out of bounds: must be {'more than' if words == '>' else words} {shown}"
        if kind in ("int_parsing", "int_type"):
            return f"'{given}' is no whole number"
        if kind == "bool_parsing":
            return f"'{given}' is neither true nor false"
        return f"'{given}': {error['msg'][0].lower()}{error['msg'][1:]}"

    def _decimals(self, place: Place, measure: Measure) -> int:
        """Decimals of the asset whose fund, or of the collateral that a place is in."""
        spoken = Spoken()
        if measure is COLLATERALS:
            with spoken.collateral(self._at(place[:-1]).get("token")):
                return spoken.collateral_decimals or 0
        fund = self._at(place[:2]) if place[:1] == ("others",) else self.value
        with spoken.asset(fund.get("asset")):
            return spoken.decimals or 0


def _dotted(place: Iterable[str | int]) -> str:
    """A place in words: markets[0].name."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _or(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else "".join(names)


def _fields_of(model: Any) -> list[str]:
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_at(place: Place, value: Any) -> Any:
    model: Any = NetworkFile
    for part in place:
        model = _within(model, part)
    if place and place[-1] in ("asset", "token"):
        return TokenConfig if isinstance(value, dict) and "address" in value else FaucetConfig
    return model


def _within(model: Any, part: str | int) -> Any:
    """What a field of a model, or an entry of a list, is: a model or a measure, else something else."""
    if isinstance(part, int) or not (isinstance(model, type) and issubclass(model, BaseModel)):
        return model
    known = model.model_fields.get(part)
    if known is None:
        return None
    found = _leaf(known.annotation)
    return next((one for one in known.metadata if isinstance(one, Measure)), found)


def _leaf(annotation: Any) -> Any:
    """The model or measure within an annotation."""
    if isinstance(annotation, (Measure, type)) and (
        isinstance(annotation, Measure) or issubclass(annotation, BaseModel)
    ):
        return annotation
    parts = [*get_args(annotation), *getattr(annotation, "__metadata__", ())]
    return next((found for part in parts if (found := _leaf(part)) is not None), None)
