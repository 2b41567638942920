#!/usr/bin/env python3
"""Prepares the large comparison of TokenizationTests: real texts in five languages and their reference ids.

Debian's package descriptions (English, Italian, German, French, Japanese; translated by hand, DDTP) come through apt,
with a private configuration and private lists. llama.cpp, in the xllamacpp wheel, gives the ids.

    reference.py            writes $NEFT_CACHE/tokenizer-reference/{texts.json,ids.json}

Needs apt, the network and $NEFT_CACHE/models/SmolLM2-135M-Instruct.Q4_1.gguf (NEFT_CACHE: `.cache` at the top of the
package unless set). Makes its own virtual environment. Does nothing if the files are there and newer than this script.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("NEFT_CACHE") or Path(__file__).resolve().parents[3] / ".cache").resolve()
OUTPUT = CACHE / "tokenizer-reference"
VENV = CACHE / "venv-reference"
LANGUAGES = ["en", "it", "de", "fr", "ja"]
PER_LANGUAGE = 6000


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)


def enter_venv():
    """Starts this script again under the virtual environment's Python, which has xllamacpp."""
    python = VENV / "bin" / "python"
    if Path(sys.prefix) == VENV:
        return
    if not (VENV / "ready").exists():
        run(sys.executable, "-m", "venv", VENV)
        run(python, "-m", "pip", "install", "--quiet", "xllamacpp==2026.10.11549", "numpy")
        (VENV / "ready").touch()
    os.execv(python, [str(python), *sys.argv])


def translation_lists():
    """Language -> its downloaded description lists."""
    root = CACHE / "ddtp"
    lists = root / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    (root / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    configuration = root / "apt.conf"
    languages = " ".join(f'"{language}";' for language in LANGUAGES)
    configuration.write_text(
        "#clear Acquire::Languages;\n"
        f"Acquire::Languages {{ {languages} }};\n"
        f'Dir::State::Lists "{lists}";\n'
        f'Dir::Cache "{root / "cache"}";\n'
        'APT::Sandbox::User "";\n'
    )

    def find():
        return {code: sorted(lists.glob(f"*_main_i18n_Translation-{code}*")) for code in LANGUAGES}

    if not all(find().values()):
        # A source of the machine's that has no translations, or is down, must not stop this.
        subprocess.run(["apt-get", "-q", "-c", configuration, "update"], stdout=sys.stderr, check=False)
    found = find()
    missing = [code for code, files in found.items() if not files]
    if missing:
        sys.exit(f"apt has no package descriptions in {', '.join(missing)}; is a Debian mirror in sources.list?")
    return found


def descriptions(files, language):
    """The texts of a language: synopsis and long text, with its line breaks; sorted, without repeats."""
    texts = set()
    for file in files:
        content = subprocess.run(
            ["/usr/lib/apt/apt-helper", "cat-file", file], check=True, capture_output=True
        ).stdout.decode("utf-8", "replace")
        for stanza in content.split("\n\n"):
            _, found, text = stanza.partition(f"Description-{language}: ")
            if not found:
                continue
            lines = text.split("\n")
            body = [line for line in lines[1:] if line.startswith(" ")]
            texts.add("\n".join([lines[0]] + ["" if line == " ." else line[1:] for line in body]))
    # An order that has nothing to do with the alphabet, and is the same everywhere.
    return sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())[:PER_LANGUAGE]


def main():
    outputs = [OUTPUT / "texts.json", OUTPUT / "ids.json"]
    own_time = Path(__file__).stat().st_mtime
    if all(path.exists() and path.stat().st_mtime > own_time for path in outputs):
        return
    enter_venv()
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(Path(__file__).parent))
    from llama_tokenizer import LlamaTokenizer

    tokenizer = LlamaTokenizer(CACHE / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf")
    texts = []
    for language, files in translation_lists().items():
        found = descriptions(files, language)
        print(f"{language}: {len(found)} descriptions", file=sys.stderr)
        texts += found
    ids = [tokenizer.encode(text) for text in texts]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for path, value in zip(outputs, [texts, ids]):
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        partial.replace(path)


if __name__ == "__main__":
    main()
