"""What it costs to create a fund through the factory, its code apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kana_insurance.backends import address_of
from kana_insurance.deployment import fund_terms
from tools.gasbench.bench import Bench, Measured
from tools.gasbench.operations import Operation

#: Gas a byte of deployed code (the protocol's).
DEPOSIT = 200

CREATION = Operation(
    "create_fund",
    "create a fund through the factory, beyond its code deposit",
    target=1_000_000,
    note=f"Called by the governor itself; {DEPOSIT} gas for each byte of the fund's code are taken off.",
)


class FundsBench:
    """The factory of the bench's system."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.factory = bench.kit.factory

    def operations(self) -> Iterator[tuple[str, Measured]]:
        """The creation of an isolated fund beside the deployment's shared one."""
        bench, factory = self.bench, self.factory
        bench.progress("measuring the creation of a fund")
        terms = fund_terms(bench.kit.system.config, bench.token.address, address_of(bench.actors.deployer))
        salt = b"\x01" * 32
        receipt = factory.create_fund(terms, True, salt, sender=bench.kit.governance)
        fund = str(factory.fund_by_salt(salt))
        done = bench.measured(receipt)
        code = str(bench.backend.rpc("eth_getCode", fund, "latest"))
        deposit = DEPOSIT * (len(code) // 2 - 1)
        maker = address_of(factory).lower()
        trace = replace(
            done.trace,
            gas=done.trace.gas - deposit,
            gross=done.trace.gross - deposit,
            spent={**done.trace.spent, maker: done.trace.spent[maker] - deposit},
        )
        names = {
            **done.names,
            maker: "factory",
            fund.lower(): "new fund",
            address_of(bench.kit.timelock).lower(): "timelock",
        }
        yield "create_fund", Measured(trace, names)
