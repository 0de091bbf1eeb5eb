"""Keys and seals, from docs/protocol.md, "Keys" and "Seal"."""

from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from trees import Refused, head_from_path, inclusion_path, leaf_hash, sha256, tree_head

CONTENT_TYPE = b"application/vnd.mohawel.seal"
ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")
P256_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
FIELD_PRIME = 2**255 - 19
SMALL_ORDER_Y = {
    0,
    1,
    FIELD_PRIME - 1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
}
SIZE_MAX, PATH_MAX = 64, 6


def cbor_head(major, value):
    """The shortest head of a CBOR item (RFC 8949, 4.2.1); no seal needs more than two bytes of length."""
    if value < 24:
        return bytes([major << 5 | value])
    if value < 0x100:
        return bytes([major << 5 | 24, value])
    return bytes([major << 5 | 25]) + value.to_bytes(2, "big")


def cbor_bytes(data):
    return cbor_head(2, len(data)) + data


def cbor_text(data):
    return cbor_head(3, len(data)) + data


class PublicKey:
    """A key read strictly from its SubjectPublicKeyInfo."""

    def __init__(self, spki):
        self.spki = bytes(spki)
        self.kid = sha256(self.spki)
        if self.spki.startswith(ED25519_PREFIX) and len(self.spki) == 44:
            self.alg = -8
            raw = self.spki[12:]
            y = int.from_bytes(raw, "little") & (2**255 - 1)
            if y >= FIELD_PRIME or y in SMALL_ORDER_Y:
                raise Refused("key")
            self._key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
        elif self.spki.startswith(P256_PREFIX) and len(self.spki) == 91 and self.spki[26] == 4:
            self.alg = -7
            try:
                self._key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.spki[26:])
            except ValueError as error:
                raise Refused("key") from error
        else:
            raise Refused("key")

    def verify(self, message, signature):
        if len(signature) != 64:
            raise Refused("signature")
        try:
            if self.alg == -8:
                self._key.verify(signature, message)
                return
            r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
            if s > P256_ORDER // 2:
                raise Refused("signature")
            self._key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise Refused("signature") from error


class PrivateKey:
    """A seal key: PKCS#8 in PEM or DER, or the 32 raw bytes of an Ed25519 seed."""

    def __init__(self, data):
        if len(data) == 32:
            self._key = ed25519.Ed25519PrivateKey.from_private_bytes(data)
        elif b"-----BEGIN" in data:
            self._key = serialization.load_pem_private_key(data, None)
        else:
            self._key = serialization.load_der_private_key(data, None)
        spki = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public = PublicKey(spki)

    def sign(self, message):
        if self.public.alg == -8:
            return self._key.sign(message)
        r, s = utils.decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


def protected_header(alg, kid):
    """{1: alg, 3: content type, 4: kid}; -8 is 0x27 and -7 is 0x26."""
    return b"\xa3\x01" + cbor_head(1, -1 - alg) + b"\x03" + cbor_text(CONTENT_TYPE) + b"\x04" + cbor_bytes(kid)


def sig_structure(label, origin, alg, kid, head, size):
    """What is signed."""
    aad = label.encode() + b"\n" + origin.encode()
    payload = head + size.to_bytes(4, "big")
    parts = (protected_header(alg, kid), aad, payload)
    return b"\x84" + cbor_text(b"Signature1") + b"".join(map(cbor_bytes, parts))


def cose_sign1(alg, kid, signature):
    return b"\x84" + cbor_bytes(protected_header(alg, kid)) + b"\xa0\xf6" + cbor_bytes(signature)


def open_cose(cose):
    """alg, kid and signature of a seal in its one encoding: 140 bytes, all but three values fixed."""
    if len(cose) != 140:
        raise Refused("seal form")
    alg, kid, signature = {0x27: -8, 0x26: -7}.get(cose[5]), cose[40:72], cose[76:]
    if alg is None or cose_sign1(alg, kid, signature) != cose:
        raise Refused("seal form")
    return alg, kid, signature


@dataclass(frozen=True)
class Seal:
    """A seal as carried: the COSE_Sign1 and this header's place under it."""

    cose: bytes
    leaf_index: int = 0
    tree_size: int = 1
    path: tuple = ()

    def kid(self):
        return open_cose(self.cose)[1]

    def verify(self, label, origin, header, key):
        alg, kid, signature = open_cose(self.cose)
        if not 1 <= self.tree_size <= SIZE_MAX or len(self.path) > PATH_MAX:
            raise Refused("seal size")
        if kid != key.kid or alg != key.alg:
            raise Refused("other key")
        head = head_from_path(leaf_hash(header), self.leaf_index, self.tree_size, self.path)
        key.verify(sig_structure(label, origin, alg, kid, head, self.tree_size), signature)

    def to_block(self):
        numbers = self.leaf_index.to_bytes(4, "big") + self.tree_size.to_bytes(4, "big")
        return len(self.cose).to_bytes(2, "big") + self.cose + numbers + b"".join(self.path)

    @classmethod
    def from_block(cls, block):
        length = int.from_bytes(block[:2], "big")
        cose, numbers, path = block[2 : 2 + length], block[2 + length : 10 + length], block[10 + length :]
        if len(numbers) != 8 or len(path) % 32 or len(path) > 32 * PATH_MAX:
            raise Refused("seal block")
        hashes_ = tuple(path[at : at + 32] for at in range(0, len(path), 32))
        return cls(cose, int.from_bytes(numbers[:4], "big"), int.from_bytes(numbers[4:], "big"), hashes_)

    def replace(self, **changes):
        return replace(self, **changes)


def seal_together(label, origin, headers, key):
    """One signature over 1 to 64 headers; one seal for each, in order."""
    leaves = [leaf_hash(header) for header in headers]
    public, head = key.public, tree_head(leaves)
    signature = key.sign(sig_structure(label, origin, public.alg, public.kid, head, len(headers)))
    cose = cose_sign1(public.alg, public.kid, signature)
    places = range(len(headers))
    return [Seal(cose, place, len(headers), tuple(inclusion_path(leaves, place))) for place in places]
