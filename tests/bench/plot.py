"""Pictures of what benchmarks kept.

usage: python3 plot.py FOLDER JSON...

Writes latency.svg (time to the 250, and the rate, over the load that was asked
for; of latency.py's curve) and growth.svg (CPU of an accepted message, and the
time of a start, over what waits; of growth.py). Of several files of one
benchmark the last counts. Python 3's standard library only.
"""
import json
import math
import os
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT, GAP = 460, 330, 20
LEFT, RIGHT, TOP, BOTTOM = 62, 32, 36, 46
COLOURS = ("#1f5fa8", "#c0521b", "#3d7d3d", "#7a4a9a")


def nice(value):
    return f"{value:.0f}" if value >= 10 else f"{value:g}"


class Axis:
    """Values to places, with the places of its marks."""

    def __init__(self, values, start, end, is_log):
        self.is_log = is_log
        if is_log:
            self.low = 10 ** math.floor(math.log10(min(values)))
            self.high = 10 ** math.ceil(math.log10(max(values)))
            if self.low == self.high:
                self.high *= 10
        else:
            self.low, self.high = 0, max(values) * 1.05
        self.start, self.end = start, end

    def at(self, value):
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = map(math.log10, (low, high, value))
        return self.start + (value - low) / (high - low) * (
            self.end - self.start)

    def marks(self):
        if self.is_log:
            first = round(math.log10(self.low))
            last = round(math.log10(self.high))
            return [10.0 ** power for power in range(first, last + 1)]
        step = 10 ** math.floor(math.log10(self.high))
        while self.high / step < 4:
            step /= 2
        return [step * i for i in range(int(self.high / step) + 1)]


def panel(number, title, x_name, y_name, series, log_x=False, log_y=False):
    """One diagram: {name: [(x, y), ...]}."""
    series = {name: [point for point in points
                     if min(point) > 0 or not (log_x or log_y)]
              for name, points in series.items()}
    series = {name: points for name, points in series.items() if points}
    points = [point for line in series.values() for point in line]
    offset = number * (WIDTH + GAP)
    x_axis = Axis([x for x, _ in points], offset + LEFT,
                  offset + WIDTH - RIGHT, log_x)
    y_axis = Axis([y for _, y in points], HEIGHT - BOTTOM, TOP, log_y)
    out = [f'<text x="{offset + LEFT}" y="20" font-weight="bold">'
           f'{escape(title)}</text>']
    for value in x_axis.marks():
        x = x_axis.at(value)
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" '
                   f'y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>'
                   f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" '
                   f'text-anchor="middle">{nice(value)}</text>')
    for value in y_axis.marks():
        y = y_axis.at(value)
        out.append(f'<line x1="{offset + LEFT}" x2="{offset + WIDTH - RIGHT}" '
                   f'y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                   f'<text x="{offset + LEFT - 6}" y="{y + 4:.1f}" '
                   f'text-anchor="end">{nice(value)}</text>')
    out.append(f'<text x="{offset + (LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" '
               f'text-anchor="middle">{escape(x_name)}</text>')
    out.append(f'<text transform="translate({offset + 14} {HEIGHT / 2}) '
               f'rotate(-90)" text-anchor="middle">{escape(y_name)}</text>')
    for i, (name, line) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        places = " ".join(f"{x_axis.at(x):.1f},{y_axis.at(y):.1f}"
                          for x, y in sorted(line))
        out.append(f'<polyline points="{places}" fill="none" '
                   f'stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x_axis.at(x):.1f}" cy="{y_axis.at(y):.1f}" '
                f'r="3" fill="{colour}"/>' for x, y in line]
        out.append(f'<text x="{offset + LEFT + 10}" y="{TOP + 16 + 16 * i}" '
                   f'fill="{colour}">{escape(name)}</text>')
    return "\n".join(out)


def write(folder, name, panels):
    whole = len(panels) * (WIDTH + GAP) - GAP
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" '
                f'height="{HEIGHT}" font-family="sans-serif" font-size="12">\n'
                f'<rect width="{whole}" height="{HEIGHT}" fill="white"/>\n'
                + "\n".join(panels) + "\n</svg>\n")
    print(path)


def rows_of(report, section):
    return [row["figures"] for row in report["rows"]
            if row["section"] == section]


def line(rows, x, y):
    return [(row[x], row[y]) for row in rows if x in row and y in row]


def plot_latency(folder, report):
    rows = rows_of(report, "curve")
    write(folder, "latency.svg", [
        panel(0, "Final dot to 250", "messages a second, asked for",
              "milliseconds",
              {"median": line(rows, "asked_rate", "median_ms"),
               "99th": line(rows, "asked_rate", "p99_ms"),
               "99.9th": line(rows, "asked_rate", "p999_ms")}, log_y=True),
        panel(1, "Messages accepted", "messages a second, asked for",
              "messages a second",
              {"accepted": line(rows, "asked_rate", "rate")})])


def plot_growth(folder, report):
    kinds = {"nobody is tried": rows_of(report, "held"),
             "all due, most dead": rows_of(report, "dead")}
    key = "cpu_us"
    name = "microseconds of CPU"
    if not any(line(rows, "waiting", key) for rows in kinds.values()):
        key, name = "median_ms", "milliseconds to the 250"  # without perf
    write(folder, "growth.svg", [
        panel(0, "An accepted message", "recipients waiting", name,
              {kind: line(rows, "waiting", key)
               for kind, rows in kinds.items()}, log_x=True, log_y=True),
        panel(1, "Start", "recipients waiting", "seconds",
              {kind: line(rows, "waiting", "start_s")
               for kind, rows in kinds.items()}, log_x=True, log_y=True)])


def main(folder, paths):
    reports = {}
    for path in paths:
        with open(path, encoding="utf-8") as f:
            report = json.load(f)
        reports[report["name"]] = report
    os.makedirs(folder, exist_ok=True)
    if "latency" in reports:
        plot_latency(folder, reports["latency"])
    if "growth" in reports:
        plot_growth(folder, reports["growth"])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
