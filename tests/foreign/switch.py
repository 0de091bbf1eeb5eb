"""A member's side of a running switch: mutual TLS, the registry stream, calls and refusals."""

import secrets
import socket
import ssl
import threading
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import grpc

import entries
import rules
import schemas
from checkpoints import LogKey
from registry import Registry
from seals import PrivateKey, Seal, seal_together
from trees import Refused, sha256, verify_consistency

REQUEST_LABEL = "mohawel/request/v1"
MESSAGE_BYTES_MAX = 1114112


class Home:
    """A member's files: who it is, whom it believes."""

    def __init__(self, folder):
        folder = Path(folder)
        with (folder / "adapter.toml").open("rb") as file:
            self.config = tomllib.load(file)
        self.system, self.address = self.config["system"], self.config["exchange"]
        self.seal_key = PrivateKey((folder / "seal.key").read_bytes())
        self.log_key = LogKey((folder / "log.vkey").read_text())
        self.root, self.chain, self.key = folder / "root.pem", folder / "tls.pem", folder / "tls.key"


def check_broker(home):
    """That the server is the broker of the name we were given: gRPC's library checks chain and host, not the URI."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(home.root)
    context.load_cert_chain(home.chain, home.key)
    context.set_alpn_protocols(["h2"])
    host, _, port = home.address.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as tcp:
        with context.wrap_socket(tcp, server_hostname=host) as tls:
            names = tls.getpeercert()["subjectAltName"]
            if ("URI", home.config["broker_uri"]) not in names or tls.selected_alpn_protocol() != "h2":
                raise Refused("the server is another than the broker")


def in_one_piece(salt, payload, form=rules.WHOLE):
    hmac = rules.commit(salt, payload)
    kind = schemas.envelope.PayloadCommitment
    return kind(form=form, content_type="application/json", length=len(payload), hmac=hmac)


@dataclass
class Refusal(Exception):
    """The switch said no: google.rpc.ErrorInfo, and the receipt if there is one."""

    status: grpc.StatusCode
    reason: str
    domain: str
    metadata: dict
    receipt: object


def _fields(data):
    """Protobuf without a schema: number → values. Enough for google.rpc.Status."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            value = varint()
        elif kind == 2:
            length = varint()
            value = data[at : at + length]
            at += length
        else:
            raise Refused("google.rpc.Status")
        found.setdefault(number, []).append(value)
    return found


def refusal(error):
    trailers = dict(error.trailing_metadata())
    reason = domain = ""
    metadata = {}
    for detail in _fields(trailers.get("grpc-status-details-bin", b"")).get(3, []):
        detail = _fields(detail)
        if detail[1] == [b"type.googleapis.com/google.rpc.ErrorInfo"]:
            info = _fields(detail[2][0])
            reason, domain = info[1][0].decode(), info[2][0].decode()
            for pair in map(_fields, info.get(3, [])):
                metadata[pair[1][0].decode()] = pair[2][0].decode()
    receipt = trailers.get("mohawel-receipt-bin")
    if receipt is not None:
        receipt = schemas.log.Receipt.FromString(receipt)
    return Refusal(error.code(), reason, domain, metadata, receipt)


class Switch:
    """A connection, and our own copy of the registry, which grows as entries come."""

    def __init__(self, home):
        check_broker(home)
        self.home = home
        credentials = grpc.ssl_channel_credentials(
            home.root.read_bytes(), home.key.read_bytes(), home.chain.read_bytes()
        )
        sizes = [(f"grpc.max_{way}_message_length", MESSAGE_BYTES_MAX) for way in ("send", "receive")]
        self.channel = grpc.secure_channel(home.address, credentials, sizes)
        self.exchange = schemas.exchange_grpc.ExchangeStub(self.channel)
        self.log = schemas.log_grpc.LogStub(self.channel)
        self.registry, self.grew, self.broken = Registry(home.log_key), threading.Condition(), None
        self.run_id, self.sequence = secrets.token_bytes(16), 0
        self.seen = self.checkpoint()
        self.stream = self.log.Registry(schemas.log.RegistryRequest())
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        try:
            for message in self.stream:
                with self.grew:
                    self.registry.apply(message.entry)
                    if len(self.registry.leaves) == 1:
                        self._check_genesis()
                    self.grew.notify_all()
        except Exception as error:  # told to whoever waits
            with self.grew:
                self.broken = error
                self.grew.notify_all()

    def _check_genesis(self):
        """Entry 0 is the one we were told of, and names the TLS root that we were given."""
        rules.need(self.registry.genesis_sha256.hex() == self.home.config["genesis_sha256"], "another switch")
        root = ssl.PEM_cert_to_DER_cert(self.home.root.read_text())
        rules.need(self.registry.authority_root_sha256 == sha256(root), "another TLS root")

    def close(self):
        self.stream.cancel()
        self.channel.close()

    def until(self, holds):
        """Waits until the registry has come far enough."""
        with self.grew:
            if not self.grew.wait_for(lambda: self.broken or holds(self.registry), 20):
                raise Refused("the registry stream is late")
            if self.broken:
                raise Refused(f"the registry does not fold: {self.broken!r}")

    def checkpoint(self):
        note = self.log.Checkpoint(schemas.log.CheckpointRequest(), timeout=10).checkpoint
        return self.home.log_key.open(note)

    def extend(self, newer):
        """The log has only grown since the largest checkpoint seen, proved by way of a published one."""
        older, self.seen = self.seen, max(self.seen, newer, key=lambda one: one.size)
        for _ in range(50):
            published = self.checkpoint()
            if published.size >= self.seen.size:
                break
            time.sleep(0.1)
        # That of an answer which waited may be older than one that was seen since.
        both = sorted((older, newer), key=lambda one: one.size)
        sizes = [one.size for one in both]
        answer = self.log.Consistency(
            schemas.log.ConsistencyRequest(from_sizes=sizes, to_size=published.size), timeout=10
        )
        for old, proof in zip(both, answer.proofs, strict=True):
            verify_consistency(old.size, old.root, published.size, published.root, proof.hashes)

    def agreement(self, provider, service, operation):
        """The first active agreement whose grants name this operation."""
        agency = self.home.system.rpartition("/")[0]
        for id_, agreement in self.registry.agreements.items():
            content = agreement.content
            if agreement.state != "active" or not agreement.covers(agency):
                continue
            for grant in content.grants:
                if (grant.system, grant.service) == (provider, service) and operation in grant.operations:
                    return id_
        return b""

    def request(self, service, operation, purpose, fields, payload, agreement=None, commit=None, deadline_ms=10_000):
        """Header, salt and payload of a request, not sealed yet. commit makes another commitment than that of one piece."""
        provider, _, name = service.rpartition("/")
        # The stream does not say when we have caught up: we have what we need once both are there.
        self.until(lambda registry: service in registry.services)
        if agreement is None:
            self.until(lambda registry: self.agreement(provider, name, operation))
            agreement = self.agreement(provider, name, operation)
        now_ms, salt = int(time.time() * 1000), secrets.token_bytes(32)
        exchange_id = bytearray(now_ms.to_bytes(6, "big") + secrets.token_bytes(10))
        exchange_id[6] = 0x70 | exchange_id[6] & 0x0F
        exchange_id[8] = 0x80 | exchange_id[8] & 0x3F
        self.sequence += 1
        header = schemas.envelope.RequestHeader(
            version=1,
            exchange_id=bytes(exchange_id),
            run_id=self.run_id,
            sequence=self.sequence,
            consumer=self.home.system,
            provider=provider,
            service=name,
            operation=operation,
            contract=self.registry.services[service].contract,
            purpose=purpose,
            agreement=agreement,
            fields=sorted(fields),
            issued_at_ms=now_ms,
            deadline_ms=deadline_ms,
            payload=(commit or in_one_piece)(salt, payload),
            seen=schemas.envelope.Seen(size=self.seen.size, root=self.seen.root),
        )
        return header.SerializeToString(deterministic=True), salt, payload

    def seal(self, headers, label=REQUEST_LABEL):
        return seal_together(label, self.home.log_key.origin, headers, self.home.seal_key)

    def envelope(self, header, seal, salt=b"", payload=b""):
        return schemas.envelope.Envelope(
            header=header,
            seal=seal.cose,
            leaf_index=seal.leaf_index,
            tree_size=seal.tree_size,
            path=seal.path,
            salt=salt,
            payload=payload,
        )

    def send(self, header, seal, salt, payload):
        """Sends one envelope. Gives the response, or raises Refusal."""
        envelope = self.envelope(header, seal, salt, payload)
        try:
            return self.exchange.Call(schemas.exchange.CallRequest(envelope=envelope), timeout=15)
        except grpc.RpcError as error:
            raise refusal(error) from None

    def bound(self, answer, receipt, part, asked, codes, kind=entries.CLOSING):
        """That this answer stands in an entry of this kind, for the request asked (header and seal). Gives its header."""
        header, seal = asked
        request = rules.open_request(header, (rules.WHOLE, rules.CHUNKS, rules.ITEMS, rules.SEALED))
        answer_seal = Seal(answer.seal, answer.leaf_index, answer.tree_size, tuple(answer.path))
        closing, checkpoint = entries.verify_receipt(receipt, answer.header, answer_seal, self.home.log_key)
        rules.need(closing.kind == kind, "another kind of entry")
        self.until(lambda registry: len(registry.leaves) >= closing.registry_size)
        opened = rules.verify_answer(answer.header, answer_seal, request, header, seal, self.registry, codes)
        facts = schemas.facts(schemas.log.ExchangeFacts, closing.facts)
        recorded = entries.recorded(part, header, seal)
        asks = entries.UPLOAD if request.payload.form == rules.CHUNKS else entries.REQUEST
        rules.need(recorded.kind == asks and facts.request_leaf == recorded.leaf(), "another request entry")
        rules.need(facts.request_index == part.index < receipt.index, "request index")
        ended = "answered" if opened.status <= 3 else "provider_failed"
        rules.need(facts.code == ("" if kind == entries.OPENING else ended), "outcome")
        rules.need((opened.payload.form == rules.CHUNKS) == (kind == entries.OPENING), "form")
        rules.need(facts.agreement == request.agreement, "another agreement")
        for entry in (recorded, closing):
            self.registry.holds_at(entry.registry_size, entry.registry_root)
        self.extend(checkpoint)
        return opened

    def verify(self, response, header, seal, codes):
        """Everything that docs/protocol.md says a consumer must check. Gives answer header and payload."""
        answer = response.answer
        opened = self.bound(answer, response.receipt, response.request, (header, seal), codes)
        rules.open_payload(opened.payload, answer.salt, answer.payload)
        return opened, answer.payload

    def dispute(self, header, code, answer_header):
        """Objects to a recorded answer and verifies the receipt of the objection."""
        exchange_id = rules.open_request(header).exchange_id
        data = schemas.envelope.DisputeHeader(
            version=1,
            exchange_id=exchange_id,
            answer_header_sha256=sha256(answer_header),
            code=code,
            issued_at_ms=int(time.time() * 1000),
        ).SerializeToString(deterministic=True)
        seal = self.seal([data], "mohawel/dispute/v1")[0]
        envelope = schemas.envelope.Envelope(header=data, seal=seal.cose, tree_size=1)
        response = self.exchange.Dispute(schemas.exchange.DisputeRequest(envelope=envelope), timeout=15)
        entry, checkpoint = entries.verify_receipt(response.receipt, data, seal, self.home.log_key)
        rules.need(entry.kind == entries.DISPUTE, "not a dispute entry")
        self.extend(checkpoint)
        return response.receipt.index

    def verify_refusal(self, refused, header, seal):
        """The receipt of a refusal: with header and seal, or of a header that nobody vouches for."""
        rules.need(refused.domain == "mohawel" and refused.receipt is not None, "no receipt")
        verified = True
        try:
            entry, checkpoint = entries.verify_receipt(refused.receipt, header, seal, self.home.log_key)
        except Refused:
            verified = False
            entry, checkpoint = entries.verify_receipt(refused.receipt, b"", None, self.home.log_key)
        facts = schemas.facts(schemas.log.ExchangeFacts, entry.facts)
        rules.need(entry.kind == entries.REFUSAL and facts.code == refused.reason, "another refusal")
        rules.need(verified or facts.refused_sha256 == sha256(header), "another header was refused")
        self.extend(checkpoint)
        return verified, facts
