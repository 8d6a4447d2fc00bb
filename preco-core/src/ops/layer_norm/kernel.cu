// Layer norm: a warp for a row; sums in f32.
// Block (32, rows), grid over rows. Statistics are (mean, 1 / deviation) of every row.

constexpr float LAYER_NORM_EPSILON = 1e-5f;

// The row of a warp; beyond the last for warps that have none.
__device__ __forceinline__ int64 row_of_warp() { return int64(blockIdx.x) * blockDim.y + threadIdx.y; }

template <class T, int V>
__device__ __forceinline__ void layer_norm(const T *x, int rows, int channels, const float *gamma, const float *beta,
                                           T *y, float *statistics) {
  int64 row = row_of_warp();
  if (row >= rows) return;
  x += row * channels;
  y += row * channels;
  float sum = 0;
  for (int j = V * threadIdx.x; j < channels; j += 32 * V) {
    Pack<T, V> values = load<V>(x + j);
    for (int v = 0; v < V; v++) sum += widen(values.at[v]);
  }
  float mean = warp_sum(sum) / channels, rest = 0, squares = 0;
  for (int j = V * threadIdx.x; j < channels; j += 32 * V) {
    Pack<T, V> values = load<V>(x + j);
    for (int v = 0; v < V; v++) {
      float centred = widen(values.at[v]) - mean;
      rest += centred;
      squares += centred * centred;
    }
  }
  // A rounded mean moves a whole row one way: what is left of it is taken off too, and out of the squares.
  rest = warp_sum(rest) / channels;
  float variance = warp_sum(squares) / channels - rest * rest;
  float inverse = 1.0f / sqrtf(variance + LAYER_NORM_EPSILON);
  for (int j = V * threadIdx.x; j < channels; j += 32 * V) {
    Pack<T, V> values = load<V>(x + j);
    for (int v = 0; v < V; v++)
      values.at[v] = narrow<T>((widen(values.at[v]) - mean - rest) * inverse * gamma[j + v] + beta[j + v]);
    store<V>(y + j, values);
  }
  if (threadIdx.x == 0) {
    statistics[2 * row] = mean + rest;
    statistics[2 * row + 1] = inverse;
  }
}

// dx = r (g - mean(g) - n mean(g n)), g = dy gamma, n the normalised row; added to dx where `add`.
template <class T, int V>
__device__ __forceinline__ void layer_norm_backward(const T *x, const float *statistics, const T *dy, int rows,
                                                    int channels, const float *gamma, T *dx, int add) {
  int64 row = row_of_warp();
  if (row >= rows) return;
  x += row * channels;
  dy += row * channels;
  dx += row * channels;
  float mean = statistics[2 * row], inverse = statistics[2 * row + 1], plain = 0, along = 0;
  for (int j = V * threadIdx.x; j < channels; j += 32 * V) {
    Pack<T, V> values = load<V>(x + j), gradients = load<V>(dy + j);
    for (int v = 0; v < V; v++) {
      float g = widen(gradients.at[v]) * gamma[j + v];
      plain += g;
      along += g * (widen(values.at[v]) - mean) * inverse;
    }
  }
  plain = warp_sum(plain) / channels;
  along = warp_sum(along) / channels;
  for (int j = V * threadIdx.x; j < channels; j += 32 * V) {
    Pack<T, V> values = load<V>(x + j), gradients = load<V>(dy + j), before = gradients;
    if (add) before = load<V>(dx + j);
    for (int v = 0; v < V; v++) {
      float n = (widen(values.at[v]) - mean) * inverse;
      float d = inverse * (widen(gradients.at[v]) * gamma[j + v] - plain - n * along);
      values.at[v] = narrow<T>(add ? widen(before.at[v]) + d : d);
    }
    store<V>(dx + j, values);
  }
}

// Partial sums of dy n and of dy, the gradients of gamma and beta.
template <class T, int V>
__device__ __forceinline__ void layer_norm_partials(const T *x, const float *statistics, const T *dy, int rows,
                                                    int channels, int rows_per_chunk, float *partial) {
  sum_columns<V, 2>(rows, channels, rows_per_chunk, partial, [&](int row, int column, float(&sums)[2][V]) {
    int64 at = int64(row) * channels + column;
    float mean = statistics[2 * int64(row)], inverse = statistics[2 * int64(row) + 1];
    Pack<T, V> values = load<V>(x + at), gradients = load<V>(dy + at);
    for (int v = 0; v < V; v++) {
      float d = widen(gradients.at[v]);
      sums[0][v] += d * (widen(values.at[v]) - mean) * inverse;
      sums[1][v] += d;
    }
  });
}

#define LAYER_NORM(T, V, tail)                                                                                         \
  KERNEL(256, layer_norm_##tail, const T *x, int rows, int channels, const float *gamma, const float *beta, T *y,      \
         float *statistics) {                                                                                          \
    layer_norm<T, V>(x, rows, channels, gamma, beta, y, statistics);                                                   \
  }                                                                                                                    \
  KERNEL(256, layer_norm_backward_##tail, const T *x, const float *statistics, const T *dy, int rows, int channels,    \
         const float *gamma, T *dx, int add) {                                                                         \
    layer_norm_backward<T, V>(x, statistics, dy, rows, channels, gamma, dx, add);                                      \
  }                                                                                                                    \
  KERNEL(256, layer_norm_partials_##tail, const T *x, const float *statistics, const T *dy, int rows, int channels,    \
         int rows_per_chunk, float *partial) {                                                                         \
    layer_norm_partials<T, V>(x, statistics, dy, rows, channels, rows_per_chunk, partial);                             \
  }
LAYER_NORM(float, 1, f32_v1)
LAYER_NORM(float, 4, f32_v4)
LAYER_NORM(bf16, 1, bf16_v1)
LAYER_NORM(bf16, 4, bf16_v4)
