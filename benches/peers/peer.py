"""What the PyTorch peers share: sizes, waiting for a device, its memory."""
import resource

SIZES = {
    "base": dict(embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32), window_size=6),
    "pico": dict(embed_dim=32, depths=(2, 2, 6, 2), num_heads=(2, 4, 8, 16), window_size=8),
}


def synchronise(device):
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def peak_gb(device):
    """The process's most, or all that PyTorch has taken of the GPU: what others cannot have."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_reserved() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def setting(args):
    how = "compiled" if args.compile else "eager"
    return f"{args.model} {args.img} b{args.batch} {args.threads}T {args.dtype} {args.device} {how} {args.attention}"
