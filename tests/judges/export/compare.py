"""Reads one log's exports with DuckDB: compare.py DIR, where entries.{jsonl,csv,parquet}, found.jsonl and stats.json are.

Ends with 0 when all of them say the same, otherwise names what differs.
"""

import base64
import hashlib
import json
import struct
import sys
from pathlib import Path

import duckdb

LISTS = {"subjects", "delegation", "fields", "answer_fields"}
# What `audit find --json` calls otherwise, or does not have.
FOUND = [
    "index", "kind", "recorded_at_us", "exchange_id", "consumer", "provider", "service", "operation", "purpose",
    "actor", "subjects", "seal_key", "code", "clause", "agreement", "request_index", "summary",
]


def fail(what):
    sys.exit(f"the exports differ: {what}")


def leaf(line):
    """The RFC 6962 leaf hash of the entry that a line carries, by the layout in docs/log.md."""
    entry = struct.pack(
        ">BQHQ", line["kind_number"], line["recorded_at_us"], line["broker"], line["registry_size"]
    ) + bytes.fromhex(line["registry_root"])
    for part in ("facts_base64", "header_base64", "seal_base64"):
        part = base64.b64decode(line[part], validate=True)
        entry += struct.pack(">H", len(part)) + part
    return hashlib.sha256(b"\0" + entry).hexdigest()


def main(folder):
    db = duckdb.connect()
    # Nothing is fetched: what reads these files is in the package.
    db.execute("SET autoinstall_known_extensions = false")
    db.execute("SET TimeZone = 'UTC'")
    db.execute(f"CREATE VIEW p AS SELECT * FROM read_parquet('{folder}/entries.parquet')")
    types = {name: str(kind) for name, kind, *_ in db.execute("DESCRIBE p").fetchall()}
    columns = list(types)
    for name, kind in types.items():
        if kind not in ("UBIGINT", "VARCHAR", "VARCHAR[]", "TIMESTAMP WITH TIME ZONE"):
            fail(f"column {name} is of type {kind}")
    # The CSV as text, every cell as it stands.
    db.execute(
        f"CREATE VIEW c AS SELECT * FROM read_csv('{folder}/entries.csv', all_varchar=true, header=true, "
        "delim=',', quote='\"', escape='\"', null_padding=false, strict_mode=true, nullstr='', auto_detect=false, "
        f"columns={{{', '.join(repr(name) + ': ' + repr('VARCHAR') for name in columns)}}})"
    )
    spec = ", ".join(f"{name!r}: {kind!r}" for name, kind in types.items())
    raw = ", ".join(f"'{name}_base64': 'VARCHAR'" for name in ("facts", "header", "seal"))
    db.execute(
        f"CREATE VIEW j AS SELECT * FROM read_json('{folder}/entries.jsonl', format='newline_delimited', "
        f"columns={{{spec}, {raw}}})"
    )
    counts = {view: db.execute(f"SELECT count(*) FROM {view}").fetchone()[0] for view in "pcj"}
    found = [json.loads(line) for line in open(folder / "found.jsonl")]
    scan = found.pop()["scan"]
    if set(counts.values()) != {scan["matched"]} or len(found) != scan["matched"]:
        fail(f"rows: {counts}, found {len(found)}, matched {scan['matched']}")
    if not scan["proved"]:
        fail("the rows are not proved")

    # Column by column, in the database: Parquet and JSON Lines typed, CSV as text with its guard taken away.
    for name in columns:
        quoted = f'"{name}"'
        cell = f"regexp_replace(c.{quoted}, '^''', '')"
        if name in LISTS:
            text = f"array_to_string(p.{quoted}, ' ')"
            same = f"p.{quoted} IS NOT DISTINCT FROM j.{quoted} AND nullif({text}, '') IS NOT DISTINCT FROM {cell}"
        elif types[name] == "TIMESTAMP WITH TIME ZONE":
            text = f"strftime(p.{quoted}, '%Y-%m-%dT%H:%M:%S.%fZ')"
            same = f"p.{quoted} IS NOT DISTINCT FROM j.{quoted} AND {text} IS NOT DISTINCT FROM {cell}"
        else:
            text = f"CAST(p.{quoted} AS VARCHAR)"
            same = f"p.{quoted} IS NOT DISTINCT FROM j.{quoted} AND {text} IS NOT DISTINCT FROM {cell}"
        differing = db.execute(
            f"SELECT p.\"index\", p.{quoted}, j.{quoted}, c.{quoted} FROM p JOIN j USING (\"index\") "
            f"JOIN c ON CAST(c.\"index\" AS UBIGINT) = p.\"index\" WHERE NOT ({same}) LIMIT 3"
        ).fetchall()
        if differing:
            fail(f"{name}: {differing}")
    joined = db.execute(
        'SELECT count(*) FROM p JOIN j USING ("index") JOIN c ON CAST(c."index" AS UBIGINT) = p."index"'
    ).fetchone()[0]
    if joined != scan["matched"]:
        fail(f"only {joined} of {scan['matched']} indexes are in all three")

    # Against `audit find`, and each entry made again from its line.
    lines = [json.loads(line) for line in open(folder / "entries.jsonl")]
    for line, row in zip(lines, found, strict=True):
        for name in FOUND:
            ours = row[name]
            if (None if ours == "" else ours) != line[name]:
                fail(f"entry {row['index']}: {name} is {line[name]!r}, `audit find` says {ours!r}")
        if leaf(line) != line["leaf"]:
            fail(f"entry {row['index']}: the line does not make its leaf")

    # Against `audit stats`: the same figures by another engine.
    stats = json.load(open(folder / "stats.json"))
    ours = {row["key"]: row["refused"] + sum(row["ended"].values()) for row in stats["rows"]}
    theirs = dict(
        db.execute(
            "SELECT code, CAST(sum(coalesce(refusals, 1)) AS BIGINT) FROM p "
            "WHERE kind IN ('refusal', 'closing') GROUP BY code"
        ).fetchall()
    )
    if ours != theirs:
        fail(f"figures by outcome: {ours} and {theirs}")

    # The manifests.
    for end in ("jsonl", "csv", "parquet"):
        manifest = json.load(open(folder / f"entries.{end}.manifest.json"))
        content = (folder / manifest["file"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != manifest["sha256"] or len(content) != manifest["bytes"]:
            fail(f"{end}: the manifest's digest")
        if (manifest["matched"], manifest["scanned"]) != (scan["matched"], scan["scanned"]):
            fail(f"{end}: the manifest's numbers")
        size = manifest["checkpoint"].split("\n")[1]
        if int(size) != scan["checkpoint"]["size"]:
            fail(f"{end}: the manifest's checkpoint")
    print(f"{folder.name}: {scan['matched']} rows of {scan['scanned']}, {len(columns)} columns, the same in all")


main(Path(sys.argv[1]))
