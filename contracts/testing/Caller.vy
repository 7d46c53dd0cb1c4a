# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Caller
@license AGPL-3.0-only
@author Kana
@notice A contract that calls what it is told, so that a test has a contract as venue, trader, liquidator or token
        holder.
@dev Anyone may use it; a failed call reverts with the reason of the target. Nothing is locked, so that a hook can
     re-enter through it.
"""

# Most call data forwarded and most return data handed back, bytes.
MAX_DATA: constant(uint256) = 8_192
MAX_RETURN: constant(uint256) = 8_192


@external
@reentrant
def execute(target: address, data: Bytes[MAX_DATA]) -> Bytes[MAX_RETURN]:
    """
    @notice Call `target` as this contract.
    @param target The contract called; must have code.
    @param data Its call data.
    @return What it returned.
    """
    assert target.is_contract, "caller: target has no code"
    return raw_call(target, data, max_outsize=MAX_RETURN)
