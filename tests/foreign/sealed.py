"""Sealed payloads, from docs/protocol.md §2 and RFC 9180 alone: base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM.

    sealed.py tests/golden/sealed.json          checks the file: every value is made anew, and opens
    sealed.py --write tests/golden/sealed.json  makes it, from fixed keys
"""

import hashlib
import hmac
import json
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEM, SUITE = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x01"
REQUEST, ANSWER = b"mohawel/sealed-request/v1", b"mohawel/sealed-answer/v1"


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def shared(secret, key):
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(key))


def extract(suite, salt, label, ikm):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite, prk, label, info, length):
    info = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, info + b"\x01", "sha256")[:length]


def schedule(dh, enc, key, info):
    """Key and nonce of the first message."""
    secret = expand(KEM, extract(KEM, b"", b"eae_prk", dh), b"shared_secret", enc + key, 32)
    context = b"\x00" + extract(SUITE, b"", b"psk_id_hash", b"") + extract(SUITE, b"", b"info_hash", info)
    secret = extract(SUITE, secret, b"secret", b"")
    return expand(SUITE, secret, b"key", context, 16), expand(SUITE, secret, b"base_nonce", context, 12)


def seal(key, info, aad, clear, ephemeral):
    enc = public(ephemeral)
    aead, nonce = schedule(shared(ephemeral, key), enc, key, info)
    return enc, AESGCM(aead).encrypt(nonce, clear, aad)


def opened(secret, enc, info, aad, ciphertext):
    aead, nonce = schedule(shared(secret, enc), enc, public(secret), info)
    return AESGCM(aead).decrypt(nonce, ciphertext, aad)


def field(number, data):
    length, varint = len(data), b""
    while length > 127:
        varint, length = varint + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + varint + bytes([length]) + data


def payload(key, enc, ciphertext):
    return b"\x08\x01" + field(2, hashlib.sha256(key).digest()) + field(3, enc) + field(4, ciphertext)


def story():
    """Whatever is fixed, and what comes of it."""
    origin, header, answer_header = b"mohawel.example/golden", b"a request header", b"an answer header"
    provider, answer = bytes([0x41] * 32), bytes([0x42] * 32)
    salt, question, reply = bytes([0x43] * 32), b'{"asset":"NC-17-0042"}', b'{"reserve_price_egp":"4117305291"}'
    info = [label + b"\n" + origin for label in (REQUEST, ANSWER)]
    asked = seal(public(provider), info[0], header, salt + public(answer) + question, bytes([0x44] * 32))
    said = seal(public(answer), info[1], answer_header, salt + reply, bytes([0x45] * 32))
    assert opened(provider, asked[0], info[0], header, asked[1]) == salt + public(answer) + question
    assert opened(answer, said[0], info[1], answer_header, said[1]) == salt + reply
    for secret, one, aad in ((answer, asked, header), (provider, asked, answer_header)):
        try:
            opened(secret, one[0], info[0], aad, one[1])
        except InvalidTag:
            continue
        raise SystemExit("it opened for another key, or under another header")
    values = {
        "origin": origin, "salt": salt,
        "provider.secret": provider, "provider.key": public(provider),
        "answer.secret": answer, "answer.key": public(answer),
        "request.header": header, "request.clear": question, "request.payload": payload(public(provider), *asked),
        "answer.header": answer_header, "answer.clear": reply, "answer.payload": payload(public(answer), *said),
    }
    return {name: value.hex() for name, value in values.items()}


def rfc():
    """RFC 9180, appendix A.1.1."""
    secret = bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
    enc = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
    ciphertext = "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"
    clear = opened(secret, enc, b"Ode on a Grecian Urn", b"Count-0", bytes.fromhex(ciphertext))
    assert clear == b"Beauty is truth, truth beauty", clear


if __name__ == "__main__":
    rfc()
    if sys.argv[1] == "--write":
        with open(sys.argv[2], "w", encoding="ascii") as file:
            file.write(json.dumps(story(), indent=2) + "\n")
    else:
        with open(sys.argv[1], encoding="ascii") as file:
            assert json.load(file) == story(), "the golden values are others"
        print("sealed payloads: every golden value made anew and opened")
