"""Kernels made of feature maps: every row of data is one state, every entry one overlap."""

from bondline.kernels.encoded_set import EncodedSet
from bondline.kernels.fidelity import FidelityKernel
from bondline.kernels.projected import ProjectedKernel
from bondline.kernels.report import EncodingReport

__all__ = ["EncodedSet", "EncodingReport", "FidelityKernel", "ProjectedKernel"]
