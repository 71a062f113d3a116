#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that a format is spelled the same everywhere, and files are listed.

A name is written in many places that no compiler compares: the registry, file
names, include guards, test data, lists in CMake. Each function below is one
agreement between two of them and yields a sentence per breach.

usage: names_test.py CHECKOUT
"""
import re
import sys
from pathlib import Path

ENTRY = re.compile(r'NIBBLE_FORMAT\((\w+), (\w+), "(\w+)", (\d+), (\w+), "([^"]+)"\)')
PLAIN = {"F32", "F16", "BF16"}


def read(path):
    return path.read_text(encoding="utf-8")


def registry(root):
    lines = read(root / "include/nibble/formats/formats.def").splitlines()
    for line in lines:
        if line.startswith("NIBBLE_FORMAT"):
            match = ENTRY.fullmatch(line.strip())
            if not match:
                sys.exit(f"formats.def: not in the form CMake reads: {line}")
            yield match.groups()


def spelling(root):
    seen = {"0", "1", "30"}  # F32, F16, BF16
    symbols = PLAIN | {entry[0] for entry in registry(root)}
    for symbol, file, name, number, fallback, _ in registry(root):
        if not symbol.lower() == file == name.lower():
            yield f"{symbol}, {file} and {name} are not one name"
        if number in seen:
            yield f"{symbol}: id {number} is taken"
        seen.add(number)
        if fallback not in symbols:
            yield f"{symbol}: falls back to {fallback}, which is no type"


def headers(root):
    for symbol, file, *_ in registry(root):
        path = root / f"include/nibble/formats/{file}.h"
        if not path.exists():
            yield f"{symbol}: no include/nibble/formats/{file}.h"
            continue
        text = read(path)
        if not re.search(rf"^struct {symbol}\b", text, re.M):
            yield f"{path.name}: no struct {symbol}"
        opening = text.split("#ifndef")[0].replace("\n// ", " ")
        if not re.search(rf"MIT {symbol}: .*\d bpw", opening):
            yield f'{path.name}: must open with "{symbol}: what. N bpw. (who)"'


def header_guards(root):
    for path in sorted((root / "include").rglob("*.h")):
        relative = path.relative_to(root / "include")
        guard = re.sub(r"\W", "_", str(relative)).upper() + "_"
        if guard not in read(path):
            yield f"include/{relative}: the include guard is not {guard}"


def unregistered(root):
    files = {entry[1] for entry in registry(root)}
    for path in sorted((root / "include/nibble/formats").glob("*.h")):
        for struct in re.findall(r"^struct (\w+) : \w*Base\w* ", read(path), re.M):
            if struct.lower() == path.stem and path.stem not in files:
                yield f"{path.name} describes a format without a line in formats.def"


def vectors(root):
    golden = root / "tests/golden"
    files = {entry[1]: entry[0] for entry in registry(root)}
    for file, symbol in files.items():
        for suffix in ("blocks", "f32"):
            if not (golden / f"{file}.{suffix}").exists():
                yield f"no golden vectors for {symbol}: tests/golden/{file}.{suffix}"
    for path in sorted(golden.glob("*.f32")):
        if path.stem not in files:
            yield f"tests/golden/{path.name} belongs to no format"


def listed_tests(root):
    lists = "".join(read(p) for p in (root / "tests").glob("CMakeLists.txt"))
    lists += "".join(read(p) for p in (root / "tests").glob("*.cmake"))
    for path in sorted((root / "tests").glob("*_test.*")):
        name = path.stem.removesuffix("_test")
        if not re.search(rf"nibble\w*_test\({name}\b|{re.escape(path.name)}", lists):
            yield f"tests/{path.name} is in no CMake list: it never runs"


def umbrella(root):
    apart = {"nibble.h", "cuda.h", "export.h", "float16.h"}
    text = read(root / "include/nibble/nibble.h")
    for path in sorted((root / "include/nibble").glob("*.h")):
        if path.name not in apart and "NIBBLE_API" in read(path):
            if f'"nibble/{path.name}"' not in text:
                yield f"nibble.h does not include {path.name}"


def licenses(root):
    for top in ("include", "src", "cuda", "tests", "bench", "examples"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in {".h", ".cc", ".c", ".cu", ".cuh", ".py"}:
                if "SPDX-License-Identifier: MIT" not in read(path)[:200]:
                    yield f"{path.relative_to(root)}: no SPDX line"


def quoted_code(root):
    """Code blocks in documents are lines of real files, in that order."""
    sources = {}
    for top in ("include", "examples", "src"):
        for path in (root / top).rglob("*.*"):
            if path.suffix in {".h", ".cc", ".c", ".def"}:
                sources[path] = read(path)
    for document in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        for block in re.findall(r"```(?:cpp|c)\n(.*?)```", read(document), re.S):
            code = re.sub(r"^ +", "", block, flags=re.M)
            if not any(code in re.sub(r"^ +", "", text, flags=re.M)
                       for text in sources.values()):
                yield f"{document.name} shows code that is nowhere: {block[:60]!r}"


def dead_links(root):
    for document in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", read(document)):
            if "://" not in target and not (document.parent / target).exists():
                yield f"{document.name} links to {target}, which is not there"


def main():
    root = Path(sys.argv[1])
    checks = [spelling, headers, header_guards, unregistered, vectors,
              listed_tests, umbrella, licenses, quoted_code, dead_links]
    breaches = [f"{check.__name__}: {breach}" for check in checks for breach in check(root)]
    print("\n".join(breaches) or f"{len(checks)} agreements hold")
    sys.exit(bool(breaches))


if __name__ == "__main__":
    main()
