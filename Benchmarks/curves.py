"""Tables and pictures of Benchmarks/curves. usage: curves.py RESULTS IMAGES TYPE…"""
import json
import math
import statistics
import sys

folder, images, types = sys.argv[1], sys.argv[2], sys.argv[3:]
COLOURS = {"fp32": "#3366aa", "bf16": "#cc5522"}


def load(curve, type, x):
    runs = [json.loads(line) for line in open(f"{folder}/{curve}-{type}-{x}")]
    return {key: statistics.median(run[key] for run in runs) for key in
            ("stepSeconds", "gemmSeconds", "gemmGigaflop", "tokens", "peakMiB")}


def draw(path, title, label, xs, series, format):
    """Lines over a logarithmic x axis; y starts at 0 and is in seconds per 1,000 tokens."""
    width, height, left, bottom, top = 640, 300, 64, 46, 34
    highest = max(max(ys) for _, _, ys in series) * 1.1
    place = lambda x: left + (width - left - 20) * math.log(x / xs[0]) / math.log(xs[-1] / xs[0])
    rise = lambda y: height - bottom - (height - bottom - top) * y / highest
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/><text x="{left}" y="18" font-weight="bold">{title}</text>']
    for i in range(5):
        y = highest * i / 4
        out.append(f'<path d="M{left} {rise(y):.1f}H{width - 20}" stroke="#ddd"/>'
                   f'<text x="{left - 6}" y="{rise(y) + 4:.1f}" text-anchor="end">{y:.1f}</text>')
    for x in xs:
        out.append(f'<text x="{place(x):.1f}" y="{height - bottom + 18}" text-anchor="middle">{format(x)}</text>')
    out.append(f'<text x="{(width + left) / 2}" y="{height - 8}" text-anchor="middle">{label}</text>')
    for number, (name, style, ys) in enumerate(series):
        points = " ".join(f"{place(x):.1f},{rise(y):.1f}" for x, y in zip(xs, ys))
        out.append(f'<polyline points="{points}" fill="none" stroke-width="2" {style}/>'
                   f'<path d="M{left + 150 * number + 10} 30h24" stroke-width="2" {style}/>'
                   f'<text x="{left + 150 * number + 38}" y="34">{name}</text>')
    open(path, "w").write("\n".join(out) + "\n</svg>\n")


for curve, xs, title, label, format in [
    ("length", [128, 256, 512, 1024, 2048, 4096], "Seconds per 1,000 tokens by the length of rows (4,096 tokens a step)",
     "tokens of a row", str),
    ("share", [1, 3, 6, 12, 25, 50, 100], "Seconds per 1,000 tokens by the share of trained neurons (4 × 256 tokens)",
     "share of the neurons", lambda x: f"{x} %"),
]:
    series, rows = [], {x: [] for x in xs}
    for type in types:
        points = [load(curve, type, x) for x in xs]
        step, products = ([p[key] / p["tokens"] * 1000 for p in points] for key in ("stepSeconds", "gemmSeconds"))
        series += [(f"{type}: step", f'stroke="{COLOURS[type]}"', step),
                   (f"{type}: its products", f'stroke="{COLOURS[type]}" stroke-dasharray="5 4"', products)]
        for x, p, a, b in zip(xs, points, step, products):
            flops = p["gemmGigaflop"] / p["tokens"] * 1000
            if type == types[0]:
                rows[x].append(f"{flops:.0f}")
            rows[x] += [f"{a:.2f}", f"{b:.2f}", f"{flops / b:.0f}", f"{p['peakMiB']:.0f}"]
    draw(f"{images}/step-{curve}.svg", title, label, xs, series, format)
    heads = "".join(f" | {type}: step, s | products, s | Gflop/s | peak MiB" for type in types)
    print(f"Per 1,000 tokens:\n\n| {label} | Gflop of products{heads} |\n|{'---|' * (2 + 4 * len(types))}")
    for x in xs:
        print(f"| {format(x)} | " + " | ".join(rows[x]) + " |")
    print(f"\n![{title}](images/step-{curve}.svg)\n")
