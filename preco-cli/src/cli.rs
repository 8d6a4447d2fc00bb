//! What can be asked for, and the settings all commands share.

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use preco_core::backend::cpu::Cpu;
use preco_core::simd::Level;

use crate::commands::{
    ablate, bench, change, cluster, config, data, embed, evaluate, finetune, knn, models, predict, pretrain, scatter,
    scenes, search,
};
use crate::device::Device;
use crate::output;

/// PReCo: pre-training for remote sensing, without Python.
#[derive(Debug, Parser)]
#[command(name = "preco-cli", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    machine: Machine,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train an encoder on images without labels
    #[command(allow_negative_numbers = true)]
    Pretrain(Box<pretrain::Args>),
    /// Learn labels from images, beginning with a pre-trained encoder
    #[command(subcommand)]
    Finetune(finetune::Finetune),
    /// Turn images and scenes into embeddings
    Embed(Box<embed::Args>),
    /// Find the tiles most like an image, a place or another tile
    Search(search::Args),
    /// Group tiles by likeness and map the groups
    Cluster(cluster::Args),
    /// Draw embeddings in two dimensions, a colour for each class
    Scatter(scatter::Args),
    /// Map the change between two dates of one place
    Change(Box<change::Args>),
    /// Label images, or the tiles of scenes, with a fine-tuned model
    #[command(allow_negative_numbers = true)]
    Predict(Box<predict::Args>),
    /// Measure frozen features by their nearest neighbours
    Knn(knn::Args),
    /// Measure a model: a fine-tuned one by its labels, a pre-trained one by reconstruction and neighbours
    Evaluate(evaluate::Args),
    /// Compare variants of a recipe, seed by seed; finished runs are never done again
    Ablate(ablate::Args),
    /// Show or check the settings of a run
    #[command(subcommand)]
    Config(Box<config::Config>),
    /// Look at folders of images, split them, or generate some
    #[command(subcommand)]
    Data(data::Data),
    /// Models by name: list, look at, fetch, verify, publish
    #[command(subcommand, after_help = models::NAMES)]
    Models(models::Models),
    /// Write generated scenes with their truth
    Scenes(scenes::Args),
    /// Measure speed and memory beside the machine's limit and a peer
    #[command(subcommand)]
    Bench(bench::Bench),
}

/// What computes. A pre-training run keeps what was given, and resumes with it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Machine {
    /// Threads [default: all the processor offers]
    #[arg(long, global = true, value_name = "T")]
    pub threads: Option<usize>,
    /// Vector instructions: portable, avx2 or avx512 [default: the best there are]
    #[arg(long, global = true, value_name = "LEVEL", env = "PRECO_SIMD")]
    pub simd: Option<String>,
    /// auto (a GPU where there is one), cpu, cuda or cuda:N [default: auto]
    #[arg(long, global = true, value_name = "DEVICE")]
    pub device: Option<String>,
    /// On a GPU: f32, or bf16 for activations and products; sums, norms, softmax, losses and parameters stay f32 [default: bf16]
    #[arg(long, global = true, value_name = "TYPE")]
    pub precision: Option<String>,
}

/// The processor as it will be used.
pub(crate) struct Processor {
    /// The backend.
    pub cpu: Cpu,
    /// Its instructions.
    pub level: Level,
    /// Worker threads.
    pub threads: usize,
    /// What models run on.
    pub device: Device,
}

impl Processor {
    /// What computes, in a few words.
    pub(crate) fn words(&self) -> String {
        self.device.words(&format!(
            "{} thread{}, {}",
            self.threads,
            if self.threads == 1 { "" } else { "s" },
            self.level
        ))
    }
}

/// Refuses numbers of threads that no pool can have.
pub(crate) fn check_threads(threads: usize) -> Result<()> {
    ensure!((1..=4096).contains(&threads), "--threads {threads} must be 1 to 4096");
    Ok(())
}

impl Machine {
    /// Refuses what no machine has.
    ///
    /// # Errors
    /// With the flag, its value and what there is.
    pub(crate) fn check(&self) -> Result<()> {
        self.threads.map_or(Ok(()), check_threads)?;
        if let Some(simd) = &self.simd {
            Level::parse(simd)?;
        }
        self.check_device()
    }

    fn start(&self) -> Result<Processor> {
        self.check()?;
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let level = self.simd.as_deref().map_or_else(|| Ok(Level::detect()), Level::parse)?;
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
        let cpu = Cpu::new(level);
        Ok(Processor { cpu, level, threads, device: self.open_device(cpu)? })
    }
}

impl Cli {
    /// Does what was asked, prints the result and returns the exit code.
    pub(crate) fn run(self) -> Result<u8> {
        let mut machine = self.machine;
        let mut command = self.command;
        if let Command::Pretrain(args) = &mut command {
            // A run's settings file may say what it computes on.
            **args = pretrain::settings(args, &machine)?;
            machine = args.machine();
        }
        if let Command::Finetune(command) = &mut command {
            let (args, _) = command.parts();
            *args = finetune::settings(args, &machine)?;
            machine = args.machine();
        }
        let processor = machine.start()?;
        match command {
            Command::Finetune(mut command) => {
                let (args, labelling) = command.parts();
                output::print(&finetune::execute(args, labelling, &processor)?, self.json)
            }
            Command::Pretrain(args) => output::print(&pretrain::execute(&args, &processor)?, self.json),
            Command::Embed(args) => output::print(&embed::execute(&args, &processor)?, self.json),
            Command::Search(args) => output::print(&search::execute(&args, &processor)?, self.json),
            Command::Cluster(args) => output::print(&cluster::execute(&args)?, self.json),
            Command::Scatter(args) => output::print(&scatter::execute(&args)?, self.json),
            Command::Change(args) => output::print(&change::execute(&args, &processor)?, self.json),
            Command::Predict(args) => output::print(&predict::execute(&args, &processor)?, self.json),
            Command::Knn(args) => output::print(&knn::execute(&args, &processor)?, self.json),
            Command::Ablate(args) => output::print(&ablate::execute(&args, &processor)?, self.json),
            Command::Evaluate(args) => output::print(&evaluate::execute(&args, &processor)?, self.json),
            Command::Bench(bench::Bench::Train(args)) => output::print(&bench::train(&args, &processor)?, self.json),
            Command::Bench(bench::Bench::Encode(args)) => output::print(&bench::encode(&args, &processor)?, self.json),
            Command::Bench(bench::Bench::Products(args)) => {
                output::print(&bench::products(&args, &processor)?, self.json)
            }
            Command::Bench(bench::Bench::Open(args)) => output::print(&bench::open(&args, &processor)?, self.json),
            Command::Config(command) => output::print(&config::execute(&command, &machine)?, self.json),
            Command::Data(command) => data::run(&command, self.json),
            Command::Models(command) => models::run(&command, self.json),
            Command::Scenes(args) => output::print(&scenes::execute(&args)?, self.json),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn every_flag_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
