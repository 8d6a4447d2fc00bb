"""Reads a run's event files with TensorBoard's own reader and prints them as JSON.

    python scripts/check-tensorboard.py RUN      (needs the package tensorboard)

{"scalars": {tag: [[step, value], ...]}, "images": {tag: [[step, width, height, PNG in hexadecimal], ...]}}
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# 0 keeps every value; the defaults thin long runs.
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
events.Reload()
tags = events.Tags()
json.dump(
    {
        "scalars": {tag: [[at.step, at.value] for at in events.Scalars(tag)] for tag in tags["scalars"]},
        "images": {
            tag: [[at.step, at.width, at.height, at.encoded_image_string.hex()] for at in events.Images(tag)]
            for tag in tags["images"]
        },
    },
    sys.stdout,
)
