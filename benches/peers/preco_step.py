"""PyTorch peer of a PReCo pre-training step, for `preco-cli bench train --peer`.

timm's Swin, a mask token, the shared 1x1 decoder, both branches, three L1 terms, clipping, AdamW. `--stacked` runs both
branches as one batch, which is its faster setting. Needs torch and timm (`pip install torch timm`).
"""
from peer import SIZES, parser, prepare, report

flags = parser(__doc__)
flags.add_argument("--stacked", action="store_true")
flags.add_argument("--steps", type=int, default=3)
args = flags.parse_args()
prepare(args)

import timm  # noqa: E402  (after the number of threads)
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.functional import pixel_shuffle  # noqa: E402


class PReCo(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = SIZES[args.model]
        self.encoder = timm.models.swin_transformer.SwinTransformer(img_size=args.img, num_classes=0, **sizes)
        self.token = nn.Parameter(torch.zeros(1, 1, 1, sizes["embed_dim"]))
        self.decoder = nn.Conv2d(self.encoder.num_features, 3 * 32 * 32, 1)

    def branch(self, image, mask):
        tokens = self.encoder.patch_embed(image)
        if mask is not None:
            tokens = tokens * (1 - mask) + self.token * mask
        features = self.encoder.norm(self.encoder.layers(tokens)).permute(0, 3, 1, 2)
        return pixel_shuffle(self.decoder(features), 32)

    def forward(self, image, cells):
        tokens = cells.repeat_interleave(8, 1).repeat_interleave(8, 2)[..., None]
        pixels = cells.repeat_interleave(32, 1).repeat_interleave(32, 2)[:, None]
        if args.stacked:
            both = torch.cat([tokens, torch.zeros_like(tokens)])
            masked, prompt = self.branch(torch.cat([image, image]), both).chunk(2)
        else:
            masked, prompt = self.branch(image, tokens), self.branch(image, None)
        count = pixels.sum() * 3 + 1e-5

        def distance(a, b):
            return ((a - b).abs() * pixels).sum() / count

        return distance(masked, image) + distance(prompt, image) + distance(masked, prompt)


model = PReCo().to(args.device)
forward = torch.compile(model) if args.compile else model
optimiser = torch.optim.AdamW(model.parameters(), 1e-5, weight_decay=0.05, fused=args.device == "cuda" or None)
cells_per_side = args.img // 32
image = torch.randn(args.batch, 3, args.img, args.img, device=args.device)
cells = (torch.rand(args.batch, cells_per_side, cells_per_side, device=args.device) < 0.6).float()


def step():
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast(args.device, torch.bfloat16, enabled=args.dtype == "bf16"):
        loss = forward(image, cells)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimiser.step()
    return loss.item()


report("step", args, step, args.steps, warm_up=1 if args.device == "cpu" else 5)
