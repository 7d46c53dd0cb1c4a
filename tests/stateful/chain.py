"""Calls and reads of the real contracts in titanoboa, fast enough for thousands of steps.

A view is called again only after a slot that it read was written to: what it read is recorded as it runs. So a whole
state costs about what changed in it, and is still what the contracts' own views say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import boa
from boa.vm.utils import to_int

from kana_insurance.backends import address_of, decode_reason

Slot = tuple[bytes, int]
_SLOAD = 0x54


class _SloadRecorder:
    """Notes every slot that is read, then reads it."""

    mnemonic = "SLOAD"

    def __init__(self, sload: Callable[[Any], None]) -> None:
        self.sload = sload
        self.seen: set[Slot] = set()

    def __call__(self, computation: Any) -> None:
        self.seen.add((computation.msg.storage_address, to_int(computation._stack.values[-1])))
        self.sload(computation)


class Chain:
    """Execution in titanoboa's current environment."""

    def __init__(self) -> None:
        # Contracts that boa knows are printed with their whole storage whenever one reverts.
        boa.env._contracts.clear()
        boa.env.enable_fast_mode()
        opcodes = boa.env.evm.vm.state.computation_class.opcodes
        self._recorder = _SloadRecorder(opcodes[_SLOAD])
        opcodes[_SLOAD] = self._recorder
        self._results: dict[tuple[str, str, tuple[Any, ...]], Any] = {}
        self._readers: dict[Slot, set[tuple[str, str, tuple[Any, ...]]]] = {}

    def execute(self, function: Any, *args: Any, sender: Any) -> tuple[bool, Any, list[tuple[Any, ...]]]:
        """Call a function; return whether it went through, its result or the reason, and the raw logs."""
        boa.env.sstore_trace.clear()
        computation = self._run(function, args, sender)
        self._forget_what_changed()
        if computation.is_error:
            return False, decode_reason(bytes(computation.output)), []
        result = function.contract.marshal_to_python(computation, function.func_t.return_type)
        return True, result, list(computation.get_raw_log_entries())

    def read(self, function: Any, *args: Any) -> Any:
        """What a view gives now, called again only when a slot that it read has been written."""
        key = (address_of(function.contract), function.func_t.name, args)
        if key not in self._results:
            self._recorder.seen.clear()
            computation = self._run(function, args, boa.env.eoa)
            if computation.is_error:
                raise AssertionError(f"{function.func_t.name}{args}: {decode_reason(bytes(computation.output))}")
            self._results[key] = function.contract.marshal_to_python(computation, function.func_t.return_type)
            for slot in self._recorder.seen:
                self._readers.setdefault(slot, set()).add(key)
        return self._results[key]

    def forget_views(self, names: Collection[str]) -> None:
        """Read these views again: they depend on the time, which has passed."""
        for key in [key for key in self._results if key[1] in names]:
            del self._results[key]

    def forget(self) -> None:
        """Read everything again: the chain went back to a snapshot."""
        self._results.clear()
        self._readers.clear()

    def _run(self, function: Any, args: tuple[Any, ...], sender: Any) -> Any:
        return boa.env.execute_code(
            to_address=function.contract.address,
            sender=address_of(sender),
            data=function.prepare_calldata(*args),
            is_modifying=function.func_t.is_mutable,
            contract=function.contract,
        )

    def _forget_what_changed(self) -> None:
        for account, slots in boa.env.sstore_trace.items():
            address = account.canonical_address
            for slot in slots:
                for key in self._readers.pop((address, slot), ()):
                    self._results.pop(key, None)


class Cached:
    """A contract whose views are read through a ``Chain``."""

    def __init__(self, chain: Chain, contract: Any) -> None:
        self._chain = chain
        self._contract = contract
        self.address = contract.address

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._contract, name)
        return lambda *args: self._chain.read(function, *args)
