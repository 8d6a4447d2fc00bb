// What all kernels share: types, packs of neighbours, sums over warps and over columns.
//
// The same source is compiled by nvcc, where KERNEL(threads, name, parameters...) is an entry point that at most `threads`
// threads of a block run, and by a C++ compiler under emulator/emulator.h, which defines the same words.
#pragma once

#ifndef PRECO_CUDA_EMULATOR
#include <cstdint>
#include <cuda_bf16.h>
#define CHECK_ALIGNMENT(pointer, bytes)
#define KERNEL(threads, name, ...) extern "C" __global__ void __launch_bounds__(threads) name(__VA_ARGS__)
#define DYNAMIC_SHARED(type, name)                                                                                     \
  extern __shared__ __align__(128) unsigned char shared_bytes[];                                                       \
  type *name = reinterpret_cast<type *>(shared_bytes)

// d += a b of one warp: bf16 factors, f32 sums.
__device__ __forceinline__ void warp_product(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

typedef __nv_bfloat16 bf16;
typedef long long int64;

constexpr unsigned ALL_LANES = ~0u;

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(bf16 x) { return __bfloat162float(x); }
template <class T> __device__ __forceinline__ T narrow(float x);
template <> __device__ __forceinline__ float narrow<float>(float x) { return x; }
template <> __device__ __forceinline__ bf16 narrow<bf16>(float x) { return __float2bfloat16(x); }

// V neighbours that are loaded and stored at once.
template <class T, int V> struct alignas(sizeof(T) * V) Pack {
  T at[V];
};
template <int V, class T> __device__ __forceinline__ Pack<T, V> load(const T *from) {
  CHECK_ALIGNMENT(from, sizeof(Pack<T, V>));
  return *reinterpret_cast<const Pack<T, V> *>(from);
}
template <int V, class T> __device__ __forceinline__ void store(T *to, const Pack<T, V> &pack) {
  CHECK_ALIGNMENT(to, sizeof(Pack<T, V>));
  *reinterpret_cast<Pack<T, V> *>(to) = pack;
}

__device__ __forceinline__ int64 first_of_grid() { return int64(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ __forceinline__ int64 step_of_grid() { return int64(gridDim.x) * blockDim.x; }

// The same value in all lanes, by a tree that never changes.
__device__ __forceinline__ float warp_sum(float x) {
  for (int distance = 16; distance; distance /= 2) x += __shfl_xor_sync(ALL_LANES, x, distance);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
  for (int distance = 16; distance; distance /= 2) x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, distance));
  return x;
}

// GELU and its derivative, by the error function.
__device__ __forceinline__ float normal_distribution(float x) { return 0.5f * (1.0f + erff(x * 0.70710678118654752f)); }
__device__ __forceinline__ float gelu(float x) { return x * normal_distribution(x); }
__device__ __forceinline__ float gelu_slope(float x) {
  return normal_distribution(x) + x * 0.39894228040143268f * expf(-0.5f * x * x);
}

// Threads of a block that sums columns: a warp across, eight rows at a time.
constexpr int COLUMN_ROWS = 8;

// Sums over the rows of a chunk, K of them for each column: partial[k][chunk][column]. `row(r, column, sums)` adds a row's
// share of V columns. Rows are added in an order that the launch fixes, so the sums are the same every time.
template <int V, int K, class Row>
__device__ void sum_columns(int rows, int columns, int rows_per_chunk, float *partial, Row row) {
  __shared__ float sums[COLUMN_ROWS][K][32 * V];
  int column = (blockIdx.x * 32 + threadIdx.x) * V;
  float own[K][V] = {};
  if (column < columns) {
    int first = blockIdx.y * rows_per_chunk, end = min(rows, first + rows_per_chunk);
    for (int r = first + threadIdx.y; r < end; r += COLUMN_ROWS) row(r, column, own);
  }
  for (int k = 0; k < K; k++)
    for (int v = 0; v < V; v++) sums[threadIdx.y][k][threadIdx.x * V + v] = own[k][v];
  __syncthreads();
  if (threadIdx.y == 0 && column < columns) {
    for (int k = 0; k < K; k++)
      for (int v = 0; v < V; v++) {
        float total = 0;
        for (int y = 0; y < COLUMN_ROWS; y++) total += sums[y][k][threadIdx.x * V + v];
        partial[(int64(k) * gridDim.y + blockIdx.y) * columns + column + v] = total;
      }
  }
}
