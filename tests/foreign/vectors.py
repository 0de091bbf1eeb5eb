"""Checks the golden vectors, and that each vector with one byte changed is refused."""

import base64
import copy
import dataclasses
import json
import os
from pathlib import Path

import chunks
import decide
import entries
import items
import mutants
import rights
import rules
import schemas
import sealed
from checkpoints import LogKey
from registry import Registry
from seals import PrivateKey, PublicKey, Seal, sig_structure, seal_together
from trees import Refused, head_from_path, leaf_hash, sha256, tree_head, verify_consistency

CODES = {"payload_mismatch", "field_not_granted", "answer_invalid"}


class Book:
    """A golden file: hex values, and texts whose name ends in .text."""

    def __init__(self, path):
        self.values = json.loads(path.read_text())

    def __getitem__(self, name):
        return bytes.fromhex(self.values[name])

    def text(self, name):
        return self.values[name + ".text"]

    def names(self, suffix, prefix=""):
        """What stands between prefix and suffix in the names that have both."""
        found = [name for name in self.values if name.startswith(prefix) and name.endswith(suffix)]
        return [name.removeprefix(prefix).removesuffix(suffix) for name in found]

    def hashes(self, name):
        joined = self[name]
        return tuple(joined[at : at + 32] for at in range(0, len(joined), 32))


class Judge:
    """Counts what held and what was refused as it must be."""

    def __init__(self):
        self.held = self.refused = 0

    def same(self, found, golden, what):
        if found != golden:
            raise SystemExit(f"{what}: made {found!r}, golden is {golden!r}")
        self.held += 1

    def holds(self, what, check):
        try:
            result = check()
        except Refused as error:
            raise SystemExit(f"{what}: refused ({error}), but it is golden") from error
        self.held += 1
        return result

    def refuses(self, what, check):
        try:
            check()
        except Refused:
            self.refused += 1
            return
        raise SystemExit(f"{what}: accepted, but it was changed")

    def refuses_every_flip(self, what, data, check):
        """One bit of each byte changed, each byte missing, one byte more."""
        for at in range(len(data)):
            flipped = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
            self.refuses(f"{what}, byte {at} changed", lambda: check(flipped))
            self.refuses(f"{what}, byte {at} missing", lambda: check(data[:at] + data[at + 1 :]))
        self.refuses(f"{what}, one byte more", lambda: check(data + b"\x00"))


def seals(book, judge):
    """Rebuilds every seal with the golden seeds, verifies it, and refuses every change."""
    origin = book.text("origin")
    signers = {}
    for name in book.names(".seed"):
        key = PrivateKey(book[name + ".seed"])
        judge.same(key.public.spki, book[name + ".spki"], name + ".spki")
        judge.same(key.public.kid, book[name + ".kid"], name + ".kid")
        signers[key.public.kid] = key
    batch = ["batch_0", "batch_1", "batch_2"]
    for name in book.names(".cose"):
        header, label = book[name + ".header"], book.text(name + ".label")
        signer, seal = signers[book[name + ".kid"]], Seal.from_block(book[name + ".seal_block"])
        key, together = signer.public, batch if name in batch else [name]
        headers = [book[other + ".header"] for other in together]
        judge.same(leaf_hash(header), book[name + ".leaf"], name + ".leaf")
        judge.same(tree_head([leaf_hash(one) for one in headers]), book[name + ".tree_head"], name + ".tree_head")
        signed = sig_structure(label, origin, key.alg, key.kid, book[name + ".tree_head"], len(headers))
        judge.same(signed, book[name + ".sig_structure"], name + ".sig_structure")
        made = seal_together(label, origin, headers, signer)[together.index(name)]
        judge.same(made.cose, book[name + ".cose"], name + ".cose")
        judge.same(made.to_block(), book[name + ".seal_block"], name + ".seal_block")
        judge.holds(name, lambda: seal.verify(label, origin, header, key))

        judge.refuses_every_flip(name + " header", header, lambda data: seal.verify(label, origin, data, key))
        changed_cose = lambda data: seal.replace(cose=data).verify(label, origin, header, key)
        judge.refuses_every_flip(name + " seal", seal.cose, changed_cose)
        judge.refuses(name + " for another use", lambda: seal.verify("mohawel/late/v1", origin, header, key))
        judge.refuses(name + " for another switch", lambda: seal.verify(label, origin + "2", header, key))
        for index, size in ((1, 2), (0, 2), (1, 3), (2, 3), (0, 0), (0, 65)):
            if (index, size) != (seal.leaf_index, seal.tree_size):
                moved = seal.replace(leaf_index=index, tree_size=size)
                judge.refuses(f"{name} at {index} of {size}", lambda: moved.verify(label, origin, header, key))
        longer = seal.replace(path=seal.path + (bytes(32),))
        judge.refuses(name + " with a longer path", lambda: longer.verify(label, origin, header, key))
        for at in range(len(seal.path)):
            shorter = seal.replace(path=seal.path[:at] + seal.path[at + 1 :])
            judge.refuses(name + " with a shorter path", lambda: shorter.verify(label, origin, header, key))
        for other in signers.values():
            if other.public.kid != key.kid:
                judge.refuses(name + " by another key", lambda: seal.verify(label, origin, header, other.public))
    return signers


def log(book, judge, signers):
    """Folds the registry from the golden entries and checks every stamp, leaf and head on the way."""
    log_key = LogKey(judge.receipts.text("log.vkey"))
    registry, maker = Registry(log_key), mutants.Maker(book, signers)
    names = sorted(book.names(".entry"), key=lambda name: int(book.text(name + ".index")))
    leaves, last_us, changed = [], 0, 0
    for index, name in enumerate(names):
        judge.same(int(book.text(name + ".index")), index, name + ".index")
        data = book[name + ".entry"]
        entry = judge.holds(name, lambda: entries.Entry.decode(data))
        judge.same(entry.stamp, book[name + ".stamp"], name + ".stamp")
        judge.same(entry.facts, book[name + ".facts"], name + ".facts")
        judge.same(entry.leaf(), book[name + ".entry_leaf"], name + ".entry_leaf")
        judge.holds(name + " stamp", lambda: registry.holds_at(entry.registry_size, entry.registry_root))
        judge.same(entry.recorded_at_us >= last_us, True, name + " time")
        last_us = entry.recorded_at_us
        leaves.append(entry.leaf())
        rights.before(name, book, judge, registry)
        if entry.kind in entries.REGISTRY_KINDS:
            changed += mutants.judge_changes(maker, judge, registry, name)
            judge.holds(name + " fold", lambda: registry.apply(data))
            judge.refuses(name + " folded twice", lambda: registry.apply(data))
            again = mutants.restamp(entry, registry).encode()
            judge.refuses(name + " recorded twice", lambda: registry.apply(again))
        rights.after(name, book, judge, registry)
        if name == "answer":
            exchange(book, judge, registry)
    mutants.judge_replays(maker, judge, registry)
    stored = judge.refused_path
    if os.environ.get("MOHAWEL_BLESS") == "1":
        stored.write_text(json.dumps(maker.refused, indent=2, ensure_ascii=False) + "\n")
    judge.same(maker.refused, json.loads(stored.read_text()), "refused.json")
    judge.same(changed, sum(map(len, mutants.changes(maker).values())), "changed acts that were tried")
    judge.same(len(leaves), int(book.text("log.size")), "log.size")
    judge.same(tree_head(leaves), book["log.root"], "log.root")
    judge.same(len(registry.leaves), int(book.text("registry.size")), "registry.size")
    judge.same(tree_head(registry.leaves), book["registry.root"], "registry.root")
    return leaves


def exchange(book, judge, registry):
    """Request, answer, commitments and the refused header, field by field."""
    data, seal = book["request.header"], Seal(book["request.cose"])
    request = judge.holds("request", lambda: rules.open_request(data))
    answer_data, answer_seal = book["answer.header"], Seal(book["answer.cose"])
    bound = lambda header, request_data, request_seal: rules.verify_answer(
        header, answer_seal, request, request_data, request_seal, registry, CODES
    )
    answer = judge.holds("answer", lambda: bound(answer_data, data, seal))
    judge.refuses("answer to another request", lambda: bound(answer_data, data + b"\x00", seal))
    judge.refuses("answer to another seal", lambda: bound(answer_data, data, Seal(book["batch_0.cose"])))
    judge.refuses("another exchange's answer", lambda: bound(book["batch_0.header"], data, seal))
    for name, header in (("request", request), ("answer", answer)):
        salt, payload = book[name + ".salt"], book[name + ".payload"]
        judge.same(rules.commit(salt, payload), book[name + ".hmac"], name + ".hmac")
        judge.same(header.payload.hmac, book[name + ".hmac"], name + " commitment")
        judge.holds(name + " payload", lambda: rules.open_payload(header.payload, salt, payload))
        changed = lambda data: rules.open_payload(header.payload, salt, data)
        judge.refuses_every_flip(name + " payload", payload, changed)
        other_salt = lambda data: rules.open_payload(header.payload, data, payload)
        judge.refuses_every_flip(name + " salt", salt, other_salt)
    content = registry.agreements[request.agreement].content
    judge.same(set(request.fields) <= set(content.grants[0].fields), True, "fields granted")
    refused = judge.holds("refused request", lambda: rules.open_request(book["batch_1.header"]))
    facts = schemas.facts(schemas.log.ExchangeFacts, book["refusal.facts"])
    judge.same(facts.code, "field_not_granted", "refusal code")
    judge.same(facts.clause, "field " + min(set(refused.fields) - set(content.grants[0].fields)), "clause")


def forms(book, judge):
    """Other spellings of the same header are refused."""
    data = book["request.header"]
    rest, kinds = data[2:], schemas.envelope.RequestHeader
    for what, other in {
        "a wide varint": b"\x08\x81\x00" + rest,
        "a field twice": b"\x08\x01" + data,
        "another order": rest + b"\x08\x01",
        "an unknown field": data + b"\xf8\x7f\x01",
        "a default written out": data + b"\xa0\x01\x00",
        "a later version": b"\x08\x02" + rest,
        "no version": rest,
        "nothing": b"",
    }.items():
        judge.refuses(what, lambda: schemas.header(kinds, other))


def receipts(book, judge, leaves):
    """Receipts, checkpoints and consistency, and every change of them."""
    golden = judge.receipts
    log_key = LogKey(golden.text("log.vkey"))
    sealed = {"request": "request", "answer": "answer", "refusal": "batch_1"}
    for name in golden.names(".receipt"):
        header, seal = book[sealed[name] + ".header"], Seal.from_block(book[sealed[name] + ".seal_block"])
        data = golden[name + ".receipt"]
        receipt = schemas.log.Receipt.FromString(data)
        check = lambda one, header=header, seal=seal: entries.verify_receipt(one, header, seal, log_key)
        entry, checkpoint = judge.holds(name + " receipt", lambda: check(receipt))
        judge.same(entry.leaf(), golden[name + ".leaf"], name + ".leaf")
        judge.same(entry.encode(), book[name + ".entry"], name + ".entry")
        judge.same(checkpoint.root, golden[name + ".root"], name + ".root")
        judge.same(checkpoint.root, tree_head(leaves[: checkpoint.size]), name + " tree")
        judge.same(tuple(receipt.proof), golden.hashes(name + ".proof"), name + ".proof")
        judge.refuses(name + " of another header", lambda: check(receipt, header=header + b"\x00"))
        judge.refuses(name + " without its seal", lambda: check(receipt, seal=None))
        judge.refuses_every_flip(name + " seal block", seal.to_block(),
                                 lambda block: check(receipt, seal=Seal.from_block(block)))

        def with_field(field, value):
            other = schemas.log.Receipt.FromString(data)
            other.ClearField(field)
            other.MergeFrom(schemas.log.Receipt(**{field: value}))
            return check(other)

        for field in ("stamp", "facts", "checkpoint"):
            judge.refuses_every_flip(f"{name} {field}", getattr(receipt, field),
                                     lambda value: with_field(field, value))
        judge.refuses(name + " elsewhere", lambda: with_field("index", receipt.index - 1))
        judge.refuses(name + " of another kind", lambda: with_field("kind", 35))
        for at in range(len(receipt.proof)):
            hashes = list(receipt.proof)
            judge.refuses(name + " proof", lambda: with_field("proof", hashes[:at] + hashes[at + 1 :]))
            hashes[at] = sha256(hashes[at])
            judge.refuses(name + " proof", lambda: with_field("proof", hashes))
    closing = schemas.facts(schemas.log.ExchangeFacts, book["answer.facts"])
    judge.same(closing.request_leaf, book["request.entry_leaf"], "the request that the closing names")
    judge.same(closing.request_index, int(book.text("request.index")), "its index")
    for name in golden.values:
        if name.startswith("consistency."):
            old, new = map(int, name.split(".")[1:])
            proof, heads = golden.hashes(name), (tree_head(leaves[:old]), tree_head(leaves[:new]))
            judge.holds(name, lambda: verify_consistency(old, heads[0], new, heads[1], proof))
            judge.refuses(name, lambda: verify_consistency(old, sha256(heads[0]), new, heads[1], proof))
            judge.refuses(name, lambda: verify_consistency(old, heads[0], new, heads[1], proof + (bytes(32),)))


def es256(book, judge):
    """A P-256 seal, and its twin with the other s."""
    key, header = PublicKey(book["key.spki"]), book["seal.header"]
    label, origin = book.text("seal.label"), book.text("origin")
    verify = lambda cose: Seal(cose).verify(label, origin, header, key)
    judge.holds("es256", lambda: verify(book["seal.cose"]))
    judge.refuses("es256, high s", lambda: verify(book["seal.cose_high_s"]))
    judge.refuses_every_flip("es256", book["seal.cose"], verify)


def log_key(book, judge):
    """The log's next key: sealed by both, and nothing of it can be another."""
    seals(book, judge)
    first = PublicKey(book["key.log.spki"])
    raw = b"\x01" + first.spki[-32:]
    origin = book.text("origin")
    key_id = sha256(origin.encode(), b"\n", raw)[:4].hex()
    vkey = f"{origin}+{key_id}+{base64.b64encode(raw).decode()}"

    def folded(data, index):
        registry = Registry(LogKey(vkey))
        registry.apply(book["genesis.entry"])
        registry.apply(data, index)
        return registry

    data, index = book["log_key.entry"], int(book.text("log_key.index"))
    registry = judge.holds("log_key fold", lambda: folded(data, index))
    judge.same(registry.newest_log_key.kid, book["key.log_next.kid"], "the newest log key")
    judge.refuses("log_key elsewhere", lambda: folded(data, index + 1))
    judge.refuses("log_key folded twice", lambda: registry.apply(data, index))
    # The stamp is nobody's seal: whoever has the log's own root knows it.
    judge.refuses_every_flip("log_key", data[51:], lambda rest: folded(data[:51] + rest, index))


def encryption_key(book, judge):
    """What payloads are sealed to: the newest key counts, none comes twice, and nothing of a binding can be another."""
    seals(book, judge)
    origin, raw = book.text("origin"), b"\x01" + book["key.log.spki"][-32:]
    key_id = sha256(origin.encode(), b"\n", raw)[:4].hex()
    registry = Registry(LogKey(f"{origin}+{key_id}+{base64.b64encode(raw).decode()}"))
    for name in ("genesis", "civil_invitation", "civil_agency", "civil_key"):
        judge.holds(name, lambda: registry.apply(book[name + ".entry"]))
    for name in ("encryption_key", "encryption_key_next"):
        data, key = book[name + ".entry"], sealed.public(book[name + ".secret"])
        judge.same(key, book[name + ".key"], name + ".key")
        judge.same(sha256(key), book[name + ".recipient"], name + ".recipient")
        system = schemas.act(schemas.acts.EncryptionKeyBinding, book[name + ".header"]).system
        entry = entries.Entry.decode(data)
        for what, other in {
            "nothing": b"", "31 bytes": key[:31], "33 bytes": key + b"\0", "of small order": bytes(32),
            "not reduced": (2**255 - 19 + 9).to_bytes(32, "little"), "with the top bit": key[:31] + bytes([key[31] | 128]),
        }.items():
            header = schemas.acts.EncryptionKeyBinding(version=1, system=system, key=other, issued_at_ms=1)
            header = header.SerializeToString(deterministic=True)
            signer = PrivateKey(book["key.civil_authority.seed"])
            seal = seal_together("mohawel/encryption-key/v1", origin, [header], signer)[0]
            entry = dataclasses.replace(entry, header=header, seal=seal)
            judge.refuses(f"{name}: {what}", lambda: registry.apply(mutants.restamp(entry, registry).encode()))
        entry = entries.Entry.decode(data)
        fold = lambda header: registry.apply(dataclasses.replace(entry, header=header).encode())
        judge.refuses_every_flip(name, entry.header, fold)
        judge.holds(name, lambda: registry.apply(data))
        judge.same(registry.encryption_keys[system], key, "the key that counts")
    first = entries.Entry.decode(book["encryption_key.entry"])
    judge.refuses("a key brought back", lambda: registry.apply(mutants.restamp(first, registry).encode()))
    judge.same(tree_head(registry.leaves), book["registry.root"], "registry.root")


def border(book, judge):
    """What is done at the border, folded; and what may be asked before and after each act."""
    seals(book, judge)
    first = PublicKey(book["key.log.spki"])
    raw, origin = b"\x01" + first.spki[-32:], book.text("origin")
    key_id = sha256(origin.encode(), b"\n", raw)[:4].hex()
    registry = Registry(LogKey(f"{origin}+{key_id}+{base64.b64encode(raw).decode()}"))
    names = sorted(book.names(".entry"), key=lambda name: int(book.text(name + ".index")))
    asked, said = None, []
    for name in names:
        entry = entries.Entry.decode(book[name + ".entry"])
        if entry.kind not in entries.REGISTRY_KINDS:
            continue
        if entry.kind == entries.BORDER_ACT:
            before = copy.deepcopy(registry)
            folded = lambda rest: copy.deepcopy(before).apply(entry.encode()[:51] + rest)
            # Facts are the switch's own word; header and seal are not.
            facts = 2 + len(entry.facts)
            rest = entry.encode()[51:]
            judge.refuses_every_flip(name, rest[facts:], lambda sealed: folded(rest[:facts] + sealed))
        judge.holds(name, lambda: registry.apply(book[name + ".entry"]))
        if name == "accept":
            asked = border_request(registry)
        if asked:
            try:
                said.append(decide.authorise(registry, asked, entry.recorded_at_us // 1000))
            except decide.Denied as denied:
                said.append(denied.clause)
    judge.refuses("an act at the border twice", lambda: registry.apply(book["admission.entry"]))
    judge.same(said, ["opening", 1, "opening_ended", "withdrawal JO"], "what crosses the border")


def border_request(registry):
    """What the agency abroad may ask under the one agreement, as far as the decision reads it."""
    agreement = next(iter(registry.agreements.values()))
    grant = agreement.content.grants[0]
    request = schemas.envelope.RequestHeader(
        consumer=str(agreement.content.consumer) + "/office", provider=grant.system, service=grant.service,
        operation="lookup", purpose=grant.purposes[0], agreement=agreement.id, fields=["status"])
    request.payload.form = 1
    return request


def check(path):
    """Checks v1.json, and receipts.json and es256.json beside it."""
    path = Path(path)
    book, judge = Book(path), Judge()
    judge.receipts, judge.refused_path = Book(path.with_name("receipts.json")), path.with_name("refused.json")
    signers = seals(book, judge)
    forms(book, judge)
    leaves = log(book, judge, signers)
    receipts(book, judge, leaves)
    es256(Book(path.with_name("es256.json")), judge)
    log_key(Book(path.with_name("log_key.json")), judge)
    encryption_key(Book(path.with_name("encryption_key.json")), judge)
    streams, uploads = (Book(path.with_name(name + ".json")) for name in ("streams", "uploads"))
    chunks.golden(streams, judge, streams["chunk0"] + streams["chunk1"] + streams["chunk2"], "trailer")
    items.golden(Book(path.with_name("batches.json")), judge)
    chunks.golden(uploads, judge, uploads["payload"], "upload_trailer")
    border(Book(path.with_name("border.json")), judge)
    head = head_from_path(leaves[0], 0, 1, ())
    judge.same(head, leaves[0], "a tree of one")
    if judge.held < 700 or judge.refused < 20000:
        raise SystemExit(f"only {judge.held} values held and {judge.refused} changes were refused: vectors are missing")
    print(f"golden vectors: {judge.held} values hold, {judge.refused} changed ones are refused")
