"""PyTorch peer of an encoder's forward pass (`preco-cli bench encode`): timm's Swin, pooled, in inference mode."""
from peer import SIZES, parser, prepare, report

flags = parser(__doc__)
flags.add_argument("--batches", type=int, default=5)
args = flags.parse_args()
prepare(args)

import timm  # noqa: E402  (after the number of threads)
import torch  # noqa: E402

# Weights in the type of the products: faster than casting at each call.
kind = torch.bfloat16 if args.dtype == "bf16" else torch.float32
model = timm.models.swin_transformer.SwinTransformer(img_size=args.img, num_classes=0, **SIZES[args.model])
model = model.eval().to(args.device, kind)
forward = torch.compile(model) if args.compile else model
image = torch.randn(args.batch, 3, args.img, args.img)


def encode():
    """As ours: from the host's memory to an embedding in the host's memory."""
    forward(image.to(args.device, kind)).float().cpu()


with torch.inference_mode():
    report("encode", args, encode, args.batches, warm_up=5)
