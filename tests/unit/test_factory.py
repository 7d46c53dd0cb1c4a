"""The factory: what it creates, where, what it refuses, and which fund serves which market (M16 to M18, T41)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eth_utils import keccak

from kana_insurance.backends import ZERO, address_of, blueprint_of
from kana_insurance.backends.artifacts import artifact
from kana_insurance.deployment import ROLES, fund_terms
from kana_insurance.kit import merger_call
from kana_insurance.testing import COIN, DAY, Kit, U, logs, reverts_with
from tests.utils.funds import announce_merger, merge

TERMS = ("asset", "treasurer", "guardian", "deployer", "treasury", "threshold", "liquidator_bps", "fund_bps")
Create = Callable[..., Any]


def salt(number: int) -> bytes:
    """A salt that the deployment didn't use."""
    return keccak(text=f"salt {number}")


def terms_of(kana: Kit, **overrides: Any) -> tuple[Any, ...]:
    """The terms of a fund as the deployment's, with fields overridden."""
    plain = fund_terms(kana.system.config, kana.asset.address, kana.actors.deployer.address)
    return tuple({**dict(zip(TERMS, plain, strict=True)), **overrides}.values())


@pytest.fixture
def factory(kana: Kit) -> Any:
    """The factory of the system."""
    return kana.system.factory


@pytest.fixture
def create(kana: Kit, factory: Any) -> Create:
    """Creates a fund, isolated unless it is told otherwise, and finishes its setup."""

    def build(number: int, *, isolated: bool = True, markets: tuple[int, ...] = (), **overrides: Any) -> Any:
        factory.create_fund(terms_of(kana, **overrides), isolated, salt(number), sender=kana.governance)
        fund = kana.backend.at("InsuranceFund", factory.fund_by_salt(salt(number)))
        for market_id in markets:
            fund.register_market(kana.house, market_id, True, sender=kana.actors.deployer)
        fund.finish_setup(sender=kana.actors.deployer)
        return fund

    return build


def deploy_factory(kana: Kit, **overrides: Any) -> Any:
    """Another factory, whose setup isn't finished."""
    plain = {
        "governance": kana.timelock,
        "deployer": kana.actors.deployer,
        "board": kana.system.notices,
        "fund": kana.system.factory.fund_blueprint(),
        "underwriter": kana.system.factory.underwriter_blueprint(),
        "backstop": kana.system.factory.backstop_blueprint(),
    }
    return kana.backend.deploy("FundFactory", *{**plain, **overrides}.values(), sender=kana.actors.outsider)


def put_code(kana: Kit, code: bytes) -> str:
    """An address with this code and nothing else."""
    from ape import chain

    address = address_of(kana.actors.others[7])
    chain.provider.make_request("anvil_setCode", [address, "0x" + code.hex()])
    return address


# -------------------------------------------------------------- construction


def test_constructor__plain__creator_gets_nothing(kana: Kit) -> None:
    factory, actors = deploy_factory(kana), kana.actors
    assert (factory.governance(), factory.notices()) == (kana.timelock.address, kana.system.notices.address)
    assert (factory.fund_count(), factory.setup_finished(), list(factory.funds(0, 64))) == (0, False, [])
    assert factory.hasRole(ROLES["DEFAULT_ADMIN_ROLE"], kana.timelock)
    assert factory.hasRole(ROLES["DEPLOYER"], actors.deployer)
    for role in ROLES.values():
        assert not factory.hasRole(role, actors.outsider)


@pytest.mark.parametrize("part", ["fund", "underwriter", "backstop"])
def test_constructor__blueprint_that_is_none__refused(kana: Kit, part: str) -> None:
    """T41: a plain contract, another version of ERC-5202, an empty one, an account."""
    code = bytes.fromhex("600080")
    for bad in (kana.fund.address, put_code(kana, b"\xfe\x71\x01" + code)):
        with reverts_with("factory: not a blueprint"):
            deploy_factory(kana, **{part: bad})
    for bad in (kana.actors.outsider.address, put_code(kana, b"\xfe\x71\x00")):
        with reverts_with("factory: blueprint without code"):
            deploy_factory(kana, **{part: bad})
    assert deploy_factory(kana, **{part: put_code(kana, b"\xfe\x71\x00" + code)}).fund_count() == 0


def test_constructor__bad_board_or_governor__refused(kana: Kit) -> None:
    with reverts_with("factory: board without code"):
        deploy_factory(kana, board=kana.actors.outsider)
    with reverts_with("roles: governor without code"):
        deploy_factory(kana, governance=kana.actors.outsider)
    with reverts_with("roles: zero address"):
        deploy_factory(kana, deployer=ZERO)


def test_finish_setup__deployer__has_nothing_left(kana: Kit) -> None:
    """M9, T39."""
    factory, deployer = deploy_factory(kana), kana.actors.deployer
    with reverts_with("factory: not deployer"):
        factory.finish_setup(sender=kana.governance)
    factory.create_fund(terms_of(kana), True, salt(0), sender=deployer)
    receipt = factory.finish_setup(sender=deployer)
    assert logs(receipt, factory)[-1] == ("SetupFinished", {})
    with reverts_with("factory: setup finished"):
        factory.finish_setup(sender=deployer)
    with reverts_with("factory: not governance"):
        factory.create_fund(terms_of(kana), True, salt(1), sender=deployer)


def test_set_governance__to_another_timelock__funds_keep_theirs(kana: Kit, factory: Any, create: Create) -> None:
    proposer = kana.actors.proposer.address
    new = kana.backend.deploy("Timelock", 2 * DAY, 2 * DAY, [proposer], [proposer], sender=kana.actors.deployer)
    old_fund = create(0)
    before = factory.fund_address(terms_of(kana), salt(1))
    receipt = factory.set_governance(new, sender=kana.governance)
    assert logs(receipt, factory)[-1] == ("GovernanceTransferred", {"old": kana.timelock.address, "new": new.address})
    with reverts_with("factory: not governance"):
        factory.create_fund(terms_of(kana), True, salt(1), sender=kana.governance)
    foretold = factory.fund_address(terms_of(kana), salt(1))
    factory.create_fund(terms_of(kana), True, salt(1), sender=kana.impersonate(new))
    new_fund = kana.backend.at("InsuranceFund", foretold)
    assert foretold != before
    assert (old_fund.governance(), new_fund.governance()) == (kana.timelock.address, new.address)
    with reverts_with("factory: other governance"):
        factory.merge(old_fund, new_fund, [], sender=kana.impersonate(new))


# ------------------------------------------------------------------- creation


def test_create_fund__terms__fund_and_books_as_asked(kana: Kit, factory: Any) -> None:
    token = kana.backend.deploy("FaucetToken", "Kana BTC", "KBTC", 8, sender=kana.actors.outsider)
    terms = terms_of(kana, asset=token.address, threshold=5 * 10**8, liquidator_bps=1_000, fund_bps=500)
    count = factory.fund_count()
    foretold = factory.fund_address(terms, salt(0))
    receipt = factory.create_fund(terms, False, salt(0), sender=kana.governance)
    fund = kana.backend.at("InsuranceFund", foretold)
    name, event = logs(receipt, factory)[-1]
    assert name == "FundCreated"
    assert (event["fund"], event["asset"], event["is_isolated"]) == (foretold, token.address, False)
    assert bytes(event["salt"]) == salt(0)
    assert (fund.asset(), fund.treasury(), fund.threshold()) == (token.address, kana.actors.treasury.address, 5 * 10**8)
    assert tuple(fund.split_bps()) == (1_000, 500)
    assert (fund.governance(), fund.notices()) == (kana.timelock.address, kana.system.notices.address)
    assert fund.factory() == factory.address
    for role, holder in (("TREASURER", "treasurer"), ("GUARDIAN", "guardian"), ("DEPLOYER", "deployer")):
        assert fund.hasRole(ROLES[role], getattr(kana.actors, holder))
        assert not fund.hasRole(ROLES[role], factory)
    assert not fund.setup_finished()
    assert (factory.fund_count(), factory.shared_fund(token), factory.fund_by_salt(salt(0))) == (
        count + 1,
        foretold,
        foretold,
    )
    assert (factory.is_fund(fund), factory.is_isolated(fund), factory.successor(fund)) == (True, False, ZERO)
    assert tuple(factory.funds(count, 1)[0]) == (foretold, False, 0, ZERO)


def test_fund_address__creation_code_and_terms__as_create2_has_it(kana: Kit, factory: Any) -> None:
    """The address depends on code, terms, governor and salt, and on nothing else."""
    from eth_abi.abi import encode

    terms = terms_of(kana)
    asset, *rest = terms
    values = (asset, kana.system.notices.address, factory.address, kana.timelock.address, *rest)
    tail = encode([*["address"] * 8, *["uint256"] * 3], values)
    code = bytes.fromhex(artifact("InsuranceFund")["bytecode"][2:])
    word = keccak(b"\xff" + bytes.fromhex(factory.address[2:]) + salt(0) + keccak(code + tail))
    assert factory.fund_address(terms, salt(0)).lower() == "0x" + word[-20:].hex()
    factory.create_fund(terms, True, salt(0), sender=kana.governance)
    assert factory.fund_by_salt(salt(0)).lower() == "0x" + word[-20:].hex()


@pytest.mark.parametrize("length", [31, 32, 33, 63, 64, 65])
def test_fund_address__creation_code_of_any_length__whole(kana: Kit, length: int) -> None:
    """The last word of the code, whole or not."""
    from eth_abi.abi import encode

    code = bytes(range(1, length + 1))
    blueprint = put_code(kana, blueprint_of(code)[10:])
    factory = deploy_factory(kana, fund=blueprint)
    asset, *rest = terms_of(kana)
    values = (asset, kana.system.notices.address, factory.address, kana.timelock.address, *rest)
    tail = encode([*["address"] * 8, *["uint256"] * 3], values)
    word = keccak(b"\xff" + bytes.fromhex(factory.address[2:]) + salt(0) + keccak(code + tail))
    assert factory.fund_address(terms_of(kana), salt(0)).lower() == "0x" + word[-20:].hex()


def test_create_fund__salt_twice__refused(kana: Kit, factory: Any, create: Create) -> None:
    """T41, other terms or not."""
    create(0)
    for terms in (terms_of(kana), terms_of(kana, threshold=1)):
        with reverts_with("factory: salt used"):
            factory.create_fund(terms, True, salt(0), sender=kana.governance)


def test_create_fund__second_shared_fund_of_an_asset__refused(kana: Kit, factory: Any) -> None:
    with reverts_with("factory: asset has a fund"):
        factory.create_fund(terms_of(kana), False, salt(0), sender=kana.governance)


def test_create_fund__anyone_else__refused(kana: Kit, factory: Any) -> None:
    actors = kana.actors
    for account in (actors.deployer, actors.treasurer, actors.guardian, actors.proposer, actors.outsider):
        with reverts_with("factory: not governance"):
            factory.create_fund(terms_of(kana), True, salt(0), sender=account)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"treasury": ZERO}, "fund: zero address"),
        ({"treasurer": ZERO}, "roles: zero address"),
        ({"guardian": ZERO}, "roles: zero address"),
        ({"deployer": ZERO}, "roles: zero address"),
        ({"threshold": 0}, "fund: zero threshold"),
        ({"liquidator_bps": 5_001}, "fund: split out of bounds"),
    ],
)
def test_create_fund__bad_terms__the_fund_says_why(
    kana: Kit, factory: Any, overrides: dict[str, Any], reason: str
) -> None:
    with reverts_with(reason):
        factory.create_fund(terms_of(kana, **overrides), True, salt(0), sender=kana.governance)
    assert factory.fund_by_salt(salt(0)) == ZERO


def test_create_fund__asset_without_code_or_of_other_decimals__refused(kana: Kit, factory: Any) -> None:
    """M16, T25."""
    with reverts_with("fund: asset without code"):
        outsider = kana.actors.outsider.address
        factory.create_fund(terms_of(kana, asset=outsider), True, salt(0), sender=kana.governance)
    for decimals in (5, 19):
        token = kana.backend.deploy("QuirkyToken", decimals, sender=kana.actors.outsider)
        with reverts_with("fund: bad decimals"):
            factory.create_fund(terms_of(kana, asset=token.address), False, salt(0), sender=kana.governance)


def test_create_layer__terms__as_foretold(kana: Kit, factory: Any) -> None:
    """Its parts know each other once its deployer has connected them (M23)."""
    me = kana.actors.deployer
    terms = (kana.asset.address, me.address, "Kana Backstop B", "KBAKB", 9, 2 * DAY, 7 * U)
    foretold = tuple(factory.layer_addresses(terms, salt(0)))
    receipt = factory.create_layer(terms, salt(0), sender=kana.governance)
    name, event = logs(receipt, factory)[-1]
    assert (name, event["underwriter"], event["backstop"]) == ("LayerCreated", *foretold)
    underwriter, backstop = kana.backend.at("Underwriter", foretold[0]), kana.backend.at("Backstop", foretold[1])
    assert (backstop.name(), backstop.symbol(), backstop.cooldown_days()) == ("Kana Backstop B", "KBAKB", 9)
    assert (backstop.underwriter(), backstop.asset()) == (underwriter.address, kana.asset.address)
    assert (underwriter.governance(), underwriter.setup_finished()) == (kana.timelock.address, False)
    assert (factory.layer_by_salt(salt(0)), factory.backstop_of(underwriter)) == foretold
    assert factory.backstop_of(backstop) == ZERO
    underwriter.connect_backstop(backstop, sender=me)
    underwriter.finish_setup(sender=me)
    with reverts_with("factory: layer salt used"):
        factory.create_layer(terms, salt(0), sender=kana.governance)
    with reverts_with("factory: not governance"):
        factory.create_layer(terms, salt(1), sender=me)


def test_create_layer__bad_terms__the_layer_says_why(kana: Kit, factory: Any) -> None:
    me = kana.actors.deployer.address
    with reverts_with("roles: zero address"):
        factory.create_layer((kana.asset.address, ZERO, "B", "B", 9, DAY, 0), salt(0), sender=kana.governance)
    with reverts_with("backstop: cooldown out of bounds"):
        factory.create_layer((kana.asset.address, me, "B", "B", 6, DAY, 0), salt(0), sender=kana.governance)


def test_funds__pages__in_order_of_creation(factory: Any, create: Create) -> None:
    made = [create(number).address for number in range(3)]
    count = factory.fund_count()
    everyone = [entry.fund for entry in factory.funds(0, 64)]
    assert (len(everyone), everyone[-3:]) == (count, made)
    assert [entry.fund for entry in factory.funds(count - 2, 1)] == [made[1]]
    assert [entry.fund for entry in factory.funds(count - 1, 2**256 - 1)] == [made[2]]
    assert [list(factory.funds(start, 9)) for start in (count, 2**256 - 1)] == [[], []]
    assert list(factory.funds(0, 0)) == []


# ------------------------------------------------------------------ assignment


def test_assign__registered_there__served(kana: Kit, factory: Any, create: Create) -> None:
    fund, house = create(0, markets=(7,)), kana.house.address
    receipt = factory.assign(house, 7, fund, sender=kana.governance)
    expected = {"venue": house, "market_id": 7, "old": ZERO, "new": fund.address}
    assert logs(receipt, factory) == [("MarketAssigned", expected)]
    assert factory.fund_of(house, 7) == fund.address
    assert factory.funds(factory.fund_count() - 1, 1)[0].market_count == 1


def test_assign__unfit__refused(kana: Kit, factory: Any, create: Create) -> None:
    house, governance, fund = kana.house.address, kana.governance, create(0, markets=(0, 7, 8))
    with reverts_with("factory: not governance"):
        factory.assign(house, 7, fund, sender=kana.actors.deployer)
    with reverts_with("factory: unknown fund"):
        factory.assign(house, 7, kana.actors.outsider, sender=governance)
    with reverts_with("factory: not at the fund"):
        factory.assign(house, 9, fund, sender=governance)
    with reverts_with("factory: market has a fund"):
        factory.assign(house, 0, fund, sender=governance)
    factory.assign(house, 7, fund, sender=governance)
    with reverts_with("factory: isolated fund taken"):
        factory.assign(house, 8, fund, sender=governance)
    with reverts_with("factory: market has a fund"):
        factory.assign(house, 7, fund, sender=governance)


def test_assign__let_go_by_its_fund__another_may_serve_it(kana: Kit, factory: Any, create: Create) -> None:
    """What a venue released starts anew, with a maximum of 0, wherever it goes (M12)."""
    first, second = create(0, markets=(7,)), create(1, markets=(7,))
    factory.assign(kana.house, 7, first, sender=kana.governance)
    first.release_market(7, sender=kana.impersonate(kana.house))
    factory.assign(kana.house, 7, second, sender=kana.governance)
    assert [entry.market_count for entry in factory.funds(factory.fund_count() - 2, 2)] == [0, 1]


# -------------------------------------------------------------------- mergers


@pytest.fixture
def apart(kana: Kit, factory: Any, create: Create) -> Any:
    """An isolated fund with market 7 of the house: 100 U of reserve, 40 used of 90 insured, 5 U of bad debt."""
    fund, venue = create(0), kana.impersonate(kana.house)
    kana.govern(fund, "register_market", kana.house.address, 7, True, notice=True)
    kana.govern(fund, "set_max_insurance", kana.house.address, 7, 90 * U, notice=True)
    kana.provide(kana.actors.contributor, fund, 140 * U)
    fund.contribute(140 * U, sender=kana.actors.contributor)
    fund.cover_shortfall(7, 40 * U, sender=venue)
    fund.record_bad_debt(7, 5 * U, sender=venue)
    factory.assign(kana.house, 7, fund, sender=kana.governance)
    return fund


def test_merge__isolated_into_shared__all_of_it_once(kana: Kit, factory: Any, apart: Any) -> None:
    """M18: reserve, total of contributions, use and bad debt; the market is the shared fund's from then on."""
    shared, house = kana.fund, kana.house.address
    reserve, given = shared.reserve(), shared.total_contributions()
    receipt = merge(kana, apart, shared, [7])
    assert logs(receipt, factory) == [
        ("FundsMerged", {"old": apart.address, "successor": shared.address, "is_isolated": False}),
        ("MarketAssigned", {"venue": house, "market_id": 7, "old": apart.address, "new": shared.address}),
    ]
    assert (shared.reserve(), shared.total_contributions()) == (reserve + 100 * U, given + 140 * U)
    assert shared.contributions(apart) == 140 * U
    assert tuple(shared.market(house, 7).values()) == (True, True, 90 * U, 40 * U, 5 * U)
    assert (apart.reserve(), kana.asset.balanceOf(apart), apart.market(house, 7).registered) == (0, 0, False)
    assert (factory.fund_of(house, 7), factory.successor(apart)) == (shared.address, shared.address)
    counts = {entry.fund: (entry.market_count, entry.successor) for entry in factory.funds(0, 64)}
    assert counts == {shared.address: (3, ZERO), apart.address: (0, shared.address)}
    # A market that the fund has no more doesn't move again, nor does the fund anywhere else.
    with reverts_with("factory: other fund"):
        factory.merge(apart, shared, [(house, 7)], sender=kana.governance)
    receipt = factory.merge(apart, shared, [], sender=kana.governance)
    assert logs(receipt, factory) == []
    assert shared.reserve() == reserve + 100 * U
    kana.provide(kana.actors.contributor, apart, U)
    with reverts_with("fund: closed"):
        apart.contribute(U, sender=kana.actors.contributor)


def test_merge__without_the_notices__refused(kana: Kit, factory: Any, apart: Any) -> None:
    """M9, M18: of both funds, mature."""
    old, new, call = apart, kana.fund, ([(kana.house.address, 7)],)
    with reverts_with("fund: no notice"):
        factory.merge(old, new, *call, sender=kana.governance)
    kana.notices.announce(old, merger_call("hand_over", new), sender=kana.governance)
    with reverts_with("fund: notice not mature"):
        factory.merge(old, new, *call, sender=kana.governance)
    kana.travel(2 * DAY)
    with reverts_with("fund: no notice"):
        factory.merge(old, new, *call, sender=kana.governance)
    kana.notices.announce(new, merger_call("adopt", old), sender=kana.governance)
    with reverts_with("fund: notice not mature"):
        factory.merge(old, new, *call, sender=kana.governance)
    kana.travel(2 * DAY)
    for account in (kana.actors.deployer, kana.actors.proposer, kana.actors.outsider):
        with reverts_with("factory: not governance"):
            factory.merge(old, new, *call, sender=account)
    factory.merge(old, new, *call, sender=kana.governance)


def test_merge__around_the_factory__refused(kana: Kit, apart: Any) -> None:
    """Not even governance merges funds by hand."""
    announce_merger(kana, apart, kana.fund)
    kana.travel(2 * DAY)
    handed = (10**12, 10**12, kana.house.address, 8, 1, 0)
    for account in (kana.governance, kana.actors.deployer, kana.impersonate(kana.fund)):
        with reverts_with("fund: not factory"):
            apart.hand_over(kana.fund, kana.house, 7, sender=account)
        with reverts_with("fund: not factory"):
            kana.fund.adopt(apart, handed, sender=account)


def test_merge__unfit__refused(kana: Kit, factory: Any, apart: Any, create: Create) -> None:
    token = kana.backend.deploy("QuirkyToken", 6, sender=kana.actors.outsider)
    other, spare, governance = create(1, asset=token.address), create(2), kana.governance
    with reverts_with("factory: unknown fund"):
        factory.merge(kana.house, kana.fund, [], sender=governance)
    with reverts_with("factory: unknown fund"):
        factory.merge(apart, kana.house, [], sender=governance)
    with reverts_with("factory: same fund"):
        factory.merge(apart, apart, [], sender=governance)
    with reverts_with("factory: other asset"):
        factory.merge(apart, other, [], sender=governance)
    with reverts_with("factory: successor in use"):
        factory.merge(kana.fund, apart, [], sender=governance)
    announce_merger(kana, apart, kana.fund)
    kana.travel(2 * DAY)
    with reverts_with("factory: other fund"):
        factory.merge(apart, kana.fund, [(kana.house.address, 0)], sender=governance)
    with reverts_with("fund: unknown market"):
        factory.merge(apart, kana.fund, [(kana.house.address, 9)], sender=governance)
    factory.merge(apart, kana.fund, [], sender=governance)
    with reverts_with("factory: other successor"):
        factory.merge(apart, spare, [], sender=governance)
    with reverts_with("factory: successor is merged"):
        factory.merge(spare, apart, [], sender=governance)
    with reverts_with("factory: fund is merged"):
        factory.assign(kana.house, 9, apart, sender=governance)


def test_merge__shared_fund_into_a_new_one__takes_its_place(kana: Kit, factory: Any, create: Create) -> None:
    """M18: a whole fund moves, in several calls; the venue follows in the same batch of the timelock."""
    new, house, old = create(0), kana.house.address, kana.fund
    kana.contribute(kana.actors.contributor, 70 * U)
    merge(kana, old, new, [1])
    assert (factory.shared_fund(kana.asset), factory.is_isolated(new)) == (new.address, False)
    assert [factory.fund_of(house, number) for number in (0, 1)] == [old.address, new.address]
    with reverts_with("factory: asset has a fund"):
        factory.create_fund(terms_of(kana), False, salt(1), sender=kana.governance)
    calls = [
        (factory, kana.encode(factory, "merge", old.address, new.address, [(house, 0)])),
        (kana.registry, kana.encode(kana.registry, "replace_fund", 0, new.address)),
        (kana.registry, kana.encode(kana.registry, "replace_fund", 1, new.address)),
    ]
    batch = ([contract.address for contract, _ in calls], [0] * 3, [call for _, call in calls], bytes(32), bytes(32))
    kana.timelock.schedule_batch(*batch, 2 * DAY, sender=kana.actors.proposer)
    kana.travel(2 * DAY)
    kana.timelock.execute_batch(*batch, sender=kana.actors.proposer)
    assert (new.reserve(), old.reserve(), kana.asset.allowance(house, old)) == (70 * U, 0, 0)
    actors = kana.actors
    kana.open_position(actors.trader, actors.counterparty, 10 * COIN, margin=(105 * U, 400 * U))
    kana.deposit(actors.liquidator, 1_000 * U)
    kana.set_price(80 * COIN)
    kana.house.liquidate(0, actors.trader, 10 * COIN, 500 * U, sender=actors.liquidator)
    assert 0 < new.market(house, 0).used <= 70 * U
    assert (new.reserve(), old.reserve()) == (70 * U - new.market(house, 0).used, 0)


def test_merge__isolated_into_an_unused_one__stays_isolated(
    kana: Kit, factory: Any, apart: Any, create: Create
) -> None:
    """M17: it serves its one market, and no second is slipped in with it."""
    new, governance = create(1), kana.governance
    kana.govern(apart, "register_market", kana.house.address, 8, True, notice=True)
    announce_merger(kana, apart, new)
    kana.travel(2 * DAY)
    with reverts_with("factory: too many markets"):
        factory.merge(apart, new, [(kana.house.address, 7), (kana.house.address, 8)], sender=governance)
    factory.merge(apart, new, [(kana.house.address, 7)], sender=governance)
    assert factory.is_isolated(new)
    with reverts_with("factory: too many markets"):
        factory.merge(apart, new, [(kana.house.address, 8)], sender=governance)
