"""Operators, approvers and the second seal, from docs/protocol.md, "Operators"."""

import schemas
from rules import is_list, is_name, is_part, is_shown, is_text, need
from seals import PublicKey
from trees import sha256

ROLES_THAT_SEAL = {"operator", "approver"}
ROLES = ROLES_THAT_SEAL | {"auditor", "dpo"}
POLICY_NAMES = {
    "agency_quota", "agency_suspension", "application_rejection", "authority_replacement", "certificate_end",
    "invitation", "policy", "purpose", "role", "system_end",
}
REPLACEMENT_MS = 72 * 3_600_000


class People:
    """The part of the registry that people beside the agencies change."""

    def needs_two(self, name):
        if name == "authority_replacement" or name in self.policy:
            return True
        return bool(self.policy) and name in ("policy", "role")

    def _sealed_by_person(self, entry, roles, name=None, label="mohawel/operator/v1"):
        """The person whose key sealed the entry, in one of the roles."""
        need(entry.seal, "unsealed")
        kid = entry.seal.kid()
        found = [(who, key) for who, key in self.people.items() if key and key.kid == kid]
        need(found and found[0][0][0] in roles, "not an operator")
        (_, person), key = found[0]
        need(name is None or person == name, "not an operator")
        self._sealed(entry, label, key)
        return person

    def _operator_act(self, entry, now):
        act = schemas.act(schemas.acts.OperatorAct, entry.header)
        what = act.WhichOneof("act")
        need(what and is_part(act.operator))
        operator, act_id = self._sealed_by_person(entry, {"operator"}, act.operator), sha256(entry.header)
        if what == "authority_replacement":
            self._proves_itself(act.authority_replacement, PublicKey(act.authority_replacement.key))
        change = self.effect(act, act_id, now)
        if self.needs_two(what):
            return lambda: self.waiting.update({act_id: (operator, act)})
        return change

    def _approval(self, entry, now):
        header = schemas.act(schemas.acts.Approval, entry.header)
        need(is_part(header.operator) and len(header.act) == 32 and is_text(header.reason))
        person = self._sealed_by_person(entry, ROLES_THAT_SEAL, header.operator)
        need(header.act in self.waiting, "nothing waits")
        first, what = self.waiting[header.act]
        change = lambda: None
        if not header.rejected:
            need(person.lower() != first.lower(), "the same person")
            need(("operator", first) in self.people, "no longer an operator")
            if isinstance(what, schemas.acts.OperatorAct):
                change = self.effect(what, header.act, now)
            elif isinstance(what, schemas.acts.BorderAct):
                change = self.border_effect(what)
            else:
                self._free(what.header.agency)
                change = lambda: (setattr(what, "counts", True), self.answer_applications(what.header))
        return lambda: (change(), self.waiting.pop(header.act))

    def effect(self, act, act_id, now):
        """What an operator's act does when it takes effect now."""
        what = act.WhichOneof("act")
        deed = getattr(act, what)
        match what:
            case "application_rejection":
                known = self.applications.get(deed.application)
                need(known and known.waits(now) and is_shown(deed.reason), "unknown application")
                return lambda: setattr(known, "state", "rejected")
            case "agency_suspension":
                need(is_name(deed.agency, 3) and is_shown(deed.reason))
                need(deed.agency in self.agencies, "unknown agency")
                known = self.agencies[deed.agency]
                need(known.suspended == deed.lifted, "no change")
                return lambda: setattr(known, "suspended", not deed.lifted)
            case "system_end":
                return self.end_system(deed.system, deed.reason)
            case "certificate_end":
                return self.end_certificate(deed.sha256, deed.reason)
            case "authority_replacement":
                return self._replace(deed, act_id, now)
            case "purpose":
                texts = deed.name_ar, deed.name_en, deed.legal_basis_ar, deed.legal_basis_en
                need(is_part(deed.code) and all(map(is_shown, texts)))
                need(self.purposes.get(deed.code) != deed, "no change")
                return lambda: self.purposes.update({deed.code: deed})
            case "role":
                return self._role(deed)
            case "agency_quota":
                need(deed.agency in self.agencies, "unknown agency")
                return lambda: setattr(self.agencies[deed.agency], "daily", deed.daily)
            case "policy":
                names = list(deed.two_operators)
                need(is_list(names, len(POLICY_NAMES)) and set(names) <= POLICY_NAMES)
                need(not names or len(self._sealing()) >= 2, "two people who seal")
                need(set(names) != self.policy, "no change")
                return lambda: setattr(self, "policy", frozenset(names))

    def _replace(self, deed, act_id, now):
        need(is_name(deed.agency, 3) and deed.agency in self.agencies, "unknown agency")
        need(not self.under_way(deed.agency, now), "under way")
        key = self._fresh(PublicKey(deed.key))
        replacement = key, act_id, now + REPLACEMENT_MS
        return lambda: (setattr(self.agencies[deed.agency], "replacement", replacement), self.used.add(key.kid))

    def _sealing(self):
        return [who for who in self.people if who[0] in ROLES_THAT_SEAL]

    def _role(self, deed):
        need(deed.role in ROLES and is_part(deed.name))
        need((deed.role in ROLES_THAT_SEAL) == bool(deed.key), "key of a role")
        who, key = (deed.role, deed.name), PublicKey(deed.key) if deed.key else None
        if deed.ended:
            need(who in self.people and (not key or self.people[who].spki == deed.key), "no change")
            left = [one for one in self._sealing() if one != who]
            need(any(role == "operator" for role, _ in left), "the last operator")
            need(not self.policy or len(left) >= 2, "two people who seal")
            return lambda: self.people.pop(who)
        need(who not in self.people, "no change")
        if key:
            taken = {name.lower() for _, name in self._sealing()}
            need(deed.name.lower() not in taken, "name taken")
            self._fresh(key)
        return lambda: (self.people.update({who: key}), key and self.used.add(key.kid))
