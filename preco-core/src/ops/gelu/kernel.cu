// Backward of GELU in one pass: d becomes the gradient of u, the activation is made again for the weights' gradient, and
// the new d is summed over rows for the bias's.

template <class T, int V>
__device__ __forceinline__ void gelu_backward(const T *u, T *d, T *activation, int rows, int columns,
                                              int rows_per_chunk, float *partial) {
  sum_columns<V, 1>(rows, columns, rows_per_chunk, partial, [&](int row, int column, float(&sums)[1][V]) {
    int64 at = int64(row) * columns + column;
    Pack<T, V> x = load<V>(u + at), gradient = load<V>(d + at), after;
    for (int v = 0; v < V; v++) {
      float value = widen(x.at[v]);
      gradient.at[v] = narrow<T>(widen(gradient.at[v]) * gelu_slope(value));
      after.at[v] = narrow<T>(gelu(value));
      sums[0][v] += widen(gradient.at[v]);
    }
    store<V>(d + at, gradient);
    store<V>(activation + at, after);
  });
}

#define GELU_BACKWARD(T, V, name)                                                                                      \
  KERNEL(256, name, const T *u, T *d, T *activation, int rows, int columns, int rows_per_chunk, float *partial) {      \
    gelu_backward<T, V>(u, d, activation, rows, columns, rows_per_chunk, partial);                                     \
  }
GELU_BACKWARD(float, 1, gelu_backward_f32_v1)
GELU_BACKWARD(float, 4, gelu_backward_f32_v4)
GELU_BACKWARD(bf16, 1, gelu_backward_bf16_v1)
GELU_BACKWARD(bf16, 4, gelu_backward_bf16_v4)
