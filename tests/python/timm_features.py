"""What timm makes of a published model: `timm_features.py SOURCE FOLDER PICTURES` prints one line of JSON.

SOURCE is `local-dir:PATH` or `hf-hub:org/name`; FOLDER has the same model's files; PICTURES is a folder of PNG files, taken
by name. The features come three ways:

- `pretrained`: `timm.create_model(SOURCE, pretrained=True)`, inputs normalised by hand; pictures of the model's size only;
- `strict`: the architecture and arguments of `config.json` without SOURCE, `load_state_dict(strict=True)`, same inputs;
- `transformed`: the first model behind timm's own evaluation transform; all pictures.

Where timm refuses SOURCE, as it does with shards, `refused` says why, and the second model stands in for the first.

It compares nothing: that is the test's part, which has our features.
"""

import json
import logging
import sys
from pathlib import Path

import numpy
import timm
import torch
from PIL import Image
from safetensors import safe_open
from timm.data import create_transform, resolve_data_config


def weights(folder: Path) -> dict:
    """All tensors of the folder; in shards each lies where the index says, and nowhere else."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        index = json.loads(index.read_text())
        files = sorted(set(index["weight_map"].values()))
    else:
        index, files = None, ["model.safetensors"]
    found = {}
    for name in files:
        with safe_open(folder / name, framework="pt") as file:
            assert file.metadata() == {"format": "pt"}, f"{name}: metadata is {file.metadata()}"
            for key in file.keys():
                assert key not in found, f"{key} is in two shards"
                assert index is None or index["weight_map"][key] == name, f"{key} is in {name}, not where the index says"
                found[key] = file.get_tensor(key)
    if index is not None:
        assert set(found) == set(index["weight_map"]), "the index names what is in no shard"
        total = sum(tensor.numel() * tensor.element_size() for tensor in found.values())
        assert index["metadata"]["total_size"] == total, f"total_size is not {total}"
    return found


def least_moved(model, inputs) -> tuple:
    """The tensor that moves the features least when each of its values is off by 0.1 or so, and how far it does."""
    torch.manual_seed(0)
    before = model(inputs)
    least = ("", float("inf"))
    for name, tensor in model.named_parameters():
        kept = tensor.clone()
        tensor.add_(0.1 * torch.randn_like(tensor))
        moved = (model(inputs) - before).abs().max().item()
        tensor.copy_(kept)
        least = min(least, (name, moved), key=lambda pair: pair[1])
    assert torch.equal(model(inputs), before), "the weights were not put back"
    return least


@torch.no_grad()
def main() -> None:
    # Several threads on a busy machine wait for each other: 15 times as slow, measured.
    torch.set_num_threads(1)
    source, folder, pictures = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    told = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())
    logging.getLogger("timm").addHandler(handler)

    config = json.loads((folder / "config.json").read_text())
    tensors = weights(folder)
    result = {"timm": timm.__version__, "tensors": len(tensors), "types": sorted({str(t.dtype) for t in tensors.values()})}

    strict = timm.create_model(config["architecture"], num_classes=config["num_classes"], **config["model_args"])
    strict.eval().load_state_dict(tensors, strict=True)
    try:
        model = timm.create_model(source, pretrained=True).eval()
        result["refused"] = None
        state = model.state_dict()
        result["other_tensors"] = sorted(
            set(state) ^ set(tensors) | {key for key in set(state) & set(tensors) if not torch.equal(state[key], tensors[key].float())}
        )
    except RuntimeError as error:
        model, result["refused"] = strict, str(error)
    result["warnings"] = told

    data = resolve_data_config({}, config["pretrained_cfg"] if result["refused"] else None, model)
    transform = create_transform(**data, is_training=False)
    described = json.loads((folder / "preprocessor_config.json").read_text())
    mean = torch.tensor(described["image_mean"]).view(3, 1, 1)
    std = torch.tensor(described["image_std"]).view(3, 1, 1)
    size = (described["size"]["width"], described["size"]["height"])
    images = [Image.open(path).convert("RGB") for path in sorted(pictures.glob("*.png"))]
    by_hand = []
    for image in images:
        pixels = torch.from_numpy(numpy.asarray(image).copy()).permute(2, 0, 1)
        by_hand.append((pixels * described["rescale_factor"] - mean) / std if image.size == size else None)
    transformed = [transform(image) for image in images]
    inputs = torch.stack([tensor for tensor in by_hand if tensor is not None])
    agree = [(one - other).abs().max().item() for one, other in zip(by_hand, transformed) if one is not None]

    def features(model, one):
        return None if one is None else model(one.unsqueeze(0))[0].tolist()

    result |= {
        "pretrained": [features(model, one) for one in by_hand],
        "strict": [features(strict, one) for one in by_hand],
        "transformed": [features(model, one) for one in transformed],
        "inputs_differ": max(agree),
        "least_moved": least_moved(model, inputs[:2]),
    }
    print(json.dumps(result))


main()
