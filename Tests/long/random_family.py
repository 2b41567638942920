"""Writes a small model of random weights, of a family that Tests/long/consumers tunes, with another model's tokenizer.

usage: random_family.py mistral|qwen2|qwen3|llama3 TOKENIZER_FOLDER FOLDER
"""
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

family, tokenizer, folder = sys.argv[1:]
more = {"mistral": {"sliding_window": None}, "qwen2": {}, "qwen3": {"head_dim": 32}, "llama3": {
    "rope_parameters": {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0,
                        "high_freq_factor": 4.0, "original_max_position_embeddings": 64}}}[family]
config = AutoConfig.for_model(
    "llama" if family == "llama3" else family, hidden_size=64, intermediate_size=160, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, vocab_size=49152, max_position_embeddings=512,
    tie_word_embeddings=family != "mistral", bos_token_id=1, eos_token_id=2, pad_token_id=2, **more)
torch.manual_seed(1)
model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if name.endswith(".bias"):
            parameter.normal_(0, 0.2)
        elif "norm" in name:
            parameter.normal_(1, 0.1)
        else:
            parameter.normal_(0, 0.1)
model.save_pretrained(folder)
AutoTokenizer.from_pretrained(tokenizer).save_pretrained(folder)
