#!/usr/bin/env python3
"""Times greedy generation to a fixed length by transformers or llama.cpp. Prints one line of JSON.

usage: generate.py transformers MODEL_DIR --dtype fp32|bf16 --batch N --threads N [--length N --new N --runs N]
       generate.py llama.cpp MODEL.gguf --batch N --threads N [--length N --new N --runs N]

Prompts are --length random tokens, answers --new tokens, no token ends them. A run's time holds the prompts' too; the
first run is not counted, `seconds` is the median of the others. llama.cpp computes in the type of the file, with one
slot per prompt. Needs torch and transformers, or xllamacpp.
"""
import argparse
import concurrent.futures
import json
import random
import statistics
import time

parser = argparse.ArgumentParser()
parser.add_argument("engine", choices=["transformers", "llama.cpp"])
parser.add_argument("model")
parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--length", type=int, default=64)
parser.add_argument("--new", type=int, default=128)
parser.add_argument("--runs", type=int, default=3)
options = parser.parse_args()


def prompts(run):
    # Other prompts in each run, so that none is answered from a cache.
    draw = random.Random(run)
    return [[draw.randrange(100, 48000) for _ in range(options.length)] for _ in range(options.batch)]


if options.engine == "transformers":
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(options.threads)
    model = AutoModelForCausalLM.from_pretrained(
        options.model, dtype=torch.float32 if options.dtype == "fp32" else torch.bfloat16)

    def answer(run):
        ids = torch.tensor(prompts(run))
        with torch.inference_mode():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=options.new,
                                 min_new_tokens=options.new, pad_token_id=0)
        assert out.shape[1] == options.length + options.new, out.shape
else:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.n_ctx = options.batch * (options.length + options.new + 16)
    params.n_parallel = options.batch
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    params.cache_prompt = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    pool = concurrent.futures.ThreadPoolExecutor(options.batch)

    def one(prompt):
        result = server.handle_completions({
            "prompt": prompt, "n_predict": options.new, "temperature": 0.0, "top_k": 1, "ignore_eos": True,
            "cache_prompt": False})
        usage = result["usage"]
        assert usage["completion_tokens"] == options.new, usage

    def answer(run):
        list(pool.map(one, prompts(run)))

seconds = []
for run in range(options.runs + 1):
    start = time.perf_counter()
    answer(run)
    seconds.append(time.perf_counter() - start)
median = statistics.median(seconds[1:])
print(json.dumps({"engine": options.engine, "batch": options.batch, "seconds": median,
                  "tokensPerSecond": options.batch * options.new / median}))
