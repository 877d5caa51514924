// Batched products of small fp32 matrices, result(r) = left(r) @ right(r), one thread.
//
// For a replica of a small network the factors of one product fit into the cache closest to a core, those of the whole
// ensemble do not. So tiles of the result are kept in registers, and the rows that come next are fetched meanwhile.
#include <ATen/cpu/vec/vec.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <algorithm>
#include <vector>

namespace {

using Vec = at::vec::Vectorized<float>;
constexpr int64_t LANES = Vec::size();
constexpr int64_t WIDE = 2;       // vectors of a tile's row; 12 sums, 2 of right and 1 of left fill 16 registers
constexpr int64_t TALL = 6;       // rows of a tile
constexpr int64_t TILE = WIDE * LANES;
constexpr int64_t TERMS = 32;     // terms at a time where both factors stream through
constexpr int64_t LINE = 64 / sizeof(float);
#define UNROLLED _Pragma("GCC unroll 8")

struct Matrix {
  const float* at;
  int64_t row, column;  // strides
  Matrix from(int64_t i, int64_t j) const { return {at + i * row + j * column, row, column}; }
};

// A tile of the result: its sums begin at 0 or go on. Columns of `right` lie side by side.
template <int rows, int vectors>
[[gnu::always_inline]] inline void tile(int64_t terms, Matrix left, const float* right, int64_t right_row, float* to, int64_t to_row, bool first) {
  Vec sums[rows][vectors];
  UNROLLED for (int i = 0; i < rows; i++)
    UNROLLED for (int j = 0; j < vectors; j++)
      sums[i][j] = first ? Vec(0) : Vec::loadu(to + i * to_row + j * LANES);
  for (int64_t term = 0; term < terms; term++) {
    Vec factors[vectors];
    UNROLLED for (int j = 0; j < vectors; j++) factors[j] = Vec::loadu(right + term * right_row + j * LANES);
    UNROLLED for (int i = 0; i < rows; i++) {
      const Vec factor(left.at[i * left.row + term * left.column]);
      UNROLLED for (int j = 0; j < vectors; j++) sums[i][j] = at::vec::fmadd(factor, factors[j], sums[i][j]);
    }
  }
  UNROLLED for (int i = 0; i < rows; i++)
    UNROLLED for (int j = 0; j < vectors; j++) sums[i][j].store(to + i * to_row + j * LANES);
}

// Up to TALL rows and WIDE vectors, whatever is left of them.
template <int rows = TALL, int vectors = WIDE, typename... Rest>
[[gnu::always_inline]] inline void tile_of(int64_t tall, int64_t columns, Rest... rest) {
  if constexpr (vectors > 1)
    if (columns < vectors * LANES) return tile_of<rows, vectors - 1>(tall, columns, rest...);
  if constexpr (rows > 1)
    if (tall < rows) return tile_of<rows - 1, vectors>(tall, columns, rest...);
  tile<rows, vectors>(rest...);
}

void fetch(const float* from, int64_t count) {
  for (int64_t i = 0; i < count; i += LINE) __builtin_prefetch(from + i);
}

// `columns` columns of a matrix as one panel, its rows side by side.
void pack(int64_t terms, int64_t columns, Matrix from, float* panel) {
  if (from.column == 1) {
    for (int64_t term = 0; term < terms; term++)
      for (int64_t j = 0; j < columns; j += LANES)
        Vec::loadu(from.from(term, j).at).store(panel + term * columns + j);
    return;
  }
  constexpr int64_t BLOCK = 8;
  const int64_t whole = from.row == 1 ? terms / BLOCK * BLOCK : 0;
  for (int64_t term = 0; term < whole; term += BLOCK)
    for (int64_t j = 0; j < columns; j += BLOCK)
      at::vec::transpose_mxn<float, BLOCK, BLOCK>(from.from(term, j).at, from.column, panel + term * columns + j, columns);
  for (int64_t term = whole; term < terms; term++)
    for (int64_t j = 0; j < columns; j++) panel[term * columns + j] = *from.from(term, j).at;
}

// Many rows times a few: right is copied into panels as wide as a tile, rows of left and of the result pass by once.
void rows_by_panels(int64_t rows, int64_t terms, int64_t columns, Matrix left, Matrix right, float* to) {
  static thread_local std::vector<float> panels;
  panels.resize(terms * columns);
  for (int64_t j = 0; j < columns; j += TILE)
    pack(terms, std::min(TILE, columns - j), right.from(0, j), panels.data() + j * terms);
  const int64_t share = left.column == 1 ? TALL * terms * TILE / columns : 0;
  for (int64_t i = 0; i < rows; i += TALL) {
    const float* next = left.from(i + TALL, 0).at;
    for (int64_t j = 0; j < columns; j += TILE, next += share) {
      const int64_t width = std::min(TILE, columns - j);
      fetch(next, share);
      for (int64_t row = i + TALL; row < i + 2 * TALL; row++) __builtin_prefetch(to + row * columns + j, 1);
      tile_of(std::min(TALL, rows - i), width, terms, left.from(i, 0), panels.data() + j * terms, width,
              to + i * columns + j, columns, true);
    }
  }
}

// Few rows and columns, many terms: the result stays, both factors stream through in pieces of TERMS terms.
void terms_in_pieces(int64_t rows, int64_t terms, int64_t columns, Matrix left, Matrix right, float* to) {
  const int64_t tiles = ((rows + TALL - 1) / TALL) * ((columns + TILE - 1) / TILE);
  const auto share = [&](int64_t count) { return (count / tiles + LINE - 1) / LINE * LINE; };
  const int64_t of_left = share(TERMS * rows), of_right = share(TERMS * columns);
  for (int64_t term = 0; term < terms; term += TERMS) {
    const float *next_left = left.from(0, term + TERMS).at, *next_right = right.from(term + TERMS, 0).at;
    for (int64_t j = 0; j < columns; j += TILE)
      for (int64_t i = 0; i < rows; i += TALL, next_left += of_left, next_right += of_right) {
        fetch(next_left, of_left);
        fetch(next_right, of_right);
        tile_of(std::min(TALL, rows - i), std::min(TILE, columns - j), std::min(TERMS, terms - term),
                left.from(i, term), right.from(term, j).at, right.row, to + i * columns + j, columns, term == 0);
      }
  }
}

}  // namespace

// What compiled code calls, in torch's C interface: left (R, rows, terms), right (R, terms, columns) with any strides,
// columns a multiple of LANES.
extern "C" AOTITorchError aoti_torch_cpu_PRODUCT(AtenTensorHandle left, AtenTensorHandle right, AtenTensorHandle* result) {
  int64_t *size, *columns, *of_left, *of_right;
  void *a, *b, *c;
  aoti_torch_get_sizes(left, &size);
  aoti_torch_get_sizes(right, &columns);
  aoti_torch_get_strides(left, &of_left);
  aoti_torch_get_strides(right, &of_right);
  aoti_torch_get_data_ptr(left, &a);
  aoti_torch_get_data_ptr(right, &b);
  const int64_t rows = size[1], terms = size[2], n = columns[2];
  const int64_t sizes[] = {size[0], rows, n}, strides[] = {rows * n, n, 1};
  const AOTITorchError error =
      aoti_torch_empty_strided(3, sizes, strides, aoti_torch_dtype_float32(), aoti_torch_device_type_cpu(), 0, result);
  if (error) return error;
  aoti_torch_get_data_ptr(*result, &c);
  const auto multiply = rows < terms && of_right[2] == 1 ? terms_in_pieces : rows_by_panels;
  for (int64_t r = 0; r < size[0]; r++)
    multiply(rows, terms, n, {(const float*)a + r * of_left[0], of_left[1], of_left[2]},
             {(const float*)b + r * of_right[0], of_right[1], of_right[2]}, (float*)c + r * rows * n);
  return AOTI_TORCH_SUCCESS;
}
