"""Compares the tokenizers that `neft export` writes, read by llama.cpp and by `tokenizers`, with neft's own on random
strings; see Tests/long/tokenizers, which runs it.

usage: exported_tokenizers.py FOLDER NEFT PROGRAM [COUNT [NAME ...]]

FOLDER and PROGRAM are those of compare_tokenizers.py. Each directory gets the weights of a tiny model and is exported
as GGUF, and that as a directory again. Ends with exit code 1 if an id differs. COUNT is at most 2000, the default.
"""

import http.client
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

import xllamacpp
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parent))
from nasty_strings import nasty_strings
from tiny_model import write_model
from vocabularies import added_token, make_vocabularies, write_json

NAMES = ["gpt2", "smollm2", "llama3", "qwen2", "llama2", "llama2-prepend", "mistral-v1", "mistral-v1-prepend",
         "mistral-v3", "mistral-v3-prepend"]
# Added to each vocabulary, as fine-tuned models do: a special token and one that is none.
ADDED = [("<|tool|>", True), ("<tool_call>", False)]
# Texts of which llama.cpp gives other ids than the GGUF file's tokens and merges do. It makes an end token of what is
# spelled like one ("control-looking token … its type will be overridden"): of Qwen2's ordinary token `</s>`, too. And
# bytes without a token, of which SmolLM2 has some, it drops after merging and not before.
READ_OTHERWISE = {"qwen2": "</s>", "smollm2": "[\x04\x06\x13\x14\x16\x1d\U00040000-\U000bffff]"}


def survives_gguf(name, text):
    """Whether a GGUF file has a place for what the source's tokenizer does with a text: it has none for NFC."""
    return name != "qwen2" or unicodedata.is_normalized("NFC", text)


def is_read_alike(name, text):
    return name not in READ_OTHERWISE or not re.search(READ_OTHERWISE[name], text)


def add_tokens(folder):
    """Adds ADDED to the tokenizer of a directory; how many tokens it has then."""
    path = folder / "tokenizer.json"
    if path.exists():
        document = json.loads(path.read_text())
        size = 1 + max([*document["model"]["vocab"].values(), *(token["id"] for token in document["added_tokens"])])
        document["added_tokens"] += [added_token(size + i, *token) for i, token in enumerate(ADDED)]
    else:
        size = SentencePieceProcessor(model_file=str(folder / "tokenizer.model")).vocab_size()
        path = folder / "tokenizer_config.json"
        document = json.loads(path.read_text())
        document["added_tokens_decoder"] = {size + i: added_token(size + i, *token) for i, token in enumerate(ADDED)}
    write_json(path, document)
    return size + len(ADDED)


def by_neft(program, path, texts, *options):
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    command = [program, str(path), *options]
    answer = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line)["ids"] for line in answer.stdout.splitlines()]


def by_llama(path, texts):
    """The ids with special tokens found in the texts, and with these as ordinary text."""
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.verbosity, params.warmup = 256, 1, -1, False
    server = xllamacpp.Server(params)
    connection = http.client.HTTPConnection(server.listening_address.removeprefix("http://"))

    def ids(text, parse_special):
        request = {"content": text, "add_special": False, "parse_special": parse_special}
        connection.request("POST", "/tokenize", json.dumps(request), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())["tokens"]

    return [ids(text, True) for text in texts], [ids(text, False) for text in texts]


def by_tokenizers(path, texts):
    tokenizer = Tokenizer.from_file(str(path))
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


def compare(vocabulary, neft, program, count, work):
    name, source, gguf = vocabulary.name, work / "source", work / "gguf/model.gguf"
    shutil.copytree(vocabulary.path, source)
    # A few rows more than tokens, as many models have.
    write_model(source, add_tokens(source) + 5)
    for model, format in [(source, "gguf"), (gguf, "hf")]:
        command = [neft, "export", "-m", str(model), "--format", format, "-o", str(work / format), "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    words = vocabulary.words + [token for token, _ in ADDED] * (len(vocabulary.words) // 20)
    texts = nasty_strings(random.Random(f"{name} 2"), count, words)
    own = by_neft(program, gguf, texts)
    found, plain = by_llama(gguf, texts)
    wrong = [
        show(name, "neft, the source", texts, by_neft(program, source, texts), own, survives_gguf),
        show(name, "llama.cpp", texts, found, own, is_read_alike),
        show(name, "llama.cpp, plain", texts, plain, by_neft(program, gguf, texts, "--plain"), is_read_alike),
        show(name, "tokenizers", texts, by_tokenizers(work / "hf/tokenizer.json", texts), own),
    ]
    return sum(wrong)


def show(name, reader, texts, found, own, is_same=lambda name, text: True):
    rows = [row for row in zip(texts, found, own, strict=True) if is_same(name, row[0])]
    wrong = [row for row in rows if row[1] != row[2]]
    print(f"exported {name:18} {reader:16} {len(rows)} strings, {len(wrong)} differ", flush=True)
    for text, ids, right in wrong[:5]:
        print(f"    {text!r}\n      found {ids}\n      neft  {right}")
    return len(wrong)


def main():
    folder, neft, program = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    count = min(2000, int(sys.argv[4])) if len(sys.argv) > 4 else 2000
    names = sys.argv[5:]
    failures = 0
    for vocabulary in make_vocabularies(folder):
        if vocabulary.name in NAMES and (not names or vocabulary.name in names):
            with tempfile.TemporaryDirectory() as work:
                failures += compare(vocabulary, neft, program, count, Path(work))
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
