#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs scripts/plot_bench and scripts/bench_tables on numbers made up here.

usage: bench_scripts_test.py CHECKOUT
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPTS = Path(sys.argv[1]) / "scripts"
COLUMNS = ["model", "type", "bpw", "head_type", "size", "backend", "cpu", "threads",
           "layers_timed", "test", "repetitions", "tps", "tps_deviation",
           "bytes_per_token", "gflops", "gbps", "stream_gbps"]
SPEEDS = [("a", 2.5, "pp512", 200.0), ("a", 2.5, "tg128", 8.0),
          ("b", 4.5, "pp512", 300.0), ("b", 4.5, "tg128", 4.0),
          ("c", 5.5, "tg128", 3.0)]


def row(kind, bpw, test, tps):
    return ["toy", kind, bpw, "h", 3 << 30, "CPU X", "a CPU", 1, 2, test, 5, tps, 0.5,
            1e9, 70.0, 9.0, 12.0]


def tsv(names, rows):
    lines = ["# a comment", "\t".join(names)]
    return "\n".join(lines + ["\t".join(map(str, r)) for r in rows]) + "\n"


def python():
    return subprocess.run([SCRIPTS / "plot-python"], capture_output=True, text=True,
                          check=False).stdout.strip()


def run(interpreter, script, *arguments):
    return subprocess.run([interpreter, SCRIPTS / script, *map(str, arguments)],
                          capture_output=True, text=True, check=False)


def fails_with_a_line(result, *words):
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1, result
    assert all(word in result.stderr for word in words), result


def plots(folder):
    (folder / "speed.tsv").write_text(tsv(COLUMNS, [row(*s) for s in SPEEDS]))
    (folder / "speed.json").write_text(json.dumps(
        {"caption": [], "results": [dict(zip(COLUMNS, row(*s))) for s in SPEEDS]}))
    (folder / "error.tsv").write_text(
        tsv(["type", "bpw", "Mw_per_s", "wrmse"], [["a", 2.5, 1, 0.2], ["b", 4.5, 1, 0.1]]))
    (folder / "empty.tsv").write_text("# nothing\n")
    interpreter = python()
    if not interpreter:
        print("no python with matplotlib: plots not tried")
        return
    for source in ["speed.tsv", "speed.json"]:
        path = folder / "plot.svg"
        result = run(interpreter, "plot_bench", path, folder / source,
                     folder / "error.tsv")
        assert result.returncode == 0, result
        # Three plots, and names in each.
        svg = path.read_text()
        assert svg.count("<!-- a -->") >= 3 and svg.count("<!-- b -->") >= 3
        path.unlink()
    result = run(interpreter, "plot_bench", folder / "plot.png", folder / "speed.tsv")
    assert result.returncode == 0, result
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    for bad in ["empty.tsv", "absent.tsv"]:
        fails_with_a_line(run(interpreter, "plot_bench", folder / "p.png", folder / bad),
                          "plot_bench: ", bad)


DOCUMENT = """text
<!-- bench compare toy a b -->
stale
<!-- end -->
<!-- bench beside toy tg128 -->
<!-- end -->
<!-- bench measured toy -->
<!-- end -->
<!-- bench sources -->
<!-- end -->
more text
"""
THEIRS = {"key": "PR 1", "url": "https://example.org/1", "date": "2024-01-01",
          "program": "theirs", "machine": "M", "model": "toy", "command": "c",
          "results": [["a", "tg128", 4, 10.0, 0.25], ["b", "tg128", 4, 20.0, None],
                      ["d", "tg128", 4, 30.0, None]]}


def tables(folder):
    data = folder / "page"
    data.mkdir()
    (data / "ours.tsv").write_text(tsv(COLUMNS, [row(*s) for s in SPEEDS]))
    (data / "published.json").write_text(json.dumps([THEIRS]))
    page = folder / "page.md"
    page.write_text(DOCUMENT)
    fails_with_a_line(run(sys.executable, "bench_tables", "--check", page), "page.md")
    assert page.read_text() == DOCUMENT
    result = run(sys.executable, "bench_tables", page)
    assert result.returncode == 0, result
    text = page.read_text()
    assert "stale" not in text
    assert text.startswith("text\n") and text.endswith("more text\n")
    for line in [
            "| **Nibble**, CPU X | a CPU | pp512 | 1 | 200.00 ± 0.50 | 300.00 ± 0.50 | 1.50 |",
            "| theirs, 2024 | M | tg128 | 4 | [10.00 ± 0.25](https://example.org/1) | "
            "[20](https://example.org/1) | 2.00 |",
            "| b | 4.00 ± 0.50 | [20](https://example.org/1) |",
            "| a | 2.5 | 3.00 | 200.00 ± 0.50 | 70 | 8.00 ± 0.50 | 9 |",
            "| [PR 1](https://example.org/1) | 2024-01-01 | theirs | M | toy | c |"]:
        assert line in text.splitlines(), (line, text)
    assert run(sys.executable, "bench_tables", "--check", page).returncode == 0
    (data / "published.json").write_text("{")
    fails_with_a_line(run(sys.executable, "bench_tables", page), "published.json")


def main():
    for check in [plots, tables]:
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder))
    print("both scripts do what they say")


if __name__ == "__main__":
    main()
