"""The factory: what it creates, where, what it refuses, and which fund serves which market (M16 to M18, T41)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eth_utils import keccak

from kana_insurance.backends import ZERO, address_of, blueprint_of
from kana_insurance.backends.artifacts import artifact
from kana_insurance.deployment import ROLES, fund_terms
from kana_insurance.testing import DAY, Kit, logs, reverts_with

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
        "blueprint": kana.system.factory.fund_blueprint(),
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


def test_constructor__blueprint_that_is_none__refused(kana: Kit) -> None:
    """T41: a plain contract, another version of ERC-5202, an empty one, an account."""
    code = bytes.fromhex("600080")
    for bad in (kana.fund.address, put_code(kana, b"\xfe\x71\x01" + code)):
        with reverts_with("factory: not a blueprint"):
            deploy_factory(kana, blueprint=bad)
    for bad in (kana.actors.outsider.address, put_code(kana, b"\xfe\x71\x00")):
        with reverts_with("factory: blueprint without code"):
            deploy_factory(kana, blueprint=bad)
    assert deploy_factory(kana, blueprint=put_code(kana, b"\xfe\x71\x00" + code)).fund_count() == 0


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
    factory = deploy_factory(kana, blueprint=blueprint)
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


# ------------------------------------------------------- the venue's own checks


def test_list_market__fund_that_is_not_the_factorys__gets_no_allowance(kana: Kit, create: Create) -> None:
    """A contract that pretends to be a fund, and one of ours that another fund's market is listed with."""
    registry, house, governance = kana.registry, kana.house, kana.governance
    number = registry.next_market_id()
    params = list(registry.params(0))
    fake = kana.backend.deploy("Caller", sender=kana.actors.outsider)
    fund = create(0, markets=(number,))
    for impostor in (fake, fund):
        with reverts_with("registry: market unassigned"):
            registry.list_market((params[0], impostor.address, *params[2:]), sender=governance)
    kana.system.factory.assign(house, number, fund, sender=governance)
    for impostor in (fake, kana.fund):
        with reverts_with("registry: other fund's market"):
            registry.list_market((params[0], impostor.address, *params[2:]), sender=governance)
        allowance = kana.asset.allowance(house, impostor)
        assert allowance == (0 if impostor is fake else 2**256 - 1)
    registry.list_market((params[0], fund.address, *params[2:]), sender=governance)
    assert (registry.fund_of(number), kana.asset.allowance(house, fund)) == (fund.address, 2**256 - 1)


def test_registry_constructor__factory_without_code__refused(kana: Kit) -> None:
    actors = kana.actors
    with reverts_with("registry: factory without code"):
        kana.backend.deploy(
            "MarketRegistry",
            kana.timelock,
            actors.guardian,
            actors.deployer,
            actors.fee_recipient,
            actors.outsider,
            sender=actors.deployer,
        )
