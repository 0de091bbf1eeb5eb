"""Who may ask what, from docs/protocol.md, section 4: a second judge beside the switch's own."""

from dataclasses import dataclass

from registry_border import instance_of


@dataclass
class Denied(Exception):
    """No: the stable code, the clause that decided, and the grant that came closest."""

    code: str
    clause: str
    grant: int = 0


def agency_of(system):
    return system.rpartition("/")[0]


def authorise(registry, request, at_ms):
    """The number of the grant that permits the request at this time; else Denied."""
    consumer, provider = agency_of(request.consumer), agency_of(request.provider)
    if registry.is_suspended(consumer):
        raise Denied("agency_suspended", f"standing {consumer}")
    if registry.is_withdrawn(consumer):
        raise Denied("border_closed", f"withdrawal {instance_of(consumer)}")
    agreement = registry.agreements.get(request.agreement)
    if not agreement:
        raise Denied("no_agreement", "agreement")
    given = any(one.agreement == agreement.id and one.content.consumer == consumer
                for one in registry.delegations.values())
    if agreement.content.provider != provider or not (agreement.covers(consumer) or given):
        raise Denied("no_agreement", "parties")
    if agreement.state == "proposed":
        raise Denied("no_agreement", "acceptance")
    if agreement.state == "revoked":
        raise Denied("agreement_revoked", "revocation")
    if not agreement.content.not_before_ms <= at_ms < agreement.content.not_after_ms:
        raise Denied("agreement_expired", "validity")
    if agreement.superseded_from_ms is not None and at_ms >= agreement.superseded_from_ms:
        raise Denied("agreement_expired", "supersession")
    chain = _chain(registry, agreement, request, at_ms)
    grant = _grant(registry, agreement, request, chain, at_ms)
    if registry.is_suspended(provider):
        raise Denied("agency_suspended", f"standing {provider}", grant)
    if registry.is_withdrawn(provider):
        raise Denied("border_closed", f"withdrawal {instance_of(provider)}", grant)
    return grant


def _chain(registry, agreement, request, at_ms):
    chain, consumer = [], agency_of(request.consumer)
    for number, name in enumerate(request.delegation, 1):
        link, above = registry.delegations.get(name), chain[-1] if chain else None
        holds = link and link.agreement == agreement.id and link.counts(at_ms)
        holds = holds and not registry.is_suspended(link.giver) and not registry.is_withdrawn(link.giver)
        if holds and above:
            holds = link.content.parent == above.id and link.giver == above.content.consumer
        elif holds:
            holds = not link.content.parent and agreement.covers(link.giver)
        if not holds:
            raise Denied("delegation_broken", f"delegation {number}")
        chain.append(link)
    reaches = chain[-1].content.consumer == consumer if chain else agreement.covers(consumer)
    if not reaches:
        raise Denied("delegation_broken", "delegation")
    return chain


def _grant(registry, agreement, request, chain, at_ms):
    furthest, closest = 0, Denied("operation_not_granted", "service")
    for number, grant in enumerate(agreement.content.grants, 1):
        right = (grant.system, grant.service) == (request.provider, request.service)
        if not right or any(link.content.grant != number for link in chain):
            continue
        says = [grant, *(link.content for link in chain)]
        missing = [name for name in request.fields if not all(name in one.fields for one in says)]
        if not all(request.operation in one.operations for one in says):
            found = 1, Denied("operation_not_granted", "operation", number)
        elif not all(request.purpose in one.purposes for one in says):
            found = 2, Denied("purpose_not_granted", "purpose", number)
        elif missing:
            found = 3, Denied("field_not_granted", f"field {missing[0]}", number)
        elif grant.sensitivity == "restricted" and request.payload.form != 4:
            found = 4, Denied("encryption_required", "encryption", number)
        elif clause := registry.shut(agreement, number, request, at_ms):
            found = 6, Denied("border_closed", clause, number)
        else:
            return number
        if found[0] > furthest:
            furthest, closest = found
    raise closest


def row_scope(registry, request, grant):
    """Field and value of every rule that a record must fulfil; None: it may see no row."""
    agreement = registry.agreements[request.agreement]
    holder = agency_of(request.consumer)
    if request.delegation:
        holder = registry.delegations[request.delegation[0]].giver
    own = agreement.value(holder)
    rules = [(rule.field, own if rule.own_value else rule.equals)
             for rule in agreement.content.grants[grant - 1].row_scope]
    return rules if all(value for _, value in rules) else None


def locate(registry, request):
    """The refusal of a permitted request for which the service stands otherwise; None: it can go its way."""
    service = registry.services.get(f"{request.provider}/{request.service}")
    if not service:
        return "unknown_service"
    if service.contract != request.contract or not service.operation(request.operation):
        return "contract_violation"
    return "operation_disabled" if service.notices.keys() & {"", request.operation} else None
