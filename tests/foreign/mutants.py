"""Acts that may not stand, beside each golden one that may: changed, sealed properly all the same, and folded.

So it is the rules of docs/protocol.md that refuse them, not a broken seal.
"""

import entries
import schemas
from seals import seal_together
from trees import sha256, tree_head

HEADERS = {
    entries.GENESIS: schemas.acts.Genesis,
    entries.INVITATION: schemas.acts.Invitation,
    entries.AGENCY: schemas.acts.AgencyEnrolment,
    entries.KEY_BOUND: schemas.acts.KeyBinding,
    entries.KEY_ENDED: schemas.acts.KeyEnd,
    entries.SERVICE: schemas.acts.ServiceDefinition,
    entries.AGREEMENT_ACT: schemas.acts.AgreementAct,
    entries.APPLICATION: schemas.acts.Application,
    entries.OPERATOR_ACT: schemas.acts.OperatorAct,
    entries.APPROVAL: schemas.acts.Approval,
    entries.KEY_SUCCEEDED: schemas.acts.KeySuccession,
    entries.AGENCY_ACT: schemas.acts.AgencyAct,
}
CONTENTS = {1: schemas.acts.AgreementContent, 4: schemas.acts.Delegation}
OTHER = bytes(range(32))
RIGHT_TO_LEFT = "\u202e"


def restamp(entry, registry, late_us=0):
    """The same entry as the next one of this registry."""
    time = (entry.recorded_at_us + late_us).to_bytes(8, "big")
    size = len(registry.leaves).to_bytes(8, "big")
    stamp = time + entry.stamp[8:10] + size + tree_head(registry.leaves)
    return entries.Entry(entry.kind, stamp, entry.facts, entry.header, entry.seal)


class Maker:
    """Makes changed acts with the golden keys."""

    def __init__(self, book, signers):
        self.book, self.keys = book, {name: signers[book[f"key.{name}.kid"]] for name in book.names(".seed", "key.")}
        self.signers, self.refused = signers, {}

    def key(self, name):
        return self.keys[name].public.spki

    def proof(self, message):
        """The new key proves itself again, over what was changed. Gives False where the act has none."""
        holder = message
        if isinstance(message, schemas.acts.OperatorAct):
            holder = over = message.authority_replacement
        elif isinstance(message, schemas.acts.AgencyAct):
            holder, over = message.authority_succession, message
        else:
            over = message
        if not getattr(holder, "possession", b""):
            return
        holder.possession = b""
        new = next((key for key in self.signers.values() if key.public.spki == holder.key), None)
        if new:
            data = over.SerializeToString(deterministic=True)
            origin = self.book.text("origin")
            holder.possession = seal_together("mohawel/possession/v1", origin, [data], new)[0].cose

    def again(self, name, registry, change=None, by=None, label=None, prove=True, late_us=0):
        """The golden entry of this name, changed and sealed again, as the next one of the registry."""
        entry = entries.Entry.decode(self.book[name + ".entry"])
        header = HEADERS[entry.kind].FromString(entry.header)
        if change:
            inner = CONTENTS.get(getattr(header, "step", 0)) if entry.kind == entries.AGREEMENT_ACT else None
            if inner:
                content = inner.FromString(header.content)
                change(header, content)
                header.content = content.SerializeToString(deterministic=True)
                if header.step == 1:
                    header.agreement = sha256(header.content)
            else:
                change(header)
            if prove:
                self.proof(header)
        data = header.SerializeToString(deterministic=True)
        signer = self.keys[by] if by else self.signers[self.book[name + ".kid"]]
        seal = seal_together(label or self.book.text(name + ".label"), self.book.text("origin"), [data], signer)[0]
        return restamp(entries.Entry(entry.kind, entry.stamp, entry.facts, data, seal), registry, late_us).encode()


def changes(maker):
    """For each golden act: what, how the header is changed, and how it is sealed where that differs.

    `of` takes another golden act instead, at this place.
    """
    log, moss = maker.key("log"), maker.key("moss_authority")

    def sets(path, value):
        """Sets a field of the header, by its path; a step may be an index."""
        def change(header, *_):
            *way, last = path.split(".")
            for one in way:
                header = header[int(one)] if one.isdigit() else getattr(header, one)
            if isinstance(value, list):
                header.ClearField(last)
                getattr(header, last).extend(value)
            else:
                setattr(header, last, value)
        return change

    def all_of(*changes):
        return lambda header, *_: [change(header) for change in changes]

    def content(path, value):
        return lambda header, inner: sets(path, value)(inner)

    def text(path):
        return [(f"{path} {what}", sets(path, value)) for what, value in (
            ("blank", " "), ("too long", "x" * 257), ("turned round", "x" + RIGHT_TO_LEFT), ("with a control", "x\n"))]

    member = schemas.acts.GroupMember
    cairo, giza = member(agency="EG/GOV/CAIRO", value="Cairo"), member(agency="EG/GOV/GIZA", value="Giza")
    unused, second = maker.key("port_authority"), maker.key("second")
    operator = schemas.acts.Operator
    ended = lambda name, key: all_of(*(sets("role." + field, value) for field, value in (
        ("name", name), ("key", key), ("ended", True))))
    return {
        "genesis": [
            ("of another log", sets("origin", "other.example/log")), ("another log key", sets("log_key", moss)),
            ("a bad instance", sets("instance", "E/G")), ("half a root", sets("authority_root_sha256", b"x" * 16)),
            ("a bad domain", sets("trust_domain", "Mohawel.example")), ("no operator", sets("operators", [])),
            ("a nameless operator", sets("operators.0.name", "")), ("the log's key", sets("operators.0.key", log)),
            ("one name twice", lambda header: header.operators.append(operator(name="First", key=unused))),
            ("one key twice", lambda header: header.operators.append(operator(name="other", key=maker.key("operator")))),
            ("an ended purpose", sets("purposes.0.ended", True)), ("a purpose without a name", sets("purposes.0.name_ar", "")),
            ("a purpose twice", lambda header: header.purposes.append(header.purposes[0])),
        ],
        "moss_invitation": [("no agency", sets("agency", "EG/GOV"))],
        "moss_agency": [
            ("another token", sets("token_sha256", OTHER)), ("another agency", sets("agency", "EG/GOV/CIVIL")),
            ("another switch", sets("genesis_sha256", OTHER)), *text("name_ar"),
        ],
        "role": [
            ("a policy while one person can seal", None, {"of": "policy"}),
            ("an unknown role", sets("role.role", "king")), ("no key", sets("role.key", b"")),
            ("in another's name", sets("operator", "second")), ("a name in another case", sets("role.name", "First")),
            ("the log's key", sets("role.key", log)), ("an agency's key", sets("role.key", moss)),
            ("ended before it began", sets("role.ended", True)),
            ("the last operator's end", all_of(sets("role.role", "operator"), ended("first", maker.key("operator")))),
        ],
        "role_auditor": [("with a key", sets("role.key", maker.key("giza_seal"))), ("ended", sets("role.ended", True))],
        "policy": [
            ("the same person again", all_of(sets("role.key", unused), sets("role.role", "operator")), {"of": "role"}),
            ("not ascending", sets("policy.two_operators", ["invitation", "agency_suspension"])),
            ("twice the same", sets("policy.two_operators", ["invitation", "invitation"])),
            ("an act that is none", sets("policy.two_operators", ["epoch"])),
            ("as it is", sets("policy.two_operators", [])),
            ("by the approver", sets("operator", "second"), {"by": "second"}),
        ],
        "giza_application": [
            ("the second person's end", ended("second", second), {"of": "role"}),
            ("one policy for ever", sets("issued_at_ms", 1), {"of": "policy"}),
            ("a name in use", sets("agency", "EG/GOV/Moss")), ("another instance", sets("agency", "XX/GOV/GIZA")),
            ("an invited token", sets("token_sha256", sha256(b"\x11" * 32))),
            ("another switch", sets("genesis_sha256", OTHER)), *text("contact"),
            ("a key in use", sets("authority_key", moss), {"by": "moss_authority"}),
            ("another's key", sets("authority_key", maker.key("port_authority"))),
        ],
        "giza_invitation": [
            ("a token of before", sets("token_sha256", sha256(b"\x11" * 32))), ("a name in use", sets("agency", "EG/GOV/civil")),
            ("by the approver", sets("expires_at_ms", 1), {"by": "second"}), ("half a kid", sets("authority_kid", b"x" * 16)),
        ],
        "giza_approval": [
            ("enrolled before it", None, {"of": "giza_agency"}),
            ("by the first seal's own", sets("operator", "first"), {"by": "operator"}),
            ("in another's name", sets("operator", "first")), ("of nothing that waits", sets("act", OTHER)), *text("reason")[1:],
        ],
        "giza_agency": [
            ("another key than approved", sets("authority_key", maker.key("port_authority")), {"by": "port_authority"}),
            ("too late", None, {"late_us": 86_400_000_000}),
        ],
        "port_application": [("a token of before", sets("token_sha256", sha256(b"\x13" * 32)))],
        "application_rejection": [
            ("of none", sets("application_rejection.application", OTHER)), *text("application_rejection.reason"),
            ("by the approver", sets("operator", "second"), {"by": "second"}),
            ("after thirty days", None, {"late_us": 30 * 86_400_000_000}),
        ],
        "giza_key": [
            ("another agency's system", sets("system", "EG/GOV/MOSS/centre")), ("a bad adapter", sets("adapter", "a/b")),
            ("a name in another case", sets("system", "EG/GOV/giza/centre")),
            ("a key in use", sets("key", maker.key("civil_seal"))),
            ("without proof", sets("adapter", "two"), {"prove": False}),
        ],
        "key_succession": [
            ("another adapter", sets("adapter", "two")), ("another system", sets("system", "EG/GOV/MOSS/takaful")),
            ("of an ended key", sets("predecessor", maker.keys["moss_seal"].public.kid), {"by": "moss_seal"}),
            ("by the authority key", sets("issued_at_ms", 1), {"by": "civil_authority"}),
            ("under the authority's label", sets("issued_at_ms", 1), {"label": "mohawel/authority/v1"}),
            ("without proof", sets("issued_at_ms", 1), {"prove": False}),
        ],
        "key_end_by_follower": [
            ("itself", sets("kid", maker.keys["civil_seal_next"].public.kid)),
            ("by the ended key", sets("issued_at_ms", 1), {"by": "civil_seal"}),
            ("under the authority's label", sets("issued_at_ms", 1), {"label": "mohawel/authority/v1"}),
            ("another system", sets("system", "EG/GOV/MOSS/takaful")),
            ("a second key after the same one", sets("key", unused), {"of": "key_succession"}),
        ],
        "outside_certificate": [
            ("another agency's system", sets("outside_certificate.system", "EG/GOV/CIVIL/registry")),
            ("a system that is none", sets("outside_certificate.system", "EG/GOV/GIZA/none")),
            ("a certificate of before", sets("outside_certificate.sha256", b"\xc1" * 32)),
            ("ends before it begins", sets("outside_certificate.not_after", 1)),
        ],
        "certificate_end": [
            ("of none", sets("certificate_end.sha256", OTHER)),
            ("another agency's", sets("agency", "EG/GOV/GIZA"), {"by": "giza_authority"}),
            ("no reason", sets("certificate_end.reason", "")),
        ],
        "administrator": [("ended before it began", sets("administrator.ended", True)), ("no name", sets("administrator.name", ""))],
        "purpose": [*text("purpose.legal_basis_en"), ("no code", sets("purpose.code", ""))],
        "agency_quota": [("a purpose as it is", sets("issued_at_ms", 1), {"of": "purpose"}), ("of none", sets("agency_quota.agency", "EG/GOV/PORT"))],
        "service_full": [
            *text("name_ar"), *text("operations.0.name_en"), *text("operations.0.method")[1:],
            ("fields not ascending", sets("operations.0.fields", ["nid", "name"])), ("no operations", sets("operations", [])),
            ("no service", sets("service", "")),
            ("a pointer that is none", sets("operations.0.subjects.0.pointer", "nid")),
            ("a subject without scheme", sets("operations.0.subjects.0.scheme", "")),
            ("not ascending", sets("operations.0.name", "z")), ("a bad code", sets("sensitivity", "very personal")),
            ("a system that is none", sets("system", "EG/GOV/CIVIL/none")), *text("owner_contact")[1:],
            ("older than the one that counts", lambda header: (sets("service", "households.v1")(header), sets("issued_at_ms", 1)(header))),
        ],
        "operation_notice": [
            ("of no service", sets("operation_notice.service", "a/b")),
            ("of none", sets("operation_notice.operation", "none")), ("without Arabic", sets("operation_notice.notice_ar", "")),
            ("on with a notice", sets("operation_notice.disabled", False)),
            ("another agency's", sets("operation_notice.system", "EG/GOV/MOSS/takaful")),
            ("on, and was never off", lambda header: [sets("operation_notice." + name, value)(header) for name, value in (
                ("disabled", False), ("notice_ar", ""), ("notice_en", ""))]),
        ],
        "group_propose": [
            ("half a nonce", content("nonce", b"x" * 8)), ("no grants", content("grants", [])),
            ("ends before it begins", content("not_after_ms", 1)), ("half an older one", content("supersedes", b"x" * 16)),
            ("a member that is none", content("members.0.agency", "EG/CAIRO")), ("half a class", content("consumer", "EG/GOV")),
            ("no service", content("grants.0.service", "")), ("no law", content("grants.0.legal_basis", "")),
            ("fields not ascending", content("grants.0.fields", ["nid", "name"])), ("no field", content("grants.0.row_scope.0.field", "")),
            ("a hidden licence", content("grants.0.licence", RIGHT_TO_LEFT)), ("a bad code", content("grants.0.sensitivity", "a b")),
            ("not ascending", content("members", [giza, cairo])), ("twice the same", content("members", [giza, giza])),
            ("no members", content("members", [])), ("members without a group", content("consumer", "EG/GOV/*")),
            ("a group without a name", content("consumer", "@")), ("own value without a group", lambda header, inner: (
                content("consumer", "EG/GOV/*")(header, inner), content("members", [])(header, inner))),
            ("a value and the own", content("grants.0.row_scope.0.equals", "Giza")),
            ("no value", content("grants.0.row_scope.1.equals", "")),
            ("a purpose of no catalogue", content("grants.0.purposes", ["none"])),
            ("too deep", content("grants.0.delegation_depth", 5)), ("another's system", content("grants.0.system", "EG/GOV/MOSS/takaful")),
            ("takes the place of none", content("supersedes", OTHER)), ("another switch", content("origin", "other.example/log")),
            ("by a member", sets("agency", "EG/GOV/GIZA"), {"by": "giza_authority"}),
        ],
        "newer_propose": [
            ("to nobody", lambda header, inner: (content("consumer", "EG/GOV/PORT")(header, inner), content("supersedes", b"")(header, inner))),
            ("by nobody's provider", lambda header, inner: [content(path, value)(header, inner) for path, value in (
                ("provider", "EG/GOV/PORT"), ("grants.0.system", "EG/GOV/PORT/ships"), ("supersedes", b""))]),
            ("of another consumer", content("consumer", "EG/GOV/GIZA")), ("by neither", sets("agency", "EG/GOV/GIZA"), {"by": "giza_authority"}),
            ("takes the place of a group's", content("supersedes", maker.book["group.id"])),
        ],
        "newer_accept": [
            ("no step", sets("step", 0)), ("a step of later", sets("step", 6)), ("after nothing", sets("previous", b"")),
            ("by who proposed", sets("agency", "EG/GOV/CIVIL"), {"by": "civil_authority"}), ("after another act", sets("previous", OTHER)),
            ("with a content", sets("content", b"\x08\x01")), ("of another agreement", sets("agreement", OTHER)),
        ],
        "delegation": [
            ("a field twice", content("fields", ["status", "status"])), ("ends before it begins", content("not_after_ms", 1)),
            ("a field more", content("fields", ["income", "status"])), ("a purpose more", content("purposes", ["civil.verification"])),
            ("an operation more", content("operations", ["list", "lookup"])), ("longer", content("not_after_ms", 1 << 48)),
            ("earlier", content("not_before_ms", 1)), ("deeper", content("depth", 1)), ("no such grant", content("grant", 2)),
            ("no grant", content("grant", 0)), ("to the provider", content("consumer", "EG/GOV/CIVIL")),
            ("to nobody", content("consumer", "EG/GOV/PORT")), ("below none", content("parent", OTHER)),
            ("by who holds nothing", sets("agency", "EG/GOV/GIZA"), {"by": "giza_authority"}),
            ("by the provider", sets("agency", "EG/GOV/CIVIL"), {"by": "civil_authority"}), ("after another act", sets("previous", OTHER)),
        ],
        "delegation_end": [
            ("by who was given it", sets("agency", "EG/GOV/GIZA"), {"by": "giza_authority"}), ("of none", sets("previous", OTHER)),
            ("of another agreement", sets("agreement", maker.book["group.id"])),
        ],
        "group_revoke": [("by a member", sets("agency", "EG/GOV/GIZA"), {"by": "giza_authority"})],
        "agency_suspension": [("lifted before it began", sets("agency_suspension.lifted", True))],
        "suspension_approval": [("by the first seal's own", sets("operator", "first"), {"by": "operator"})],
        "suspension_lift": [("of none", sets("agency_suspension.agency", "EG/GOV/PORT"))],
        "operator_certificate_end": [("of none", sets("certificate_end.sha256", OTHER)), ("ended before", sets("certificate_end.sha256", b"\xc1" * 32))],
        # The agency is suspended here.
        "lift_rejection": [
            ("an administrator", sets("administrator.name", "samir"), {"of": "administrator"}),
            ("a key", all_of(sets("key", unused), sets("adapter", "two")), {"of": "giza_key"}),
            ("a key after a key", all_of(sets("key", unused), sets("system", "EG/GOV/GIZA/centre"), sets(
                "predecessor", maker.keys["giza_seal"].public.kid)), {"of": "key_succession", "by": "giza_seal"}),
            ("a certificate", sets("outside_certificate.sha256", OTHER), {"of": "outside_certificate"}),
            ("an agreement", lambda header, inner: (sets("agency", "EG/GOV/GIZA")(header), sets("consumer", "EG/GOV/GIZA")(
                inner), sets("supersedes", b"")(inner)), {"of": "newer_propose", "by": "giza_authority"}),
            ("what was revoked, revoked", sets("previous", sha256(maker.book["group_revoke.header"])), {"of": "group_revoke"}),
        ],
        "operator_system_end": [("of none", sets("system_end.system", "EG/GOV/GIZA/none"))],
        "system_end": [("another agency's", sets("system_end.system", "EG/GOV/CIVIL/registry"))],
        "authority_replacement": [
            ("a key of an ended system", sets("key", unused), {"of": "moss_key"}),
            ("an ended system, ended", sets("issued_at_ms", 1), {"of": "system_end"}),
            ("a certificate of an ended system", all_of(sets("agency", "EG/GOV/MOSS"), sets(
                "outside_certificate.system", "EG/GOV/MOSS/takaful"), sets("outside_certificate.sha256", OTHER)),
             {"of": "outside_certificate", "by": "moss_authority"}),
            ("an ended certificate, ended", sets("issued_at_ms", 1), {"of": "certificate_end"}),
            ("an ended delegation, ended", sets("issued_at_ms", 1), {"of": "delegation_end"}),
            ("handed on below what has ended", content("parent", sha256(maker.book["delegation.header"])), {"of": "delegation"}),
            ("the older agreement superseded again", content("nonce", b"z" * 16), {"of": "newer_propose"}),
            ("of none", sets("authority_replacement.agency", "EG/GOV/PORT")), ("a key in use", sets("authority_replacement.key", moss)),
            ("without proof", sets("authority_replacement.agency", "EG/GOV/CIVIL"), {"prove": False}),
        ],
        "authority_replacement_approval": [("by the first seal's own", sets("operator", "first"), {"by": "operator"})],
        "authority_objection": [
            ("another replacement meanwhile", None, {"of": "authority_replacement_again"}),
            ("to none", sets("authority_objection.act", OTHER)), ("too late", None, {"late_us": 72 * 3_600_000_000}),
            ("by another agency", sets("agency", "EG/GOV/GIZA"), {"by": "giza_authority"}),
            ("by the new key, too early", sets("issued_at_ms", 1), {"by": "moss_replacement"}),
        ],
        "authority_replacement_again_approval": [
            ("of what was turned down", sets("act", sha256(maker.book["suspension_lift.header"]))),
            ("of what was approved", sets("act", sha256(maker.book["agency_suspension.header"]))),
        ],
        "authority_replacement_again": [("a key of before", sets("authority_replacement.key", maker.key("moss_replacement")))],
        "authority_succession": [
            ("by the replaced key", sets("issued_at_ms", 1), {"by": "moss_authority"}), ("a key in use", sets("authority_succession.key", moss)),
            ("before it is due", None, {"late_us": -1_001_000}), ("without proof", sets("issued_at_ms", 1), {"prove": False}),
        ],
    }


def judge_changes(maker, judge, registry, name):
    """Nothing that is beside this golden act may stand where it may."""
    entry = entries.Entry.decode(maker.book[name + ".entry"])
    if entry.kind == entries.CERTIFICATE:
        return judge_certificates(maker, judge, registry, name, entry)
    cases = changes(maker).get(name, [])
    for what, change, *how in cases:
        how = dict(how[0]) if how else {}
        mutant = maker.again(how.pop("of", name), registry, change, **how)
        judge.refuses(f"{name}: {what}", lambda: registry.apply(mutant))
        maker.refused[f"{name}: {what}"] = mutant.hex()
    signer, label = maker.book[name + ".kid"], maker.book.text(name + ".label")
    for who, key in maker.keys.items():
        if key.public.kid != signer:
            mutant = maker.again(name, registry, by=who)
            judge.refuses(f"{name} by {who}", lambda: registry.apply(mutant))
    for other in ("act", "answer", "authority", "genesis", "operator", "possession", "request", "succession"):
        if label != f"mohawel/{other}/v1":
            mutant = maker.again(name, registry, label=f"mohawel/{other}/v1")
            judge.refuses(f"{name} under {other}", lambda: registry.apply(mutant))
    for kind in HEADERS.keys() - {entry.kind}:
        other = entries.Entry(kind, entry.stamp, entry.facts, entry.header, entry.seal)
        judge.refuses(f"{name} as kind {kind}", lambda: registry.apply(restamp(other, registry).encode()))
    bare = entries.Entry(entry.kind, entry.stamp, entry.facts, entry.header, None)
    judge.refuses(f"{name} without a seal", lambda: registry.apply(restamp(bare, registry).encode()))
    return len(cases)


def judge_certificates(maker, judge, registry, name, entry):
    """What the switch alone may write down is a certificate and nothing else."""
    sealed = entries.Entry.decode(maker.book["moss_key.entry"])
    other = schemas.log.RegistryFacts.FromString(entry.facts)
    other.certificate.sha256 = b"short"
    for what, facts, header, seal in (
        ("without facts", b"", b"", None), ("with a header", entry.facts, sealed.header, None),
        ("with a seal", entry.facts, b"", sealed.seal), ("half a digest", other.SerializeToString(), b"", None),
    ):
        mutant = restamp(entries.Entry(entry.kind, entry.stamp, facts, header, seal), registry).encode()
        judge.refuses(f"{name}: {what}", lambda: registry.apply(mutant))
        maker.refused[f"{name}: {what}"] = mutant.hex()
    return 0


def judge_replays(maker, judge, registry):
    """Nothing that was recorded can be recorded again, now or years later."""
    for name in maker.book.names(".entry"):
        entry = entries.Entry.decode(maker.book[name + ".entry"])
        if entry.kind not in entries.REGISTRY_KINDS:
            continue
        for late_us in (2 * 86_400_000_000, 400 * 86_400_000_000):
            again = restamp(entry, registry, late_us).encode()
            judge.refuses(f"{name} recorded again", lambda: registry.apply(again))
