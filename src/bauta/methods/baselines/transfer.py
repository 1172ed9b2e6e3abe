"""Transfer attacks: how to keep a gradient from fitting the surrogates alone."""

from __future__ import annotations

from typing import Any

from bauta.engine.goals import Impersonate
from bauta.engine.loop import IterativeMethod
from bauta.engine.momentum import Momentum, VarianceTuned
from bauta.engine.published import Admix, ResizePad, Scales, Spectrum
from bauta.engine.transforms import NONE, Diversity, Transform
from bauta.methods.baselines.base import Setting, baseline
from bauta.methods.tip_im import TipIm

_PLAIN = Momentum(decay=0.0)
#: Input diversity at 0.7 and down to 0.9, as the papers after DI-FGSM and TransferAttack have it.
_DI = ResizePad(probability=0.7, smallest=0.9)


def _through(*transforms: Transform) -> Diversity:
    """Pixels changed as papers change them, crops and networks not at all."""
    return Diversity(jitter=None, transforms=transforms, ghosts=0.0)


def _ten(at: Setting, **more: Any) -> IterativeMethod:
    """Ten steps of a tenth of epsilon: the setting of most papers of this kind."""
    options: dict[str, Any] = {"steps": 10, "step_size": at.epsilon / 10, "diversity": NONE}
    return IterativeMethod(**{**options, "seed": at.seed, **more})


@baseline("fgsm", "Goodfellow et al., ICLR 2015", "one step of epsilon, as in the paper")
def _fgsm(at: Setting) -> IterativeMethod:
    return _ten(at, steps=1, step_size=at.epsilon, momentum=_PLAIN)


@baseline("bim", "Kurakin et al., ICLR Workshop 2017", "10 steps of epsilon / 10")
def _bim(at: Setting) -> IterativeMethod:
    return _ten(at, momentum=_PLAIN)


@baseline("pgd", "Madry et al., ICLR 2018", "40 steps of 2.5 epsilon / 40, random start")
def _pgd(at: Setting) -> IterativeMethod:
    return _ten(at, steps=40, step_size=2.5 * at.epsilon / 40, momentum=_PLAIN, start=1.0)


@baseline("mi-fgsm", "Dong et al., CVPR 2018", "10 steps, decay 1, as in the paper")
def _mi(at: Setting) -> IterativeMethod:
    return _ten(at)


@baseline("ni-fgsm", "Lin et al., ICLR 2020", "10 steps, decay 1, as in the paper")
def _ni(at: Setting) -> IterativeMethod:
    return _ten(at, momentum=Momentum(nesterov=True))


@baseline("di-fgsm", "Xie et al., CVPR 2019", "10 steps, probability 0.7, down to 0.9 of the side")
def _di(at: Setting) -> IterativeMethod:
    return _ten(at, diversity=_through(_DI))


@baseline("ti-fgsm", "Dong et al., CVPR 2019", "10 steps; Gaussian of 7 px, as TransferAttack's")
def _ti(at: Setting) -> IterativeMethod:
    return _ten(at, smoothing=7)


@baseline("ti-di-fgsm", "Dong et al. and Xie et al., CVPR 2019", "as ti-fgsm and di-fgsm")
def _ti_di(at: Setting) -> IterativeMethod:
    return _ten(at, smoothing=7, diversity=_through(_DI))


@baseline("si-ni-fgsm", "Lin et al., ICLR 2020", "10 steps, 5 scales, as in the paper")
def _si_ni(at: Setting) -> IterativeMethod:
    return _ten(at, views=5, diversity=_through(Scales()), momentum=Momentum(nesterov=True))


@baseline("vmi-fgsm", "Wang and He, CVPR 2021", "10 steps; 5 neighbours instead of 20, for time")
def _vmi(at: Setting) -> IterativeMethod:
    return _ten(at, momentum=VarianceTuned(neighbours=5, radius=15.0))


@baseline("admix", "Wang et al., ICCV 2021", "10 steps, 3 x 5 views, share 0.2, as in the paper")
def _admix(at: Setting) -> IterativeMethod:
    return _ten(at, views=15, diversity=_through(Admix(others=at.strangers), Scales()))


@baseline("ssa", "Long et al., ECCV 2022", "10 steps; 5 spectra instead of 20, for time")
def _ssa(at: Setting) -> IterativeMethod:
    return _ten(at, views=5, diversity=_through(Spectrum(noise=at.epsilon)))


@baseline(
    "mt-dim", "Yang et al., ICCV 2021, section 4", "50 steps of 1.5 epsilon / 50, sum over targets",
    goal=Impersonate(gain="sum"),
)  # fmt: skip
@baseline(
    "center-opt", "Yang et al., ICCV 2021, section 4", "50 steps, toward the targets' centre",
    goal=Impersonate(gain="centre"),
)  # fmt: skip
@baseline(
    "tip-im-paper", "Yang et al., ICCV 2021", "50 steps of 1.5 epsilon / 50, as its code's",
    goal=Impersonate(),
)  # fmt: skip
def _tip_im(at: Setting) -> IterativeMethod:
    return TipIm(steps=50, step_size=1.5 * at.epsilon / 50, diversity=_through(_DI), seed=at.seed)
