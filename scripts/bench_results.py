"""Reading what the programs of bench/ print."""

import csv
import json


def read_json(path):
    """What a JSON file holds. Raises ValueError with the path."""
    with open(path, encoding="utf-8") as file:
        try:
            return json.load(file)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}: {error}") from error


def _is_json(path):
    with open(path, encoding="utf-8") as file:
        return file.read(1) == "{"


def read(path):
    """The rows of a TSV (comments start with #) or pp_tg's JSON, as dicts.

    Raises ValueError with the path if there are none.
    """
    if _is_json(path):
        rows = read_json(path).get("results")
    else:
        with open(path, newline="", encoding="utf-8") as file:
            lines = [line for line in file if not line.startswith("#")]
        rows = list(csv.DictReader(lines, delimiter="\t"))
    if not rows or "type" not in rows[0]:
        raise ValueError(f"{path}: no results of a program of bench/")
    return rows


def errors(rows):
    """The points (bits per weight, weighted relative error, type)."""
    return [(float(r["bpw"]), float(r["wrmse"]), r["type"]) for r in rows]


def is_speed(row):
    """Of pp_tg, and not of quantize_table."""
    return "tps" in row
