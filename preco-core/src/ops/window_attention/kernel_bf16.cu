// Window attention on tensor cores: bf16 factors, f32 sums, heads of 16 or 32, windows without padded places.
//
// A block works on one window and one head with TILES warps; a warp takes the scores of 16 queries with all keys, which
// stay in its registers from the product to the softmax and on into the next product (fragments as PTX lays them out:
// lane 4 g + t holds rows g and g + 8, columns 2 t and 2 t + 1 of each 8). Keys beyond the window have probability 0.

__device__ __forceinline__ uint32_t pair_of(float low, float high) {
  Pack<bf16, 2> pair = {{narrow<bf16>(low), narrow<bf16>(high)}};
  uint32_t bits;
  memcpy(&bits, &pair, 4);
  return bits;
}
__device__ __forceinline__ uint32_t pair_at(const bf16 *from) { return *reinterpret_cast<const uint32_t *>(from); }

// Sums and maxima over the four lanes that share a row.
__device__ __forceinline__ float row_sum(float x) {
  x += __shfl_xor_sync(ALL_LANES, x, 1);
  return x + __shfl_xor_sync(ALL_LANES, x, 2);
}
__device__ __forceinline__ float row_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 1));
  return fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 2));
}

// What a window of up to 16 TILES places needs in shared memory. Strides keep a warp's loads off each other's banks.
template <int TILES, int WIDTH> struct Tiles {
  static constexpr int PLACES = 16 * TILES, ROW = WIDTH + 8, TURNED_ROW = PLACES + 8;
  static constexpr int ROWS_LEN = PLACES * ROW, TURNED_LEN = WIDTH * TURNED_ROW, SQUARE_LEN = PLACES * TURNED_ROW;

  // A 16 x 16 block of a row-major matrix as a left factor.
  static __device__ __forceinline__ void left(const bf16 *matrix, int stride, int row, int column, uint32_t (&a)[4]) {
    int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const bf16 *from = matrix + (row + g) * stride + column + 2 * t;
    a[0] = pair_at(from);
    a[1] = pair_at(from + 8 * stride);
    a[2] = pair_at(from + 8);
    a[3] = pair_at(from + 8 * stride + 8);
  }
  // A 16 x 8 block of a matrix that lies transposed: row n of `matrix` is column n of the factor.
  static __device__ __forceinline__ void right(const bf16 *matrix, int stride, int n, int k, uint32_t (&b)[2]) {
    int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const bf16 *from = matrix + (n + g) * stride + k + 2 * t;
    b[0] = pair_at(from);
    b[1] = pair_at(from + 8);
  }

  // Rows of one part of qkv, or of the gradient, and their transpose where asked for; zeros beyond the window.
  template <class Address>
  static __device__ __forceinline__ void gather(const WindowHead &at, const bf16 *from, Address address, bf16 *rows,
                                                bf16 *turned) {
    constexpr int PACKS = WIDTH / 8;
    for (int e = threadIdx.x; e < PLACES * PACKS; e += blockDim.x) {
      int i = e / PACKS, d = e % PACKS * 8;
      Pack<bf16, 8> values;
      for (int v = 0; v < 8; v++) values.at[v] = narrow<bf16>(0.0f);
      if (i < at.len) values = load<8>(from + address(at.place(i)) + d);
      if (rows) store<8>(rows + i * ROW + d, values);
      if (turned)
        for (int v = 0; v < 8; v++) turned[(d + v) * TURNED_ROW + i] = values.at[v];
    }
  }

  // The probabilities of 16 queries from `first`: p[n] is the block of keys 8 n.
  static __device__ __forceinline__ void probabilities(const WindowHead &at, const float *table, const bf16 *q,
                                                       const bf16 *k, const float *regions, int first,
                                                       float (&p)[2 * TILES][4]) {
    int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    float scale = 1.0f / sqrtf(float(WIDTH));
#pragma unroll
    for (int n = 0; n < 2 * TILES; n++)
      for (int e = 0; e < 4; e++) p[n][e] = 0;
#pragma unroll
    for (int step = 0; step < WIDTH / 16; step++) {
      uint32_t a[4];
      left(q, ROW, first, 16 * step, a);
#pragma unroll
      for (int n = 0; n < 2 * TILES; n++) {
        uint32_t b[2];
        right(k, ROW, 8 * n, 16 * step, b);
        warp_product(p[n], a, b);
      }
    }
    float highest[2] = {-INFINITY, -INFINITY}, sums[2] = {};
#pragma unroll
    for (int n = 0; n < 2 * TILES; n++)
      for (int e = 0; e < 4; e++) {
        int i = first + g + 8 * (e / 2), j = 8 * n + 2 * t + e % 2;
        if (j >= at.len) {
          p[n][e] = -INFINITY;
          continue;
        }
        // Queries beyond the window are nobody's; any row of the table does.
        float score = scale * p[n][e];
        if (i < at.len) {
          score += table[at.table_row(i, j)];
          if (regions[i] != regions[j]) score += HIDDEN;
        }
        p[n][e] = score;
        highest[e / 2] = fmaxf(highest[e / 2], score);
      }
    for (int half = 0; half < 2; half++) highest[half] = row_max(highest[half]);
#pragma unroll
    for (int n = 0; n < 2 * TILES; n++)
      for (int e = 0; e < 4; e++) {
        p[n][e] = expf(p[n][e] - highest[e / 2]);
        sums[e / 2] += p[n][e];
      }
    for (int half = 0; half < 2; half++) sums[half] = 1.0f / row_sum(sums[half]);
#pragma unroll
    for (int n = 0; n < 2 * TILES; n++)
      for (int e = 0; e < 4; e++) p[n][e] *= sums[e / 2];
  }

  // The warp's 16 rows of scores as a left factor: keys 16 step to 16 step + 15.
  static __device__ __forceinline__ void left_of_scores(const float (&p)[2 * TILES][4], int step, uint32_t (&a)[4]) {
    a[0] = pair_of(p[2 * step][0], p[2 * step][1]);
    a[1] = pair_of(p[2 * step][2], p[2 * step][3]);
    a[2] = pair_of(p[2 * step + 1][0], p[2 * step + 1][1]);
    a[3] = pair_of(p[2 * step + 1][2], p[2 * step + 1][3]);
  }

  // Writes 16 rows of a product, `factor` times, where `address` says.
  template <class Address>
  static __device__ __forceinline__ void scatter(const WindowHead &at, const float (&product)[WIDTH / 8][4], float factor,
                                                 int first, bf16 *to, Address address) {
    int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    for (int half = 0; half < 2; half++) {
      int i = first + g + 8 * half;
      if (i >= at.len) continue;
      bf16 *row = to + address(at.place(i));
#pragma unroll
      for (int n = 0; n < WIDTH / 8; n++)
        *reinterpret_cast<uint32_t *>(row + 8 * n + 2 * t) =
            pair_of(factor * product[n][2 * half], factor * product[n][2 * half + 1]);
    }
  }

  // The head's column of the table, and the regions of a window.
  static __device__ __forceinline__ void gather_table(const WindowHead &at, const float *table, float *to) {
    int rows = (2 * at.w.window_height - 1) * (2 * at.w.window_width - 1);
    for (int r = threadIdx.x; r < rows; r += blockDim.x) to[r] = table[r * at.w.heads + at.head];
  }
  static __device__ __forceinline__ void gather_regions(const WindowHead &at, float *to) {
    for (int i = threadIdx.x; i < at.len; i += blockDim.x) to[i] = at.region(i);
  }

  static __device__ void forward(const bf16 *qkv, const float *table, bf16 *out, const Windows &windows) {
    WindowHead at(windows, blockIdx.x, blockIdx.y);
    DYNAMIC_SHARED(bf16, shared);
    bf16 *q = shared, *k = q + ROWS_LEN, *v = k + ROWS_LEN;
    float *regions = reinterpret_cast<float *>(v + TURNED_LEN), *biases = regions + PLACES;
    gather(at, qkv, [&](unsigned token) { return at.qkv_at(token, 0); }, q, static_cast<bf16 *>(nullptr));
    gather(at, qkv, [&](unsigned token) { return at.qkv_at(token, 1); }, k, static_cast<bf16 *>(nullptr));
    gather(at, qkv, [&](unsigned token) { return at.qkv_at(token, 2); }, static_cast<bf16 *>(nullptr), v);
    gather_regions(at, regions);
    gather_table(at, table, biases);
    __syncthreads();
    int first = threadIdx.x / 32 * 16;
    float p[2 * TILES][4], o[WIDTH / 8][4] = {};
    probabilities(at, biases, q, k, regions, first, p);
#pragma unroll
    for (int step = 0; step < TILES; step++) {
      uint32_t a[4];
      left_of_scores(p, step, a);
#pragma unroll
      for (int n = 0; n < WIDTH / 8; n++) {
        uint32_t b[2];
        right(v, TURNED_ROW, 8 * n, 16 * step, b);
        warp_product(o[n], a, b);
      }
    }
    scatter(at, o, 1.0f, first, out, [&](unsigned token) { return at.out_at(token); });
  }

  // As window_attention_backward of kernel.cu; the gradient of the relative positions is summed in f32.
  static __device__ void backward(const bf16 *qkv, const float *table, const bf16 *dout, bf16 *dqkv,
                                  const Windows &windows, int64 count, float *table_partial) {
    DYNAMIC_SHARED(bf16, shared);
    bf16 *q = shared, *k = q + ROWS_LEN, *v = k + ROWS_LEN, *d = v + ROWS_LEN, *q_turned = d + ROWS_LEN,
         *k_turned = q_turned + TURNED_LEN, *d_turned = k_turned + TURNED_LEN, *p_turned = d_turned + TURNED_LEN,
         *s_turned = p_turned + SQUARE_LEN;
    float *regions = reinterpret_cast<float *>(s_turned + SQUARE_LEN), *biases = regions + PLACES;
    int len = windows.window_height * windows.window_width;
    int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4, first = threadIdx.x / 32 * 16;
    float scale = 1.0f / sqrtf(float(WIDTH));
    table_partial += (int64(blockIdx.x) * gridDim.y + blockIdx.y) * len * len;
    gather_table(WindowHead(windows, 0, blockIdx.y), table, biases);
    for (int64 index = blockIdx.x; index < count; index += gridDim.x) {
      WindowHead at(windows, index, blockIdx.y);
      gather(at, qkv, [&](unsigned token) { return at.qkv_at(token, 0); }, q, q_turned);
      gather(at, qkv, [&](unsigned token) { return at.qkv_at(token, 1); }, k, k_turned);
      gather(at, qkv, [&](unsigned token) { return at.qkv_at(token, 2); }, v, static_cast<bf16 *>(nullptr));
      gather(at, dout, [&](unsigned token) { return at.out_at(token); }, d, d_turned);
      gather_regions(at, regions);
      __syncthreads();
      float p[2 * TILES][4], ds[2 * TILES][4] = {}, along[2] = {};
      probabilities(at, biases, q, k, regions, first, p);
#pragma unroll
      for (int step = 0; step < WIDTH / 16; step++) {
        uint32_t a[4];
        left(d, ROW, first, 16 * step, a);
#pragma unroll
        for (int n = 0; n < 2 * TILES; n++) {
          uint32_t b[2];
          right(v, ROW, 8 * n, 16 * step, b);
          warp_product(ds[n], a, b);
        }
      }
#pragma unroll
      for (int n = 0; n < 2 * TILES; n++)
        for (int e = 0; e < 4; e++) along[e / 2] += p[n][e] * ds[n][e];
      for (int half = 0; half < 2; half++) along[half] = row_sum(along[half]);
#pragma unroll
      for (int n = 0; n < 2 * TILES; n++)
        for (int e = 0; e < 4; e++) {
          int i = first + g + 8 * (e / 2), j = 8 * n + 2 * t + e % 2;
          bool inside = i < len && j < len;
          ds[n][e] = inside ? p[n][e] * (ds[n][e] - along[e / 2]) : 0.0f;
          if (inside) table_partial[i * len + j] += ds[n][e];
          p_turned[j * TURNED_ROW + i] = narrow<bf16>(inside ? p[n][e] : 0.0f);
          s_turned[j * TURNED_ROW + i] = narrow<bf16>(ds[n][e]);
        }
      float dq[WIDTH / 8][4] = {};
#pragma unroll
      for (int step = 0; step < TILES; step++) {
        uint32_t a[4];
        left_of_scores(ds, step, a);
#pragma unroll
        for (int n = 0; n < WIDTH / 8; n++) {
          uint32_t b[2];
          right(k_turned, TURNED_ROW, 8 * n, 16 * step, b);
          warp_product(dq[n], a, b);
        }
      }
      scatter(at, dq, scale, first, dqkv, [&](unsigned token) { return at.qkv_at(token, 0); });
      // Every query's scores are needed for 16 keys.
      __syncthreads();
      float dk[WIDTH / 8][4] = {}, dv[WIDTH / 8][4] = {};
#pragma unroll
      for (int step = 0; step < TILES; step++) {
        uint32_t a[4], b[2];
        left(s_turned, TURNED_ROW, first, 16 * step, a);
#pragma unroll
        for (int n = 0; n < WIDTH / 8; n++) {
          right(q_turned, TURNED_ROW, 8 * n, 16 * step, b);
          warp_product(dk[n], a, b);
        }
        left(p_turned, TURNED_ROW, first, 16 * step, a);
#pragma unroll
        for (int n = 0; n < WIDTH / 8; n++) {
          right(d_turned, TURNED_ROW, 8 * n, 16 * step, b);
          warp_product(dv[n], a, b);
        }
      }
      scatter(at, dk, scale, first, dqkv, [&](unsigned token) { return at.qkv_at(token, 1); });
      scatter(at, dv, 1.0f, first, dqkv, [&](unsigned token) { return at.qkv_at(token, 2); });
      __syncthreads();
    }
  }
};

#define TILED_ATTENTION(TILES, WIDTH, tail)                                                                            \
  KERNEL(32 * TILES, window_attention_##tail, const bf16 *qkv, const float *table, bf16 *out, const unsigned *places,  \
         const float *regions, int tokens, int windows, int window_height, int window_width, int channels,             \
         int heads) {                                                                                                  \
    Tiles<TILES, WIDTH>::forward(                                                                                      \
        qkv, table, out, Windows{places, regions, tokens, windows, window_height, window_width, channels, heads});     \
  }                                                                                                                    \
  KERNEL(32 * TILES, window_attention_backward_##tail, const bf16 *qkv, const float *table, const bf16 *dout,          \
         bf16 *dqkv, const unsigned *places, const float *regions, int tokens, int windows, int window_height,         \
         int window_width, int channels, int heads, int64 count, float *table_partial) {                               \
    Tiles<TILES, WIDTH>::backward(                                                                                     \
        qkv, table, dout, dqkv,                                                                                        \
        Windows{places, regions, tokens, windows, window_height, window_width, channels, heads}, count,                \
        table_partial);                                                                                                \
  }
TILED_ATTENTION(1, 16, tiles1_width16)
TILED_ATTENTION(3, 16, tiles3_width16)
TILED_ATTENTION(4, 16, tiles4_width16)
TILED_ATTENTION(9, 16, tiles9_width16)
TILED_ATTENTION(1, 32, tiles1_width32)
TILED_ATTENTION(3, 32, tiles3_width32)
TILED_ATTENTION(4, 32, tiles4_width32)
TILED_ATTENTION(9, 32, tiles9_width32)
