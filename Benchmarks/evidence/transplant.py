"""Rows of a trained model in the place of the untrained model's: how much of a training do some neurons carry?"""
import json
import pathlib
import shutil
import struct


def header(file):
    """Tensors of a safetensors file by name, and where their data begin."""
    with open(file, "rb") as f:
        length = struct.unpack("<Q", f.read(8))[0]
        entries = json.loads(f.read(length))
    entries.pop("__metadata__", None)
    return entries, 8 + length


def rows_of(mask):
    """Row numbers by the name of the weight."""
    entries, start = header(mask)
    data = pathlib.Path(mask).read_bytes()[start:]
    rows = {}
    for name, entry in entries.items():
        first, end = entry["data_offsets"]
        rows[name.removesuffix(".rows") + ".weight"] = struct.unpack(f"<{(end - first) // 4}i", data[first:end])
    return rows


def all_rows(model, suffix=""):
    """Of all weights whose names end so."""
    entries, _ = header(pathlib.Path(model) / "model.safetensors")
    return {name: range(entry["shape"][0]) for name, entry in entries.items() if name.endswith(suffix)}


def transplant(base, trained, rows, output):
    """Copies the folder `base` to `output`, with `rows` (numbers by the name of the weight) from `trained`."""
    shutil.rmtree(output, ignore_errors=True)
    shutil.copytree(base, output)
    (there, there_start), (here, here_start) = header(trained / "model.safetensors"), header(output / "model.safetensors")
    with open(trained / "model.safetensors", "rb") as source, open(output / "model.safetensors", "r+b") as target:
        for name, numbers in rows.items():
            new, old = there[name], here[name]
            if (new["dtype"], new["shape"]) != (old["dtype"], old["shape"]):
                raise ValueError(f"{name}: {new['dtype']} {new['shape']} and {old['dtype']} {old['shape']}")
            first, end = old["data_offsets"]
            size = (end - first) // old["shape"][0]
            for row in numbers:
                source.seek(there_start + new["data_offsets"][0] + row * size)
                target.seek(here_start + first + row * size)
                target.write(source.read(size))
