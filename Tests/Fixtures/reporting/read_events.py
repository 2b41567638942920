#!/usr/bin/env python3
"""Reads a run's TensorBoard folder with the tensorboard package and prints its scalars as JSON.

    read_events.py            makes the virtual environment $NEFT_CACHE/venv-tensorboard, if it is not there
    read_events.py FOLDER     prints {"tag": [[step, value], …], …}

The package checks the checksum of every record and reads no further than the first that is broken.
NEFT_CACHE: `.cache` at the top of the package unless set.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("NEFT_CACHE") or Path(__file__).resolve().parents[3] / ".cache").resolve()
VENV = CACHE / "venv-tensorboard"
# Of what tensorboard names, only what reading needs.
REQUIREMENTS = ["tensorboard==2.21.0", "protobuf==6.33.1", "numpy==2.2.6", "absl-py==2.5.1"]


def enter_venv():
    """Starts this script again under the virtual environment's Python."""
    python = VENV / "bin" / "python"
    if Path(sys.prefix) == VENV:
        return
    if not (VENV / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--no-deps", *REQUIREMENTS]
        subprocess.run(install, check=True, stdout=sys.stderr)
        (VENV / "ready").touch()
    os.execv(python, [str(python), *sys.argv])


def main(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    # 0: every value, not a sample.
    events = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0}).Reload()
    scalars = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    # A value that is no number is no JSON.
    print(json.dumps(scalars, allow_nan=True).replace("NaN", "null"))


if __name__ == "__main__":
    enter_venv()
    if len(sys.argv) == 2:
        main(sys.argv[1])
