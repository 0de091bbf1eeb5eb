"""Judges a log directory with two packages that others wrote: aics-tlog (C2SP tiles, checkpoints) and pymerkle.

check.py DIR: exit 0 if everything in DIR holds, 1 with the reason if not. DIR/judged may hold older checkpoints
(SIZE.checkpoint; SIZE-cosigned.checkpoint with a line of each witness in DIR/witnesses.vkeys) and proofs
(SIZE-INDEX.tlog-proof), which the log must still extend.
"""

import base64
import sys
from pathlib import Path

import aics_tlog as tlog
import pymerkle


def need(holds, what):
    if not holds:
        raise ValueError(what)


def opened(note, key, witnesses=()):
    """A checkpoint that the log's key signed, and each of the witnesses."""
    parsed = tlog.parse_note(note)
    need(tlog.verify_checkpoint(parsed, key, expected_origin=key.name).ok, "checkpoint signature")
    if witnesses:
        judged = tlog.verify_checkpoint(parsed, key, list(witnesses), len(witnesses), expected_origin=key.name)
        need(judged.ok, f"cosignatures: {judged}")
    return tlog.parse_checkpoint(parsed.text)


def proof(text, key, reader, size):
    """A tlog-proof file and the entry that it is about."""
    head, _, note = text.partition("\n\n")
    first, index, *hashes = head.split("\n")
    need(first == "c2sp.org/tlog-proof@v1" and index.startswith("index "), "tlog-proof form")
    index, hashes = int(index.removeprefix("index ")), [base64.b64decode(line, validate=True) for line in hashes]
    checkpoint = opened(note, key)
    leaf = tlog.leaf_hash(tlog.read_entry(reader, index, size))
    need(tlog.verify_inclusion(leaf, index, checkpoint.size, hashes, checkpoint.root), "tlog-proof")
    return checkpoint


def check(folder):
    key = tlog.parse_vkey((folder / "log.vkey").read_text().strip())
    known = folder / "witnesses.vkeys"
    witnesses = [tlog.parse_vkey(line) for line in known.read_text().splitlines()] if known.exists() else []
    head = opened((folder / "checkpoint").read_text(), key)
    files = tlog.FileSystemTileReader(folder)
    report = tlog.audit_tiles(files, head.size, head.root)
    reader = tlog.VerifiedTileReader(files, head.size, head.root)

    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for index in range(head.size):
        tree.append_entry(tlog.read_entry(files, index, head.size))
    need(tree.get_root() == head.root, "pymerkle's root")

    judged = sorted((folder / "judged").glob("*")) if (folder / "judged").is_dir() else []
    for path in judged:
        if path.suffix == ".tlog-proof":
            older = proof(path.read_text(), key, reader, head.size)
        else:
            older = opened(path.read_text(), key, witnesses if path.stem.endswith("-cosigned") else ())
        hashes = tlog.consistency_proof_from_tiles(reader, older.size, head.size)
        need(tlog.verify_consistency(older.size, head.size, older.root, head.root, hashes), f"{path.name}: a fork")
        need(tree.get_root(older.size) == older.root, f"{path.name}: pymerkle's root")
    print(f"python: {head.size} entries, {report.tiles} tiles, {report.bundles} bundles, {len(judged)} older proofs hold")


try:
    check(Path(sys.argv[1]))
except (ValueError, OSError, KeyError, tlog.TileVerificationError, tlog.TileMissingError, tlog.TileUnavailableError) as error:
    raise SystemExit(f"python: refused: {type(error).__name__}: {error}") from None
