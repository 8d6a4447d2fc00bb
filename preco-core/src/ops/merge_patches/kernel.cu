// Two by two neighbours side by side, and back: a thread for V channels of a slot of a merged token.

template <class T, int V, bool SPLIT>
__device__ __forceinline__ void move_neighbours(const T *from, T *to, int64 len, int rows, int columns, int channels) {
  int merged_rows = (rows + 1) / 2, merged_columns = (columns + 1) / 2;
  for (int64 at = V * first_of_grid(); at < len; at += V * step_of_grid()) {
    int channel = int(at % channels);
    int64 slot = at / channels;
    int part = int(slot % 4);
    int64 token = slot / 4;
    int column = int(token % merged_columns), row = int(token / merged_columns % merged_rows);
    int64 image = token / merged_columns / merged_rows;
    int y = 2 * row + part % 2, x = 2 * column + part / 2;
    bool inside = y < rows && x < columns;
    int64 single = ((image * rows + y) * columns + x) * channels + channel;
    if (SPLIT) {
      if (inside) store<V>(to + single, load<V>(from + at));
    } else {
      Pack<T, V> values;
      for (int v = 0; v < V; v++) values.at[v] = narrow<T>(0.0f);
      if (inside) values = load<V>(from + single);
      store<V>(to + at, values);
    }
  }
}

#define MOVE_NEIGHBOURS(T, V, tail)                                                                                    \
  KERNEL(256, merge_patches_##tail, const T *from, T *to, int64 len, int rows, int columns, int channels) {            \
    move_neighbours<T, V, false>(from, to, len, rows, columns, channels);                                              \
  }                                                                                                                    \
  KERNEL(256, split_patches_##tail, const T *from, T *to, int64 len, int rows, int columns, int channels) {            \
    move_neighbours<T, V, true>(from, to, len, rows, columns, channels);                                               \
  }
MOVE_NEIGHBOURS(float, 1, f32_v1)
MOVE_NEIGHBOURS(float, 4, f32_v4)
MOVE_NEIGHBOURS(bf16, 1, bf16_v1)
MOVE_NEIGHBOURS(bf16, 4, bf16_v4)
