"""A picture of a model and of its quality over time, with matplotlib, which is imported only here."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from stream.clock import SystemClock
from stream.commands.outcome import InputError
from stream.control.sample_log import read_samples
from stream.errors import ConfigurationError
from stream.learning.scaling import TRAINING_LIMIT, FeatureScale, as_matrix, scaled_rows

if TYPE_CHECKING:
    from stream.embedded import Addresses
    from stream.models import PublishedModels
    from stream.settings import Settings

__all__ = ["plot_model"]

_LAST_MS = 7 * 86_400_000
_POINTS = 5_000
_HEIGHT, _HEIGHT_OF_LINE = 5.5, 0.18
_LINE = 160  # characters of a line of the legend
_CHINESE_FONTS = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei")
# By kind: what is drawn over time, and how it is called.
_OVER_TIME = {
    "clusters": (("silhouette", "silhouette"), ("moved", "share of users moved")),
    "quantiles": (("users", "users"),),
    "classifier": (("auc", "ROC AUC"), ("log_loss", "log loss"), ("accuracy", "accuracy")),
}


def plot_model(
    settings: Settings, addresses: Addresses, record: Mapping[str, Any], published: PublishedModels, file: Path
) -> None:
    """Draw a model that was published. Blocks.

    Raises ConfigurationError if matplotlib is not installed, InputError for a file it can't write or no snapshot.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigurationError(
            "Pictures need matplotlib, which is not installed.", remedy="pip install 'tagstream[analysis]'"
        ) from None
    _check_target(file)
    name, version = record["name"], record["version"]
    if version is None or published.problem(name, version) is not None:
        raise InputError(
            f"Of the model {name} there is no snapshot to draw.",
            remedy=f"Leave --plot out: tagstream models {name} says why.",
        )
    snapshot = published.record(name, version)
    fonts = _fonts()
    title = record["title"] if len(fonts) > 1 or not any(map(_is_wide, record["title"])) else name
    with rc_context({"font.family": fonts, "text.parse_math": False}):  # a $ in a name is a $
        figure = Figure(figsize=(13, _HEIGHT), layout="constrained")
        left, right = figure.subplots(1, 2)
        figure.suptitle(f"{title}: {snapshot['kind']}, version {version}")
        if snapshot["kind"] == "clusters":
            samples = read_samples(settings, addresses, name, SystemClock(), last_ms=_LAST_MS, labels=False)
            _clusters(left, snapshot, record, [each.values for each in samples[-_POINTS:]])
            legend = figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", fontsize=8)
            lines = sum(1 + text.get_text().count("\n") for text in legend.get_texts())
            figure.set_figheight(_HEIGHT + _HEIGHT_OF_LINE * lines)
        elif snapshot["kind"] == "quantiles":
            _quantiles(left, snapshot)
        else:
            _calibration(left, snapshot["calibration"])
        _over_time(right, snapshot["kind"], record["reports"])
        _save(figure, file)


def _check_target(file: Path) -> None:
    """Raises InputError if a picture can't be written there, before what may take long."""
    from matplotlib.backend_bases import FigureCanvasBase

    if file.suffix.removeprefix(".").lower() not in FigureCanvasBase.get_supported_filetypes():
        ending = f"its ending {file.suffix} is no picture's" if file.suffix else "its name has no ending"
        raise InputError(f"{file} can't be drawn: {ending}.", remedy="Name a .png, .svg or .pdf.")
    if not file.parent.is_dir():
        raise InputError(
            f"{file} can't be drawn: there is no folder {file.parent}.", remedy="Name a file in a folder that is there."
        )


def _fonts() -> list[str]:
    """Fonts that are installed: the usual one, and for what it lacks one that has Chinese characters."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _CHINESE_FONTS if name in installed)]


def _is_wide(character: str) -> bool:
    """Whether a character is one of those, mostly Chinese, that the usual font does not have."""
    return unicodedata.east_asian_width(character) in {"W", "F"}


def _save(figure: Any, file: Path) -> None:
    try:
        with warnings.catch_warnings():
            # Where no font has a character, a box stands for it, as everywhere; not the user's to repair.
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            figure.savefig(file, dpi=120)
    except OSError as error:
        raise InputError(
            f"{file} can't be drawn: {error.strerror or error}.",
            remedy="Name a file in a folder that is there and that you may write to.",
        ) from None


def _clusters(
    axes: Any, snapshot: Mapping[str, Any], record: Mapping[str, Any], values: Sequence[Sequence[float | None]]
) -> None:
    """Users as points and clusters as circles with their ids, on the two axes along which users differ most.

    What each cluster is stands in the handles for a legend, as descriptions are longer than the axes are wide.
    """
    from stream.learning.lloyd import nearest

    scales = [FeatureScale(**each) for each in snapshot["features"]]
    centres = np.array([each["centre"] for each in snapshot["clusters"]], dtype=np.float64)
    fitting = [each for each in values if len(each) == len(scales)]
    rows = scaled_rows(scales, as_matrix(fitting, len(scales)), TRAINING_LIMIT) if fitting else centres
    middle = rows.mean(axis=0)
    _, lengths, turned = np.linalg.svd(rows - middle, full_matrices=False)
    directions = np.zeros((2, rows.shape[1]))
    directions[: min(2, len(turned))] = turned[:2]
    explained = lengths**2 / max(float((lengths**2).sum()), 1e-12)
    colours = [f"C{number % 10}" for number in range(len(centres))]
    if fitting:
        points = (rows - middle) @ directions.T
        axes.scatter(*points.T, s=6, alpha=0.35, linewidths=0, c=[colours[each] for each in nearest(rows, centres)])
    for number, (each, (x, y)) in enumerate(zip(record["clusters"], (centres - middle) @ directions.T, strict=True)):
        axes.scatter(
            [x], [y], s=120 + 1_500 * each["share"], facecolors="none", edgecolors=colours[number], linewidths=2
        )
        axes.annotate(str(each["id"]), (x, y), fontsize=9, ha="center", va="center")
        said = "  ".join(filter(None, (str(each["id"]), each["name"], f"{each['share']:.0%}", each["description"])))
        axes.plot([], [], marker="o", linestyle="", color=colours[number], label=fill(said, _LINE))
    for axis, number in ((axes.xaxis, 0), (axes.yaxis, 1)):
        share = float(explained[number]) if number < len(explained) else 0.0
        axis.set_label_text(f"{_direction(snapshot['features'], directions[number])} ({share:.0%})")
    axes.set_title(f"{len(fitting):,} newest samples, two principal axes" if fitting else "no samples; the centres")


def _direction(features: Sequence[Mapping[str, Any]], direction: Any) -> str:
    """The features that an axis is made of, the heaviest first."""
    order = np.argsort(-np.abs(direction))[:3]
    return " ".join(f"{direction[each]:+.1f} {features[each]['name']}" for each in order if abs(direction[each]) >= 0.2)


def _quantiles(axes: Any, snapshot: Mapping[str, Any]) -> None:
    for field in snapshot["fields"]:
        boundaries = np.array(field["boundaries"])
        shares = np.arange(1, len(boundaries) + 1) / (len(boundaries) + 1)
        greatest = float(np.abs(boundaries).max()) or 1.0
        axes.plot(shares, boundaries / greatest, marker="o", label=f"{field['name']} (1 is {greatest:,.4g})")
    axes.set_xlabel("share of users below")
    axes.set_title("boundaries")
    axes.legend(loc="upper left")


def _calibration(axes: Any, bins: Sequence[Mapping[str, float]]) -> None:
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as it should be")
    if bins:
        most = max(each["samples"] for each in bins)
        axes.plot([each["foretold"] for each in bins], [each["came"] for each in bins], color="C0", zorder=1)
        sizes = [20 + 300 * each["samples"] / most for each in bins]
        axes.scatter([each["foretold"] for each in bins], [each["came"] for each in bins], s=sizes, zorder=2)
    axes.set_xlabel("foretold")
    axes.set_ylabel("came")
    axes.set_title("calibration; larger dots stand for more labels")
    axes.legend(loc="upper left")


def _over_time(axes: Any, kind: str, reports: Sequence[Mapping[str, Any]]) -> None:
    asked = [each for each in reports if each["kind"] == "model"]
    for key, label in _OVER_TIME[kind]:
        points = [(_time(each), each["quality"][key], each["accepted"]) for each in asked if _has(each, key)]
        if points:
            (line,) = axes.plot([at for at, _, _ in points], [value for _, value, _ in points], marker=".", label=label)
            refused = [(at, value) for at, value, accepted in points if not accepted]
            if refused:
                axes.scatter(*zip(*refused, strict=True), marker="x", color=line.get_color(), s=60)
    for each in reports:
        if each["kind"] == "drift":
            axes.axvline(_time(each), color="grey", alpha=0.3, linewidth=1)
    axes.set_title("quality over time (x: refused; grey lines: drift)")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left")
    axes.tick_params(axis="x", rotation=30)


def _has(report: Mapping[str, Any], key: str) -> bool:
    return report["quality"].get(key) is not None


def _time(report: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(report["at"])
