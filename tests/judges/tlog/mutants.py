"""Makes damaged and dishonest copies of a log directory: mutants.py DIR OUT writes OUT/NAME for each.

Every one of them must be refused. Some are signed with the log's real key (its seed is one byte, 32 times):
what an operator could do who holds it.
"""

import shutil
import sys
from pathlib import Path

import aics_tlog as tlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

source, out = Path(sys.argv[1]), Path(sys.argv[2])
log_key = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
head = tlog.parse_checkpoint(tlog.parse_note((source / "checkpoint").read_text()).text)
reader = tlog.FileSystemTileReader(source)
leaves = [tlog.read_entry(reader, index, head.size) for index in range(head.size)]


def copy(name):
    shutil.copytree(source, out / name, ignore=shutil.ignore_patterns("store", "tail", "lock"))
    return out / name


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def rewrite(name, change):
    """One copy for each file of the present size, with that file changed; None deletes it."""
    for number, file in enumerate(current_files()):
        path = copy(f"{name}-{number}") / file.relative_to(source)
        changed = change(path.read_bytes())
        path.unlink()
        if changed is not None:
            path.write_bytes(changed)


def current_files():
    """Of partial tiles only the widest: older ones are no part of the present size."""
    for file in sorted(path for path in (source / "tile").rglob("*") if path.is_file()):
        partials = file.parent
        widest = max((int(one.name) for one in partials.iterdir()), default=0) if partials.suffix == ".p" else 0
        if partials.suffix != ".p" or int(file.name) == widest:
            yield file


def sign(folder, checkpoint, key=log_key):
    (folder / "checkpoint").write_bytes(tlog.sign_checkpoint(checkpoint, key, head.origin).to_bytes())


def rebuilt(name, changed):
    """A whole log anew from other leaves, under the real key. Only older checkpoints can tell."""
    folder = copy(name)
    shutil.rmtree(folder / "tile")
    tlog.TileWriter(changed).write_to(folder)
    sign(folder, tlog.Checkpoint(head.origin, len(changed), tlog.MerkleTree(changed).root()))


rewrite("flipped", lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])
rewrite("cut", lambda data: data[:-1])
rewrite("missing", lambda data: None)

note = (source / "checkpoint").read_text()
for name, changed in {
    "other-size": note.replace(f"\n{head.size}\n", f"\n{head.size - 1}\n", 1),
    "other-origin": note.replace(head.origin, head.origin + "2"),
    "other-signature": note[:-8] + ("A" if note[-8] != "A" else "B") + note[-7:],
    "no-signature": note.split("\n\n")[0] + "\n\n",
    "cut-checkpoint": note[: len(note) // 2],
}.items():
    (copy(name) / "checkpoint").write_text(changed)
sign(copy("other-key"), head, Ed25519PrivateKey.generate())
sign(copy("wrong-root"), tlog.Checkpoint(head.origin, head.size, bytes(32)))
sign(copy("too-large"), tlog.Checkpoint(head.origin, head.size + 1, head.root))

def judged(name, file, change):
    path = copy(name) / "judged" / file
    path.write_text(change(path.read_text()))


def spoilt_line(text, number):
    """With one bit of that line's base64 changed, not in the last character, where it may say nothing."""
    lines = text.splitlines(keepends=True)
    line = lines[number]
    at = len(line) - 20
    lines[number] = line[:at] + ("A" if line[at] != "A" else "B") + line[at + 1 :]
    return "".join(lines)


proved = f"{head.size}-{head.size // 2}.tlog-proof"
for name, number in {"log-line": -3, "first-witness": -2, "second-witness": -1, "cosigned-root": 2}.items():
    judged(f"spoilt-{name}", f"{head.size}-cosigned.checkpoint", lambda text: spoilt_line(text, number))
judged("no-witness", f"{head.size}-cosigned.checkpoint", lambda text: text.rsplit("\u2014", 1)[0])
judged("proof-other-index", proved, lambda text: text.replace(f"index {head.size // 2}\n", f"index {head.size // 2 - 1}\n"))
judged("proof-short", proved, lambda text: "".join(text.splitlines(keepends=True)[:2] + text.splitlines(keepends=True)[3:]))
judged("proof-spoilt", proved, lambda text: spoilt_line(text, 4))

# An entry and its hash in the lowest tile agree, and only the tile above knows better.
hidden = copy("hidden") / "tile"
entry = flipped(leaves[255], 0)
for file, end in {"entries/000": entry, "0/000": tlog.leaf_hash(entry)}.items():
    sound = (hidden / file).read_bytes()
    (hidden / file).write_bytes(sound[: -len(end)] + end)

middle = len(leaves) // 3
rebuilt("altered", leaves[:middle] + [leaves[middle][:-1] + b"!"] + leaves[middle + 1 :])
rebuilt("dropped", leaves[:middle] + leaves[middle + 1 :])
rebuilt("inserted", leaves[:middle] + [b"inserted"] + leaves[middle:])
rebuilt("swapped", leaves[:middle] + [leaves[middle + 1], leaves[middle]] + leaves[middle + 2 :])
rebuilt("shortened", leaves[:middle])
