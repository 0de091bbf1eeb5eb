"""Entries of the log and receipts for them, from docs/protocol.md, "Entries" and "Receipts"."""

from dataclasses import dataclass

from seals import Seal
from trees import Refused, head_from_path, leaf_hash

GENESIS, EPOCH = 1, 2
INVITATION, AGENCY, KEY_BOUND, KEY_ENDED, CERTIFICATE, SERVICE, AGREEMENT_ACT = range(16, 23)
APPLICATION, OPERATOR_ACT, APPROVAL, KEY_SUCCEEDED, AGENCY_ACT, LOG_KEY_SUCCEEDED = range(23, 29)
ENCRYPTION_KEY_BOUND = 29
REQUEST, CLOSING, REFUSAL, LATE, DISPUTE, OPENING, TRAILER, UPLOAD, UPLOAD_TRAILER = range(32, 41)
EVENT, SUBSCRIPTION, EVENT_OUTCOME = range(45, 48)
ACCESS, HOLD, ERASURE, WITNESSES, REVIEW, BORDER_ACT, SUBSCRIPTION_END = range(48, 55)
REGISTRY_KINDS = {GENESIS, *range(INVITATION, ENCRYPTION_KEY_BOUND + 1), BORDER_ACT}
KINDS = REGISTRY_KINDS | {EPOCH, *range(REQUEST, UPLOAD_TRAILER + 1), *range(EVENT, SUBSCRIPTION_END + 1)}


@dataclass(frozen=True)
class Entry:
    kind: int
    stamp: bytes
    facts: bytes
    header: bytes
    seal: Seal | None

    def encode(self):
        block = self.seal.to_block() if self.seal else b""
        out = bytes([self.kind]) + self.stamp
        for part in (self.facts, self.header, block):
            out += len(part).to_bytes(2, "big") + part
        return out

    def leaf(self):
        return leaf_hash(self.encode())

    @property
    def recorded_at_us(self):
        return int.from_bytes(self.stamp[:8], "big")

    @property
    def registry_size(self):
        return int.from_bytes(self.stamp[10:18], "big")

    @property
    def registry_root(self):
        return self.stamp[18:]

    @classmethod
    def decode(cls, data):
        if len(data) < 57 or data[0] not in KINDS:
            raise Refused("entry")
        parts, at = [], 51
        for _ in range(3):
            length = int.from_bytes(data[at : at + 2], "big")
            parts.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        if at != len(data):
            raise Refused("entry")
        facts, header, block = parts
        entry = cls(data[0], data[1:51], facts, header, Seal.from_block(block) if block else None)
        limits = (61440, 57344) if entry.kind in REGISTRY_KINDS else (4096, 3072)
        if len(data) > limits[0] or len(header) > limits[1] or len(facts) > 512 or entry.encode() != data:
            raise Refused("entry")
        return entry


def verify_receipt(receipt, header, seal, log_key):
    """Proves that the log holds this header and seal under this receipt; gives entry and checkpoint."""
    if len(receipt.stamp) != 50 or receipt.kind not in KINDS or len(receipt.facts) > 512 or len(receipt.proof) > 65:
        raise Refused("receipt form")
    checkpoint = log_key.open(receipt.checkpoint)
    entry = Entry(receipt.kind, receipt.stamp, receipt.facts, header, seal)
    if head_from_path(entry.leaf(), receipt.index, checkpoint.size, receipt.proof) != checkpoint.root:
        raise Refused("not included")
    return entry, checkpoint


def recorded(part, header, seal):
    """The entry that an audit.v1.RecordedEntry and the holder's own header and seal make."""
    if len(part.stamp) != 50 or part.kind not in KINDS or len(part.facts) > 512:
        raise Refused("recorded entry form")
    return Entry(part.kind, part.stamp, part.facts, header, seal)
