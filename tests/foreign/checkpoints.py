"""Signed checkpoints (C2SP signed-note and tlog-checkpoint), from docs/protocol.md, "Checkpoint"."""

import base64
import binascii
from dataclasses import dataclass

from seals import ED25519_PREFIX, PublicKey
from trees import Refused, sha256

DASH = "\u2014 "


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes


def _base64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("checkpoint form") from error
    if base64.b64encode(data).decode() != text:
        raise Refused("checkpoint form")
    return data


class LogKey:
    """The log's verifier key: name+id+base64(0x01, 32 bytes)."""

    def __init__(self, vkey):
        self.origin, key_id, key = vkey.strip().split("+", 2)
        raw = _base64(key)
        if len(raw) != 33 or raw[0] != 1:
            raise Refused("vkey")
        self.public = PublicKey(ED25519_PREFIX + raw[1:])
        self.id = sha256(self.origin.encode(), b"\n", raw)[:4]
        if self.id.hex() != key_id:
            raise Refused("vkey")

    def open(self, note):
        """Verifies the log's signature, then reads origin, size and root."""
        try:
            note = note.decode()
        except UnicodeDecodeError as error:
            raise Refused("checkpoint form") from error
        text, blank, signatures = note.rpartition("\n\n")
        if not blank or not signatures.endswith("\n"):
            raise Refused("checkpoint form")
        text += "\n"
        signed = False
        for line in signatures[:-1].split("\n"):
            name, space, blob = line.removeprefix(DASH).partition(" ")
            if not line.startswith(DASH) or not space or not name:
                raise Refused("checkpoint form")
            blob = _base64(blob)
            if len(blob) < 5:
                raise Refused("checkpoint form")
            if name == self.origin and blob[:4] == self.id:
                self.public.verify(text.encode(), blob[4:])
                signed = True
        if not signed:
            raise Refused("checkpoint not signed")
        lines = text.split("\n")
        if len(lines) != 4 or lines[0] != self.origin or lines[3]:
            raise Refused("checkpoint form")
        root = _base64(lines[2])
        if not lines[1].isdecimal() or str(int(lines[1])) != lines[1] or len(root) != 32:
            raise Refused("checkpoint form")
        return Checkpoint(self.origin, int(lines[1]), root)
