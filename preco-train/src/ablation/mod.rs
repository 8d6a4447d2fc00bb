//! Ablations: one recipe in several variants, each with several seeds, and the same measures of all of them.
//!
//! A [`Plan`] lists arms (what is pre-trained, and how), measures and seeds; [`Plan::runs`] is the work in order. Each
//! finished run is a [`Record`], a line of a file, so that a plan goes on where it stopped and on any machine. Arms are
//! compared by pairs of one seed ([`Paired`]): what a seed draws, the labels that are known and the order, is the same in
//! both.

mod paired;
mod plan;
mod record;
mod summary;

pub use paired::Paired;
pub use plan::{Arm, Kind, Measure, Plan, Run, Settings};
pub use record::{Record, append, read};
pub use summary::{Curves, Summary};
