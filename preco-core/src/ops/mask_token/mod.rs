//! Replacing masked tokens: `y = (1 − m) x + m t`, with one learnable token `t`.
//!
//! Shapes: x `(rows, C)`, m `(rows)` in [0, 1], t `(C)`.

pub(crate) mod cpu;
