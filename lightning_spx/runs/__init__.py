"""What is on disk of a run, and who works on it.

A start of a study writes these files, in this order:

- `.lock` (`lock.py`): keeps other processes out of the folder, or off the parts that one of them works on;
- `config.yaml` (`folder.py`): the complete settings, before any work; `settings.py` says which of them change numbers;
- `run.json` (`record.py`): data, environment (`environment.py`), models and seconds, again after every stage;
- `examples/` (`example_maps.py`) and `per_image/` (`blocks.py`): maps of a few images, and one file of values for each
  finished block, which is never computed again;
- `results.csv` and figures: written by the study itself at its end.

Each file is written whole or not at all (`files.py`); a damaged one is refused with its name (`reading.py`). The
processes of one start (`processes.py`) share the work, or several starts do, each with a share i/n (`launch.py`), or
the tasks of a Ray cluster (`ray_launch.py`).
"""
