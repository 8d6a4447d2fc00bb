"""What huggingface_hub reads in a card: `card.py README` prints one line of JSON. No network."""

import inspect
import json
import sys

import huggingface_hub
import yaml
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.repocard import metadata_load


def main() -> None:
    path = sys.argv[1]
    # Wrong metadata is an error here, not a warning.
    card = ModelCard.load(path, ignore_metadata_errors=False)
    data = card.data.to_dict()
    assert metadata_load(path) == data, "two readers of one front matter disagree"
    assert ModelCard(str(card)).data.to_dict() == data, "it does not read back"
    assert yaml.safe_load(card.data.to_yaml()) == data, "it does not write back"
    known = set(inspect.signature(ModelCardData).parameters)
    result = {
        "huggingface_hub": huggingface_hub.__version__,
        "data": data,
        "unknown": sorted(set(data) - known),
        "text": card.text,
    }
    print(json.dumps(result))


main()
