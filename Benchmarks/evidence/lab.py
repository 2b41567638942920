"""Runs of the comparison. Each leaves one small JSON file; what has one is not done again."""
import dataclasses
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from transplant import all_rows, rows_of, transplant

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = pathlib.Path(os.environ.get("NEFT_CACHE") or ROOT / ".cache")
METRICS = {"translation": "bleu,chrf,perplexity", "summarization": "rouge,perplexity",
           "cross-lingual": "rouge,chrf,perplexity", "classification": "accuracy,exact-match,perplexity"}
# What the share of inactive neurons is compared with.
AGAINST = {"translation": "chrf,perplexity", "summarization": "rouge,perplexity", "cross-lingual": "chrf,perplexity",
           "classification": "accuracy,perplexity"}
# All methods try rates of this grid alone: three around the usual one, and on as long as the lowest loss is at an end.
RATES = ["2.5e-5", "5e-5", "1e-4", "2e-4", "4e-4", "8e-4", "1.6e-3", "3.2e-3", "6.4e-3", "1.28e-2", "2.56e-2"]
USUAL = {"full": "1e-4", "linear": "1e-4", "lora": "1.6e-3"}
USUAL_OF_NEURONS = "3.2e-3"
PROFILING_STEPS = {"weight-shift": 50, "gradient": 16, "activation": 16, "probeless": 16, "random": 0}
# What the scopes of neft select add to the name of a method.
SUFFIXES = {"global": "", "layer": "-by-layer", "projection": "-by-projection", "spread": "-spread"}
BATCH = 16
# A guess of the seconds that the first of a kind takes.
GUESSES = {"profile": 120, "train": 250, "test": 60, "watch": 90, "costs": 600}
LINK = 125e6  # bytes a second: 1 Gbit/s
# Costs are measured over so many steps, of which the first are not counted, in so many rounds.
COST_STEPS, COST_WARMUP, COST_ROUNDS = 12, 3, 3


class OutOfTime(Exception):
    pass


def fail(message):
    print(f"paper: {message}", file=sys.stderr)
    sys.exit(2)


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".writing")
    aside.write_text(json.dumps(document, indent=1) + "\n")
    aside.replace(path)


@dataclasses.dataclass(frozen=True)
class Data:
    """Rows of a task: the same ones for every method."""
    task: str
    language: str
    rows: int

    @property
    def name(self):
        return f"{self.task}-{self.language}"

    def with_room_for(self, steps):
        """With as many times the rows as so many steps need, these ones among them; those to test on are the same."""
        return dataclasses.replace(self, rows=self.rows * max(1, math.ceil(steps * BATCH / self.rows)))

    @property
    def folder(self):
        return CACHE / "paper/data" / f"{self.name}-{self.rows}"


@dataclasses.dataclass(frozen=True)
class Method:
    """What is trained: all weights, all rows, LoRA, or the neurons that a profiler finds (on `found_on`), by a `scope` of
    neft select, in some `projections` alone (gate,up) or in all; once over the rows, or for `training_steps`, which take
    the time of another method, and never twice over a row."""
    kind: str
    percent: int = 6
    steps: int = 0
    found_on: Data | None = None
    scope: str = "global"
    projections: str = ""
    training_steps: int = 0
    time_of: str = ""

    @property
    def of_neurons(self):
        return self.kind not in ("full", "linear", "lora")

    @property
    def profiling_steps(self):
        return self.steps or PROFILING_STEPS.get(self.kind, 0)

    @property
    def name(self):
        if self.kind in ("full", "linear"):
            return self.kind
        name = f"{self.kind}-{self.percent}"
        if self.of_neurons and self.steps:
            name += f"-after-{self.steps}"
        name += self.choice + (f"-of-{self.found_on.name}" if self.found_on else "")
        return name + (f"-for-{self.training_steps}-steps" if self.training_steps else "")

    @property
    def choice(self):
        """What the scope and the projections add to a name."""
        return SUFFIXES[self.scope] + (f"-in-{self.projections.replace(',', '-')}" if self.projections else "")


class Lab:
    """Carries out runs, or, when `dry`, counts the ones that are left."""

    def __init__(self, results, deadline=math.inf):
        self.results, self.deadline = results, deadline
        self.neft = CACHE / "paper/neft"
        self.dry, self.left, self.seconds = False, {}, {}
        self.model = None
        self.plan = None

    # What is done.

    def path(self, data, method, rate, seed):
        return self.results / data.name / f"{method.name}-{rate}-{seed}.json"

    def known(self, path):
        return json.loads(path.read_text()) if path.exists() else None

    def prepare(self):
        """A copy of the program, so that it stays the same; the model as a Hugging Face directory."""
        if not self.neft.exists():
            subprocess.run(["swift", "build", "-c", "release", "--product", "neft", "--package-path", ROOT], check=True,
                           stdout=sys.stderr)
            self.neft.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / ".build/release/neft", self.neft)
        os.environ["NEFT"] = str(self.neft)
        self.model = subprocess.run([ROOT / "Benchmarks/peers/hf-model"], check=True, stdout=subprocess.PIPE,
                                    text=True).stdout.strip()

    # Jobs.

    def job(self, kind, text, work):
        """Does one piece of work, unless there is no time for it; says how it went and how long the rest takes."""
        if self.dry:
            self.left.setdefault(kind, set()).add(text)
            return None
        if time.time() + self.expected(kind) > self.deadline:
            raise OutOfTime
        start = time.time()
        note = work()
        seconds = time.time() - start
        self.seconds.setdefault(kind, []).append(seconds)
        rest = self.count(self.plan) if self.plan else {}
        minutes = sum(n * self.expected(k) for k, n in rest.items()) / 60
        print(f"{text}: {note} ({seconds:.0f} s; {sum(rest.values())} to go, about {minutes:.0f} min)", flush=True)
        return note

    def expected(self, kind):
        return statistics.mean(self.seconds.get(kind) or [GUESSES[kind.split()[0]]])

    def jobs(self, plan):
        """Work of each kind that a plan still needs, if untried rates end no better than the usual ones."""
        self.dry, self.left = True, {}
        plan(self)
        self.dry = False
        return self.left

    def count(self, plan):
        return {kind: len(jobs) for kind, jobs in self.jobs(plan).items()}

    def run(self, *arguments, ranks=2, may_diverge=False):
        """Runs neft, on its own or with several ranks; its JSON document, or None for a run that diverged."""
        program = [str(self.neft)] if ranks == 1 else [str(ROOT / "cluster/launch"), "-n", str(ranks), "--"]
        command = [*program, *map(str, arguments), "--json"]
        log = CACHE / "paper/log.txt"
        with open(log, "a") as errors:
            start = errors.tell()
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        if result.returncode != 0:
            said = log.read_bytes()[start:].decode("utf-8", "replace").splitlines()
            errors = [line for line in said if "error:" in line]
            if may_diverge and any("not finite" in line for line in errors):
                return None
            fail(f"{' '.join(command)} ended with code {result.returncode}: {' '.join(errors[:2] or said[-3:])}")
        return json.loads(result.stdout)

    def rows(self, data):
        if not (data.folder / "train.jsonl").exists():
            subprocess.run([ROOT / "cluster/prepare-data", data.folder, "--task", data.task, "--language", data.language,
                            "--train", str(data.rows), "--valid", "200", "--test", "300"], check=True, stdout=sys.stderr)
        return data.folder

    def outside(self):
        """Texts that no task is about: English quotations, of Debian's package fortunes."""
        file = CACHE / "paper/data/outside.jsonl"
        if not file.exists():
            subprocess.run([ROOT / "Benchmarks/evidence/outside-texts", file], check=True, stdout=sys.stderr)
        return file

    # Neurons.

    def profile(self, data, method, seed):
        path = CACHE / "paper/profiles" / f"{data.name}-{data.rows}-{method.kind}-{method.profiling_steps}-{seed}"

        def work():
            path.parent.mkdir(parents=True, exist_ok=True)
            steps = ["--steps", method.profiling_steps] if method.profiling_steps else []
            self.run("profile", "-m", self.model, "-d", self.rows(data) / "train.jsonl", "--profile-method", method.kind,
                     "--seed", seed, "--global-batch", BATCH, *steps, "-o", path)
            return "done"
        if not path.exists():
            self.job(f"profile {method.kind}", f"{data.name}: profile {method.kind}, seed {seed}", work)
        return path

    def what(self, data, method, seed):
        """Options of neft train that say what is trained."""
        if method.of_neurons:
            return ["--neurons", self.neurons(data, method, seed)]
        return ["--method", method.kind] + (["--match", f"{method.percent}%"] if method.kind == "lora" else [])

    def projection_weights(self):
        """Weights of all neurons: of the seven projections of all layers."""
        return self.parameters(self.counts())

    def counts(self):
        """Neurons of each projection, of all layers."""
        c = json.loads((pathlib.Path(self.model) / "config.json").read_text())
        heads, keys = (c[name] for name in ("num_attention_heads", "num_key_value_heads"))
        head = c.get("head_dim") or c["hidden_size"] // heads
        rows = {"q": heads * head, "k": keys * head, "v": keys * head, "o": c["hidden_size"],
                "gate": c["intermediate_size"], "up": c["intermediate_size"], "down": c["hidden_size"]}
        return {name: c["num_hidden_layers"] * n for name, n in rows.items()}

    def parameters(self, counts):
        """Weights in the rows that neft select says it took of each projection."""
        c = json.loads((pathlib.Path(self.model) / "config.json").read_text())
        heads = (c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]) * c["num_attention_heads"]
        columns = {"o": heads, "down": c["intermediate_size"]}
        return sum(n * columns.get(name, c["hidden_size"]) for name, n in counts.items())

    def neurons(self, data, method, seed):
        """The mask whose rows hold the share of all projections' weights, to 0.5 %, or 1 % where rounding asks for it."""
        data = method.found_on or data
        profile = self.profile(data, method, seed)
        if self.dry:
            return None
        path = profile.with_name(f"{profile.name}-{method.percent}{method.choice}.neurons")
        if path.exists():
            return path

        # Under its name only when it is the right one.
        aside = path.with_name(path.name + ".trying")

        def select(share):
            aside.unlink(missing_ok=True)
            within = ["--projections", method.projections] if method.projections else []
            return self.parameters(self.run("select", "--scores", profile, "--top", f"{100 * share:.4f}%", "--scope",
                                            method.scope, *within, "-o", aside, ranks=1)["projections"])
        share, target = method.percent / 100, self.projection_weights() * method.percent / 100
        tried = {}
        for _ in range(15):
            tried[share] = select(share)
            if abs(tried[share] / target - 1) < 0.005:
                return aside.rename(path)
            share *= target / tried[share]
        # With as many rows of each matrix, all matrices get one more at the same share.
        share = min(tried, key=lambda share: abs(tried[share] / target - 1))
        if abs(select(share) / target - 1) < 0.01:
            return aside.rename(path)
        aside.unlink()
        fail(f"{method.name} on {data.name}: no share of the neurons holds {method.percent} % of the weights")

    # Runs.

    def train(self, data, method, rate, seed, again=False):
        """The result of a run, without test figures if it has none yet; `again` where its weights are gone."""
        path = self.path(data, method, rate, seed)
        if (known := self.known(path)) is not None and not again:
            return known
        folder = CACHE / "paper/runs" / data.name / path.stem
        if method.of_neurons:
            self.neurons(data, method, seed)

        def work():
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            what = self.what(data, method, seed)
            steps = method.training_steps or data.rows // BATCH
            start = time.time()
            done = self.run("train", "-m", self.model, "-d", self.rows(data.with_room_for(steps)), "-o", folder, "--seed", seed,
                            "--learning-rate", rate, "--global-batch", BATCH, "--codec", "zstd", "--max-steps", steps,
                            "--save-every", steps // 4 if method.of_neurons else 0, "--keep", 9,
                            "--eval-every", max(1, steps // 8), *what, may_diverge=True)
            result = {"task": data.task, "language": data.language, "rows": data.with_room_for(steps).rows,
                      "method": method.kind,
                      "name": method.name, "percent": method.percent, "rate": rate, "seed": seed,
                      "profilingSteps": method.profiling_steps if method.of_neurons else None,
                      "foundOn": method.found_on.name if method.found_on else None, "scope": method.scope,
                      "projections": method.projections,
                      "trainingSteps": method.training_steps or None, "timeOf": method.time_of or None,
                      "validationLoss": None}
            if done is not None:
                lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
                curve = [(line["step"], line["validationLoss"]) for line in lines if "validationLoss" in line]
                manifest = json.loads((folder / "manifest.json").read_text())
                target = self.projection_weights() * method.percent / 100
                if method.kind not in ("full", "linear") and abs(manifest["trainedParameters"] / target - 1) > 0.02:
                    fail(f"{method.name} on {data.name}: {manifest['trainedParameters']} weights trained, not {target:.0f}")
                result |= {
                    "validationLoss": curve[-1][1], "curve": curve,
                    "trainingLoss": done["finalLoss"], "parameters": manifest["trainedParameters"],
                    "wireBytesPerStep": done["wireBytesPerStep"], "seconds": time.time() - start,
                    "manifest": {key: manifest.get(key) for key in
                                 ["neftVersion", "cpuModel", "ranks", "threads", "baseHash", "maskHash",
                                  "libraryVersions"]} | {"dataHashes": sorted(manifest["dataHashes"].values())}}
            before = self.known(path) or {}
            # What was measured on other weights is not kept.
            write(path, before | result if before.get("validationLoss") == result["validationLoss"] else result)
            loss = result["validationLoss"]
            return f"validation loss {loss:.4f}" if loss is not None else "diverged"
        self.job(f"train {method.kind if not method.of_neurons else 'neurons'} {data.task}",
                 f"{data.name}: {method.name}, rate {rate}, seed {seed}", work)
        # Unknown as yet: taken to be worse than what is known, and the usual rate to be the best of these.
        return self.known(path) or {"validationLoss": 1e3 + abs(RATES.index(rate) - RATES.index(usual(method)))}

    def best_rate(self, data, method):
        """The rate with the lowest validation loss, seed 1; None if all diverged."""
        place = RATES.index(usual(method))
        low, high = place - 1, place + 1
        losses = {}

        def loss(index):
            if index not in losses:
                found = self.train(data, method, RATES[index], 1)["validationLoss"]
                losses[index] = math.inf if found is None else found
            return losses[index]
        while True:
            best = min(range(low, high + 1), key=loss)
            if best == low and low > 0:
                low -= 1
            elif best == high and high < len(RATES) - 1 and loss(best) < math.inf:
                high += 1
            else:
                return RATES[best] if loss(best) < math.inf else None

    def test(self, data, method, rate, seed, watched=False):
        """A result with figures of the test rows and of texts outside the task."""
        result, path = self.train(data, method, rate, seed), self.path(data, method, rate, seed)
        folder = CACHE / "paper/runs" / data.name / path.stem
        if result["validationLoss"] is None:
            return result  # Diverged: there is nothing to test, and the page says so.

        def work():
            if not (folder / "final").exists():
                self.train(data, method, rate, seed, again=True)
            write(path, self.known(path) | self.figures(data, ["--adapter", folder / "final"]))
            return shown(data.task, self.known(path)["test"])
        if "test" not in result:
            self.job(f"test {data.task}", f"{data.name}: {method.name}, rate {rate}, seed {seed}: test", work)
        if watched and "sparsity" not in result:
            self.job("watch", f"{data.name}: {method.name}: dynamics and sparsity",
                     lambda: self.watch(data, method, rate, path, folder))
        return self.known(path)

    def untrained(self, data):
        path = self.results / data.name / "untrained.json"

        def work():
            write(path, {"task": data.task, "language": data.language, "method": "untrained"} | self.figures(data, []))
            return shown(data.task, self.known(path)["test"])
        if not path.exists():
            self.job(f"test {data.task}", f"{data.name}: untrained: test", work)
        return self.known(path)

    def figures(self, data, adapter):
        rows = self.rows(data)
        measure = ["evaluate", "-m", self.model, *adapter]
        test = self.run(*measure, "-d", rows / "test.jsonl", "--metrics", METRICS[data.task], "--max-new-tokens", 64)
        outside = self.run(*measure, "-d", self.outside(), "--metrics", "perplexity")
        return {"test": {key: value for key, value in test.items() if isinstance(value, (int, float))},
                "outside": {key: outside[key] for key in ("loss", "perplexity", "rows", "targetTokens")}}

    def watch(self, data, method, rate, path, folder):
        """What training did to the neurons: ranks before and after, inactive ones over the checkpoints."""
        if not (folder / "final").exists():
            self.train(data, method, rate, 1, again=True)
        test = self.rows(data) / "test.jsonl"
        before, after = (CACHE / "paper/profiles" / f"{data.name}-{name}" for name in ("before", "after"))
        profile = ["profile", "-m", self.model, "-d", test, "--profile-method", "activation"]
        for file, adapter in [(before, []), (after, ["--adapter", folder / "final"])]:
            file.unlink(missing_ok=True)
            self.run(*profile, *adapter, "-o", file)
        checkpoints = sorted(folder.glob("checkpoint-*"))
        checkpoints = [c for c in checkpoints if int(c.name.split("-")[1]) < data.rows // BATCH]
        dynamics = self.run("dynamics", "--before", before, "--after", after, "--trained",
                            folder / "neurons.safetensors", ranks=1)
        sparsity = self.run("sparsity", "-m", self.model, "-d", test, *checkpoints, folder / "final", "--limit", 100,
                            "--max-new-tokens", 64, "--against", AGAINST[data.task])
        write(path, self.known(path) | without_details(dynamics, sparsity))
        return "done"

    def transplants(self, data, full, methods):
        """Validation loss of the untrained model with rows of the one whose every weight was trained: all, or those of the
        masks that `methods` find."""
        path = self.results / data.name / "transplants.json"
        rate = self.best_rate(data, full)
        masks = {method.name: self.neurons(data, method, 1) for method in methods}

        def work():
            folder = CACHE / "paper/runs" / data.name / f"{full.name}-{rate}-1/final"
            if not folder.exists():
                self.train(data, full, rate, 1, again=True)
            losses = {}
            choices = {"nothing": {}, "everything": all_rows(self.model), "projections": all_rows(self.model, "_proj.weight")}
            choices |= {name: rows_of(mask) for name, mask in masks.items()}
            with tempfile.TemporaryDirectory(dir=CACHE / "paper") as aside:
                for name, rows in choices.items():
                    model = pathlib.Path(aside) / "model"
                    transplant(pathlib.Path(self.model), folder, rows, model)
                    losses[name] = self.run("evaluate", "-m", model, "-d", self.rows(data) / "valid.jsonl", "--metrics",
                                            "perplexity", "--cache", f"{aside}/cache")["loss"]
                    shutil.rmtree(f"{aside}/cache", ignore_errors=True)
            write(path, {"rate": rate, "losses": losses})
            return "done"
        done = self.known(path) or {"rate": None, "losses": {}}
        if rate is not None and not (done["rate"] == rate and masks.keys() <= done["losses"].keys()):
            self.job("watch", f"{data.name}: transplants", work)

    def costs(self, data, methods, profilers):
        """What a step of each method costs, in turn so that all meet the same machine, and what finding neurons does."""
        path = self.results / data.name / "costs.json"

        def work():
            folder = CACHE / "paper/runs/costs"
            lines = {method.name: [] for method in methods}
            peaks, sent = {}, {}
            for _ in range(COST_ROUNDS):
                for method in methods:
                    shutil.rmtree(folder, ignore_errors=True)
                    done = self.run("train", "-m", self.model, "-d", self.rows(data) / "train.jsonl", "-o", folder,
                                    "--global-batch", BATCH, "--max-steps", COST_STEPS, "--codec", "zstd", "--save-every", 0,
                                    "--eval-every", 0, *self.what(data, method, 1))
                    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
                    lines[method.name].append(statistics.median(
                        line["stepSeconds"] - line["exchangeSeconds"] for line in found if "loss" in line and line["step"] > COST_WARMUP))
                    peaks[method.name], sent[method.name] = done["peakMiB"], done["wireBytesPerStep"]
            shutil.rmtree(folder, ignore_errors=True)
            steps = {name: {"seconds": seconds, "peakMiB": peaks[name], "wireBytes": sent[name]}
                     for name, seconds in lines.items()}
            write(path, {"steps": steps, "profiling": {
                kind: self.profiling_cost(data, kind) | {"wireBytes": self.profiling_bytes(kind, sent["full"])}
                for kind in profilers}})
            return "done"
        # All anew when other methods lead: figures of different hours do not compare.
        if not all(method.name in (self.known(path) or {"steps": {}})["steps"] for method in methods):
            self.job("costs", f"{data.name}: costs of a step and of finding neurons", work)

    def steps_in_the_time_of(self, data, method, other):
        """How many steps a method makes while another goes once over the rows, on two hosts with a link of 1 Gbit/s: what
        finding the neurons takes is counted. None as long as the costs are not measured."""
        costs = self.known(self.results / data.name / "costs.json")
        if costs is None or not {method.name, other.name} <= costs["steps"].keys():
            return None

        def seconds(name):
            cost = costs["steps"][name]
            return statistics.median(cost["seconds"]) + cost["wireBytes"] / LINK
        finding = costs["profiling"].get(method.kind, {"seconds": 0, "wireBytes": 0})
        finding = finding["seconds"] + finding["wireBytes"] / LINK
        return max(0, int((data.rows // BATCH * seconds(other.name) - finding) / seconds(method.name)))

    def profiling_bytes(self, kind, of_a_full_step):
        """That a rank sends while neurons are found: weight-shift is a training of all weights; gradient sends a number for
        each row, and for each 4,096 values of the rows, of each batch; activation two for each row, once."""
        rows = sum(self.counts().values())
        return {"weight-shift": of_a_full_step * PROFILING_STEPS[kind], "activation": 16 * rows,
                "gradient": 8 * (rows + self.projection_weights() // 4096) * PROFILING_STEPS[kind]}[kind]

    def profiling_cost(self, data, kind):
        """Seconds, and the memory of the largest rank."""
        steps = ["--steps", PROFILING_STEPS[kind]] if PROFILING_STEPS[kind] else []
        with tempfile.TemporaryDirectory() as folder, open(CACHE / "paper/log.txt", "a") as errors:
            start = time.time()
            child = subprocess.Popen(list(map(str, [
                ROOT / "cluster/launch", "-n", 2, "--", "profile", "-m", self.model, "-d",
                self.rows(data) / "train.jsonl", "--profile-method", kind, "--global-batch", BATCH, *steps, "-o",
                f"{folder}/profile"])), stderr=errors)
            _, status, usage = os.wait4(child.pid, 0)
            if status != 0:
                fail(f"profile by {kind} on {data.name} ended with status {status}; see {errors.name}")
        return {"steps": PROFILING_STEPS[kind], "seconds": time.time() - start, "peakMiB": usage.ru_maxrss / 1024}

    def overlap(self, method, where):
        """What the masks of a method, found on (data, seed), have in common."""
        path = self.results / f"overlap-{method.name}.json"

        def work():
            masks = {self.neurons(data, method, seed): f"{data.name}, seed {seed}" for data, seed in where}
            pairs = self.run("compare", *masks, ranks=1)["pairs"]
            name = {str(mask): text for mask, text in masks.items()}
            write(path, [{"a": name[pair["a"]], "b": name[pair["b"]], "jaccard": pair["jaccard"],
                          "expectedJaccard": pair["expectedJaccard"]} for pair in pairs])
            return "done"
        if not path.exists():
            self.job("watch", f"overlap of {method.name} masks", work)

    def clear(self, data, method):
        """Removes the weights of runs that are measured."""
        if self.dry:
            return
        for folder in (CACHE / "paper/runs" / data.name).glob(f"{method.name}-*"):
            if folder.name.removeprefix(f"{method.name}-").rsplit("-", 1)[0] in RATES:
                shutil.rmtree(folder, ignore_errors=True)


def without_details(dynamics, sparsity):
    """What the page needs: no layers, and no paths of this machine."""
    keys = ["method", "neurons", "trainedNeurons", "threshold", "correlation", "effects", "projections"]
    states = [{key: state[key] for key in ["sparsity", "silentNeurons", "figures"]} for state in sparsity["states"]]
    return {"dynamics": {key: dynamics[key] for key in keys},
            "sparsity": {"threshold": sparsity["threshold"], "states": states, "correlations": sparsity["correlations"]}}


def usual(method):
    return USUAL.get(method.kind, USUAL_OF_NEURONS)


def shown(task, figures):
    key = LEADING[task][0]
    return f"{key} {figures[key]:.2f}"


# The figure that speaks for a task: its key, and its name.
LEADING = {"translation": ("chrf", "chrF"), "summarization": ("rougeL", "ROUGE-L"),
           "cross-lingual": ("chrf", "chrF"), "classification": ("accuracy", "accuracy, %")}
