//! [`Backend`] on the device: which kernel, over which grid, with which arguments.

use std::ops::Range;

use super::driver::Argument;
use super::launches::{bytes_of, int, long, pointer};
use super::memory::{Buffer, Kind, Region};
use super::{Cuda, Precision, attention, columns, objective, products, updates};
use crate::backend::{Backend, Epilogue, Operand, View};
use crate::error::Result;
use crate::ops::merge_patches::MergeGeometry;
use crate::ops::patchify::PatchGeometry;
use crate::ops::window_attention::WindowGeometry;
use crate::preco::{Objective, Terms};
use crate::rng::fnv1a64_words;
use crate::update::AdamWGroup;

impl Backend for Cuda {
    type Slice = Region;
    type Buffer = Buffer;

    fn zeros(&self, len: usize) -> Buffer {
        let buffer = Buffer::new(&self.device, Kind::F32, len);
        self.device.zero(buffer.at(0), 4 * len);
        buffer
    }

    fn activations(&self) -> Buffer {
        Buffer::new(&self.device, self.precision.kind(), 0)
    }

    fn parameters(&self, values: &[f32]) -> Buffer {
        let mut buffer = match self.precision {
            Precision::F32 => Buffer::new(&self.device, Kind::F32, values.len()),
            Precision::Bf16 => Buffer::with_half(&self.device, values.len()),
        };
        self.upload(values, &mut buffer);
        buffer
    }

    fn check(&self) -> Result<()> {
        self.device.check()
    }

    fn synchronise(&self) -> Result<()> {
        self.device.synchronise();
        self.check()
    }

    fn arithmetic(&self) -> String {
        match self.precision {
            Precision::F32 => "cuda, f32".to_owned(),
            Precision::Bf16 => "cuda, bf16".to_owned(),
        }
    }

    fn key(&self, what: u64, buffers: &[&Region]) -> u64 {
        let words = std::iter::once(what).chain(buffers.iter().map(|region| region.pointer));
        fnv1a64_words(words)
    }

    fn replay(&self, key: u64, work: &mut dyn FnMut()) {
        self.device.replay(key, work);
    }

    fn reserve(&self, buffer: &mut Buffer, len: usize) {
        // Nothing at no address: an allocation that failed.
        if buffer.len < len || (buffer.pointer == 0 && len > 0) {
            *buffer = Buffer::new(&self.device, buffer.kind, len);
        }
    }

    fn upload(&self, values: &[f32], to: &mut Region) {
        Self::check_len("what is uploaded to", to, values.len());
        if to.kind == Kind::F32 {
            self.device.upload(bytes_of(values), to.at(0));
            return self.refresh_half(to, values.len());
        }
        let wide = self.device.stage(bytes_of(values));
        let arguments = vec![wide.into(), to.at(0).into(), long(values.len())];
        self.elementwise("cast_f32_bf16".to_owned(), values.len(), 1, arguments);
    }

    fn upload_ahead(&self, values: &[f32], to: &mut Region) {
        if to.kind != Kind::F32 || to.half.is_some() {
            return self.upload(values, to);
        }
        Self::check_len("what is uploaded to", to, values.len());
        self.device.upload_ahead(bytes_of(values), to.at(0));
    }

    fn await_uploads(&self) {
        self.device.await_uploads();
    }

    fn download(&self, from: &Region, to: &mut [f32]) {
        Self::check_len("what is downloaded", from, to.len());
        let len = to.len();
        // SAFETY: any four bytes are an f32.
        let bytes = unsafe { std::slice::from_raw_parts_mut(to.as_mut_ptr().cast::<u8>(), 4 * len) };
        if from.kind == Kind::F32 {
            return self.device.download(from.at(0), bytes);
        }
        let wide = self.device.workspace(4 * len);
        let arguments = vec![from.at(0).into(), wide.into(), long(len)];
        self.elementwise("cast_bf16_f32".to_owned(), len, 1, arguments);
        self.device.download(wide, bytes);
    }

    fn copy(&self, from: &Region, to: &mut Region, len: usize) {
        assert_eq!(from.kind, to.kind, "a copy changes no type");
        Self::check_len("the source", from, len);
        Self::check_len("the copy", to, len);
        self.device.copy(from.at(0), to.at(0), len * from.kind.bytes());
    }

    fn fill(&self, to: &mut Region, value: f32, len: usize) {
        Self::check_len("what is filled", to, len);
        self.elementwise(format!("fill_{}", to.kind.tail()), len, 1, vec![to.at(0).into(), value.into(), long(len)]);
    }

    fn add(&self, from: &Region, to: &mut Region, len: usize) {
        assert_eq!(from.kind, to.kind, "a sum changes no type");
        Self::check_len("a term", from, len);
        Self::check_len("a sum", to, len);
        let arguments = vec![from.at(0).into(), to.at(0).into(), long(len)];
        self.elementwise(format!("add_{}", to.kind.tail()), len, 1, arguments);
    }

    fn mean_rows(&self, x: &Region, groups: usize, group: usize, channels: usize, mean: &mut Region) {
        assert_eq!(mean.kind, Kind::F32, "means are f32");
        Self::check_len("the rows", x, groups * group * channels);
        Self::check_len("the means", mean, groups * channels);
        let len = groups * channels;
        let arguments = vec![x.at(0).into(), long(len), int(group), int(channels), mean.at(0).into()];
        self.elementwise(format!("mean_rows_{}", x.kind.tail()), len, 1, arguments);
    }

    fn spread_rows(&self, d: &Region, groups: usize, group: usize, channels: usize, dx: &mut Region) {
        assert_eq!(d.kind, Kind::F32, "gradients of means are f32");
        let len = groups * group * channels;
        Self::check_len("the means", d, groups * channels);
        Self::check_len("the rows", dx, len);
        let arguments = vec![d.at(0).into(), long(len), int(group), int(channels), dx.at(0).into()];
        self.elementwise(format!("spread_rows_{}", dx.kind.tail()), len, 1, arguments);
    }

    fn gemm(&self, shape: [usize; 3], a: Operand<Self>, b: Operand<Self>, c: &mut Region, epilogue: Epilogue<Self>) {
        products::finish(self, shape, [&a, &b], c, epilogue);
    }

    fn gemm_accumulate(
        &self,
        shape: [usize; 3],
        a: Operand<Self>,
        b: Operand<Self>,
        c: &mut Region,
        into: Range<usize>,
    ) {
        products::product(self, shape, [&a, &b], c, into.start, true);
    }

    fn add_column_sums(&self, x: &Region, rows: usize, columns: usize, sums: &mut Region, into: Range<usize>) {
        Self::check_len("the rows", x, rows * columns);
        Self::check_len("the sums", sums, into.start + columns);
        let kernel = format!("column_partials_{}_v{}", x.kind.tail(), columns::vector(columns));
        let sums = [sums.at(into.start)];
        columns::add_sums(&self.device, kernel, [rows, columns], vec![x.at(0).into()], &sums);
    }

    fn scale_groups(&self, from: &Region, scale: &Region, group: usize, len: usize, to: &mut Region) {
        assert_eq!(from.kind, to.kind, "a factor changes no type");
        let arguments = vec![from.at(0).into(), scale.at(0).into(), long(group), long(len), to.at(0).into()];
        self.elementwise(format!("scale_groups_{}", to.kind.tail()), len, 1, arguments);
    }

    fn layer_norm(
        &self,
        x: &Region,
        rows: usize,
        channels: usize,
        gamma: View<Self>,
        beta: View<Self>,
        y: &mut Region,
        statistics: &mut Region,
    ) {
        assert_eq!(x.kind, y.kind, "a norm changes no type");
        Self::check_len("the rows", x, rows * channels);
        Self::check_len("the norms", y, rows * channels);
        Self::check_len("the statistics", statistics, 2 * rows);
        let arguments = vec![
            x.at(0).into(),
            int(rows),
            int(channels),
            pointer(&gamma).into(),
            pointer(&beta).into(),
            y.at(0).into(),
            statistics.at(0).into(),
        ];
        self.rowwise(format!("layer_norm_{}_v{}", x.kind.tail(), columns::vector(channels)), rows, arguments);
    }

    fn layer_norm_backward(
        &self,
        x: &Region,
        statistics: &Region,
        dy: &Region,
        rows: usize,
        channels: usize,
        gamma: View<Self>,
        dx: &mut Region,
        add_to_dx: bool,
        gradients: &mut Region,
        into: [Range<usize>; 2],
    ) {
        assert!(x.kind == dy.kind && x.kind == dx.kind, "a norm's gradient has its type");
        for (what, region) in [("the rows", x), ("their gradient", dy), ("the gradient", &*dx)] {
            Self::check_len(what, region, rows * channels);
        }
        let tail = format!("{}_v{}", x.kind.tail(), columns::vector(channels));
        let common: Vec<Argument> = vec![x.at(0).into(), statistics.at(0).into(), dy.at(0).into()];
        let sums = into.map(|range| gradients.at(range.start));
        // First, for dx may be where dy is.
        let kernel = format!("layer_norm_partials_{tail}");
        columns::add_sums(&self.device, kernel, [rows, channels], common.clone(), &sums);
        let mut arguments = common;
        arguments.extend([int(rows), int(channels), pointer(&gamma).into(), dx.at(0).into()]);
        arguments.push(Argument::from(i32::from(add_to_dx)));
        self.rowwise(format!("layer_norm_backward_{tail}"), rows, arguments);
    }

    fn gelu_backward(
        &self,
        u: &Region,
        d: &mut Region,
        activation: &mut Region,
        rows: usize,
        columns: usize,
        gradients: &mut Region,
        into: Range<usize>,
    ) {
        assert!(u.kind == d.kind && u.kind == activation.kind, "a gradient has its activation's type");
        for region in [u, &*d, &*activation] {
            Self::check_len("a hidden layer", region, rows * columns);
        }
        let kernel = format!("gelu_backward_{}_v{}", u.kind.tail(), columns::vector(columns));
        let arguments = vec![u.at(0).into(), d.at(0).into(), activation.at(0).into()];
        let sums = [gradients.at(into.start)];
        columns::add_sums(&self.device, kernel, [rows, columns], arguments, &sums);
    }

    fn window_attention(
        &self,
        geometry: &WindowGeometry,
        images: usize,
        qkv: &Region,
        pad: View<Self>,
        table: View<Self>,
        out: &mut Region,
    ) {
        assert_eq!(qkv.kind, out.kind, "attention changes no type");
        let len = images * geometry.tokens * geometry.channels;
        Self::check_len("qkv", qkv, 3 * len);
        Self::check_len("what is attended", out, len);
        let (pad, table) = (pointer(&pad), pointer(&table));
        attention::forward(self, &attention::Inputs { geometry, images, qkv, pad, table }, out);
    }

    fn window_attention_backward(
        &self,
        geometry: &WindowGeometry,
        images: usize,
        qkv: &Region,
        pad: View<Self>,
        table: View<Self>,
        dout: &Region,
        dqkv: &mut Region,
        gradients: &mut Region,
        into: [Range<usize>; 2],
    ) {
        assert!(qkv.kind == dout.kind && qkv.kind == dqkv.kind, "attention's gradient has its type");
        let len = images * geometry.tokens * geometry.channels;
        Self::check_len("qkv", qkv, 3 * len);
        Self::check_len("the gradient of qkv", dqkv, 3 * len);
        Self::check_len("the gradient", dout, len);
        let (pad, table) = (pointer(&pad), pointer(&table));
        let inputs = attention::Inputs { geometry, images, qkv, pad, table };
        attention::backward(self, &inputs, dout, dqkv, into.map(|range| gradients.at(range.start)));
    }

    fn softmax(&self, x: &Region, rows: usize, columns: usize, y: &mut Region) {
        assert_eq!(x.kind, y.kind, "a softmax changes no type");
        Self::check_len("the rows", x, rows * columns);
        Self::check_len("the softmax", y, rows * columns);
        let arguments = vec![x.at(0).into(), int(rows), int(columns), y.at(0).into()];
        self.rowwise(format!("softmax_{}", x.kind.tail()), rows, arguments);
    }

    fn softmax_backward(&self, y: &Region, dy: &Region, rows: usize, columns: usize, dx: &mut Region) {
        assert!(y.kind == dy.kind && y.kind == dx.kind, "a softmax's gradient has its type");
        for region in [y, dy, &*dx] {
            Self::check_len("the rows", region, rows * columns);
        }
        let arguments = vec![y.at(0).into(), dy.at(0).into(), int(rows), int(columns), dx.at(0).into()];
        self.rowwise(format!("softmax_backward_{}", y.kind.tail()), rows, arguments);
    }

    fn patchify(&self, geometry: &PatchGeometry, images: usize, from: &Region, to: &mut Region) {
        let len = images * geometry.tokens() * geometry.features();
        Self::check_len("the images", from, images * geometry.pixels());
        Self::check_len("the patches", to, len);
        self.rearranged("patchify", geometry, len, from, to);
    }

    fn unpatchify(&self, geometry: &PatchGeometry, images: usize, from: &Region, to: &mut Region) {
        let len = images * geometry.pixels();
        Self::check_len("the patches", from, images * geometry.tokens() * geometry.features());
        Self::check_len("the images", to, len);
        self.rearranged("unpatchify", geometry, len, from, to);
    }

    fn merge_patches(&self, geometry: &MergeGeometry, images: usize, from: &Region, to: &mut Region) {
        let ([rows, columns], [merged_rows, merged_columns]) = (geometry.grid, geometry.merged());
        let len = images * merged_rows * merged_columns * 4 * geometry.channels;
        Self::check_len("the tokens", from, images * rows * columns * geometry.channels);
        Self::check_len("the merged tokens", to, len);
        self.neighbours("merge_patches", geometry, len, from, to);
    }

    fn split_patches(&self, geometry: &MergeGeometry, images: usize, from: &Region, to: &mut Region) {
        let ([rows, columns], [merged_rows, merged_columns]) = (geometry.grid, geometry.merged());
        let len = images * merged_rows * merged_columns * 4 * geometry.channels;
        Self::check_len("the merged tokens", from, len);
        Self::check_len("the tokens", to, images * rows * columns * geometry.channels);
        self.neighbours("split_patches", geometry, len, from, to);
    }

    fn mix_mask_token(&self, x: &mut Region, mask: &Region, rows: usize, channels: usize, token: View<Self>) {
        let len = rows * channels;
        Self::check_len("the tokens", x, len);
        Self::check_len("the mask", mask, rows);
        let arguments = vec![x.at(0).into(), mask.at(0).into(), long(len), int(channels), pointer(&token).into()];
        self.elementwise(format!("mix_mask_token_{}", x.kind.tail()), len, 1, arguments);
    }

    fn duplicate_front(&self, buffer: &mut Region, len: usize) {
        Self::check_len("both halves", buffer, 2 * len);
        self.device.copy(buffer.at(0), buffer.at(len), len * buffer.kind.bytes());
    }

    fn fold_back(&self, buffer: &mut Region, len: usize) {
        Self::check_len("both halves", buffer, 2 * len);
        let arguments = vec![buffer.at(len).into(), buffer.at(0).into(), long(len)];
        self.elementwise(format!("add_{}", buffer.kind.tail()), len, 1, arguments);
    }

    fn preco_objective(
        &self,
        objective: &Objective,
        squares: usize,
        len: usize,
        predictions: &Region,
        target: &Region,
        mask: &Region,
        gradient: &mut Region,
    ) -> Terms {
        assert_eq!(predictions.kind, Kind::F32, "losses are f32");
        Self::check_len("the predictions", predictions, len);
        Self::check_len("their gradient", gradient, len);
        objective::evaluate(self, objective, squares, len, [predictions, target, mask], gradient)
    }

    fn mix_mask_token_backward(
        &self,
        d: &mut Region,
        mask: &Region,
        rows: usize,
        channels: usize,
        gradients: &mut Region,
        into: Range<usize>,
    ) {
        Self::check_len("the tokens' gradient", d, rows * channels);
        let kernel = format!("mix_mask_token_backward_{}_v{}", d.kind.tail(), columns::vector(channels));
        let sums = [gradients.at(into.start)];
        columns::add_sums(&self.device, kernel, [rows, channels], vec![d.at(0).into(), mask.at(0).into()], &sums);
    }

    fn adamw(
        &self,
        groups: &[AdamWGroup],
        parameters: &mut Region,
        gradients: &Region,
        m: &mut Region,
        v: &mut Region,
    ) {
        updates::adamw(self, groups, parameters, gradients, [m, v]);
    }

    fn sum_squares(&self, values: &Region, ranges: &[Range<usize>]) -> f64 {
        updates::sum_squares(self, values, ranges)
    }

    fn move_average(&self, average: &mut Region, parameters: &Region, share: f32) {
        let len = parameters.len;
        Self::check_len("the average", average, len);
        let arguments = vec![average.at(0).into(), parameters.at(0).into(), share.into(), long(len)];
        self.elementwise("move_average".to_owned(), len, 1, arguments);
        self.refresh_half(average, len);
    }
}
