// x = (1 - m) x + m token for rows of tokens, and back.

template <class T>
__device__ __forceinline__ void mix_mask_token(T *x, const float *mask, int64 len, int channels, const float *token) {
  for (int64 at = first_of_grid(); at < len; at += step_of_grid()) {
    int64 row = at / channels;
    float m = mask[row];
    if (m != 0.0f) x[at] = narrow<T>((1.0f - m) * widen(x[at]) + m * token[at - row * channels]);
  }
}

// The token's gradient as partial sums of m d; then d *= 1 - m.
template <class T, int V>
__device__ __forceinline__ void mix_mask_token_backward(T *d, const float *mask, int rows, int channels,
                                                        int rows_per_chunk, float *partial) {
  sum_columns<V, 1>(rows, channels, rows_per_chunk, partial, [&](int row, int column, float(&sums)[1][V]) {
    float m = mask[row];
    if (m == 0.0f) return;
    int64 at = int64(row) * channels + column;
    Pack<T, V> gradient = load<V>(d + at);
    for (int v = 0; v < V; v++) {
      sums[0][v] += m * widen(gradient.at[v]);
      gradient.at[v] = narrow<T>((1.0f - m) * widen(gradient.at[v]));
    }
    store<V>(d + at, gradient);
  });
}

#define MIX(T, name)                                                                                                   \
  KERNEL(256, name, T *x, const float *mask, int64 len, int channels, const float *token) {                            \
    mix_mask_token<T>(x, mask, len, channels, token);                                                                  \
  }
#define MIX_BACKWARD(T, V, name)                                                                                       \
  KERNEL(256, name, T *d, const float *mask, int rows, int channels, int rows_per_chunk, float *partial) {             \
    mix_mask_token_backward<T, V>(d, mask, rows, channels, rows_per_chunk, partial);                                   \
  }
MIX(float, mix_mask_token_f32)
MIX(bf16, mix_mask_token_bf16)
MIX_BACKWARD(float, 1, mix_mask_token_backward_f32_v1)
MIX_BACKWARD(float, 4, mix_mask_token_backward_f32_v4)
MIX_BACKWARD(bf16, 1, mix_mask_token_backward_bf16_v1)
MIX_BACKWARD(bf16, 4, mix_mask_token_backward_bf16_v4)
