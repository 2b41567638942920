#!/usr/bin/env python3
"""Writes blocks.gguf, one small tensor per GGUF element type, and blocks-expected.safetensors, what the `gguf` package
dequantises them to. Needs: pip install gguf numpy safetensors. Made with gguf 0.19.0"""
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
for kind in [kinds.F32, kinds.F16, kinds.BF16, kinds.Q4_0, kinds.Q4_1, kinds.Q8_0]:
    values = (random.standard_normal((6, 64)) * 0.3).astype(np.float32)
    values[0, :32] = 0
    values[1, 0] = 1000
    stored = gguf.quants.quantize(values, kind)
    writer.add_tensor(f"{kind.name}.weight", stored, raw_dtype=kind)
    expected[kind.name] = np.ascontiguousarray(gguf.quants.dequantize(stored, kind).astype(np.float32))
# A type that is refused.
writer.add_tensor("Q6_K.weight", gguf.quants.quantize(np.zeros((1, 256), np.float32), kinds.F16).view(np.uint8)[:, :210],
                  raw_dtype=kinds.Q6_K)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(expected, here / "blocks-expected.safetensors")
