//! Where a command computes: on the CPU, or on a GPU where this build and this machine have one.

#[cfg(feature = "cuda")]
use anyhow::anyhow;
use anyhow::{Result, bail};
use preco_core::backend::cpu::Cpu;
#[cfg(feature = "cuda")]
use preco_core::backend::cuda::{Cuda, Precision};

use crate::cli::Machine;
#[cfg(feature = "cuda")]
use crate::output::note;

/// A device that commands run on.
pub(crate) enum Device {
    /// The processor.
    Cpu(Cpu),
    /// A GPU.
    #[cfg(feature = "cuda")]
    Cuda(Cuda),
}

/// Runs an expression with the device's backend, of whatever type it is.
macro_rules! on_device {
    ($device:expr, |$backend:ident| $body:expr) => {
        match $device {
            $crate::device::Device::Cpu($backend) => $body,
            #[cfg(feature = "cuda")]
            $crate::device::Device::Cuda($backend) => $body,
        }
    };
}
pub(crate) use on_device;

/// What a name asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Auto,
    Cpu,
    Gpu(usize),
}

impl Machine {
    /// Refuses names that mean nothing.
    ///
    /// # Errors
    /// With the name and those that do.
    pub(crate) fn check_device(&self) -> Result<()> {
        if let Some(precision) = self.precision.as_deref().filter(|name| !["f32", "bf16"].contains(name)) {
            bail!("there is no precision {precision}; there are f32 and bf16");
        }
        self.device.as_deref().map_or(Ok(()), |name| parse(name).map(|_| ()))
    }

    /// The device that the flags name.
    ///
    /// # Errors
    /// Where there is none of that name, or the precision does not suit it.
    pub(crate) fn open_device(&self, cpu: Cpu) -> Result<Device> {
        match self.device.as_deref().map_or(Ok(Asked::Auto), parse)? {
            Asked::Cpu => self.processor(cpu),
            Asked::Gpu(ordinal) => self.gpu(ordinal),
            Asked::Auto => self.best(cpu),
        }
    }

    fn processor(&self, cpu: Cpu) -> Result<Device> {
        if self.precision.as_deref() == Some("bf16") {
            bail!("--precision bf16 is for GPUs; the processor computes in f32");
        }
        Ok(Device::Cpu(cpu))
    }

    #[cfg(not(feature = "cuda"))]
    fn best(&self, cpu: Cpu) -> Result<Device> {
        self.processor(cpu)
    }

    /// The first GPU; the processor where there is none, saying why.
    #[cfg(feature = "cuda")]
    fn best(&self, cpu: Cpu) -> Result<Device> {
        match Cuda::count() {
            Ok(1..) => self.gpu(0),
            Ok(0) => {
                note("no GPU: using the processor");
                self.processor(cpu)
            }
            Err(error) => {
                note(&format!("no GPU: using the processor ({error})"));
                self.processor(cpu)
            }
        }
    }

    #[cfg(not(feature = "cuda"))]
    fn gpu(&self, ordinal: usize) -> Result<Device> {
        bail!(
            "--device cuda:{ordinal}: this program was built without CUDA; build it with --features cuda, or use --device cpu"
        );
    }

    #[cfg(feature = "cuda")]
    fn gpu(&self, ordinal: usize) -> Result<Device> {
        let precision = if self.precision.as_deref() == Some("f32") { Precision::F32 } else { Precision::Bf16 };
        let cuda = Cuda::new(ordinal, precision).map_err(|error| anyhow!("{error}; or use --device cpu"))?;
        Ok(Device::Cuda(cuda))
    }
}

fn parse(name: &str) -> Result<Asked> {
    match name.split_once(':') {
        None if name == "auto" => Ok(Asked::Auto),
        None if name == "cpu" => Ok(Asked::Cpu),
        None if name == "cuda" => Ok(Asked::Gpu(0)),
        Some(("cuda", ordinal)) if ordinal.parse::<usize>().is_ok() => Ok(Asked::Gpu(ordinal.parse()?)),
        _ => bail!("there is no device {name}; there are auto, cpu, cuda and cuda:N"),
    }
}

impl Device {
    /// True where it is the processor.
    pub(crate) fn is_processor(&self) -> bool {
        matches!(self, Self::Cpu(_))
    }

    /// The device in a few words.
    pub(crate) fn words(&self, processor: &str) -> String {
        match self {
            Self::Cpu(_) => processor.to_owned(),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => format!("{}, {}", cuda.name(), precision(cuda)),
        }
    }

    /// The type of activations.
    pub(crate) fn precision(&self) -> &'static str {
        match self {
            Self::Cpu(_) => "f32",
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => precision(cuda),
        }
    }

    /// Memory that it can still give, in bytes; `None` where nobody says.
    pub(crate) fn free_bytes(&self) -> Option<f64> {
        match self {
            Self::Cpu(_) => crate::memory::available_bytes(),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.memory().ok().map(|[free, _]| free as f64),
        }
    }

    /// Memory that is held: the process's most so far, or what is taken of the GPU's.
    pub(crate) fn held_bytes(&self) -> u64 {
        match self {
            Self::Cpu(_) => crate::memory::peak_bytes(),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.memory().map_or(0, |[free, total]| (total - free) as u64),
        }
    }
}

#[cfg(feature = "cuda")]
fn precision(cuda: &Cuda) -> &'static str {
    match cuda.precision() {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_everywhere() {
        assert_eq!(parse("auto").expect("name"), Asked::Auto);
        assert_eq!(parse("cpu").expect("name"), Asked::Cpu);
        assert_eq!(parse("cuda").expect("name"), Asked::Gpu(0));
        assert_eq!(parse("cuda:3").expect("name"), Asked::Gpu(3));
        for wrong in ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", ""] {
            assert!(parse(wrong).expect_err(wrong).to_string().contains("cuda:N"));
        }
    }
}
