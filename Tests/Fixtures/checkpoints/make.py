#!/usr/bin/env python3
"""Writes blocks.gguf, one small tensor per GGUF element type, and blocks-expected.safetensors, what the `gguf` package
dequantises them to; and written.gguf, values and what the package quantises them to in the types that are written. Needs: pip install gguf numpy safetensors. Made with gguf 0.19.0"""
import pathlib

import gguf
import numpy as np
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
random = np.random.default_rng(7)
writer = gguf.GGUFWriter(here / "blocks.gguf", "test")
writer.add_uint32("test.count", 6)
writer.add_array("test.names", ["one", "zwei", "três"])
expected = {}
kinds = gguf.GGMLQuantizationType
for kind in [kinds.F32, kinds.F16, kinds.BF16, kinds.Q4_0, kinds.Q4_1, kinds.Q8_0, kinds.Q5_0, kinds.Q5_1]:
    values = (random.standard_normal((6, 64)) * 0.3).astype(np.float32)
    values[0, :32] = 0
    values[1, 0] = 1000
    stored = gguf.quants.quantize(values, kind)
    writer.add_tensor(f"{kind.name}.weight", stored, raw_dtype=kind)
    expected[kind.name] = np.ascontiguousarray(gguf.quants.dequantize(stored, kind).astype(np.float32))
# Types the package only reads: random bytes, with scales that are numbers.
for kind, halves in [(kinds.Q4_K, [0, 2]), (kinds.Q5_K, [0, 2]), (kinds.Q6_K, [208])]:
    size = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = random.integers(0, 256, (6, 2, size), dtype=np.uint8)
    for place in halves:
        scales = (random.standard_normal((6, 2, 1)) * 0.01).astype(np.float16)
        scales[0, 0] = 0
        blocks[:, :, place:place + 2] = scales.view(np.uint8)
    stored = blocks.reshape(6, 2 * size)
    writer.add_tensor(f"{kind.name}.weight", stored, raw_dtype=kind)
    expected[kind.name] = np.ascontiguousarray(gguf.quants.dequantize(stored, kind).astype(np.float32))
# A type that is refused.
writer.add_tensor("Q2_K.weight", np.zeros((1, gguf.GGML_QUANT_SIZES[kinds.Q2_K][1]), np.uint8), raw_dtype=kinds.Q2_K)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(expected, here / "blocks-expected.safetensors")

# Random rows of several sizes, then ties of all three types, zeros, small and large numbers.
values = (random.standard_normal((40, 64)) * np.logspace(-4, 3, 40)[:, None]).astype(np.float32)
values[0] = 0
values[1] = np.arange(64) - 31.5  # with 127 as the largest: halves, which Q8_0 rounds away from zero
values[1, 0] = values[1, 32] = 127
values[2] = 1 + np.arange(64) * 2.0**-11  # halfway between half-precision numbers
values[3] = 1 + np.arange(64) * 2.0**-8  # halfway between those of bfloat16
values[4] = -np.abs(values[4])
values[5, :32] = 2.0**-20  # small: half precision has subnormal numbers there
values[6] = np.linspace(-65504, 65504, 64)
writer = gguf.GGUFWriter(here / "written.gguf", "test")
writer.add_tensor("values", values)
for kind in [kinds.F16, kinds.BF16, kinds.Q8_0]:
    writer.add_tensor(kind.name, gguf.quants.quantize(values, kind), raw_dtype=kind)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
