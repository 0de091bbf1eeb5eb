"""The newer ways to exchange, by a client that shares no code with the switch or its adapters.

    ways.py submit HOME SERVICE OPERATION PURPOSE FIELDS PAYLOAD KEPT    leaves a question; KEPT is a new file
    ways.py collect HOME KEPT                                            collects and opens its answer
    ways.py sealed HOME SERVICE OPERATION PURPOSE FIELDS PAYLOAD         asks sealed, and opens what came back
    ways.py stream HOME SERVICE OPERATION PURPOSE FIELDS PAYLOAD FILE    takes an answer in chunks; FILE is a new file
    ways.py items HOME SERVICE OPERATION PURPOSE FIELDS PARAMETERS...    asks for each of three items or more
    ways.py upload HOME SERVICE OPERATION PURPOSE FIELDS FILE            sends FILE in chunks

Each proves what docs/protocol.md has a consumer prove, then tries what must be refused.
"""

import sys

import blind
import items
import streams
import uploads
from trees import Refused

WAYS = {
    "submit": blind.submit,
    "collect": blind.collect,
    "sealed": blind.ask_sealed,
    "items": items.ask,
    "stream": streams.stream,
    "upload": uploads.upload,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in WAYS:
        raise SystemExit(__doc__)
    try:
        WAYS[sys.argv[1]](*sys.argv[2:])
    except Refused as error:
        raise SystemExit(f"does not hold: {error}") from None
