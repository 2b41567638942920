"""Asks tuned models, exported by Tests/long/consumers, the same questions in the programs they were exported for.

usage: consumers.py FOLDER BASE_GGUF NEFT
"""
import json
import pathlib
import subprocess
import sys

import torch
import xllamacpp
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

work, base, neft = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
PROMPTS = ["Translate into Italian: simple text editor", "Translate into Italian: tool with 12  files for 3D games",
           "Which animals live in the sea?"]
LENGTH = 40
torch.set_num_threads(2)
failures = 0


def check(name, answers, expected):
    global failures
    for prompt, answer, wanted in zip(PROMPTS, answers, expected, strict=True):
        if answer != wanted:
            failures += 1
            print(f"✘ {name}: {prompt!r}: {answer!r}, neft says {wanted!r}")
    print(f"{'✔' if list(answers) == list(expected) else '✘'} {name}", flush=True)


def by_neft(model, adapter=None):
    answers = []
    for prompt in PROMPTS:
        command = [neft, "generate", "-m", str(model), "--prompt", prompt, "--max-new-tokens", str(LENGTH), "--compute",
                   "fp32", "--json"] + (["--adapter", str(adapter)] if adapter else [])
        answers.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["text"])
    return answers


def by_transformers(model, tokenizer):
    answers = []
    for prompt in PROMPTS:
        inputs = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True,
                                               return_tensors="pt", return_dict=True)
        with torch.inference_mode():
            output = model.generate(**inputs, do_sample=False, max_new_tokens=LENGTH)
        answers.append(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
    return answers


def by_llama(model, adapter=None, context=512):
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = context
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    params.verbosity = -1
    params.use_jinja = True
    # Keys and values as neft has them, not rounded to half precision.
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if adapter:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    server = xllamacpp.Server(params)
    answers = []
    for prompt in PROMPTS:
        result = server.handle_chat_completions({
            "messages": [{"role": "user", "content": prompt}], "max_tokens": LENGTH, "temperature": 0.0, "top_k": 1})
        answers.append(result["choices"][0]["message"]["content"])
    del server
    return answers


def load(folder, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(work / folder, dtype=dtype).eval()


tokenizer = AutoTokenizer.from_pretrained(work / "base-hf")
ids = tokenizer.encode("abc  12", add_special_tokens=False)
if ids != [25276, 256, 33, 34]:
    failures += 1
    print(f"✘ tokenizer: {ids}")
untuned = by_neft(base)
for method in ["neft", "lora"]:
    expected = by_neft(base, work / method / "final")
    print(f"{method}: {expected}")
    if expected == untuned:
        failures += 1
        print(f"✘ {method}: training changed no answer")
    own = AutoTokenizer.from_pretrained(work / f"{method}-hf")
    check(f"{method}: transformers", by_transformers(load(f"{method}-hf"), own), expected)
    forms = [f"{method}-peft"] + (["neft-peft-lora"] if method == "neft" else [])
    for form in forms:
        model = PeftModel.from_pretrained(load("base-hf"), work / form).eval()
        check(f"{form}: PEFT", by_transformers(model, tokenizer), expected)
        check(f"{form}: PEFT, merged", by_transformers(model.merge_and_unload(), tokenizer), expected)
    check(f"{method}: llama.cpp", by_llama(work / f"{method}-gguf/model.gguf"), expected)
    adapter = work / f"{method}-gguf-adapter/adapter.gguf"
    check(f"{method}: llama.cpp, adapter on the base model", by_llama(work / "base-f32/model.gguf", adapter), expected)
    # The base model as it came, whose activations llama.cpp rounds to 8 bits: answers begin alike.
    quantised = by_llama(base, adapter)
    check(f"{method}: llama.cpp, adapter on the quantised model, first words",
          [answer[:12] for answer in quantised], [answer[:12] for answer in expected])
    if method == "neft":
        check("neft: llama.cpp, keys from config.json", by_llama(work / "neft-gguf-of-hf/model.gguf"), expected)
        q8 = work / "neft-gguf-q8/model.gguf"
        check("neft: llama.cpp, q8_0, first words", [answer[:12] for answer in by_llama(q8)],
              [answer[:12] for answer in by_neft(q8)])
        halves = load("neft-hf-of-hf-bf16", torch.float32)
        check("neft: transformers, bf16 computed in fp32", by_transformers(halves, own),
              by_neft(work / "neft-hf-of-hf-bf16"))
for family in ["mistral", "qwen2", "qwen3", "llama3"]:
    expected = by_neft(work / family, work / family / "run/final")
    print(f"{family}: {expected}")
    own = AutoTokenizer.from_pretrained(work / f"{family}-hf")
    check(f"{family}: transformers", by_transformers(load(f"{family}-hf"), own), expected)
    model = PeftModel.from_pretrained(load(family), work / f"{family}-peft").eval()
    check(f"{family}: PEFT", by_transformers(model, own), expected)
    check(f"{family}: PEFT, merged", by_transformers(model.merge_and_unload(), own), expected)
    check(f"{family}: llama.cpp", by_llama(work / f"{family}-gguf/model.gguf"), expected)
    if family != "qwen2":
        adapter = work / f"{family}-gguf-adapter/adapter.gguf"
        check(f"{family}: llama.cpp, adapter", by_llama(work / f"{family}-base-gguf/model.gguf", adapter), expected)
    if family != "llama3":
        back = work / f"{family}-hf-of-gguf"
        check(f"{family}: transformers, from GGUF", by_transformers(load(back), AutoTokenizer.from_pretrained(back)),
              expected)
print(f"{failures} failed")
sys.exit(failures > 0)
