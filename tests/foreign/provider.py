"""A provider that shares no code with ours: it opens what our adapter sealed to its system, and answers sealed.

    provider.py HOME ROWS HOW...    answers one request for each HOW from the CSV file ROWS, then leaves

HOW is `honest`; `open`: the answer in the open; `other-key`: sealed to a key that nobody has; `other-header`: sealed under
another header. HOME is that of an adapter, with the system's key in encryption/.
"""

import csv
import json
import queue
import secrets
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

import decide
import entries
import rules
import schemas
import sealed
from seals import Seal
from switch import Home, REQUEST_LABEL, Switch, in_one_piece
from trees import Refused, sha256

ANSWER, WINDOW_MS = "mohawel/answer/v1", 30_000
MESSAGES, ENVELOPE = schemas.exchange, schemas.envelope


class Delivered:
    """A request as docs/protocol.md, section 3, has a provider prove it before its backend sees it."""

    def __init__(self, switch, home, deliver):
        part, log_key = deliver.envelope, switch.home.log_key
        self.header = part.header
        self.seal = Seal(part.seal, part.leaf_index, part.tree_size, tuple(part.path))
        entry, checkpoint = entries.verify_receipt(deliver.receipt, self.header, self.seal, log_key)
        rules.need(entry.kind == entries.REQUEST, "not_logged")
        switch.until(lambda registry: len(registry.leaves) >= entry.registry_size)
        switch.registry.holds_at(entry.registry_size, entry.registry_root)
        switch.extend(checkpoint)
        self.request = request = rules.open_request(self.header, (rules.SEALED,))
        rules.need(request.provider == switch.home.system, "another system's")
        key = switch.registry.seal_key(self.seal.kid(), request.consumer)
        self.seal.verify(REQUEST_LABEL, switch.registry.origin, self.header, key)
        now_ms = int(time.time() * 1000)
        decide.authorise(switch.registry, request, now_ms)
        rules.need(decide.locate(switch.registry, request) is None, "another contract")
        rules.need(abs(now_ms - request.issued_at_ms) <= WINDOW_MS, "stale")
        self.payload, self.answer_key = self._open(home, part, log_key.origin.encode())

    def _open(self, home, part, origin):
        rules.need(not part.salt, "a salt in the open")
        wire = schemas.canonical(ENVELOPE.SealedPayload, part.payload, 1 << 20)
        rules.need(wire.suite == 1 and len(wire.enc) == 32 and len(wire.recipient) == 32)
        file = Path(home) / "encryption" / f"{wire.recipient.hex()}.key"
        rules.need(file.is_file(), "encryption_required")
        secret = load_pem_private_key(file.read_bytes(), None).private_bytes_raw()
        rules.need(sha256(sealed.public(secret)) == wire.recipient, "encryption_required")
        info = sealed.REQUEST + b"\n" + origin
        clear = sealed.opened(secret, wire.enc, info, self.header, wire.ciphertext)
        salt, answer_key, payload = clear[:32], clear[32:64], clear[64:]
        rules.need(len(answer_key) == 32)
        rules.open_payload(self.request.payload, salt, payload)
        return json.loads(payload), answer_key

    def answer(self, switch, rows, how):
        """The sealed envelope of an answer, honest or not."""
        asked, request = self.payload, self.request
        rules.need(asked["operation"] == request.operation, "operation_mismatch")
        found = [row for row in rows if row["plot"] == asked["parameters"]["plot"]]
        given = [{field: row[field] for field in request.fields} for row in found]
        payload = json.dumps({"rows": given, "truncated": False}, ensure_ascii=False).encode()
        salt, form = secrets.token_bytes(32), rules.WHOLE if how == "open" else rules.SEALED
        header = ENVELOPE.AnswerHeader(
            version=1,
            exchange_id=request.exchange_id,
            request_header_sha256=sha256(self.header),
            request_seal_sha256=sha256(self.seal.cose),
            status=1,
            fields=request.fields,
            answered_at_ms=int(time.time() * 1000),
            payload=in_one_piece(salt, payload, form),
        ).SerializeToString(deterministic=True)
        seal = switch.seal([header], ANSWER)[0]
        if how == "open":
            return switch.envelope(header, seal, salt, payload), header, seal
        key = sealed.public(secrets.token_bytes(32)) if how == "other-key" else self.answer_key
        info = sealed.ANSWER + b"\n" + switch.home.log_key.origin.encode()
        under = header + b"\0" if how == "other-header" else header
        closed = sealed.payload(key, *sealed.seal(key, info, under, salt + payload, secrets.token_bytes(32)))
        return switch.envelope(header, seal, b"", closed), header, seal


def serve(home, file, *hows):
    switch, out, recorded = Switch(Home(home)), queue.SimpleQueue(), {}
    with open(file, encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    send = lambda **part: out.put(MESSAGES.AttachRequest(**part))
    send(attach=MESSAGES.Attach(max_in_flight=1))
    link = schemas.exchange_grpc.LinkStub(switch.channel).Attach(iter(out.get, None))
    left = list(hows)
    for message in link:
        which = message.WhichOneof("message")
        if which == "attached":
            print("attached", flush=True)
        elif which == "deliver":
            how, delivered = left.pop(0), Delivered(switch, home, message.deliver)
            envelope, header, seal = delivered.answer(switch, rows, how)
            exchange_id = delivered.request.exchange_id
            recorded[exchange_id] = header, seal
            print(f"opened what was sealed here: {json.dumps(delivered.payload)}; answered {how}", flush=True)
            send(answer=MESSAGES.Answer(exchange_id=exchange_id, envelope=envelope))
            if not left:
                send(drain=MESSAGES.Drain())
        elif which == "answer_recorded":
            part = message.answer_recorded
            header, seal = recorded.pop(part.exchange_id)
            entry, checkpoint = entries.verify_receipt(part.receipt, header, seal, switch.home.log_key)
            rules.need(entry.kind == entries.CLOSING, "not a closing entry")
            switch.extend(checkpoint)
            print(f"its answer stands as entry {part.receipt.index}", flush=True)
    out.put(None)
    rules.need(len(recorded) == hows.count("open"), "an answer that holds was not recorded")
    switch.close()


if __name__ == "__main__":
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    try:
        serve(*sys.argv[1:])
    except Refused as error:
        raise SystemExit(f"does not hold: {error}") from None
