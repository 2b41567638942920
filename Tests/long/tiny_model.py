#!/usr/bin/env python3
"""Writes a Hugging Face directory with a Llama of two layers, random weights and a tokenizer of single bytes.

usage: tiny_model.py FOLDER
"""

import json
import random
import struct
import sys
from pathlib import Path

HIDDEN, INTERMEDIATE, KEY_VALUE, LAYERS = 32, 64, 16, 2
MARKS = ["<|im_start|>", "<|im_end|>"]


def shapes(rows):
    """Tensor name -> shape, as safetensors orders it."""
    yield "model.embed_tokens.weight", (rows, HIDDEN)
    for layer in range(LAYERS):
        for name, shape in {
            "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (KEY_VALUE, HIDDEN),
            "self_attn.v_proj": (KEY_VALUE, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
            "mlp.gate_proj": (INTERMEDIATE, HIDDEN), "mlp.up_proj": (INTERMEDIATE, HIDDEN),
            "mlp.down_proj": (HIDDEN, INTERMEDIATE), "input_layernorm": (HIDDEN,),
            "post_attention_layernorm": (HIDDEN,),
        }.items():
            yield f"model.layers.{layer}.{name}.weight", shape
    yield "model.norm.weight", (HIDDEN,)


def write_model(folder, rows):
    """config.json and weights of a model whose embedding has so many rows."""
    configuration = {
        "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE, "num_hidden_layers": LAYERS,
        "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "vocab_size": rows,
        "max_position_embeddings": 256, "rope_theta": 10000, "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(configuration))
    source = random.Random(1)
    header, data = {}, b""
    for name, shape in shapes(rows):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = [1.0] * count if len(shape) == 1 else [source.gauss(0, 0.1) for _ in range(count)]
        start = len(data)
        data += struct.pack(f"<{count}f", *values)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, len(data)]}
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def byte_names():
    """GPT-2's printable stand-ins for the 256 bytes."""
    other = 255
    for byte in range(256):
        if 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte <= 255:
            yield chr(byte)
        else:
            other += 1
            yield chr(other)


def main(folder):
    folder.mkdir(parents=True)
    flags = dict.fromkeys(["normalized", "lstrip", "rstrip", "single_word"], False)
    tokenizer = {
        "version": "1.0",
        "added_tokens": [{"id": 256 + i, "content": m, "special": True, **flags} for i, m in enumerate(MARKS)],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {name: i for i, name in enumerate(byte_names())}, "merges": []},
    }
    template = (
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] "
        "+ '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": MARKS[1], "chat_template": template}))
    write_model(folder, 256 + len(MARKS))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
