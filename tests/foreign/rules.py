"""What each field of an exchange header must be, from docs/protocol.md, "Headers"."""

import hashlib
import hmac
import re

import schemas
from trees import Refused, sha256

PART = re.compile(r"[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9._-]{0,63}", re.ASCII)


def need(holds, word="malformed"):
    if not holds:
        raise Refused(word)


HIDDEN = {*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF}


def is_shown(text):
    """A text for people: not blank, bounded, without control or direction characters."""
    controls = any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or ord(c) in HIDDEN for c in text)
    return bool(text.strip()) and len(text.encode()) <= 256 and not controls


def is_text(text):
    """A text for people, or none."""
    return not text or is_shown(text)


def is_code(text):
    """A name part, or none."""
    return not text or is_part(text)


def is_part(text):
    return PART.fullmatch(text) is not None


def is_name(text, parts):
    split = text.split("/")
    return len(split) == parts and all(map(is_part, split))


def is_list(texts, limit):
    """Name parts, ascending by bytes, each once."""
    texts = list(texts)
    return len(texts) <= limit and texts == sorted(set(texts)) and all(map(is_part, texts))


def is_uuid7(data):
    return len(data) == 16 and data[6] >> 4 == 7 and data[8] >> 6 == 2


WHOLE, CHUNKS, ITEMS, SEALED = 1, 2, 3, 4


def _payload(header, forms):
    need(header.HasField("payload"))
    payload = header.payload
    need(payload.form in forms and len(payload.hmac) == 32)
    need(re.fullmatch(r"[\x20-\x7e]{1,127}", payload.content_type))


def seen(header):
    if header.HasField("seen"):
        need(header.seen.size > 0 and len(header.seen.root) == 32)


def open_request(data, forms=(WHOLE,)):
    """Of these forms, which the caller can handle."""
    header = schemas.header(schemas.envelope.RequestHeader, data)
    need(is_uuid7(header.exchange_id))
    need(not header.attempt_of or is_uuid7(header.attempt_of))
    need(len(header.run_id) == 16 and header.sequence > 0)
    need(is_name(header.consumer, 4) and is_name(header.provider, 4))
    need(all(map(is_part, (header.service, header.operation, header.purpose))))
    need(len(header.contract) == 32)
    for optional in (header.agreement, header.external_id_hash, header.case_reference, header.actor):
        need(len(optional) in (0, 32))
    need(len(header.delegation) <= 4 and all(len(act) == 32 for act in header.delegation))
    need(len(header.subjects) <= (0 if header.payload.form == ITEMS else 8))
    need(all(is_part(subject.scheme) and len(subject.pseudonym) == 32 for subject in header.subjects))
    need(is_list(header.fields, 64))
    _payload(header, forms)
    need(1 <= header.deadline_ms <= (2_592_000_000 if header.payload.form == SEALED else 120_000))
    seen(header)
    return header


def open_answer(data, codes, forms=(WHOLE,)):
    header = schemas.header(schemas.envelope.AnswerHeader, data)
    need(is_uuid7(header.exchange_id))
    need(len(header.request_header_sha256) == 32 and len(header.request_seal_sha256) == 32)
    need(1 <= header.status <= 6)
    need(header.refusal_code in codes if header.status == 6 else not header.refusal_code)
    need(is_list(header.fields, 64))
    _payload(header, forms)
    need(header.payload.form != CHUNKS or header.status == 1)
    seen(header)
    return header


def answer_forms(request):
    """What an answer to this request may be."""
    forms = {WHOLE: (WHOLE, CHUNKS), CHUNKS: (WHOLE,), ITEMS: (ITEMS, WHOLE), SEALED: (SEALED, WHOLE)}
    return forms[request.payload.form]


def verify_answer(data, seal, request, request_data, request_seal, registry, codes):
    """An answer by a key of the provider to exactly this request, with no field that was not asked for."""
    answer = open_answer(data, codes, answer_forms(request))
    form = answer.payload.form
    open_words = request.payload.form == SEALED and form == WHOLE
    need(not open_words or answer.status != 1 and not answer.payload.length, "answer_invalid")
    if request.payload.form == ITEMS:
        need((form == ITEMS) == (answer.status == 1), "answer_invalid")
    key = registry.seal_key(seal.kid(), request.provider)
    seal.verify("mohawel/answer/v1", registry.origin, data, key)
    need(answer.exchange_id == request.exchange_id, "answer_invalid")
    need(answer.request_header_sha256 == sha256(request_data), "answer_invalid")
    need(answer.request_seal_sha256 == sha256(request_seal.cose), "answer_invalid")
    need(set(answer.fields) <= set(request.fields), "answer_invalid")
    need(answer.status == 1 or not answer.fields, "answer_invalid")
    return answer


def commit(salt, payload):
    return hmac.new(salt, payload, hashlib.sha256).digest()


def open_payload(commitment, salt, payload):
    need(len(salt) == 32, "payload_mismatch")
    need(commitment.length == len(payload), "payload_mismatch")
    need(hmac.compare_digest(commitment.hmac, commit(salt, payload)), "payload_mismatch")
