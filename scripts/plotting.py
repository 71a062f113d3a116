"""What the plots have in common: named points, each with a label one can read."""

import math

import matplotlib

matplotlib.use("Agg")  # no display needed
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402
from matplotlib.transforms import Bbox  # noqa: E402

DPI = 150
POINTS = 72 / DPI  # per pixel
GAP = 2  # pixels around a label
STEPS = range(14, 400, 7)  # how far a label may be from its point, in pixels
ANGLES = [math.radians(a) for a in (20, -20, 160, -160, 50, -50, 130, -130, 0,
                                    180, 80, -80, 100, -100)]


def frontier(points):
    """The points that no smaller type beats, smallest first."""
    best = []
    for point in sorted(points):
        if not best or point[1] < best[-1][1]:
            best.append(point)
    return best


def _boxes(center, width, height):
    """Where a label may be, nearest first: (the box, its middle)."""
    for distance in STEPS:
        for angle in ANGLES:
            x = center[0] + distance * math.cos(angle)
            y = center[1] + distance * math.sin(angle)
            x += math.copysign(width / 2, math.cos(angle)) if math.cos(angle) else 0
            yield Bbox.from_bounds(x - width / 2 - GAP, y - height / 2 - GAP,
                                   width + 2 * GAP, height + 2 * GAP), (x, y)


def _free(box, taken, room):
    return (room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0
            and box.y1 <= room.y1 and not any(box.overlaps(t) for t in taken))


def label(axes, points, size=8):
    """Puts each name beside its point (x, y, name), clear of points and names.

    Axes must have their final limits and place in the figure.
    """
    renderer = axes.figure.canvas.get_renderer()
    room = axes.get_window_extent(renderer)
    places = [axes.transData.transform(point[:2]) for point in points]
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in places]
    if axes.get_legend():
        taken.append(axes.get_legend().get_window_extent(renderer))
    for point, (x, y) in sorted(zip(points, places), key=lambda item: item[0]):
        text = axes.annotate(point[2], point[:2], textcoords="offset points",
                             xytext=(0, 0), ha="center", va="center", fontsize=size)
        extent = text.get_window_extent(renderer)
        box, middle = next(
            (found for found in _boxes((x, y), extent.width, extent.height)
             if _free(found[0], taken, room)), (extent, (x, y)))
        taken.append(box)
        text.set_position(((middle[0] - x) * POINTS, (middle[1] - y) * POINTS))
        edge = (min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1))
        axes.annotate("", point[:2], textcoords="offset points",
                      xytext=((edge[0] - x) * POINTS, (edge[1] - y) * POINTS),
                      arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.6,
                                  "shrinkA": 0, "shrinkB": 0})


def panel(axes, points, title, quantity):
    """Points (bits per weight, value, name) without their labels."""
    axes.scatter([p[0] for p in points], [p[1] for p in points], s=16, zorder=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("bits per weight")
    axes.set_ylabel(quantity)
    axes.set_title(title, fontsize=10)
    axes.grid(True, which="both", alpha=0.25)
    axes.margins(x=0.08, y=0.08)


def error_panel(axes, points, title):
    """Error against bits per weight, with the line of the best at their size."""
    best = frontier(points)
    axes.plot([p[0] for p in best], [p[1] for p in best], color="0.75", zorder=1,
              label="best at its size")
    panel(axes, points, title, "weighted relative error")
    axes.legend(loc="upper right")


def save(path, panels, width=10, height=5.5):
    """One plot below the other. panels: (points, draw(axes)) each."""
    figure, axes = plt.subplots(len(panels), squeeze=False, dpi=DPI,
                                figsize=(width, height * len(panels)))
    for axis, (_, draw) in zip(axes[:, 0], panels):
        draw(axis)
    figure.tight_layout()
    # Only now is the scale final, by which labels keep apart.
    for axis, (points, _) in zip(axes[:, 0], panels):
        label(axis, points)
    figure.savefig(path)
    print(f"plot: {path}")
