"""The registry as a fold over registry entries, from docs/protocol.md, "Registry"."""

from dataclasses import dataclass, field

import entries
import schemas
from rules import is_list, is_name, is_part, need
from seals import PublicKey, Seal
from trees import sha256, tree_head

AUTHORITY = "mohawel/authority/v1"
HIDDEN = {*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF}


def is_shown(text):
    """A text for people: not blank, bounded, without control or direction characters."""
    controls = any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or ord(c) in HIDDEN for c in text)
    return bool(text.strip()) and len(text.encode()) <= 256 and not controls


@dataclass
class BoundKey:
    key: PublicKey
    system: str
    ended: bool = False


@dataclass
class Agreement:
    content: object
    state: str
    proposer: str
    last_act: bytes


@dataclass
class Registry:
    """Fold entries in order with apply(); an entry that may not stand is refused."""

    log_key: object
    genesis_sha256: bytes = b""
    origin: str = ""
    instance: str = ""
    authority_root_sha256: bytes = b""
    leaves: list = field(default_factory=list)
    used: set = field(default_factory=set)
    names: set = field(default_factory=set)
    operators: dict = field(default_factory=dict)
    invitations: dict = field(default_factory=dict)
    agencies: dict = field(default_factory=dict)
    keys: dict = field(default_factory=dict)
    systems: set = field(default_factory=set)
    certificates: dict = field(default_factory=dict)
    services: dict = field(default_factory=dict)
    agreements: dict = field(default_factory=dict)

    def apply(self, data):
        entry = entries.Entry.decode(data)
        need(entry.kind in entries.REGISTRY_KINDS, "not a registry entry")
        need((entry.kind == entries.GENESIS) == (not self.leaves), "genesis")
        need(entry.registry_size == len(self.leaves), "registry size in the stamp")
        need(entry.registry_root == tree_head(self.leaves), "registry root in the stamp")
        steps = {
            entries.GENESIS: self._genesis,
            entries.INVITATION: self._invitation,
            entries.AGENCY: self._agency,
            entries.KEY_BOUND: self._bind,
            entries.KEY_ENDED: self._end,
            entries.CERTIFICATE: self._certificate,
            entries.SERVICE: self._service,
            entries.AGREEMENT_ACT: self._agreement,
        }
        steps[entry.kind](entry)
        self.leaves.append(entry.leaf())

    def holds_at(self, size, root):
        """Whether the first size registry entries folded here are those under root."""
        need(size <= len(self.leaves), "registry not read far enough")
        need(tree_head(self.leaves[:size]) == root, "registry root")

    def seal_key(self, kid, system):
        bound = self.keys.get(kid)
        need(bound and bound.system == system, "wrong_signer")
        need(not bound.ended, "key_ended")
        return bound.key

    def service(self, system, name):
        return self.services[f"{system}/{name}"]

    def _sealed(self, entry, label, key):
        need(entry.seal, "unsealed")
        entry.seal.verify(label, self.origin, entry.header, key)

    def _by_agency(self, entry, label, agency):
        need(agency in self.agencies, "unknown agency")
        self._sealed(entry, label, self.agencies[agency])

    def _new_key(self, key):
        need(key.kid not in self.used, "key reused")
        self.used.add(key.kid)

    def _free(self, name):
        need(name.lower() not in self.names, "name taken")

    def _genesis(self, entry):
        header = schemas.act(schemas.acts.Genesis, entry.header)
        need(header.origin == self.log_key.origin, "origin")
        need(header.log_key == self.log_key.public.spki, "log key")
        need(is_part(header.instance) and len(header.authority_root_sha256) == 32)
        need(1 <= len(header.operators) <= 64)
        self.origin, self.instance = header.origin, header.instance
        self.authority_root_sha256 = header.authority_root_sha256
        self._sealed(entry, "mohawel/genesis/v1", self.log_key.public)
        self.used.add(self.log_key.public.kid)
        for operator in header.operators:
            need(is_part(operator.name))
            key = PublicKey(operator.key)
            self.operators[key.kid] = key
            self.used.add(key.kid)
        self.genesis_sha256 = sha256(entry.encode())

    def _invitation(self, entry):
        header = schemas.act(schemas.acts.Invitation, entry.header)
        need(is_name(header.agency, 3) and len(header.token_sha256) == 32)
        need(entry.seal, "unsealed")
        operator = self.operators.get(entry.seal.kid())
        need(operator, "not an operator")
        self._sealed(entry, "mohawel/operator/v1", operator)
        need(header.agency.split("/")[0] == self.instance, "other instance")
        self._free(header.agency)
        need(header.token_sha256 not in self.invitations, "token used")
        self.invitations[header.token_sha256] = header

    def _agency(self, entry):
        header = schemas.act(schemas.acts.AgencyEnrolment, entry.header)
        need(is_name(header.agency, 3) and is_shown(header.name_ar) and is_shown(header.name_en))
        key = PublicKey(header.authority_key)
        self._sealed(entry, AUTHORITY, key)
        invitation = self.invitations.get(header.token_sha256)
        need(invitation and invitation.agency == header.agency, "not invited")
        need(entry.recorded_at_us // 1000 < invitation.expires_at_ms, "invitation expired")
        need(header.genesis_sha256 == self.genesis_sha256, "other switch")
        self._free(header.agency)
        self._new_key(key)
        # An agency enrols once, so a token is used up with its agency's name.
        self.names.add(header.agency.lower())
        self.agencies[header.agency] = key

    def _bind(self, entry):
        header = schemas.act(schemas.acts.KeyBinding, entry.header)
        need(is_name(header.system, 4) and is_part(header.adapter))
        self._by_agency(entry, AUTHORITY, header.system.rpartition("/")[0])
        key, proof = PublicKey(header.key), header.possession
        header.possession = b""
        unproved = header.SerializeToString(deterministic=True)
        Seal(proof).verify("mohawel/possession/v1", self.origin, unproved, key)
        if header.system not in self.systems:
            self._free(header.system)
        self._new_key(key)
        self.systems.add(header.system)
        self.names.add(header.system.lower())
        self.keys[key.kid] = BoundKey(key, header.system)

    def _end(self, entry):
        header = schemas.act(schemas.acts.KeyEnd, entry.header)
        need(is_part(header.reason) and is_name(header.system, 4))
        self._by_agency(entry, AUTHORITY, header.system.rpartition("/")[0])
        bound = self.keys.get(header.kid)
        need(bound and bound.system == header.system and not bound.ended, "unknown key")
        bound.ended = True

    def _certificate(self, entry):
        facts = schemas.facts(schemas.log.RegistryFacts, entry.facts)
        need(facts.HasField("certificate") and len(facts.certificate.sha256) == 32, "certificate")
        need(not entry.header and not entry.seal, "certificate")
        self.certificates[facts.certificate.sha256] = facts.certificate

    def _service(self, entry):
        header = schemas.act(schemas.acts.ServiceDefinition, entry.header)
        need(is_name(header.system, 4) and is_part(header.service))
        need(is_shown(header.name_ar) and is_shown(header.name_en))
        need(header.operations and is_list([operation.name for operation in header.operations], 64))
        need(all(is_list(operation.fields, 64) for operation in header.operations))
        self._by_agency(entry, AUTHORITY, header.system.rpartition("/")[0])
        need(header.system in self.systems, "unknown system")
        name = f"{header.system}/{header.service}"
        if name in self.services:
            need(header.issued_at_ms > self.services[name][0].issued_at_ms, "older service")
        else:
            self._free(name)
        self.names.add(name.lower())
        self.services[name] = (header, sha256(entry.header))

    def _agreement(self, entry):
        act = schemas.act(schemas.acts.AgreementAct, entry.header)
        need(1 <= act.step <= 3 and len(act.agreement) == 32 and is_name(act.agency, 3))
        need((act.step == 1) == bool(act.content) and (act.step == 1) == (not act.previous))
        self._by_agency(entry, "mohawel/act/v1", act.agency)
        if act.step == 1:
            agreement = self._proposed(act)
        else:
            agreement = self.agreements.get(act.agreement)
            need(agreement, "unknown agreement")
            need(act.agency in (agreement.content.consumer, agreement.content.provider), "not a party")
            need(act.previous == agreement.last_act and agreement.state != "revoked", "out of order")
            if act.step == 2:
                need(agreement.state == "proposed" and act.agency != agreement.proposer, "out of order")
            agreement.state = "active" if act.step == 2 else "revoked"
        agreement.last_act = sha256(entry.header)
        self.agreements[act.agreement] = agreement

    def _proposed(self, act):
        content = schemas.act(schemas.acts.AgreementContent, act.content)
        need(sha256(act.content) == act.agreement and act.agreement not in self.agreements, "out of order")
        need(content.origin == self.origin, "other switch")
        need(len(content.nonce) == 16 and content.not_before_ms < content.not_after_ms)
        need(1 <= len(content.grants) <= 64 and content.provider in self.agencies)
        for grant in content.grants:
            need(is_name(grant.system, 4) and grant.system.rpartition("/")[0] == content.provider)
            need(is_part(grant.service) and is_shown(grant.legal_basis))
            need(all(is_list(texts, 64) for texts in (grant.operations, grant.purposes, grant.fields)))
        if "*" in content.consumer:
            instance, klass, agency = content.consumer.split("/")
            need(is_part(instance) and agency == "*" and (klass == "*" or is_part(klass)))
            need(act.agency == content.provider, "not a party")
            return Agreement(content, "active", act.agency, b"")
        need(content.consumer in self.agencies, "unknown agency")
        need(act.agency in (content.consumer, content.provider), "not a party")
        alone = content.consumer == content.provider
        return Agreement(content, "active" if alone else "proposed", act.agency, b"")
