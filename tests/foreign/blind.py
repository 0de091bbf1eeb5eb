"""Payloads that only their receiver can read, and questions that wait: docs/protocol.md, "Sealed payloads", "Submissions"."""

import json
import secrets
from pathlib import Path

import grpc

import entries
import rules
import schemas
import sealed
from mohawel_client import refused
from seals import Seal
from streams import CODES
from switch import Home, Switch, in_one_piece, refusal
from trees import sha256

MESSAGES = schemas.exchange


class Blind:
    """A question that only its provider can read, and the key for its answer."""

    def __init__(self, switch, question, payload, **more):
        self.secret, self.payload, service = secrets.token_bytes(32), payload, question[0]
        self.origin = switch.home.log_key.origin.encode()
        provider = service.rpartition("/")[0]
        switch.until(lambda registry: provider in registry.encryption_keys)
        key = switch.registry.encryption_keys[provider]
        commit = lambda salt, payload: in_one_piece(salt, payload, rules.SEALED)
        self.header, salt, _ = switch.request(*question, payload, commit=commit, **more)
        self.seal = switch.seal([self.header])[0]
        clear = salt + sealed.public(self.secret) + payload
        self.salt, self.clear, self.key = salt, clear, key
        self.closed = self.sealed_to(key)

    def sealed_to(self, key, more=b""):
        info, ephemeral = sealed.REQUEST + b"\n" + self.origin, secrets.token_bytes(32)
        return sealed.payload(key, *sealed.seal(key, info, self.header, self.clear + more, ephemeral))

    def kept(self):
        block = self.seal.to_block()
        return {"header": self.header.hex(), "seal": block.hex(), "secret": self.secret.hex()}


def opened_answer(switch, response, header, seal, secret):
    """The verified answer, and what lies under its encryption: an adapter of the provider sealed it to our one key."""
    answer = response.answer
    opened = switch.bound(answer, response.receipt, response.request, (header, seal), CODES)
    rules.need(opened.payload.form == rules.SEALED, f"in the open: status {opened.status} {opened.refusal_code}")
    rules.need(not answer.salt, "a salt in the open")
    wire = schemas.canonical(schemas.envelope.SealedPayload, answer.payload, 1 << 20)
    rules.need(wire.suite == 1 and len(wire.enc) == 32, "suite")
    rules.need(wire.recipient == sha256(sealed.public(secret)), "another key")
    rules.need(len(wire.ciphertext) == opened.payload.length + 48, "length")
    info = sealed.ANSWER + b"\n" + switch.home.log_key.origin.encode()
    open_with = lambda aad, box: sealed.opened(secret, wire.enc, info, aad, box)
    clear = open_with(answer.header, wire.ciphertext)
    rules.open_payload(opened.payload, clear[:32], clear[32:])
    changed = bytes([wire.ciphertext[0] ^ 1]) + wire.ciphertext[1:]
    for aad, box in ((header, wire.ciphertext), (answer.header, changed)):
        try:
            open_with(aad, box)
        except sealed.InvalidTag:
            continue
        raise SystemExit("it opened under another header, or changed")
    return opened, clear[32:]


def ask_sealed(home, service, operation, purpose, fields, payload):
    switch, payload = Switch(Home(home)), payload.encode()
    question = service, operation, purpose, fields.split(",")
    one = Blind(switch, question, payload)
    response = switch.send(one.header, one.seal, b"", one.closed)
    answer, data = opened_answer(switch, response, one.header, one.seal, one.secret)
    print(f"sealed, answered and opened: {data.decode()}")

    # To a key that the provider does not have, and under another header than the one that is sent.
    other = Blind(switch, question, payload)
    closed = other.sealed_to(sealed.public(secrets.token_bytes(32)))
    refused_by_provider(switch, other, closed, "encryption_required")
    other, another = Blind(switch, question, payload), Blind(switch, question, payload)
    refused_by_provider(switch, other, another.closed, "payload_mismatch")

    header, salt, _ = switch.request(*question, payload)
    refused(switch, "encryption_required", "PERMISSION_DENIED", (header, switch.seal([header])[0], salt, payload), True)
    other = Blind(switch, question, payload)
    refused(switch, "malformed", "INVALID_ARGUMENT", (other.header, other.seal, other.salt, other.closed), False)
    refused(switch, "malformed", "INVALID_ARGUMENT", (other.header, other.seal, b"", other.closed + b"\0"), False)
    longer = other.sealed_to(other.key, b"\0")
    refused(switch, "payload_mismatch", "INVALID_ARGUMENT", (other.header, other.seal, b"", longer), False)
    switch.close()


def refused_by_provider(switch, one, closed, code):
    response = switch.send(one.header, one.seal, b"", closed)
    answer = switch.bound(response.answer, response.receipt, response.request, (one.header, one.seal), CODES)
    if (answer.status, answer.refusal_code) != (6, code):
        raise SystemExit(f"{code} expected, got status {answer.status} {answer.refusal_code}")
    print(f"refused by the provider under its seal: {code}")


def submit(home, service, operation, purpose, fields, payload, kept):
    switch, payload = Switch(Home(home)), payload.encode()
    question = service, operation, purpose, fields.split(",")
    one = Blind(switch, question, payload, deadline_ms=3_600_000)
    with open(kept, "x", encoding="ascii") as file:
        json.dump(one.kept(), file)
    left = lambda one: MESSAGES.SubmitRequest(envelope=switch.envelope(one.header, one.seal, b"", one.closed))
    response = switch.exchange.Submit(left(one), timeout=15)
    entry, checkpoint = entries.verify_receipt(response.receipt, one.header, one.seal, switch.home.log_key)
    rules.need(entry.kind == entries.REQUEST, "not a request entry")
    switch.extend(checkpoint)
    exchange_id = rules.open_request(one.header, (rules.SEALED,)).exchange_id
    rules.need(response.submission.exchange_id == exchange_id and response.submission.state in (1, 2), "not waiting")
    print(f"left as entry {response.receipt.index}: it waits for a provider that is not there")
    waiting = switch.exchange.Collect(MESSAGES.CollectRequest(exchange_id=exchange_id), timeout=15)
    rules.need(waiting.WhichOneof("outcome") == "submission", "answered by nobody")

    def must_be(code, what, call):
        try:
            call()
        except grpc.RpcError as error:
            found = refusal(error).reason
            if found == code:
                print(f"refused as it must be: {what}, {code}")
                return
            raise SystemExit(f"{what}: {code} expected, got {found}") from None
        raise SystemExit(f"{what}: it was taken")

    must_be("duplicate", "the same once more", lambda: switch.exchange.Submit(left(one), timeout=15))
    short = Blind(switch, question, payload)
    now = lambda: switch.exchange.Submit(left(short), timeout=15)
    must_be("malformed", "a question that wants its answer now", now)
    waits = Blind(switch, question, payload, deadline_ms=3_600_000)
    call = MESSAGES.CallRequest(envelope=left(waits).envelope)
    must_be("malformed", "a submission brought to Call", lambda: switch.exchange.Call(call, timeout=15))
    unknown = MESSAGES.CollectRequest(exchange_id=rules.open_request(short.header, (rules.SEALED,)).exchange_id)
    must_be("stale", "an answer to what was never left", lambda: switch.exchange.Collect(unknown, timeout=15))
    switch.close()


def collect(home, kept):
    switch, kept = Switch(Home(home)), json.loads(Path(kept).read_text())
    header, secret = bytes.fromhex(kept["header"]), bytes.fromhex(kept["secret"])
    seal = Seal.from_block(bytes.fromhex(kept["seal"]))
    exchange_id = rules.open_request(header, (rules.SEALED,)).exchange_id
    wanted = MESSAGES.CollectRequest(exchange_id=exchange_id, wait_ms=60_000)
    for _ in range(2):  # As often as it asks, until it says that it has it.
        response = switch.exchange.Collect(wanted, timeout=70)
        rules.need(response.WhichOneof("outcome") == "answered", "no answer within a minute")
        _, data = opened_answer(switch, response.answered, header, seal, secret)
    print(f"collected twice, the same and opened: {data.decode()}")
    taken = MESSAGES.CollectRequest(exchange_id=exchange_id, taken=True)
    for _ in range(2):
        state = switch.exchange.Collect(taken, timeout=15).submission.state
        rules.need(state == 4, f"state {state}")
    print("the switch let go of it")
    switch.close()
