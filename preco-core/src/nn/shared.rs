//! Parameters and their gradients, shared between the nodes of candle's graph, which read and add, and the optimiser.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A model's flat parameters and gradients behind one handle; clones share them.
#[derive(Clone, Debug)]
pub struct SharedParameters(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    parameters: Vec<f32>,
    gradients: Vec<f32>,
    /// Counts updates: a backward pass must see the values that its forward pass saw.
    version: u64,
}

impl SharedParameters {
    /// These parameters, with gradients of zero.
    pub fn new(parameters: Vec<f32>) -> Self {
        let gradients = vec![0.0; parameters.len()];
        Self(Arc::new(Mutex::new(State { parameters, gradients, version: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves numbers behind, at worst half a sum; it is reported where it happened.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.lock().parameters.len()
    }

    /// True where there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads parameters and gradients.
    pub fn read<R>(&self, work: impl FnOnce(&[f32], &[f32]) -> R) -> R {
        let state = self.lock();
        work(&state.parameters, &state.gradients)
    }

    /// Changes gradients (clears, clips, averages them) while the parameters stand still.
    pub fn change_gradients<R>(&self, work: impl FnOnce(&[f32], &mut [f32]) -> R) -> R {
        let state = &mut *self.lock();
        work(&state.parameters, &mut state.gradients)
    }

    /// Changes parameters, as an optimiser does. Forward passes before it can no longer be followed by a backward pass.
    pub fn update<R>(&self, work: impl FnOnce(&mut [f32], &mut [f32]) -> R) -> R {
        let state = &mut *self.lock();
        state.version += 1;
        work(&mut state.parameters, &mut state.gradients)
    }

    /// Number of updates so far.
    pub(crate) fn version(&self) -> u64 {
        self.lock().version
    }
}
