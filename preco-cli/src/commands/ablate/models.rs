//! The folders of an ablation's models.

use std::path::{Path, PathBuf};

use preco_core::spec::CONFIG_FILE;
use preco_train::ablation::Run;

/// Where they are.
pub(super) struct Models {
    root: PathBuf,
}

impl Models {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.join("models") }
    }

    /// The folder of what an arm with a seed pre-trains.
    pub(super) fn pretrained(&self, run: &Run<'_>) -> PathBuf {
        self.root.join(format!("{}-{}", run.arm.name, run.seed))
    }

    /// The folder of a model that is measured once and then removed.
    pub(super) fn passing(&self, run: &Run<'_>) -> PathBuf {
        self.root.join(format!("{}-{}.{}", run.arm.name, run.seed, run.step()))
    }

    /// True where `folder` holds a whole model.
    pub(super) fn has(folder: &Path) -> bool {
        // It is written last.
        folder.join(CONFIG_FILE).is_file()
    }
}
