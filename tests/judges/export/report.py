"""Reads one report with DuckDB: report.py TABLE JSON, as `audit report` wrote them.

Ends with 0 when both say the same, otherwise names what differs.
"""

import json
import sys

import duckdb


def fail(what):
    sys.exit(f"the report differs: {what}")


def figures(line):
    """What the table has of a line of the JSON."""
    whole = line["whole"] or {}
    ended = line["ended"]
    return {
        "requests": line["requests"],
        "refused": line["refused"],
        "answered": ended["answered"],
        "not_answered": sum(ended.values()) - ended["answered"],
        "late": line["late"],
        "disputes": line["disputes"],
        "bytes_asked": line["bytes_asked"],
        "bytes_answered": line["bytes_answered"],
        "whole_count": whole.get("count"),
        "whole_p50_us": whole.get("p50_us"),
        "whole_p95_us": whole.get("p95_us"),
        "whole_p99_us": whole.get("p99_us"),
    }


def lines(report):
    """(section, line, key, names, line of the JSON), each."""
    yield "total", "line", None, (None, None), report["total"]
    for section, by in report["by"].items():
        for row in by["rows"]:
            yield section, "line", row["key"], (row["name_en"], row["name_ar"]), row
        if by["others"]:
            yield section, "others", None, (None, None), by["others"]
        yield section, "unnamed", None, (None, None), by["unnamed"]
    for section in ("day", "hour"):
        for row in report[section + "s"]:
            yield section, "line", row["key"], (None, None), row
    if report["other_days"]:
        yield "day", "others", None, (None, None), report["other_days"]


def main(table, told):
    report = json.load(open(told))
    db = duckdb.connect()
    db.execute("SET autoinstall_known_extensions = false")
    db.execute(f"CREATE VIEW t AS SELECT * FROM read_parquet('{table}')")
    names = [name for name, *_ in db.execute("DESCRIBE t").fetchall()]
    rows = [dict(zip(names, row, strict=True)) for row in db.execute("SELECT * FROM t").fetchall()]
    whole = {(row["section"], row["line"], row["key"]): row for row in rows if row["reason"] is None}
    reasons = {
        (row["section"], row["line"], row["key"], row["reason"]): row["refused_as"] for row in rows if row["reason"]
    }
    count = 0
    for section, line, key, called, told in lines(report):
        where = (section, line, key)
        row = whole.pop(where, None)
        if row is None:
            fail(f"{where} is not in the table")
        if (row["name_en"], row["name_ar"]) != called:
            fail(f"{where} is called {row['name_en']!r}, {row['name_ar']!r}, not {called}")
        for name, figure in figures(told).items():
            if row[name] != figure:
                fail(f"{where}: {name} is {row[name]}, not {figure}")
        for reason, times in told["refused_as"].items():
            if reasons.pop((*where, reason), None) != times:
                fail(f"{where}: {reason} is not {times}")
        count += 1
    if whole or reasons:
        fail(f"the table alone has {list(whole) + list(reasons)}")
    # No sum over a section counts anything twice: each is the total.
    sums = dict(db.execute("SELECT section, CAST(sum(requests + refused) AS BIGINT) FROM t GROUP BY section").fetchall())
    if len(set(sums.values())) != 1:
        fail(f"the sections do not add up to one total: {sums}")
    facts = {
        bytes(key).decode(): bytes(value).decode()
        for key, value in db.execute(f"SELECT key, value FROM parquet_kv_metadata('{table}')").fetchall()
    }
    checkpoint = report["scan"]["checkpoint"]
    if facts["mohawel.root"] != checkpoint["root"] or facts["mohawel.size"] != str(checkpoint["size"]):
        fail(f"the table rests on another checkpoint: {facts}")
    print(f"a report of {count} lines and {len(rows)} rows, {sums['total']} asked, the same in table and JSON")


main(*sys.argv[1:])
