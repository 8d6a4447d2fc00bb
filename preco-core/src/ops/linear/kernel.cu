// What follows a product, in place: C = s (C + bias) + residual, and gelu(C) beside it. Absent parts are null.

template <class T, int V>
__device__ __forceinline__ void finish_product(T *c, const float *bias, const float *scale, int rows_per_scale,
                                               const T *residual, T *activation, int64 len, int columns) {
  for (int64 at = V * first_of_grid(); at < len; at += V * step_of_grid()) {
    int64 row = at / columns;
    int column = int(at - row * columns);
    float s = scale ? scale[row / rows_per_scale] : 1.0f;
    Pack<T, V> value = load<V>(c + at), rest = value, after;
    if (residual) rest = load<V>(residual + at);
    for (int v = 0; v < V; v++) {
      float x = widen(value.at[v]);
      if (bias) x += bias[column + v];
      x *= s;
      if (residual) x += widen(rest.at[v]);
      value.at[v] = narrow<T>(x);
      // Of the rounded value: backward sees no other.
      if (activation) after.at[v] = narrow<T>(gelu(widen(value.at[v])));
    }
    store<V>(c + at, value);
    if (activation) store<V>(activation + at, after);
  }
}

#define FINISH(T, V, name)                                                                                             \
  KERNEL(256, name, T *c, const float *bias, const float *scale, int rows_per_scale, const T *residual,                \
         T *activation, int64 len, int columns) {                                                                      \
    finish_product<T, V>(c, bias, scale, rows_per_scale, residual, activation, len, columns);                          \
  }
FINISH(float, 1, finish_product_f32_v1)
FINISH(float, 4, finish_product_f32_v4)
FINISH(bf16, 1, finish_product_bf16_v1)
FINISH(bf16, 4, finish_product_bf16_v4)

// The sums of columns: the gradient of a bias.
template <class T, int V>
__device__ __forceinline__ void column_partials(const T *x, int rows, int columns, int rows_per_chunk, float *partial) {
  sum_columns<V, 1>(rows, columns, rows_per_chunk, partial, [&](int row, int column, float(&sums)[1][V]) {
    Pack<T, V> values = load<V>(x + int64(row) * columns + column);
    for (int v = 0; v < V; v++) sums[0][v] += widen(values.at[v]);
  });
}

#define COLUMNS(T, V, name)                                                                                            \
  KERNEL(256, name, const T *x, int rows, int columns, int rows_per_chunk, float *partial) {                           \
    column_partials<T, V>(x, rows, columns, rows_per_chunk, partial);                                                  \
  }
COLUMNS(float, 1, column_partials_f32_v1)
COLUMNS(float, 4, column_partials_f32_v4)
COLUMNS(bf16, 1, column_partials_bf16_v1)
COLUMNS(bf16, 4, column_partials_bf16_v4)
