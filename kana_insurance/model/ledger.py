"""Token balances, as an ERC-20 keeps them."""

from __future__ import annotations

from collections import defaultdict

from kana_insurance.model.errors import require
from kana_insurance.model.state import Account, Stateful


class TokenLedger(Stateful):
    """One token. Allowances are not modelled: whoever pays has given one, as a venue does at listing (M38)."""

    def __init__(self, decimals: int = 6) -> None:
        self.decimals = decimals
        self.balances: dict[Account, int] = defaultdict(int)

    def mint(self, account: Account, amount: int) -> None:
        """Create ``amount`` base units for an account."""
        self.balances[account] += amount

    def transfer(self, sender: Account, receiver: Account, amount: int) -> None:
        """Move base units.

        Raises:
            Refused: when the sender has less.
        """
        require(self.balances[sender] >= amount, "erc20: transfer amount exceeds balance")
        self.balances[sender] -= amount
        self.balances[receiver] += amount
