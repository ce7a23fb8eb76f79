"""Chronos models: T5, Bolt, Chronos-2 and the embedded one.

In: prices in model space (`representation`), settings, a model's folder or hub id. Out: fans, through `ChronosEngine`.
`finder` chooses a model, `loading` loads it, `sampler` and `decoder` draw T5's paths, `grid` shares work between the
settings of a search. Only this folder imports torch, inside functions.

Not here: calibration of bands, and the training of the embedded model (`benchmarks/`).
"""
