"""Answers in chunks, from docs/protocol.md, "An answer in chunks": proved from the opening to the trailer."""

import chunks
import entries
import rules
import schemas
from seals import Seal
from switch import Home, Switch
from trees import Refused, sha256

TRAILER = "mohawel/trailer/v1"
# What a provider's adapter may say in these exchanges.
CODES = {"payload_mismatch", "operation_mismatch", "contract_violation", "encryption_required", "not_logged"}


def trailed(switch, part, kind, label, system, asked, opening_header):
    """The trailer of a message with `trailer` (or its header and seal) and `receipt`: its entry names the request."""
    envelope, receipt = part
    seal = Seal(envelope.seal, envelope.leaf_index, envelope.tree_size, tuple(envelope.path))
    entry, checkpoint = entries.verify_receipt(receipt, envelope.header, seal, switch.home.log_key)
    rules.need(entry.kind == kind, "not a trailer's entry")
    facts = schemas.facts(schemas.log.ExchangeFacts, entry.facts)
    index, leaf = asked
    rules.need((facts.request_index, facts.request_leaf) == (index, leaf), "another request entry")
    rules.need(facts.code == ("answered" if kind == entries.TRAILER else ""), "outcome")
    switch.until(lambda registry: len(registry.leaves) >= entry.registry_size)
    switch.registry.holds_at(entry.registry_size, entry.registry_root)
    key = switch.registry.seal_key(seal.kid(), system)
    seal.verify(label, switch.registry.origin, envelope.header, key)
    trailer = chunks.open_trailer(envelope.header)
    rules.need(trailer.answer_header_sha256 == sha256(opening_header), "another opening")
    switch.extend(checkpoint)
    return trailer


def verified_stream(switch, messages, header, seal):
    """An answer in chunks, proved from its opening to its trailer. Gives its header, plan and chunks."""
    opened = next(messages).opened
    answer = switch.bound(opened.answer, opened.receipt, opened.request, (header, seal), CODES, entries.OPENING)
    salt, plan = opened.answer.salt, opened.answer.payload
    rules.need(len(salt) == 32 and rules.commit(salt, plan) == answer.payload.hmac, "payload_mismatch")
    came, closed = [], None
    for message in messages:
        rules.need(closed is None, "something after the end")
        if message.WhichOneof("message") == "chunk":
            came.append(message.chunk)
        else:
            rules.need(message.WhichOneof("message") == "closed", "no chunk")
            closed = message.closed
    rules.need(closed is not None, "no trailer")
    asked = opened.request.index, entries.recorded(opened.request, header, seal).leaf()
    request = rules.open_request(header)
    part = closed.trailer, closed.receipt
    trailer = trailed(switch, part, entries.TRAILER, TRAILER, request.provider, asked, opened.answer.header)
    rules.need(trailer.exchange_id == request.exchange_id, "another exchange")
    return opened.answer, answer, chunks.open_plan(plan), came, trailer


def stream(home, service, operation, purpose, fields, payload, file):
    switch, payload = Switch(Home(home)), payload.encode()
    header, salt, _ = switch.request(service, operation, purpose, fields.split(","), payload)
    seal = switch.seal([header])[0]
    envelope = switch.envelope(header, seal, salt, payload)
    messages = switch.exchange.Stream(schemas.exchange.StreamRequest(envelope=envelope), timeout=60)
    part, answer, chunk_bytes, came, trailer = verified_stream(switch, messages, header, seal)
    whole = lambda pieces: chunks.joined(part.salt, chunk_bytes, pieces, answer.payload.length, trailer)
    data = whole(came)
    print(f"answered in {len(came)} chunks, {len(data)} bytes, all under the trailer's root")
    changed = came[-1][:-1] + bytes([came[-1][-1] ^ 1])
    for what, pieces in {
        "one bit changed": [*came[:-1], changed],
        "one chunk missing": came[:-1],
        "one chunk twice": [*came[:-1], came[-2], came[-1]],
        "two exchanged": [came[1], came[0], *came[2:]],
    }.items():
        try:
            whole(pieces)
        except Refused:
            continue
        raise SystemExit(f"chunks with {what} were taken")
    index = switch.dispute(header, "payload_mismatch", part.header)
    print(f"changed chunks refused; an objection to the answer stands as entry {index}")
    with open(file, "xb") as out:
        out.write(data)
    switch.close()
