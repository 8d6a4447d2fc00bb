"""An image's embedding with timm, as a program: the peer of `preco-cli embed IMAGE --out FILE.npy`.

Usage: first_vector.py MODEL_FOLDER IMAGE OUT.npy
"""

import json
import pathlib
import sys

import numpy
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

folder, image, out = map(pathlib.Path, sys.argv[1:])
config = json.loads((folder / "config.json").read_text())
how = json.loads((folder / "preprocessor_config.json").read_text())
model = timm.create_model(config["architecture"], pretrained=False, num_classes=0, **config["model_args"])
model.load_state_dict({name: value.float() for name, value in load_file(folder / "model.safetensors").items()})
model.eval()
size = (how["size"]["width"], how["size"]["height"])
pixels = numpy.asarray(Image.open(image).convert("RGB").resize(size, how["resample"]), dtype=numpy.float32) / 255
pixels = (pixels - numpy.float32(how["image_mean"])) / numpy.float32(how["image_std"])
with torch.inference_mode():
    vector = model(torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous())
numpy.save(out, vector.numpy())
