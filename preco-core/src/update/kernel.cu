// The optimiser's kernels: all groups of a model in one launch. A block takes CHUNK elements of one group.

constexpr int CHUNK = 8192;

struct Span {
  int64 start, len;
  int first_block, unused;
};

struct AdamWGroup {
  Span span;
  float keep, grad, one_minus_beta1, beta2, one_minus_beta2, size, root, eps;
};

// The group of this block: the last whose first block is not beyond it.
template <class Group> __device__ __forceinline__ int group_of_block(const Group *groups, int count, Span Group::*span) {
  int low = 0, high = count;
  while (high - low > 1) {
    int middle = (low + high) / 2;
    if ((groups[middle].*span).first_block <= int(blockIdx.x)) low = middle;
    else high = middle;
  }
  return low;
}

struct Part {
  int64 start, end;
};
__device__ __forceinline__ Part part_of_block(Span span) {
  int64 first = int64(int(blockIdx.x) - span.first_block) * CHUNK;
  return Part{span.start + first, span.start + min(span.len, first + CHUNK)};
}

// AdamW as PyTorch computes it; `half` receives the new parameters in bf16 where it is not null.
KERNEL(256, adamw, const AdamWGroup *groups, int count, float *params, const float *grads, float *m, float *v, bf16 *half) {
  AdamWGroup group = groups[group_of_block(groups, count, &AdamWGroup::span)];
  Part part = part_of_block(group.span);
  for (int64 at = part.start + threadIdx.x; at < part.end; at += blockDim.x) {
    float g = grads[at] * group.grad;
    float first = m[at] + (g - m[at]) * group.one_minus_beta1;
    float second = v[at] * group.beta2 + g * g * group.one_minus_beta2;
    float p = params[at] * group.keep - group.size * first / (sqrtf(second) * group.root + group.eps);
    m[at] = first;
    v[at] = second;
    params[at] = p;
    if (half) half[at] = narrow<bf16>(p);
  }
}

// The sum of squares of each block's elements, in f64: an f32's square cannot overflow it.
struct SpanOnly {
  Span span;
};
KERNEL(256, sum_squares, const SpanOnly *spans, int count, const float *values, double *sums) {
  __shared__ double own[256];
  Part part = part_of_block(spans[group_of_block(spans, count, &SpanOnly::span)].span);
  double sum = 0;
  for (int64 at = part.start + threadIdx.x; at < part.end; at += blockDim.x) sum += double(values[at]) * double(values[at]);
  own[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned half = 128; half; half /= 2) {
    if (threadIdx.x < half) own[threadIdx.x] += own[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = own[0];
}

// average += share (params - average)
KERNEL(256, move_average, float *average, const float *params, float share, int64 len) {
  for (int64 at = first_of_grid(); at < len; at += step_of_grid()) average[at] += share * (params[at] - average[at]);
}
