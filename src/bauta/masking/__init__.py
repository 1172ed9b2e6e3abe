"""Masking of faces in the frequency domain, for training that cannot be inverted.

Sources: Y. Wang et al., "Privacy-Preserving Face Recognition in the Frequency Domain" (PPFR-FD),
AAAI 2022; Y. Mi et al., "DuetFace", ACM MM 2022; J. Ji et al., "Privacy-Preserving Face Recognition
with Learnable Privacy Budgets in Frequency Domain" (DCTDP), ECCV 2022; Y. Mi et al.,
"PartialFace", ICCV 2023.
"""
