"""Random strings of the kind that tokenizers disagree on."""

import unicodedata

FRAGMENTS = [
    " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", " \n", "\n ", " \t ", "\x0b", "\x0c", "\x1c", "\x1f", "\x00",
    "\u00a0", "\u3000", "\u2028", "\u2029", "\u0085", "\u2009", "\u202f", "\u1680", "\u180e", "\u200b", "\ufeff",
    "'s", "'S", "'ll", "'LL", "'Ll", "'re", "'ve", "'m", "'D", "'t", "'ſ", "ſ", "''", "’s", "'", " 's", "K",
    "1", "12", "123", "1234", "12345678", "³", "½", "Ⅷ", "٣٤", "１２", "𝟘𝟙", "〇", "①", " 1", "  12", "a1b22",
    "!", "?!", "...", "--", "(", ")", "[", "]", "{}", "=", "==", "->", "/", "\\", "#", "$", "%", "^", "~", "`", "|", "_",
    "a", "b", "the", " the", "The", " Hello", "world", "ing", "tion", "fooBar", "SCREAMING_CASE", "über", "naïve", "è",
    "e\u0301", "a\u0308\u0323", "\u0301", "o\u0302\u0323", "ệ", "क्षि", "한국어", "\u1112\u1161\u11ab", "Å", "\u212b", "Ω",
    "\u2126", "豈", "\uf900", "ﬁ", "Ǆ", "ß", "ẞ", "İ", "ı", "日本語", "中文", "ไทย", "العربية", "עברית", "ё", "й", "\u0438\u0306",
    "👍", "👍🏽", "👩‍👩‍👧‍👦", "🇮🇹", "❤️", "1️⃣", "𐐷", "𠮷", "\ue000", "\uffff", "\ufdd0", "\u0378", "\U00040000", "\U0010ffff",
    "▁", "▁▁", " ▁", "▁a", "<0x0A>", "<0x", "<unk>", "<s>", "</s>", "<|endoftext|>", "<|im_start|>", "<|im_end|>",
    "<|im_end", "|>", "<|begin_of_text|>", "<|eot_id|>", "[INST]", "[/INST]", " </s> ", "<s><s>", "<", ">",
    "def f(x):\n    return x\n", "https://x.org/?a=1&b=%20", "\x04", "\x06", "\x7f", "\x80", "\x9f", "\xad",
]


def stable_characters():
    """Characters that every version of Unicode since 3.2 puts into the same class."""
    old = unicodedata.ucd_3_2_0
    codes = (code for code in range(0x20, 0x30000) if not 0xD800 <= code < 0xE000)
    return [chr(code) for code in codes if old.category(chr(code)) == unicodedata.category(chr(code)) != "Cn"]


def nasty_strings(generator, count, words):
    """`count` strings of fragments, of words of the vocabulary, and of characters of all kinds."""
    characters = stable_characters()
    texts = ["", " ", "  ", "abc  12", "\n 1", "x\n\n 3", " a", "  a", "▁", "<s>", "<s> a", "a<s>b", "0" * 300, "a" * 300, " " * 300]
    while len(texts) < count:
        style = generator.random()
        parts = []
        for _ in range(generator.randint(1, 12)):
            kind = generator.random()
            if kind < 0.6 - 0.4 * (style > 0.8):
                parts.append(generator.choice(FRAGMENTS))
            elif kind < 0.8:
                parts.append(generator.choice(words))
            elif kind < 0.9:
                parts.append(chr(generator.randint(0x20, 0x7E)))
            else:
                parts.append("".join(generator.choice(characters) for _ in range(generator.randint(1, 3))))
        texts.append("".join(parts))
    return texts[:count]
