#!/usr/bin/env python3
"""Makes sentencepiece/: a small SentencePiece model, and what references make of strings.

    make_sentencepiece.py            writes next to itself; needs Python with sentencepiece, protobuf and tokenizers

    tokenizer.model        BPE with byte fallback, trained on a few sentences
    tokenizer.json         the same for `tokenizers`, as Llama 2 has it
    cases.json             strings with the ids of `sentencepiece`, and those of `tokenizers` for tokenizer.json and
                           variants of its parts
"""

import io
import json
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent / "sentencepiece"
CORPUS = [
    "the quick brown fox jumps over the lazy dog and the cat, isn't it? it's 2024, we'll see",
    "fine-tuning only the sensitive neurons of a language model on small clusters of computers",
    "la volpe veloce salta sopra il cane pigro; perché no? così è la vita, più o meno",
    "der schnelle braune Fuchs springt über den faulen Hund; schön, größer, Straße",
    "日本語の文章です。日本語の文章でした。",
] * 4
STRINGS = [
    "", " ", "  ", "a", " a", "  a", "the quick brown fox", "the  quick\tfox\n\n the", "perché no? größer über Straße",
    "日本語の文章です。", "zebra 👍🏽 \x00\x04", "▁", "a▁b ▁ c", "<0x0A>", "aaaaaaaa", "<s>", "<s>the", "the<s>the", "<s> the",
    "the </s>\n<s> fox", "<user>fox <user>", "e\u0301 \u212b", "\u3000x\u00a0", "trailing ", "thethethe",
]


def model():
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=trained, model_type="bpe", vocab_size=400, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        user_defined_symbols=["<user>"], minloglevel=2,
    )
    return trained.getvalue()


def document(proto):
    pieces = [(piece.piece, piece.score, piece.type) for piece in proto.pieces]
    ids = {text: id for id, (text, _, _) in enumerate(pieces)}
    merges = [
        (-score, ids[text[:i]], [text[:i], text[i:]])
        for text, score, type in pieces if type == 1
        for i in range(1, len(text)) if text[:i] in ids and text[i:] in ids
    ]
    added = [
        {"id": id, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": type != 4}
        for id, (text, _, type) in enumerate(pieces) if type in (2, 3, 4)
    ]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "post_processor": None,
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
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
            "merges": [pair for _, _, pair in sorted(merges, key=lambda merge: merge[:2])],
        },
    }


def variants(document):
    metaspace = {"type": "Metaspace", "replacement": "▁", "split": False}
    normalized = [token | {"normalized": token["content"] == "<s>"} for token in document["added_tokens"]]
    return {
        "as Llama 2": {},
        "normalized special token": {"added_tokens": normalized},
        "without prefix": {"normalizer": document["normalizer"]["normalizers"][1]},
    } | {
        f"Metaspace {scheme}": {"normalizer": None, "pre_tokenizer": metaspace | {"prepend_scheme": scheme}}
        for scheme in ("first", "always", "never")
    }


def main():
    HERE.mkdir(exist_ok=True)
    trained = model()
    (HERE / "tokenizer.model").write_bytes(trained)
    processor = sentencepiece.SentencePieceProcessor(model_proto=trained)
    own = document(sentencepiece_model_pb2.ModelProto.FromString(trained))
    (HERE / "tokenizer.json").write_text(json.dumps(own, ensure_ascii=True) + "\n")
    (HERE / "tokenizer_config.json").write_text('{"bos_token": "<s>", "eos_token": "</s>"}\n')
    cases = [{
        "name": "sentencepiece", "patch": {},
        "rows": [
            {"text": text, "ids": (ids := processor.encode(text)), "decoded": processor.decode(ids)} for text in STRINGS
        ],
    }]
    for name, patch in variants(own).items():
        tokenizer = Tokenizer.from_str(json.dumps(own | patch))
        rows = []
        for text in STRINGS:
            ids = tokenizer.encode(text).ids
            rows.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
        cases.append({"name": name, "patch": patch, "rows": rows})
    text = "[\n" + ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases) + "\n]\n"
    (HERE / "cases.json").write_text(text)


if __name__ == "__main__":
    main()
