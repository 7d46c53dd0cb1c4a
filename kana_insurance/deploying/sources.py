"""Standard JSON of every contract of a deployment, for block explorers that verify sources.

Beside the record, in ``deployments/<network>.verify/``: one input of the compiler for each contract, and
``contracts.json``, which says of each address which contract it is and what its constructor was given.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from kana_insurance.backends import EVM_VERSION, ROOT, ZERO, source_of
from kana_insurance.backends.artifacts import artifact
from kana_insurance.backends.rpc import canonical_type
from kana_insurance.system import CONTRACT_NAMES, DeploymentRecord, record_path
from kana_insurance.values import FAUCET_TOKEN, FaucetConfig

BLUEPRINTS = ("InsuranceFund", "Underwriter", "Backstop")


@cache
def standard_json(contract: str) -> dict[str, Any]:
    """The compiler's input that gives a contract's code: all sources and settings, without paths of this machine.

    Raises:
        ContractMissing: if there is none of that name.
    """
    import vyper
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.output_bundle import SolcJSONWriter
    from vyper.compiler.phases import CompilerData
    from vyper.compiler.settings import Settings

    packages = Path(vyper.__file__).parents[1]
    path = source_of(contract).relative_to(ROOT)
    # The names of sources are relative to the folder that the compiler runs in.
    with contextlib.chdir(ROOT):
        bundle = FilesystemInputBundle([packages, Path(".")])
        data = CompilerData(bundle.load_file(path), bundle, settings=Settings(evm_version=EVM_VERSION))
        writer = SolcJSONWriter(data)
        writer.write()
        found: dict[str, Any] = writer.output()
        # As vyper names them: packages of an environment within the folder keep its name, others lose theirs.
        prefix = _prefix(found["sources"])
    found["sources"] = {name.removeprefix(prefix): source for name, source in found["sources"].items()}
    found["settings"]["search_paths"] = ["."]
    return found


def _prefix(names: Any) -> str:
    """What precedes "snekmate/" in the names of its sources."""
    marked = (name.partition("snekmate/")[0] for name in names if "snekmate/" in name)
    return str(next(marked, ""))


def entries(record: DeploymentRecord) -> Iterator[dict[str, Any]]:
    """Every contract of a deployment once: its part, address, contract, constructor arguments."""
    seen: set[str] = set()
    for one in (record, *record.others):
        for entry in _own(one):
            if entry["address"] not in seen:
                seen.add(entry["address"])
                yield entry


def _own(record: DeploymentRecord) -> Iterator[dict[str, Any]]:
    arguments = record.constructor_args
    for part, address in record.addresses.items():
        contract = CONTRACT_NAMES[part]
        if part == "asset":
            if record.config.token is not None:
                continue
            contract = "FaucetToken" if isinstance(record.config.asset, FaucetConfig) else FAUCET_TOKEN
        yield _entry(part, contract, address, arguments.get(part, []))
    for contract, address in zip(BLUEPRINTS, arguments.get("factory", [])[3:], strict=False):
        yield {**_entry(f"blueprint {contract}", contract, address, None), "blueprint": True}
    for market in record.markets:
        number = market.market_id
        yield _entry(f"feed of {market.name}", "PriceFeed", market.feed, arguments[f"feed_{number}"])
        if market.mock:
            what = arguments[f"aggregator_{number}"]
            yield _entry(f"aggregator of {market.name}", "MockAggregator", market.aggregator, what)
        if market.fund and market.fund != ZERO:
            part = f"fund of {market.name}"
            yield _entry(part, "InsuranceFund", market.fund, arguments[part])
    for collateral in record.collaterals:
        part = f"collateral_{collateral.collateral_id}"
        yield _entry(f"feed of {collateral.name}", "PriceFeed", collateral.feed, arguments[f"feed_{part}"])
        if collateral.faucet:
            yield _entry(collateral.name, "FaucetToken", collateral.token, arguments[part])
        if collateral.mock:
            what = arguments[f"aggregator_{part}"]
            yield _entry(f"aggregator of {collateral.name}", "MockAggregator", collateral.aggregator, what)


def _entry(part: str, contract: str, address: str, values: list[Any] | None) -> dict[str, Any]:
    """A contract's entry; None as values: a blueprint, whose constructor hasn't run."""
    path = source_of(contract).relative_to(ROOT)
    return {
        "part": part,
        "address": address,
        "contract": f"{path}:{contract}",
        "standard_json": f"{contract}.json",
        "constructor_arguments": "" if values is None else encode_arguments(contract, values),
    }


def encode_arguments(contract: str, values: list[Any]) -> str:
    """Constructor arguments of a record, ABI-encoded, as hexadecimal digits without 0x."""
    inputs: list[dict[str, Any]] = next(
        (entry["inputs"] for entry in artifact(contract)["abi"] if entry["type"] == "constructor"), []
    )
    kinds = [canonical_type(item) for item in inputs]
    return encode(kinds, [_typed(kind, value) for kind, value in zip(kinds, values, strict=True)]).hex()


def _typed(kind: str, value: Any) -> Any:
    if kind.endswith("]"):
        return [_typed(kind[: kind.rindex("[")], item) for item in value]
    if kind.startswith("("):
        parts = kind[1:-1].split(",")
        return tuple(_typed(part, item) for part, item in zip(parts, value, strict=True))
    return int(value) if kind.startswith(("uint", "int")) else value


def write_sources(record: DeploymentRecord) -> Path:
    """Write what explorers need, and return the folder."""
    folder = record_path(record.network).with_suffix(".verify")
    folder.mkdir(parents=True, exist_ok=True)
    found = list(entries(record))
    for contract in sorted({str(entry["contract"]).partition(":")[2] for entry in found}):
        text = json.dumps(standard_json(contract), indent=1)
        (folder / f"{contract}.json").write_text(text + "\n", encoding="utf-8")
    head = {"chain_id": record.chain_id, "compiler": "vyper 0.4.3", "evm_version": EVM_VERSION, "contracts": found}
    (folder / "contracts.json").write_text(json.dumps(head, indent=2) + "\n", encoding="utf-8")
    return folder
