"""The version of this package, for whoever asks a program of ours what it is."""

__version__ = "0.1.0"
