#!/usr/bin/env python3
"""Makes the fixtures of this folder with PyTorch and transformers; see README.md for what they hold.

usage: make.py
needs: torch transformers safetensors mpmath, and ../parity
"""
import hashlib
import json
import pathlib

import mpmath
import torch
import transformers
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

HERE = pathlib.Path(__file__).parent
PARITY = HERE.parent / "parity"
torch.set_num_threads(2)
mpmath.mp.dps = 50
# Rows of each micro-batch of each step. Rows 2, 5, 8 and 11 begin alike.
STEPS = [[[0, 1], [2, 5]], [[3, 4], [8, 11]], [[6, 7], [9, 10]]]
CLASSES = ["bad", "good", "so-so"]


def one_minus_cosine(a, b):
    a, b = [mpmath.mpf(x) for x in a], [mpmath.mpf(x) for x in b]
    return 1 - mpmath.fdot(a, b) / mpmath.sqrt(mpmath.fdot(a, a) * mpmath.fdot(b, b))


def class_of(row):
    return row // 2 % len(CLASSES)


model = LlamaForCausalLM.from_pretrained(PARITY / "tiny", dtype=torch.float32).double().eval()
rows = json.loads((PARITY / "rows.json").read_text())
modules = {name: m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and "layers" in name}
outputs = {}
for name, module in modules.items():
    module.register_forward_hook(lambda _, __, output, name=name: outputs.__setitem__(name, output.detach()[0]))

magnitudes = {name: [] for name in modules}
by_class = {name: [[] for _ in CLASSES] for name in modules}
gradients = {name: torch.zeros(m.weight.shape[0], dtype=torch.float64) for name, m in modules.items()}
for step in STEPS:
    numbers = sum(step, [])
    total = sum(sum(rows[i]["isTarget"]) for i in numbers)
    model.zero_grad()
    for i in numbers:
        tokens, flags = rows[i]["tokens"], rows[i]["isTarget"]
        logits = model(input_ids=torch.tensor([tokens])).logits[0]
        targets = [t for t, flag in enumerate(flags) if flag]
        loss = torch.nn.functional.cross_entropy(
            logits[[t - 1 for t in targets]], torch.tensor([tokens[t] for t in targets]), reduction="sum")
        (loss / total).backward()
        for name in modules:
            magnitudes[name].append(outputs[name].abs())
            by_class[name][class_of(i)].append(outputs[name][: targets[0]])
    for name, module in modules.items():
        gradients[name] += (module.weight * module.weight.grad).detach().abs().sum(1)

# weight-shift: a step of AdamW on every weight for each batch, rates as neft has them for three steps.
tuned = LlamaForCausalLM.from_pretrained(PARITY / "tiny", dtype=torch.float32).double().train()
optimizer = torch.optim.AdamW(tuned.parameters(), betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
for step, rate in zip(STEPS, [1e-3, 1e-3, 5e-4]):
    numbers = sum(step, [])
    total = sum(sum(rows[i]["isTarget"]) for i in numbers)
    optimizer.zero_grad()
    for i in numbers:
        tokens, flags = rows[i]["tokens"], rows[i]["isTarget"]
        targets = [t for t, flag in enumerate(flags) if flag]
        logits = tuned(input_ids=torch.tensor([tokens])).logits[0]
        (torch.nn.functional.cross_entropy(
            logits[[t - 1 for t in targets]], torch.tensor([tokens[t] for t in targets]), reduction="sum") / total).backward()
    torch.nn.utils.clip_grad_norm_(tuned.parameters(), 1.0)
    optimizer.param_groups[0]["lr"] = rate
    optimizer.step()

tensors = {}
for name in modules:
    tensors[f"activation.{name}"] = torch.cat(magnitudes[name]).mean(0)
    means = [torch.cat(parts).mean(0) for parts in by_class[name]]
    tensors[f"probeless.{name}"] = sum(
        (means[a] - means[b]).abs() for a in range(len(means)) for b in range(a + 1, len(means)))
    tensors[f"gradient.{name}"] = gradients[name]
    before, after = modules[name].weight.detach(), tuned.get_submodule(name).weight.detach()
    # 50 digits: the shifts are tiny.
    tensors[f"weight-shift.{name}"] = torch.tensor(
        [float(one_minus_cosine(a.tolist(), b.tolist())) for a, b in zip(before, after)], dtype=torch.float64)
save_file({k: v.contiguous() for k, v in tensors.items()}, HERE / "scores.safetensors")
(HERE / "rows.json").write_text(json.dumps({
    "steps": STEPS, "classes": CLASSES, "rowClasses": [class_of(i) for i in range(len(rows))]}))
files = sorted(p for p in HERE.iterdir() if p.suffix in (".json", ".safetensors") and p.name != "MANIFEST.json")
(HERE / "MANIFEST.json").write_text(json.dumps({
    "torch": torch.__version__, "transformers": transformers.__version__,
    "files": {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}}, indent=1) + "\n")
