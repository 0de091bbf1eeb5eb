"""Payloads in chunks, from docs/protocol.md, "Chunks": the plan, a key for each chunk, the tree over their commitments."""

import hmac

import rules
import schemas
from trees import leaf_hash, tree_head

LABEL, CHUNK_BYTES_MAX = b"mohawel/chunk/v1", 262144


def plan(chunk_bytes):
    return schemas.envelope.ChunkPlan(chunk_bytes=chunk_bytes).SerializeToString(deterministic=True)


def open_plan(data):
    chunk_bytes = schemas.canonical(schemas.envelope.ChunkPlan, data, 64).chunk_bytes
    rules.need(1 <= chunk_bytes <= CHUNK_BYTES_MAX)
    return chunk_bytes


def key(salt, place):
    return hmac.digest(salt, LABEL + place.to_bytes(8, "big"), "sha256")


def commitment(salt, place, chunk):
    return hmac.digest(key(salt, place), chunk, "sha256")


def cut(data, chunk_bytes):
    return [data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes)]


def root(salt, chunks):
    """The head over all of them; of none the head of an empty tree."""
    return tree_head([leaf_hash(commitment(salt, place, chunk)) for place, chunk in enumerate(chunks)])


def open_trailer(data):
    header = schemas.header(schemas.envelope.TrailerHeader, data)
    rules.need(rules.is_uuid7(header.exchange_id))
    rules.need(len(header.answer_header_sha256) == 32 and len(header.root) == 32)
    rules.need(header.count <= header.length <= header.count * CHUNK_BYTES_MAX)
    rules.seen(header)
    return header


def joined(salt, chunk_bytes, chunks, announced, trailer):
    """The content, if these are the chunks that the trailer names, in this order and cut as the plan says."""
    rules.need(all(len(chunk) == chunk_bytes for chunk in chunks[:-1]), "payload_mismatch")
    rules.need(all(1 <= len(chunk) <= chunk_bytes for chunk in chunks[-1:]), "payload_mismatch")
    data = b"".join(chunks)
    rules.need((trailer.count, trailer.length) == (len(chunks), len(data)), "payload_mismatch")
    rules.need(announced in (0, len(data)), "payload_mismatch")
    rules.need(hmac.compare_digest(trailer.root, root(salt, chunks)), "payload_mismatch")
    return data


def golden(book, judge, content, trailer):
    """The values of a golden file, made anew; and nothing of its content or trailer can be another."""
    salt, header = book["salt"], open_trailer(book[trailer + ".header"])
    judge.same(plan(4), book["plan"], "plan")
    judge.same(rules.commit(salt, book["plan"]), book["plan.hmac"], "plan.hmac")
    pieces = cut(content, open_plan(book["plan"]))
    judge.same(root(salt, pieces), book["root"], "root")
    for place in range(len(book.names(".key", "chunk"))):
        chunk, name = book[f"chunk{place}"], f"chunk{place}"
        judge.same(pieces[place], chunk, name)
        judge.same(key(salt, place), book[name + ".key"], name + ".key")
        judge.same(commitment(salt, place, chunk), book[name + ".commitment"], name + ".commitment")
    whole = lambda data, header=header: joined(salt, 4, cut(data, 4), 0, header)
    judge.holds("chunks", lambda: whole(content))
    judge.refuses_every_flip("chunks", content, whole)
    judge.refuses("chunks in another order", lambda: joined(salt, 4, [pieces[1], pieces[0], *pieces[2:]], 0, header))
    judge.refuses("chunks cut otherwise", lambda: joined(salt, 5, cut(content, 5), 0, header))
    judge.refuses("another length than announced", lambda: joined(salt, 4, pieces, len(content) + 1, header))
    for field in ("count", "length"):
        other = schemas.envelope.TrailerHeader()
        other.CopyFrom(header)
        setattr(other, field, getattr(header, field) + 1)
        judge.refuses("another " + field, lambda: whole(content, other))
