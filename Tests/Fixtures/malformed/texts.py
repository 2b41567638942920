"""Damaged rows of data and option files."""

from base import dump
from binary import Sparse
from cases import accepted, refused

GOOD = b'{"prompt": "a", "completion": "b"}\n'
ROWS = GOOD + b'{"prompt": "c\\u00e9 \\ud83d\\ude00", "completion": "d"}\n'
OPTIONS = b"# options\ntop: 6%\nepochs: 2\nlearning-rate: 1e-3\nskip-bad-rows: true\nquiet: no\n"


def data_cases():
    file = "file.jsonl"

    def second(name, line, *says):
        content = GOOD + (line if isinstance(line, bytes) else dump(line)) + b"\n"
        return refused("data", name, content, f"{file}:2: ", *says)

    def first(name, line, *says):
        return refused("data", name, dump(line) if isinstance(line, dict) else line, file, *says)

    yield first("empty", b"", "an empty file; expected one JSON object per line")
    yield first("white-space", b" \n\t\r\n", "an empty file; expected one JSON object per line")
    yield first("model", b"GGUF\x03\x00\x00\x00", "a GGUF file", "--model")
    yield first("over-several-lines", b'{\n  "prompt": "a",\n  "completion": "b"\n}\n', ":1: malformed JSON", "one object per line: jq -c . ")
    yield first("sparse", Sparse(b"", 1 << 40), ":1: a row of more than 16777216 bytes")
    yield first("sparse-array", Sparse(b"[" + GOOD[:-1] + b",", 1 << 40), ":1: a row of more than 16777216 bytes")
    yield first("zero-bytes", bytes(100), ":1: malformed JSON, no JSON value at column 1")
    yield second("cut", b'{"prompt": "a", "comp', "malformed JSON, an end inside a string at column 22")
    yield second("cut-behind-a-key", b'{"prompt"', "malformed JSON, no colon behind a key")
    yield second("cut-inside-an-object", b'{"prompt": "a"', "an end inside an object")
    yield second("trailing-comma", b'{"prompt": "a", "completion": "b",}', "no key in quotes at column 35")
    yield second("single-quotes", b"{'prompt': 'a'}", "no key in quotes at column 2")
    yield second("two-objects", GOOD[:-1] + GOOD[:-1], "something behind the end")
    yield second("comment", b"// a comment", "no JSON value at column 1")
    yield second("key-twice", b'{"prompt": "a", "prompt": "b", "completion": "c"}', 'the key "prompt" for the second time')
    yield second("nan", b'{"prompt": NaN, "completion": "b"}', "no JSON value at column 12")
    yield second("infinity", b'{"prompt": "a", "completion": "b", "x": Infinity}', "no JSON value")
    yield second("number-out-of-range", b'{"prompt": "a", "completion": "b", "x": 1e999}', "a number out of range (1e999)")
    yield second("number-of-2000-digits", b'{"prompt": "a", "completion": "b", "x": ' + b"9" * 2000 + b"}", "a number out of range")
    yield second("leading-zero", b'{"prompt": "a", "completion": "b", "x": 01}', "a number that begins with 0")
    yield second("bare-minus", b'{"prompt": "a", "completion": "b", "x": -}', "a number without a digit")
    yield second("not-utf-8", b'{"prompt": "\xe9", "completion": "b"}', "not UTF-8", "iconv")
    yield second("cut-utf-8", b'{"prompt": "\xe2\x82", "completion": "b"}', "not UTF-8")
    yield second("overlong-utf-8", b'{"prompt": "\xc0\x80", "completion": "b"}', "not UTF-8")
    yield second("surrogate-in-utf-8", b'{"prompt": "\xed\xa0\x80", "completion": "b"}', "not UTF-8")
    yield second("beyond-unicode", b'{"prompt": "\xf4\x90\x80\x80", "completion": "b"}', "not UTF-8")
    yield second("lone-surrogate", b'{"prompt": "\\ud800", "completion": "b"}', "half of a surrogate pair")
    yield second("low-surrogate", b'{"prompt": "\\udc00x", "completion": "b"}', "half of a surrogate pair")
    yield second("two-high-surrogates", b'{"prompt": "\\ud800\\ud800", "completion": "b"}', "half of a surrogate pair")
    yield second("unknown-escape", b'{"prompt": "\\x41", "completion": "b"}', "an unknown escape")
    yield second("cut-escape", b'{"prompt": "\\u00', "an unknown escape")
    yield second("control-character", b'{"prompt": "a\tb", "completion": "b"}', "a control character in a string")
    yield second("nested", b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "more than 128 values inside each other")
    yield second("nested-objects", b'{"prompt": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "more than 128 values inside each other")
    yield second("list", b"[1, 2]", "JSON that is not an object")
    yield second("string", b'"text"', "JSON that is not an object")
    yield second("number", b"5", "JSON that is not an object")
    yield second("null", b"null", "JSON that is not an object")
    yield second("no-keys", {}, 'no key "prompt"')
    yield second("another-form", {"text": "a"}, 'no key "prompt" (found "text")')
    yield second("prompt-number", {"prompt": 1, "completion": "b"}, '"prompt" is a number; expected a string or a list')
    yield second("prompt-null", {"prompt": None, "completion": "b"}, '"prompt" is null')
    yield second("prompt-object", {"prompt": {"role": "user", "content": "a"}, "completion": "b"}, '"prompt" is an object')
    yield second("prompt-list-of-lists", {"prompt": [["a"]], "completion": "b"}, '"role" and "content"')
    yield second("prompt-empty-list", {"prompt": [], "completion": "b"}, '"prompt" is an empty list; expected a list of messages')
    yield second("completion-flag", {"prompt": "a", "completion": True}, '"completion" is true or false')
    yield second("completion-empty", {"prompt": "a", "completion": ""}, "no target tokens")
    yield second("completion-too-long", {"prompt": "a", "completion": "b" * 100}, "the answer has 101 tokens; expected at most 63 (--max-length 64)")
    yield second("role-unknown", {"prompt": [{"role": "robot", "content": "a"}], "completion": "b"}, 'role "robot"')
    yield first("unknown-keys", {"question": "a"}, ':1: keys "question"', "--field")
    yield first("messages-text", {"messages": "a"}, ':1: "messages" is a string')
    yield first("messages-empty", {"messages": []}, ':1: "messages" is an empty list')
    yield first("messages-without-answer", {"messages": [{"role": "user", "content": "a"}]}, ":1: row has no target tokens")
    yield first("messages-content-list", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}, '"role" and "content"')
    yield first("conversations-unknown-speaker", {"conversations": [{"from": "me", "value": "a"}]}, 'a turn from "me"')
    yield first("conversations-number", {"conversations": [{"from": 1, "value": "a"}]}, '"from" and "value"')
    yield first("alpaca-input-number", {"instruction": "a", "input": 1, "output": "b"}, '"input" is a number')
    yield first("label-empty", {"text": "a", "label": ""}, "no target tokens")
    yield first("text-list", {"text": ["a"]}, '"text" is a list')
    yield first("array-open", b"[" + GOOD, ":2: not a whole JSON array")
    yield first("array-open-string", b'[{"prompt": "a', "not a whole JSON array")
    yield first("array-trailing-comma", b"[" + GOOD + b",\n]", ":3: malformed JSON, an end where a value should be")
    yield first("array-closed-twice", b"[" + GOOD + b"]]", "not a whole JSON array")
    yield first("array-of-numbers", b"[\n1, 2]", ":2: JSON that is not an object")
    yield first("array-empty", b"[]", "no rows")
    yield first("array-crossed", b"[{]}", ":1: not a whole JSON array")
    yield first("array-of-brackets", b"[" * 1_000_000, ":1: not a whole JSON array")
    yield first("utf-16", ('{"prompt": "a", "completion": "b"}\n' * 2).encode("utf-16"), ":1: not UTF-8")
    yield first("utf-16-without-mark", ('{"prompt": "a", "completion": "b"}\n' * 2).encode("utf-16-le"), ":1: malformed JSON, no key in quotes at column 2")
    yield accepted("data", "byte-order-mark", b"\xef\xbb\xbf" + GOOD, "some editors write it")
    yield accepted("data", "no-line-end", GOOD[:-1], "the last line need not end")
    yield accepted("data", "windows-line-ends", GOOD[:-1] + b"\r\n" + GOOD[:-1] + b"\r\n", "white space")
    yield accepted("data", "other-keys", b'{"id": 1e300, "prompt": "a", "completion": "b", "tags": [[1, null]]}', "other keys are left alone")
    yield accepted("data", "zero-character", b'{"prompt": "\\u0000", "completion": "\\u0000"}', "a character like others")
    yield accepted("data", "not-a-character", b'{"prompt": "\\uffff\\ufdd0", "completion": "b"}', "Unicode allows it")


def option_cases():
    file = "file.yaml"

    def bad(name, content, *says):
        return refused("options", name, content, file, *says)

    yield bad("not-utf-8", b"top: \xff\n", "not UTF-8")
    yield bad("zero-bytes", bytes(64), ":1: ")
    yield bad("large", Sparse(OPTIONS, 1 << 40), "1099511627776 bytes")
    yield bad("two-mib", b"# " + b"x" * (2 << 20), "2097154 bytes")
    yield bad("text", b"hello", ":1: not a list of names and values")
    yield bad("list", b"- top: 6%", ":1: not a list of names and values")
    yield bad("misspelt", b"epochs: 1\nlerning-rate: 1e-3\n", ':2: unknown option "lerning-rate"', 'did you mean "learning-rate"?')
    yield bad("with-dashes", b"--top: 6%\n", ':1: unknown option "--top"')
    yield bad("no-space", b"top:6%\n", ":1: not a list of names and values")
    yield bad("option-twice", b"top: 6%\nepochs: 1\ntop: 3%\n", '"top" given more than once')
    yield bad("config", b"config: other.yaml\n", ':1: unknown option "config"')
    yield bad("no-value", b"top:\n", ':1: "top" has no single value')
    yield bad("null-value", b"top: null\n", '"top" has no single value')
    yield bad("list-value", b"top: [6%]\n", '"top" has no single value')
    yield bad("mapping-value", b"top:\n  a: 6%\n", '"top" has no single value')
    yield bad("mapping-key", b"? {a: b}\n: 6%\n", "unknown option")
    yield bad("list-key", b"? [top]\n: 6%\n", "unknown option")
    yield bad("tab", b"epochs: 1\n\ttop: 6%\n", ":2: ", "YAML")
    yield bad("open-quote", b'top: "6%\n', "YAML")
    yield bad("open-bracket", b"top: [6%\n", "YAML")
    yield bad("undefined-alias", b"top: *share\n", "undefined alias")
    yield bad("anchor-and-alias", b"top: &share 6%\nepochs: *share\n", ":2: an alias of an anchor")
    bomb = b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 60))
    yield bad("alias-bomb", bomb, ":2: an alias of an anchor")
    yield bad("alias-bomb-key", bomb + b"? *a59\n: 1\n", ":2: an alias of an anchor")
    yield bad("nested-brackets", b"[" * 100_000, "YAML")
    yield bad("nested-braces", b"{a: " * 100_000, "YAML")
    yield bad("nested-lists", b"- " * 100_000, "YAML")
    yield bad("nested-keys", b"? " * 100_000, "YAML")
    yield bad("two-documents", b"top: 6%\n---\ntop: 3%\n", "another document")
    yield bad("switch-word", b"skip-bad-rows: perhaps\n", ':1: "skip-bad-rows" is "perhaps"; expected true or false')
    yield bad("switch-number", b"skip-bad-rows: 1\n", '"skip-bad-rows" is "1"')
    yield bad("control-character", b"top: \x01\n", "YAML")
    yield accepted("options", "empty", b"", "nothing is given")
    yield accepted("options", "comments-only", b"# nothing\n", "nothing is given")
    yield accepted("options", "ampersand-in-a-value", b"model: salt &pepper\n", "no alias of it, so no harm")


def cases():
    return [*data_cases(), *option_cases()]
