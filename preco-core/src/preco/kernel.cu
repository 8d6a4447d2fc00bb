// PReCo's objective: three sums and the gradient of the predictions. A block for a square; sums in f64, in a fixed order.

constexpr int OBJECTIVE_THREADS = 256;

enum Distance { L1 = 0, L2 = 1, COSINE = 2 };

struct ObjectiveOptions {
  int branches, reconstruction, consistency, prompt_everywhere, stop_gradient;
  double lambda_re, lambda_pr, lambda_sc;
};

template <int K> __device__ __forceinline__ void block_sums(double (&sums)[K]) {
  __shared__ double own[K][OBJECTIVE_THREADS];
  for (int k = 0; k < K; k++) own[k][threadIdx.x] = sums[k];
  __syncthreads();
  for (unsigned half = OBJECTIVE_THREADS / 2; half; half /= 2) {
    if (threadIdx.x < half)
      for (int k = 0; k < K; k++) own[k][threadIdx.x] += own[k][threadIdx.x + half];
    __syncthreads();
  }
  for (int k = 0; k < K; k++) sums[k] = own[k][0];
  __syncthreads();
}

// The masked weight of each square.
KERNEL(OBJECTIVE_THREADS, mask_sums, const float *mask, int pixels, double *sums) {
  double sum[1] = {};
  for (int i = threadIdx.x; i < pixels; i += OBJECTIVE_THREADS) sum[0] += mask[int64(blockIdx.x) * pixels + i];
  block_sums<1>(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum[0];
}

// One block: the masked weight of all squares, and how many squares hold any.
KERNEL(OBJECTIVE_THREADS, mask_totals, const double *sums, int squares, double *totals) {
  double total[2] = {};
  for (int i = threadIdx.x; i < squares; i += OBJECTIVE_THREADS) {
    total[0] += sums[i];
    total[1] += sums[i] > 0;
  }
  block_sums<2>(total);
  if (threadIdx.x == 0)
    for (int k = 0; k < 2; k++) totals[k] = total[k];
}

__device__ __forceinline__ float distance_of(int distance, float d) { return distance == L2 ? d * d : fabsf(d); }
__device__ __forceinline__ float slope_of(int distance, float d) {
  if (distance == L2) return 2.0f * d;
  return d > 0.0f ? 1.0f : (d < 0.0f ? -1.0f : 0.0f);
}

template <class T, class G>
__device__ __forceinline__ void objective(const T *predictions, const float *target, const float *mask,
                                          const double *totals, int squares, int pixels, ObjectiveOptions options,
                                          G *gradient, double *sums) {
  int64 square = blockIdx.x;
  int row = 3 * pixels;
  const T *re = predictions + square * row, *pr = predictions + (squares + square) * row;
  G *d_re = gradient + square * row, *d_pr = gradient + (squares + square) * row;
  target += square * row;
  mask += square * pixels;
  double masked = totals[0], touched = totals[1];
  double per_masked = 1.0 / (masked + 1e-5) / 3.0, per_pixel = 1.0 / (double(squares) * row);
  double per_square = 1.0 / (touched > 1 ? touched : 1.0);
  bool two = options.branches == 2, cosine = options.consistency == COSINE;

  // L_Re, L_Pr, L_Sc; and for the cosine the products of the masked parts.
  double parts[3] = {}, products[3] = {};
  for (int i = threadIdx.x; i < row; i += OBJECTIVE_THREADS) {
    float m = mask[i % pixels], x = target[i], a = widen(re[i]);
    parts[0] += m * distance_of(options.reconstruction, a - x);
    if (!two) continue;
    float b = widen(pr[i]);
    parts[1] += (options.prompt_everywhere ? 1.0f : m) * distance_of(options.reconstruction, b - x);
    if (cosine) {
      double ma = double(m) * a, mb = double(m) * b;
      products[0] += ma * mb;
      products[1] += ma * ma;
      products[2] += mb * mb;
    } else {
      parts[2] += m * distance_of(options.consistency, a - b);
    }
  }
  block_sums<3>(parts);
  double norms = 1, similarity = 0;
  if (cosine && two) {
    block_sums<3>(products);
    norms = fmax(sqrt(products[1]) * sqrt(products[2]), 1e-8);
    similarity = products[0] / norms;
    double own[1] = {};
    for (int i = threadIdx.x; i < pixels; i += OBJECTIVE_THREADS) own[0] += mask[i];
    block_sums<1>(own);
    parts[2] = own[0] > 0 ? 1.0 - similarity : 0.0;
  }
  if (threadIdx.x == 0)
    for (int k = 0; k < 3; k++) sums[3 * square + k] = parts[k];

  float w_re = float(options.lambda_re * per_masked), w_sc = float(options.lambda_sc * per_masked);
  float w_pr = float(options.lambda_pr * (options.prompt_everywhere ? per_pixel : per_masked));
  double w_cosine = options.lambda_sc * per_square;
  double aa = fmax(products[1], 1e-16), bb = fmax(products[2], 1e-16);
  for (int i = threadIdx.x; i < row; i += OBJECTIVE_THREADS) {
    float m = mask[i % pixels], x = target[i], a = widen(re[i]);
    float d_a = w_re * m * slope_of(options.reconstruction, a - x);
    if (two) {
      float b = widen(pr[i]);
      float d_b = w_pr * (options.prompt_everywhere ? 1.0f : m) * slope_of(options.reconstruction, b - x);
      float s_a, s_b;
      if (cosine) {
        double ma = double(m) * a, mb = double(m) * b;
        s_a = -float(w_cosine * m * (mb / norms - similarity * ma / aa));
        s_b = -float(w_cosine * m * (ma / norms - similarity * mb / bb));
      } else {
        s_a = w_sc * m * slope_of(options.consistency, a - b);
        s_b = -s_a;
      }
      d_a += s_a;
      if (!options.stop_gradient) d_b += s_b;
      d_pr[i] = narrow<G>(d_b);
    }
    d_re[i] = narrow<G>(d_a);
  }
}

// One block: the sums of all squares.
KERNEL(OBJECTIVE_THREADS, sum_terms, const double *sums, int squares, double *terms) {
  double total[3] = {};
  for (int i = threadIdx.x; i < squares; i += OBJECTIVE_THREADS)
    for (int k = 0; k < 3; k++) total[k] += sums[3 * int64(i) + k];
  block_sums<3>(total);
  if (threadIdx.x == 0)
    for (int k = 0; k < 3; k++) terms[k] = total[k];
}

#define OBJECTIVE(T, G, name)                                                                                          \
  KERNEL(OBJECTIVE_THREADS, name, const T *predictions, const float *target, const float *mask, const double *totals,  \
         int squares, int pixels, ObjectiveOptions options, G *gradient, double *sums) {                               \
    objective<T, G>(predictions, target, mask, totals, squares, pixels, options, gradient, sums);                      \
  }
OBJECTIVE(float, float, preco_objective_f32)
OBJECTIVE(float, bf16, preco_objective_bf16)
