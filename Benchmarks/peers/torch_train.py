#!/usr/bin/env python3
"""The same training in PyTorch: the same rows in the same batches, the same schedule, the same evaluation.

usage: torch_train.py MODEL_DIR PREVIEW.json TEST.json full|neft OUT_FOLDER --learning-rate LR --steps N [--neurons FILE]

PREVIEW.json   `neft preview -m … -d train.jsonl --json --limit ROWS --batches N`: tokens, loss marks, batches
TEST.json      the same of the held-out rows
neft           trains the rows of --neurons only: no other weight gradient is computed

AdamW without weight decay, clipping at 1.0, warm-up over 5 % of the steps, then linear decay. Rows of a batch are sorted
by length and padded in groups; the head runs at target positions only. Writes losses.jsonl and result.json (mean loss of
the last 50 steps, BLEU, chrF). Needs torch, transformers, safetensors, sacrebleu.
"""
import argparse
import json
import math
import pathlib
import time

import sacrebleu
import torch
from safetensors import safe_open
from transformers import AutoTokenizer, LlamaForCausalLM

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("preview")
parser.add_argument("test")
parser.add_argument("method", choices=["full", "neft"])
parser.add_argument("out", type=pathlib.Path)
parser.add_argument("--learning-rate", type=float, required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--neurons")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--max-new-tokens", type=int, default=96)
options = parser.parse_args()
torch.set_num_threads(options.threads)
options.out.mkdir(parents=True, exist_ok=True)

model = LlamaForCausalLM.from_pretrained(options.model, dtype=torch.float32, attn_implementation="sdpa").eval()
tokenizer = AutoTokenizer.from_pretrained(options.model)
pad = 0


class SelectedRows(torch.autograd.Function):
    """y = x Wᵀ where some rows of W are parameters of their own: the frozen rest gets no weight gradient."""

    @staticmethod
    def forward(context, x, weight, rows, selected):
        context.save_for_backward(x, weight, selected)
        return x @ weight.T

    @staticmethod
    def backward(context, dy):
        x, weight, selected = context.saved_tensors
        picked = dy.flatten(0, -2)[:, selected]
        return dy @ weight, None, picked.T @ x.flatten(0, -2), None


class NeuronLinear(torch.nn.Module):
    def __init__(self, linear, selected):
        super().__init__()
        self.weight = linear.weight.detach()
        self.selected = torch.tensor(selected)
        self.rows = torch.nn.Parameter(self.weight[self.selected].clone())

    def forward(self, x):
        return SelectedRows.apply(x, self.weight, self.rows, self.selected)

    def put_back(self):
        self.weight[self.selected] = self.rows.detach()


changed = []
if options.method == "neft":
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with safe_open(options.neurons, "pt") as file:
        for name in file.keys():
            if name.endswith(".rows"):
                parent, child = name[:-5].rsplit(".", 1)
                module = NeuronLinear(getattr(model.get_submodule(parent), child), file.get_tensor(name).tolist())
                setattr(model.get_submodule(parent), child, module)
                changed.append(module)
    trained = [module.rows for module in changed]
else:
    trained = list(model.parameters())
print(f"training {sum(p.numel() for p in trained)} values", flush=True)
optimizer = torch.optim.AdamW(trained, lr=options.learning_rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)

preview = json.loads(pathlib.Path(options.preview).read_text())
rows = preview["rows"]
warmup = math.ceil(0.05 * options.steps)
losses, start = [], time.time()
with (options.out / "losses.jsonl").open("w") as log:
    for step in range(options.steps):
        batch = sorted((rows[i] for b in preview["steps"][step]["microBatches"] for i in b), key=lambda r: len(r["tokens"]))
        total = sum(sum(row["lossMask"]) for row in batch)
        optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for group in (batch[i:i + 4] for i in range(0, len(batch), 4)):
            width = max(len(row["tokens"]) for row in group)
            ids = torch.tensor([row["tokens"] + [pad] * (width - len(row["tokens"])) for row in group])
            mask = torch.tensor([[1] * len(row["tokens"]) + [0] * (width - len(row["tokens"])) for row in group])
            marks = torch.tensor([row["lossMask"] + [0] * (width - len(row["tokens"])) for row in group]).bool()
            hidden = model.model(input_ids=ids, attention_mask=mask).last_hidden_state
            picked = hidden[:, :-1][marks[:, 1:]]
            part = torch.nn.functional.cross_entropy(model.lm_head(picked), ids[:, 1:][marks[:, 1:]], reduction="sum") / total
            part.backward()
            loss += part.item()
        norm = torch.nn.utils.clip_grad_norm_(trained, 1.0).item()
        n = step
        rate = options.learning_rate * ((n + 1) / warmup if n < warmup else (options.steps - n) / (options.steps - warmup))
        for entry in optimizer.param_groups:
            entry["lr"] = rate
        optimizer.step()
        for module in changed:
            module.put_back()
        losses.append(loss)
        log.write(json.dumps({"step": step + 1, "loss": loss, "gradNorm": norm}) + "\n")
        log.flush()
        if step % 10 == 9:
            print(f"step {step + 1}  loss {loss:.4f}  {time.time() - start:.0f} s", flush=True)

test = json.loads(pathlib.Path(options.test).read_text())["rows"]
prompts = [row["tokens"][:row["lossMask"].index(1)] for row in test]
references = [tokenizer.decode(row["tokens"][row["lossMask"].index(1):], skip_special_tokens=True) for row in test]
outputs = [""] * len(prompts)
order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
end = tokenizer.convert_tokens_to_ids("<|im_end|>")
with torch.no_grad():
    for group in (order[i:i + 16] for i in range(0, len(order), 16)):
        width = max(len(prompts[i]) for i in group)
        ids = torch.tensor([[pad] * (width - len(prompts[i])) + prompts[i] for i in group])
        mask = torch.tensor([[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in group])
        result = model.generate(input_ids=ids, attention_mask=mask, do_sample=False, eos_token_id=end, pad_token_id=end,
                                max_new_tokens=options.max_new_tokens)
        for i, sequence in zip(group, result):
            outputs[i] = tokenizer.decode(sequence[width:], skip_special_tokens=True)
result = {
    "finalLoss": sum(losses[-50:]) / len(losses[-50:]), "bleu": sacrebleu.corpus_bleu(outputs, [references]).score,
    "chrf": sacrebleu.corpus_chrf(outputs, [references]).score, "steps": options.steps, "rows": len(test),
    "trainSeconds": time.time() - start,
}
(options.out / "result.json").write_text(json.dumps(result) + "\n")
print(json.dumps(result))
