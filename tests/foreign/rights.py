"""Who may do what at which point of the golden log, by the second judge of decide.py."""

import schemas
from decide import Denied, authorise, locate, row_scope
from rules import open_request
from trees import Refused

TAKAFUL, CENTRE, REGISTRY = "EG/GOV/MOSS/takaful", "EG/GOV/GIZA/centre", "EG/GOV/CIVIL/registry"


def asked(data, **changes):
    """A golden request header, opened, with some fields changed. Lists replace lists."""
    request = open_request(data)
    for name, value in changes.items():
        if isinstance(value, list):
            request.ClearField(name)
            getattr(request, name).extend(value)
        else:
            setattr(request, name, value)
    return request


def verdict(registry, request, at_ms=None):
    try:
        return authorise(registry, request, request.issued_at_ms if at_ms is None else at_ms)
    except Denied as denied:
        return denied.code, denied.clause, denied.grant


def connects(registry, system, certificate):
    try:
        return registry.may_connect(system, certificate)
    except Refused as refused:
        return str(refused)


def before(name, book, judge, registry):
    """What holds just before the entry of this name."""
    same, first = judge.same, lambda **changes: asked(book["request.header"], **changes)
    same_verdict = lambda request, wanted, **at: same(verdict(registry, request, **at), wanted, f"before {name}")
    match name:
        case "accept":
            same_verdict(first(), ("no_agreement", "acceptance", 0))
        case "key_end":
            registry.seal_key(book["key.moss_seal.kid"], TAKAFUL)
            same(connects(registry, TAKAFUL, b"\xc1" * 32), None, "the certificate that was issued")
            same(connects(registry, TAKAFUL, b"\xc2" * 32), "unknown_peer", "a certificate that was not")
        case "giza_agency":
            same([one.state for one in registry.applications.values()], ["approved"], "the application")
        case "group_revoke":
            group = first(consumer=CENTRE, service="persons.v1", operation="find", purpose="civil.verification",
                          agreement=book["group.id"], fields=["name"],
                          contract=registry.services[REGISTRY + "/persons.v1"].contract)
            same_verdict(group, 1)
            same(row_scope(registry, group, 1), [("governorate", "Giza"), ("status", "living")], "the rows")
            same(locate(registry, group), None, "the operation")
            group.operation = "list"
            same(locate(registry, group), "operation_disabled", "the operation that is off")
            group.consumer = TAKAFUL
            same_verdict(group, ("no_agreement", "parties", 0))
        case "operator_certificate_end":
            same(connects(registry, CENTRE, b"\xc3" * 32), "agency_suspended", "a suspended agency")


def after(name, book, judge, registry):
    """What holds just after the entry of this name."""
    same, first = judge.same, lambda **changes: asked(book["request.header"], **changes)
    same_verdict = lambda request, wanted, **at: same(verdict(registry, request, **at), wanted, f"after {name}")
    match name:
        case "accept":
            same_verdict(first(), 1)
            same_verdict(asked(book["batch_1.header"]), ("field_not_granted", "field income", 1))
            same_verdict(first(agreement=b""), ("no_agreement", "agreement", 0))
            same_verdict(first(agreement=bytes(32)), ("no_agreement", "agreement", 0))
            same_verdict(first(purpose="tax"), ("purpose_not_granted", "purpose", 1))
            same_verdict(first(operation="list", purpose="tax"), ("operation_not_granted", "operation", 1))
            same_verdict(first(service="persons.v1"), ("operation_not_granted", "service", 0))
            same_verdict(first(consumer="EG/GOV/CIVIL/registry"), ("no_agreement", "parties", 0))
            same_verdict(first(), ("agreement_expired", "validity", 0), at_ms=1)
            same_verdict(first(delegation=[bytes(32)]), ("delegation_broken", "delegation 1", 0))
            same(locate(registry, first()), None, "the service")
            same(locate(registry, first(contract=bytes(32))), "contract_violation", "another contract")
            same(locate(registry, first(service="none.v1")), "unknown_service", "no service")
        case "newer_accept":
            older = registry.agreements[book["agreement.id"]]
            edge = older.superseded_from_ms
            newer = first(agreement=book["newer.id"])
            same((verdict(registry, first(), edge - 1), verdict(registry, newer, edge)), (1, 1), "no gap")
            same_verdict(first(), ("agreement_expired", "supersession", 0), at_ms=edge)
        case "delegation":
            given, chain = lambda **changes: asked(book["delegated.header"], **changes), [_delegation(book)]
            same_verdict(given(), 1)
            same_verdict(given(fields=["members"]), ("field_not_granted", "field members", 1))
            same_verdict(given(delegation=[]), ("delegation_broken", "delegation", 0))
            same_verdict(given(delegation=chain * 2), ("delegation_broken", "delegation 2", 0))
            same_verdict(given(consumer=TAKAFUL), ("delegation_broken", "delegation", 0))
            same_verdict(given(agreement=book["agreement.id"], consumer=TAKAFUL),
                         ("delegation_broken", "delegation 1", 0), at_ms=first().issued_at_ms)
            same_verdict(given(), ("delegation_broken", "delegation 1", 0), at_ms=given().issued_at_ms + 31 * 86_400_000)
        case "delegation_end":
            same_verdict(asked(book["delegated.header"]), ("delegation_broken", "delegation 1", 0))
            same_verdict(asked(book["delegated.header"], delegation=[]), ("delegation_broken", "delegation", 0))
        case "group_revoke":
            group = first(consumer=CENTRE, agreement=book["group.id"])
            same_verdict(group, ("agreement_revoked", "revocation", 0))
        case "key_end":
            judge.refuses("an ended key", lambda: registry.seal_key(book["key.moss_seal.kid"], TAKAFUL))
        case "key_end_by_follower":
            judge.refuses("a followed key", lambda: registry.seal_key(book["key.civil_seal.kid"], REGISTRY))
            registry.seal_key(book["key.civil_seal_next.kid"], REGISTRY)
        case "certificate_end":
            same(connects(registry, TAKAFUL, b"\xc1" * 32), "certificate_revoked", "an ended certificate")
        case "outside_certificate":
            same(connects(registry, CENTRE, b"\xc3" * 32), None, "an outside authority's certificate")
            same(connects(registry, TAKAFUL, b"\xc3" * 32), "unknown_peer", "for another system")
        case "agency_suspension":
            same(registry.is_suspended("EG/GOV/GIZA"), False, "a suspension with one seal")
        case "suspension_approval" | "lift_rejection":
            same_verdict(asked(book["delegated.header"]), ("agency_suspended", "standing EG/GOV/GIZA", 0))
        case "operator_system_end":
            judge.refuses("a key of an ended system", lambda: registry.seal_key(book["key.giza_seal.kid"], CENTRE))
        case "authority_objection":
            same(registry.agencies["EG/GOV/MOSS"].replacement, None, "the replacement")
        case "authority_succession":
            same(registry.agencies["EG/GOV/MOSS"].key.kid, book["key.moss_authority_next.kid"], "the authority key")


def _delegation(book):
    return schemas.envelope.RequestHeader.FromString(book["delegated.header"]).delegation[0]
