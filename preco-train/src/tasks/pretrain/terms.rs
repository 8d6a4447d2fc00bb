//! What the terms of the loss are called.

/// The terms as the paper writes them, and their names in `log.jsonl`, in the order in which they are shown.
pub const TERMS: [(&str, &str); 3] = [("L_Re", "loss_re"), ("L_Pr", "loss_pr"), ("L_Sc", "loss_sc")];
