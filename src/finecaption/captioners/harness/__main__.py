"""Prints the folder of the tasks: `lmms-eval --include_path "$(python -m ...harness)"`."""

from finecaption.captioners.harness import TASKS

print(TASKS)
