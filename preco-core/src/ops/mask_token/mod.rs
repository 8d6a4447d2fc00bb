//! Replacing masked tokens: `y = (1 − m) x + m t`, with one learnable token `t`.
//!
//! Shapes: x `(rows, C)`, m `(rows)` in [0, 1], t `(C)`. The mask is a constant: it has no gradient.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;

use candle_core::{CpuStorage, CustomOp2, Layout, Result as CandleResult, Shape, Tensor};

use super::host;
use crate::error::{Error, Result};

/// `(1 − mask) x + mask token`.
///
/// # Shapes
/// x `(…, C)`, mask x's shape without the last dimension, token `(C)`; x's shape out.
///
/// # Errors
/// [`Error::Config`] where an argument is not f32 on the CPU, where the shapes do not fit, and where the mask wants a
/// gradient.
pub fn mix(x: &Tensor, mask: &Tensor, token: &Tensor) -> Result<Tensor> {
    const OP: &str = "mask_token::mix";
    let (x, mask, token) =
        (host::argument(OP, "x", x)?, host::argument(OP, "mask", mask)?, host::argument(OP, "token", token)?);
    let channels = host::width(OP, "x", &x)?;
    let because = format!("x of shape {:?}", x.dims());
    host::expect(OP, "mask", &mask, &x.dims()[..x.rank() - 1], &because)?;
    host::expect(OP, "token", &token, &[channels], &because)?;
    if mask.track_op() {
        return Err(Error::config(format!("{OP}: the mask has no gradient: detach it")));
    }
    let mask = mask.flatten_all()?.to_vec1()?;
    Ok(x.apply_op2(&token, MixNode { mask })?)
}

struct MixNode {
    mask: Vec<f32>,
}

impl CustomOp2 for MixNode {
    fn name(&self) -> &'static str {
        "mask_token::mix"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        token: &CpuStorage,
        lt: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        let mut y = host::slice(x, lx)?.to_vec();
        let token = host::slice(token, lt)?;
        cpu::forward(&mut y, &self.mask, token.len(), token);
        host::result(y, lx.shape())
    }

    fn bwd(
        &self,
        x: &Tensor,
        token: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        let mut d = host::read([&dy.contiguous()?], |[dy]| dy.to_vec())?;
        let mut dtoken = vec![0.0; token.elem_count()];
        let channels = dtoken.len();
        cpu::backward(&mut d, &self.mask, channels, &mut dtoken);
        Ok((host::finished(d, x)?, host::finished(dtoken, token)?))
    }
}
