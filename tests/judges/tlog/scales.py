"""Judges a log directory with tlog-scales, which others wrote: tiles, bundles, checkpoints, cosignatures, proofs.

scales.py DIR: exit 0 if everything in DIR holds, 1 with the reason if not. DIR/judged may hold older checkpoints
(SIZE.checkpoint; SIZE-cosigned.checkpoint with a line of each witness in DIR/witnesses.vkeys) and proofs
(SIZE-INDEX.tlog-proof), which the log must still extend.

What tlog-scales 0.0.3 cannot do is done here: it has no reader of tlog-proof files (their lines are read here, the proof and
the checkpoint are its business), it does not compare the tile levels with each other (its root comes from the highest one;
here each level must make the one above), it does not compare a checkpoint's origin with the key's name, and it ignores what
follows the last entry of a bundle (the other judges do not).
"""

import base64
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint, ConsistencyProofInvalid, InclusionProof, InclusionProofInvalid
from tlog_scales.utils import sha256

TILE = 256


def need(holds, what):
    if not holds:
        raise ValueError(what)


def opened(note, key, witnesses=()):
    """A checkpoint that the log's key signed, and each of the witnesses."""
    checkpoint = Checkpoint.from_text(note)
    need(checkpoint.origin == key.name, "another log's checkpoint")
    checkpoint.verify(key)
    valid = VkeySet(key, *witnesses).verify(checkpoint.signatures, checkpoint)
    names = {vkey.name for vkey, _ in valid}
    need(names == {key.name, *(witness.name for witness in witnesses)}, f"only {names} signed")
    return checkpoint


def proof(text, key, reader):
    """A tlog-proof file and the entry that it is about."""
    head, _, note = text.partition("\n\n")
    first, index, *hashes = head.split("\n")
    need(first == "c2sp.org/tlog-proof@v1" and index.startswith("index "), "tlog-proof form")
    index, hashes = int(index.removeprefix("index ")), [base64.b64decode(line, validate=True) for line in hashes]
    checkpoint = opened(note, key)
    leaf = leaf_hash(reader.get_entry(index))
    InclusionProof(index, checkpoint.size, hashes).check(leaf, checkpoint.root_hash)
    need(not hashes or spoilt_refused(index, checkpoint, hashes, leaf), "a spoilt tlog-proof holds")
    return checkpoint


def spoilt_refused(index, checkpoint, hashes, leaf):
    """Whether tlog-scales refuses the proof without its last hash, and with one bit of it changed."""
    last = hashes[-1][:-1] + bytes([hashes[-1][-1] ^ 1])
    for spoilt in (hashes[:-1], [*hashes[:-1], last], [*hashes, last]):
        try:
            InclusionProof(index, checkpoint.size, spoilt).check(leaf, checkpoint.root_hash)
        except InclusionProofInvalid:
            continue
        return False
    return True


def check(folder):
    key = Vkey.from_string((folder / "log.vkey").read_text().strip())
    known = folder / "witnesses.vkeys"
    witnesses = [Vkey.from_string(line) for line in known.read_text().splitlines()] if known.exists() else []
    head = opened((folder / "checkpoint").read_text(), key)
    reader = TilesReader(LocalBackend(folder))
    reader.set_size(head.size)
    need(reader.calculate_root_hash() == head.root_hash, "the tiles make another root")

    for index in range(head.size):
        need(leaf_hash(reader.get_entry(index)) == reader.mth(index, index + 1), f"entry {index} is not the one in the tree")
    width = TILE
    while width <= head.size:
        for first in range(0, head.size - width + 1, width):
            halves = reader.mth(first, first + width // 2) + reader.mth(first + width // 2, first + width)
            need(sha256(b"\x01" + halves) == reader.mth(first, first + width), f"the tile over {first} makes another hash")
        width *= TILE
    for index in {0, head.size // 3, head.size - 1}:
        reader.get_inclusion_proof(index, head.size).check(leaf_hash(reader.get_entry(index)), head.root_hash)

    judged = sorted((folder / "judged").glob("*")) if (folder / "judged").is_dir() else []
    for path in judged:
        if path.suffix == ".tlog-proof":
            older = proof(path.read_text(), key, reader)
        else:
            older = opened(path.read_text(), key, witnesses if path.stem.endswith("-cosigned") else ())
        need(older.size <= head.size, f"{path.name}: the log is shorter")
        reader.get_consistency_proof(older.size, head.size).check(older.root_hash, head.root_hash)
    print(f"tlog-scales: {head.size} entries and {len(judged)} older checkpoints and proofs hold, {len(witnesses)} witnesses")


try:
    check(Path(sys.argv[1]))
except (ValueError, OSError, LookupError, RuntimeError, InvalidSignature, InclusionProofInvalid, ConsistencyProofInvalid) as error:
    raise SystemExit(f"tlog-scales: refused: {type(error).__name__}: {error}") from None
