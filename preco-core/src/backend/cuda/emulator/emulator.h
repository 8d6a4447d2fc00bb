// CUDA on the CPU: a fibre for each thread of a block, so that a kernel's arithmetic, its barriers and its exchanges
// between lanes can be tested where there is no GPU. Include before a kernel and compile with a C++ compiler.
//
// Blocks run one after another; within a block a warp runs to its next block barrier before the next warp starts, its
// lanes in turn, in order or in reverse: a missing barrier gives two results. Dynamic shared memory holds NaN when a block
// starts, and must do so still beyond what the launch asked for when it ends. A barrier that not all threads reach, a
// shuffle from a lane that has left, more threads than the kernel is bounded to, and a pack that is not aligned end the
// process with a message.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__
// Blocks run one after another, so a static is a block's own.
#define __shared__ static

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
static dim3 threadIdx, blockIdx, blockDim, gridDim;

// As cuda_bf16.h has it: rounding to nearest, ties to even.
struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 x) {
  uint32_t wide = uint32_t(x.bits) << 16;
  float f;
  memcpy(&f, &wide, 4);
  return f;
}
inline __nv_bfloat16 __float2bfloat16(float f) {
  uint32_t wide;
  memcpy(&wide, &f, 4);
  if (f != f) return {uint16_t(wide >> 16 | 0x40)};
  return {uint16_t((wide + 0x7fff + (wide >> 16 & 1)) >> 16)};
}

using std::max;
using std::min;

namespace emulator {

constexpr size_t STACK_BYTES = 64 << 10;
constexpr size_t SHARED_BYTES = 228 << 10;
constexpr size_t SLOT_BYTES = 32;
constexpr unsigned char POISON = 0xff;
constexpr unsigned WARP = 32;

enum State { READY, AT_BLOCK_BARRIER, AT_WARP_BARRIER, DONE };

struct Fibre {
  std::vector<char> stack;
  void *pointer = nullptr;
  dim3 thread;
  State state = READY;
  alignas(16) char slot[SLOT_BYTES];
};

inline std::vector<Fibre> fibres;
inline void *scheduler;
inline int current;
inline std::function<void()> body;
inline bool backwards;
// What the launch asked for: beyond it nothing may be written.
inline size_t asked_bytes;
alignas(128) inline unsigned char shared_bytes[SHARED_BYTES];

extern "C" void preco_switch_fibre(void **from, void *to);
#if defined(__x86_64__)
asm(R"(
.text
.globl preco_switch_fibre
preco_switch_fibre:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
#else
#error "the emulator switches fibres on x86-64 only"
#endif

[[noreturn]] inline void fail(const char *what) {
  fprintf(stderr, "CUDA emulator: %s (block %u,%u,%u, thread %u,%u)\n", what, blockIdx.x, blockIdx.y, blockIdx.z,
          threadIdx.x, threadIdx.y);
  abort();
}

inline void wait(State state) {
  int me = current;
  fibres[me].state = state;
  preco_switch_fibre(&fibres[me].pointer, scheduler);
}

inline void entry() {
  body();
  wait(DONE);
  fail("a finished thread went on");
}

inline void start(Fibre &fibre) {
  fibre.stack.resize(STACK_BYTES);
  auto top = (reinterpret_cast<uintptr_t>(fibre.stack.data()) + STACK_BYTES) & ~uintptr_t(15);
  auto words = reinterpret_cast<void **>(top) - 8;
  // Six saved registers, the address to return to, and one word that keeps the stack aligned as after a call.
  for (int i = 0; i < 6; i++) words[i] = nullptr;
  words[6] = reinterpret_cast<void *>(&entry);
  words[7] = nullptr;
  fibre.pointer = words;
  fibre.state = READY;
}

// Threads that wait for their warp go on once all of it that lives has come.
inline bool release_warps() {
  bool released = false;
  for (size_t first = 0; first < fibres.size(); first += WARP) {
    size_t end = std::min(first + WARP, fibres.size()), waiting = 0, done = 0;
    for (size_t i = first; i < end; i++) {
      waiting += fibres[i].state == AT_WARP_BARRIER;
      done += fibres[i].state == DONE;
    }
    if (waiting && waiting + done == end - first) {
      for (size_t i = first; i < end; i++)
        if (fibres[i].state == AT_WARP_BARRIER) fibres[i].state = READY;
      released = true;
    }
  }
  return released;
}

inline void run_block() {
  memset(shared_bytes, POISON, SHARED_BYTES);
  int n = int(fibres.size());
  for (int i = 0; i < n; i++) {
    fibres[i].thread = dim3(i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y));
    start(fibres[i]);
  }
  for (;;) {
    bool ran = false;
    int warps = (n + int(WARP) - 1) / int(WARP);
    for (int w = 0; w < warps; w++) {
      int first = int(WARP) * (backwards ? warps - 1 - w : w), end = min(n, first + int(WARP));
      for (bool again = true; again;) {
        again = false;
        for (int turn = 0; turn < end - first; turn++) {
          int i = backwards ? end - 1 - turn : first + turn;
          if (fibres[i].state != READY) continue;
          current = i;
          threadIdx = fibres[i].thread;
          preco_switch_fibre(&scheduler, fibres[i].pointer);
          ran = again = true;
        }
        again |= release_warps();
      }
    }
    ran |= release_warps();
    int done = 0, waiting = 0;
    for (auto &fibre : fibres) {
      done += fibre.state == DONE;
      waiting += fibre.state == AT_BLOCK_BARRIER;
    }
    if (done == n) break;
    if (waiting && waiting + done == n) {
      if (done) fail("some threads left before a barrier that others wait at");
      for (auto &fibre : fibres) fibre.state = READY;
      ran = true;
    }
    if (!ran) fail("threads wait at different barriers");
  }
  for (size_t i = asked_bytes; i < SHARED_BYTES; i++)
    if (shared_bytes[i] != POISON) fail("more shared memory was written than the launch asked for");
}

inline void launch(dim3 grid, dim3 block, std::function<void()> kernel) {
  gridDim = grid;
  blockDim = block;
  body = std::move(kernel);
  fibres.resize(size_t(block.x) * block.y * block.z);
  for (unsigned z = 0; z < grid.z; z++)
    for (unsigned y = 0; y < grid.y; y++)
      for (unsigned x = 0; x < grid.x; x++) {
        blockIdx = dim3(x, y, z);
        run_block();
      }
}

// What every lane gives, read by any lane of the warp.
inline void publish(const void *value, size_t bytes) {
  memcpy(fibres[current].slot, value, bytes);
  wait(AT_WARP_BARRIER);
}
inline const char *slot_of(unsigned lane) {
  size_t from = (size_t(current) & ~size_t(WARP - 1)) + lane;
  if (from >= fibres.size() || fibres[from].state == DONE) fail("an exchange with a lane that is not there");
  return fibres[from].slot;
}
inline unsigned lane() { return unsigned(current) % WARP; }

template <class V> V exchange(V value, unsigned from) {
  static_assert(sizeof(V) <= SLOT_BYTES, "too wide to exchange");
  publish(&value, sizeof value);
  memcpy(&value, slot_of(from), sizeof value);
  wait(AT_WARP_BARRIER);
  return value;
}

// Kernels by name, called with pointers to their arguments as the driver takes them, and the threads they are bounded to.
struct Kernel {
  std::function<void(void **)> call;
  unsigned threads;
};
inline std::map<std::string, Kernel> &kernels() {
  static std::map<std::string, Kernel> table;
  return table;
}
template <class... A, size_t... I> void call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
  kernel(*static_cast<std::remove_reference_t<A> *>(arguments[I])...);
}
struct Registration {
  template <class... A> Registration(const char *name, unsigned threads, void (*kernel)(A...)) {
    kernels()[name] = {[kernel](void **arguments) { call(kernel, arguments, std::index_sequence_for<A...>{}); }, threads};
  }
};

} // namespace emulator

inline void __syncthreads() { emulator::wait(emulator::AT_BLOCK_BARRIER); }
inline void __syncwarp(unsigned = ~0u) { emulator::wait(emulator::AT_WARP_BARRIER); }
template <class V> V __shfl_xor_sync(unsigned, V value, int mask) {
  return emulator::exchange(value, emulator::lane() ^ unsigned(mask));
}
template <class V> V __shfl_sync(unsigned, V value, int from) { return emulator::exchange(value, unsigned(from) & 31); }

// d += a b of one warp: mma.sync.m16n8k16, bf16 factors, f32 sums, fragments as PTX lays them out.
inline void warp_product(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  struct Fragments {
    uint32_t a[4], b[2];
  } mine;
  memcpy(mine.a, a, sizeof mine.a);
  memcpy(mine.b, b, sizeof mine.b);
  emulator::publish(&mine, sizeof mine);
  unsigned group = emulator::lane() / 4, pair = emulator::lane() % 4;
  auto value = [](const uint32_t *registers, int which, unsigned k) {
    return __bfloat162float({uint16_t(registers[which] >> 16 * (k % 2))});
  };
  for (int element = 0; element < 4; element++) {
    unsigned row = group + 8 * (element / 2), column = 2 * pair + element % 2;
    float sum = 0;
    for (unsigned k = 0; k < 16; k++) {
      Fragments left, right;
      memcpy(&left, emulator::slot_of(row % 8 * 4 + k % 8 / 2), sizeof left);
      memcpy(&right, emulator::slot_of(column * 4 + k % 8 / 2), sizeof right);
      sum += value(left.a, row / 8 + 2 * (k / 8), k) * value(right.b, k / 8, k);
    }
    d[element] += sum;
  }
  emulator::wait(emulator::AT_WARP_BARRIER);
}

#define CHECK_ALIGNMENT(pointer, bytes)                                                                                \
  if (reinterpret_cast<uintptr_t>(pointer) % (bytes)) emulator::fail("a pack that is not aligned")
#define KERNEL(threads, name, ...)                                                                                    \
  static void name(__VA_ARGS__);                                                                                       \
  static emulator::Registration registration_of_##name(#name, threads, &name);                                                  \
  static void name(__VA_ARGS__)
#define DYNAMIC_SHARED(type, name) type *name = reinterpret_cast<type *>(emulator::shared_bytes)
