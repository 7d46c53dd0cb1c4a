"""The demo's stage: every action happens on the real contracts and in the model; every claim is checked on both.

A failed claim is shown in red and remembered; an action that the chain refuses although the story needs it ends the
demo (:class:`StoryError`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from kana_insurance.amounts import format_amount
from kana_insurance.backends import Reverted, address_of
from kana_insurance.backends.rpc import RpcBackend
from kana_insurance.kit import Kit, SignedOrder
from kana_insurance.mirror import mirror_of
from kana_insurance.model import Fill, Refused
from kana_insurance.reader import accounts_seen, system_state

WIDTH = 96
#: A function's name and its arguments.
Call = tuple[str, tuple[Any, ...]]


class StoryError(RuntimeError):
    """The chain refused what the story needs; the message says what and why."""


@dataclass(frozen=True)
class Watch:
    """A figure shown before and after a step: its name, how to read it from the chain, its unit and decimals."""

    name: str
    read: Callable[[], int]
    unit: str = "U"
    decimals: int = 6

    def text(self, value: int) -> str:
        """The figure, exactly."""
        return f"{format_amount(value, self.decimals, places=2 if self.unit == 'U' else 0)} {self.unit}".strip()


@dataclass(frozen=True)
class Row:
    """A watched figure of a finished step."""

    name: str
    before: str
    after: str
    change: str


@dataclass(frozen=True)
class Claim:
    """Something the demo says, and whether it is so."""

    name: str
    good: bool
    detail: str = ""


@dataclass
class Step:
    """One step of the story as it was told."""

    title: str
    text: str
    rows: list[Row] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    #: Tables beside before and after: (columns, rows, caption).
    tables: list[tuple[list[str], list[list[str]], str]] = field(default_factory=list)


@dataclass(frozen=True)
class Point:
    """Reserve and threshold after an action, base units; ``step`` counts from 1."""

    step: int
    reserve: int
    threshold: int


class Stage:
    """The system, its model, and what has been told so far.

    Args:
        kit: A freshly deployed system.
        backend: The raw JSON-RPC that it is reached by.
        console: Where the story is told.
    """

    def __init__(self, kit: Kit, backend: RpcBackend, console: Console) -> None:
        self.kit = kit
        self.backend = backend
        self.console = console
        self.mirror = mirror = mirror_of(kit.system)
        self.clock, self.token, self.fund = mirror.clock, mirror.token, mirror.fund
        self.registry, self.venue = mirror.registry, mirror.venue
        #: By the name that an action goes by: the contract and its model; a layer's name is its vault's.
        self.parts: dict[str, tuple[Any, Any]] = {"fund": (kit.fund, self.fund), "house": (kit.house, self.venue)}
        for number, own in kit.isolated.items():
            self.parts[f"isolated {number}"] = (own, mirror.isolated[number])
        for layer, model in zip(kit.system.layers, mirror.layers, strict=True):
            self.parts[layer.name] = (layer.backstop, model.backstop)
        #: Further systems that are compared after every step, by name: the model's state, and the chain's.
        self.sides: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {}
        self.steps: list[Step] = []
        self.points: list[Point] = []
        self.minted = 0
        self._filled: dict[bytes, int] = {}

    @property
    def good(self) -> bool:
        """Whether every claim so far is so."""
        return all(claim.good for step in self.steps for claim in step.claims)

    # ------------------------------------------------------------------ telling

    @contextmanager
    def step(self, title: str, text: str, watched: Sequence[Watch] = ()) -> Iterator[Step]:
        """Tell a step: its text first, what happens within, the figures before and after at the end."""
        told = Step(title, text)
        self.steps.append(told)
        self.console.print(f"\n[bold]{len(self.steps)}. {title}[/]", highlight=False)
        self.console.print(text, highlight=False, width=WIDTH)
        before = [watch.read() for watch in watched]
        yield told
        after = [watch.read() for watch in watched]
        for watch, old, new in zip(watched, before, after, strict=True):
            change = "" if old == new else ("+" if new > old else "") + watch.text(new - old)
            told.rows.append(Row(watch.name, watch.text(old), watch.text(new), change))
        if told.rows:
            columns = ["", "before", "after", "change"]
            self._print_table(columns, [[r.name, r.before, r.after, r.change] for r in told.rows])
        self._note_reserve()
        self._compare()

    def table(self, columns: list[str], rows: list[list[str]], caption: str = "") -> None:
        """Show a table within a step."""
        self.steps[-1].tables.append((columns, rows, caption))
        self._print_table(columns, rows)

    def _print_table(self, columns: list[str], rows: list[list[str]]) -> None:
        table = Table(box=None, header_style="dim", padding=(0, 1, 0, 2))
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def claim(self, name: str, good: bool, detail: str = "", quiet: bool = False) -> None:
        """Note a claim; shown with a mark, and if it fails always and in red."""
        self.steps[-1].claims.append(Claim(name, good, "" if good else detail))
        if not good:
            self.console.print(f"  [bold red]✗ {name}: {detail}[/]", highlight=False)
        elif not quiet:
            self.console.print(f"  [green]✓[/] {name}", highlight=False)

    def equal(self, name: str, found: Any, expected: Any, quiet: bool = False) -> None:
        """Claim that a figure is exactly what the story says."""
        self.claim(name, found == expected, f"found {found}, expected {expected}", quiet)

    def _note_reserve(self) -> None:
        """Keep reserve and threshold for the chart."""
        fund = self.kit.fund
        self.points.append(Point(len(self.steps), int(fund.reserve()), int(fund.threshold())))

    def _compare(self) -> None:
        """Claim that chain and model are equal to the unit, after every step."""
        # Streams and holds go by the time: both sides are read at the latest block's.
        self.clock.now = self.kit.now()
        with self.backend.as_of(self.backend.block_number()):
            chain = system_state(self.kit.system, accounts_seen(self.kit.system))
            sides = {name: read() for name, (_, read) in self.sides.items()}
        found = list(_differences(self.mirror.state(), chain))
        for name, (state, _) in self.sides.items():
            off = list(_differences(state(), sides[name], name))
            self.claim(f"{name}, fund and pool: the chain is the model, to the unit", not off, "; ".join(off), True)
        self.claim(
            "funds, layers, house and registry: the chain is the model, to the unit", not found, "; ".join(found), True
        )

    # ------------------------------------------------------------------ acting

    def act(
        self, part: str, function: str, sender: Any, *args: Any, chain: tuple[str, tuple[Any, ...]] | None = None
    ) -> Any:
        """Make a call on the chain, then in the model; returns the chain's receipt.

        Args:
            part: "fund", "house", "stakers", "reinsurance", or "isolated" and the number of its market.
            function: Its name, the same on both.
            sender: Who.
            args: The model's arguments; the chain's too, unless ``chain`` gives another (function, arguments).
            chain: The chain's call where it differs.

        Raises:
            StoryError: if either refuses.
        """
        name, chain_args = chain or (function, args)
        try:
            receipt = getattr(self.parts[part][0], name)(*chain_args, sender=sender)
        except Reverted as error:
            raise StoryError(f"{part}.{name} was refused on the chain: {error.reason}") from error
        self._follow(receipt)
        self._model(part, function, sender, *args)
        if self.steps and self.fund.reserve != (self.points[-1].reserve if self.points else 0):
            self._note_reserve()
        return receipt

    def refuse(self, part: str, function: str, sender: Any, *args: Any, reason: str, says: str) -> None:
        """Claim that a call is refused with exactly this reason, on the chain and in the model."""
        self.clock.now = self.now()
        try:
            getattr(self.parts[part][0], function).call(*args, sender=sender)
            found = "nothing: it went through"
        except Reverted as error:
            found = error.reason
        self.claim(f"{says}: refused, “{reason}”", found == reason, f"the chain said {found}")
        try:
            self._call_model(part, function, sender, *args)
            modelled = "nothing: it went through"
        except Refused as error:
            modelled = error.reason
        self.equal(f"{says}: the model refuses it too", modelled, reason, quiet=True)

    def _follow(self, receipt: Any) -> None:
        """Set the model's clock to the time of the receipt's block."""
        block = self.backend.rpc("eth_getBlockByNumber", hex(receipt.block_number), False)
        self.clock.now = int(block["timestamp"], 16)

    def _call_model(self, part: str, function: str, sender: Any, *args: Any) -> Any:
        return getattr(self.parts[part][1], function)(sender, *args)

    def _model(self, part: str, function: str, sender: Any, *args: Any) -> None:
        try:
            self._call_model(part, function, sender, *args)
        except Refused as error:
            raise StoryError(f"{part}.{function} was refused in the model: {error.reason}") from error

    # ------------------------------------------------------------------ shortcuts

    def mint(self, account: Any, amount: int) -> None:
        """Give an account tokens from the faucet."""
        self.kit.mint(account, amount)
        self.token.mint(str(account), amount)
        self.minted += amount

    def contribute(self, account: Any, amount: int) -> Any:
        """Mint, approve and contribute."""
        self.mint(account, amount)
        self.kit.asset.approve(address_of(self.kit.fund), amount, sender=account)
        return self.act("fund", "contribute", account, amount)

    def deposit(self, account: Any, amount: int) -> None:
        """Mint, approve and deposit into the free balance."""
        self.mint(account, amount)
        self.kit.asset.approve(address_of(self.kit.house), amount, sender=account)
        self.act("house", "deposit", account, amount)

    def provide(self, account: Any, amount: int, part: str) -> None:
        """Mint, and approve for a layer's vault."""
        self.mint(account, amount)
        self.kit.asset.approve(address_of(self.parts[part][0]), amount, sender=account)

    def announce(self, function: str, *args: Any) -> bytes:
        """Give the fund notice of a call, through the timelock; returns the call data (M9)."""
        payload = self.kit.encode(self.kit.fund, function, *args)
        self._follow(self.kit.govern(self.kit.notices, "announce", address_of(self.kit.fund), payload))
        self.fund.notices.announce("timelock", self.fund, (function, *args))
        self.travel(0)
        return payload

    def price(self, market_id: int, price: int) -> None:
        """Publish a price."""
        self.kit.set_price(price, market_id)
        self._publish({market_id: price})

    def travel(self, seconds: int) -> None:
        """Let time pass; prices are published anew."""
        self.kit.travel(seconds)
        self._publish({number: self.kit.mark(number) for number in range(len(self.kit.feeds))})

    def _publish(self, prices: dict[int, int]) -> None:
        self.clock.now = self.kit.now()
        for number, price in prices.items():
            self.registry.feeds[self.registry.params(number).feed].push(price)

    def trade(self, maker: SignedOrder, taker: SignedOrder, size: int) -> None:
        """Submit two signed orders; margin moves in pro rata to the fill, on both.

        Raises:
            StoryError: if either refuses.
        """
        try:
            receipt = self.kit.fill(maker, taker, size)
        except Reverted as error:
            raise StoryError(f"gateway.fill was refused on the chain: {error.reason}") from error
        self._follow(receipt)
        margins = []
        for signed in (maker, taker):
            order, done = signed.order, self._filled.get(signed.signature, 0)
            margins.append(order.margin * (done + size) // order.size - order.margin * done // order.size)
            self._filled[signed.signature] = done + size
        fill = Fill(
            maker.order.market_id,
            maker.order.trader,
            taker.order.trader,
            size if taker.order.is_buy else -size,
            maker.order.limit_price,
            margins[0],
            margins[1],
            maker.order.reduce_only,
            taker.order.reduce_only,
        )
        self._model("house", "trade", self.venue.gateway, fill)

    # ------------------------------------------------------------------ figures

    def now(self) -> int:
        """The time that views see: that of the next block, Unix seconds."""
        return int(self.backend.rpc("eth_getBlockByNumber", "pending", False)["timestamp"], 16)

    def equity(self, account: Any, market_id: int = 0) -> int:
        """Equity at mark on the chain."""
        return int(self.kit.house.equity(market_id, str(account)))

    def size(self, account: Any, market_id: int = 0) -> int:
        """Signed base size on the chain."""
        return int(self.kit.house.position(market_id, str(account)).size)

    def free(self, account: Any) -> int:
        """Free balance on the chain."""
        return int(self.kit.house.free(str(account)))

    def used(self, market_id: int = 0) -> int:
        """What a market has cost the fund."""
        return int(self.kit.fund.market(address_of(self.kit.house), market_id).used)


def _differences(model: Any, chain: Any, path: str = "") -> Iterator[str]:
    """Where the model's state isn't the chain's."""
    if isinstance(model, dict) and isinstance(chain, dict):
        for key in dict.fromkeys((*model, *chain)):
            yield from _differences(model.get(key), chain.get(key), f"{path}.{key}" if path else str(key))
    elif model != chain:
        yield f"{path}: model {model}, chain {chain}"
