"""Requests in chunks, from docs/protocol.md, "A request in chunks": sent as there is credit, proved at each step."""

import queue
import secrets
import time
from pathlib import Path

import grpc

import chunks
import entries
import rules
import schemas
from mohawel_client import refused
from streams import CODES, TRAILER, trailed
from switch import Home, Refusal, Switch, refusal
from trees import sha256

UPLOAD, UPLOAD_TRAILER = "mohawel/upload/v1", "mohawel/upload-trailer/v1"
CHUNK_BYTES = 65536


class Uploading:
    """One request in chunks: what is sent is put into a queue that gRPC takes from."""

    def __init__(self, switch, question, data, chunk_bytes=CHUNK_BYTES):
        self.switch, self.pieces = switch, chunks.cut(data, chunk_bytes)
        plan = chunks.plan(chunk_bytes)
        commit = lambda salt, plan: schemas.envelope.PayloadCommitment(
            form=rules.CHUNKS, content_type="application/octet-stream", length=len(data), hmac=rules.commit(salt, plan)
        )
        self.header, self.salt, _ = switch.request(*question, plan, commit=commit)
        self.seal = switch.seal([self.header], UPLOAD)[0]
        self.out, self.credit = queue.SimpleQueue(), 0
        self.plan, self.messages = plan, None

    def send(self, **part):
        self.out.put(schemas.exchange.UploadRequest(**part))

    def next(self):
        """What comes next; the switch's refusal is raised."""
        try:
            message = next(self.messages)
        except grpc.RpcError as error:
            self.out.put(None)
            raise refusal(error) from None
        which = message.WhichOneof("message")
        if which == "credit":
            self.credit += message.credit
        return which, getattr(message, which)

    def begin(self):
        """Asks, and proves the request's entry; nothing is sent before."""
        self.send(opening=self.switch.envelope(self.header, self.seal, self.salt, self.plan))
        self.messages = self.switch.exchange.Upload(iter(self.out.get, None), timeout=60)
        which, receipt = self.next()
        rules.need(which == "opened", "not opened")
        entry, checkpoint = entries.verify_receipt(receipt, self.header, self.seal, self.switch.home.log_key)
        rules.need(entry.kind == entries.UPLOAD, "not an upload entry")
        self.switch.until(lambda registry: len(registry.leaves) >= entry.registry_size)
        self.switch.registry.holds_at(entry.registry_size, entry.registry_root)
        self.switch.extend(checkpoint)
        self.asked = receipt.index, entry.leaf()

    def chunks(self, pieces):
        """Sends them as there is credit."""
        for piece in pieces:
            while not self.credit:
                which, _ = self.next()
                rules.need(which == "credit", "no credit")
            self.credit -= 1
            self.send(chunk=piece)

    def trailer(self, label=UPLOAD_TRAILER, **changes):
        """Header and seal of the trailer that these chunks have, or of one that lies."""
        said = {
            "version": 1,
            "exchange_id": rules.open_request(self.header, (rules.CHUNKS,)).exchange_id,
            "answer_header_sha256": sha256(self.header),
            "count": len(self.pieces),
            "length": sum(map(len, self.pieces)),
            "root": chunks.root(self.salt, self.pieces),
            "ended_at_ms": int(time.time() * 1000),
        }
        header = schemas.envelope.TrailerHeader(**said | changes).SerializeToString(deterministic=True)
        envelope = self.switch.envelope(header, self.switch.seal([header], label)[0])
        self.send(trailer=envelope)
        self.out.put(None)
        return envelope

    def ended(self, envelope=None):
        """The verified answer; before it the trailer's entry, where a trailer was sent."""
        while True:
            which, part = self.next()
            if which == "trailed":
                rules.need(envelope is not None, "no trailer was sent")
                system = self.switch.home.system
                said = envelope, part
                trailed(self.switch, said, entries.UPLOAD_TRAILER, UPLOAD_TRAILER, system, self.asked, self.header)
                envelope = None
            elif which == "answered":
                answer, data = self.switch.verify(part, self.header, self.seal, CODES)
                rules.need(envelope is None or answer.status != 1, "answered before the trailer")
                return answer, data
            else:
                rules.need(which == "credit", "something else")


def upload(home, service, operation, purpose, fields, file):
    switch, data = Switch(Home(home)), Path(file).read_bytes()
    question = service, operation, purpose, fields.split(",")
    one = Uploading(switch, question, data)
    one.begin()
    one.chunks(one.pieces)
    answer, said = one.ended(one.trailer())
    if answer.status != 1:
        raise SystemExit(f"status {answer.status} {answer.refusal_code}")
    print(f"sent {len(data)} bytes in {len(one.pieces)} chunks, answered: {said.decode()}")

    def must_be(code, what, act):
        other = Uploading(switch, question, secrets.token_bytes(3 * CHUNK_BYTES + 1))
        other.begin()
        try:
            answer = act(other)
        except Refusal as no:
            found = no.reason
        else:
            found = answer.refusal_code if answer.status == 6 else f"status {answer.status}"
        other.out.put(None)
        if found != code:
            raise SystemExit(f"{what}: {code} expected, got {found}")
        print(f"refused as it must be: {what}, {code}")

    def lying(**changes):
        def act(other):
            other.chunks(other.pieces)
            return other.ended(other.trailer(**changes))[0]
        return act

    must_be("payload_mismatch", "a trailer with a chunk too many", lying(count=5))
    must_be("payload_mismatch", "a trailer with another length", lying(length=3 * CHUNK_BYTES + 2))
    must_be("payload_mismatch", "a trailer of another request", lying(answer_header_sha256=sha256(b"another")))
    must_be("bad_seal", "a trailer sealed as that of an answer", lying(label=TRAILER))
    # Only who has the salt can tell this one: the provider's adapter refuses it under its seal.
    must_be("payload_mismatch", "a trailer with another root", lying(root=sha256(b"another")))

    def unbidden(other):
        for _ in range(64):
            other.send(chunk=bytes(CHUNK_BYTES))
        return other.ended()[0]

    must_be("malformed", "chunks without credit", unbidden)
    # As the request of a call, sealed as what it is and as what it is not.
    last = Uploading(switch, question, data)
    refused(switch, "malformed", "INVALID_ARGUMENT", (last.header, last.seal, last.salt, last.plan), False)
    as_a_call = switch.seal([last.header])[0]
    refused(switch, "bad_seal", "UNAUTHENTICATED", (last.header, as_a_call, last.salt, last.plan), False)
    switch.close()
