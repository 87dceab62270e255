"""Kernel matrices of quantum feature maps."""
