#!/usr/bin/env python3
"""Makes the fixtures of this folder with PyTorch and transformers; see README.md for what they hold.

usage: make.py [HF_DIRECTORY_OF_SMOLLM2]      (made by Benchmarks/peers/gguf-to-hf; without it, the tiny models only)
       make.py --only lora | families
needs: torch transformers peft gguf safetensors
"""
import hashlib
import json
import pathlib
import shutil
import sys

import gguf
import numpy as np
import peft
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers import MistralConfig, Qwen2Config, Qwen3Config

HERE = pathlib.Path(__file__).parent
PROJECTIONS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
               "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
torch.set_num_threads(2)


def row_losses(model, row):
    """Negative log-likelihood of each target of one row, and all logits."""
    logits = model(input_ids=torch.tensor([row["tokens"]])).logits[0]
    targets = [i for i, flag in enumerate(row["isTarget"]) if flag]
    picked = logits[[i - 1 for i in targets]]
    losses = torch.nn.functional.cross_entropy(picked, torch.tensor([row["tokens"][i] for i in targets]), reduction="none")
    return losses, logits


def target_count(rows):
    return sum(sum(row["isTarget"]) for row in rows)


def learning_rates(base, steps, warmup):
    return [base * (n + 1) / warmup if n < warmup else base * (steps - n) / (steps - warmup) for n in range(steps)]


def curve(model, rows, base, mask, weight_decay, batch, seed, steps=10, warmup=2, only=""):
    """Ten optimizer steps; `mask` maps modules to rows (None: every weight whose name holds `only` is trained)."""
    parameters = dict(model.named_parameters())
    trained = [f"{module}.weight" for module in mask] if mask else [name for name in parameters if only in name]
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in trained)
    if mask:  # only the selected rows have optimizer state: they are parameters of their own
        packed = {m: torch.nn.Parameter(parameters[f"{m}.weight"].detach()[r].clone()) for m, r in mask.items()}
        tensors = list(packed.values())
    else:
        tensors = [parameters[name] for name in trained]
    optimizer = torch.optim.AdamW(tensors, lr=base, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)
    order = np.random.default_rng(seed)
    result = {"weightDecay": weight_decay, "maxGradNorm": 1.0, "learningRates": learning_rates(base, steps, warmup),
              "microBatches": [], "losses": [], "gradNorms": []}
    for rate in result["learningRates"]:
        chosen = [int(i) for i in order.choice(len(rows), batch, replace=False)]
        result["microBatches"].append([chosen[:batch // 2], chosen[batch // 2:]])
        for parameter in parameters.values():
            parameter.grad = None
        total = target_count([rows[i] for i in chosen])
        loss = 0.0
        for i in chosen:
            part = row_losses(model, rows[i])[0].sum() / total
            part.backward()
            loss += part.item()
        if mask:
            for module, selected in mask.items():
                packed[module].grad = parameters[f"{module}.weight"].grad[selected].clone()
        norm = torch.nn.utils.clip_grad_norm_(tensors, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        if mask:
            with torch.no_grad():
                for module, selected in mask.items():
                    parameters[f"{module}.weight"][selected] = packed[module]
        result["losses"].append(loss)
        result["gradNorms"].append(norm.item())
    return result, (packed if mask else None)


def random_mask(model, share, seed):
    random = np.random.default_rng(seed)
    mask = {}
    for layer in range(model.config.num_hidden_layers):
        for projection in PROJECTIONS:
            module = f"model.layers.{layer}.{projection}"
            rows = model.get_submodule(module).weight.shape[0]
            mask[module] = sorted(random.choice(rows, max(1, round(share * rows)), replace=False).tolist())
    return mask


def save_mask(mask, path):
    save_file({f"{m}.rows": torch.tensor(r, dtype=torch.int32) for m, r in mask.items()}, path)


def make_tiny(untied):
    torch.manual_seed(11 + untied)
    config = LlamaConfig(
        hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=6,
        num_key_value_heads=6 if untied else 2, vocab_size=96 if untied else 128, tie_word_embeddings=not untied,
        max_position_embeddings=256, rope_theta=10000.0, rms_norm_eps=1e-5)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.copy_(1 + 0.1 * torch.randn_like(parameter))
            else:
                parameter.copy_(0.14 * torch.randn_like(parameter))
    return model.eval()


def make_rows(vocabulary):
    random = np.random.default_rng(5)
    beginning = random.integers(0, vocabulary, 12).tolist()
    rows = []
    for number, length in enumerate([14, 3, 40, 9, 22, 17] + random.integers(4, 41, 18).tolist()):
        tokens = random.integers(0, vocabulary, length).tolist()
        if number % 3 == 2:
            tokens = beginning + tokens
        first = max(1, len(tokens) * 2 // 5)
        flags = [i >= first for i in range(len(tokens))]
        if number == 3:
            flags = [i == len(tokens) - 1 for i in range(len(tokens))]
        rows.append({"tokens": tokens, "isTarget": flags})
    return rows


def expected(model, rows, path):
    """Logits, losses and every gradient of the first six rows, computed in double precision."""
    model = model.double()
    tensors = {}
    total = target_count(rows[:6])
    model.zero_grad()
    for number, row in enumerate(rows[:6]):
        losses, logits = row_losses(model, row)
        (losses.sum() / total).backward()
        tensors[f"logits.{number}"] = logits.detach().float()
        tensors[f"losses.{number}"] = losses.detach().float()
    for name, parameter in model.named_parameters():
        tensors[f"grad.{name}"] = parameter.grad.float()
    save_file({k: v.contiguous() for k, v in tensors.items()}, path)
    model.zero_grad()
    model.float()


def begin_gguf(path, architecture, config):
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    return writer


def end_gguf(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def permuted(values, d):
    """The rows of q or k as llama.cpp's converter orders them for the architecture llama."""
    return values.reshape(-1, 2, d // 2, values.shape[1]).swapaxes(1, 2).reshape(values.shape)


def write_gguf(model, path):
    config = model.config
    writer = begin_gguf(path, "llama", config)
    d = config.hidden_size // config.num_attention_heads
    short = dict(zip(PROJECTIONS, ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]))
    weights = {k: v.numpy() for k, v in model.state_dict().items()}
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    for layer in range(config.num_hidden_layers):
        for projection, name in short.items():
            values = weights[f"model.layers.{layer}.{projection}.weight"]
            if name in ("attn_q", "attn_k"):
                values = permuted(values, d)
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ascontiguousarray(values))
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", weights[f"model.layers.{layer}.input_layernorm.weight"])
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", weights[f"model.layers.{layer}.post_attention_layernorm.weight"])
    end_gguf(writer)


def make_tiny_fixtures():
    rows = make_rows(96)
    (HERE / "rows.json").write_text(json.dumps(rows))
    for untied, name in [(False, "tiny"), (True, "tiny-untied")]:
        model = make_tiny(untied)
        shutil.rmtree(HERE / name, ignore_errors=True)
        if untied:
            model.bfloat16().save_pretrained(HERE / name, max_shard_size="60KB")
            # Read back, because bfloat16() rounds the rotary frequencies too, which no reader does.
            model = LlamaForCausalLM.from_pretrained(HERE / name, dtype=torch.float32).eval()
        else:
            model.save_pretrained(HERE / name)
            write_gguf(model, HERE / "tiny.gguf")
        (HERE / name / "generation_config.json").unlink(missing_ok=True)
        expected(model, rows, HERE / f"{name}-expected.safetensors")
    mask = random_mask(make_tiny(False), 0.1, 3)
    save_mask(mask, HERE / "tiny-neurons.safetensors")
    neft, packed = curve(make_tiny(False), rows, 1e-2, mask, 0.01, 8, 1)
    save_file({f"{m}.weight": p.detach().contiguous() for m, p in packed.items()}, HERE / "tiny-neft-final.safetensors")
    full, _ = curve(make_tiny(False), rows, 3e-3, None, 0.01, 8, 2)
    (HERE / "tiny-curves.json").write_text(json.dumps({"neft": neft, "full": full}))


PAIRS = [
    ("image viewer for the terminal", "visualizzatore di immagini per il terminale"),
    ("library for reading configuration files", "libreria per leggere file di configurazione"),
    ("simple text editor", "semplice editor di testo"),
    ("Python module for dates and times", "modulo Python per date e orari"),
    ("development files for the audio library", "file di sviluppo per la libreria audio"),
    ("documentation of the compiler", "documentazione del compilatore"),
    ("network monitor with graphs", "monitor di rete con grafici"),
    ("game with ships and stars", "gioco con navi e stelle"),
    ("fast compression tool", "veloce strumento di compressione"),
    ("fonts for Arabic and Persian", "caratteri per arabo e persiano"),
    ("plugin for the music player", "estensione per il lettore musicale"),
    ("server for small web pages", "server per piccole pagine web"),
    ("tool to merge two directories", "strumento per unire due directory"),
    ("dictionary of Italian words", "dizionario di parole italiane"),
    ("desktop calendar", "calendario per il desktop"),
    ("debugger for C and C++ programs", "debugger per programmi C e C++"),
    ("common files for the mail client", "file comuni per il client di posta"),
    ("clock that shows 24 hours", "orologio che mostra 24 ore"),
    ("converter between 3 video formats", "convertitore tra 3 formati video"),
    ("graphical interface for backups", "interfaccia grafica per i backup"),
]


def make_real_fixtures(directory):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    system = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    rows = []
    for english, italian in PAIRS:
        prompt = f"{system}<|im_start|>user\nTranslate into Italian: {english}<|im_end|>\n<|im_start|>assistant\n"
        head = tokenizer(prompt, add_special_tokens=False).input_ids
        tail = tokenizer(f"{italian}<|im_end|>", add_special_tokens=False).input_ids
        rows.append({"tokens": head + tail, "isTarget": [False] * len(head) + [True] * len(tail)})
    load = lambda: LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    model = load()
    vocabulary = np.sort(np.random.default_rng(9).choice(49152, 512, replace=False)).tolist()
    places, tensors = [], {}
    for number in range(3):
        losses, logits = row_losses(model, rows[number])
        positions = list(range(3, logits.shape[0], max(1, logits.shape[0] // 12)))
        picked = logits.detach()[positions]
        tensors[f"logits.{number}"] = picked[:, vocabulary].contiguous()
        tensors[f"losses.{number}"] = losses.detach()
        places.append({"positions": positions, "argmax": picked.argmax(-1).tolist(), "norm": picked.double().norm(dim=-1).tolist()})
    mask = random_mask(model, 0.005, 4)
    save_mask(mask, HERE / "real-neurons.safetensors")
    batch = rows[:4]
    for row in batch:
        (row_losses(model, row)[0].sum() / target_count(batch)).backward()
    for module, selected in mask.items():
        tensors[f"grad.{module}"] = model.get_submodule(module).weight.grad[selected].flatten()[::max(1, len(selected) * 9)].contiguous()
    norms = {m: model.get_submodule(m).weight.grad[s].double().norm().item() for m, s in mask.items()}
    save_file(tensors, HERE / "real-expected.safetensors")
    neft, _ = curve(load(), rows, 1e-3, mask, 0.0, 4, 1)
    full, _ = curve(load(), rows, 1e-4, None, 0.0, 4, 2)
    weights = load_file(pathlib.Path(directory) / "model.safetensors")
    names = ["model.embed_tokens.weight", "model.norm.weight", "model.layers.0.self_attn.q_proj.weight",
             "model.layers.17.self_attn.k_proj.weight", "model.layers.29.mlp.down_proj.weight"]
    hashes = {n: hashlib.sha256(weights[n].numpy().tobytes()).hexdigest() for n in names}
    (HERE / "real.json").write_text(json.dumps(
        {"rows": rows, "vocabulary": vocabulary, "logits": places, "gradientNorms": norms, "neft": neft, "full": full,
         "tensorHashes": hashes}))


def make_lora_fixtures():
    """LoRA on the tiny model, by PEFT: an adapter as PEFT saves it, what it computes, and ten steps from it."""
    rows = json.loads((HERE / "rows.json").read_text())

    def adapted():
        base = LlamaForCausalLM.from_pretrained(HERE / "tiny", dtype=torch.float32).eval()
        torch.manual_seed(21)
        model = peft.get_peft_model(base, peft.LoraConfig(
            r=4, lora_alpha=6, task_type="CAUSAL_LM", target_modules=[p.split(".")[1] for p in PROJECTIONS]))
        with torch.no_grad():  # B starts at zero, where A has no gradient
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.copy_(0.1 * torch.randn_like(parameter))
        return model.eval()

    model = adapted()
    shutil.rmtree(HERE / "tiny-lora", ignore_errors=True)
    model.save_pretrained(HERE / "tiny-lora")
    (HERE / "tiny-lora" / "README.md").unlink(missing_ok=True)
    config = json.loads((HERE / "tiny-lora" / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "tiny"
    (HERE / "tiny-lora" / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    model = model.double()
    tensors, total = {}, target_count(rows[:6])
    for number, row in enumerate(rows[:6]):
        losses, logits = row_losses(model, row)
        (losses.sum() / total).backward()
        tensors[f"logits.{number}"] = logits.detach().float().contiguous()
    for name, parameter in model.named_parameters():
        if "lora" in name:
            name = name.removeprefix("base_model.model.").replace(".default", "")
            tensors[f"grad.{name}"] = parameter.grad.float().contiguous()
    save_file(tensors, HERE / "tiny-lora-expected.safetensors")
    curve_of = curve(adapted(), rows, 1e-2, None, 0.01, 8, 4, only="lora")[0]
    (HERE / "tiny-lora-curve.json").write_text(json.dumps(curve_of))


LLAMA3_SCALING = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                  "original_max_position_embeddings": 128}
FAMILIES = {
    "llama3": (LlamaConfig, {"rope_parameters": {"rope_type": "llama3", "rope_theta": 10000.0, **LLAMA3_SCALING}}),
    "mistral": (MistralConfig, {"sliding_window": 64}),
    "qwen2": (Qwen2Config, {"tie_word_embeddings": True}),
    "qwen3": (Qwen3Config, {"head_dim": 16, "tie_word_embeddings": True}),
}


def make_family(name, seed):
    """A tiny model of a family, read back from bfloat16 because that rounds its rotary frequencies, too."""
    kind, more = FAMILIES[name]
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
             "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "tie_word_embeddings": False}
    model = AutoModelForCausalLM.from_config(kind(**{**sizes, **more}))
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            random = torch.randn_like(parameter)
            parameter.copy_(1 + 0.2 * random if "norm" in parameter_name else 0.2 * random)
    folder = HERE / f"tiny-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model.bfloat16().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def rope_divisors(d):
    """What llama.cpp's converter puts into rope_freqs.weight."""
    scaling = LLAMA3_SCALING
    low = scaling["original_max_position_embeddings"] / scaling["low_freq_factor"]
    high = scaling["original_max_position_embeddings"] / scaling["high_freq_factor"]
    divisors = []
    for frequency in 1.0 / (10000.0 ** (torch.arange(0, d, 2, dtype=torch.float32) / d)):
        wavelength = 2 * np.pi / frequency
        if wavelength < high:
            divisors.append(1)
        elif wavelength > low:
            divisors.append(scaling["factor"])
        else:
            smooth = (scaling["original_max_position_embeddings"] / wavelength - scaling["low_freq_factor"]) / (
                scaling["high_freq_factor"] - scaling["low_freq_factor"])
            divisors.append(1 / ((1 - smooth) / scaling["factor"] + smooth))
    return np.array(divisors, dtype=np.float32)


def write_family_gguf(name, model):
    """As llama.cpp's converter leaves it: matrices in BF16, vectors in F32, Mistral as llama."""
    config = model.config
    architecture = {"llama3": "llama", "mistral": "llama"}.get(name, name)
    d = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer = begin_gguf(HERE / f"tiny-{name}.gguf", architecture, config)
    if name == "qwen3":
        writer.add_key_length(d)
        writer.add_value_length(d)
    if architecture == "llama":
        writer.add_rope_dimension_count(d)
    if name == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_divisors(d))
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
             "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    others = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    for full_name, parameter in model.named_parameters():
        module, suffix = full_name.rsplit(".", 1)
        if module in others:
            short = others[module]
        else:
            _, _, layer, rest = module.split(".", 3)
            short = f"blk.{layer}.{names[rest]}"
        values = parameter.detach().numpy()
        if architecture == "llama" and short.endswith(("attn_q", "attn_k")):
            values = permuted(values, d)
        kind = gguf.GGMLQuantizationType.F32 if values.ndim == 1 else gguf.GGMLQuantizationType.BF16
        writer.add_tensor(f"{short}.{suffix}", gguf.quants.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
    end_gguf(writer)


def make_family_fixtures():
    """Logits and losses of rows 0-5 in double precision, and gradients: all but those of the feed-forward networks."""
    rows = json.loads((HERE / "rows.json").read_text())
    total = target_count(rows[:6])
    for number, name in enumerate(FAMILIES):
        model = make_family(name, 31 + number)
        write_family_gguf(name, model)
        greedy = rows[0]["tokens"]
        for _ in range(12):
            greedy = greedy + [int(model(input_ids=torch.tensor([greedy])).logits[0, -1].argmax())]
        model = model.double()
        tensors = {"greedy": torch.tensor(greedy, dtype=torch.int32)}
        for row_number, row in enumerate(rows[:6]):
            losses, logits = row_losses(model, row)
            (losses.sum() / total).backward()
            if row_number in (2, 5):
                tensors[f"logits.{row_number}"] = logits.detach()[::3].float().contiguous()
            tensors[f"losses.{row_number}"] = losses.detach().float()
        for full_name, parameter in model.named_parameters():
            if "mlp" not in full_name:
                tensors[f"grad.{full_name}"] = parameter.grad.float().contiguous()
        if name == "llama3":  # the same weights with another scaling
            config = model.config.to_dict()
            config["rope_parameters"] = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}
            other = LlamaForCausalLM(LlamaConfig.from_dict(config)).double().eval()
            other.load_state_dict(model.state_dict())
            tensors["linear.losses.2"] = row_losses(other, rows[2])[0].detach().float()
        save_file(tensors, HERE / f"tiny-{name}-expected.safetensors")


only = sys.argv[2] if sys.argv[1:2] == ["--only"] else None
if only is None:
    make_tiny_fixtures()
if only in (None, "lora"):
    make_lora_fixtures()
if only in (None, "families"):
    make_family_fixtures()
if only is None and len(sys.argv) > 1:
    make_real_fixtures(sys.argv[1])
files = sorted(p for p in HERE.rglob("*") if p.is_file() and p.name not in ("MANIFEST.json", "make.py", "README.md"))
(HERE / "MANIFEST.json").write_text(json.dumps({
    "torch": torch.__version__, "transformers": transformers.__version__,
    "files": {str(p.relative_to(HERE)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}}, indent=1) + "\n")
