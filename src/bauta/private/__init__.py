"""Training of face recognition on faces that are masked, so that it cannot be inverted (ahm).

Source: W. Wang, Y. Huang, Z. Li, X. Yang, J. Song, S. Wang, arXiv 2403.10558: masking in the
frequency domain (:mod:`bauta.masking`), mixtures of several faces, and a strategy that learns
against recognition how many.
"""
