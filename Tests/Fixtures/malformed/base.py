"""The small valid files that make.py damages: a Llama of one layer with a tokenizer of bytes, and files about it."""

import hashlib
import json
import math
import struct

HIDDEN, INNER, HEADS, KEY_VALUE, VOCABULARY = 8, 16, 2, 4, 258
MODULES = {
    "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (KEY_VALUE, HIDDEN),
    "self_attn.v_proj": (KEY_VALUE, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN), "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN), "mlp.down_proj": (HIDDEN, INNER),
}
UP = "model.layers.0.mlp.up_proj"
# In the order of the base hash.
SHAPES = {f"model.layers.0.{name}.weight": shape for name, shape in MODULES.items()} | {
    "model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.layers.0.input_layernorm.weight": (HIDDEN,),
    "model.layers.0.post_attention_layernorm.weight": (HIDDEN,), "model.norm.weight": (HIDDEN,),
}
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I32": 4, "I64": 8}


def floats(count, seed):
    """Repeatable numbers of a Lehmer generator, about ±0.2."""
    state, values = seed * 7919 + 1, []
    for _ in range(count):
        state = state * 48271 % 2147483647
        values.append((state / 2147483647 - 0.5) * 0.4)
    return struct.pack(f"<{count}f", *values)


def ints(values):
    return struct.pack(f"<{len(values)}i", *values)


def doubles(values):
    return struct.pack(f"<{len(values)}d", *values)


def dump(value):
    return json.dumps(value, ensure_ascii=False).encode()


def safetensors(tensors, metadata=None, edit=None, data=None):
    """tensors: name → (dtype, shape, bytes). `edit` may change the header, `data` takes the place of the bytes."""
    header, offset, body = {}, 0, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (kind, shape, content) in tensors.items():
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [offset, offset + len(content)]}
        offset += len(content)
        body += content
    if edit:
        edit(header)
    return raw_safetensors(dump(header), body if data is None else data)


def raw_safetensors(header, data=b"", length=None):
    return struct.pack("<Q", len(header) if length is None else length) + header + data


WEIGHTS = {
    name: ("F32", shape, floats(math.prod(shape), seed + 1)) for seed, (name, shape) in enumerate(SHAPES.items())
}
CONFIG = {
    "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": 1,
    "num_attention_heads": HEADS, "num_key_value_heads": 1, "rms_norm_eps": 1e-05, "vocab_size": VOCABULARY,
    "max_position_embeddings": 64, "rope_theta": 10000, "tie_word_embeddings": True,
}


def base_hash():
    text = (
        f"architecture=llama hidden={HIDDEN} intermediate={INNER} layers=1 heads={HEADS} kvHeads=1 headDim=4 "
        f"vocabulary={VOCABULARY} ropeTheta=10000.0 rmsNormEps=1e-05 tied=true"
    )
    digest = hashlib.sha256(text.encode())
    for name, (_, shape, content) in WEIGHTS.items():
        digest.update(f"\n{name} {list(shape)}\n".encode() + content)
    return digest.hexdigest()


BASE_HASH = base_hash()


def byte_alphabet():
    """GPT-2's characters for bytes."""
    other, characters = 255, []
    for byte in range(256):
        printable = 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte <= 255
        other += not printable
        characters.append(chr(byte if printable else other))
    return characters


ALPHABET = byte_alphabet()
TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def tokenizer():
    added = [
        {"id": 256 + i, "content": text, "special": True, "normalized": False, "lstrip": False, "rstrip": False,
         "single_word": False}
        for i, text in enumerate(["<|im_start|>", "<|im_end|>"])
    ]
    return {
        "version": "1.0", "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {c: i for i, c in enumerate(ALPHABET)}, "merges": []},
    }


TOKENIZER_CONFIG = {"eos_token": "<|im_end|>", "chat_template": TEMPLATE}


def sentencepiece_pieces():
    """(text, score, type): unknown, control, 256 bytes, and a few words."""
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    words = ["\u2581", "a", "b", "ab", "\u2581a", "\u2581ab", "c"]
    return pieces + [(word, -float(rank), 1) for rank, word in enumerate(words)]


def varint(value):
    parts = b""
    while value > 127:
        parts += bytes([value & 127 | 128])
        value >>= 7
    return parts + bytes([value])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def sentencepiece(pieces=None, trainer=None, normalizer=None):
    """A `tokenizer.model`."""
    out = b""
    for text, score, kind in pieces if pieces is not None else sentencepiece_pieces():
        text = text if isinstance(text, bytes) else text.encode()
        piece = field(1, text) + varint(2 << 3 | 5) + struct.pack("<f", score) + varint(3 << 3) + varint(kind)
        out += field(1, piece)
    out += field(2, varint(3 << 3) + varint(2) if trainer is None else trainer)
    return out + field(3, varint(4 << 3) + varint(0) if normalizer is None else normalizer)


# GGUF

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMATS = {U8: "<B", I8: "<b", U16: "<H", I16: "<h", U32: "<I", I32: "<i", F32: "<f", BOOL: "<?", U64: "<Q", I64: "<q",
           F64: "<d"}


def gguf_string(text):
    text = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(text)) + text


def gguf_value(kind, value):
    if kind == STRING:
        return gguf_string(value)
    if kind == ARRAY:
        inner, values = value
        return struct.pack("<IQ", inner, len(values)) + b"".join(gguf_value(inner, v) for v in values)
    return struct.pack(FORMATS[kind], value)


def gguf(values, tensors, counts=None, version=3, magic=b"GGUF"):
    """values: (key, type, value); raw bytes stand for themselves. tensors: (name, dimensions, type, offset, bytes)."""
    out = magic + struct.pack("<IQQ", version, *(counts or (len(tensors), len(values))))
    for key, kind, value in values:
        out += gguf_string(key) + struct.pack("<I", kind)
        out += value if isinstance(value, bytes) and kind != STRING else gguf_value(kind, value)
    offset = 0
    for name, dimensions, kind, place, content in tensors:
        out += gguf_string(name) + struct.pack("<I", len(dimensions))
        out += b"".join(struct.pack("<Q", d) for d in dimensions)
        out += struct.pack("<IQ", kind, offset if place is None else place)
        offset += (len(content) + 31) // 32 * 32
    out += b"\0" * (-len(out) % 32)
    return out + b"".join(content + b"\0" * (-len(content) % 32) for _, _, _, _, content in tensors)


GGUF_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}


def gguf_name(name):
    if name.startswith("model.layers."):
        return f"blk.0.{GGUF_NAMES[name.removeprefix('model.layers.0.').removesuffix('.weight')]}.weight"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]


def gguf_tensors():
    return [
        (gguf_name(name), tuple(reversed(shape)), 0, None, content) for name, (_, shape, content) in WEIGHTS.items()
    ]


def gguf_metadata():
    tokens = ALPHABET + ["<|im_start|>", "<|im_end|>"]
    return [
        ("general.architecture", STRING, "llama"), ("llama.embedding_length", U32, HIDDEN),
        ("llama.feed_forward_length", U32, INNER), ("llama.block_count", U32, 1),
        ("llama.attention.head_count", U32, HEADS), ("llama.attention.head_count_kv", U32, 1),
        ("llama.context_length", U32, 64), ("llama.rope.freq_base", F32, 10000.0),
        ("llama.attention.layer_norm_rms_epsilon", F32, 1e-05), ("tokenizer.ggml.model", STRING, "gpt2"),
        ("tokenizer.ggml.pre", STRING, "gpt-2"), ("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
        ("tokenizer.ggml.token_type", ARRAY, (I32, [1] * 256 + [3, 3])),
        ("tokenizer.ggml.merges", ARRAY, (STRING, [])), ("tokenizer.ggml.eos_token_id", U32, 257),
        ("tokenizer.chat_template", STRING, TEMPLATE),
    ]


# Files about the model

def mask_hash(rows):
    text = f"neurons {BASE_HASH}\n" + "".join(f"{module} {list(values)}\n" for module, values in rows.items())
    return hashlib.sha256(text.encode()).hexdigest()


def mask(rows, metadata=None, edit=None):
    own = {"formatVersion": "1", "kind": "neurons", "baseHash": BASE_HASH, "maskHash": mask_hash(rows)}
    tensors = {f"{module}.rows": ("I32", (len(values),), ints(values)) for module, values in rows.items()}
    return safetensors(tensors, own | (metadata or {}), edit)


def profile(scores=None, metadata=None, edit=None):
    own = {"formatVersion": "1", "kind": "profile", "method": "gradient", "baseHash": BASE_HASH}
    if scores is None:
        scores = {
            f"model.layers.0.{name}": [float(i + j) for i in range(shape[0])]
            for j, (name, shape) in enumerate(MODULES.items())
        }
    tensors = {f"{module}.scores": ("F64", (len(values),), doubles(values)) for module, values in scores.items()}
    return safetensors(tensors, own | (metadata or {}), edit)


def adapter(rows=(1, 3), metadata=None, edit=None, module=UP, weight=None, extra=None):
    own = {"formatVersion": "1", "kind": "adapter", "baseHash": BASE_HASH, "maskHash": ""}
    tensors = {
        f"{module}.rows": ("I32", (len(rows),), ints(rows)),
        f"{module}.weight": weight or ("F32", (len(rows), HIDDEN), floats(len(rows) * HIDDEN, 5)),
    } | (extra or {})
    return safetensors(tensors, own | (metadata or {}), edit)


LORA_CONFIG = {
    "peft_type": "LORA", "r": 2, "lora_alpha": 4, "lora_dropout": 0.0, "bias": "none", "use_dora": False,
    "rank_pattern": {}, "modules_to_save": None,
}


def lora_tensors():
    prefix = f"base_model.model.{UP}.lora_"
    return {
        f"{prefix}A.weight": ("F32", (2, HIDDEN), floats(2 * HIDDEN, 6)),
        f"{prefix}B.weight": ("F32", (INNER, 2), floats(2 * INNER, 7)),
    }


LORA_METADATA = {"format": "pt", "baseHash": BASE_HASH}
ROWS = {UP: (1, 3)}
STATE = {
    "formatVersion": 1, "step": 2, "totalSteps": 4, "updates": 2, "valueCount": 2 * HIDDEN,
    "summary": {
        "steps": 2, "skippedSteps": 0, "tokens": 20, "seconds": 1.0, "computeSeconds": 1.0, "exchangeSeconds": 0.0,
        "wireBytes": 0, "rawBytes": 0, "lastLosses": [5.5, 5.4],
    },
    "identity": {"facts": [{"name": "seed", "value": "1"}]},
    "maker": {"neftVersion": "0", "arithmetic": "a", "baseHash": BASE_HASH, "maskHash": mask_hash(ROWS)},
    "layout": "0",
}


def moments():
    return {name: ("F32", (2 * HIDDEN,), floats(2 * HIDDEN, 8)) for name in ["firstMoment", "secondMoment"]}


def checkpoint(state=None, manifest=None, **files):
    """A checkpoint's files by name; a file that is None is left out, `manifest` may change what it lists."""
    own = {
        "state.json": dump(STATE if state is None else state), "moments.safetensors": safetensors(moments()),
        "adapter.safetensors": adapter(metadata={"maskHash": mask_hash(ROWS)}), "neurons.safetensors": mask(ROWS),
    }
    own |= {name.replace("_", "."): content for name, content in files.items()}
    own = {name: content for name, content in own.items() if content is not None}
    listed = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in own.items()
    }
    if manifest:
        manifest(listed)
    return own | {"manifest.json": dump({"files": listed})}


MANIFEST = {
    "neftVersion": "0", "libraryVersions": {}, "command": ["neft"], "host": "h", "hosts": ["h"], "cpuModel": "c",
    "blasCoreType": "b", "threads": 1, "ranks": 1, "seed": 1, "baseHash": BASE_HASH, "maskHash": mask_hash(ROWS),
    "trainedParameters": 16, "layerCount": 1,
    "projectionRows": {"q": 8, "k": 4, "v": 4, "o": 8, "gate": 16, "up": 16, "down": 8},
    "dataHashes": {"train.jsonl": "d"}, "startedAt": "2026-01-01T00:00:00Z", "wallSeconds": 1.5,
    "options": {"method": "neft"},
}
METRICS = b'{"step":1,"loss":5.5,"stepSeconds":0.1,"wireBytes":10,"rawBytes":20}\n{"step":2,"loss":null}\n'
DYNAMICS = {
    "method": "gradient", "threshold": 2, "correlation": 0.5,
    "effects": {"stronglyAffected": 1, "suppressed": 0, "indirectlyAffected": 2},
    "layers": [{"stronglyAffected": 1, "suppressed": 0, "indirectlyAffected": 2}],
    "histogram": {"from": -4, "to": 4, "trained": [0, 1], "untrained": [3, 4]},
}
SPARSITY = {
    "threshold": 0.01, "data": "test.jsonl", "correlations": {},
    "states": [{"adapter": None, "sparsity": 0.5, "layers": [0.5], "figures": {"chrf": 20.0}},
               {"adapter": "final", "sparsity": 0.4, "layers": [0.4], "figures": {"chrf": 30.0}}],
}
EVALUATION = {"bleu": 10.5, "chrf": 30.0, "dataHash": "x"}
TRACE = {"traceEvents": [{"name": "forward", "ph": "X", "ts": 0.0, "dur": 5.0, "pid": 0, "tid": 0, "args": {}}],
         "displayTimeUnit": "ms"}


def run(**files):
    """The folder of a run; names with `_` for `.`."""
    own = {
        "manifest.json": dump(MANIFEST), "metrics.jsonl": METRICS, "neurons.safetensors": mask(ROWS),
        "profile.safetensors": profile(), "evaluation.json": dump(EVALUATION), "dynamics.json": dump(DYNAMICS),
        "sparsity.json": dump(SPARSITY), "trace.json": dump(TRACE),
    }
    return own | {name.replace("_", "."): content for name, content in files.items()}
