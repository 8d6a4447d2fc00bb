"""Reads a run's event files with TensorBoard's own reader: prints {tag: [[step, value], …]} as JSON.

    python scripts/check-tensorboard.py RUN      (needs the package tensorboard)
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# 0 keeps every value; the default would thin long runs.
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
scalars = {tag: [[at.step, at.value] for at in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
json.dump(scalars, sys.stdout)
