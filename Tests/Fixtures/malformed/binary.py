"""Damaged safetensors and GGUF files, masks, profiles and adapters."""

import dataclasses
import struct

from base import *
from cases import accepted, refused


@dataclasses.dataclass
class Sparse:
    """A file whose end is not on the disk."""
    head: bytes
    size: int


def entry(dtype="F32", shape=(2,), offsets=(0, 8), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)} | more


def safetensors_cases():
    file = "file.safetensors"

    def header(name, value, *says, data=bytes(64)):
        text = value if isinstance(value, bytes) else dump(value)
        return refused("safetensors", name, raw_safetensors(text, data), file, *says)

    whole = safetensors(WEIGHTS)
    nested = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    yield refused("safetensors", "empty", b"", file, "empty file")
    yield refused("safetensors", "seven-bytes", b"\1\0\0\0\0\0\0", file, "the file ends (7 bytes) inside the header's length")
    yield refused("safetensors", "no-header", struct.pack("<Q", 0), file, "header", "an end where a value should be")
    yield refused("safetensors", "header-beyond-the-end", raw_safetensors(b"{}", length=1000), file, "inside the header")
    yield refused("safetensors", "header-of-2-63", raw_safetensors(b"{}", length=2**63), file, "a header of 9223372036854775808 bytes")
    yield refused("safetensors", "header-of-2-64", raw_safetensors(b"{}", length=2**64 - 1), file, "a header of 18446744073709551615 bytes")
    yield refused("safetensors", "header-of-101-mib", Sparse(raw_safetensors(b"{}", length=101 << 20), 1 << 40), file, "a header of 105906176 bytes")
    yield refused("safetensors", "sparse-header", Sparse(raw_safetensors(b"", length=100 << 20), 1 << 40), file, "no JSON value")
    yield refused("safetensors", "cut-in-the-header", whole[:200], file, "inside the header")
    yield refused("safetensors", "cut-in-the-data", whole[:-40], file, "is it truncated?")
    yield refused("safetensors", "another-kind", b"<!doctype html>" * 9, file, "a header of")
    yield header("not-json", b"{x}", "no key in quotes at line 1, column 2")
    yield header("array", [], "not a JSON object")
    yield header("trailing-comma", b'{"a":{},}', "no key in quotes")
    yield header("something-behind", b"{} {}", "something behind the end")
    yield header("nested", nested, "more than 128 values inside each other")
    yield header("not-utf-8", b'{"\xff":{}}', "not UTF-8 at line 1, column 3")
    yield header("overlong-utf-8", b'{"\xc0\xaf":{}}', "not UTF-8")
    yield header("surrogate-in-utf-8", b'{"\xed\xa0\x80":{}}', "not UTF-8")
    yield header("lone-surrogate", b'{"\\ud800":{}}', "half of a surrogate pair")
    yield header("nan", b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', "no JSON value")
    yield header("infinite", b'{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,8]}}', "a number out of range (1e999)")
    one = dump({"a": entry()})[1:-1]
    yield header("name-twice", b"{" + one + b"," + one + b"}", 'the key "a" for the second time')
    yield header("escaped-name-twice", b"{" + one + b"," + one.replace(b'"a"', b'"\\u0061"') + b"}", 'the key "a" for the second time')
    yield header("key-twice", b'{"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}}', '"dtype" for the second time')
    yield header("metadata-of-numbers", {"__metadata__": {"a": 1}}, "__metadata__", "values that are not strings")
    yield header("metadata-null", {"__metadata__": None}, "__metadata__")
    yield header("entry-null", {"a": None}, "a: an incomplete entry")
    yield header("entry-list", {"a": [1, 2]}, "a: an incomplete entry")
    for missing in ["dtype", "shape", "data_offsets"]:
        value = entry()
        del value[missing]
        yield header(f"no-{missing.replace('_', '-')}", {"a": value}, "a: an incomplete entry")
    yield header("dtype-number", {"a": entry(dtype=5)}, "a: an incomplete entry")
    yield header("shape-of-strings", {"a": entry(shape=["2"])}, "a: an incomplete entry")
    yield header("shape-of-flags", {"a": entry(shape=[True, 2])}, "a: an incomplete entry")
    yield header("shape-of-fractions", {"a": entry(shape=[2.5])}, "a: an incomplete entry")
    yield header("shape-beyond-int64", {"a": entry(shape=[2**64])}, "a: an incomplete entry")
    yield header("shape-of-lists", {"a": entry(shape=[[2]])}, "a: an incomplete entry")
    yield header("shape-negative", {"a": entry(shape=[-2])}, "a: ")
    yield header("shape-two-negative", {"a": entry(shape=[-1, -2])}, "a: ")
    yield header("shape-product-overflows", {"a": entry(shape=[2**62, 4])}, "a: shape [4611686018427387904, 4]", "fits in memory")
    yield header("shape-product-wraps-to-8", {"a": entry(shape=[2**61 + 1, 2])}, "a: shape")
    yield header("shape-larger-than-data", {"a": entry(shape=[3])}, "a: 8 bytes; expected 12")
    yield header("shape-smaller-than-data", {"a": entry(shape=[1])}, "a: 8 bytes; expected 4")
    yield header("one-offset", {"a": entry(offsets=[0])}, "a: an incomplete entry")
    yield header("three-offsets", {"a": entry(offsets=[0, 8, 9])}, "a: an incomplete entry")
    yield header("offsets-backwards", {"a": entry(offsets=[8, 0])}, "a: bytes 8..<0 of 64")
    yield header("offset-negative", {"a": entry(offsets=[-8, 0])}, "a: bytes -8..<0")
    yield header("offset-beyond-the-end", {"a": entry(offsets=[60, 68])}, "a: bytes 60..<68 of 64")
    yield header("offset-of-int64", {"a": entry(offsets=[2**63 - 9, 2**63 - 1])}, "a: bytes")
    yield header("offset-beyond-int64", {"a": entry(offsets=[0, 2**63])}, "a: an incomplete entry")
    yield header("overlapping", {"a": entry(), "b": entry(offsets=[4, 12])}, "b: bytes that belong to another tensor")
    yield header("same-bytes", {"a": entry(), "b": entry()}, "b: bytes that belong to another tensor")
    for kind, size in [("I64", 8), ("F8_E4M3", 1), ("C64", 8), ("", 4), ("f32", 4)]:
        yield header(f"dtype-{kind or 'empty'}", {"a": entry(kind, (2,), (0, 2 * size))}, f"a: element type {kind}", "F32, F16 or BF16")
    yield header("unknown-dtype-huge-shape", {"a": entry("X", (2**62, 2**62), (0, 8))}, "a: element type X")
    yield header("no-tensors-null-name", {"": entry("X")}, ": element type X")
    yield accepted("safetensors", "no-tensors", raw_safetensors(b"{}"), "a file may hold nothing")
    yield accepted("safetensors", "bytes-of-no-tensor", raw_safetensors(dump({"a": entry()}), bytes(100)), "bytes that no tensor has are not looked at")
    yield accepted("safetensors", "unaligned", raw_safetensors(dump({"a": entry()}) + b" " * 3, bytes(8)), "tensors are copied where they are not aligned")
    yield accepted("safetensors", "empty-tensor", raw_safetensors(dump({"a": entry(shape=[0, 2**62], offsets=[0, 0])})), "a shape may hold a 0")
    yield accepted("safetensors", "scalar", raw_safetensors(dump({"a": entry(shape=[], offsets=[0, 4])}), bytes(4)), "a tensor may have no dimensions")


def gguf_cases():
    file = "file.gguf"
    values, tensors = gguf_metadata(), gguf_tensors()
    whole = gguf(values, tensors)

    def bad(name, content, *says):
        return refused("gguf", name, content, file, *says)

    def value(name, kind, content, *says):
        return bad(f"value-{name}", gguf([("k", kind, content)], []), *says)

    def tensor(name, dimensions, kind, place, content, *says):
        return bad(f"tensor-{name}", gguf([], [("t", dimensions, kind, place, content)]), *says)

    yield bad("empty", b"", "empty file")
    yield bad("three-bytes", b"GGU", "inside the magic number")
    yield bad("wrong-magic", b"GGML" + whole[4:], "expected a GGUF file")
    yield bad("big-endian", b"GGUF" + struct.pack(">I", 3) + whole[8:], "GGUF version 50331648")
    yield bad("version-1", gguf(values, tensors, version=1), "GGUF version 1")
    yield bad("version-4", gguf(values, tensors, version=4), "GGUF version 4")
    yield bad("cut-in-the-header", whole[:20], "inside the header")
    yield bad("cut-in-a-key", whole[:30], "inside a metadata key")
    yield bad("cut-in-the-tokens", whole[:900], "inside tokenizer.ggml.tokens")
    yield bad("cut-in-the-tensors", whole[: whole.index(b"output_norm")], "inside a tensor's name")
    yield bad("cut-in-the-data", whole[:-64], "output_norm.weight")
    yield bad("values-of-2-64", gguf([], [], (0, 2**64 - 1)), "a metadata key that is empty")
    yield bad("values-of-2-40", gguf(values, tensors, (len(tensors), 2**40)), "a metadata key: a text of")
    yield bad("tensors-of-2-63", gguf([], [], (2**63, 0)), "a tensor's name that is empty")
    yield bad("sparse-values", Sparse(b"GGUF" + struct.pack("<IQQ", 3, 0, 2**62), 1 << 40), "a metadata key that is empty")
    yield bad("sparse-tensors", Sparse(b"GGUF" + struct.pack("<IQQ", 3, 2**62, 0), 1 << 40), "a tensor's name that is empty")
    yield value("type-13", 13, b"\0" * 8, "k: a value of type 13")
    yield value("type-2-32", 2**32 - 1, b"\0" * 8, "k: a value of type 4294967295")
    yield bad("string-of-2-63", gguf([("k", 99, b"")], [])[:-8].replace(struct.pack("<I", 99), struct.pack("<IQ", STRING, 2**63)), "k: a text of 9223372036854775808 bytes")
    yield bad("sparse-string", Sparse(gguf([("k", 4294967295, struct.pack("<Q", 2**38))], []).replace(b"\xff\xff\xff\xff", struct.pack("<I", STRING)), 1 << 40), "k: a text of 274877906944 bytes")
    yield bad("sparse-key", Sparse(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**38), 1 << 40), "a text of 274877906944 bytes")
    yield value("not-utf-8", STRING, b"\xff\xfe", "k: a text that is not UTF-8")
    yield bad("key-not-utf-8", gguf([(b"\xc3", U8, 1)], []), "a text that is not UTF-8")
    yield bad("array-of-type-77", gguf([("k", ARRAY, struct.pack("<IQB", 77, 1, 1))], []), "k: a value of type 77")
    yield bad("array-of-2-63", gguf([("k", ARRAY, struct.pack("<IQ", U8, 2**63))], []), "inside k")
    yield bad("sparse-array", Sparse(gguf([("k", ARRAY, struct.pack("<IQ", U8, 2**33))], []), 1 << 40), "k: an array of 8589934592 values")
    yield bad("sparse-arrays", Sparse(gguf([("k", ARRAY, struct.pack("<IQ", ARRAY, 2**24 - 1) + struct.pack("<IQ", U8, 2**24))], []), 1 << 40), "k: an array of 16777216 values")
    deep = struct.pack("<IQ", ARRAY, 1) * 100_000 + struct.pack("<IQB", U8, 1, 1)
    yield bad("arrays-inside-arrays", gguf([("k", ARRAY, deep)], []), "k: arrays inside arrays")
    yield bad("key-twice", gguf([("k", U8, 1), ("k", U8, 2)], []), "k: a key that is there twice")
    yield bad("alignment-0", gguf([("general.alignment", U32, 0)], []), "general.alignment")
    yield bad("alignment-33", gguf([("general.alignment", U32, 33)], []), "general.alignment", "a power of two")
    yield bad("alignment-2-40", gguf([("general.alignment", U64, 2**40)], []), "general.alignment")
    yield bad("alignment-text", gguf([("general.alignment", STRING, "32")], []), "general.alignment")
    yield tensor("no-dimensions", (), 0, None, bytes(4), "t: 0 dimensions")
    yield tensor("5-dimensions", (1, 1, 1, 1, 1), 0, None, bytes(4), "t: 5 dimensions")
    yield bad("tensor-2-32-dimensions", b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + gguf_string("t") + struct.pack("<I", 2**32 - 1) + bytes(64), "t: 4294967295 dimensions")
    yield tensor("dimension-0", (0, 2), 0, None, b"", "t: a dimension of 0")
    yield tensor("dimension-2-63", (2**63,), 0, None, bytes(8), "t: a dimension of 9223372036854775808")
    yield tensor("product-overflows", (2**32, 2**32), 0, None, bytes(8), "t: shape [4294967296, 4294967296]")
    yield tensor("product-wraps", (2**33, 2**31 + 1), 0, None, bytes(8), "t: shape")
    yield tensor("larger-than-the-file", (2**20, 2**10), 0, None, bytes(8), "t: ", "bytes left in the file")
    yield tensor("offset-beyond-the-end", (2,), 0, 10_000, bytes(8), "t: data at byte 10000")
    yield tensor("offset-2-64", (2,), 0, 2**64 - 1, bytes(8), "t: data at byte 18446744073709551615")
    yield tensor("offset-2-63", (2,), 0, 2**63 - 32, bytes(8), "t: data at byte 9223372036854775776")
    yield tensor("type-q2-k", (256,), 10, None, bytes(84), "t: element type Q2_K")
    yield tensor("type-1000", (8,), 1000, None, bytes(32), "t: element type number 1000")
    yield tensor("q4-of-31", (31,), 2, None, bytes(18), "t: rows of 31 values; expected a multiple of 32 for Q4_0")
    yield bad("tensor-twice", gguf([], [("t", (2,), 0, None, bytes(8)), ("t", (2,), 0, None, bytes(8))]), "t: a tensor that is there twice")
    yield bad("tensor-name-of-2-63", b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 2**63) + bytes(64), "a text of 9223372036854775808 bytes")
    yield accepted("gguf", "nothing", gguf([], []), "a file may hold nothing")
    yield accepted("gguf", "unaligned-tensor", gguf([], [("t", (2,), 0, 3, bytes(16))]), "tensors are copied where they are not aligned")
    yield accepted("gguf", "shared-bytes", gguf([], [("t", (2,), 0, 0, bytes(8)), ("u", (2,), 0, 0, bytes(8))]), "tensors are copied: two may share bytes")


def neuron_cases():
    file = "file.safetensors"

    def header(path, value):
        def edit(header):
            inner = header
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
        return edit

    rows = f"{UP}.rows"
    other = {"baseHash": "0" * 64}
    for reader, make, tensor in [("mask", lambda **k: mask(ROWS, **k), rows), ("profile", profile, f"{UP}.scores"), ("adapter", adapter, rows)]:
        kind = "neurons" if reader == "mask" else reader
        yield refused(reader, "no-metadata", safetensors({}), file, "no neft metadata", f"{kind} file")
        yield refused(reader, "another-kind", make(metadata={"kind": "else"}), file, 'a file of kind "else"')
        yield refused(reader, "newer-format", make(metadata={"formatVersion": "2"}), file, "format version 2")
        yield refused(reader, "no-tensors", safetensors({}, {"formatVersion": "1", "kind": kind, "baseHash": BASE_HASH, "maskHash": mask_hash({})}), file)
        yield refused(reader, "empty", b"", file, "empty file")
        yield refused(reader, "cut", make()[:-3], file, "is it truncated?")
        yield refused(reader, "wrong-dtype", make(edit=header([tensor, "dtype"], "F32")) if reader != "profile" else make(edit=header([tensor, "dtype"], "I64")), file, tensor, "element type")

    def module(name):
        return mask({name: (1, 3)})

    for name in ["model.layers.-1.mlp.up_proj", "model.layers.00.mlp.up_proj", "model.layers.+0.mlp.up_proj", "model.layers.9223372036854775807.mlp.up_proj", "model.layers.99999999999999999999.mlp.up_proj", "model.layers.0.self_attn.up_proj", "model.layers.0.mlp.gate", "model.layers..mlp.up_proj", "lm_head", ""]:
        yield refused("mask", f"module-{name or 'empty'}", module(name), file, f"tensor {name}.rows", "ascending rows of a projection")
    yield refused("mask", "layer-the-model-has-not", module("model.layers.1.mlp.up_proj"), file, "row 3 of model.layers.1.mlp.up_proj", "a module of the model")
    for name, values in [("unsorted", (3, 1)), ("row-twice", (1, 1)), ("row-negative", (-1, 1)), ("no-rows", ()), ("row-smallest", (-2**31, 0))]:
        yield refused("mask", name, mask({UP: values}), file, f"tensor {rows}")
        yield refused("adapter", name, adapter(values), file, rows)
    yield refused("mask", "row-out-of-range", mask({UP: (1, INNER)}), file, f"row {INNER} of {UP}", f"rows below {INNER}")
    yield refused("mask", "row-largest", mask({UP: (1, 2**31 - 1)}), file, "row 2147483647")
    yield refused("mask", "base-hash-of-another-model", safetensors({rows: ("I32", (2,), ints([1, 3]))}, {"formatVersion": "1", "kind": "neurons", "baseHash": "0" * 64, "maskHash": hashlib.sha256(f"neurons {'0' * 64}\n{UP} [1, 3]\n".encode()).hexdigest()}), file, "another model (base hash 000000000000)")
    yield refused("mask", "base-hash-changed", mask(ROWS, other), file, "other neurons than its hash says")
    yield refused("mask", "mask-hash-changed", mask(ROWS, {"maskHash": "0" * 64}), file, "other neurons than its hash says")
    yield refused("mask", "rows-changed", mask(ROWS).replace(ints([1, 3]), ints([1, 4])), file, "other neurons than its hash says")
    yield accepted("profile", "base-hash-of-another-model", profile(metadata=other), "the mask that is selected is refused")
    yield refused("profile", "module-unknown", profile({"model.layers.0.mlp.else": [1.0]}), file, "tensor model.layers.0.mlp.else.scores")
    yield refused("profile", "layer-2-63", profile({"model.layers.9223372036854775807.mlp.up_proj": [1.0]}), file, "tensor model.layers.9223372036854775807")
    yield refused("profile", "no-scores", profile({UP: []}), file, "no scores")
    yield refused("profile", "nan", profile({UP: [1.0, float("nan")]}), "no number as the score of")
    yield accepted("profile", "infinite", profile({UP: [1.0, float("inf"), -float("inf")]}), "infinite scores have an order")
    yield accepted("profile", "other-tensors", profile(edit=lambda h: h.update(more=entry(shape=[0], offsets=[0, 0]))), "other tensors are left alone")
    yield refused("adapter", "base-hash-of-another-model", adapter(metadata=other), file, "an adapter of another model (base hash 000000000000)")
    yield refused("adapter", "row-out-of-range", adapter((1, INNER)), file, rows)
    yield refused("adapter", "row-largest", adapter((1, 2**31 - 1)), file, rows)
    yield refused("adapter", "module-unknown", adapter(module="model.layers.7.mlp.up_proj"), file, "tensor model.layers.7.mlp.up_proj.rows")
    yield refused("adapter", "too-few-weights", adapter(weight=("F32", (1, HIDDEN), floats(HIDDEN, 1))), file, f"{UP}.weight: shape [1, 8]; expected [2, 8]")
    yield refused("adapter", "weights-turned", adapter(weight=("F32", (HIDDEN, 2), floats(2 * HIDDEN, 1))), file, "shape [8, 2]; expected [2, 8]")
    yield refused("adapter", "weights-of-i64", adapter(weight=("I64", (2, HIDDEN), bytes(128))), file, "element type I64")
    yield refused("adapter", "weights-missing", safetensors({rows: ("I32", (1,), ints([1]))}, {"formatVersion": "1", "kind": "adapter", "baseHash": BASE_HASH}), file, f"{UP}.weight: no such tensor")
    yield refused("adapter", "more-tensors", adapter(extra={"more": ("F32", (1,), bytes(4))}), file, "3 tensors, 2 of them of 2 rows")


def cases():
    return [*safetensors_cases(), *gguf_cases(), *neuron_cases()]
