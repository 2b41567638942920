#!/usr/bin/env python3
"""Time and memory of one optimizer step of PyTorch (with PEFT for LoRA) on CPU. Prints one line of JSON.

usage: torch_step.py MODEL_DIR --mode full|lora --threads N --batch N --length N [--dtype fp32|bf16] [--steps N]
       torch_step.py MODEL_DIR --mode lora --threads N --rows PREVIEW.json --batch N [--sort | --flatten]

With --rows, the rows of `neft preview --json --batches N` in their batches of 16, cut into micro-batches of --batch rows
that are padded to their longest; the loss is on the marked tokens, and tokensPerSecond counts real tokens only. --sort
sorts each batch by length first, which pads least; --flatten lays the rows of a micro-batch end to end, without padding,
as transformers' DataCollatorWithFlattening does. Without --rows, --batch rows of --length random tokens, all in the loss.
Started by torchrun, the ranks train with DistributedDataParallel over gloo, --batch rows each; rank 0 prints, tokens are
those of all ranks. --micro-batches N: gradients of N such batches are accumulated in a step. heldMiB is the memory that
all ranks together hold after the last step, what they share counted once.
LoRA has rank 16 on the seven projections. The first step is not counted; stepSeconds is the median of the others.
Needs torch, transformers, peft.
"""
import argparse
import contextlib
import json
import os
import resource
import statistics
import time

import torch
from transformers import AutoModelForCausalLM

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("--mode", choices=["full", "lora"], default="lora")
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--length", type=int, default=256)
parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
parser.add_argument("--steps", type=int, default=6)
parser.add_argument("--micro-batches", type=int, default=1)
parser.add_argument("--rows")
way = parser.add_mutually_exclusive_group()
way.add_argument("--sort", action="store_true")
way.add_argument("--flatten", action="store_true")
options = parser.parse_args()
if (options.sort or options.flatten) and not options.rows:
    parser.error("--sort and --flatten are for --rows")
torch.set_num_threads(options.threads)
torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32, attn_implementation="sdpa")
if options.mode == "lora":
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, task_type="CAUSAL_LM", target_modules=[
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]))
ranks = int(os.environ.get("WORLD_SIZE", "1"))
if ranks > 1:
    torch.distributed.init_process_group("gloo")
    model = torch.nn.parallel.DistributedDataParallel(model)
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-5)
model.train()


def padded(rows):
    width = max(len(row["tokens"]) for row in rows)
    ids = torch.tensor([row["tokens"] + [0] * (width - len(row["tokens"])) for row in rows])
    mask = torch.tensor([[1] * len(row["tokens"]) + [0] * (width - len(row["tokens"])) for row in rows])
    labels = torch.tensor([[t if m else -100 for t, m in zip(row["tokens"], row["lossMask"])]
                           + [-100] * (width - len(row["tokens"])) for row in rows])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def flattened(rows):
    """No row looks at another: transformers sees from the positions where they begin, as long as nothing is cached; old
    versions do not, so it is checked below."""
    labels = [t if m and i else -100 for row in rows for i, (t, m) in enumerate(zip(row["tokens"], row["lossMask"]))]
    return {"input_ids": torch.tensor([[t for row in rows for t in row["tokens"]]]),
            "position_ids": torch.tensor([[i for row in rows for i in range(len(row["tokens"]))]]),
            "labels": torch.tensor([labels]), "use_cache": False}


def steps():
    if not options.rows:
        ids = torch.randint(0, 49000, (options.batch, options.length))
        for _ in range(options.steps):
            yield options.batch * options.length * options.micro_batches, (
                [{"input_ids": ids, "labels": ids}] * options.micro_batches)
        return
    data = json.load(open(options.rows))
    for step in data["steps"][:options.steps]:
        rows = [data["rows"][i] for batch in step["microBatches"] for i in batch]
        if options.sort:
            rows.sort(key=lambda row: len(row["tokens"]))
        yield (sum(len(row["tokens"]) for row in rows),
               [(flattened if options.flatten else padded)(rows[i:i + options.batch]) for i in range(0, len(rows), options.batch)])


if options.flatten:
    first, second = json.load(open(options.rows))["rows"][:2]
    with torch.no_grad():
        together, alone = (model(**{key: value for key, value in flattened(rows).items() if key != "labels"}).logits[0]
                           for rows in ([first, second], [second]))
    if not torch.allclose(together[-len(alone):], alone, rtol=1e-3, atol=1e-2):
        raise SystemExit("torch_step.py: rows that lie end to end look at each other: transformers is too old")
seconds, rates, tokens = [], [], 0
for count, batches in steps():
    start = time.time()
    for number, batch in enumerate(batches, 1):
        # The gradients go to the other ranks with the last batch.
        alone = model.no_sync() if ranks > 1 and number < len(batches) else contextlib.nullcontext()
        with alone:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.dtype == "bf16"):
                loss = model(**batch).loss / len(batches)
            loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    seconds.append(time.time() - start)
    rates.append(ranks * count / seconds[-1])
with open("/proc/self/smaps_rollup") as lines:
    held = torch.tensor([float(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024])
if ranks > 1:
    torch.distributed.all_reduce(held)
    if torch.distributed.get_rank() != 0:
        torch.distributed.destroy_process_group()
        raise SystemExit
print(json.dumps({
    "mode": options.mode, "dtype": options.dtype, "threads": options.threads, "rows": bool(options.rows),
    "sorted": options.sort, "flattened": options.flatten, "tokensPerSecond": statistics.median(rates[1:]), "stepSeconds": statistics.median(seconds[1:]),
    "trainedParameters": sum(p.numel() for p in trained),
    "ranks": ranks, "heldMiB": held.item(),
    "peakMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
if ranks > 1:
    torch.distributed.destroy_process_group()
