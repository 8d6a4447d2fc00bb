"""PyTorch peer of an encoder's forward pass (`preco-cli bench encode`): timm's Swin, pooled, in inference mode."""
import argparse
import os
import time

from peer import SIZES, peak_gb, setting, synchronise

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("batch", type=int)
parser.add_argument("threads", type=int)
parser.add_argument("dtype", choices=["f32", "bf16"])
parser.add_argument("--model", default="base", choices=list(SIZES))
parser.add_argument("--img", type=int, default=192)
parser.add_argument("--batches", type=int, default=5)
parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
parser.add_argument("--compile", action="store_true")
parser.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)

import timm  # noqa: E402  (the number of threads is read at import)
import torch  # noqa: E402

torch.set_num_threads(args.threads)
torch.manual_seed(0)
timm.layers.set_fused_attn(args.attention == "sdpa")
# Weights in the type of the products: faster than casting at each call.
kind = torch.bfloat16 if args.dtype == "bf16" else torch.float32
model = timm.models.swin_transformer.SwinTransformer(img_size=args.img, num_classes=0, **SIZES[args.model])
model = model.eval().to(args.device, kind)
forward = torch.compile(model) if args.compile else model
image = torch.randn(args.batch, 3, args.img, args.img)

with torch.inference_mode():
    seconds = []
    for round_ in range(args.batches + 5):
        synchronise(args.device)
        started = time.perf_counter()
        # As ours: from the host's memory to an embedding in the host's memory.
        forward(image.to(args.device, kind)).float().cpu()
        synchronise(args.device)
        if round_ >= 5:
            seconds.append(time.perf_counter() - started)
median = sorted(seconds)[len(seconds) // 2]
print(f"encode {setting(args)}: {args.batch / median:.3f} img/s, peak {peak_gb(args.device):.2f} GB")
