#!/usr/bin/env python3
"""Makes the committed fixtures of TokenizationTests.

    make.py            writes next to itself

    smollm2.json       strings with llama.cpp's ids and text (xllamacpp wheel), from SmolLM2's GGUF file; what llama.cpp
                       and `tokenizers` do differently (`tokenizersIds`) comes from the latter, with a tokenizer.json
                       made of the GGUF's vocabulary and SmolLM2's real steps, Digits and ByteLevel
    broken.json        ids that are no complete UTF-8, with the text of `tokenizers`
    classes.json       the ranges of \\p{L} and \\p{N}, as llama.cpp cuts each character
    made/              a small tokenizer trained by `tokenizers`: tokenizer.json, tokenizer_config.json, and in cases.json
                       strings with the ids of `tokenizers`, for it and for variants of its parts
    chat.json          conversations as Jinja renders them, by the template of SmolLM2's GGUF file, by Qwen2.5's
                       (qwen2.5.jinja, of Qwen/Qwen2.5-7B-Instruct, Apache-2.0), and by variants of them

Needs Python with xllamacpp, tokenizers, gguf, jinja2, and $NEFT_CACHE/models/SmolLM2-135M-Instruct.Q4_1.gguf.
"""

import json
import os
import random
import sys
from pathlib import Path

from gguf import GGUFReader
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

sys.dont_write_bytecode = True
from llama_tokenizer import LlamaTokenizer

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("NEFT_CACHE") or HERE.parents[2] / ".cache")
MODEL = CACHE / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"

STRINGS = [
    "",
    " ",
    "Hello, world!",
    "abc  12",
    "  12",
    "\n 1",
    "x\n\n 3",
    "³ ½ Ⅷ ٣٤",
    "123456",
    "a1b22c 333  4444\t5",
    "trailing spaces   ",
    "trailing newline\n\n",
    "   leading",
    "tab\tand \t mixed \n \t lines\n",
    "NBSP\u00a0here \u00a0 there\u00a0\u00a0",
    "ideographic\u3000space \u3000 x\u3000",
    "line\u2028separator \u2028\u2028 paragraph\u2029x",
    "next\u0085line \u0085\u0085 x",
    "thin\u2009zero\u200bwidth\u202fnarrow\u2060joiner\ufeffbom\u180emongolian\u1680ogham",
    "\x0b vertical \x0c\x0c form \x1c\x1d\x1e\x1f separators",
    "combining e\u0301 a\u0308\u0323 ्क्षि \u0301start",
    "ZWJ 👩‍👩‍👧‍👦 👍🏽 🇮🇹 ❤️ 1️⃣",
    "'LL I'LL we'll I'm you've he'd it's 'tis don't 's 're'r'v'l",
    "''s '' 's' ' s \u2019s",
    "ſ 'ſ Straße STRASSE K",
    "NUL\0in\0\0side",
    "win\r\nline\r\n\r\nends\r",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "a<|im_end|>b <|im_end|> c<|im_end|><|im_end|>",
    "<|im_end| <|im_start <|im_<|im_end|>end|> <filename>x<filename",
    "text <repo_name>a/b<file_sep>c<|endoftext|>1<gh_stars>2",
    "punctuation!!! ...?! --- (a) [b] {c} \"q\" «g» “c” — – …",
    "a+b=c; x*y/z -> <= >= != == && || ~^%$#@`",
    "https://www.example.org/path?x=1&y=%20#frag user@host.org",
    "snake_case camelCase kebab-case SCREAMING __dunder__",
    "日本語のテキスト、漢字とかなと１２３。",
    "中文 文本 测试 한국어 텍스트 ไทย العربية עברית हिन्दी",
    "Ünïcödé ÇA façade ÅNGSTRÖM æøå ß ﬁ ﬂ Ǆ ǅ",
    "ªº ² ³ ¹ ¼ ⅓ ① ⑳ 〇 〡 ㊿ ༳ 𐄇 𝟘𝟙",
    "ʰˠ ʻ ๆ 々 ー ゝ 𝒜𝓑 𐐷 𠮷",
    "€ £ ¥ ₿ © ® ™ ° ± × ÷ √ ∞ ∑",
    "private \ue000\uf8ff noncharacter \uffff\ufdd0 unassigned \u0378\U000e0080",
    "\U00040000\U000f0000\U0010ffff",
    "def f(x):\n    if x:\n        return x  # 1\n\n\n    return None\n",
    "0" * 40,
    "a" * 100,
    " " * 50 + "x",
    "\n" * 20,
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "word " * 20,
]

# Characters between bytes whose tokens SmolLM2 lacks: `tokenizers` drops such a byte before merging, llama.cpp after.
DROPPED = ["-\x04-", "=\x04\x06=", "!\x13!\x14?\x16-\x1d-", "a\x04b", "\x04", "\x04\x06", " \x04 x", "\x04<|im_end|>\x04"]


def corrected_tokenizer():
    """`tokenizers` with the GGUF's vocabulary and SmolLM2's own steps."""
    fields = GGUFReader(MODEL).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token, type in zip(tokens, types) if type == 3]
    )
    return tokenizer


def string_cases(llama, tokenizer):
    rows = []
    for text in STRINGS:
        ids = llama.encode(text)
        assert tokenizer.encode(text).ids == ids, text
        rows.append(
            {"text": text, "ids": ids, "plainIds": llama.encode(text, parse_special=False), "decoded": llama.decode(ids)}
        )
    assert rows[3]["ids"] == [25276, 256, 33, 34]
    for text in DROPPED:
        ids = tokenizer.encode(text).ids
        rows.append(
            {"text": text, "tokenizersIds": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)}
        )
    assert tokenizer.encode(DROPPED[0]).ids != llama.encode(DROPPED[0])
    return rows


def broken_cases(tokenizer):
    """Random ids: all of them, and tokens of the bytes 0x80 and above alone."""
    generator = random.Random(1)
    alphabet = {token: id for token, id in tokenizer.get_vocab().items() if len(token) == 1 and ord(token) >= 0x80}
    single = sorted(alphabet.values())
    rows = []
    for index in range(60):
        source = single if index % 3 else range(tokenizer.get_vocab_size())
        ids = [generator.choice(source) for _ in range(generator.randint(1, 12))]
        rows.append(
            {
                "ids": ids,
                "text": tokenizer.decode(ids, skip_special_tokens=True),
                "textWithSpecial": tokenizer.decode(ids, skip_special_tokens=False),
            }
        )
    return rows


def class_ranges(llama):
    """Before `'s`, a letter or a number leaves the contraction whole; after two spaces a number leaves them together."""
    contraction = llama.encode("a's")[-1]
    newline, = llama.encode("\n")
    double_space, = llama.encode("  ")
    spaces = {code for code in range(0x80, 0x110000) if chr(code).isspace()}
    codes = [code for code in range(0x80, 0x110000) if not 0xD800 <= code < 0xE000 and code not in spaces]

    def rows(codes, form):
        """The ids of each code's own line."""
        ids = llama.encode("".join(form.replace("?", chr(code)) + "\n" for code in codes))
        lines = [[]]
        for id in ids:
            if id == newline:
                lines.append([])
            else:
                lines[-1].append(id)
        assert len(lines) == len(codes) + 1
        return lines[:-1]

    classes = {"letter": [], "number": []}
    for start in range(0, len(codes), 20000):
        chunk = codes[start : start + 20000]
        for code, after, before in zip(chunk, rows(chunk, "?'s"), rows(chunk, "a  ?")):
            if after[-1] == contraction:
                classes["number" if double_space in before else "letter"].append(code)
    ranges = {}
    for name, members in classes.items():
        found = []
        for code in members:
            if found and found[-1][1] + 1 == code:
                found[-1][1] = code
            else:
                found.append([code, code])
        ranges[name] = found
    return ranges


CONVERSATIONS = [
    [],
    [("user", "Hi")],
    [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello.")],
    [("user", "2 + 2?"), ("assistant", "4"), ("user", " and\n3 + 3? "), ("assistant", "6\n")],
    [("user", ""), ("assistant", "")],
    [("assistant", "First."), ("assistant", "Second."), ("user", "è <|im_end|> 日本")],
    [("user", "Hi"), ("system", "Late."), ("tool", "x"), ("assistant", "ok")],
    [("user", "Hi"), ("tool", "x\n"), ("tool", ""), ("assistant", "ok"), ("tool", "y")],
]
TURN = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
TOOL = (
    "{% if message['role'] == 'tool' %}{% if loop.first or messages[loop.index0 - 1]['role'] != 'tool' %}"
    "{{ '<|im_start|>user' }}{% endif %}{{ '\\n<tool_response>\\n' + message['content'] + '\\n</tool_response>' }}"
    "{% if loop.last or messages[loop.index0 + 1]['role'] != 'tool' %}{{ '<|im_end|>\\n' }}{% endif %}{% else %}"
)
QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


def chat_cases():
    """Rendered with the settings of transformers' apply_chat_template."""
    smollm2 = GGUFReader(MODEL).fields["tokenizer.chat_template"].contents()
    default = "{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system"
    start, end = smollm2.index(default), smollm2.index("{% endif %}") + len("{% endif %}")
    plain = smollm2[:start] + smollm2[end:]
    other = smollm2.replace("You are a helpful AI assistant named SmolLM, trained by Hugging Face", "Sei un aiuto.")
    assert plain != smollm2 and other != smollm2
    qwen = (HERE / "qwen2.5.jinja").read_text()
    smol = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    with_tools = [source.replace(TURN, TOOL + TURN + "{% endif %}") for source in (plain, smollm2.replace(smol, QWEN))]
    assert QWEN in qwen and QWEN in with_tools[1] and all(TOOL in source for source in with_tools)
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    rows = []
    for source in [smollm2, plain, other, qwen, *with_tools]:
        template = environment.from_string(source)
        # Qwen2.5's looks at the first message.
        for turns in CONVERSATIONS[source == qwen :]:
            messages = [{"role": role, "content": content} for role, content in turns]
            text, prompt = (
                template.render(messages=messages, add_generation_prompt=prompt) for prompt in (False, True)
            )
            rows.append({"template": source, "turns": turns, "text": text, "textWithPrompt": prompt})
    return rows


# -- the small tokenizer -------------------------------------------------------------------------------------------

CORPUS = [
    "the quick brown fox jumps over the lazy dog and the cat, isn't it? it's 2024, we'll see",
    "fine-tuning only the sensitive neurons of a language model on small clusters of computers",
    "la volpe veloce salta sopra il cane pigro; perché no? così è la vita, più o meno",
    "der schnelle braune Fuchs springt über den faulen Hund; schön, größer, Straße",
    "日本語の文章です。日本語の文章でした。",
] * 4

MADE_STRINGS = [
    "", " ", "the quick brown fox", "The lazy dog isn't 12 years  old, it's 345!", "  two  spaces  ", "abc  12",
    "perché no? größer über Straße", "日本語の文章です。", "x\n\n 3\n", "123 4 56", " 7", "'LL we'll",
    "zebra zebra  zebra", "a\x04b -\x04- \x04\x06", "emoji 👍🏽 ¡hola!", "\u00a0x\u3000y\u2028",
    "<|end|>the<|end|>", "the <|end|> fox", "a  <strip>  b", "a<strip>b", "  <left>  b <right>  c", "<right> <left> ",
    "<user>x <user>", "<|end|", "<left><right>  <strip>\n\n1",
    "'LL we'll 'ſx don'T I'M\n", "x\r\n\r\n  y \n z", "1234567 ³½Ⅷ 12", "a !\n\n b?\r\r!  !", "\u3000x \u00a0y\tz",
    "e\u0301 \u212b \u1112\u1161\u11ab a\u0323\u0302<user>e\u0301",
]


def made_tokenizer():
    missing = {"\x04", "\x06", "\x00"}
    byte_letters = {token for token, _ in pre_tokenizers.ByteLevel(False, use_regex=False).pre_tokenize_str("\x04\x06\x00")}
    removed = set("".join(byte_letters))
    assert len(removed) == len(missing)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(set(pre_tokenizers.ByteLevel.alphabet()) - removed)
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=400, initial_alphabet=alphabet, special_tokens=["<|end|>", "<unk>"], show_progress=False
        ),
    )
    document = json.loads(tokenizer.to_str())
    # A token that no merge makes: only `ignore_merges` reaches it.
    document["model"]["vocab"]["Ġzebra"] = len(document["model"]["vocab"])
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.add_tokens(
        [
            AddedToken("<user>", normalized=False),
            AddedToken("<left>", lstrip=True),
            AddedToken("<right>", rstrip=True, normalized=False),
            AddedToken("<strip>", lstrip=True, rstrip=True),
        ]
    )
    return json.loads(tokenizer.to_str())


def made_variants(document):
    """Name and the parts that replace those of the document, by path."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    llama3 = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+"
    )

    def split(pattern):
        return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}

    def steps(*steps):
        return {"type": "Sequence", "pretokenizers": list(steps)}

    return {
        "as trained": {},
        "ByteLevel alone": {"pre_tokenizer": byte_level},
        "prefix space": {"pre_tokenizer": byte_level | {"add_prefix_space": True}},
        "digits and prefix space": {"pre_tokenizer": steps(digits, byte_level | {"add_prefix_space": True})},
        "split by pattern": {"pre_tokenizer": steps(split(pattern), byte_level | {"use_regex": False})},
        "digits, split by pattern": {"pre_tokenizer": steps(digits, split(pattern), byte_level | {"use_regex": False})},
        "no split": {"pre_tokenizer": byte_level | {"use_regex": False}},
        "ignore merges": {"model.ignore_merges": True},
        "merges as strings": {"model.merges": [" ".join(pair) for pair in document["model"]["merges"]]},
        "unknown token": {"model.unk_token": "<unk>", "model.fuse_unk": False},
        "split as Llama 3": {
            "pre_tokenizer": steps(split(llama3), byte_level | {"use_regex": False}), "model.ignore_merges": True
        },
        "split as Qwen2, NFC": {
            "pre_tokenizer": steps(split(llama3.replace("{1,3}", "")), byte_level | {"use_regex": False}),
            "normalizer": {"type": "NFC"},
        },
        "fused unknown token": {"model.unk_token": "<unk>", "model.fuse_unk": True},
    }


def patched(document, patch):
    document = json.loads(json.dumps(document))
    for path, value in patch.items():
        *parents, key = path.split(".")
        place = document
        for parent in parents:
            place = place[parent]
        place[key] = value
    return document


def made_cases(document):
    cases = []
    for name, patch in made_variants(document).items():
        tokenizer = Tokenizer.from_str(json.dumps(patched(document, patch)))
        rows = []
        for text in MADE_STRINGS:
            ids = tokenizer.encode(text).ids
            rows.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=True)})
        cases.append({"name": name, "patch": patch, "rows": rows})
    return cases


def write(name, value):
    """One row a line, so that changes read well."""
    if isinstance(value, list):
        text = "[\n" + ",\n".join(json.dumps(row, ensure_ascii=True) for row in value) + "\n]\n"
    else:
        text = json.dumps(value, ensure_ascii=True) + "\n"
    (HERE / name).write_text(text, encoding="ascii")


def main():
    llama = LlamaTokenizer(MODEL)
    tokenizer = corrected_tokenizer()
    write("smollm2.json", string_cases(llama, tokenizer))
    write("broken.json", broken_cases(tokenizer))
    write("classes.json", class_ranges(llama))
    write("chat.json", chat_cases())
    document = made_tokenizer()
    (HERE / "made").mkdir(exist_ok=True)
    write("made/tokenizer.json", document)
    write("made/tokenizer_config.json", {"bos_token": None, "eos_token": {"content": "<|end|>", "special": True}})
    write("made/cases.json", made_cases(document))


if __name__ == "__main__":
    main()
