"""Estimators of scikit-learn over quantum kernels."""
