"""Styles colour what they say they colour, and leave the rest alone."""

import pytest
import torch
from kornia.color import rgb_to_lab

from bauta.errors import UsageError
from bauta.makeup.styles import Layer, Style, painted, read_style, style_names


def worn(frame, areas, style, strength=1.0):
    generator = torch.Generator().manual_seed(0)
    return painted(frame, areas, style, strength=strength, generator=generator)


def lab(frame):
    return rgb_to_lab(frame[None] / 255)[0]


def test_there_are_styles_for_everybody():
    names = style_names()
    assert len(names) >= 8
    assert {"tan", "stubble", "cool", "rose"} <= set(names)


@pytest.mark.parametrize("name", style_names())
def test_styles_show_on_their_areas_and_nowhere_else(name, frame, areas):
    style = read_style(name)
    out = worn(frame, areas, style)
    touched = torch.stack([areas[layer.area] for layer in style.layers]).amax(dim=0)
    changed = (out - frame).abs().amax(dim=0, keepdim=True)
    assert float(changed[touched < 0.001].max()) < 0.5
    assert float(changed[touched > 0.8].mean()) > 2
    # Colours wander in CIELAB, and no sample may leave the range of photos.
    assert 0 <= float(out.min()) <= float(out.max()) <= 255


def test_lipstick_takes_its_colour_and_keeps_light_and_shade(frame, areas):
    red = Style(title="red", layers=[Layer(area="lips", colour=(45.0, 50.0, 20.0))])
    sure = areas["lips"] > 0.95
    before, after = lab(frame), lab(worn(frame, areas, red))
    assert float(after[1:2][sure].mean()) == pytest.approx(50, abs=3)
    assert float(after[2:][sure].mean()) == pytest.approx(20, abs=3)
    pair = torch.stack([before[:1][sure], after[:1][sure]])
    assert float(torch.corrcoef(pair)[0, 1]) > 0.95


def test_strength_says_how_much(frame, areas):
    style = read_style("tan")
    sizes = [float((worn(frame, areas, style, s) - frame).abs().mean()) for s in (0, 0.5, 1)]
    assert sizes[0] < 0.01
    assert sizes[2] == pytest.approx(2 * sizes[1], rel=0.1)


def test_darker_skin_changes_in_proportion(frame, areas):
    sure = areas["skin"] > 0.95
    style = Style(title="shade", layers=[Layer(area="skin", shift=(-10.0, 0.0, 0.0))])

    def darkened(face):
        return float((lab(face) - lab(worn(face, areas, style)))[:1][sure].mean())

    light, dark = frame * 0.9, frame * 0.35
    assert darkened(light) == pytest.approx(10, rel=0.25)
    assert darkened(dark) < 0.6 * darkened(light)


def test_colourful_skin_takes_on_no_more_colour(areas):
    style = Style(title="warm", layers=[Layer(area="skin", shift=(0.0, 4.0, 8.0))])

    def added(colour):
        face = torch.tensor(colour).view(3, 1, 1).expand(3, 224, 224)
        change = lab(worn(face, areas, style))[1:].norm(dim=0) - lab(face)[1:].norm(dim=0)
        return float(change[areas["skin"][0] > 0.95].mean())

    assert added((190.0, 150.0, 135.0)) > 6
    assert abs(added((200.0, 130.0, 70.0))) < 0.5


def test_grain_follows_the_generator(frame, areas):
    style = read_style("stubble")
    assert torch.equal(worn(frame, areas, style), worn(frame, areas, style))


@pytest.mark.parametrize(
    "text",
    ["title = 'x'", "[[layers]]\narea = 'ears'", "[[layers]]\narea = 'lips'\ncolour = [1, 2]",
     "[[layers]]\narea = 'lips'\nopacity = 3", "[[layers]]\narea = 'lips'\nsparkle = 1"],
)  # fmt: skip
def test_what_is_no_style_is_refused(text, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UsageError):
        read_style(file)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UsageError, match="rose"):
        read_style("sparkle")
