//! Compiles the CUDA kernels: to PTX by nvcc under feature `cuda`, for the CPU under feature `cuda-emulator`.
//!
//! Without either feature nothing is looked for and nothing is built.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(any(feature = "cuda", feature = "cuda-emulator"))]
    for source in sources() {
        println!("cargo::rerun-if-changed={source}");
    }
    #[cfg(feature = "cuda")]
    ptx();
    #[cfg(feature = "cuda-emulator")]
    emulator();
}

/// Everything that the one module of kernels is made of.
#[cfg(any(feature = "cuda", feature = "cuda-emulator"))]
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![std::path::PathBuf::from("src")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| ["cu", "cuh", "h", "cpp"].iter().any(|name| end == *name)) {
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[cfg(feature = "cuda")]
fn ptx() {
    let built = cudaforge::KernelBuilder::new()
        .source_files(["src/backend/cuda/kernels.cu"])
        .watch(sources())
        .arg("-std=c++17")
        .arg("-O3")
        .build_ptx();
    if let Err(error) = built {
        panic!(
            "feature cuda needs nvcc (in PATH, or NVCC, or CUDA_HOME/bin) and the GPU's compute capability \
             (CUDA_COMPUTE_CAP=90, or nvidia-smi): {error}"
        );
    }
}

#[cfg(feature = "cuda-emulator")]
fn emulator() {
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .define("PRECO_CUDA_EMULATOR", None)
        .flag_if_supported("-Wno-unknown-pragmas")
        .flag_if_supported("-Wno-class-memaccess")
        // Sums as written: a compiler that contracts or reorders would hide what a GPU computes.
        .flag_if_supported("-ffp-contract=off")
        .file("src/backend/cuda/emulator/emulator.cpp")
        .compile("preco_cuda_emulator");
}
