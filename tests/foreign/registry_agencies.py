"""What agencies do to themselves, and the services that they publish, from docs/protocol.md, section 4."""

from dataclasses import dataclass

import schemas
from rules import is_code, is_list, is_name, is_part, is_shown, is_text, need
from seals import PublicKey
from trees import sha256

AUTHORITY = "mohawel/authority/v1"


@dataclass
class Certificate:
    uri: str
    ended: bool = False


@dataclass
class Service:
    header: object
    contract: bytes
    notices: dict

    def operation(self, name):
        return next((one for one in self.header.operations if one.name == name), None)


class Agencies:
    """The part of the registry that each agency changes for itself."""

    def _agency_act(self, entry, now):
        act = schemas.act(schemas.acts.AgencyAct, entry.header)
        what = act.WhichOneof("act")
        need(what and is_name(act.agency, 3))
        takes_away = what in ("system_end", "certificate_end", "authority_objection")
        self._by_agency(entry, AUTHORITY, act.agency, now, standing=not takes_away)
        deed, known = getattr(act, what), self.agencies[act.agency]
        if hasattr(deed, "system"):
            need(is_name(deed.system, 4) and deed.system.rpartition("/")[0] == act.agency, "another agency's system")
        match what:
            case "system_end":
                return self.end_system(deed.system, deed.reason)
            case "certificate_end":
                return self.end_certificate(deed.sha256, deed.reason, act.agency)
            case "outside_certificate":
                need(self.systems.get(deed.system) is False, "unknown system")
                need(len(deed.sha256) == 32 and deed.sha256 not in self.certificates, "certificate")
                need(deed.not_before < deed.not_after)
                found = Certificate(self.uri(deed.system))
                return lambda: self.certificates.update({deed.sha256: found})
            case "authority_succession":
                key = self._fresh(PublicKey(deed.key))
                self._proves_itself(act, key)
                return lambda: (setattr(known, "key", key), setattr(known, "replacement", None), self.used.add(key.kid))
            case "authority_objection":
                replacement = self.under_way(act.agency, now)
                need(replacement and replacement[1] == deed.act, "no replacement")
                return lambda: setattr(known, "replacement", None)
            case "operation_notice":
                return self._notice(deed)
            case "administrator":
                need(is_part(deed.name) and (deed.name in known.administrators) == deed.ended, "no change")
                return lambda: known.administrators.symmetric_difference_update({deed.name})

    def _notice(self, deed):
        need(is_part(deed.service) and (not deed.operation or is_part(deed.operation)))
        for text in (deed.notice_ar, deed.notice_en):
            need(is_shown(text) if deed.disabled else not text, "notice")
        service = self.services.get(f"{deed.system}/{deed.service}")
        need(service and (not deed.operation or service.operation(deed.operation)), "unknown service")
        if deed.disabled:
            return lambda: service.notices.update({deed.operation: deed})
        need(deed.operation in service.notices, "no change")
        return lambda: service.notices.pop(deed.operation)

    def _service(self, entry, now):
        header = schemas.act(schemas.acts.ServiceDefinition, entry.header)
        need(is_name(header.system, 4) and is_part(header.service))
        need(is_shown(header.name_ar) and is_shown(header.name_en))
        need(is_text(header.owner_contact) and is_code(header.sensitivity))
        need(header.operations and is_list([operation.name for operation in header.operations], 64))
        for operation in header.operations:
            need(is_shown(operation.name_ar) and is_shown(operation.name_en) and is_list(operation.fields, 64))
            need(is_text(operation.method) and is_text(operation.path))
            pointers = [subject.pointer for subject in operation.subjects]
            need(len(pointers) <= 8 and all(one < other for one, other in zip(pointers, pointers[1:])))
            need(all(one.startswith("/") and len(one.encode()) <= 256 for one in pointers))
            need(all(is_part(subject.scheme) for subject in operation.subjects))
        self._by_agency(entry, AUTHORITY, header.system.rpartition("/")[0], now)
        need(self.systems.get(header.system) is False, "unknown system")
        name, notices = f"{header.system}/{header.service}", {}
        service = Service(header, sha256(entry.header), notices)
        if name in self.services:
            older = self.services[name]
            need(header.issued_at_ms > older.header.issued_at_ms, "older service")
            notices.update({one: notice for one, notice in older.notices.items() if not one or service.operation(one)})
        else:
            self._free(name)
        return lambda: (self.names.add(name.lower()), self.services.update({name: service}))
