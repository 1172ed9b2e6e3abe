"""Where may be drawn, and what light does to colour."""

import torch

from bauta.faces.luma import luma
from bauta.makeup.canvas import MadeUp, bare_areas, reach_of


def test_what_is_not_skin_is_left_out(frame, areas):
    covered = frame.clone()
    covered[:, 40:75] = torch.tensor([20.0, 30.0, 90.0]).view(3, 1, 1)
    bare = bare_areas(covered[None], areas)
    there = areas["skin"][0] > 0.9
    hidden = torch.zeros_like(there)
    hidden[46:69] = True
    assert float(bare["skin"][0][there & hidden].mean()) < 0.1
    below = there & ~hidden
    below[:80] = False
    assert float(bare["skin"][0][below].mean()) > 0.7
    assert torch.equal(bare["lips"], areas["lips"])


def test_eyes_and_teeth_are_out_of_reach(frame, areas):
    reach = reach_of(frame[None], bare_areas(frame[None], areas))
    assert reach.shape == (1, 1, 224, 224)
    nothing = torch.stack(list(areas.values())).amax(dim=0) < 0.001
    assert float(reach[0][nothing].max()) < 0.01
    assert 1.2 < float(reach.max()) <= 1.5


def test_less_is_drawn_on_smooth_skin():
    whole = {name: torch.zeros(1, 64, 64) for name in ("lips", "lids", "lashes", "brows")}
    whole["skin"] = torch.ones(1, 64, 64)
    frame = torch.full((1, 3, 64, 64), 150.0)
    frame[:, :, :, 32:] += 60 * torch.randint(0, 2, (64, 32)) - 30.0
    reach = reach_of(frame, whole)[0, 0]
    assert float(reach[:, :16].max()) < 0.45
    assert float(reach[:, 48:].min()) > 0.99


def test_shadows_keep_their_hue_and_light_turns_paler():
    frame = torch.tensor([160.0, 100.0, 80.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    one = torch.ones(1, 1, 2, 2)
    made = MadeUp(frame=frame, worn=frame, areas={}, reach=one, skin=one)
    dark, light = frame + made.lit(-20 * one), frame + made.lit(20 * one)

    def share(image):
        return image[0, 0, 0, 0] / luma(image)[0, 0, 0, 0]

    torch.testing.assert_close(share(dark), share(frame))
    assert share(light) < share(frame) - 0.02
    torch.testing.assert_close(luma(light) - luma(frame), 20 * one, atol=0.1, rtol=0)
