#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs pp_tg on the demo model: shapes of its outputs, and their arithmetic.

What is expected follows from data/README.md and the bits per weight that
docs/formats.md gives, not from the program. Speeds are not judged.

usage: pp_tg_test.py PP_TG QUANTIZE_GGUF MODEL.GGUF
"""
import json
import math
import os
import resource
import struct
import subprocess
import sys
import tempfile

PP_TG, QUANTIZE_GGUF, MODEL = sys.argv[1:4]

# data/README.md: 6 layers, width 256, 4 heads, 2 of keys and values,
# feed-forward 768, vocabulary 259, embedding and head apart.
LAYER = 2 * 256 * 256 + 2 * 128 * 256 + 3 * 768 * 256
HEAD = 259 * 256
NORMS = 13 * 256
PARAMS = 6 * LAYER + 2 * HEAD + NORMS
BITS = {"q4_0": 4.5, "q4_k": 4.5, "q6_k": 6.5625}

TESTS = "pp40,tg3"
COLUMNS = ["model", "size", "params", "backend", "threads", "test", "t/s",
           "GFLOPS", "GB/s"]


def run(*arguments, memory=None):
    def limit():
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    return subprocess.run([PP_TG, *arguments], preexec_fn=limit, check=False,
                          capture_output=True, text=True)


def measure(*arguments, source=("--gguf", MODEL), tests=TESTS):
    result = run(*source, "--tests", tests, "--repetitions", "1", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def results(*arguments, **keywords):
    return json.loads(measure(*arguments, "--format", "json", **keywords))["results"]


def close(value, expected, relative=1e-9):
    assert math.isclose(value, expected, rel_tol=relative), (value, expected)


def check_row(row, main, head="q6_k", layers_timed=6):
    """One result against the model, and its columns against each other."""
    weights = 6 * LAYER
    assert row["model"] == "kjv-4.9m-f16"
    assert (row["type"], row["head_type"]) == (main, head)
    assert row["params"] == PARAMS
    close(8 * row["size"],
          (weights + HEAD) * BITS[main] + HEAD * BITS[head] + 32 * NORMS)
    close(row["bpw"], BITS[main])
    assert (row["layers"], row["layers_timed"]) == (6, layers_timed)
    assert row["backend"].startswith("CPU ")

    kind, tokens = row["test"][:2], int(row["test"][2:])
    assert row["tokens"] == tokens
    heads = 1 / tokens if kind == "pp" else 1
    passes = math.ceil(tokens / 512) / tokens if kind == "pp" else 1
    close(row["flops_per_token"], 2 * (weights + heads * HEAD))
    close(8 * row["bytes_per_token"],
          passes * weights * BITS[main] + heads * HEAD * BITS[head])
    assert row["tps"] > 0 and row["tps_best"] >= row["tps"]
    close(1e9 * row["gflops"], row["tps"] * row["flops_per_token"])
    close(1e9 * row["gbps"], row["tps"] * row["bytes_per_token"])


def json_has_every_type_and_test():
    rows = results("--type", "q4_0,q4_K")
    assert [(r["type"], r["test"]) for r in rows] == [
        ("q4_0", "pp40"), ("q4_0", "tg3"), ("q4_k", "pp40"), ("q4_k", "tg3")]
    for row in rows:
        check_row(row, row["type"])
        assert row["tps_deviation"] == 0 and row["repetitions"] == 1


def tsv_has_the_columns_of_json():
    lines = measure("--type", "q4_K", "--format", "tsv").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert any("Weight matmuls only" in line for line in comments)
    assert any("raw stream read" in line for line in comments)
    names, *rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert names == list(results("--type", "q4_K")[0])
    assert len(rows) == 2
    for values in rows:
        row = dict(zip(names, values, strict=True))
        for name, value in row.items():
            try:
                row[name] = json.loads(value)
            except json.JSONDecodeError:
                pass
        check_row(row, "q4_k")


def markdown_is_the_table_people_know():
    lines = measure("--type", "q4_K").splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in lines if line.startswith("|")]
    assert table[0] == COLUMNS
    assert all(set(cell) <= {"-", ":"} for cell in table[1])
    assert len(table) == 4
    for row, test in zip(table[2:], ["pp40", "tg3"], strict=True):
        cells = dict(zip(COLUMNS, row, strict=True))
        assert cells["model"] == "kjv-4.9m-f16 q4_k - 4.5 bpw"
        assert cells["size"] == "2.63 MiB" and cells["params"] == "4.85 M"
        assert cells["test"] == test
        speed, deviation = map(float, cells["t/s"].split(" ± "))
        assert speed > 0 and deviation == 0


def long_prompts_come_in_batches_and_repetitions_deviate():
    result = json.loads(run("--gguf", MODEL, "--type", "q4_K", "--tests", "pp700",
                            "--repetitions", "3", "--format", "json").stdout)
    row, = result["results"]
    check_row(row, "q4_k")
    assert row["repetitions"] == 3 and row["tps_deviation"] > 0
    assert row["tps_best"] > row["tps"]


def fewer_layers_stand_for_all():
    for row in results("--type", "q4_K", "--layers", "2", "--threads", "2"):
        check_row(row, "q4_k", layers_timed=2)
        assert row["threads"] == 2


def the_head_may_have_the_same_type():
    for row in results("--type", "q4_0", "--head-type", "same"):
        check_row(row, "q4_0", head="q4_0")


def a_quantized_file_keeps_its_types():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "mixed.gguf")
        subprocess.run([QUANTIZE_GGUF, MODEL, path, "--type", "q4_K", "--quiet",
                        "--tensor-type", "ffn_down=q6_K"], check=True,
                       capture_output=True)
        rows = results(source=("--gguf", path), tests="tg1")
        stored = os.path.getsize(path)
    row, = rows
    assert row["type"] == "q4_k+q6_k" and row["head_type"] == "q6_k"
    assert row["params"] == PARAMS
    # The file has names and padding besides.
    assert 0 < stored - row["size"] < 20000, (stored, row["size"])


def known_models_need_no_file():
    row, = results("--type", "q4_0", "--layers", "1", tests="tg1",
                   source=("--model", "smollm2-135m"))
    assert row["params"] == 134515008
    # Rows of 576 do not fit blocks of 256: the head is of the substitute.
    assert (row["type"], row["head_type"]) == ("q4_0", "q8_0")


def experts_count_as_far_as_they_are_used():
    # Qwen3-30B-A3B: 48 layers, width 2048, 32 heads of 128, 4 of keys and values,
    # 8 of 128 experts of 768, vocabulary 151936.
    attention = 2 * 4096 * 2048 + 2 * 512 * 2048
    expert = 3 * 768 * 2048
    head = 151936 * 2048
    for row in results("--type", "q4_0", "--layers", "1", tests="tg2,pp4",
                       source=("--model", "qwen3-30b-a3b")):
        tokens = row["tokens"]
        heads = 1 if row["test"] == "tg2" else 1 / tokens
        assert row["params"] == 30532122624
        close(row["flops_per_token"],
              2 * (48 * (attention + 8 * expert) + heads * head))
        # Expected of random choices: each token leaves 120 of 128 untouched.
        batch = 1 if row["test"] == "tg2" else tokens
        read = attention + 128 * expert * (1 - (120 / 128) ** batch)
        close(8 * row["bytes_per_token"],
              48 / batch * read * BITS["q4_0"] + heads * head * BITS["q6_k"])


def gguf(tensors, used):
    """A file of matrices of zeros in F32; used: experts per token, or None."""
    def text(string):
        return struct.pack("<Q", len(string)) + string.encode()

    pairs = [text("general.architecture") + struct.pack("<I", 8) + text("toy")]
    if used is not None:
        pairs.append(text("toy.expert_used_count") + struct.pack("<II", 4, used))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs)
    offset = 0
    for name, dims in tensors.items():
        head += text(name + ".weight") + struct.pack("<I", len(dims))
        head += struct.pack(f"<{len(dims)}QIQ", *dims, 0, offset)
        offset += 4 * math.prod(dims)
    return head + b"\0" * (-len(head) % 32) + b"\0" * offset


def experts_of_a_file_are_read():
    # 6 experts of 512 and one that all tokens use, in a layer without attention.
    tensors = {"token_embd": (256, 32), "blk.0.ffn_gate_inp": (256, 6),
               "blk.0.ffn_gate_exps": (256, 512, 6),
               "blk.0.ffn_up_exps": (256, 512, 6),
               "blk.0.ffn_down_exps": (512, 256, 6),
               "blk.0.ffn_gate_shexp": (256, 256), "blk.0.ffn_up_shexp": (256, 256),
               "blk.0.ffn_down_shexp": (256, 256)}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "experts.gguf")

        def write(used):
            with open(path, "wb") as file:
                file.write(gguf(tensors, used))

        write(2)
        row, = results("--type", "q4_0", source=("--gguf", path), tests="tg3")
        expert, shared = 3 * 512 * 256, 3 * 256 * 256
        assert row["params"] == 6 * expert + shared + (32 + 6) * 256
        close(row["flops_per_token"], 2 * (2 * expert + shared + 32 * 256))
        close(8 * row["size"], (6 * expert + shared) * BITS["q4_0"]
              + 32 * 256 * BITS["q6_k"] + 32 * 6 * 256)
        for used in [None, 0, 7]:
            write(used)
            result = run("--gguf", path, "--type", "q4_0")
            assert result.returncode == 1, result
            assert "expert_used_count" in result.stderr, result


def bad_arguments_are_one_line():
    cases = [
        ([], "--model"),
        (["--gguf", MODEL, "--model", "llama-2-7b"], "one of"),
        (["--model", "llama-9"], "llama-9"),
        (["--gguf", MODEL], "blk.0.attn_q.weight"),
        (["--gguf", "/nonexistent.gguf"], "/nonexistent.gguf"),
        (["--gguf", __file__], os.path.basename(__file__)),
        (["--gguf", MODEL, "--type", "q9_z"], "q9_z"),
        (["--gguf", MODEL, "--type", "q4_K", "--head-type", "f16"], "f16"),
        (["--gguf", MODEL, "--type", "q4_K", "--head-type", "q4_0,q6_K"], "head-type"),
        (["--gguf", MODEL, "--head-type", "q6_K"], "head-type"),
        (["--gguf", MODEL, "--type", "all", "--head-type", "q9_z"], "q9_z"),
        (["--gguf", MODEL, "--type", "q4_K", "--layers", "7"], "7"),
        (["--gguf", MODEL, "--type", "q4_K", "--target", "VAX"], "VAX"),
        (["--gguf", MODEL, "--type", "q4_K", "--repetitions", "0"], "repetitions"),
        (["--gguf", MODEL, "--type", "q4_K", "--threads", "many"], "threads"),
        (["--gguf", MODEL, "--type", "q4_K", "--format", "xml"], "xml"),
        (["--gguf", MODEL, "--type", "q4_K", "--pages", "tiny"], "tiny"),
        (["--unheard-of"], "unheard-of"),
    ]
    cases += [(["--gguf", MODEL, "--type", "q4_K", "--tests", tests], "--tests")
              for tests in ["pp", "pp0", "tgx", "xx12", "pp-1", "pp99999999", "512"]]
    for arguments, named in cases:
        result = run(*arguments)
        assert result.returncode == 1, (arguments, result)
        assert result.stdout == "", arguments
        lines = result.stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("pp_tg: "), result.stderr
        assert named in lines[0], (arguments, lines)


def an_unknown_matrix_is_refused():
    with open(MODEL, "rb") as file:
        model = file.read()
    with tempfile.NamedTemporaryFile(suffix=".gguf") as changed:
        changed.write(model.replace(b"blk.3.ffn_up.weight", b"blk.3.ssm_in.weight"))
        changed.flush()
        result = run("--gguf", changed.name, "--type", "q4_K")
    assert result.returncode == 1 and "blk.3.ssm_in.weight" in result.stderr, result


def too_large_a_model_is_refused():
    result = run("--model", "llama-3.1-8b", "--type", "q4_K", memory=2 << 30)
    assert result.returncode == 1 and "--layers" in result.stderr, result
    assert "2.00 GiB are available" in result.stderr, result.stderr


def main():
    checks = [json_has_every_type_and_test, tsv_has_the_columns_of_json,
              markdown_is_the_table_people_know,
              long_prompts_come_in_batches_and_repetitions_deviate,
              fewer_layers_stand_for_all, the_head_may_have_the_same_type,
              a_quantized_file_keeps_its_types, known_models_need_no_file,
              experts_count_as_far_as_they_are_used, experts_of_a_file_are_read,
              bad_arguments_are_one_line, an_unknown_matrix_is_refused,
              too_large_a_model_is_refused]
    for check in checks:
        check()
    print(f"{len(checks)} checks hold")


if __name__ == "__main__":
    main()
