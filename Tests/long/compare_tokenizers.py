"""Compares neft's tokenizers with references on random strings; see Tests/long/tokenizers, which runs it.

usage: compare_tokenizers.py FOLDER PROGRAM [COUNT [NAME ...]]

FOLDER/packages holds the Python packages with the vocabularies; what is made of them goes into FOLDER. PROGRAM is the
test executable `tokenize`. Ends with exit code 1 if an id or the text of ids differs.
"""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parent))
from nasty_strings import nasty_strings
from vocabularies import make_vocabularies


def reference(vocabulary):
    """The functions that give the right ids, and the text of ids."""
    if vocabulary.reference.suffix == ".json":
        tokenizer = Tokenizer.from_file(str(vocabulary.reference))
        return (
            lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
            lambda ids: tokenizer.decode(ids, skip_special_tokens=False),
        )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary.reference))
    return processor.encode, processor.decode


def compare(vocabulary, program, count):
    generator = random.Random(f"{vocabulary.name} 1")
    texts = nasty_strings(generator, count, vocabulary.words)
    command = [str(program), str(vocabulary.path)] + (["--plain"] if vocabulary.is_plain else [])
    start = time.monotonic()
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    answer = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    seconds = time.monotonic() - start
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert len(found) == len(texts)
    encode, decode = reference(vocabulary)
    wrong = []
    for text, own in zip(texts, found):
        ids = encode(text)
        right = {"ids": ids, "text": decode(ids) if vocabulary.has_same_text else own["text"]}
        if own != right:
            wrong.append((text, own, right))
    bytes_total = sum(len(text.encode()) for text in texts)
    print(
        f"{vocabulary.name:24} {len(texts)} strings, {bytes_total / 1e6:.1f} MB, {seconds:.1f} s, {len(wrong)} differ",
        flush=True,
    )
    for text, own, right in wrong[:5]:
        print(f"    {text!r}\n      neft      {own}\n      reference {right}")
    return len(wrong)


def main():
    folder, program = Path(sys.argv[1]), Path(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 20_000
    names = sys.argv[4:]
    vocabularies = [v for v in make_vocabularies(folder) if not names or v.name in names]
    if sum(compare(vocabulary, program, count) for vocabulary in vocabularies):
        sys.exit(1)


if __name__ == "__main__":
    main()
