#!/usr/bin/env python3
"""Writes sacrebleu.json and rouge.json: reference BLEU, chrF and ROUGE figures for EvaluationTests.

    python3 make.py            # needs `pip install sacrebleu==2.6.0 rouge-score==0.1.2`

Every sentence is made here, from a fixed seed, so the file can be regenerated anywhere.

    groups[]        name, bleu, chrf: corpus scores of the group's pairs, and the integer statistics behind them
      pairs[]       [hypothesis, reference, bleu, chrf]: the pair, and its scores as a corpus of one
    tokenization[]  [text, tokens]: the 13a tokenizer

rouge.json has, for each group in the same order, the scores (1, 2, L; F1, 0 ... 1) of its pairs.
"""

import json
import random
from pathlib import Path

import sacrebleu
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

PAIRS = 24
random.seed(20240321)

WORDS = {
    "italian": "libreria per la gestione dei file di configurazione dell'utente con supporto completo al protocollo "
    "di rete veloce e semplice già così perché è più un'interfaccia grafica server (documentazione) dati C++ "
    "3,5 1.000 v2.0 l'editor sviluppo".split(),
    "german": "die Bibliothek für den Zugriff auf Übersetzungen und größere Datenbanken ermöglicht schnelle "
    "Verarbeitung von Textdateien über das Netzwerk; ein 3,5-Zoll Laufwerk z.B. nicht straße grün 2.000 "
    "Entwicklungsdateien (gemeinsam)".split(),
    "arabic": "مكتبة لإدارة الملفات والشبكات ، واجهة رسومية بسيطة ؟ ٣٤ تطوير البرامج الحرة مع دعم كامل للغة العربية . "
    "وثائق ١٢٫٥".split(),
    "hindi": "यह एक सरल पुस्तकालय है जो फ़ाइलों का प्रबंधन करता है । नेटवर्क के लिए ३४ समर्थन और दस्तावेज़".split(),
    "emoji": "great 👍 👍🏽 👩‍👩‍👧 🇮🇹 🇮 🇹 ❤️ ❤ café cafe\u0301 naïve nai\u0308ve e\u0301 é 한 \u1112\u1161\u11ab "
    "1️⃣ works!! :-) 👩‍💻,".split(),
    "punctuation": "... ,,, .5 5. 1,000.50 -- - 3-4 a-b 7- -7 (x) [y] {z} <t> &quot;q&quot; &amp; &amp;lt; &lt;b&gt; "
    "a&b ~ ^ _ ` @me #1 $5 100% 50+50 x/y it's 'quoted' \"double\" ; : ! ? ?! e.g. U.S.A. .,., 1.,2 <skipped> "
    "| \\ = * 1..2 a.b,c 9-. —".split(),
}
# No spaces between words: one long token for BLEU, characters for chrF.
JAPANESE = ["高速な", "ファイル", "管理", "ライブラリ", "、", "の", "開発", "用", "。", "ネットワーク", "を", "サポート", "する",
            "サーバー", "３４", "が", "ガ", "か\u3099", "ー", "(文書)", "X11", "　", "です"]
NASTY = ["a", "b", "7", "42", ".", ",", "..", ".,", "-", "-\n", "\n", "\r\n", "\r", "\t", " ", "  ", "\u00a0", "\u0085",
         "\u001c", "\u001f", "\u000b", "\u000c", "\u1680", "\u180e", "\u2003", "\u200b", "\u2028", "\u2029", "\u202f",
         "\u205f", "\u3000", "\ufeff", "\u0000", "&", "&quot;", "&amp;", "&amp;quot;", "&amp;lt;", "&lt;", "&gt;",
         "&am<skipped>p;", "<skipped>", "<skip<skipped>ped>", "-<skipped>\n", "e\u0301", "é", "\u0301", "👩‍👧", "🇮🇹",
         "'", "\"", "(", "]", "~", "\u007f", "³", "٣", "．", "，", "…", "–", "𝟛", "(1,5)", "x.", "3.", "3-", ".-", "1-.2",
         "\U0010ffff", "ß", "ǆ"]


def words(language, low=4, high=12):
    return random.choices(WORDS[language], k=random.randint(low, high))


def disturb(tokens, amount, pool):
    """Drops, swaps, repeats and replaces some tokens, as a translation system would differ from its reference."""
    out = []
    for token in tokens:
        roll = random.random()
        if roll < amount * 0.25:
            continue
        if roll < amount * 0.5:
            out.append(random.choice(pool))
        elif roll < amount * 0.7:
            out += [token, token]
        elif roll < amount * 0.9 and out:
            out.insert(-1, token)
        elif roll < amount:
            out.append(token.swapcase())
        else:
            out.append(token)
    return out


def language_pairs(language, joiner=" ", pool=None, end=""):
    pool = pool or WORDS[language]
    pairs = []
    for i in range(PAIRS):
        reference = random.choices(pool, k=random.randint(3, 12))
        hypothesis = disturb(reference, (0.1, 0.3, 0.6)[i % 3], pool)
        pairs.append((joiner.join(hypothesis) + end, joiner.join(reference) + end))
    return pairs


def groups():
    yield "italian", language_pairs("italian", end=".")
    yield "german", language_pairs("german", end="!")
    yield "japanese", language_pairs("japanese", "", JAPANESE)
    yield "arabic", language_pairs("arabic")
    yield "hindi", language_pairs("hindi")
    yield "emoji", language_pairs("emoji")
    yield "punctuation", language_pairs("punctuation")
    yield "punctuation glued", language_pairs("punctuation", "")
    yield "nasty", [("".join(disturb(r, 0.3, NASTY)), "".join(r))
                    for r in (random.choices(NASTY, k=random.randint(1, 25)) for _ in range(3 * PAIRS))]
    yield "hypothesis empty", [("", " ".join(words("german"))) for _ in range(4)]
    yield "reference empty", [(" ".join(words("german")), "") for _ in range(4)]
    yield "both empty", [("", ""), (" ", "\n"), ("\u3000", "")]
    yield "some empty", [("", "una frase di prova"), ("una frase di prova", ""), ("", ""),
                         ("una frase di prova vera", "una frase di prova"), (" \t", "\u00a0")]
    yield "all equal", [(s, s) for s in (" ".join(words("italian", 1, 9)) for _ in range(12))]
    yield "no overlap", [("aa bb cc dd ee", "ff gg hh ii jj"), ("kk", "ll mm"), ("12345", "6789 0")]
    yield "one word", [("prova", "prova"), ("prova", "Prova"), ("a", "a"), ("a", "b"), ("ab", "ba")]
    yield "two words", [("una prova", "una prova"), ("una prova", "una cosa"), ("prova una", "una prova")]
    yield "short hypotheses", [("una", "una frase molto più lunga di prova"), ("la rete", "la rete veloce e semplice")]
    yield "long hypotheses", [("la rete " * 20, "la rete"), ("uno due tre quattro cinque sei", "due tre")]
    yield "repeated", [("the the the the the the the", "the cat is on the mat"), ("ab ab ab ab", "ab ab"),
                       ("aaaaaaaaaaaaaaaa", "aaaaaaaa"), (". . . . .", "....."), ("x y " * 30, "y x " * 30)]
    long = [words("italian", 400, 400), words("german", 600, 600)]
    yield "very long", [(" ".join(disturb(r, 0.3, WORDS["italian"])), " ".join(r)) for r in long]
    yield "canonical equivalents", [("café olé", "cafe\u0301 ole\u0301"), ("ガギ", "カ\u3099キ\u3099"), ("Å", "\u212b")]
    yield "trailing space", [("una prova. ", "una prova.\n"), ("una prova.\u3000", "una prova."), ("a-\n", "a-"),
                             ("fine -\n", "fine -"), ("3.\u200b", "3.")]
    # Kelvin and dotted I, whose lower case is or begins with an ASCII letter; digits that are not ASCII.
    yield "letters", [("300 \u212A", "300 K"), ("\u0130stanbul DI\u0130", "istanbul di"), ("ſtraße", "strasse"),
                      ("\uff21\uff11 A1", "a1"), ("x\u0307y", "x y"), ("don't stop", "don t stop"), ("²3 ٣", "3")]


def main():
    bleu, chrf = BLEU(), CHRF()
    names = ["rouge1", "rouge2", "rougeL"]
    scorer, rouge = RougeScorer(names), []
    document = {"sacrebleu": sacrebleu.__version__, "groups": [], "tokenization": []}
    for name, pairs in groups():
        hypotheses, references = [h for h, _ in pairs], [r for _, r in pairs]
        score = bleu.corpus_score(hypotheses, [references])
        scores = [scorer.score(r, h) for h, r in pairs]
        rouge.append({"name": name, "pairs": [[score[n].fmeasure for n in names] for score in scores]})
        characters = chrf._extract_corpus_statistics(hypotheses, [references])
        document["groups"].append({
            "name": name,
            "bleu": score.score,
            "chrf": chrf.corpus_score(hypotheses, [references]).score,
            "bleuStatistics": [score.sys_len, score.ref_len] + list(score.counts) + list(score.totals),
            "chrfStatistics": [sum(column) for column in zip(*characters)],
            "pairs": [[h, r, bleu.corpus_score([h], [[r]]).score, chrf.corpus_score([h], [[r]]).score]
                      for h, r in pairs],
        })
    document["signatures"] = [str(bleu.get_signature()), str(chrf.get_signature())]
    tokenizer = Tokenizer13a()
    texts = [h for _, pairs in groups() for h, _ in pairs[:3]]
    texts += ["".join(random.choices(NASTY, k=random.randint(1, 20))) for _ in range(150)]
    for text in texts:
        if len(text) < 400:
            document["tokenization"].append([text, tokenizer(text.rstrip()).split()])
    lines = json.dumps(document, ensure_ascii=True, separators=(",", ":"))
    lines = lines.replace('{"name"', '\n{"name"').replace('"tokenization"', '\n"tokenization"')
    path = Path(__file__).with_name("sacrebleu.json")
    path.write_text(lines + "\n")
    path.with_name("rouge.json").write_text(
        json.dumps(rouge, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
    print(path, len(lines), "bytes,", sum(len(g["pairs"]) for g in document["groups"]), "pairs,",
          len(document["tokenization"]), "tokenizations")
    for g in document["groups"]:
        print(f'{g["name"]:24s} {g["bleu"]:8.3f} {g["chrf"]:8.3f} {len(g["pairs"])}')


main()
