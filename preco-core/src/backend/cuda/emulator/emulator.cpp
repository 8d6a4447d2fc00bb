// The kernels under the emulator, as a library that Rust calls.
#include "emulator.h"
#include "../kernels.cu"

extern "C" {

// 0 where the kernel ran, 1 where there is none of that name, 2 where it is not bounded to so many threads.
int preco_emulator_launch(const char *name, const unsigned *grid, const unsigned *block, size_t shared, int backwards,
                          void **arguments) {
  auto found = emulator::kernels().find(name);
  if (found == emulator::kernels().end()) return 1;
  const emulator::Kernel &kernel = found->second;
  if (block[0] * block[1] * block[2] > kernel.threads) return 2;
  emulator::backwards = backwards != 0;
  emulator::asked_bytes = shared;
  emulator::launch(dim3(grid[0], grid[1], grid[2]), dim3(block[0], block[1], block[2]), [&] { kernel.call(arguments); });
  return 0;
}

// The name of kernel `index` in alphabetical order, null beyond the last.
const char *preco_emulator_kernel(size_t index) {
  for (auto &entry : emulator::kernels())
    if (index-- == 0) return entry.first.c_str();
  return nullptr;
}
}
