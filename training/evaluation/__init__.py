"""Evaluation of masks and mattes on benchmarks, with the exported graphs that users run."""
