"""Judges witnesses with aics-tlog, tlog-scales and aics-witness's client, which share no code with us.

check.py SWITCH URL OURS_VKEY THEIRS_VKEY: the published checkpoint of SWITCH carries both cosignatures, our witness at URL
answers the foreign client as C2SP says, and it refuses a second history that is signed with the log's real key.
"""

import base64
import sys
import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path

import aics_tlog as tlog
import aics_witness
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tlog import Checkpoint


def need(holds, what):
    if not holds:
        raise SystemExit(f"refused: {what}")


def status_of(url, body):
    request = urllib.request.Request(f"{url}/add-checkpoint", data=body, method="POST")
    try:
        return urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def text_of(note):
    lines = [
        f"\u2014 {line.name} {base64.b64encode(line.key_id + line.signature).decode()}\n" for line in note.signatures
    ]
    return f"{note.text}\n{''.join(lines)}"


def main(switch, url, ours, theirs):
    log = Path(switch) / "log"
    key = tlog.parse_vkey((log / "log.vkey").read_text().strip())
    keys = [tlog.parse_vkey(vkey) for vkey in (ours, theirs)]
    published = (log / "checkpoint").read_text()
    note = tlog.parse_note(published)
    judged = tlog.verify_checkpoint(note, key, keys, 2, expected_origin=key.name, max_age_seconds=600)
    need(judged.ok, f"the published checkpoint: {judged}")
    head = tlog.parse_checkpoint(note.text)
    vkeys = [Vkey.from_string(vkey) for vkey in ((log / "log.vkey").read_text().strip(), ours, theirs)]
    scaled = Checkpoint.from_text(published)
    valid = {vkey.name for vkey, _ in VkeySet(*vkeys).verify(scaled.signatures, scaled)}
    need(valid == {vkey.name for vkey in vkeys}, f"tlog-scales accepts only {valid}")

    reader = tlog.VerifiedTileReader(tlog.FileSystemTileReader(log), head.size, head.root)
    client = aics_witness.WitnessClient(url, ours)
    line = client.submit(published, lambda old, new: tlog.consistency_proof_from_tiles(reader, old, new), old_size=0)
    again = tlog.parse_note(aics_witness.merge_cosignatures(published, line))
    need(tlog.verify_checkpoint(again, key, [keys[0]], 1).ok, "the cosignature that the client got")
    shown = urllib.request.urlopen(f"{url}/{sha256(key.name.encode()).hexdigest()}/checkpoint", timeout=10).read().decode()
    need(tlog.verify_checkpoint(tlog.parse_note(shown), key, [keys[0]], 1).ok, "the checkpoint that it shows")

    # A second history, signed with the log's real key: as long, longer, and shorter.
    signer = load_pem_private_key((Path(switch) / "keys/log.key").read_bytes(), None)
    for size, wanted in ((head.size, 422), (head.size + 1, 422), (head.size - 1, 400)):
        fork = tlog.sign_checkpoint(tlog.Checkpoint(key.name, size, sha256(b"fork").digest()), signer, key.name)
        proof = "" if size <= head.size else base64.b64encode(sha256(b"proof").digest()).decode() + "\n"
        got = status_of(url, f"old {head.size}\n{proof}\n{text_of(fork)}".encode())
        need(got == wanted, f"a fork of size {size} got {got}, not {wanted}")
        got = status_of(url, f"old 0\n\n{text_of(fork)}".encode())
        need(got == 409, f"a fork of size {size} from nothing got {got}")
    stranger = tlog.sign_checkpoint(tlog.Checkpoint("other.example/log", 1, sha256(b"x").digest()), signer, "other.example/log")
    need(status_of(url, f"old 0\n\n{text_of(stranger)}".encode()) == 404, "an unknown log")
    need(status_of(url, b"old 0\n\nno note") == 400, "no note")
    print(f"python: {head.size} entries cosigned by both; our witness answers as C2SP says and refuses a second history")


main(*sys.argv[1:])
