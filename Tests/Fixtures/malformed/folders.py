"""Folders with one damaged file: models, tokenizers, LoRA, checkpoints, runs."""

import copy
import json
import math
import struct

from base import *
from binary import Sparse
from cases import accepted, refused

# A named pipe that nobody writes to.
PIPE = object()

MODEL = {
    "config.json": dump(CONFIG), "model.safetensors": safetensors(WEIGHTS, {"format": "pt"}),
    "tokenizer.json": dump(tokenizer()), "tokenizer_config.json": dump(TOKENIZER_CONFIG),
}
LORA = {"adapter_config.json": dump(LORA_CONFIG), "adapter_model.safetensors": safetensors(lora_tensors(), LORA_METADATA)}


def changed(value, path, new):
    """A copy with another value at a path of keys; REMOVED takes the key away."""
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    if new is REMOVED:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return value


REMOVED = object()
NESTED = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
# What any file that must be JSON can be instead.
NO_JSON = [
    ("empty", b"", "an end where a value should be"), ("cut", b'{"a": ', "an end where a value should be"),
    ("nan", b'{"a": NaN}', "no JSON value"), ("nested", NESTED, "more than 128 values inside each other"),
    ("not-utf-8", b'{"a": "\xff"}', "not UTF-8"), ("lone-surrogate", b'{"a": "\\udfff"}', "half of a surrogate pair"),
    ("key-twice", b'{"a": 1, "a": 2}', 'the key "a" for the second time'), ("out-of-range", b'{"a": 1e400}', "a number out of range"),
    ("pipe", PIPE, "not a regular file"), ("sparse", Sparse(b"{", 1 << 40), "1099511627776 bytes"),
]


def model_cases():
    file = "config.json"

    def config(name, path, value, *says):
        return refused("model", name, {file: dump(changed(CONFIG, path, value))}, file, *says)

    for name, content, says in NO_JSON:
        yield refused("model", f"config-{name}", {file: content}, file, says)
    yield refused("model", "config-missing", {file: None}, file, "no such file")
    yield refused("model", "config-list", {file: b"[]"}, file, "JSON that is not an object")
    for key in ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings", "model_type"]:
        yield config(f"no-{key.replace('_', '-')}", [key], REMOVED, f"{key}: missing")
    for name, value in [("text", "8"), ("fraction", 8.5), ("flag", True), ("list", [8]), ("huge", 2**70), ("null", None)]:
        yield config(f"hidden-size-{name}", ["hidden_size"], value, "hidden_size: ", "expected a whole number")
    for name, value in [("zero", 0), ("negative", -8), ("2-40", 2**40), ("int64", 2**63 - 1)]:
        yield config(f"hidden-size-{name}", ["hidden_size"], value, "hidden size: ")
        yield config(f"layers-{name}", ["num_hidden_layers"], value, "layers: ")
        yield config(f"heads-{name}", ["num_attention_heads"], value, "heads")
        yield config(f"vocabulary-{name}", ["vocab_size"], value, "vocabulary: ")
    yield config("context-2-40", ["max_position_embeddings"], 2**40, "context length: ")
    yield config("heads-not-divisible", ["num_key_value_heads"], 3, "2 heads, 3 key-value heads")
    yield config("head-dim-odd", ["head_dim"], 3, "of dimension 3")
    yield config("theta-zero", ["rope_theta"], 0, "rotary base", "0.0 and")
    yield config("theta-negative", ["rope_theta"], -1e4, "rotary base")
    yield config("theta-text", ["rope_theta"], "10000", "rope_theta: 10000; expected a number")
    yield refused("model", "theta-inside-text", {file: dump(changed(changed(CONFIG, ["rope_theta"], REMOVED), ["rope_parameters"], {"rope_theta": "x"}))}, file, "rope_parameters.rope_theta: x; expected a number")
    yield config("eps-negative", ["rms_norm_eps"], -1, "norm's epsilon")
    yield config("eps-1e300", ["rms_norm_eps"], 1e300, "norm's epsilon")
    yield config("scaling-llama3", ["rope_scaling"], {"rope_type": "llama3"}, "rope_scaling.factor: missing")
    yield config("scaling-linear-1e30", ["rope_scaling"], {"type": "linear", "factor": 1e30}, "rope_scaling.factor: 1e+30")
    yield config("scaling-linear-1e-30", ["rope_scaling"], {"type": "linear", "factor": 1e-30}, "rope_scaling.factor: 1e-30")
    yield config("scaling-llama3-1e30", ["rope_scaling"], {"rope_type": "llama3", "factor": 1e30, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64}, "rope_scaling.factor: 1e+30")
    yield config("scaling-yarn", ["rope_scaling"], {"rope_type": "yarn"}, "rope_scaling: yarn")
    yield config("scaling-text", ["rope_scaling"], "linear", "rope_scaling: linear; expected an object")
    yield config("scaling-number", ["rope_scaling"], {"type": 5}, "rope_scaling.type: 5; expected a string")
    yield config("bias", ["attention_bias"], True, "attention_bias: true")
    yield config("bias-text", ["attention_bias"], "no", "attention_bias: no; expected true or false")
    yield config("activation", ["hidden_act"], "gelu", "hidden_act: gelu")
    yield config("architecture", ["model_type"], "mamba", 'architecture "mamba"')
    yield config("architecture-number", ["model_type"], 1, "model_type: 1; expected a string")
    weights = "model.safetensors"
    yield refused("model", "other-sizes", {file: dump(changed(CONFIG, ["intermediate_size"], 32))}, weights, "mlp.gate_proj.weight: shape [16, 8]; expected [32, 8]")
    yield refused("model", "more-layers", {file: dump(changed(CONFIG, ["num_hidden_layers"], 2))}, "model.layers.1.self_attn.q_proj.weight: no such tensor")
    yield refused("model", "untied", {file: dump(changed(CONFIG, ["tie_word_embeddings"], False))}, "lm_head.weight: no such tensor")
    yield refused("model", "no-weights", {weights: None}, "neither model.safetensors nor")
    yield refused("model", "weights-of-i32", {weights: safetensors(WEIGHTS | {"model.norm.weight": ("I32", (HIDDEN,), bytes(32))})}, weights, "model.norm.weight: element type I32")
    yield refused("model", "weights-are-a-pipe", {weights: PIPE}, weights, "not a regular file")
    index = "model.safetensors.index.json"

    def shards(name, value, *says):
        content = value if isinstance(value, bytes) else dump(value)
        return refused("model", f"index-{name}", {weights: None, index: content, "a.safetensors": safetensors(WEIGHTS)}, *says)

    listed = {name: "a.safetensors" for name in WEIGHTS}
    yield shards("not-json", b"{", index, "not JSON: no key in quotes at line 1, column 2")
    yield shards("no-map", {}, index, "weight_map: no map")
    yield shards("map-of-numbers", {"weight_map": {"a": 1}}, index, "weight_map")
    yield shards("file-missing", {"weight_map": {"a": "b.safetensors"}}, "b.safetensors", "No such file")
    yield shards("path", {"weight_map": {"a": "../../a.safetensors"}}, index, "../../a.safetensors: a path")
    yield shards("parent", {"weight_map": {"a": ".."}}, "not a regular file")
    yield shards("tensor-missing", {"weight_map": listed | {"more": "a.safetensors"}}, "a.safetensors", "more: no such tensor")
    yield shards("tensor-not-listed", {"weight_map": {"model.norm.weight": "a.safetensors"}}, "no such tensor")
    yield shards("empty", {"weight_map": {}}, "no such tensor")


def tokenizer_cases():
    file = "tokenizer.json"
    own = tokenizer()

    def bad(name, path, value, *says):
        return refused("tokenizer", name, {file: dump(changed(own, path, value))}, file, *says)

    for name, content, says in NO_JSON:
        yield refused("tokenizer", f"file-{name}", {file: content}, file, says)
        yield refused("tokenizer", f"config-{name}", {"tokenizer_config.json": content}, "tokenizer_config.json", says)
    yield refused("tokenizer", "file-missing", {file: None}, file, "no such file")
    yield refused("tokenizer", "config-missing", {"tokenizer_config.json": None}, "tokenizer_config.json", "no such file")
    yield refused("tokenizer", "file-number", {file: b"5"}, file, "wrong type")
    yield bad("no-model", ["model"], REMOVED, "model is missing")
    yield bad("unigram", ["model", "type"], "Unigram", 'model.type is "Unigram"')
    yield bad("vocab-list", ["model", "vocab"], [["a", 0]], "model.vocab has the wrong type")
    yield bad("vocab-text", ["model", "vocab", "a"], "x", "model.vocab.a has the wrong type")
    yield bad("vocab-fraction", ["model", "vocab", "a"], 0.5, "out of range")
    yield bad("id-beyond-int32", ["model", "vocab", "a"], 2**31, "out of range")
    yield bad("id-beyond-int64", ["model", "vocab", "a"], 2**64, "out of range")
    yield bad("id-negative", ["model", "vocab", "a"], -1, "has id -1")
    yield bad("id-largest", ["model", "vocab", "a"], 2**31 - 1, "has id 2147483647")
    yield bad("id-twice", ["model", "vocab", "a"], 66, "taken or outside")
    yield bad("hole", ["model", "vocab", "a"], REMOVED, "taken or outside")
    yield bad("empty-token", ["model", "vocab", ""], 258, "has id 258")
    twice = dump(own).replace(b'"a": 97', b'"a": 97, "a": 98')
    yield refused("tokenizer", "token-twice", {file: twice}, file, 'the key "a" for the second time')
    yield bad("merges-number", ["model", "merges"], 1, "model.merges has the wrong type")
    yield bad("merge-of-one", ["model", "merges"], ["ab"], 'merges[0] is "ab"')
    yield bad("merge-of-three", ["model", "merges"], [["a", "b", "c"]], "model.merges[0] is")
    yield bad("merge-empty", ["model", "merges"], [["a", ""]], "model.merges[0] is")
    yield bad("merge-unknown", ["model", "merges"], [["a", "b"]], 'merges[0] names "ab"')
    yield bad("merges-in-a-circle", ["model", "merges"], ["ab a", "a ba", "b ab"], "merges[0] names")
    yield bad("merges-of-lists", ["model", "merges"], [[["a"], "b"]], "wrong type")
    yield bad("dropout", ["model", "dropout"], 0.1, "model.dropout is 0.1")
    yield bad("unknown-token", ["model", "unk_token"], "<none>", 'model.unk_token is "<none>"')
    yield bad("bytes-missing", ["model", "byte_fallback"], True, "decoder is ByteLevel")
    yield bad("added-id-far", ["added_tokens", 0, "id"], 2**31 - 1, "has id 2147483647")
    yield bad("added-id-negative", ["added_tokens", 0, "id"], -5, "has id -5")
    yield bad("added-id-of-another", ["added_tokens", 0, "id"], 65, "has id 65")
    yield bad("added-empty", ["added_tokens", 0, "content"], "", "added token 256 has no text")
    yield bad("added-single-word", ["added_tokens", 0, "single_word"], True, "single_word")
    yield bad("added-no-content", ["added_tokens", 0, "content"], REMOVED, "added_tokens", "content is missing")
    yield bad("normalizer", ["normalizer"], {"type": "Lowercase"}, "normalizer is Lowercase")
    yield bad("normalizer-text", ["normalizer"], "NFC", "normalizer has the wrong type")
    yield bad("pre-tokenizer", ["pre_tokenizer"], {"type": "Whitespace"}, "pre_tokenizer is Whitespace")
    yield bad("pre-tokenizer-null", ["pre_tokenizer"], None, "pre_tokenizer is missing")
    yield bad("pattern", ["pre_tokenizer"], {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated"}, "pre_tokenizer is Split")
    deep = {"type": "ByteLevel"}
    for _ in range(50):
        deep = {"type": "Sequence", "pretokenizers": [deep]}
    yield accepted("tokenizer", "steps-inside-each-other", {file: dump(changed(own, ["pre_tokenizer"], deep))}, "a sequence may hold a sequence")
    yield bad("decoder-null", ["decoder"], None, "decoder is missing")
    yield bad("post-processor", ["post_processor"], {"type": "RobertaProcessing"}, "post_processor RobertaProcessing")
    config = "tokenizer_config.json"
    for name, key, value, says in [
        ("eos-number", "eos_token", 3, "eos_token has the wrong type"), ("eos-unknown", "eos_token", "</s>", 'eos_token is "</s>"'),
        ("bos-unknown", "bos_token", "<s>", 'bos_token is "<s>"'), ("template-number", "chat_template", 3, "chat_template has the wrong type"),
        ("template-unknown", "chat_template", "{{ messages }}", "unknown chat template"), ("template-megabyte", "chat_template", "{% if a %}'" * 100_000, "unknown chat template"),
    ]:
        yield refused("tokenizer", name, {config: dump(changed(TOKENIZER_CONFIG, [key], value))}, config, says)


def sentencepiece_cases():
    file = "tokenizer.model"
    pieces = sentencepiece_pieces()

    def bad(name, content, *says):
        return refused("sentencepiece", name, {file: content}, file, *says)

    def with_piece(piece, at=None):
        return sentencepiece(pieces + [piece] if at is None else pieces[:at] + [piece] + pieces[at + 1:])

    whole = sentencepiece()
    yield bad("empty", b"", "not a SentencePiece model")
    yield bad("text", b"some text that is no protocol buffer", "not a SentencePiece model")
    yield bad("tiktoken", b"IQ== 0\nIg== 1\n", "not a SentencePiece model")
    yield bad("cut", whole[:500], "not a SentencePiece model")
    yield bad("length-of-2-63", b"\x0a" + b"\xff" * 8 + b"\x7f", "not a SentencePiece model")
    yield bad("endless-number", b"\x0a" + b"\xff" * 100, "not a SentencePiece model")
    yield bad("field-0", b"\x02\x00", "not a SentencePiece model")
    yield bad("kind-3", b"\x0b" + whole, "not a SentencePiece model")
    yield bad("no-pieces", sentencepiece([]), "not a SentencePiece model")
    yield bad("not-utf-8", with_piece((b"\xff", 0.0, 1)), "not a SentencePiece model")
    yield bad("unigram", sentencepiece(trainer=varint(3 << 3) + varint(1)), "a model of type unigram")
    yield bad("type-2-40", sentencepiece(trainer=varint(3 << 3) + varint(2**40)), "a model of type 1099511627776")
    yield bad("removes-spaces", sentencepiece(normalizer=varint(4 << 3) + varint(1)), "removes spaces")
    yield bad("character-map", sentencepiece(normalizer=field(2, b"map") + varint(4 << 3) + varint(0)), "character map")
    yield bad("piece-empty", with_piece(("", 0.0, 1)), "has no text")
    yield bad("piece-twice", with_piece(("ab", -9.0, 1)), 'are both "ab"')
    yield bad("byte-missing", sentencepiece(pieces[:3] + pieces[4:]), "no token for the byte 0")
    yield bad("byte-misspelt", with_piece(("<0xZZ>", 0.0, 6), 3), 'byte token 3 is "<0xZZ>"')
    for name, score in [("nan", math.nan), ("infinite", math.inf)]:
        yield bad(f"score-{name}", with_piece(("new", score, 1)), "the score of token", "a finite number")
    yield bad("scores-all-nan", sentencepiece([(text, math.nan, kind) for text, _, kind in pieces] + [(f"x{i}", math.nan, 1) for i in range(20_000)]), "the score of token 0")
    yield bad("piece-of-a-megabyte", with_piece(("a" * (1 << 20), -9.0, 1)), "has 1048576 bytes; expected at most 1024")
    yield bad("pipe", PIPE, "not a regular file")
    config = "tokenizer_config.json"
    for name, value, says in [
        ("added-far", {"added_tokens_decoder": {"99999": {"content": "x"}}}, 'added token "x" with id 99999'),
        ("added-2-63", {"added_tokens_decoder": {str(2**63 - 1): {"content": "x"}}}, "with id 9223372036854775807"),
        ("bos-unknown", {"bos_token": "<none>"}, 'token "<none>"'),
    ]:
        yield refused("sentencepiece", name, {config: dump(value)}, config, says)
    yield accepted("sentencepiece", "scores-alike", {file: sentencepiece([(text, 0.0, kind) for text, _, kind in pieces])}, "the leftmost merge goes first")
    yield accepted("sentencepiece", "ids-far", {file: sentencepiece(trainer=varint(3 << 3) + varint(2) + varint(41 << 3) + varint(2**40) + varint(42 << 3) + varint(2**63))}, "a token that is not there is not used")


def gguf_tokenizer_cases():
    file = "file.gguf"

    def bad(name, key, kind, value, *says):
        values = [entry for entry in gguf_metadata() if entry[0] != key]
        return refused("ggufTokenizer", name, gguf(values + ([(key, kind, value)] if kind is not None else []), gguf_tensors()), file, *says)

    own = "tokenizer.ggml."
    tokens = ALPHABET + ["<|im_start|>", "<|im_end|>"]
    yield bad("no-model", own + "model", None, None, "tokenizer.ggml.model is missing")
    yield bad("model-number", own + "model", U32, 1, "tokenizer.ggml.model is of another kind")
    yield bad("model-bert", own + "model", STRING, "bert", '"bert"')
    yield bad("no-pre", own + "pre", None, None, "tokenizer.ggml.pre is missing")
    yield bad("pre-unknown", own + "pre", STRING, "bloom", 'tokenizer.ggml.pre is "bloom"')
    yield bad("no-tokens", own + "tokens", None, None, "tokenizer.ggml.tokens is missing")
    yield bad("tokens-number", own + "tokens", U32, 5, "tokenizer.ggml.tokens is of another kind")
    yield bad("tokens-of-numbers", own + "tokens", ARRAY, (U8, [1, 2]), "tokenizer.ggml.tokens is of another kind")
    yield bad("no-tokens-at-all", own + "tokens", ARRAY, (STRING, []), "0 tokens and 258 token types")
    yield bad("token-twice", own + "tokens", ARRAY, (STRING, ["a"] + tokens[1:]), 'are both "a"')
    yield bad("token-empty", own + "tokens", ARRAY, (STRING, [""] + tokens[1:]), "token 0 of 258 has no text")
    yield bad("token-not-utf-8", own + "tokens", ARRAY, (STRING, [b"\xff"] + tokens[1:]), "not UTF-8")
    yield bad("types-too-few", own + "token_type", ARRAY, (I32, [1]), "258 tokens and 1 token types")
    yield bad("types-of-text", own + "token_type", ARRAY, (STRING, ["1"] * 258), "tokenizer.ggml.token_type is of another kind")
    yield bad("types-beyond-int32", own + "token_type", ARRAY, (U64, [2**63] * 258), "tokenizer.ggml.token_type is of another kind")
    yield bad("no-merges", own + "merges", None, None, "tokenizer.ggml.merges is missing")
    yield bad("merges-number", own + "merges", U32, 1, "tokenizer.ggml.merges is of another kind")
    yield bad("merge-unknown", own + "merges", ARRAY, (STRING, ["a b"]), 'merges[0] names "ab"')
    yield bad("merge-of-one", own + "merges", ARRAY, (STRING, ["ab"]), 'merges[0] is "ab"')
    yield bad("eos-outside", own + "eos_token_id", U32, 258, "special token 258 in a vocabulary of 258")
    yield bad("eos-beyond-int32", own + "eos_token_id", U64, 2**40, "tokenizer.ggml.eos_token_id is of another kind")
    yield bad("eos-text", own + "eos_token_id", STRING, "</s>", "tokenizer.ggml.eos_token_id is of another kind")
    yield bad("bos-wanted", own + "add_bos_token", BOOL, True, "add_bos_token without bos_token_id")
    yield bad("bos-number", own + "add_bos_token", U32, 1, "tokenizer.ggml.add_bos_token is of another kind")
    yield bad("template-number", "tokenizer.chat_template", U32, 1, "tokenizer.chat_template is of another kind")
    yield bad("template-unknown", "tokenizer.chat_template", STRING, "{{ x }}", "unknown chat template")
    yield bad("scores-missing", own + "model", STRING, "llama", "258 tokens and 0 tokenizer.ggml.scores")
    architecture = "general.architecture"
    yield bad("no-architecture", architecture, None, None, "general.architecture: missing")
    yield bad("architecture", architecture, STRING, "gptj", 'architecture "gptj"')
    yield bad("no-width", "llama.embedding_length", None, None, "llama.embedding_length: missing")
    yield bad("width-text", "llama.embedding_length", STRING, "8", "llama.embedding_length")
    yield bad("width-2-63", "llama.embedding_length", U64, 2**63, "llama.embedding_length")
    yield bad("layers-2-62", "llama.block_count", U64, 2**62, "layers: 4611686018427387904")
    yield bad("layers-2", "llama.block_count", U32, 2, "blk.1.attn_q.weight: no such tensor")
    yield bad("heads-zero", "llama.attention.head_count", U32, 0, "attention heads: 0")
    yield bad("theta-nan", "llama.rope.freq_base", F32, math.nan, "rotary base", "nan")
    yield bad("eps-infinite", "llama.attention.layer_norm_rms_epsilon", F32, math.inf, "norm's epsilon", "inf")
    yield bad("scaling", "llama.rope.scaling.type", STRING, "yarn", "llama.rope.scaling.type: yarn")
    tensors = gguf_tensors()
    for name, values in [("3e38", (1, 3e38)), ("zero", (0, 1)), ("nan", (math.nan, 1))]:
        divisors = ("rope_freqs.weight", (2,), 0, None, struct.pack("<2f", *values))
        yield refused("ggufTokenizer", f"rope-freqs-{name}", gguf(gguf_metadata(), tensors + [divisors]), file, "rope_freqs.weight: ")
    linear = [("llama.rope.scaling.type", STRING, "linear"), ("llama.rope.scaling.factor", F32, 1e30)]
    yield refused("ggufTokenizer", "scaling-1e30", gguf(gguf_metadata() + linear, tensors), file, "rope.scaling.factor: 1")
    for name, at, change, says in [
        ("embedding-shape", 7, lambda t: (t[0], (4, 516), *t[2:]), "token_embd.weight"),
        ("norm-2d", 8, lambda t: (t[0], (4, 2), *t[2:]), "attn_norm.weight: shape [2, 4]; expected [8]"),
        ("norm-q6-k", 8, lambda t: (t[0], t[1], 14, *t[3:]), "attn_norm.weight: rows of 8 values"),
    ]:
        changed_tensors = [change(t) if i == at else t for i, t in enumerate(tensors)]
        yield refused("ggufTokenizer", name, gguf(gguf_metadata(), changed_tensors), file, says)


def lora_cases():
    config, weights = "adapter_config.json", "adapter_model.safetensors"

    def bad(name, path, value, *says):
        return refused("lora", name, {config: dump(changed(LORA_CONFIG, path, value))}, *says)

    for name, content, says in NO_JSON:
        yield refused("lora", f"config-{name}", {config: content}, config, says)
    yield bad("kind", ["peft_type"], "IA3", config, 'peft_type: "IA3"')
    yield bad("kind-missing", ["peft_type"], REMOVED, config, "peft_type: missing")
    yield bad("dora", ["use_dora"], True, config, "use_dora: true")
    yield bad("dora-text", ["use_dora"], "yes", config, "use_dora: yes; expected true or false")
    yield bad("bias", ["bias"], "all", config, 'bias: set for some modules')
    yield bad("ranks", ["rank_pattern"], {"up": 4}, config, "rank_pattern: ")
    yield bad("ranks-list", ["rank_pattern"], ["up"], config, "rank_pattern: ")
    yield bad("more-modules", ["modules_to_save"], ["lm_head"], config, "modules_to_save: set")
    for name, value in [("zero", 0), ("negative", -1), ("2-40", 2**40)]:
        yield bad(f"rank-{name}", ["r"], value, config, "r: ")
    yield bad("rank-text", ["r"], "2", config, "r: 2; expected a whole number")
    yield bad("rank-flag", ["r"], True, config, "expected a whole number")
    yield bad("rank-of-others", ["r"], 3, weights, "lora_A.weight: shape [2, 8]; expected [3, 8]")
    yield bad("alpha-1e300", ["lora_alpha"], 1e300, config, "lora_alpha: 1e+300")
    yield bad("dropout-5", ["lora_dropout"], 5, config, "lora_dropout: 5.0")
    one = dict(list(lora_tensors().items())[:1])
    prefix = "base_model.model."
    yield refused("lora", "one-factor", {weights: safetensors(one, LORA_METADATA)}, weights, "lora_B.weight: no such tensor")
    yield refused("lora", "no-factors", {weights: safetensors({}, LORA_METADATA)}, weights, "no factors")
    yield refused("lora", "weights-missing", {weights: None}, weights, "No such file")
    yield refused("lora", "other-tensors", {weights: safetensors(lora_tensors() | {prefix + "lm_head.lora_A.weight": ("F32", (2, 8), bytes(64))}, LORA_METADATA)}, weights, "tensor base_model.model.lm_head.lora_A.weight")
    yield refused("lora", "wrong-dtype", {weights: safetensors({k: ("I32", s, b) for k, (_, s, b) in lora_tensors().items()}, LORA_METADATA)}, weights, "element type I32")
    yield refused("lora", "another-model", {weights: safetensors(lora_tensors(), {"baseHash": "0" * 64})}, weights, "another model (base hash 000000000000)")


def checkpoint_cases():
    def bad(name, files, *says):
        return refused("checkpoint", name, files, *says)

    def state(name, path, value, *says):
        return bad(f"state-{name}", checkpoint(changed(STATE, path, value)), "checkpoint", *says)

    def listed(name, change, *says):
        return bad(f"manifest-{name}", checkpoint(manifest=change), *says)

    manifest = "manifest.json"
    for name, content, says in NO_JSON:
        yield bad(f"manifest-{name}", {manifest: content}, "manifest.json is damaged", says)
        if isinstance(content, bytes) and content:
            yield bad(f"state-{name}", checkpoint(state_json=content), "state.json cannot be read")
    yield bad("manifest-missing", {manifest: None}, "no manifest.json")
    yield bad("manifest-list", {manifest: b"[]"}, "manifest.json is damaged")
    yield listed("nothing-listed", lambda m: m.clear(), "manifest.json does not list state.json")
    yield listed("no-moments-listed", lambda m: m.pop("moments.safetensors"), "does not list moments.safetensors")
    yield listed("no-adapter-listed", lambda m: m.pop("adapter.safetensors"), "does not list adapter.safetensors")
    yield listed("no-mask-listed", lambda m: m.pop("neurons.safetensors"), "does not list neurons.safetensors")
    yield listed("path", lambda m: m.update({"../state.json": m["state.json"]}), 'damaged: "../state.json" is a path')
    yield listed("parent", lambda m: m.update({"..": m["state.json"]}), ".. is missing or unreadable")
    yield listed("file-missing", lambda m: m.update({"more": m["state.json"]}), "more is missing or unreadable")
    yield listed("bytes", lambda m: m["state.json"].update(bytes=1), "state.json has", "bytes, not 1")
    yield listed("bytes-negative", lambda m: m["state.json"].update(bytes=-1), "bytes, not -1")
    yield listed("bytes-text", lambda m: m["state.json"].update(bytes="1"), "manifest.json is damaged")
    yield listed("hash", lambda m: m["state.json"].update(sha256="0" * 64), "state.json has other bytes than it was saved with")
    yield bad("file-cut", {"moments.safetensors": safetensors(moments())[:-1]}, "moments.safetensors has")
    yield bad("file-changed", {"adapter.safetensors": adapter((1, 4), {"maskHash": mask_hash(ROWS)})}, "adapter.safetensors has other bytes")
    yield state("version", ["formatVersion"], 2, "format version 2")
    yield state("no-step", ["step"], REMOVED, "state.json cannot be read")
    yield state("step-zero", ["step"], 0, "step 0 of 4")
    yield state("step-beyond", ["step"], 5, "step 5 of 4")
    yield state("step-text", ["step"], "2", "state.json cannot be read")
    yield state("step-beyond-int64", ["step"], 2**63, "state.json cannot be read")
    yield state("steps-int64", ["totalSteps"], 2**63 - 1, "step 2 of 9223372036854775807")
    yield state("updates-beyond", ["updates"], 3, "with 3 updates")
    yield state("updates-negative", ["updates"], -1, "with -1 updates")
    yield state("values-zero", ["valueCount"], 0, "of 0 values")
    yield state("values-other", ["valueCount"], 17, "17 values and 4 steps")
    yield state("steps-other", ["totalSteps"], 5, "16 values and 5 steps")
    yield state("summary-text", ["summary"], "none", "state.json cannot be read")
    yield bad("moments-short", checkpoint(moments_safetensors=safetensors({k: ("F32", (8,), floats(8, 1)) for k in moments()})), "firstMoment: shape [8]; expected [16]")
    yield bad("moments-one", checkpoint(moments_safetensors=safetensors(dict(list(moments().items())[:1]))), "secondMoment: no such tensor")
    yield bad("moments-i32", checkpoint(moments_safetensors=safetensors({k: ("I32", (16,), bytes(64)) for k in moments()})), "element type I32")
    yield bad("adapter-other-rows", checkpoint(adapter_safetensors=adapter((1, 4))), "other rows")
    yield bad("adapter-no-rows", checkpoint(adapter_safetensors=safetensors({})), "no such tensor")
    yield bad("mask-damaged", checkpoint(neurons_safetensors=mask(ROWS, {"maskHash": "0" * 64})), "other neurons than its hash says")
    yield bad("mask-empty", checkpoint(neurons_safetensors=mask({})), "no neurons")
    yield bad("best-is-a-folder", checkpoint(manifest=lambda m: m.update({".": m["state.json"]})), ". is missing or unreadable")


def run_cases():
    def file(name, content, *says):
        return refused("run", f"{name.split('.')[0]}-{says[0]}", {name: content}, f"{name}", *says[1:])

    for name, content, says in NO_JSON:
        yield file("manifest.json", content, name, says)
        yield file("dynamics.json", content, name, "neft dynamics --json")
        yield file("sparsity.json", content, name, "neft sparsity --json")
        yield file("evaluation.json", content, name, "neft evaluate --json")
        yield file("trace.json", content, name, "neft train --trace")
    for key in ["seed", "baseHash", "options", "dataHashes"]:
        yield file("manifest.json", dump(changed(MANIFEST, [key], REMOVED)), f"no-{key}", key)
    for name, key, value in [("layers-2-62", "layerCount", 2**62), ("layers-negative", "layerCount", -1), ("rows-2-62", "projectionRows", {"q": 2**62}), ("rows-zero", "projectionRows", {"q": 0}), ("parameters-int64", "trainedParameters", 2**63 - 1)]:
        yield file("manifest.json", dump(changed(MANIFEST, [key], value)), name, "sizes that no model has")
    yield file("manifest.json", dump(changed(MANIFEST, ["seed"], -1)), "seed-negative", "not a manifest")
    yield file("manifest.json", dump(changed(MANIFEST, ["options"], {"a": 1})), "options-numbers", "not a manifest")

    def line(name, text, *says):
        return refused("run", f"metrics-{name}", {"metrics.jsonl": METRICS + text + b"\n"}, "metrics.jsonl:3: ", *says)

    yield line("cut", b'{"step":', "not a step's")
    yield line("empty", b"", "not a step's")
    yield line("no-step", b'{"loss":1}', "not a step's")
    yield line("nan", b'{"step":3,"loss":NaN}', "not a step's")
    yield line("bytes-1e300", b'{"step":3,"wireBytes":1e300,"stepSeconds":1}', "not a step's")
    yield line("bytes-negative", b'{"step":3,"rawBytes":-1e18,"stepSeconds":1}', "not a step's")
    yield line("step-int64", b'{"step":9223372036854775807,"loss":1}', "not a step's")
    yield line("step-twice", b'{"step":3,"step":4}', "not a step's")
    yield line("not-utf-8", b'{"step":3,"x":"\xff"}', "not a step's")
    for name, path, value in [
        ("count-negative", ["layers", 0, "suppressed"], -5), ("count-int64", ["effects", "suppressed"], -2**63),
        ("counts-add-up", ["histogram", "trained"], [2**63 - 1, 1]), ("bins-none", ["histogram", "trained"], []),
        ("bins-other", ["histogram", "trained"], [1]), ("range-turned", ["histogram", "from"], 9), ("threshold-negative", ["threshold"], -2**63),
        ("text", ["correlation"], "high"),
    ]:
        yield file("dynamics.json", dump(changed(DYNAMICS, path, value)), name, "no rank differences")
    for name, path, value in [
        ("no-states", ["states"], []), ("no-layers", ["states", 0, "layers"], []), ("layers-other", ["states", 0, "layers"], [0.1, 0.2]),
        ("share-2", ["states", 0, "sparsity"], 2), ("share-negative", ["states", 1, "layers"], [-1e300]),
    ]:
        yield file("sparsity.json", dump(changed(SPARSITY, path, value)), name, "no shares")
    yield file("evaluation.json", b'{"bleu": "high"}', "text", "no JSON object with a figure")
    yield file("evaluation.json", b"[]", "list", "no JSON object with a figure")
    yield file("trace.json", dump({"traceEvents": [{"name": 1}]}), "event-without-time", "no time line")
    yield file("neurons.safetensors", mask(ROWS, {"maskHash": ""}), "hash", "other neurons")
    yield file("profile.safetensors", b"", "empty", "empty file")
    for name, files, why in [
        ("nothing-yet", {name: None for name in run() if name != "manifest.json"}, "a run may be unfinished"),
        ("line-being-written", {"metrics.jsonl": METRICS + b'{"step":3,"lo'}, "the last line may be unfinished"),
        ("large-losses", {"metrics.jsonl": b'{"step":1,"loss":1e308}\n{"step":2,"loss":-1e308}\n'}, "any number is drawn"),
        ("large-figures", {"evaluation.json": dump({"bleu": 1e308, "loss": -1e308})}, "any number is shown"),
        ("scores-infinite", {"profile.safetensors": profile({UP: [1.0, math.inf, 1e308, 1e-308]})}, "infinite scores have an order"),
        ("long-events", {"trace.json": dump(changed(TRACE, ["traceEvents", 0, "dur"], 1e308))}, "any number is drawn"),
    ]:
        yield accepted("run", name, files, why)


def cases():
    return [
        *model_cases(), *tokenizer_cases(), *sentencepiece_cases(), *gguf_tokenizer_cases(), *lora_cases(),
        *checkpoint_cases(), *run_cases(),
    ]
