"""Members abroad, and what is opened to them, from docs/protocol.md, "Across the border"."""

import re
from dataclasses import dataclass

import schemas
from rules import is_list, is_name, is_part, is_shown, need
from trees import sha256

BORDER = "mohawel/border/v1"
COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


@dataclass
class Opening:
    act: object
    ended: bool = False

    def counts(self, at_ms):
        return not self.ended and at_ms < self.act.not_after_ms


def instance_of(agency):
    return agency.split("/")[0]


class Border:
    """The part of the registry that is done at the border."""

    def admits(self, instance):
        return instance == self.instance or self.instances.get(instance, ("", "", "", True))[3] is False

    def is_withdrawn(self, agency):
        return self.instances.get(instance_of(agency), ("", "", "", False))[3]

    def _border_act(self, entry, now):
        act = schemas.act(schemas.acts.BorderAct, entry.header)
        what = act.WhichOneof("act")
        need(what)
        deed, act_id = getattr(act, what), sha256(entry.header)
        if what in ("opening", "opening_end"):
            need(is_name(deed.agency, 3), "agency")
            self._by_agency(entry, BORDER, deed.agency, now, standing=what == "opening")
            return self._open(deed, act_id, now) if what == "opening" else self._close(deed)
        need(is_part(deed.operator))
        operator = self._sealed_by_person(entry, {"operator"}, deed.operator, BORDER)
        change = self.border_effect(act)
        named = bool(self.policy) if what == "admission" else "agency_suspension" in self.policy
        return (lambda: self.waiting.update({act_id: (operator, act)})) if named else change

    def border_effect(self, act):
        """What an operator's act at the border does when it takes effect now."""
        what = act.WhichOneof("act")
        deed = getattr(act, what)
        need(COUNTRY.fullmatch(deed.instance), "country")
        known = self.instances.get(deed.instance)
        if what == "withdrawal":
            need(is_shown(deed.reason) and known and not known[3], "not admitted")
            return lambda: self.instances.update({deed.instance: (*known[:3], True)})
        need(all(map(is_shown, (deed.name_ar, deed.name_en, deed.legal_basis))))
        made = deed.name_ar, deed.name_en, deed.legal_basis, False
        need(deed.instance.lower() != self.instance.lower() and known != made, "no change")
        return lambda: self.instances.update({deed.instance: made})

    def _open(self, deed, act_id, now):
        need(is_part(deed.instance) and is_shown(deed.legal_basis))
        need(deed.operations and is_list(deed.operations, 64))
        agreement = self.agreements.get(deed.agreement)
        need(agreement, "unknown agreement")
        need(agreement.content.provider == deed.agency, "not party")
        need(agreement.state != "revoked", "out of order")
        need(deed.instance != instance_of(deed.agency), "no border")
        need(self.admits(deed.instance), "not admitted")
        grants = agreement.content.grants
        need(1 <= deed.grant <= len(grants), "no such grant")
        need(set(deed.operations) <= set(grants[deed.grant - 1].operations), "operations")
        need(now < deed.not_after_ms <= agreement.content.not_after_ms, "end")
        return lambda: self.openings.update({act_id: Opening(deed)})

    def _close(self, deed):
        need(is_shown(deed.reason))
        known = self.openings.get(deed.opening)
        need(known and not known.ended, "unknown opening")
        need(known.act.agency == deed.agency, "not party")
        return lambda: setattr(known, "ended", True)

    def shut(self, agreement, number, request, at_ms):
        """The clause that lets this grant not across the border; None: it does, or there is none."""
        here = instance_of(request.consumer)
        if here == instance_of(agreement.content.provider):
            return None
        fits = [one for one in self.openings.values()
                if (one.act.agreement, one.act.grant, one.act.instance) == (agreement.id, number, here)
                and request.operation in one.act.operations]
        if any(one.counts(at_ms) for one in fits):
            return None
        return "opening_ended" if fits else "opening"
