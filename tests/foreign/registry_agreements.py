"""Agreements and delegations, from docs/protocol.md, "Agreements" and "Delegations"."""

from dataclasses import dataclass, field

import schemas
from rules import is_code, is_list, is_name, is_part, is_shown, is_text, need
from trees import sha256

PROPOSE, ACCEPT, REVOKE, DELEGATE, END_DELEGATION = range(1, 6)


def is_public(consumer):
    return consumer.startswith("@") or consumer.endswith("/*")


@dataclass
class Agreement:
    id: bytes
    content: object
    state: str
    proposer: str
    acts: list = field(default_factory=list)
    superseded_from_ms: int | None = None

    def covers(self, agency):
        """Whether the agency may ask by the agreement itself."""
        consumer = self.content.consumer
        if consumer.startswith("@"):
            return any(member.agency == agency for member in self.content.members)
        pairs = zip(consumer.split("/"), agency.split("/"))
        return all(wanted in ("*", part) for wanted, part in pairs)

    def value(self, agency):
        return next((member.value for member in self.content.members if member.agency == agency), "")


@dataclass
class Delegation:
    id: bytes
    agreement: bytes
    giver: str
    level: int
    content: object
    ended: bool = False

    def counts(self, at_ms):
        return not self.ended and self.content.not_before_ms <= at_ms < self.content.not_after_ms


class Agreements:
    """The part of the registry that agencies agree on."""

    def _agreement(self, entry, now):
        act = schemas.act(schemas.acts.AgreementAct, entry.header)
        step, act_id = act.step, sha256(entry.header)
        need(PROPOSE <= step <= END_DELEGATION and len(act.agreement) == 32 and is_name(act.agency, 3))
        need(len(act.previous) == (0 if step == PROPOSE else 32))
        need((step in (PROPOSE, DELEGATE)) == bool(act.content))
        takes_away = step in (REVOKE, END_DELEGATION)
        self._by_agency(entry, "mohawel/act/v1", act.agency, now, standing=not takes_away)
        if step == PROPOSE:
            return self._propose(act, act_id, now)
        agreement = self.agreements.get(act.agreement)
        need(agreement, "unknown agreement")
        if step == DELEGATE:
            return self._delegate(agreement, act, act_id)
        if step == END_DELEGATION:
            return self._end_delegation(agreement, act)
        content = agreement.content
        is_consumer = not is_public(content.consumer) and act.agency == content.consumer
        need(is_consumer or act.agency == content.provider, "not a party")
        need(act.previous == agreement.acts[-1] and agreement.state != "revoked", "out of order")
        if step == REVOKE:
            return lambda: (setattr(agreement, "state", "revoked"), agreement.acts.append(act_id))
        need(agreement.state == "proposed" and act.agency != agreement.proposer, "out of order")
        self._purposes_stand(content)
        supersede = self._supersede(content, now)
        return lambda: (setattr(agreement, "state", "active"), agreement.acts.append(act_id), supersede())

    def _propose(self, act, act_id, now):
        content = schemas.act(schemas.acts.AgreementContent, act.content)
        need(sha256(act.content) == act.agreement and act.agreement not in self.agreements, "out of order")
        check_content(content)
        need(content.origin == self.origin, "other switch")
        need(content.provider in self.agencies, "unknown agency")
        self._purposes_stand(content)
        public, alone = is_public(content.consumer), content.consumer == content.provider
        if public:
            need(act.agency == content.provider, "not a party")
        else:
            need(content.consumer in self.agencies, "unknown agency")
            need(act.agency in (content.consumer, content.provider), "not a party")
        # Judged on propose too, even when it is not active yet.
        supersede = self._supersede(content, now)
        active = public or alone
        made = Agreement(act.agreement, content, "active" if active else "proposed", act.agency, [act_id])
        return lambda: (self.agreements.update({act.agreement: made}), active and supersede())

    def _purposes_stand(self, content):
        for code in {code for grant in content.grants for code in grant.purposes}:
            need(code in self.purposes and not self.purposes[code].ended, "unknown purpose")

    def _supersede(self, content, now):
        if not content.supersedes:
            return lambda: None
        older = self.agreements.get(content.supersedes)
        need(older and older.state == "active" and older.superseded_from_ms is None, "not superseding")
        same = (older.content.provider, older.content.consumer) == (content.provider, content.consumer)
        need(same, "not superseding")
        return lambda: setattr(older, "superseded_from_ms", max(content.not_before_ms, now))

    def _delegate(self, agreement, act, act_id):
        new = schemas.act(schemas.acts.Delegation, act.content)
        need(new.grant > 0 and len(new.parent) in (0, 32) and is_name(new.consumer, 3))
        need(all(is_list(texts, 64) for texts in (new.operations, new.purposes, new.fields)))
        need(new.not_before_ms < new.not_after_ms)
        need(agreement.state == "active" and act.previous == agreement.acts[0], "out of order")
        need(act_id not in self.delegations, "no change")
        need(new.consumer in self.agencies and new.consumer != agreement.content.provider, "unknown agency")
        need(new.grant <= len(agreement.content.grants), "no such grant")
        if new.parent:
            above = self.delegations.get(new.parent)
            need(above and above.agreement == agreement.id and not above.ended, "unknown delegation")
            need(above.content.grant == new.grant, "unknown delegation")
            held, times, depth, level = above.content, above.content, above.content.depth, above.level
            need(act.agency == above.content.consumer, "not a party")
        else:
            held, times, level = agreement.content.grants[new.grant - 1], agreement.content, 0
            depth = held.delegation_depth
            need(agreement.covers(act.agency), "not a party")
        for name in ("operations", "purposes", "fields"):
            need(set(getattr(new, name)) <= set(getattr(held, name)), "widens")
        need(times.not_before_ms <= new.not_before_ms and new.not_after_ms <= times.not_after_ms, "widens")
        need(new.depth < depth and level < 4, "widens")
        made = Delegation(act_id, agreement.id, act.agency, level + 1, new)
        return lambda: self.delegations.update({act_id: made})

    def _end_delegation(self, agreement, act):
        record = self.delegations.get(act.previous)
        need(record and record.agreement == agreement.id and not record.ended, "unknown delegation")
        may, link = {agreement.content.provider}, record
        while link:
            may.add(link.giver)
            link = self.delegations.get(link.content.parent)
        need(act.agency in may, "not a party")
        return lambda: setattr(record, "ended", True)


def check_content(content):
    """What the content of an agreement must be by itself."""
    need(len(content.nonce) == 16 and content.not_before_ms < content.not_after_ms)
    need(is_name(content.provider, 3) and 1 <= len(content.grants) <= 64 and len(content.supersedes) in (0, 32))
    group = content.consumer.startswith("@")
    if group:
        agencies = [member.agency for member in content.members]
        need(is_part(content.consumer[1:]) and 1 <= len(agencies) <= 256)
        need(all(one < other for one, other in zip(agencies, agencies[1:])))
        need(all(is_name(member.agency, 3) and is_text(member.value) for member in content.members))
    else:
        need(not content.members)
        instance, klass, agency = (content.consumer.split("/") + ["", ""])[:3]
        everyone = (klass, agency) == ("*", "*") and is_part(instance)
        of_class = agency == "*" and is_part(instance) and is_part(klass)
        need(content.consumer.count("/") == 2 and (everyone or of_class or is_name(content.consumer, 3)))
    for grant in content.grants:
        need(is_name(grant.system, 4) and grant.system.rpartition("/")[0] == content.provider)
        need(is_part(grant.service) and is_shown(grant.legal_basis))
        need(all(is_list(texts, 64) for texts in (grant.operations, grant.purposes, grant.fields)))
        need(is_text(grant.licence) and is_code(grant.sensitivity))
        need(grant.delegation_depth <= 4 and len(grant.row_scope) <= 8)
        for rule in grant.row_scope:
            need(is_part(rule.field) and len(rule.equals.encode()) <= 256)
            need(rule.own_value != bool(rule.equals) and (group or not rule.own_value))
