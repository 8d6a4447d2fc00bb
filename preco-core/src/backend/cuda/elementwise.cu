// What needs no name of its own in the field: casts, sums, factors, means of groups.

template <class From, class To> __device__ __forceinline__ void cast(const From *from, To *to, int64 len) {
  for (int64 at = first_of_grid(); at < len; at += step_of_grid()) to[at] = narrow<To>(widen(from[at]));
}

template <class T> __device__ __forceinline__ void add(const T *from, T *to, int64 len) {
  for (int64 at = first_of_grid(); at < len; at += step_of_grid()) to[at] = narrow<T>(widen(to[at]) + widen(from[at]));
}

template <class T> __device__ __forceinline__ void fill(T *to, float value, int64 len) {
  for (int64 at = first_of_grid(); at < len; at += step_of_grid()) to[at] = narrow<T>(value);
}

template <class T>
__device__ __forceinline__ void scale_groups(const T *from, const float *scale, int64 group, int64 len, T *to) {
  for (int64 at = first_of_grid(); at < len; at += step_of_grid()) to[at] = narrow<T>(scale[at / group] * widen(from[at]));
}

// The mean of every `group` rows, and its adjoint.
template <class T>
__device__ __forceinline__ void mean_rows(const T *x, int64 len, int group, int channels, float *mean) {
  for (int64 at = first_of_grid(); at < len; at += step_of_grid()) {
    int64 first = at / channels * group * channels + at % channels;
    float sum = 0;
    for (int row = 0; row < group; row++) sum += widen(x[first + int64(row) * channels]);
    mean[at] = sum / group;
  }
}
template <class T>
__device__ __forceinline__ void spread_rows(const float *d, int64 len, int group, int channels, T *dx) {
  for (int64 at = first_of_grid(); at < len; at += step_of_grid()) {
    int64 mean = at / channels / group * channels + at % channels;
    dx[at] = narrow<T>(d[mean] / group);
  }
}

#define ELEMENTWISE(T, tail)                                                                                           \
  KERNEL(256, add_##tail, const T *from, T *to, int64 len) { add<T>(from, to, len); }                                  \
  KERNEL(256, fill_##tail, T *to, float value, int64 len) { fill<T>(to, value, len); }                                 \
  KERNEL(256, scale_groups_##tail, const T *from, const float *scale, int64 group, int64 len, T *to) {                 \
    scale_groups<T>(from, scale, group, len, to);                                                                      \
  }                                                                                                                    \
  KERNEL(256, mean_rows_##tail, const T *x, int64 len, int group, int channels, float *mean) {                         \
    mean_rows<T>(x, len, group, channels, mean);                                                                       \
  }                                                                                                                    \
  KERNEL(256, spread_rows_##tail, const float *d, int64 len, int group, int channels, T *dx) {                         \
    spread_rows<T>(d, len, group, channels, dx);                                                                       \
  }
ELEMENTWISE(float, f32)
ELEMENTWISE(bf16, bf16)

KERNEL(256, cast_f32_bf16, const float *from, bf16 *to, int64 len) { cast(from, to, len); }
KERNEL(256, cast_bf16_f32, const bf16 *from, float *to, int64 len) { cast(from, to, len); }

// out += the sum of the partial sums of each column, chunk after chunk. Block (32, 8).
KERNEL(256, add_partials, const float *partial, int chunks, int columns, float *out) {
  __shared__ float sums[COLUMN_ROWS][32];
  int column = blockIdx.x * 32 + threadIdx.x;
  float sum = 0;
  if (column < columns)
    for (int chunk = threadIdx.y; chunk < chunks; chunk += COLUMN_ROWS) sum += partial[int64(chunk) * columns + column];
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && column < columns) {
    float total = 0;
    for (int y = 0; y < COLUMN_ROWS; y++) total += sums[y][threadIdx.x];
    out[column] += total;
  }
}
