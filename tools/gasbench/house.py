"""The perpetuals venue's operations, measured one after the other on a bench."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kana_insurance.backends.rpc import Key, Receipt
from kana_insurance.kit import COIN, U
from tools.gasbench.bench import AMOUNT, BATCH, INSURED, MARK, UNINSURED, Bench, Measured
from tools.gasbench.costs import Work, calldata, event, read, times, total, update, work
from tools.gasbench.trace import Trace

#: A trader's position, and the margin behind it: 9 times leverage.
SIZE = 10 * COIN
MARGIN = 110 * U
#: Marks at which such a long is liquidatable and solvent, and insolvent.
LOW, LOWER = 93 * COIN, 88 * COIN
#: Counterparties of the larger deleveraging.
NAMED = 11
#: The event of a resolved shortfall: its indexed and its other fields.
RESOLVED = (2, 5)
#: A position's index seen, which changes where otherwise it is written unchanged.
SEEN = work(slot_update=1, slot_rewrite=-1)


class HouseBench:
    """Traders, a short that stands against all of them, and a liquidator with a position of his own."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.kit = bench.kit
        self.house = bench.house
        self.keeper = bench.actors.keeper
        self.short = self.trader(300, 10**6 * U)
        self.liquidator = self.trader(301, 10**6 * U)
        self._next = 400

    def trader(self, number: int, free: int) -> Key:
        """An account with a free balance and tokens of its own."""
        account = self.bench.account(number)
        self.kit.deposit(account, free)
        self.kit.mint(account, free)
        self.kit.asset.approve(self.house.address, 2**256 - 1, sender=account)
        return account

    def traders(self, count: int) -> list[Key]:
        """New traders who will keep something free."""
        self._next += count
        return [self.trader(self._next - count + i, 1_000 * U) for i in range(count)]

    def open(
        self,
        long: Key,
        short: Key,
        size: int = SIZE,
        margins: tuple[int, int] = (MARGIN, MARGIN),
        market: int = INSURED,
    ) -> Receipt:
        """Let `long` buy from `short` at mark by two signed orders, each moving its margin in."""
        receipt: Receipt = self.kit.open_position(long, short, size, margin=margins, market_id=market)
        return receipt

    def sent(self, function: str, *args: object, sender: Key) -> Measured:
        """A call of the house, measured."""
        return self.bench.measured(getattr(self.house, function)(*args, sender=sender))

    # ------------------------------------------------------------------ traders

    def trading(self) -> Iterator[tuple[str, Measured]]:
        """What traders do."""
        bench, house = self.bench, self.house
        self.open(self.liquidator, self.short, margins=(20_000 * U, 20_000 * U))
        newcomer = bench.contributor(302, allowance=0)
        bench.token.approve(house.address, 2**256 - 1, sender=newcomer)
        yield "faucet", bench.measured(bench.token.faucet(AMOUNT, sender=newcomer))
        yield "deposit_first", self.sent("deposit", AMOUNT, sender=newcomer)
        yield "deposit_repeat", self.sent("deposit", AMOUNT, sender=newcomer)
        yield "withdraw", self.sent("withdraw", AMOUNT, sender=newcomer)
        one, other = self.traders(2)
        yield "open_first", bench.measured(self.open(one, other))
        yield "open_repeat", bench.measured(self.open(one, other))
        yield "add_margin", self.sent("add_margin", INSURED, AMOUNT, sender=one)
        yield "release_margin", self.sent("release_margin", INSURED, AMOUNT, sender=one)
        yield "reduce", bench.measured(self.open(other, one, margins=(0, 0)))
        yield "close", bench.measured(self.open(other, one, margins=(0, 0)))
        house.collect_fees(INSURED, sender=self.keeper)
        self.open(one, other)
        yield "collect_fees", self.sent("collect_fees", INSURED, sender=self.keeper)

    # ------------------------------------------------------------- liquidations

    def liquidations(self) -> Iterator[tuple[str, Measured]]:
        """Whole solvent liquidations through the fund, of traders and by a liquidator known to it."""
        victims = self.traders(BATCH + 3)
        for victim in victims:
            self.open(victim, self.short)
        self.kit.set_price(LOW, INSURED)
        first, single, alone, *rest = victims
        self.house.liquidate(INSURED, first, SIZE, sender=self.liquidator)
        yield "liquidate", self.sent("liquidate", INSURED, single, SIZE, sender=self.liquidator)
        one = self.sent("liquidate_batch", INSURED, [(alone, SIZE)], sender=self.liquidator)
        entries = [(victim, SIZE) for victim in rest]
        many = self.sent("liquidate_batch", INSURED, entries, sender=self.liquidator)
        yield "liquidate_further", per_further(many, one)
        self.kit.set_price(MARK, INSURED)

    # --------------------------------------------------------------- shortfalls

    def _resolve(self, market: int, number: int) -> Measured:
        """An insolvent long taken over, the second time by the same liquidator, who is flat before; others stand by."""
        liquidator = self.trader(number, 10_000 * U)
        long, short = self.traders(2)
        self.open(long, short, margins=(500 * U, 500 * U), market=market)
        for turn in range(2):
            (victim,) = self.traders(1)
            self.open(victim, self.short, market=market)
            self.kit.set_price(LOWER, market)
            measured = self.sent("liquidate", market, victim, SIZE, 2_000 * U, sender=liquidator)
            self.kit.set_price(MARK, market)
            if turn == 0:
                self.open(self.short, liquidator, margins=(0, 0), market=market)
        return measured

    def shortfalls(self) -> Iterator[tuple[str, Measured]]:
        """Insolvent positions: covered, socialised, deleveraged."""
        covered = self._resolve(INSURED, 310)
        socialised = self._resolve(UNINSURED, 320)
        yield "resolve_covered", covered
        yield "resolve_socialised", socialised
        whole = self._socialise(covered, socialised)
        yield "socialise_with_dust", whole
        yield "socialise", _without(whole, update(1))
        yield from self._deleverage()

    def _socialise(self, covered: Measured, socialised: Measured) -> Measured:
        """A transaction of nothing but the socialising.

        That is: 21,000 and call data; what the house itself spent more in the socialised resolution than in the covered
        one, but for the index that the liquidator's position has seen; and what both share that it can't do without:
        reading and writing the index, and the event.
        """
        house = self.house.address.lower()
        shared = read(1) + work(slot_rewrite=1) + event(*RESOLVED)
        done = _less(socialised.trace.work[house], covered.trace.work[house])
        done = _less(_less(done, SEEN), times(-1, shared))
        spent = socialised.trace.spent[house] - covered.trace.spent[house] - total(SEEN) + total(shared)
        call = calldata(bytes.fromhex("ffffffff") + INSURED.to_bytes(32, "big") + AMOUNT.to_bytes(32, "big"))
        gas = total(call) + spent
        trace = Trace(gas, gas, 0, call, {house: done}, {house: spent})
        return Measured(trace, self.bench.names)

    def _deleverage(self) -> Iterator[tuple[str, Measured]]:
        """Two insolvent longs, closed against one short and against many."""
        one = None
        for number in (1, NAMED):
            (victim,) = self.traders(1)
            shorts = self.traders(number)
            part = SIZE // number
            for short in shorts:
                self.open(victim, short, part, (MARGIN // number, MARGIN))
            self.kit.set_price(LOWER, INSURED)
            flagged = self.sent("flag", INSURED, victim, sender=self.keeper)
            self.bench.wait(600)
            closed = self.sent("deleverage", INSURED, victim, shorts, sender=self.keeper)
            if one is None:
                one = closed
                yield "flag", flagged
                yield "deleverage", closed
            else:
                yield "deleverage_further", per_further(closed, one)
            self.kit.set_price(MARK, INSURED)


def _less(whole: Work, part: Work) -> Work:
    """Work without a part of it."""
    rest = Counter(whole)
    rest.subtract(part)
    return Counter({kind: number for kind, number in rest.items() if number})


def _without(measured: Measured, part: Work) -> Measured:
    """A measured operation of one contract without some of its priced work."""
    trace = measured.trace
    ((address, done),) = trace.work.items()
    gas = trace.gas - total(part)
    left = {address: trace.spent[address] - total(part)}
    return Measured(Trace(gas, gas, 0, trace.call, {address: _less(done, part)}, left), measured.names)


def per_further(many: Measured, one: Measured) -> Measured:
    """What all entries of a batch but one cost: the batch less a batch of one."""
    a, b = many.trace, one.trace
    result = Trace(a.gas - b.gas, a.gross - b.gross, a.refund - b.refund, _less(a.call, b.call))
    for address in a.spent:
        result.work[address] = _less(a.work.get(address, Counter()), b.work.get(address, Counter()))
        result.spent[address] = a.spent[address] - b.spent.get(address, 0)
    return Measured(result, many.names)
