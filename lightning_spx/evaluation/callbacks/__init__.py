"""The steps behind `SaliencyEvaluator`: batches -> the same images -> maps -> agreement -> files and loggers."""
