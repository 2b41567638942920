#!/usr/bin/env python3
"""Makes files that are wrong, each in one way, and says what a reader must answer. Needs Python 3.11, nothing else; the
same bytes every time.

    make.py FOLDER       writes FOLDER/valid/READER/…, FOLDER/cases/READER/NAME/… and FOLDER/cases.json

cases.json lists for each case `reader`, `name`, `path` (what the reader is given), `says` (words of the error: the file's
name first) and `accepted`: whether the file is read all the same, with the reason in `why`.
"""

import json
import os
import sys
from pathlib import Path

import binary
import folders
import texts
from base import *

VALID = {
    "safetensors": {"file.safetensors": safetensors(WEIGHTS, {"format": "pt"})},
    "gguf": {"file.gguf": gguf(gguf_metadata(), gguf_tensors())},
    "model": folders.MODEL,
    "tokenizer": {name: folders.MODEL[name] for name in ["tokenizer.json", "tokenizer_config.json"]},
    "sentencepiece": {"tokenizer.model": sentencepiece(), "tokenizer_config.json": b"{}"},
    "ggufTokenizer": {"file.gguf": gguf(gguf_metadata(), gguf_tensors())},
    "data": {"file.jsonl": texts.ROWS},
    "options": {"file.yaml": texts.OPTIONS},
    "mask": {"file.safetensors": mask(ROWS)},
    "profile": {"file.safetensors": profile()},
    "adapter": {"file.safetensors": adapter()},
    "lora": folders.LORA,
    "checkpoint": checkpoint(),
    "run": run(),
}


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        if isinstance(content, binary.Sparse):
            with open(path, "wb") as file:
                file.write(content.head)
                file.truncate(content.size)
        elif content is folders.PIPE:
            os.mkfifo(path)
        elif content is not None:
            path.write_bytes(content)


def main():
    out = Path(sys.argv[1])
    for reader, files in VALID.items():
        write(out / "valid" / reader, files)
    listed = []
    for case in binary.cases() + texts.cases() + folders.cases():
        folder = out / "cases" / case.reader / case.name
        if folder.exists():
            raise SystemExit(f"{case.reader}/{case.name} is there twice")
        only = next(iter(VALID[case.reader])) if len(VALID[case.reader]) == 1 else ""
        write(folder, {only: case.files} if only and not isinstance(case.files, dict) else VALID[case.reader] | case.files)
        listed.append({
            "reader": case.reader, "name": case.name, "path": str((folder / only).relative_to(out)), "says": case.says,
            "accepted": bool(case.why), "why": case.why,
        })
    (out / "cases.json").write_text(json.dumps(listed, indent=1))


main()
