"""Send the fund what the lending pool owes it."""

from typing import Any

from kana_insurance.cli import account_option
from kana_insurance.commands import Desk, script
from kana_insurance.lending import Lending


@script("collect_fees", "Send the fund what the lending pool owes it", example="ape run collect_fees --account TEST::9")
@account_option(what="Who sends it; anyone may")
def cli(desk: Desk, account: Any) -> None:
    """Send the fund its part of interest and liquidation premiums, as far as there is cash in the pool. What repays bad
    debt of the pool stays there.
    """
    desk.show(Lending(desk.client).collect_fees(account), "collected")
