"""Compiles the .proto files at run time and reads canonical protobuf."""

import importlib
import os
import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.protobuf.message import DecodeError
from grpc_tools import protoc

from trees import Refused

PROTO_DIR = Path(os.environ.get("MOHAWEL_PROTO", Path(__file__).resolve().parents[2] / "proto"))
FILES = [
    "mohawel/exchange/v1/envelope.proto",
    "mohawel/exchange/v1/exchange.proto",
    "mohawel/registry/v1/acts.proto",
    "mohawel/audit/v1/log.proto",
]


def _compile():
    out = tempfile.TemporaryDirectory(prefix="mohawel-foreign-")
    bundled = Path(grpc_tools.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{PROTO_DIR}", f"-I{bundled}", f"--python_out={out.name}", f"--grpc_python_out={out.name}"]
    if protoc.main(arguments + FILES):
        raise SystemExit("the .proto files do not compile")
    sys.path.insert(0, out.name)
    names = [name.removesuffix(".proto").replace("/", ".") for name in FILES]
    modules = [importlib.import_module(name + "_pb2") for name in names]
    stubs = [importlib.import_module(name + "_pb2_grpc") for name in (names[1], names[3])]
    return (out, *modules, *stubs)


_folder, envelope, exchange, acts, log, exchange_grpc, log_grpc = _compile()

EXCHANGE_HEADER_MAX, REGISTRY_HEADER_MAX, FACTS_MAX = 3072, 57344, 512


def canonical(kind, data, limit):
    """Decodes data if it is the one encoding of this message: decode, encode again, compare."""
    if len(data) > limit:
        raise Refused("too_large")
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise Refused("malformed") from error
    # The version of an epoch's facts is a text, that of a header a number.
    version = getattr(message, "version", 1) if kind is not log.EpochFacts else 1
    if version > 1:
        raise Refused("unknown_version")
    message.DiscardUnknownFields()
    if version == 0 or message.SerializeToString(deterministic=True) != data:
        raise Refused("malformed")
    return message


def header(kind, data):
    return canonical(kind, data, EXCHANGE_HEADER_MAX)


def act(kind, data):
    return canonical(kind, data, REGISTRY_HEADER_MAX)


def facts(kind, data):
    return canonical(kind, data, FACTS_MAX)
