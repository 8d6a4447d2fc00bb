"""What the PyTorch peers share: flags, sizes, the clock and what is said at the end."""
import argparse
import os
import resource
import time

SIZES = {
    "base": dict(embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32), window_size=6),
    "pico": dict(embed_dim=32, depths=(2, 2, 6, 2), num_heads=(2, 4, 8, 16), window_size=8),
}


def parser(description):
    """The flags of every peer."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("batch", type=int)
    made.add_argument("threads", type=int)
    made.add_argument("dtype", choices=["f32", "bf16"])
    made.add_argument("--model", default="base", choices=list(SIZES))
    made.add_argument("--img", type=int, default=192)
    made.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    made.add_argument("--compile", action="store_true")
    made.add_argument("--attention", default="sdpa", choices=["sdpa", "eager"])
    return made


def prepare(args):
    """Threads, seed and kind of attention; the number of threads is read when PyTorch is first imported."""
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import timm
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    timm.layers.set_fused_attn(args.attention == "sdpa")


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


def report(what, args, work, rounds, warm_up):
    """Times `work` and prints the line that `preco-cli bench` reads."""
    seconds = []
    for _ in range(warm_up + rounds):
        synchronise(args.device)
        started = time.perf_counter()
        work()
        synchronise(args.device)
        seconds.append(time.perf_counter() - started)
    median = sorted(seconds[warm_up:])[rounds // 2]
    how = "compiled" if args.compile else "eager"
    setting = f"{args.model} {args.img} b{args.batch} {args.threads}T {args.dtype} {args.device} {how} {args.attention}"
    print(f"{what} {setting}: {args.batch / median:.3f} img/s, peak {peak_gb(args.device):.2f} GB")
