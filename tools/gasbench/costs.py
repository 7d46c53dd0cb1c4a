"""What the chain charges, by kind of work, and work as counts of these kinds.

Nothing here is fitted to a measurement: the prices are those of the protocol (EIP-2028, 2929, 2200, 1153), and, for a
few things that the compiler makes of a rule, the sums of the opcodes that it always makes of them. Every named extra is
a number of such units.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

#: Gas by kind of work.
COST: dict[str, int] = {
    "transaction": 21_000,
    "calldata zero byte": 4,
    "calldata byte": 16,
    "cold account": 2_600,
    "warm account": 100,
    "cold slot": 2_100,
    "warm slot": 100,
    "slot set": 20_000,
    "slot update": 2_900,
    "slot rewrite": 100,
    "transient": 100,
    "log": 375,
    "log topic": 375,
    "log word": 256,
    "keccak": 30,
    "keccak word": 6,
    "ecrecover": 3_000,
}

#: Gas of what Vyper 0.4.3 always makes of an expression. A trace can't count these: they are arithmetic and memory.
COMPILED: dict[str, int] = {
    "sum": 53,
    "share": 92,
    "check": 20,
    "field": 15,
    "measuring call": 151,
    "entry in": 212,
    "entry out": 263,
}

#: What each kind is, for readers.
MEANING: dict[str, str] = {
    "transaction": "every transaction",
    "calldata zero byte": "a byte 0 of the call",
    "calldata byte": "another byte of the call",
    "cold account": "first touch of a contract in a transaction, the call to it included",
    "warm account": "a further call to it",
    "cold slot": "first touch of a storage slot",
    "warm slot": "reading it again",
    "slot set": "writing a slot that held 0, touch apart",
    "slot update": "writing one that held something, touch apart",
    "slot rewrite": "writing it again, or the value it holds",
    "transient": "reading or writing transient storage; a reentrancy lock does it three times",
    "log": "an event",
    "log topic": "its signature, and each indexed field",
    "log word": "each other field",
    "keccak": "the address of an entry of a mapping, one a level",
    "keccak word": "two for each of these",
    "ecrecover": "recovering a signer",
    "sum": "a checked addition or subtraction of two variables",
    "share": "a checked product, 61, its quotient by a constant, 16, and their operands",
    "check": "a variable and the branch over a reason",
    "field": "a field of a word, taken out or put in: shift and mask, or shift and union",
    "measuring call": "a call's arguments, its answer and its success, beyond the call",
    "entry in": "an entry of a batch, two words, out of the call, and its turn of the loop",
    "entry out": "a split, four words: handed up 62, appended 86, into the answer 115",
}

Work = Counter[str]


def work(**kinds: int) -> Work:
    """Work by kind; keywords are kinds with underscores for blanks.

    Raises:
        KeyError: for an unknown kind.
    """
    result: Work = Counter()
    for keyword, number in kinds.items():
        kind = keyword.replace("_", " ")
        price(kind)
        result[kind] = number
    return result


def price(kind: str) -> int:
    """Gas of one unit.

    Raises:
        KeyError: for an unknown kind.
    """
    return COST[kind] if kind in COST else COMPILED[kind]


def total(done: Work) -> int:
    """Gas that work costs."""
    return sum(price(kind) * number for kind, number in done.items())


def keys(number: int) -> Work:
    """Addresses of mapping entries: one keccak of two words a level."""
    return work(keccak=number, keccak_word=2 * number)


def read(levels: int = 0) -> Work:
    """First reading of a slot, `levels` mappings deep."""
    return work(cold_slot=1) + keys(levels)


def update(levels: int = 0) -> Work:
    """Reading a slot and writing it once, `levels` mappings deep."""
    return work(cold_slot=1, slot_update=1) + keys(levels)


def times(number: int, once: Work) -> Work:
    """The same work several times."""
    return Counter({kind: count * number for kind, count in once.items()})


def event(indexed: int, words: int) -> Work:
    """An event with so many indexed and other fields."""
    return work(log=1, log_topic=1 + indexed, log_word=words)


def calldata(data: bytes) -> Work:
    """A transaction with this call."""
    zeros = data.count(0)
    return work(transaction=1, calldata_zero_byte=zeros, calldata_byte=len(data) - zeros)


@dataclass(frozen=True)
class Part:
    """Work that an operation can't do without, or that a rule adds to it.

    Attributes:
        what: The work, for readers.
        where: The contract that does it: "fund", "token", "venue", or "call" for the transaction itself.
        work: Its counts; negative where a rule spares what the floor counts.
        rule: The rule of docs/mechanics.md behind an extra; empty in a floor.
    """

    what: str
    where: str
    work: Work
    rule: str = ""

    @property
    def gas(self) -> int:
        """Its gas."""
        return total(self.work)
