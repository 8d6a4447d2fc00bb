// Window attention with bias and shift mask in one kernel, forward and backward: any head width, any number of places.
//
// A block works on one window and one head; backward's blocks take window after window, so that the gradient of the
// relative positions is summed where it arises. Matrices lie in shared memory in f32; a warp takes a row of the scores.
// kernel_bf16.cu has the tensor cores' version for the sizes that matter.

constexpr int ATTENTION_WARPS = 4;
constexpr unsigned PADDED = 0xffffffffu;
constexpr float HIDDEN = -100.0f;

struct Windows {
  const unsigned *places;
  const float *regions;
  int tokens, windows, window_height, window_width, channels, heads;
};

// One window of one image, for one head.
struct WindowHead {
  Windows w;
  int len, width, head;
  int64 image, window;

  __device__ WindowHead(const Windows &windows, int64 index, int head)
      : w(windows), len(windows.window_height * windows.window_width), width(windows.channels / windows.heads), head(head),
        image(index / windows.windows), window(index % windows.windows) {}
  __device__ unsigned place(int i) const { return w.places[window * len + i]; }
  __device__ float region(int i) const { return w.regions[window * len + i]; }
  // Element 0 of this head's part (0 query, 1 key, 2 value) of a token's row of 3 C.
  __device__ int64 qkv_at(unsigned token, int part) const {
    return ((image * w.tokens + token) * 3 + part) * w.channels + head * width;
  }
  __device__ int64 out_at(unsigned token) const { return (image * w.tokens + token) * w.channels + head * width; }
  // Row of the relative-position table for query i and key j.
  __device__ int table_row(int i, int j) const {
    int columns = w.window_width, dy = i / columns - j / columns, dx = i % columns - j % columns;
    return (dy + w.window_height - 1) * (2 * columns - 1) + dx + columns - 1;
  }
};

// Rows of one part into shared memory, `stride` apart.
template <class T>
__device__ __forceinline__ void gather(const WindowHead &at, const T *qkv, const float *pad, int part, float factor,
                                       float *to, int stride) {
  for (int e = threadIdx.x; e < at.len * at.width; e += blockDim.x) {
    int i = e / at.width, d = e % at.width;
    unsigned token = at.place(i);
    float value = token == PADDED ? pad[part * at.w.channels + at.head * at.width + d] : widen(qkv[at.qkv_at(token, part) + d]);
    to[i * stride + d] = factor * value;
  }
}

// A row of softmax(q k' + B + M) by one warp, into `row`.
__device__ __forceinline__ void probabilities(const WindowHead &at, const float *table, const float *q, const float *k,
                                              int stride, int i, float *row) {
  int lane = threadIdx.x % 32;
  float own_region = at.region(i), highest = -INFINITY, sum = 0;
  for (int j = lane; j < at.len; j += 32) {
    float score = 0;
    for (int d = 0; d < at.width; d++) score += q[i * stride + d] * k[j * stride + d];
    score += table[at.table_row(i, j) * at.w.heads + at.head];
    if (at.region(j) != own_region) score += HIDDEN;
    row[j] = score;
    highest = fmaxf(highest, score);
  }
  highest = warp_max(highest);
  for (int j = lane; j < at.len; j += 32) {
    row[j] = expf(row[j] - highest);
    sum += row[j];
  }
  float inverse = 1.0f / warp_sum(sum);
  for (int j = lane; j < at.len; j += 32) row[j] *= inverse;
  __syncwarp();
}

template <class T>
__device__ __forceinline__ void window_attention(const T *qkv, const float *pad, const float *table, T *out,
                                                 Windows windows) {
  WindowHead at(windows, blockIdx.x, blockIdx.y);
  int stride = at.width + 1, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  DYNAMIC_SHARED(float, shared);
  float *q = shared, *k = q + at.len * stride, *v = k + at.len * stride, *row = v + at.len * stride + warp * at.len;
  gather(at, qkv, pad, 0, 1.0f / sqrtf(float(at.width)), q, stride);
  gather(at, qkv, pad, 1, 1.0f, k, stride);
  gather(at, qkv, pad, 2, 1.0f, v, stride);
  __syncthreads();
  for (int i = warp; i < at.len; i += ATTENTION_WARPS) {
    unsigned token = at.place(i);
    if (token == PADDED) continue;
    probabilities(at, table, q, k, stride, i, row);
    for (int d = lane; d < at.width; d += 32) {
      float sum = 0;
      for (int j = 0; j < at.len; j++) sum += row[j] * v[j * stride + d];
      out[at.out_at(token) + d] = narrow<T>(sum);
    }
    __syncwarp();
  }
}

// With P the probabilities: dV = P' dO, dP = dO V', dS = P (dP - sum P dP), dQ = s dS K, dK = dS' (s Q), dB = dS.
// `table_partial` is (groups, heads, len, len) and `pad_partial` (groups, heads, 3, width), both zero before.
template <class T>
__device__ __forceinline__ void window_attention_backward(const T *qkv, const float *pad, const float *table,
                                                          const T *dout, T *dqkv, Windows windows, int64 count,
                                                          float *table_partial, float *pad_partial) {
  int len = windows.window_height * windows.window_width, width = windows.channels / windows.heads, stride = width + 1;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  float scale = 1.0f / sqrtf(float(width));
  DYNAMIC_SHARED(float, shared);
  float *q = shared, *k = q + len * stride, *v = k + len * stride, *d_out = v + len * stride, *s = d_out + len * stride;
  table_partial += (int64(blockIdx.x) * gridDim.y + blockIdx.y) * len * len;
  pad_partial += (int64(blockIdx.x) * gridDim.y + blockIdx.y) * 3 * width;
  for (int64 index = blockIdx.x; index < count; index += gridDim.x) {
    WindowHead at(windows, index, blockIdx.y);
    gather(at, qkv, pad, 0, scale, q, stride);
    gather(at, qkv, pad, 1, 1.0f, k, stride);
    gather(at, qkv, pad, 2, 1.0f, v, stride);
    for (int e = threadIdx.x; e < len * width; e += blockDim.x) {
      unsigned token = at.place(e / width);
      // Nobody reads a padded place's output.
      d_out[e / width * stride + e % width] = token == PADDED ? 0.0f : widen(dout[at.out_at(token) + e % width]);
    }
    __syncthreads();
    for (int i = warp; i < len; i += ATTENTION_WARPS) probabilities(at, table, q, k, stride, i, s + i * len);
    __syncthreads();

    // Gradients go to their token's row; those of padded places are summed for the row they share.
    auto scatter = [&](int part, auto value) {
      for (int e = threadIdx.x; e < len * width; e += blockDim.x) {
        unsigned token = at.place(e / width);
        if (token != PADDED) dqkv[at.qkv_at(token, part) + e % width] = narrow<T>(value(e / width, e % width));
      }
      for (int d = threadIdx.x; d < width; d += blockDim.x) {
        float sum = 0;
        for (int i = 0; i < len; i++)
          if (at.place(i) == PADDED) sum += value(i, d);
        pad_partial[part * width + d] += sum;
      }
    };
    scatter(2, [&](int j, int d) {
      float sum = 0;
      for (int i = 0; i < len; i++) sum += s[i * len + j] * d_out[i * stride + d];
      return sum;
    });
    __syncthreads();
    for (int i = warp; i < len; i += ATTENTION_WARPS) {
      float along = 0;
      for (int j = lane; j < len; j += 32) {
        float dp = 0;
        for (int d = 0; d < width; d++) dp += d_out[i * stride + d] * v[j * stride + d];
        along += s[i * len + j] * dp;
      }
      along = warp_sum(along);
      for (int j = lane; j < len; j += 32) {
        float dp = 0;
        for (int d = 0; d < width; d++) dp += d_out[i * stride + d] * v[j * stride + d];
        float ds = s[i * len + j] * (dp - along);
        s[i * len + j] = ds;
        table_partial[i * len + j] += ds;
      }
    }
    __syncthreads();
    scatter(0, [&](int i, int d) {
      float sum = 0;
      for (int j = 0; j < len; j++) sum += s[i * len + j] * k[j * stride + d];
      return scale * sum;
    });
    scatter(1, [&](int j, int d) {
      float sum = 0;
      for (int i = 0; i < len; i++) sum += s[i * len + j] * q[i * stride + d];
      return sum;
    });
    __syncthreads();
  }
}

// The table's gradient from dB (heads, len, len): the pairs of one relative position, in their order. Block (32, rows).
KERNEL(256, attention_table_gradient, const float *bias_gradient, int window_height, int window_width, int heads,
       float *gradient) {
  int offsets = (2 * window_height - 1) * (2 * window_width - 1), len = window_height * window_width;
  for (int64 at = first_of_grid(); at < int64(offsets) * heads; at += step_of_grid()) {
    int offset = int(at / heads), head = int(at % heads);
    int dy = offset / (2 * window_width - 1) - window_height + 1, dx = offset % (2 * window_width - 1) - window_width + 1;
    float sum = 0;
    for (int y = max(0, dy); y < min(window_height, window_height + dy); y++)
      for (int x = max(0, dx); x < min(window_width, window_width + dx); x++) {
        int i = y * window_width + x, j = (y - dy) * window_width + x - dx;
        sum += bias_gradient[(int64(head) * len + i) * len + j];
      }
    gradient[at] += sum;
  }
}

// The gradient of the row that padded places share: (heads, 3, width) into (3, heads, width).
KERNEL(256, attention_pad_gradient, const float *pad_gradient, int heads, int width, float *gradient) {
  for (int64 at = first_of_grid(); at < int64(3) * heads * width; at += step_of_grid()) {
    int d = int(at % width), head = int(at / width % heads), part = int(at / width / heads);
    gradient[at] += pad_gradient[(head * 3 + part) * width + d];
  }
}

#define WINDOW_ATTENTION(T, tail)                                                                                      \
  KERNEL(32 * ATTENTION_WARPS, window_attention_##tail, const T *qkv, const float *pad, const float *table, T *out,    \
         const unsigned *places, const float *regions, int tokens, int windows, int window_height, int window_width,   \
         int channels, int heads) {                                                                                    \
    window_attention<T>(qkv, pad, table, out,                                                                          \
                        Windows{places, regions, tokens, windows, window_height, window_width, channels, heads});      \
  }                                                                                                                    \
  KERNEL(32 * ATTENTION_WARPS, window_attention_backward_##tail, const T *qkv, const float *pad, const float *table,   \
         const T *dout, T *dqkv, const unsigned *places, const float *regions, int tokens, int windows,                \
         int window_height, int window_width, int channels, int heads, int64 count, float *table_partial,              \
         float *pad_partial) {                                                                                         \
    window_attention_backward<T>(                                                                                      \
        qkv, pad, table, dout, dqkv,                                                                                   \
        Windows{places, regions, tokens, windows, window_height, window_width, channels, heads}, count, table_partial, \
        pad_partial);                                                                                                  \
  }
WINDOW_ATTENTION(float, f32)
WINDOW_ATTENTION(bf16, bf16)
