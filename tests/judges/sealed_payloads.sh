#!/usr/bin/env bash
# Payloads that the switch cannot read: the golden ones are made anew and opened by HPKE in Python, written from RFC 9180
# and docs/protocol.md. Our own adapters open the same bytes in their tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" tests/foreign/sealed.py tests/golden/sealed.json
