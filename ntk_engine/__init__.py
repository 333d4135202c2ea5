"""The mathematics of ntkd: kernels and spectra of neural networks, as pure functions on tensors.

Import what you need by name, `from ntk_engine import infinite, spectrum`: this module, `ntk_engine.architecture` and
`ntk_engine.activations` load without torch, so that a process that only checks architectures stays small.
"""

__version__ = "0.2.0"
