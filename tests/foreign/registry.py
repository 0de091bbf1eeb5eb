"""The registry as a fold over registry entries, from docs/protocol.md, "The registry and agreements".

Every step judges first and changes afterwards: it gives back what is to be done, and a refused entry changes nothing.
"""

from dataclasses import dataclass, field

import entries
import schemas
from registry_agencies import Agencies, Certificate
from registry_agreements import Agreements
from registry_border import Border, instance_of
from registry_people import People
from rules import is_list, is_name, is_part, is_shown, need
from seals import PublicKey, Seal
from trees import sha256, tree_head

AUTHORITY, SUCCESSION, POSSESSION = "mohawel/authority/v1", "mohawel/succession/v1", "mohawel/possession/v1"
LOG_KEY, LOG_KEY_OVERLAP_MS_MAX = "mohawel/log-key/v1", 400 * 86_400_000
ENCRYPTION_KEY = "mohawel/encryption-key/v1"
# u coordinates of X25519 points with which nothing is shared (RFC 7748).
SMALL_ORDER = {0, 1, 2**255 - 20,
               325606250916557431795983626356110631294008115727848805560023387167927233504,
               39382357235489614581723060781553021112529911719440698176882885853963445705823}
APPLICATION_MS = 30 * 86_400_000
# Kinds whose acts would take effect again if they stood in the log twice.
ONCE = {entries.OPERATOR_ACT, entries.APPROVAL, entries.AGENCY_ACT, entries.BORDER_ACT}


@dataclass
class Agency:
    key: PublicKey
    replacement: tuple | None = None  # key, id of the act, due_at_ms
    suspended: bool = False
    administrators: set = field(default_factory=set)
    daily: int = 0


@dataclass
class BoundKey:
    key: PublicKey
    system: str
    adapter: str
    follows: bytes = b""
    ended: bool = False


@dataclass
class Invitation:
    header: object
    operator: str
    counts: bool
    used: bool = False


@dataclass
class Application:
    header: object
    kid: bytes
    until_ms: int
    state: str = "waiting"

    def waits(self, now):
        return self.state == "waiting" and now < self.until_ms


@dataclass
class Registry(People, Agencies, Agreements, Border):
    """Fold entries in order with apply(); an entry that may not stand is refused."""

    log_key: object
    genesis_sha256: bytes = b""
    origin: str = ""
    instance: str = ""
    trust_domain: str = ""
    authority_root_sha256: bytes = b""
    leaves: list = field(default_factory=list)
    used: set = field(default_factory=set)
    once: set = field(default_factory=set)
    names: set = field(default_factory=set)
    people: dict = field(default_factory=dict)
    policy: frozenset = frozenset()
    waiting: dict = field(default_factory=dict)
    purposes: dict = field(default_factory=dict)
    invitations: dict = field(default_factory=dict)
    applications: dict = field(default_factory=dict)
    agencies: dict = field(default_factory=dict)
    keys: dict = field(default_factory=dict)
    systems: dict = field(default_factory=dict)  # name → ended
    certificates: dict = field(default_factory=dict)
    services: dict = field(default_factory=dict)
    agreements: dict = field(default_factory=dict)
    delegations: dict = field(default_factory=dict)
    encryption_keys: dict = field(default_factory=dict)
    instances: dict = field(default_factory=dict)  # code → names, legal basis, withdrawn
    openings: dict = field(default_factory=dict)
    overlap_until_ms: int = 0
    newest_log_key: PublicKey | None = None

    def apply(self, data, index=None):
        """With the entry's index also what can only be judged by it."""
        entry = entries.Entry.decode(data)
        self.index = index
        need(entry.kind in entries.REGISTRY_KINDS, "not a registry entry")
        need((entry.kind == entries.GENESIS) == (not self.leaves), "genesis")
        need(entry.registry_size == len(self.leaves), "registry size in the stamp")
        need(entry.registry_root == tree_head(self.leaves), "registry root in the stamp")
        now, act_id = entry.recorded_at_us // 1000, sha256(entry.header)
        need(entry.kind not in ONCE or act_id not in self.once, "replayed")
        steps = {
            entries.GENESIS: self._genesis,
            entries.INVITATION: self._invitation,
            entries.AGENCY: self._enrolment,
            entries.KEY_BOUND: self._bind,
            entries.KEY_ENDED: self._end_key,
            entries.CERTIFICATE: self._certificate,
            entries.SERVICE: self._service,
            entries.AGREEMENT_ACT: self._agreement,
            entries.APPLICATION: self._application,
            entries.OPERATOR_ACT: self._operator_act,
            entries.APPROVAL: self._approval,
            entries.KEY_SUCCEEDED: self._succeed_key,
            entries.AGENCY_ACT: self._agency_act,
            entries.LOG_KEY_SUCCEEDED: self._succeed_log_key,
            entries.ENCRYPTION_KEY_BOUND: self._bind_encryption_key,
            entries.BORDER_ACT: self._border_act,
        }
        change = steps[entry.kind](entry, now)
        self._mature(now)
        change()
        if entry.kind in ONCE:
            self.once.add(act_id)
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

    def may_connect(self, system, sha256_of_certificate):
        """Whether a connection with this certificate may speak for the system."""
        need(system in self.systems, "unknown_peer")
        need(not self.is_suspended(system.rpartition("/")[0]), "agency_suspended")
        need(not self.systems[system], "certificate_revoked")
        certificate = self.certificates.get(sha256_of_certificate)
        need(not certificate or not certificate.ended, "certificate_revoked")
        need(certificate and certificate.uri == self.uri(system), "unknown_peer")

    def service(self, system, name):
        found = self.services[f"{system}/{name}"]
        return found.header, found.contract

    def is_suspended(self, agency):
        return agency in self.agencies and self.agencies[agency].suspended

    def uri(self, system):
        return f"spiffe://{self.trust_domain}/{system}"

    # What many steps need.

    def authority(self, agency, now):
        """The authority key that counts now: a replacement that is due is one."""
        need(agency in self.agencies, "unknown agency")
        known = self.agencies[agency]
        due = known.replacement and known.replacement[2] <= now
        return known.replacement[0] if due else known.key

    def under_way(self, agency, now):
        replacement = self.agencies[agency].replacement
        return replacement if replacement and replacement[2] > now else None

    def _mature(self, now):
        for known in self.agencies.values():
            if known.replacement and known.replacement[2] <= now:
                known.key, known.replacement = known.replacement[0], None

    def _sealed(self, entry, label, key):
        need(entry.seal, "unsealed")
        entry.seal.verify(label, self.origin, entry.header, key)

    def _by_agency(self, entry, label, agency, now, standing=True):
        self._sealed(entry, label, self.authority(agency, now))
        need(not standing or not (self.is_suspended(agency) or self.is_withdrawn(agency)), "suspended")

    def _fresh(self, key):
        need(key.kid not in self.used, "key reused")
        return key

    def _free(self, name):
        need(name.lower() not in self.names, "name taken")

    def _proves_itself(self, header, key):
        """The holder of a new key asked for its use: a seal over header without the proof."""
        bare = type(header)()
        bare.CopyFrom(header)
        proof = bare.possession if hasattr(bare, "possession") else bare.authority_succession.possession
        (bare if hasattr(bare, "possession") else bare.authority_succession).possession = b""
        Seal(proof).verify(POSSESSION, self.origin, bare.SerializeToString(deterministic=True), key)

    # Entry 0, and getting on board.

    def _genesis(self, entry, now):
        header = schemas.act(schemas.acts.Genesis, entry.header)
        need(header.origin == self.log_key.origin, "origin")
        need(header.log_key == self.log_key.public.spki, "log key")
        need(is_part(header.instance) and len(header.authority_root_sha256) == 32)
        domain = header.trust_domain
        need(0 < len(domain) <= 255 and set(domain) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_"))
        need(1 <= len(header.operators) <= 64 and all(is_part(one.name) for one in header.operators))
        codes = [purpose.code for purpose in header.purposes]
        need(is_list(codes, 256) and all(map(is_purpose, header.purposes)))
        need(not any(purpose.ended for purpose in header.purposes))
        keys = {one.name.lower(): PublicKey(one.key) for one in header.operators}
        kids = {key.kid for key in keys.values()} | {self.log_key.public.kid}
        need(len(kids) == len(header.operators) + 1, "names and keys of operators")
        need(entry.seal, "unsealed")
        entry.seal.verify("mohawel/genesis/v1", header.origin, entry.header, self.log_key.public)

        def change():
            self.origin, self.instance, self.trust_domain = header.origin, header.instance, domain
            self.authority_root_sha256 = header.authority_root_sha256
            self.people = {("operator", one.name): PublicKey(one.key) for one in header.operators}
            self.used |= kids
            self.purposes = {purpose.code: purpose for purpose in header.purposes}
            self.genesis_sha256 = sha256(entry.encode())

        return change

    def _newcomer(self, agency):
        need(is_name(agency, 3), "agency")
        need(self.admits(instance_of(agency)), "other instance")
        self._free(agency)

    def _invitation(self, entry, now):
        header = schemas.act(schemas.acts.Invitation, entry.header)
        need(len(header.token_sha256) == 32 and len(header.authority_kid) in (0, 32))
        operator = self._sealed_by_person(entry, {"operator"})
        self._newcomer(header.agency)
        need(header.token_sha256 not in self.invitations, "token used")
        for known in self.applications.values():
            if known.header.token_sha256 == header.token_sha256:
                fits = (known.header.agency, known.kid) == (header.agency, header.authority_kid)
                need(fits and known.waits(now), "unknown application")
        invitation = Invitation(header, operator, not self.needs_two("invitation"))

        def change():
            self.invitations[header.token_sha256] = invitation
            if invitation.counts:
                self.answer_applications(header)
            else:
                self.waiting[sha256(entry.header)] = (operator, invitation)

        return change

    def answer_applications(self, invitation):
        for known in self.applications.values():
            wants = known.header.token_sha256, known.header.agency, known.kid
            asked = invitation.token_sha256, invitation.agency, invitation.authority_kid
            if known.state == "waiting" and wants == asked:
                known.state = "approved"

    def _application(self, entry, now):
        header = schemas.act(schemas.acts.Application, entry.header)
        need(all(map(is_shown, (header.name_ar, header.name_en, header.contact))))
        need(len(header.token_sha256) == 32 and header.genesis_sha256 == self.genesis_sha256, "other switch")
        key = PublicKey(header.authority_key)
        self._sealed(entry, AUTHORITY, key)
        self._newcomer(header.agency)
        self._fresh(key)
        waiting = [one for one in self.applications.values() if one.waits(now)]
        same = [one for one in waiting if one.header.agency.lower() == header.agency.lower()]
        need(len(same) < 4 and len(waiting) < 1024, "too many applications")
        need(header.token_sha256 not in self.invitations, "token used")
        for known in self.applications.values():
            need(known.header.token_sha256 != header.token_sha256 and known.kid != key.kid, "token used")
        application = Application(header, key.kid, now + APPLICATION_MS)
        return lambda: self.applications.update({sha256(entry.header): application})

    def _enrolment(self, entry, now):
        header = schemas.act(schemas.acts.AgencyEnrolment, entry.header)
        need(is_name(header.agency, 3) and is_shown(header.name_ar) and is_shown(header.name_en))
        key = PublicKey(header.authority_key)
        self._sealed(entry, AUTHORITY, key)
        invitation = self.invitations.get(header.token_sha256)
        need(invitation and invitation.header.agency == header.agency, "not invited")
        need(self.admits(instance_of(header.agency)), "other instance")
        need(invitation.counts, "not approved")
        need(not invitation.used, "token used")
        need(now < invitation.header.expires_at_ms, "invitation expired")
        need(header.genesis_sha256 == self.genesis_sha256, "other switch")
        self._free(header.agency)
        self._fresh(key)
        need(invitation.header.authority_kid in (b"", key.kid), "other authority")

        def change():
            invitation.used = True
            for known in self.applications.values():
                if known.header.agency.lower() == header.agency.lower():
                    if known.header.token_sha256 == header.token_sha256:
                        known.state = "enrolled"
                    elif known.state == "waiting":
                        known.state = "rejected"
            self.used.add(key.kid)
            self.names.add(header.agency.lower())
            self.agencies[header.agency] = Agency(key)

        return change

    # Keys and certificates.

    def _add_key(self, header, key, follows):
        need(is_name(header.system, 4) and is_part(header.adapter))
        self._proves_itself(header, key)
        self._fresh(key)
        if header.system in self.systems:
            need(not self.systems[header.system], "system ended")
        else:
            self._free(header.system)

        def change():
            self.used.add(key.kid)
            self.names.add(header.system.lower())
            self.systems[header.system] = False
            self.keys[key.kid] = BoundKey(key, header.system, header.adapter, follows)

        return change

    def _bind(self, entry, now):
        header = schemas.act(schemas.acts.KeyBinding, entry.header)
        self._by_agency(entry, AUTHORITY, header.system.rpartition("/")[0], now)
        return self._add_key(header, PublicKey(header.key), b"")

    def _succeed_key(self, entry, now):
        header = schemas.act(schemas.acts.KeySuccession, entry.header)
        older = self.keys.get(header.predecessor)
        need(older and not older.ended, "unknown key")
        self._sealed(entry, SUCCESSION, older.key)
        need((older.system, older.adapter) == (header.system, header.adapter), "unknown key")
        agency = header.system.rpartition("/")[0]
        need(not self.is_suspended(agency) and not self.is_withdrawn(agency), "suspended")
        need(all(one.follows != header.predecessor for one in self.keys.values()), "followed before")
        return self._add_key(header, PublicKey(header.key), header.predecessor)

    def _succeed_log_key(self, entry, now):
        header = schemas.act(schemas.acts.LogKeySuccession, entry.header)
        previous, new = PublicKey(header.previous), PublicKey(header.key)
        need(previous.alg == new.alg == -8 and len(header.root) == 32, "log keys")
        need(previous.kid == (self.newest_log_key or self.log_key.public).kid, "not the log key")
        need(self.index is None or header.size == self.index, "out of place")
        need(now >= self.overlap_until_ms and header.overlap_until_ms <= now + LOG_KEY_OVERLAP_MS_MAX, "overlap")
        self._sealed(entry, LOG_KEY, previous)
        facts = schemas.facts(schemas.log.LogKeyFacts, entry.facts)
        Seal(facts.seal).verify(LOG_KEY, self.origin, entry.header, self._fresh(new))

        def change():
            self.used.add(new.kid)
            self.newest_log_key, self.overlap_until_ms = new, header.overlap_until_ms

        return change

    def _bind_encryption_key(self, entry, now):
        header = schemas.act(schemas.acts.EncryptionKeyBinding, entry.header)
        self._by_agency(entry, ENCRYPTION_KEY, header.system.rpartition("/")[0], now)
        need(header.system in self.systems and not self.systems[header.system], "system")
        number, kid = int.from_bytes(header.key, "little"), sha256(header.key)
        need(len(header.key) == 32 and number < 2**255 - 19 and number not in SMALL_ORDER, "encryption key")
        need(kid not in self.used, "key reused")

        def change():
            self.used.add(kid)
            self.encryption_keys[header.system] = header.key

        return change

    def _end_key(self, entry, now):
        header = schemas.act(schemas.acts.KeyEnd, entry.header)
        need(is_part(header.reason) and is_name(header.system, 4) and entry.seal, "key end")
        sealer = self.keys.get(entry.seal.kid())
        if sealer and sealer.follows == header.kid and not sealer.ended:
            self._sealed(entry, SUCCESSION, sealer.key)
        else:
            self._by_agency(entry, AUTHORITY, header.system.rpartition("/")[0], now, standing=False)
        bound = self.keys.get(header.kid)
        need(bound and bound.system == header.system and not bound.ended, "unknown key")
        return lambda: setattr(bound, "ended", True)

    def _certificate(self, entry, now):
        facts = schemas.facts(schemas.log.RegistryFacts, entry.facts)
        need(facts.HasField("certificate") and len(facts.certificate.sha256) == 32, "certificate")
        need(not entry.header and not entry.seal, "certificate")
        need(facts.certificate.sha256 not in self.certificates, "certificate known")
        found = Certificate(facts.certificate.uri)
        return lambda: self.certificates.update({facts.certificate.sha256: found})

    def end_system(self, name, reason):
        need(is_part(reason) and name in self.systems and not self.systems[name], "unknown system")

        def change():
            self.systems[name] = True
            for bound in self.keys.values():
                bound.ended = bound.ended or bound.system == name
            for certificate in self.certificates.values():
                certificate.ended = certificate.ended or certificate.uri == self.uri(name)

        return change

    def end_certificate(self, digest, reason, agency=None):
        certificate = self.certificates.get(digest)
        need(is_part(reason) and certificate and not certificate.ended, "unknown certificate")
        own = [self.uri(agency) + "/", self.uri(f"administrator/{agency}/")]
        need(agency is None or certificate.uri.startswith(tuple(own)), "unknown certificate")
        return lambda: setattr(certificate, "ended", True)


def is_purpose(purpose):
    texts = purpose.name_ar, purpose.name_en, purpose.legal_basis_ar, purpose.legal_basis_en
    return is_part(purpose.code) and all(map(is_shown, texts))
