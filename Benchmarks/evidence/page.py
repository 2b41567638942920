"""The page of results and its pictures, made from the files of the runs alone."""
import json
import math
import statistics

from draw import draw_lines, draw_points
from lab import BATCH, LEADING, LINK, RATES

LABELS = {"full": "all weights", "linear": "all rows of the projections", "lora": "LoRA", "random": "random neurons",
          "weight-shift": "NeFT, `weight-shift`", "gradient": "NeFT, `gradient`", "activation": "NeFT, `activation`",
          "probeless": "NeFT, `probeless`"}
COLOURS = {"full": "#555555", "linear": "#999999", "lora": "#3366aa", "random": "#cc9922", "weight-shift": "#cc3322",
           "gradient": "#228855", "activation": "#8844aa", "probeless": "#00889a"}
TITLES = {"translation-it": "Translation, English to Italian", "translation-fr": "Translation, English to French",
          "translation-de": "Translation, English to German", "summarization-en": "Summarization",
          "cross-lingual-it": "Cross-lingual summarization, English to Italian",
          "classification-en": "Classification"}
FIGURES = {"translation": [("bleu", "BLEU"), ("chrf", "chrF")], "summarization": [("rouge1", "ROUGE-1"), ("rougeL", "ROUGE-L")],
           "cross-lingual": [("rougeL", "ROUGE-L"), ("chrf", "chrF")],
           "classification": [("accuracy", "accuracy, %"), ("exactMatch", "exact match, %")]}
# Student's t of a 95 % interval, by the number of seeds.
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}


def spread(values, digits=2):
    values = [value for value in values if value is not None]
    if not values:
        return ""
    text = f"{statistics.mean(values):.{digits}f}"
    return text + (f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else "")


def difference(ours, theirs):
    """Mean over seeds of the differences of a figure, half its 95 % interval (None for one seed), and what it says."""
    both = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    mean = statistics.mean(both)
    if len(both) < 2:
        return mean, None, f"{mean:+.2f} (one seed)"
    error = STUDENT[min(len(both), 5)] * statistics.stdev(both) / math.sqrt(len(both))
    word = "better" if mean > error else "worse" if mean < -error else "no clear difference"
    return mean, error, f"{mean:+.2f} ± {error:.2f}, {word}"


class Task:
    """The runs of a data set, by the name of their method."""

    def __init__(self, folder):
        self.name = folder.name
        self.runs, self.tried = {}, {}
        self.untrained = self.costs = self.transplants = None
        for file in sorted(folder.glob("*.json")):
            run = json.loads(file.read_text())
            if file.name in ("costs.json", "transplants.json"):
                setattr(self, file.stem, run)
                continue
            self.kind = run["task"]
            if run["method"] == "untrained":
                self.untrained = run
                continue
            self.tried.setdefault(run["name"], {}).setdefault(run["rate"], {})[run["seed"]] = run
            if "test" in run:
                self.runs.setdefault(run["name"], []).append(run)
        for name, runs in self.runs.items():
            # Those at the best rate, should more have been tested.
            rate = min(runs, key=lambda run: self.loss(name, run["rate"]))["rate"]
            self.runs[name] = sorted((run for run in runs if run["rate"] == rate), key=lambda run: run["seed"])

    def loss(self, name, rate):
        run = self.tried[name][rate].get(1)
        return run["validationLoss"] if run and run["validationLoss"] is not None else math.inf

    def diverged(self, name):
        """How many runs at the best rate did, or at all rates if none was tested."""
        rates = [self.runs[name][0]["rate"]] if self.runs.get(name) else list(self.tried.get(name, {}))
        return sum(run["validationLoss"] is None for rate in rates for run in self.tried[name][rate].values())

    def bytes_per_step(self, name):
        """Of the runs at the best rate; of any, if those chose by themselves not to compress."""
        def coded(runs):
            return [run["wireBytesPerStep"] for run in runs
                    if run["validationLoss"] is not None and run["wireBytesPerStep"] < 0.95 * 4 * run["parameters"]]
        tried = self.tried[name]
        every = [run for seeds in tried.values() for run in seeds.values()]
        best = tried[self.runs[name][0]["rate"]].values()
        return statistics.mean(coded(best) or coded(every) or [run["wireBytesPerStep"] for run in every])

    def values(self, name, part, key):
        return {run["seed"]: run[part][key] for run in self.runs.get(name, [])}

    def leading(self, name):
        return self.values(name, "test", LEADING[self.kind][0])

    def order(self):
        place = list(LABELS)
        return sorted(self.runs, key=lambda name: (place.index(self.runs[name][0]["method"]), name))


def label(run):
    text = LABELS[run["method"]]
    if run["method"] not in ("full", "linear"):
        text += f", {run['percent']} %"
    if run["method"] == "weight-shift" and run["profilingSteps"] != 50:
        text += f" after {run['profilingSteps']} steps"
    text += {"global": "", "layer": " of each layer", "projection": " of each projection",
             "spread": ", spread"}[run.get("scope", "global")]
    if run.get("projections"):
        text += f", in {run['projections'].replace(',', ', ')}"
    return text + (f", found on {run['foundOn']}" if run["foundOn"] else "")


def table(task):
    figures = FIGURES[task.kind]
    names = [name for name in task.order() if not task.runs[name][0]["foundOn"] and "-for-" not in name
             and not (task.runs[name][0]["method"] == "weight-shift" and task.runs[name][0]["profilingSteps"] != 50)]
    lines = ["| trained | weights | rate | seeds | validation loss | " + " | ".join(title for _, title in figures)
             + " | perplexity | outside the task | sent per step |", "|---" * (8 + len(figures)) + "|"]
    if task.untrained:
        u = task.untrained
        lines.append("| nothing | | | | | " + " | ".join(f"{u['test'][key]:.2f}" for key, _ in figures)
                     + f" | {u['test']['perplexity']:.2f} | {u['outside']['perplexity']:.2f} | |")
    for name in names:
        runs = task.runs[name]
        mean = lambda part, key: spread([run[part][key] for run in runs])
        diverged = task.diverged(name)
        seeds = f"{len(runs)}" + (f"; {diverged} more diverged" if diverged else "")
        lines.append(f"| {label(runs[0])} | {runs[0]['parameters'] / 1e6:.2f} M | {runs[0]['rate']} | {seeds} "
                     f"| {spread([run['validationLoss'] for run in runs], 3)} | "
                     + " | ".join(mean("test", key) for key, _ in figures)
                     + f" | {mean('test', 'perplexity')} | {mean('outside', 'perplexity')} "
                     + f"| {task.bytes_per_step(name) / 1e6:.1f} MB |")
    return lines


def rates(task):
    lines = ["Validation loss at every rate tried (seed 1):", "", "| trained | " + " | ".join(RATES) + " |",
             "|---" * (1 + len(RATES)) + "|"]
    for name in sorted(name for name in task.tried if "-for-" not in name):
        cells = []
        for rate in RATES:
            run = task.tried[name].get(rate, {}).get(1)
            cells.append("" if run is None else "diverged" if run["validationLoss"] is None else f"{run['validationLoss']:.3f}")
        lines.append(f"| {label(next(iter(next(iter(task.tried[name].values())).values())))} | " + " | ".join(cells) + " |")
    return lines


def best_neurons(task, *kinds):
    """The way to choose 6 % with the lowest validation loss: by any of these profilers, or by all but random."""
    kinds = kinds or ("weight-shift", "gradient", "activation")
    names = [name for name, runs in task.runs.items() if runs[0]["method"] in kinds and runs[0]["percent"] == 6
             and not runs[0]["foundOn"] and not name.count("-after-") and not name.count("-for-")]
    return min(names, key=lambda name: task.loss(name, task.runs[name][0]["rate"]), default=None)


def compared(task, ours, theirs):
    """In words."""
    if theirs is None:
        return "not run"
    diverged = task.diverged(theirs) if theirs in task.tried else 0
    if not task.runs.get(theirs):
        return f"{diverged} diverged, none tested" if diverged else "not run"
    words = difference(task.leading(ours), task.leading(theirs))[2]
    return words + (f"; {diverged} of their seeds diverged" if diverged else "")


def verdicts(tasks):
    lines = ["| task | NeFT by | against all weights | against LoRA | against random neurons | forgets less than all weights |",
             "|---" * 6 + "|"]
    for task in tasks:
        best = best_neurons(task)
        if best is None:
            continue
        against = [compared(task, best, name) for name in ("full", "lora-6", best_neurons(task, "random"))]
        forgetting = "not run"
        if task.runs.get("full"):
            ours, full = (task.values(name, "outside", "loss") for name in (best, "full"))
            mean, error, _ = difference(full, ours)
            forgetting = f"{mean:+.3f} nats" + (f" ± {error:.3f}" if error is not None else " (one seed)")
        lines.append(f"| {TITLES[task.name]}, {LEADING[task.kind][1]} | {label(task.runs[best][0]).removeprefix('NeFT, ')} | "
                     + " | ".join(against) + f" | {forgetting} |")
    return lines


def curves(task, images, profiling):
    """Validation loss by bytes and by time on two hosts with a link of 1 Gbit/s, as pictures and at equal amounts. What
    finding the neurons costs comes first."""
    names = [name for name in task.order() if name in ("full", "lora-6", best_neurons(task, "random"), best_neurons(task))]
    costs = task.costs or {"steps": {}, "profiling": {}}

    def finding(run):
        return costs["profiling"].get(run["method"], {"seconds": 0})["seconds"]

    def first_bytes(run):
        # As many for every task: they depend on the model.
        return profiling.get(run["method"], {"wireBytes": 0})["wireBytes"]

    axes = [("bytes", "MB that a rank has sent", lambda run, step: (first_bytes(run) + step * task.bytes_per_step(run["name"])) / 1e6)]
    if all(name in costs["steps"] for name in names):
        axes.append(("time", "seconds on two hosts, 1 Gbit/s (of its own + bytes / 125 MB/s)",
                     lambda run, step: finding(run) + first_bytes(run) / LINK + step * (
                         statistics.median(costs["steps"][run["name"]]["seconds"])
                         + task.bytes_per_step(run["name"]) / LINK)))
    pictures, columns = [], []
    for axis, title, amount in axes:
        runs = [task.runs[name][0] for name in names]
        lines = [[(amount(run, step), loss) for step, loss in run["curve"] if loss is not None] for run in runs]
        picture = f"results-{task.name}-{axis}.svg"
        draw_lines(images / picture, f"{TITLES[task.name]}: validation loss", title,
                   [(label(run).replace("`", ""), COLOURS[run["method"]], line) for run, line in zip(runs, lines)],
                   logarithmic=axis == "bytes")
        pictures += [f"![Validation loss by {axis}](images/{picture})", ""]
        # What the most frugal method needs for all its steps.
        limit = min(line[-1][0] for line in lines)
        columns.append((f"{limit:,.0f} {title}", [next((f"{loss:.3f}" for x, loss in reversed(line) if x <= limit * 1.0001),
                                                       "before its first measurement") for line in lines]))
    return ["Validation loss (seed 1) by the time that the most frugal of these methods has made all its steps; the others are "
            "in the middle of their schedules then. Finding the neurons is counted."
            + (" Seconds are those of steps on one machine without waiting for the other rank, and bytes by the link's speed, as "
               "if neither hid the other." if len(axes) > 1 else ""), "",
            "| trained | " + " | ".join(title for title, _ in columns) + " |", "|---" * (1 + len(columns)) + "|",
            *(f"| {label(task.runs[name][0])} | " + " | ".join(cells[i] for _, cells in columns) + " |"
              for i, name in enumerate(names)), "", *pictures]


def equal_time(task):
    """Longer trainings of neurons, beside what they had the time of."""
    longer = [name for name in task.order() if "-for-" in name]
    if not longer:
        return []
    key, title = LEADING[task.kind]
    lines = ["At equal time on two hosts with a link of 1 Gbit/s (seconds of a step by the table of costs, and its bytes by the "
             "link's speed): for as long as LoRA or all weights take to go once over the rows of the table above, with the search "
             "for the neurons.", "",
             f"| trained | as long as | steps of {BATCH} rows | rows | validation loss | {title} | outside the task |",
             "|---" * 7 + "|"]
    for name in ["lora-6", "full", *longer]:
        for run in task.runs.get(name, [])[:1]:
            steps = run.get("trainingSteps") or run["rows"] // BATCH
            rows = min(run["rows"], steps * BATCH)
            other = task.runs[run["timeOf"]][0] if run.get("timeOf") else None
            lines.append(f"| {label(run)} | {label(other) if other else ''} | {steps} "
                         f"| {rows:,}{'' if rows == steps * BATCH else ', several times'} | {run['validationLoss']:.3f} "
                         f"| {run['test'][key]:.2f} | {run['outside']['perplexity']:.2f} |")
    return [*lines, ""]


def costs(task):
    """Of a step, and of finding the neurons."""
    if not task.costs:
        return []
    lines = ["Costs on two ranks, the methods in turn (median and range of rounds; a step without waiting for the other rank):", "",
             "| trained | a step | peak of a rank | sent per step by a rank |", "|---" * 4 + "|"]
    for name, cost in task.costs["steps"].items():
        seconds = cost["seconds"]
        run = next(iter(next(iter(task.tried[name].values())).values())) if name in task.tried else None
        lines.append(f"| {label(run) if run else name} | {statistics.median(seconds):.2f} s ({min(seconds):.2f}–{max(seconds):.2f}) "
                     f"| {cost['peakMiB']:,.0f} MiB | {cost['wireBytes'] / 1e6:.1f} MB |")
    lines += ["", "| finding neurons by | steps | seconds, loading counted | peak of a rank | sent by a rank |", "|---" * 5 + "|"]
    lines += [f"| `{kind}` | {cost['steps'] or 'none'} | {cost['seconds']:.0f} | {cost['peakMiB']:,.0f} MiB "
              f"| {cost['wireBytes'] / 1e6:,.0f} MB |"
              for kind, cost in task.costs["profiling"].items()]
    return [*lines, ""]


def gain(task, name):
    """The part of the fall of the validation loss that rows of the trained model bring into the untrained one."""
    losses = task.transplants["losses"]
    return (losses["nothing"] - losses[name]) / (losses["nothing"] - losses["everything"])


def transplants(task):
    """What the neurons of each choice carry of a training of all weights."""
    if not task.transplants:
        return []
    losses = task.transplants["losses"]
    titles = {"nothing": "none", "everything": "all weights, embedding and norms, too", "projections": LABELS["linear"]}
    lines = ["Rows of the model whose every weight was trained, put into the untrained one: what the neurons of each choice carry "
             "of that training, by the validation loss (seed 1).", "",
             "| rows of the trained model | validation loss | of the gain |", "|---|---|---|"]
    for name, loss in sorted(losses.items(), key=lambda item: -item[1]):
        run = next(iter(next(iter(task.tried[name].values())).values())) if name in task.tried else None
        lines.append(f"| {titles.get(name) or (label(run) if run else name)} | {loss:.3f} | {gain(task, name):.0%} |")
    return [*lines, ""]


def profiling(task, images):
    runs = {run["profilingSteps"]: run for name in task.runs for run in task.runs[name][:1]
            if run["method"] == "weight-shift" and run["percent"] == 6 and not run["foundOn"]
            and run.get("scope", "global") == "global" and not run.get("trainingSteps")}
    if len(runs) < 3:
        return []
    key, title = LEADING[task.kind]
    lines = [f"| profiling steps | validation loss | {title} |", "|---|---|---|"]
    for steps in sorted(runs):
        lines.append(f"| {steps} | {runs[steps]['validationLoss']:.3f} | {runs[steps]['test'][key]:.2f} |")
    points = [(steps, runs[steps]["validationLoss"]) for steps in sorted(runs)]
    draw_lines(images / "results-profiling.svg", "Validation loss by the steps of weight-shift's profiling fine-tune",
               "profiling steps", [("NeFT, weight-shift", COLOURS["weight-shift"], points)], logarithmic=True)
    return ["", "## How many profiling steps suffice", "",
            "`weight-shift`, 6 %, at one rate, seed 1:", "", *lines, "",
            "![Validation loss by profiling steps](images/results-profiling.svg)", ""]


def transfer(tasks):
    """Figure of each language with the neurons found on each."""
    tasks = {task.name: task for task in tasks if task.kind == "translation"}
    best = best_neurons(tasks["translation-it"]) if "translation-it" in tasks else None
    if best is None or len(tasks) < 2:
        return []
    sources = sorted(tasks)
    lines = ["", "## Neurons of one language, trained on another", "",
             f"chrF, seed 1; rows: what is learned; columns: where the neurons ({best}) were found.", "",
             "| | " + " | ".join(sources) + " | random |", "|---" * (2 + len(sources)) + "|"]
    for name in sources:
        cells = [tasks[name].leading(best if source == name else f"{best}-of-{source}").get(1) for source in sources]
        cells.append(tasks[name].leading(best_neurons(tasks[name], "random")).get(1))
        lines.append(f"| {name} | " + " | ".join("" if cell is None else f"{cell:.2f}" for cell in cells) + " |")
    return lines


def overlaps(results):
    lines = []
    for file in sorted(results.glob("overlap-*.json")):
        lines += ["", f"Neurons in common, `{file.stem.split('-', 1)[1]}`: Jaccard index, and what chance would give.", "",
                  "| | | Jaccard | by chance |", "|---|---|---|---|"]
        lines += [f"| {pair['a']} | {pair['b']} | {pair['jaccard']:.3f} | {pair['expectedJaccard']:.3f} |"
                  for pair in json.loads(file.read_text())]
    return lines


def neurons(tasks):
    """Dynamics and sparsity of the runs that were watched."""
    watched = [(task, run) for task in tasks for runs in task.runs.values() for run in runs if "dynamics" in run]
    if not watched:
        return []
    lines = ["", "## What training does to the neurons", "",
             "Ranks of all neurons by mean activation on the test rows, before and after ([definitions](method.md#dynamics)); "
             "an effect is a change of rank at least as large as the one that 95 % of the neurons do not exceed.", "",
             "| task | trained | neurons trained | correlation of ranks | strongly affected | suppressed "
             "| indirectly affected |", "|---" * 7 + "|"]
    for task, run in watched:
        d = run["dynamics"]
        e = d["effects"]
        lines.append(f"| {TITLES[task.name]} | {label(run)} | {d['trainedNeurons'] / d['neurons']:.1%} "
                     f"| {d['correlation']:.3f} | {e['stronglyAffected']} | {e['suppressed']} | {e['indirectlyAffected']} |")
    lines += ["", "Share of inactive feed-forward neurons on 100 test rows, untrained and over the checkpoints, and its correlation "
              "(Pearson of the values / Spearman of their ranks) with the figures of these rows:", "",
              "| task | trained | untrained → trained | correlation with |", "|---" * 4 + "|"]
    for task, run in watched:
        s = run["sparsity"]
        shares = " → ".join(f"{state['sparsity']:.1%}" for state in s["states"])
        with_ = ", ".join(f"{name} {p:+.2f} / {r:+.2f}" for name, p, r in correlations(s))
        lines.append(f"| {TITLES[task.name]} | {label(run)} | {shares} | {with_} |")
    return lines


def correlations(sparsity):
    """Name of a figure, Pearson's and Spearman's correlation with it."""
    return [(name, c["pearson"], c["spearman"]) for name, c in sorted((sparsity["correlations"] or {}).items())
            if c["pearson"] is not None and c["spearman"] is not None]


def outcome(differences):
    """Whether differences of tasks (mean, half the 95 % interval or None) speak for a claim."""
    if all(error is None for _, error in differences):
        return "undecided: one seed"
    better = sum(error is not None and mean > error for mean, error in differences)
    worse = sum(error is not None and mean < -error for mean, error in differences)
    return f"better on {better}, worse on {worse}, undecided on {len(differences) - better - worse} of {len(differences)} tasks"


def claims(tasks):
    """The paper's claims beside what was found."""
    rows = []

    def against(theirs, name, kind="weight-shift"):
        found = [(task, *difference(task.leading(ours), task.leading(other)))
                 for task in tasks for ours in [best_neurons(task, kind)]
                 for other in [best_neurons(task, "random") if theirs == "random" else theirs] if ours and task.runs.get(other)]
        if not found:
            rows.append((name, "not run", ""))
            return
        text = "; ".join(f"{TITLES[task.name]}: {words} ({LEADING[task.kind][1]})" for task, _, _, words in found)
        rows.append((name, text, outcome([(mean, error) for _, mean, error, _ in found])))

    against("full", "Training the neurons that `weight-shift` finds beats training all weights")
    against("lora-6", "It beats LoRA (here: of as many weights)")
    against("random", "The neurons matter: those found beat as many random ones")
    carried = [(task, best_neurons(task, "weight-shift"), best_neurons(task, "random")) for task in tasks if task.transplants]
    carried = [(task, *(gain(task, name) for name in names)) for task, *names in carried if None not in names]
    rows.append(("The neurons found carry more of a training of all weights than others", "; ".join(
        f"{TITLES[task.name]}: rows of `weight-shift` from the model whose every weight was trained carry {ours:.0%} of its gain, as "
        f"many random ones {theirs:.0%}" for task, ours, theirs in carried) or "not run",
        "" if not carried else "suggested: one seed" if all(ours > theirs for _, ours, theirs in carried) else "does not hold"))
    against("full", "Training only the neurons that Probeless finds beats training all weights (classification)",
            "probeless")
    watched = [(task, run) for task in tasks for runs in task.runs.values() for run in runs if "sparsity" in run]
    for title, key in [("Not all neurons are active on a dataset", None), ("This sparsity goes with the ability at the task", 1)]:
        if not watched:
            rows.append((title, "not run", ""))
        elif key is None:
            shares = [run["sparsity"]["states"][0]["sparsity"] for _, run in watched]
            silent = max(run["sparsity"]["states"][0]["silentNeurons"] for _, run in watched)
            rows.append((title, " to ".join(sorted({f"{share:.0%}" for share in (min(shares), max(shares))}))
                         + " of the activations of feed-forward neurons (one of a neuron at a token) are smaller than 0.1 in "
                         f"the untrained model; at most {silent} neurons are so at every token",
                         "in part" if silent else "not of whole neurons"))
        else:
            found = [(task, p, r) for task, run in watched for name, p, r in correlations(run["sparsity"])
                     if name == LEADING[task.kind][0]]
            text = "; ".join(f"{TITLES[task.name]}: {p:+.2f} / {r:+.2f}" for task, p, r in found)
            values = [value for _, *both in found for value in both]
            verdict = ("undecided" if not values or min(map(abs, values)) < 0.5 or len({v > 0 for v in values}) == 2
                       else "suggested" if values[0] > 0 else "the opposite is suggested")
            rows.append((title, "Pearson's / Spearman's correlation over the few states of one run (untrained, checkpoints, "
                         "result): " + text
                         if found else "not run", verdict))
    if watched:
        text = "; ".join(f"{TITLES[task.name]}: {(e['stronglyAffected'] + e['suppressed']) / d['trainedNeurons']:.0%} of the "
                         f"trained neurons and {e['indirectlyAffected'] / (d['neurons'] - d['trainedNeurons']):.1%} of the others "
                         "changed rank as much as the 5 % that did most" for task, d, e in
                         ((task, run["dynamics"], run["dynamics"]["effects"]) for task, run in watched))
        rows.append(("Neurons are affected to different degrees, untrained ones too", text, "holds"))
    languages = [task for task in tasks if task.kind == "translation"]
    carried = [(mean, error) for task in languages for name in task.runs if "-of-" in name and best_neurons(task, "random")
               for mean, error, _ in [difference(task.leading(name), task.leading(best_neurons(task, "random")))]]
    rows.append(("Neurons found on one task help similar tasks",
                 f"{sum(mean > 0 for mean, _ in carried)} of {len(carried)} better than random ones (one seed)" if carried
                 else "not run", "undecided: one seed" if carried else ""))
    return ["## The paper's claims, at this scale", "",
            "| claim ([method.md](method.md)) | what was found | |", "|---|---|---|",
            *(f"| {claim} | {found} | {verdict} |" for claim, found, verdict in rows), ""]


def write_page(results, page, left):
    images = page.parent / "images"
    folders = sorted(results.iterdir()) if results.is_dir() else []
    tasks = [Task(folder) for folder in folders if folder.is_dir() and any(folder.iterdir())]
    if not tasks:
        return
    tasks.sort(key=lambda task: list(TITLES).index(task.name))
    run = next((runs[0] for task in tasks for runs in task.runs.values()), None)
    if run is None:
        return
    m = run["manifest"]
    undone = [f"* Tier {tier}: " + ", ".join(f"{n} × {kind}" for kind, n in kinds.items()) for tier, kinds in left.items()
              if kinds]
    lines = [
        "# Does it win, and when?", "",
        "Made by `make paper` from the files in [results/](results/), one per run; `Benchmarks/paper --help` says what is "
        "compared. SmolLM2-135M-Instruct, Debian's package descriptions, 200 rows to choose the learning rate, 300 to test "
        f"on. neft {m['neftVersion']} on {m['cpuModel']}, {m['ranks']} ranks, threads of each: {m['threads']}. Mean ± standard "
        "deviation over seeds. *Outside the task*: perplexity of 300 English quotations, which tells what is forgotten. "
        "*Sent per step*: by each of two ranks, losslessly coded and compressed.", "",
        f"{sum(len(task.tried[name][rate]) for task in tasks for name in task.tried for rate in task.tried[name])} runs so far; "
        "[what is not run yet](#not-run-yet).", "",
        "## In short", "",
        "Difference of NeFT, by the way of choosing neurons with the lowest validation loss on that task, to the others at their best "
        "rates: mean over seeds ± half of its 95 % interval (Student's t); *better* and *worse* where zero is outside. The test rows are the same for all "
        "seeds. Forgetting: by how much more the loss "
        "outside the task is after training all weights.", "", *verdicts(tasks), "", *claims(tasks)]
    for task in tasks:
        if not task.runs:
            continue
        lines += [f"## {TITLES[task.name]}", "", *table(task), "", *rates(task), ""]
        if "full" in task.runs and best_neurons(task):
            measured = next((other.costs for other in tasks if other.costs), {"profiling": {}})
            lines += curves(task, images, measured["profiling"])
        lines += transplants(task)
        lines += costs(task)
        lines += equal_time(task)
        lines += profiling(task, images)
    lines += ["## Forgetting", "", "Up: better at the task. Right: worse at English quotations, which no task is about.", ""]
    for task in tasks:
        if not task.untrained or not task.runs:
            continue
        before = task.untrained["outside"]["loss"]
        points = [(label(task.runs[name][0]).replace("`", ""), COLOURS[task.runs[name][0]["method"]],
                   statistics.mean(task.values(name, "outside", "loss").values()) - before,
                   statistics.mean(task.leading(name).values())) for name in task.order()
                  if not task.runs[name][0]["foundOn"] and "-after-" not in name and "-for-" not in name]
        picture = f"results-{task.name}-forgetting.svg"
        draw_points(images / picture, f"{TITLES[task.name]}: what is learned and what is forgotten",
                    "rise of the loss outside the task, nats", LEADING[task.kind][1], points)
        lines += [f"![What is learned and what is forgotten](images/{picture})", ""]
    lines += transfer(tasks) + overlaps(results) + neurons(tasks)
    lines += ["", "## Not run yet", "", "`Benchmarks/paper --tier N` goes on where it was left; it may be interrupted.", "",
              *(undone or ["Nothing: all tiers are complete."])]
    page.write_text("\n".join(lines).rstrip() + "\n")
    print(page)
