#!/usr/bin/env bash
# The golden bytes, checked by a client in Python that shares no code with the switch and was written from
# docs/protocol.md: every value is made anew, and every change of one byte is refused.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" tests/foreign/mohawel_client.py vectors tests/golden/v1.json
