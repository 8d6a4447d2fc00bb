// Softmax over rows and its backward, a warp for a row; sums in f32.

template <class T> __device__ __forceinline__ void softmax(const T *x, int rows, int columns, T *y) {
  int64 row = row_of_warp();
  if (row >= rows) return;
  x += row * columns;
  y += row * columns;
  float highest = -INFINITY, sum = 0;
  for (int j = threadIdx.x; j < columns; j += 32) highest = fmaxf(highest, widen(x[j]));
  highest = warp_max(highest);
  for (int j = threadIdx.x; j < columns; j += 32) sum += expf(widen(x[j]) - highest);
  float inverse = 1.0f / warp_sum(sum);
  for (int j = threadIdx.x; j < columns; j += 32) y[j] = narrow<T>(expf(widen(x[j]) - highest) * inverse);
}

// dx = y (dy - sum(y dy)).
template <class T>
__device__ __forceinline__ void softmax_backward(const T *y, const T *dy, int rows, int columns, T *dx) {
  int64 row = row_of_warp();
  if (row >= rows) return;
  y += row * columns;
  dy += row * columns;
  dx += row * columns;
  float along = 0;
  for (int j = threadIdx.x; j < columns; j += 32) along += widen(y[j]) * widen(dy[j]);
  along = warp_sum(along);
  for (int j = threadIdx.x; j < columns; j += 32) dx[j] = narrow<T>(widen(y[j]) * (widen(dy[j]) - along));
}

#define SOFTMAX(T, tail)                                                                                               \
  KERNEL(256, softmax_##tail, const T *x, int rows, int columns, T *y) { softmax<T>(x, rows, columns, y); }            \
  KERNEL(256, softmax_backward_##tail, const T *y, const T *dy, int rows, int columns, T *dx) {                        \
    softmax_backward<T>(y, dy, rows, columns, dx);                                                                     \
  }
SOFTMAX(float, f32)
SOFTMAX(bf16, bf16)
