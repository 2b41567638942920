"""llama.cpp's tokenizer, through the server of the xllamacpp wheel (loopback only)."""

import http.client
import json
from pathlib import Path
from urllib.parse import urlparse

import xllamacpp


class LlamaTokenizer:
    def __init__(self, model):
        if not Path(model).exists():
            raise FileNotFoundError(f"{model}: no such file; download the model first")
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(model)
        parameters.n_ctx = 64
        parameters.n_parallel = 1
        parameters.warmup = False
        parameters.verbosity = -1
        parameters.port = 0
        self.server = xllamacpp.Server(parameters)
        self.connection = http.client.HTTPConnection(urlparse(self.server.listening_address).netloc)

    def _post(self, path, value):
        self.connection.request("POST", path, json.dumps(value), {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {answer[:200]!r}")
        return json.loads(answer)

    def encode(self, text, parse_special=True):
        return self._post("/tokenize", {"content": text, "add_special": False, "parse_special": parse_special})[
            "tokens"
        ]

    def decode(self, ids):
        return self._post("/detokenize", {"tokens": ids})["content"]
