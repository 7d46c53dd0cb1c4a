"""A backend that sends one numbered transaction after the other, each written to a journal, and can be resumed.

:func:`~kana_insurance.deployment.deploy` runs on it as on any backend. Run again, it makes the same calls in the same
order; those that the journal has and the chain too are not sent again, their receipts are looked up. So nothing in
``deploy`` may depend on state that its own later transactions change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_utils import keccak, to_checksum_address

from kana_insurance.backends import Reverted, address_of
from kana_insurance.backends.artifacts import artifact
from kana_insurance.backends.rpc import Key, NodeError, Receipt, RpcBackend, as_revert, canonical_type
from kana_insurance.deploying.journal import JournalFile, Step
from kana_insurance.system import DeploymentError

#: How long a transaction may take to be mined, and a node to know what others know already, seconds.
MINED_SECONDS = 600.0
KNOWN_SECONDS = 15.0
#: Seconds between two looks at the node: they grow from the first to the last.
LOOKS = (0.01, 2.0)
#: More gas than was estimated, percent: state may change before a transaction is mined.
GAS_MARGIN = 20


@dataclass(frozen=True)
class Fees:
    """What gas costs now, wei: the block's base fee and the tip."""

    base: int
    tip: int

    @property
    def now(self) -> int:
        """What a transaction pays in the next block."""
        return self.base + self.tip

    @property
    def most(self) -> int:
        """What a transaction may pay, so that it outlives a few full blocks."""
        return 2 * self.base + self.tip


@dataclass(frozen=True)
class Draft:
    """A transaction to be signed."""

    chain_id: int
    nonce: int
    to: str | None
    data: bytes
    gas: int
    fees: Fees


#: Signs a draft; the transaction as it is sent.
Sign = Callable[[Draft], bytes]
#: A request to a node: method, parameters; its answer with "result" or "error".
Request = Callable[[str, list[Any]], dict[str, Any]]


@dataclass(frozen=True)
class Sent:
    """A step as it is shown: ``state`` is "sent", "mined", "found" (mined before this run) or "again"."""

    step: Step
    state: str
    data: bytes


class StepBackend(RpcBackend):
    """Sends for one deployer, in order, waiting for each transaction.

    Args:
        url: The node.
        file: The journal to go on with.
        sign: Signs for the deployer; None where the node has unlocked it.
        told: Told what becomes of each step.
        request: Reaches the node in another way than over HTTP.
        resend: Whether the last step is sent anew if another transaction took its nonce.
    """

    def __init__(
        self,
        url: str,
        file: JournalFile,
        sign: Sign | None,
        told: Callable[[Sent], None] = lambda _: None,
        request: Request | None = None,
        *,
        resend: bool = False,
    ) -> None:
        self._request = request
        super().__init__(url)
        self.file = file
        self.steps_done = 0
        self._sign = sign
        self._told = told
        self._resend = resend
        self._seen = "latest"

    # ------------------------------------------------------------------ JSON-RPC

    def _post(self, requests_: Sequence[tuple[str, list[Any]]], chunk: int = 0) -> list[dict[str, Any]]:
        if self._request is not None:
            return [self._request(method, params) for method, params in requests_]
        return super()._post(requests_, chunk or len(requests_))

    def eth_calls(self, calls: Sequence[tuple[str, bytes, Any, str]]) -> list[bytes]:
        """The data that calls return; a node that doesn't know the contract yet gets some time.

        Raises:
            Reverted: for the first that would revert.
            NodeError: if one returns nothing: all that a deployment reads returns something.
        """
        end = time.monotonic() + KNOWN_SECONDS
        while True:
            found = super().eth_calls(calls)
            empty = [name for (_, _, _, name), data in zip(calls, found, strict=True) if not data]
            if not empty:
                return found
            if time.monotonic() > end or not self.steps_done:
                raise NodeError(f"{empty[0]} returned nothing: there is no such contract, or the node is behind")
            time.sleep(LOOKS[1])

    def fees(self) -> Fees:
        """What gas costs now.

        Raises:
            DeploymentError: if the chain's blocks have no base fee.
        """
        return fees_of(self)

    def nonce(self, address: str, block: str = "latest") -> int:
        """How many transactions an account has sent."""
        return int(self.rpc("eth_getTransactionCount", address, block), 16)

    # --------------------------------------------------------------------- steps

    def send(self, sender: Any, to: str | None, data: bytes, gas: int = 0, call: str = "") -> Receipt:
        """The next step: sent, or found where an earlier run sent it.

        Raises:
            Reverted: if it would revert, or did.
            DeploymentError: if the journal has another transaction in its place, or its nonce was used otherwise.
            NodeError: if the node fails, or doesn't mine it; it is settled when the deployment is resumed.
        """
        deployer = str(to_checksum_address(address_of(sender)))
        journal, digest = self.file.journal, "0x" + keccak((bytes.fromhex(to[2:]) if to else b"") + data).hex()
        number = self.steps_done + 1
        answer, state = None, "mined"
        if number <= len(journal.steps):
            step = journal.steps[number - 1]
            if step.digest != digest:
                raise DeploymentError(
                    f"step {number} was '{step.what}' when it was sent and is another now ('{call}'): the sources or "
                    "the compiler have changed since. Go on with those it was begun with, or begin anew with --restart"
                )
            answer = self._settle(step, deployer, data)
            state = "again" if answer is None else "found"
        else:
            step = self._new_step(number, call, deployer, to, digest)
        if answer is None:
            answer = self._transmit(step, deployer, data, gas, state)
        receipt = self._taken(step, answer, call)
        self.steps_done = number
        self._told(Sent(step, "mined" if state == "again" else state, data))
        return receipt

    def _new_step(self, number: int, call: str, deployer: str, to: str | None, digest: str) -> Step:
        nonce = self._free_nonce(deployer)
        step = Step(
            number=number,
            what=call,
            nonce=nonce,
            to=to,
            address=created_at(deployer, nonce) if to is None else None,
            digest=digest,
            block=self.block_number(),
        )
        self.file.journal.steps.append(step)
        return step

    def _free_nonce(self, deployer: str) -> int:
        """The deployer's next nonce; all of this deployment's transactions are mined when it is asked for.

        Raises:
            DeploymentError: if other transactions of the deployer wait.
        """
        mined, known = self.nonce(deployer), self.nonce(deployer, "pending")
        if known > mined:
            raise DeploymentError(
                f"the deployer {deployer} has {known - mined} other transactions waiting: run the same command again "
                "when they are mined, and don't send from this account meanwhile"
            )
        return mined

    def _renew(self, step: Step, deployer: str) -> None:
        """Give a step that will never be mined a nonce of its own."""
        step.failed += step.hashes
        step.hashes = []
        step.nonce = self._free_nonce(deployer)
        step.address = created_at(deployer, step.nonce) if step.to is None else None
        step.mined = step.gas_used = None

    def _receipt(self, step: Step) -> dict[str, Any] | None:
        """The receipt of any of a step's transactions."""
        for name in reversed(step.hashes):
            found: dict[str, Any] | None = self.rpc("eth_getTransactionReceipt", name)
            if found is not None and found.get("blockNumber"):
                return found
        return None

    def _settle(self, step: Step, deployer: str, data: bytes) -> dict[str, Any] | None:
        """What became of a step that was signed: its receipt, or None if it is to be sent.

        Raises:
            DeploymentError: if its nonce was used by another transaction, or its predecessors are gone.
        """
        answer = self._await(step, deployer, waiting=False)
        if answer is None and self.nonce(deployer) > step.nonce:
            answer = self._displaced(step, deployer, data)
        if answer is not None:
            if int(answer["status"], 16):
                return answer
            self._renew(step, deployer)
            return None
        if self.nonce(deployer) < step.nonce:
            raise DeploymentError(
                f"the journal's step {step.number} has nonce {step.nonce}, and the deployer has sent only "
                f"{self.nonce(deployer)} transactions here: this isn't the chain that it was begun on. Name the right "
                "--network, or begin anew with --restart"
            )
        return None

    def _await(self, step: Step, deployer: str, *, waiting: bool) -> dict[str, Any] | None:
        """A step's receipt, as soon as it is mined; None if the node doesn't know it and won't mine it.

        Args:
            step: The step.
            deployer: Its sender.
            waiting: Whether it was sent just now: then a node that doesn't know it gets some time.

        Raises:
            NodeError: if it isn't mined in time.
        """
        pause, start = LOOKS[0], time.monotonic()
        while (answer := self._receipt(step)) is None:
            spent = time.monotonic() - start
            pending = any(self.rpc("eth_getTransactionByHash", name) is not None for name in step.hashes)
            # A nonce that is used belongs to this step, or to another transaction; nodes may know the one before the
            # other.
            grace = waiting or self.nonce(deployer) > step.nonce
            if not pending and (not grace or not step.hashes or spent > KNOWN_SECONDS):
                return None
            if spent > MINED_SECONDS:
                raise NodeError(
                    f"step {step.number} ({step.what}) isn't mined after {MINED_SECONDS:.0f} seconds (transaction "
                    f"{step.hashes[-1]}, nonce {step.nonce}): run the same command again to go on waiting"
                )
            time.sleep(pause)
            pause = min(pause * 2, LOOKS[1])
        return answer

    def _displaced(self, step: Step, deployer: str, data: bytes) -> dict[str, Any] | None:
        """The receipt of the transaction that used a step's nonce, if it is the same but for its fee.

        Raises:
            DeploymentError: if it is another, and the step isn't to be sent with a new nonce.
        """
        found = self._used(step, deployer)
        if found is not None:
            same = (found.get("to") or None, found["input"]) == (step.to and step.to.lower(), "0x" + data.hex())
            if same:
                step.hashes.append(found["hash"])
                self.file.save()
                answer: dict[str, Any] = self.rpc("eth_getTransactionReceipt", found["hash"])
                return answer
        is_last = step.number == len(self.file.journal.steps)
        if self._resend and is_last:
            self._renew(step, deployer)
            return None
        which = f"transaction {found['hash']} in block {int(found['blockNumber'], 16)}" if found else "a transaction"
        advice = (
            "add --resend to send this step with a new nonce" if is_last else "steps after it exist already: --restart"
        )
        raise DeploymentError(
            f"nonce {step.nonce} of {deployer}, meant for step {step.number} ({step.what}), was used by {which} that "
            f"isn't of this deployment. Use the account for nothing else meanwhile; {advice}"
        )

    def _used(self, step: Step, deployer: str) -> dict[str, Any] | None:
        """The mined transaction with a step's nonce, found by halving; None if the node has no such old states."""
        low, high = step.block, self.block_number()
        try:
            if self.nonce(deployer, hex(low)) > step.nonce:
                low = 0
            while low < high:
                middle = (low + high) // 2
                if self.nonce(deployer, hex(middle)) > step.nonce:
                    high = middle
                else:
                    low = middle + 1
            block = self.rpc("eth_getBlockByNumber", hex(low), True)
        except NodeError:
            return None
        mine = (one for one in block["transactions"] if to_checksum_address(one["from"]) == deployer)
        return next((one for one in mine if int(one["nonce"], 16) == step.nonce), None)

    # ------------------------------------------------------------------- sending

    def _transmit(self, step: Step, deployer: str, data: bytes, gas: int, state: str) -> dict[str, Any]:
        """Sign, write down, send, wait."""
        if self._sign is None:
            return self._transmit_unlocked(step, deployer, data, gas)
        draft = Draft(self._chain_id, step.nonce, step.to, data, self._gas(step, deployer, data), self.fees())
        raw = self._sign(draft)
        step.hashes.append("0x" + keccak(raw).hex())
        step.mined, step.block = None, self.block_number()
        self.file.save()
        self._told(Sent(step, "again" if state == "again" else "sent", data))
        sent = self._post([("eth_sendRawTransaction", ["0x" + raw.hex()])])[0]
        if "error" in sent and "known" not in str(sent["error"].get("message", "")).lower():
            # It may have got there all the same: a request that was tried twice, or a nonce that is used.
            answer = self._settle(step, deployer, data)
            if answer is None:
                raise NodeError(f"step {step.number} ({step.what}): {as_revert(sent['error'], step.what)}")
            return answer
        found = self._await(step, deployer, waiting=True)
        if found is None:
            found = self._displaced(step, deployer, data) if self.nonce(deployer) > step.nonce else None
        if found is None:
            raise NodeError(
                f"step {step.number} ({step.what}): the node has forgotten transaction {step.hashes[-1]}: run the "
                "same command again to send it anew"
            )
        return found

    def _transmit_unlocked(self, step: Step, deployer: str, data: bytes, gas: int) -> dict[str, Any]:
        fees = self.fees()
        params = {"from": deployer, "nonce": hex(step.nonce), "gas": hex(gas), "data": "0x" + data.hex()}
        params |= {"maxFeePerGas": hex(fees.most), "maxPriorityFeePerGas": hex(fees.tip)}
        sent = self._post([("eth_sendTransaction", [params | ({"to": step.to} if step.to else {})])])[0]
        if "error" in sent:
            raise as_revert(sent["error"], step.what)
        step.hashes.append(sent["result"])
        found = self._await(step, deployer, waiting=True)
        if found is None:
            raise NodeError(f"step {step.number} ({step.what}): the node has forgotten it")
        return found

    def _gas(self, step: Step, deployer: str, data: bytes) -> int:
        """What a step may use.

        Raises:
            Reverted: if it would revert.
        """
        params = {"from": deployer, "data": "0x" + data.hex()} | ({"to": step.to} if step.to else {})
        answer = self._post([("eth_estimateGas", [params])])[0]
        if "error" in answer:
            raise as_revert(answer["error"], f"step {step.number} ({step.what})")
        return int(answer["result"], 16) * (100 + GAS_MARGIN) // 100

    def _taken(self, step: Step, answer: dict[str, Any], call: str) -> Receipt:
        """Note a receipt.

        Raises:
            Reverted: if it is that of a revert; the step is sent anew when the deployment is resumed.
        """
        step.mined = int(answer["blockNumber"], 16)
        step.gas_used = int(answer["gasUsed"], 16)
        status = int(answer["status"], 16)
        self.file.save()
        if not status:
            raise Reverted("", f"step {step.number} ({step.what}), transaction {answer['transactionHash']}")
        if step.address is not None and not self.has_code(step.address):
            raise NodeError(f"step {step.number} ({step.what}) is mined, and the node knows no code at {step.address}")
        return Receipt(call, answer["transactionHash"], status, step.gas_used, step.mined, answer["logs"], step.address)


def fees_of(backend: RpcBackend) -> Fees:
    """What gas costs now.

    Raises:
        DeploymentError: if the chain's blocks have no base fee.
    """
    block = backend.rpc("eth_getBlockByNumber", "latest", False)
    if block.get("baseFeePerGas") is None:
        raise DeploymentError("the chain's blocks have no base fee (EIP-1559): such chains can't be deployed to")
    try:
        tip = int(backend.rpc("eth_maxPriorityFeePerGas"), 16)
    except NodeError:
        tip = max(int(backend.rpc("eth_gasPrice"), 16) - int(block["baseFeePerGas"], 16), 0)
    return Fees(int(block["baseFeePerGas"], 16), tip)


def created_at(deployer: str, nonce: int) -> str:
    """The address of the contract that a transaction creates."""
    import rlp  # type: ignore[import-untyped]

    return str(to_checksum_address(keccak(rlp.encode([bytes.fromhex(deployer[2:]), nonce]))[-20:]))


def key_signer(key: Key) -> Sign:
    """Signs with a private key."""

    def sign(draft: Draft) -> bytes:
        raw = RpcBackend.signed(
            key.key, draft.chain_id, draft.nonce, draft.to, draft.data, draft.gas, draft.fees.most, draft.fees.tip
        )
        return bytes.fromhex(raw[2:])

    return sign


def arguments_of(what: str, data: bytes) -> list[tuple[str, Any]]:
    """Names and values of a step's arguments.

    Args:
        what: As the steps call it: "Contract.function", "Contract.__init__", "Contract as a blueprint".
        data: What is sent.
    """
    contract, _, function = what.partition(".")
    if not function:
        return []
    output = artifact(contract)
    if function == "__init__":
        entries = [entry for entry in output["abi"] if entry["type"] == "constructor"]
        data = data[len(output["bytecode"]) // 2 - 1 :]
    else:
        entries = [
            entry
            for entry in output["abi"]
            if entry["type"] == "function"
            and entry["name"] == function
            and keccak(text=f"{function}({','.join(map(canonical_type, entry['inputs']))})")[:4] == data[:4]
        ]
        data = data[4:]
    if not entries:
        return []
    inputs = entries[0]["inputs"]
    return list(zip([one["name"] for one in inputs], decode(list(map(canonical_type, inputs)), data), strict=True))
