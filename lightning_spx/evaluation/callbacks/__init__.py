"""Lightning callbacks. `SaliencyEvaluator` goes from batches to chosen images, maps, agreement, files and loggers."""
