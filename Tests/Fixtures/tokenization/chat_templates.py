#!/usr/bin/env python3
"""Makes templates.json: conversations as transformers' apply_chat_template writes them by the templates of several
families of models, or the word that a template refuses them.

    chat_templates.py            writes next to itself; needs Python with transformers
"""

import json
from pathlib import Path

from jinja2 import TemplateError
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

ALTERNATE = (
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must "
    "alternate user/assistant/user/assistant/...') }}{% endif %}"
)


def llama2(has_system_branch):
    system = r"{% elif message['role'] == 'system' %}{{ '<<SYS>>\n' + content.strip() + '\n<</SYS>>\n\n' }}"
    return (
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
        "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
        "{% set system_message = false %}{% endif %}{% for message in loop_messages %}" + ALTERNATE +
        r"{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + "
        r"'\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}"
        "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
        + (system if has_system_branch else "") +
        "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}"
        "{% endfor %}"
    )


def mistral(answer):
    return (
        "{{ bos_token }}{% for message in messages %}" + ALTERNATE +
        "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
        "{% elif message['role'] == 'assistant' %}{{ " + answer + "}}{% else %}"
        "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
    )


def zephyr():
    turn = lambda role: "{{ '<|" + role + r"|>\n' + message['content'] + eos_token }}"
    lines = [
        "{% for message in messages %}", "{% if message['role'] == 'user' %}", turn("user"),
        "{% elif message['role'] == 'system' %}", turn("system"), "{% elif message['role'] == 'assistant' %}",
        turn("assistant"), "{% endif %}", "{% if loop.last and add_generation_prompt %}", "{{ '<|assistant|>' }}",
        "{% endif %}", "{% endfor %}",
    ]
    return "\n".join(lines)


LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
    r"message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    r"{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
ALPACA = (
    r"{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] + '\n\n' }}{% else %}{{ 'Below is an "
    r"instruction that describes a task. Write a response that appropriately completes the request.\n\n' }}{% endif %}"
    r"{% for message in messages %}{% if message['role'] == 'user' %}{{ '### Instruction:\n' + message['content'] + "
    r"'\n\n' }}{% elif message['role'] == 'assistant' %}{{ '### Response:\n' + message['content'] + eos_token + "
    r"'\n\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}"
)
TEMPLATES = [
    ("llama2", llama2(False)), ("llama2", llama2(True)), ("llama3", LLAMA3),
    ("mistral", mistral("message['content'] + eos_token")),
    ("mistral", mistral("message['content'] + eos_token + ' ' ")),
    ("mistral", mistral("' ' + message['content'] + eos_token")), ("zephyr", zephyr()), ("alpaca", ALPACA),
]
CONVERSATIONS = [
    [("user", "Hi")],
    [("system", "Be brief."), ("user", " Hi \n"), ("assistant", "\tHello. ")],
    [("user", "2 + 2?"), ("assistant", "4"), ("user", " and\n3 + 3? "), ("assistant", "6\n")],
    [("user", "a"), ("assistant", ""), ("user", "è \u3000日本\u00a0"), ("assistant", "\u2028ok\x1f\u200b")],
    [("user", "one"), ("user", "two")],
    [("assistant", "First."), ("user", "x")],
    [("user", "x"), ("tool", "y"), ("assistant", "z")],
]


def main():
    rows = []
    for name, source in TEMPLATES:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>", chat_template=source
        )
        conversations = []
        for turns in CONVERSATIONS:
            messages = [{"role": role, "content": content} for role, content in turns]
            row = {"turns": turns}
            try:
                row["text"], row["textWithPrompt"] = (
                    tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
                    for prompt in (False, True)
                )
            except TemplateError as error:
                row["refused"] = str(error)
            conversations.append(row)
        rows.append({"name": name, "template": source, "conversations": conversations})
    text = "[\n" + ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows) + "\n]\n"
    (Path(__file__).resolve().parent / "templates.json").write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
