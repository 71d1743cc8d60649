# SPDX-License-Identifier: MIT
"""A picture of numbers over numbers, both on logarithmic scales, as SVG."""

import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 60, 230, 56, 50
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # can be told apart by everybody
STYLE = """<style>
text { font: 13px sans-serif; fill: #222 } .axis { stroke: #222 } .grid { stroke: #ccc }
path { fill: none; stroke-width: 2.5 }
svg { background: #fff }
</style>
"""


def decades(values):
    """Powers of ten around them all."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10.0 ** n for n in range(low, max(high, low + 1) + 1)]


class Scale:
    def __init__(self, marks, begin, end):
        self.low, self.span, self.begin, self.end = math.log10(marks[0]), math.log10(marks[-1] / marks[0]), begin, end

    def __call__(self, value):
        return self.begin + (math.log10(value) - self.low) / self.span * (self.end - self.begin)


def text(x, y, words, anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{words}</text>\n'


def line(x1, y1, x2, y2, kind):
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>\n'


def draw(title, x_name, y_name, series):
    """series: {name: [(x, y)]}, all more than 0."""
    points = [point for each in series.values() for point in each]
    x_marks, y_marks = (decades([point[i] for point in points]) for i in range(2))
    x, y = Scale(x_marks, LEFT, WIDTH - RIGHT), Scale(y_marks, HEIGHT - BOTTOM, TOP)
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n'
           "<!-- SPDX-License" f"-Identifier: MIT -->\n<title>{title}</title>\n{STYLE}" + text(LEFT, 20, title))
    for mark in x_marks:
        svg += line(x(mark), TOP, x(mark), HEIGHT - BOTTOM, "grid")
        svg += text(x(mark), HEIGHT - BOTTOM + 18, f"{mark:g}", "middle")
    for mark in y_marks:
        svg += line(LEFT, y(mark), WIDTH - RIGHT, y(mark), "grid")
        svg += text(LEFT - 8, y(mark) + 4, f"{mark:g}", "end")
    svg += line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis")
    svg += line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, "axis")
    svg += text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_name, "middle") + text(8, TOP - 14, y_name)
    for number, (name, each) in enumerate(series.items()):
        at = TOP + 12 + 22 * number
        pen = f'stroke="{COLOURS[number % len(COLOURS)]}"'
        pen += ' stroke-dasharray="7 5"' * (number % 2)  # some lie on others
        path = " L".join(f"{x(a):.1f},{y(b):.1f}" for a, b in each)
        svg += f'<path d="M{path}" {pen}/>\n<path d="M{WIDTH - RIGHT + 16},{at - 4} h22" {pen}/>\n'
        svg += text(WIDTH - RIGHT + 44, at, name)
    return svg + "</svg>\n"
