#!/usr/bin/env python3
"""lazy_libraries.py CUDARC_SRC OUT: static stand-ins for the CUDA libraries that cudarc links dynamically.

A linker takes libX.a for -lX where no libX.so lies in an earlier folder, so neither candle nor cudarc is patched. Each
function jumps through a slot; its first call opens the real library and looks the function up. Where either is missing a
status is returned: CUDA_ERROR_NO_DEVICE by the driver's functions. x86-64 System V only.
"""
import re, subprocess, sys, pathlib
src, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
LIBS = {  # name: (cudarc module, symbol prefix, sonames, status when missing)
    "cuda":     ("driver",   "cu[A-Z]",  ["libcuda.so.1", "libcuda.so"], 100),
    "cublas":   ("cublas",   "cublas",   ["libcublas.so.13", "libcublas.so.12", "libcublas.so"], 1),
    "cublasLt": ("cublaslt", "cublas",   ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"], 1),
    "curand":   ("curand",   "curand",   ["libcurand.so.10", "libcurand.so"], 203),
    "nvrtc":    ("nvrtc",    "nvrtc",    ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"], 7),
    "nccl":     ("nccl",     "nccl",     ["libnccl.so.2", "libnccl.so"], 2),
    "cudnn":    ("cudnn",    "cudnn",    ["libcudnn.so.9", "libcudnn.so"], 1001),
}
seen = set()
for lib, (mod, pre, sonames, code) in LIBS.items():
    text = (src / mod / "sys" / "mod.rs").read_text()
    syms = sorted(set(re.findall(r"\bfn (%s\w*)\(" % pre, text)) - seen - {"culib"})
    seen |= set(syms)
    p = "shim_" + lib
    asm = [".text", f".hidden {p}_resolve", f".hidden {p}_slots"]
    for i, s in enumerate(syms):
        asm += [f".globl {s}", f".type {s},@function", f"{s}:",
                f"  jmpq *{p}_slots+{8*i}(%rip)",
                f".L{lib}{i}: pushq ${i}", f"  jmp {p}_first", f".size {s},.-{s}"]
    asm += [f"{p}_first:", "  pushq %rax; pushq %rdi; pushq %rsi; pushq %rdx; pushq %rcx; pushq %r8; pushq %r9; pushq %r10",
            "  subq $128,%rsp"]
    asm += [f"  movups %xmm{i},{16*i}(%rsp)" for i in range(8)]
    # entry rsp = 16k+8 (return address), -8 index, -64 saved, -128 => 16-aligned at the call
    asm += ["  movq 192(%rsp),%rdi", f"  call {p}_resolve", "  movq %rax,%r11"]
    asm += [f"  movups {16*i}(%rsp),%xmm{i}" for i in range(8)]
    asm += ["  addq $128,%rsp", "  popq %r10; popq %r9; popq %r8; popq %rcx; popq %rdx; popq %rsi; popq %rdi; popq %rax",
            "  addq $8,%rsp", "  jmpq *%r11"]
    asm += [".section .data.rel,\"aw\"", ".balign 8", f".globl {p}_slots", f"{p}_slots:"]
    asm += [f"  .quad .L{lib}{i}" for i in range(len(syms))]
    asm += ['.section .note.GNU-stack,"",@progbits']
    (out / f"{p}.s").write_text("\n".join(asm) + "\n")
    names = ",".join(f'"{s}"' for s in syms)
    so = ",".join(f'"{s}"' for s in sonames)
    (out / f"{p}_c.c").write_text(f'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>
static const char *const names[] = {{{names}}};
static const char *const sonames[] = {{{so}}};
extern void *{p}_slots[] __attribute__((visibility("hidden")));
static int missing(void) {{ return {code}; }}
static void *handle; static int tried;
static void *lib(void) {{
  if (!__atomic_load_n(&tried, __ATOMIC_ACQUIRE)) {{
    for (size_t i = 0; i < sizeof sonames / sizeof *sonames && !handle; i++) handle = dlopen(sonames[i], RTLD_NOW | RTLD_GLOBAL);
    __atomic_store_n(&tried, 1, __ATOMIC_RELEASE);
  }}
  return handle;
}}
{"""static int err_str(int e, const char **s) { *s = e == 100 ? "no CUDA driver or device (libcuda.so.1 not loaded)" : "CUDA error, no driver"; return 0; }
static int err_name(int e, const char **s) { *s = e == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR"; return 0; }""" if lib == "cuda" else ""}
__attribute__((visibility("hidden"))) void *{p}_resolve(size_t i) {{
  void *h = lib(), *f = h ? dlsym(h, names[i]) : NULL;
  {"""if (!h && !strcmp(names[i], "cuGetErrorString")) f = (void *)err_str;
  if (!h && !strcmp(names[i], "cuGetErrorName")) f = (void *)err_name;""" if lib == "cuda" else ""}
  if (!f) f = (void *)missing;
  __atomic_store_n(&{p}_slots[i], f, __ATOMIC_RELEASE);
  return f;
}}
''')
    objs = []
    for f in (f"{p}.s", f"{p}_c.c"):
        o = out / (f.rsplit(".", 1)[0] + ".o"); objs.append(str(o))
        subprocess.check_call(["gcc", "-O2", "-fPIC", "-c", str(out / f), "-o", str(o)])
    a = out / f"lib{lib}.a"; a.unlink(missing_ok=True)
    # one relocatable object, so that the archive's member is taken whole
    subprocess.check_call(["ld", "-r", "-o", str(out / f"{p}_all.o"), *objs])
    subprocess.check_call(["ar", "crs", str(a), str(out / f"{p}_all.o")])
    for f in [*objs, str(out / f"{p}_all.o"), str(out / f"{p}.s"), str(out / f"{p}_c.c")]: pathlib.Path(f).unlink()
    print(lib, len(syms))
