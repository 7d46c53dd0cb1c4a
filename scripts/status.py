"""Show the fund, its layers, its markets and its lending pool."""

from kana_insurance.commands import Desk, script
from kana_insurance.lending import Lending


@script("status", "Show the fund, its layers, its markets and its pool", example="ape run status --json")
def cli(desk: Desk) -> None:
    """Show reserve, threshold, room and excess of the fund, what each layer behind it has and would pay now, what each
    market has cost and may cost it; and cash, debt, rates and collaterals of the lending pool.
    """
    result = desk.client.status()
    if desk.client.system.pool is not None:
        result |= Lending(desk.client).summary()
    desk.show(result, "deployment")
