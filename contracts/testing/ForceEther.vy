# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Forced ether
@license AGPL-3.0-only
@author Kana
@notice Sends the ether it is created with to a target that can't refuse it.
@dev It destroys itself while it is being created, which still moves its balance without a call.
"""


@deploy
@payable
def __init__(target: address):
    selfdestruct(target)
