"""A foreign client of the switch: written from docs/protocol.md and the .proto files, with none of our code.

    mohawel_client.py vectors tests/golden/v1.json
    mohawel_client.py call HOME SERVICE OPERATION PURPOSE FIELDS PAYLOAD

`call` asks once and prints the verified answer; then it sends what must be refused, and verifies each refusal.
HOME holds tls.key, tls.pem, root.pem, seal.key, log.vkey and adapter.toml (addresses and names).
"""

import json
import sys

import vectors
from trees import Refused, sha256

UNGRANTED = "field_nobody_grants"


def refused(switch, code, status, message, verified):
    """Sends what must be refused with this code, and verifies the refusal's receipt."""
    from switch import Refusal

    header, seal, salt, payload = message
    try:
        switch.send(header, seal, salt, payload)
    except Refusal as refusal:
        if (refusal.reason, refusal.status.name) != (code, status):
            raise SystemExit(f"{code} expected, got {refusal}") from None
        if code != "duplicate":
            found, facts = switch.verify_refusal(refusal, header, seal)
            if found != verified:
                raise SystemExit(f"{code}: recorded {'with' if found else 'without'} the header") from None
            where = f"recorded as entry {refusal.receipt.index}, clause '{facts.clause}'"
        else:
            where = f"the first one ended as {refusal.metadata['outcome']}"
        print(f"refused as it must be: {code} ({status}), {where}")
        return
    raise SystemExit(f"{code} expected, but it was answered")


def call(home, service, operation, purpose, fields, payload):
    import switch as member

    codes = {"malformed", "not_logged", "operation_mismatch", "contract_violation", "payload_mismatch", "stale"}
    fields, payload = fields.split(","), payload.encode()
    switch = member.Switch(member.Home(home))
    ask = lambda fields=fields, **more: switch.request(service, operation, purpose, fields, payload, **more)

    header, salt, _ = ask()
    seal = switch.seal([header])[0]
    response = switch.send(header, seal, salt, payload)
    answer, data = switch.verify(response, header, seal, codes)
    if answer.status != 1:
        raise SystemExit(f"status {answer.status} {answer.refusal_code}")
    print(f"answered and verified: fields {', '.join(answer.fields)}, {len(data)} bytes")
    first = json.loads(data)
    index = switch.dispute(header, "payload_mismatch", response.answer.header)
    print(f"an objection to it stands as entry {index}")

    # Three sealed together; each is verified alone.
    batch = [ask() for _ in range(3)]
    seals = switch.seal([one[0] for one in batch])
    for (one, one_salt, _), one_seal in zip(batch, seals):
        answer, data = switch.verify(switch.send(one, one_seal, one_salt, payload), one, one_seal, codes)
        if answer.status != 1 or json.loads(data) != first:
            raise SystemExit("the same question was answered otherwise")
    print("three requests under one seal answered and verified")

    # The payload asks for another operation than the header: the provider's adapter refuses under its seal.
    lie = json.dumps(json.loads(payload) | {"operation": "another"}).encode()
    other, other_salt, _ = switch.request(service, operation, purpose, fields, lie)
    sealed = switch.seal([other])[0]
    answer, _ = switch.verify(switch.send(other, sealed, other_salt, lie), other, sealed, codes)
    if (answer.status, answer.refusal_code) != (6, "operation_mismatch"):
        raise SystemExit(f"operation_mismatch expected, got status {answer.status} {answer.refusal_code}")
    print("refused by the provider under its seal: operation_mismatch")

    refused(switch, "duplicate", "ALREADY_EXISTS", (header, seal, salt, payload), None)

    other, other_salt, _ = ask(fields=[*fields, UNGRANTED])
    message = (other, switch.seal([other])[0], other_salt, payload)
    refused(switch, "field_not_granted", "PERMISSION_DENIED", message, True)

    other, other_salt, _ = ask(agreement=sha256(b"no such agreement"))
    refused(switch, "no_agreement", "PERMISSION_DENIED", (other, switch.seal([other])[0], other_salt, payload), True)

    other, other_salt, _ = ask()
    sealed = switch.seal([other])[0]
    changed = other[:-1] + bytes([other[-1] ^ 1])
    refused(switch, "bad_seal", "UNAUTHENTICATED", (changed, sealed, other_salt, payload), False)
    other_use = switch.seal([other], "mohawel/answer/v1")[0]
    refused(switch, "bad_seal", "UNAUTHENTICATED", (other, other_use, other_salt, payload), False)
    moved = sealed.replace(leaf_index=1, tree_size=2)
    refused(switch, "bad_seal", "UNAUTHENTICATED", (other, moved, other_salt, payload), False)

    unknown = other + b"\xf8\x7f\x01"
    refused(switch, "malformed", "INVALID_ARGUMENT", (unknown, switch.seal([unknown])[0], other_salt, payload), False)
    later = b"\x08\x02" + other[2:]
    refused(switch, "unknown_version", "INVALID_ARGUMENT", (later, switch.seal([later])[0], other_salt, payload), False)
    refused(switch, "payload_mismatch", "INVALID_ARGUMENT", (other, sealed, other_salt, payload + b" "), False)

    # The untouched one was never recorded, so its id is still free.
    answer, data = switch.verify(switch.send(other, sealed, other_salt, payload), other, sealed, codes)
    print(f"the untouched request answered and verified; the log has {switch.seen.size} entries")
    switch.close()


def main(arguments):
    match arguments:
        case ["vectors", path]:
            vectors.check(path)
        case ["call", home, service, operation, purpose, fields, payload]:
            call(home, service, operation, purpose, fields, payload)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as error:
        raise SystemExit(f"does not hold: {error}") from None
