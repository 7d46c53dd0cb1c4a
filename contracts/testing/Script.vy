# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Script
@license AGPL-3.0-only
@author Kana
@notice A contract that makes a list of calls whenever it is run, from a token's hook for instance, and remembers how
        each ended.
@dev Anyone may use it. Nothing is locked: re-entry is the purpose. A call that fails doesn't stop the ones after it.
"""

# Most calls of a list and added to it at once, most call data of each, most return data that is looked at, bytes.
MAX_CALLS: constant(uint256) = 512
MAX_ADDED: constant(uint256) = 32
MAX_DATA: constant(uint256) = 1_024
MAX_RETURN: constant(uint256) = 4_096

# How a call ended.
NOT_RUN: public(constant(uint256)) = 0
SUCCEEDED: public(constant(uint256)) = 1
REFUSED_WITH_REASON: public(constant(uint256)) = 2
REFUSED_WITHOUT_REASON: public(constant(uint256)) = 3


struct Call:
    target: address
    data: Bytes[MAX_DATA]


calls: DynArray[Call, MAX_CALLS]
endings: DynArray[uint256, MAX_CALLS]


@external
@reentrant
def add(calls: DynArray[Call, MAX_ADDED]):
    """
    @notice Append calls to the list.
    @param calls Contracts and call data.
    """
    for added: Call in calls:
        self.calls.append(added)
        self.endings.append(NOT_RUN)


@external
@reentrant
def run(backwards: bool):
    """
    @notice Make the calls.
    @param backwards From the last to the first.
    """
    count: uint256 = len(self.calls)
    for step: uint256 in range(count, bound=MAX_CALLS):
        i: uint256 = step
        if backwards:
            i = count - 1 - step
        success: bool = False
        answer: Bytes[MAX_RETURN] = b""
        success, answer = raw_call(
            self.calls[i].target,
            self.calls[i].data,
            max_outsize=MAX_RETURN,
            revert_on_failure=False,
        )
        ending: uint256 = SUCCEEDED
        if not success:
            ending = REFUSED_WITHOUT_REASON
            if len(answer) > 0:
                ending = REFUSED_WITH_REASON
        self.endings[i] = ending


@external
@reentrant
def execute(target: address, data: Bytes[MAX_DATA]):
    """
    @notice Make one call now; a failure carries its reason.
    @param target The contract called; must have code.
    @param data Its call data.
    """
    assert target.is_contract, "script: target has no code"
    raw_call(target, data)


@view
@external
@reentrant
def outcome() -> DynArray[uint256, MAX_CALLS]:
    """
    @notice How each call ended when the list was last run.
    """
    return self.endings
