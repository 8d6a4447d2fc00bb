//! What a device must be able to do: the operations that the modules of [`crate::nn`] are written over.
//!
//! A module's forward and backward pass work on flat buffers and call nothing but this trait, so one module code serves
//! training, inference and every device. Shapes are row-major; `rows` counts tokens of the whole batch.
//!
//! Buffers are f32. Under mixed precision those from [`Backend::activations`] hold another type: every operation takes
//! activations of either type, computes in f32 and rounds what it writes.

pub mod cpu;
#[cfg(any(feature = "cuda", feature = "cuda-emulator"))]
pub mod cuda;

use std::borrow::Cow;
use std::ops::Range;

use crate::error::Result;
use crate::ops::merge_patches::MergeGeometry;
use crate::ops::patchify::PatchGeometry;
use crate::ops::window_attention::WindowGeometry;
use crate::preco::{Objective, Terms};
use crate::update::AdamWGroup;

/// A part of a device's buffer.
pub struct View<'a, B: Backend + ?Sized> {
    /// The buffer.
    pub slice: &'a B::Slice,
    /// The part.
    pub range: Range<usize>,
}

impl<'a, B: Backend + ?Sized> View<'a, B> {
    /// The part `range` of `slice`.
    pub fn new(slice: &'a B::Slice, range: Range<usize>) -> Self {
        Self { slice, range }
    }
}

impl<B: Backend + ?Sized> Clone for View<'_, B> {
    fn clone(&self) -> Self {
        Self { slice: self.slice, range: self.range.clone() }
    }
}

/// A matrix read from a buffer: row-major as it lies there, or its transpose.
pub struct Operand<'a, B: Backend + ?Sized> {
    /// The elements.
    pub view: View<'a, B>,
    /// True to read the transpose of what lies there.
    pub transposed: bool,
}

impl<'a, B: Backend + ?Sized> Operand<'a, B> {
    /// The first `len` elements of a buffer, as they lie.
    pub fn plain(slice: &'a B::Slice, len: usize) -> Self {
        Self { view: View::new(slice, 0..len), transposed: false }
    }

    /// The first `len` elements of a buffer, transposed.
    pub fn transposed(slice: &'a B::Slice, len: usize) -> Self {
        Self { view: View::new(slice, 0..len), transposed: true }
    }

    /// The part `range` of a buffer, as it lies.
    pub fn part(slice: &'a B::Slice, range: Range<usize>) -> Self {
        Self { view: View::new(slice, range), transposed: false }
    }

    /// The part `range` of a buffer, transposed.
    pub fn part_transposed(slice: &'a B::Slice, range: Range<usize>) -> Self {
        Self { view: View::new(slice, range), transposed: true }
    }
}

/// What happens to a product `P` (m x n) on its way out: `C = s (P + bias) + residual`, then perhaps `G = gelu(C)`.
pub struct Epilogue<'a, B: Backend + ?Sized> {
    /// One value per column.
    pub bias: Option<View<'a, B>>,
    /// One factor for every `rows_per_scale` rows (drop-path), and that number of rows.
    pub scale: Option<(&'a B::Slice, usize)>,
    /// Added last, m x n.
    pub residual: Option<&'a B::Slice>,
    /// Receives gelu(C), m x n.
    pub gelu: Option<&'a mut B::Slice>,
}

impl<B: Backend + ?Sized> Default for Epilogue<'_, B> {
    fn default() -> Self {
        Self { bias: None, scale: None, residual: None, gelu: None }
    }
}

/// A device and the operations it offers.
pub trait Backend {
    /// A borrowed buffer of the device.
    type Slice: ?Sized;
    /// An owned one.
    type Buffer: std::ops::DerefMut<Target = Self::Slice>;

    /// A buffer of `len` zeros.
    fn zeros(&self, len: usize) -> Self::Buffer;

    /// An empty buffer of the type that activations have.
    fn activations(&self) -> Self::Buffer;

    /// A buffer of parameters with these values, which products can read in the type that activations have.
    fn parameters(&self, values: &[f32]) -> Self::Buffer;

    /// The first error of the device since the last call: operations have none of their own, and after one nothing is
    /// computed.
    ///
    /// # Errors
    /// What the device said.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Waits until everything asked for is done.
    ///
    /// # Errors
    /// As [`Backend::check`].
    fn synchronise(&self) -> Result<()> {
        self.check()
    }

    /// What the numbers depend on beside the operations: the kind of device, its instructions and the type of activations.
    fn arithmetic(&self) -> String;

    /// Names work by what it is and by the buffers it may be asked to do it on.
    fn key(&self, what: u64, buffers: &[&Self::Slice]) -> u64 {
        let _ = buffers;
        what
    }

    /// Does `work`, which for one [`Backend::key`] always asks for the same operations on the same buffers and neither
    /// uploads nor downloads. A device may record it, and replay the recording instead of calling it again.
    fn replay(&self, key: u64, work: &mut dyn FnMut()) {
        let _ = key;
        work();
    }

    /// Makes `buffer` at least `len` long; what it held is lost if it has to grow.
    fn reserve(&self, buffer: &mut Self::Buffer, len: usize);

    /// Copies host values to the front of a buffer.
    fn upload(&self, values: &[f32], to: &mut Self::Slice);

    /// Begins to copy host values to the front of a buffer that nothing reads before [`Backend::await_uploads`]; what was
    /// asked for before goes on beside it.
    fn upload_ahead(&self, values: &[f32], to: &mut Self::Slice) {
        self.upload(values, to);
    }

    /// Lets what is asked for from here on wait for [`Backend::upload_ahead`].
    fn await_uploads(&self) {}

    /// Copies the front of a buffer to the host.
    fn download(&self, from: &Self::Slice, to: &mut [f32]);

    /// The first `len` elements, on the host.
    fn values<'a>(&self, from: &'a Self::Slice, len: usize) -> Cow<'a, [f32]> {
        let mut values = vec![0.0; len];
        self.download(from, &mut values);
        values.into()
    }

    /// Copies the first `len` elements.
    fn copy(&self, from: &Self::Slice, to: &mut Self::Slice, len: usize);

    /// Sets the first `len` elements.
    fn fill(&self, to: &mut Self::Slice, value: f32, len: usize);

    /// `to += from` for the first `len` elements.
    fn add(&self, from: &Self::Slice, to: &mut Self::Slice, len: usize);

    /// The mean of every `group` rows: `(groups · group, channels)` to `(groups, channels)`.
    fn mean_rows(&self, x: &Self::Slice, groups: usize, group: usize, channels: usize, mean: &mut Self::Slice);

    /// The adjoint of [`Backend::mean_rows`].
    fn spread_rows(&self, d: &Self::Slice, groups: usize, group: usize, channels: usize, dx: &mut Self::Slice);

    /// `C = epilogue(A B)` with `[m, n, k] = shape`; A is m x k, B is k x n, C row-major.
    fn gemm(
        &self,
        shape: [usize; 3],
        a: Operand<Self>,
        b: Operand<Self>,
        c: &mut Self::Slice,
        epilogue: Epilogue<Self>,
    );

    /// `C += A B` into the part `into` of a buffer: how gradients of weights accumulate.
    fn gemm_accumulate(
        &self,
        shape: [usize; 3],
        a: Operand<Self>,
        b: Operand<Self>,
        c: &mut Self::Slice,
        into: Range<usize>,
    );

    /// `sums[into] += ` the column sums of a rows x columns matrix: the gradient of a bias.
    fn add_column_sums(&self, x: &Self::Slice, rows: usize, columns: usize, sums: &mut Self::Slice, into: Range<usize>);

    /// Multiplies each group of `group` elements by its factor, `to = scale * from`.
    fn scale_groups(&self, from: &Self::Slice, scale: &Self::Slice, group: usize, len: usize, to: &mut Self::Slice);

    /// Layer norm of rows of `channels`; keeps (mean, 1/deviation) per row in `statistics`.
    #[allow(clippy::too_many_arguments)]
    fn layer_norm(
        &self,
        x: &Self::Slice,
        rows: usize,
        channels: usize,
        gamma: View<Self>,
        beta: View<Self>,
        y: &mut Self::Slice,
        statistics: &mut Self::Slice,
    );

    /// Backward of [`Backend::layer_norm`]: `dx` is written or added to, gradients of gamma and beta are added to their
    /// parts of `gradients`.
    #[allow(clippy::too_many_arguments)]
    fn layer_norm_backward(
        &self,
        x: &Self::Slice,
        statistics: &Self::Slice,
        dy: &Self::Slice,
        rows: usize,
        channels: usize,
        gamma: View<Self>,
        dx: &mut Self::Slice,
        add_to_dx: bool,
        gradients: &mut Self::Slice,
        into: [Range<usize>; 2],
    );

    /// Backward of GELU at `u` for rows x columns: `d *= gelu'(u)`, `activation = gelu(u)` (the weight gradient needs it
    /// again), and the column sums of the new `d` are added to `gradients[into]`.
    #[allow(clippy::too_many_arguments)]
    fn gelu_backward(
        &self,
        u: &Self::Slice,
        d: &mut Self::Slice,
        activation: &mut Self::Slice,
        rows: usize,
        columns: usize,
        gradients: &mut Self::Slice,
        into: Range<usize>,
    );

    /// Window attention: `qkv` is tokens x 3C before the bias row `pad` is used for padded tokens; `out` is tokens x C.
    fn window_attention(
        &self,
        geometry: &WindowGeometry,
        images: usize,
        qkv: &Self::Slice,
        pad: View<Self>,
        table: View<Self>,
        out: &mut Self::Slice,
    );

    /// Backward of [`Backend::window_attention`]: `dqkv` is written; gradients of the pad row (the qkv bias) and of the
    /// relative-position table are added to their parts of `gradients`.
    #[allow(clippy::too_many_arguments)]
    fn window_attention_backward(
        &self,
        geometry: &WindowGeometry,
        images: usize,
        qkv: &Self::Slice,
        pad: View<Self>,
        table: View<Self>,
        dout: &Self::Slice,
        dqkv: &mut Self::Slice,
        gradients: &mut Self::Slice,
        into: [Range<usize>; 2],
    );

    /// Softmax over rows of `columns`; [`crate::ops::softmax`].
    fn softmax(&self, x: &Self::Slice, rows: usize, columns: usize, y: &mut Self::Slice);

    /// Backward of [`Backend::softmax`], from its output.
    fn softmax_backward(&self, y: &Self::Slice, dy: &Self::Slice, rows: usize, columns: usize, dx: &mut Self::Slice);

    /// Images (N, 3, H, W) to rows of patches; [`crate::ops::patchify`].
    fn patchify(&self, geometry: &PatchGeometry, images: usize, from: &Self::Slice, to: &mut Self::Slice);

    /// The adjoint of [`Backend::patchify`].
    fn unpatchify(&self, geometry: &PatchGeometry, images: usize, from: &Self::Slice, to: &mut Self::Slice);

    /// Two by two neighbours side by side; [`crate::ops::merge_patches`].
    fn merge_patches(&self, geometry: &MergeGeometry, images: usize, from: &Self::Slice, to: &mut Self::Slice);

    /// The adjoint of [`Backend::merge_patches`].
    fn split_patches(&self, geometry: &MergeGeometry, images: usize, from: &Self::Slice, to: &mut Self::Slice);

    /// `x = (1 - m) x + m token` for the first rows; [`crate::ops::mask_token`].
    fn mix_mask_token(&self, x: &mut Self::Slice, mask: &Self::Slice, rows: usize, channels: usize, token: View<Self>);

    /// Copies the first `len` elements to the `len` after them.
    fn duplicate_front(&self, buffer: &mut Self::Slice, len: usize);

    /// Adds the second `len` elements to the first: the adjoint of [`Backend::duplicate_front`].
    fn fold_back(&self, buffer: &mut Self::Slice, len: usize);

    /// PReCo's terms over `squares` squares and the gradient of the `len` predicted values; [`crate::preco::objective`].
    #[allow(clippy::too_many_arguments)]
    fn preco_objective(
        &self,
        objective: &Objective,
        squares: usize,
        len: usize,
        predictions: &Self::Slice,
        target: &Self::Slice,
        mask: &Self::Slice,
        gradient: &mut Self::Slice,
    ) -> Terms;

    /// Backward of [`Backend::mix_mask_token`]: the token's gradient is added to `gradients[into]`, `d *= 1 - m`.
    fn mix_mask_token_backward(
        &self,
        d: &mut Self::Slice,
        mask: &Self::Slice,
        rows: usize,
        channels: usize,
        gradients: &mut Self::Slice,
        into: Range<usize>,
    );

    /// One update of every group; [`crate::update`].
    fn adamw(
        &self,
        groups: &[AdamWGroup],
        parameters: &mut Self::Slice,
        gradients: &Self::Slice,
        m: &mut Self::Slice,
        v: &mut Self::Slice,
    );

    /// The sum of squares of `values` over `ranges`, in f64.
    fn sum_squares(&self, values: &Self::Slice, ranges: &[Range<usize>]) -> f64;

    /// `average += share (parameters - average)`.
    fn move_average(&self, average: &mut Self::Slice, parameters: &Self::Slice, share: f32);
}
