"""The mathematics of the exercises, and the experiments that show it. Knows nothing of the workbench.

`parameters/` says, without importing torch, what each engine may be asked; the module of the same name
beside it holds the numerics, plain functions of tensors, and below them the experiments.
"""
