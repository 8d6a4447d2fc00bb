// Images to rows of patches and back. Features are in the order channel, row, column; beyond the image they are zero.

struct PatchShape {
  int channels, height, width, patch;
};

template <class From, class To>
__device__ __forceinline__ void patchify(const From *from, To *to, int64 len, PatchShape shape) {
  int patch = shape.patch, columns = (shape.width + patch - 1) / patch, rows = (shape.height + patch - 1) / patch;
  int features = shape.channels * patch * patch;
  for (int64 at = first_of_grid(); at < len; at += step_of_grid()) {
    int feature = int(at % features);
    int64 token = at / features;
    int column = int(token % columns), row = int(token / columns % rows);
    int64 image = token / columns / rows;
    int x = column * patch + feature % patch, y = row * patch + feature / patch % patch;
    int64 channel = image * shape.channels + feature / (patch * patch);
    bool inside = y < shape.height && x < shape.width;
    float value = inside ? widen(from[(channel * shape.height + y) * shape.width + x]) : 0.0f;
    to[at] = narrow<To>(value);
  }
}

template <class From, class To>
__device__ __forceinline__ void unpatchify(const From *from, To *to, int64 len, PatchShape shape) {
  int patch = shape.patch, columns = (shape.width + patch - 1) / patch, rows = (shape.height + patch - 1) / patch;
  int features = shape.channels * patch * patch;
  for (int64 at = first_of_grid(); at < len; at += step_of_grid()) {
    int x = int(at % shape.width), y = int(at / shape.width % shape.height);
    int64 plane = at / shape.width / shape.height;
    int channel = int(plane % shape.channels);
    int64 image = plane / shape.channels;
    int64 token = (image * rows + y / patch) * columns + x / patch;
    int feature = (channel * patch + y % patch) * patch + x % patch;
    to[at] = narrow<To>(widen(from[token * features + feature]));
  }
}

#define PATCHES(From, To, tail)                                                                                        \
  KERNEL(256, patchify_##tail, const From *from, To *to, int64 len, int channels, int height, int width, int patch) {  \
    patchify<From, To>(from, to, len, PatchShape{channels, height, width, patch});                                     \
  }                                                                                                                    \
  KERNEL(256, unpatchify_##tail, const From *from, To *to, int64 len, int channels, int height, int width,             \
         int patch) {                                                                                                  \
    unpatchify<From, To>(from, to, len, PatchShape{channels, height, width, patch});                                   \
  }
PATCHES(float, float, f32_f32)
PATCHES(float, bf16, f32_bf16)
PATCHES(bf16, float, bf16_f32)
PATCHES(bf16, bf16, bf16_bf16)
