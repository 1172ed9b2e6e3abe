"""Pictures of measurements: what is drawn, into which files, and without what else."""

from __future__ import annotations

import builtins
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bauta.audit import plots
from bauta.audit.plots import check_picture, draw_heat_map, draw_roc
from bauta.errors import MediaError, MissingExtraError, UsageError
from bauta.recognizers.evaluate import FARS, Evaluation, threshold_at

NAMES = ["short", "a-rather-long-name-2021dec", "mobilefacenet-ms1m"]
TABLE = np.array([[1, -0.25, np.nan], [-0.25, 1, 0.5], [np.nan, 0.5, 1]])


def evaluation(name: str, spread: float, data: str = "toy") -> Evaluation:
    rng = np.random.default_rng(3)
    # 1,500 impostors: FAR 0.1 % can only be undercut.
    same = np.arange(4000) < 2500
    similarities = same * 0.6 + spread * rng.normal(size=4000)
    limits = {k: threshold_at(far, similarities, same, data, "") for k, far in FARS.items()}
    none = np.zeros(4000, bool)
    return Evaluation(name, 0.9, 0.01, limits, 4000, 0, similarities, same, none)


def recorded(monkeypatch: pytest.MonkeyPatch) -> list:
    """Figures that were drawn, to look into."""
    figures: list = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: figures.append(figure))
    return figures


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".PNG"])
def test_files_are_of_the_suffixes_kind_and_replaced(tmp_path: Path, suffix: str):
    for draw in (
        lambda path: draw_roc([evaluation("a", 0.2)], path),
        lambda path: draw_heat_map(NAMES, TABLE, path, title="toy"),
    ):
        path = tmp_path / f"picture{suffix}"
        path.write_bytes(b"old")
        draw(path)
        if suffix == ".svg":
            assert b"<svg" in path.read_bytes()
        else:
            with Image.open(path) as image:
                assert image.format == "PNG"
        assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_same_measurement_makes_the_same_picture(tmp_path: Path):
    for name in ("a.png", "b.png"):
        draw_heat_map(NAMES, TABLE, tmp_path / name, title="toy")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    draw_heat_map(NAMES, TABLE, tmp_path / "a.svg", title="toy")
    assert b"dc:date" not in (tmp_path / "a.svg").read_bytes()


def test_curves_show_the_rates_of_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    figures = recorded(monkeypatch)
    several = [evaluation(f"net-{i}", 0.1 + 0.02 * i) for i in range(9)]
    draw_roc(several, tmp_path / "roc.png")
    (axes,) = figures[0].axes
    assert axes.get_xscale() == "log"
    assert axes.get_title() == "Verification on toy"
    curves = [line for line in axes.lines if not line.get_label().startswith("_")]
    assert len({(line.get_color(), line.get_linestyle()) for line in curves}) == 9
    for one, line in zip(several, curves, strict=True):
        loose, strict = (one.thresholds[name].tar for name in FARS)
        assert line.get_label() == f"{one.recognizer}: {100 * loose:.1f} % | {100 * strict:.1f} %"
    marks = [line for line in axes.lines if line.get_marker() == "o"]
    for one, line in zip(several, marks, strict=True):
        limits = [one.thresholds[name] for name in FARS]
        np.testing.assert_allclose(line.get_xdata(), [limit.far for limit in limits])
        np.testing.assert_allclose(line.get_ydata(), [limit.tar for limit in limits])
    low, high = axes.get_xlim()
    assert (low, high) == (pytest.approx(1 / 1500), 1)
    assert axes.get_ylim()[0] < min(line.get_ydata().min() for line in marks)


def test_data_is_named_only_where_all_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    figures = recorded(monkeypatch)
    draw_roc([evaluation("a", 0.1, "lfw"), evaluation("b", 0.1, "mine")], tmp_path / "roc.png")
    assert figures[0].axes[0].get_title() == "Verification"


def test_cells_hold_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    figures = recorded(monkeypatch)
    draw_heat_map(NAMES, TABLE, tmp_path / "heat.png", title="Correlation of errors")
    axes = figures[0].axes[0]
    assert texts(axes) == ["1.00", "-0.25", "–", "-0.25", "1.00", "0.50", "–", "0.50", "1.00"]
    assert [label.get_text() for label in axes.get_yticklabels()] == NAMES
    assert axes.images[0].get_clim() == (-1, 1)


@pytest.mark.parametrize("count", [1, 2, 14])
def test_nothing_is_cut_off(tmp_path: Path, count: int):
    """The outermost pixels are white, so every label ends within the picture."""
    names = [f"a-rather-long-name-{i}" for i in range(count)]
    draw_heat_map(names, np.eye(count), tmp_path / "heat.png", title="a title wider than its map")
    draw_roc([evaluation(name, 0.2) for name in names], tmp_path / "roc.png")
    for name in ("heat.png", "roc.png"):
        with Image.open(tmp_path / name) as image:
            pixels = np.asarray(image.convert("L"))
        for edge in (pixels[:4], pixels[-4:], pixels[:, :4], pixels[:, -4:]):
            assert (edge == 255).all()


@pytest.mark.parametrize("name", ["roc.jpg", "roc", "png"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str):
    for use in (check_picture, lambda path: draw_roc([evaluation("a", 0.1)], path)):
        with pytest.raises(UsageError, match=r"\.png or \.svg"):
            use(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_noticed_before_measuring(tmp_path: Path):
    with pytest.raises(MediaError, match="no folder"):
        check_picture(tmp_path / "none" / "roc.png")


def test_nothing_to_draw(tmp_path: Path):
    with pytest.raises(UsageError, match="no recognizer"):
        draw_roc([], tmp_path / "roc.png")


def test_without_matplotlib_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = builtins.__import__

    def refuse(name: str, *args: object, **options: object) -> object:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"bauta\[bench\]"):
        check_picture(tmp_path / "roc.png")


def test_global_state_is_left_alone(tmp_path: Path):
    # In a process of its own: other tests may have imported pyplot themselves.
    code = (
        "import sys, pathlib, numpy; from bauta.audit.plots import draw_heat_map;"
        "draw_heat_map(['a'], numpy.eye(1), pathlib.Path(sys.argv[1]), title='toy');"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "heat.png"], check=False)
    assert done.returncode == 0
    assert (tmp_path / "heat.png").is_file()
