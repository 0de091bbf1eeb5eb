"""Many items in one exchange, from docs/protocol.md, "Items": the manifest, a key for each item, the trees over them."""

import hmac
import json
import secrets

import rules
import schemas
from streams import CODES
from switch import Home, Switch
from trees import head_from_path, inclusion_path, leaf_hash, tree_head

LABEL, MANIFEST_PLACE, ITEMS_MAX = b"mohawel/item/v1", 2**64 - 1, 16384
ENVELOPE = schemas.envelope


def key(salt, place):
    return hmac.digest(salt, LABEL + place.to_bytes(8, "big"), "sha256")


def leaf(salt, place, item):
    return leaf_hash(hmac.digest(key(salt, place), item, "sha256"))


def leaves(salt, items):
    return [leaf(salt, place, item) for place, item in enumerate(items)]


def commit(salt, manifest):
    return hmac.digest(key(salt, MANIFEST_PLACE), manifest, "sha256")


def manifest(salt, items, **more):
    said = {"count": len(items), "root": tree_head(leaves(salt, items))} | more
    return ENVELOPE.ItemsManifest(**said).SerializeToString(deterministic=True)


def packed(manifest, items, subjects=()):
    return ENVELOPE.Items(manifest=manifest, items=items, subjects=subjects).SerializeToString(deterministic=True)


def opened(salt, commitment, payload):
    """Manifest and items, each where the commitment says that it is."""
    rules.need(len(salt) == 32 and commitment.length == len(payload), "payload_mismatch")
    wire = schemas.canonical(ENVELOPE.Items, payload, 1 << 20)
    rules.need(hmac.compare_digest(commitment.hmac, commit(salt, wire.manifest)), "payload_mismatch")
    said = schemas.canonical(ENVELOPE.ItemsManifest, wire.manifest, 160)
    rules.need(1 <= said.count <= ITEMS_MAX and len(said.root) == 32 and len(said.subjects) in (0, 32))
    rules.need(len(wire.items) == said.count, "payload_mismatch")
    rules.need(tree_head(leaves(salt, wire.items)) == said.root, "payload_mismatch")
    side = tree_head([leaf_hash(one) for one in wire.subjects]) if wire.subjects else b""
    rules.need(len(wire.subjects) in (0, said.count) and side == said.subjects, "payload_mismatch")
    aligned = 1 << (said.count - 1).bit_length()
    rules.need(said.first % aligned == 0 and len(said.batch) == (32 if said.total else 0))
    rules.need(said.total == 0 and said.first == 0 or said.total >= said.first + said.count)
    rules.need(said.count != said.total or said.batch == said.root)
    return said, list(wire.items)


def golden(book, judge):
    """Golden values made anew, and nothing of the payload can be another."""
    salt, payload, said = bytes([0x69] * 32), book["payload"], book["manifest"]
    items = [book["item0"], book["item1"]]
    for place, item in enumerate(items):
        judge.same(key(salt, place), book[f"item{place}.key"], f"item{place}.key")
        judge.same(leaf(salt, place, item), book[f"item{place}.leaf"], f"item{place}.leaf")
    judge.same(tree_head(leaves(salt, items)), book["root"], "root")
    judge.same(key(salt, MANIFEST_PLACE), book["manifest.key"], "manifest.key")
    judge.same(commit(salt, said), book["manifest.hmac"], "manifest.hmac")
    wire = ENVELOPE.Items.FromString(payload)
    judge.same(packed(said, items, wire.subjects), payload, "payload")
    header = schemas.header(ENVELOPE.RequestHeader, book["request.header"])
    judge.holds("items", lambda: opened(salt, header.payload, payload))
    judge.refuses_every_flip("items", payload, lambda data: opened(salt, header.payload, data))
    judge.refuses_every_flip("items' salt", salt, lambda data: opened(data, header.payload, payload))


class Segment:
    """A part of a batch, not sent yet."""

    def __init__(self, salt, items, first, total, batch):
        self.salt, self.items = salt, items
        self.manifest = manifest(salt, items, first=first, total=total, batch=batch)

    def question(self, switch, question, payload=None):
        """Header, seal and payload; a payload of one's own is committed to as if it were honest."""
        payload = payload or packed(self.manifest, self.items)
        said = ENVELOPE.Items.FromString(payload).manifest
        commitment = lambda _, payload: ENVELOPE.PayloadCommitment(
            form=rules.ITEMS, content_type="application/json", length=len(payload), hmac=commit(self.salt, said)
        )
        header, _, _ = switch.request(*question, payload, commit=commitment)
        return header, switch.seal([header])[0], payload


def ask(home, service, operation, purpose, fields, *parameters):
    """One batch in segments of two; each result where its item stood, each item provable under the batch's root."""
    switch, question = Switch(Home(home)), (service, operation, purpose, fields.split(","))
    asked = [json.dumps({"operation": operation, "parameters": json.loads(one)}).encode() for one in parameters]
    cut = [asked[at : at + 2] for at in range(0, len(asked), 2)]
    salts = [secrets.token_bytes(32) for _ in cut]
    every = [one for salt, items in zip(salts, cut) for one in leaves(salt, items)]
    batch, total = tree_head(every), len(asked)
    segments = [Segment(salt, items, 2 * at, total, batch) for at, (salt, items) in enumerate(zip(salts, cut))]
    statuses = []
    for segment in segments:
        header, seal, payload = segment.question(switch, question)
        response = switch.send(header, seal, segment.salt, payload)
        answer = response.answer
        head = switch.bound(answer, response.receipt, response.request, (header, seal), CODES)
        rules.need(head.status == 1, f"status {head.status} {head.refusal_code}")
        said, results = opened(answer.salt, head.payload, answer.payload)
        rules.need(said.count == len(segment.items) and not said.total, "another number of results")
        results = [schemas.canonical(ENVELOPE.ItemResult, one, 1 << 20) for one in results]
        for one in results:
            rules.need(1 <= one.status <= 5 and (one.status == 1 or not one.payload), "result")
        statuses += [one.status for one in results]
    for place, one in enumerate(every):
        rules.need(head_from_path(one, place, total, inclusion_path(every, place)) == batch, "path")
    print(f"{total} items in {len(segments)} exchanges under one root, ended as {statuses}")
    lies(switch, question, segments[0])
    switch.close()


def lies(switch, question, honest):
    """Manifests that lie under the consumer's own seal: the provider refuses before its backend sees an item."""
    one, other = honest.items
    salt, said = honest.salt, honest.manifest
    for what, payload in {
        "two items exchanged": packed(said, [other, one]),
        "an item left out": packed(said, [one]),
        "an item twice": packed(said, [one, other, other]),
        "an item of another batch": packed(said, [one, one]),
        "another count": packed(manifest(salt, honest.items, count=3), honest.items),
        "another root": packed(manifest(salt, honest.items, root=bytes(32)), honest.items),
    }.items():
        header, seal, payload = honest.question(switch, question, payload)
        response = switch.send(header, seal, salt, payload)
        answer = switch.bound(response.answer, response.receipt, response.request, (header, seal), CODES)
        if (answer.status, answer.refusal_code) != (6, "payload_mismatch"):
            raise SystemExit(f"{what}: payload_mismatch expected, got status {answer.status} {answer.refusal_code}")
        print(f"refused by the provider under its seal: {what}, payload_mismatch")
