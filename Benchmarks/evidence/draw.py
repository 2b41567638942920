"""Pictures as SVG, without a library."""
import math

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 800, 360, 64, 50, 34, 330


def ticks(low, high, count=5):
    """Round numbers between two."""
    step = 10 ** math.floor(math.log10((high - low) / count))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= count)
    first = math.ceil(low / step)
    return [round((first + i) * step, 10) for i in range(count + 1) if (first + i) * step <= high]


class Picture:
    def __init__(self, title, label, xs, ys, logarithmic=False, side=""):
        self.logarithmic = logarithmic
        span = (max(ys) - min(ys)) or 1
        self.low, self.high = min(ys) - 0.05 * span, max(ys) + 0.05 * span
        self.first, self.last = min(xs), max(xs)
        if not logarithmic:
            wide = (self.last - self.first) or 1
            self.first, self.last = self.first - 0.04 * wide, self.last + 0.04 * wide
        marks = ([10.0 ** e for e in range(math.ceil(math.log10(self.first)), math.floor(math.log10(self.last)) + 1)]
                 if logarithmic else ticks(self.first, self.last))
        self.out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/><text x="{LEFT}" y="18" font-weight="bold">{title}</text>',
            f'<text x="{(WIDTH - RIGHT + LEFT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{label}</text>',
            f'<text x="8" y="{TOP - 4}" fill="#555">{side}</text>']
        for y in ticks(self.low, self.high):
            self.out.append(f'<path d="M{LEFT} {self.y(y):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                            f'<text x="{LEFT - 6}" y="{self.y(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
        for x in marks:
            self.out.append(f'<path d="M{self.x(x):.1f} {HEIGHT - BOTTOM}v5" stroke="#555"/>'
                            f'<text x="{self.x(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:g}</text>')

    def x(self, x):
        scale = math.log if self.logarithmic else float
        low, high = scale(self.first), scale(self.last)
        return LEFT + (WIDTH - LEFT - RIGHT) * (scale(x) - low) / ((high - low) or 1)

    def y(self, y):
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (y - self.low) / (self.high - self.low)

    def key(self, number, colour, text):
        at = TOP + 14 + 18 * number
        self.out.append(f'<circle cx="{WIDTH - RIGHT + 16}" cy="{at - 4}" r="4" fill="{colour}"/>'
                        f'<text x="{WIDTH - RIGHT + 26}" y="{at}">{text}</text>')

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(self.out) + "\n</svg>\n")


def draw_lines(path, title, label, series, logarithmic=False):
    """Lines (name, colour, [(x, y)]) with a mark at every point; a logarithmic scale leaves out what is not positive."""
    if logarithmic:
        series = [(name, colour, [point for point in line if point[0] > 0]) for name, colour, line in series]
    points = [point for _, _, line in series for point in line]
    picture = Picture(title, label, [x for x, _ in points], [y for _, y in points], logarithmic)
    for number, (name, colour, line) in enumerate(series):
        places = [f"{picture.x(x):.1f},{picture.y(y):.1f}" for x, y in line]
        picture.out.append(f'<polyline points="{" ".join(places)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        picture.out += ['<circle cx="{}" cy="{}" r="3" fill="{}"/>'.format(*place.split(","), colour) for place in places]
        picture.key(number, colour, name)
    picture.save(path)


def draw_points(path, title, label, side, points):
    """Named points (name, colour, x, y)."""
    picture = Picture(title, label, [p[2] for p in points], [p[3] for p in points], side=side)
    for number, (name, colour, x, y) in enumerate(points):
        picture.out.append(f'<circle cx="{picture.x(x):.1f}" cy="{picture.y(y):.1f}" r="6" fill="{colour}"><title>{name}'
                           f'</title></circle><text x="{picture.x(x) + 9:.1f}" y="{picture.y(y) + 4:.1f}">{number + 1}</text>')
        picture.key(number, colour, f"{number + 1} {name}")
    picture.save(path)
