//! Tiles through an encoder: threads read and prepare batches, the encoder works on the last finished one.
//!
//! Memory is bounded by the batches that are on their way, however many tiles there are. Results come in the tiles'
//! order; each is the same whatever the number of readers and wherever the run began.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use super::{BATCH, Encoder, SceneTile};
use crate::error::Result;

/// Batches that wait for the encoder.
const AHEAD: usize = 3;

/// What is to be done.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Reads a tile by its number, on any of several threads.
    pub tile: &'a (dyn Fn(usize) -> Result<SceneTile> + Sync),
    /// Tiles with a smaller share of pixels with data are skipped.
    pub least_valid: f64,
    /// Threads that read.
    pub readers: usize,
    /// Seconds since some moment: this crate has no clock.
    pub clock: &'a (dyn Fn() -> f64 + Sync),
}

/// A tile's result.
pub struct Output<'a> {
    /// The tile.
    pub at: usize,
    /// The share of its pixels that hold data.
    pub valid: f64,
    /// Its values; nothing for a tile that was skipped.
    pub values: Option<&'a [f32]>,
}

/// A batch on its way: the first of its tiles, the shares of data of all, the inputs of those that are not skipped.
struct Batch {
    first: usize,
    valid: Vec<f64>,
    inputs: Vec<f32>,
}

/// Runs tiles `tiles` through `encode`, which makes values of inputs, and hands each result to `take`, in order.
///
/// Returns the seconds that the encoder waited for tiles, and those that it worked.
///
/// # Errors
/// The first of reading, and those of `take`, which ends the run.
pub fn run<E: From<crate::error::Error> + Send>(
    encoder: &Encoder,
    work: &Work<'_>,
    tiles: Range<usize>,
    encode: impl Fn(&[f32]) -> Vec<f32>,
    mut take: impl FnMut(Output<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<[f64; 2], E> {
    let batches = tiles.len().div_ceil(BATCH);
    let readers = work.readers.clamp(1, batches.max(1));
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = sync_channel::<Result<Batch>>(AHEAD);
    let (mut waited, mut worked) = (0.0, 0.0);
    std::thread::scope(|scope| {
        for _ in 0..readers {
            let (sender, tiles, next, stop) = (sender.clone(), tiles.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let first = tiles.start + BATCH * next.fetch_add(1, Ordering::Relaxed);
                    if first >= tiles.end {
                        return;
                    }
                    let batch = prepare(encoder, work, first..(first + BATCH).min(tiles.end));
                    let failed = batch.is_err();
                    if sender.send(batch).is_err() || failed {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Dropped on every way out of this scope: readers that wait for room then see that nobody takes any more.
        let receiver = receiver;
        let mut early: BTreeMap<usize, Batch> = BTreeMap::new();
        let mut wanted = tiles.start;
        let result = (|| -> std::result::Result<(), E> {
            while wanted < tiles.end {
                let batch = match early.remove(&wanted) {
                    Some(batch) => batch,
                    None => {
                        let started = (work.clock)();
                        let received = receiver.recv();
                        waited += (work.clock)() - started;
                        let Ok(batch) = received else { break };
                        let batch = batch?;
                        if batch.first != wanted {
                            early.insert(batch.first, batch);
                            continue;
                        }
                        batch
                    }
                };
                wanted += batch.valid.len();
                let started = (work.clock)();
                let values = if batch.inputs.is_empty() { Vec::new() } else { encode(&batch.inputs) };
                let encoded = batch.inputs.len() / encoder.input_len();
                let mut each = values.chunks_exact((values.len() / encoded.max(1)).max(1));
                worked += (work.clock)() - started;
                for (offset, &valid) in batch.valid.iter().enumerate() {
                    let values = if skipped(work, valid) { None } else { each.next() };
                    take(Output { at: batch.first + offset, valid, values })?;
                }
            }
            Ok(())
        })();
        stop.store(true, Ordering::Relaxed);
        result
    })?;
    Ok([waited, worked])
}

/// A tile without any data is skipped even where none is asked for.
fn skipped(work: &Work<'_>, valid: f64) -> bool {
    valid == 0.0 || valid < work.least_valid
}

fn prepare(encoder: &Encoder, work: &Work<'_>, tiles: Range<usize>) -> Result<Batch> {
    let mut batch = Batch { first: tiles.start, valid: Vec::with_capacity(tiles.len()), inputs: Vec::new() };
    for at in tiles {
        let tile = (work.tile)(at)?;
        if !skipped(work, tile.valid) {
            let start = batch.inputs.len();
            batch.inputs.resize(start + encoder.input_len(), 0.0);
            encoder.to_input(&tile.image, &mut batch.inputs[start..]);
        }
        batch.valid.push(tile.valid);
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::swin::SwinConfig;
    use crate::backend::cpu::Cpu;
    use crate::error::Error;
    use crate::imagery::Image8;
    use crate::nn::params::Layout;
    use crate::simd::Level;
    use crate::spec::{ModelSpec, Preprocess};

    fn encoder() -> Encoder {
        let preset = SwinConfig::preset("pico").expect("preset");
        let backbone = SwinConfig { input: [32, 32], depths: vec![1, 1], heads: vec![2, 4], ..preset };
        let spec = ModelSpec::encoder("tiny", backbone);
        let load = |layout: &Layout, params: &mut [f32]| -> Result<()> {
            params.copy_from_slice(&layout.init(3));
            Ok(())
        };
        Encoder::new(&spec, &Preprocess::imagenet([32, 32]), Cpu::new(Level::detect()), load).expect("encoder")
    }

    /// Every third tile holds no data, every fifth a little.
    fn tile(at: usize) -> Result<SceneTile> {
        let valid = match (at % 3, at % 5) {
            (0, _) => 0.0,
            (_, 0) => 0.25,
            _ => 1.0,
        };
        Ok(SceneTile { image: Image8::filled(32, 32, [at as u8, 255 - at as u8, 90]), valid })
    }

    fn all(tiles: Range<usize>, readers: usize, least_valid: f64) -> Vec<(usize, Option<Vec<f32>>)> {
        let encoder = encoder();
        let work = Work { tile: &tile, least_valid, readers, clock: &|| 0.0 };
        let mut found = Vec::new();
        let encode = |inputs: &[f32]| encoder.pooled(inputs);
        run(&encoder, &work, tiles, encode, |output| -> Result<()> {
            found.push((output.at, output.values.map(<[f32]>::to_vec)));
            Ok(())
        })
        .expect("run");
        found
    }

    #[test]
    fn tiles_come_in_order_and_alike_whatever_the_readers_and_wherever_the_run_began() {
        let whole = all(0..61, 1, 0.5);
        assert_eq!(whole.iter().map(|(at, _)| *at).collect::<Vec<_>>(), (0..61).collect::<Vec<_>>());
        let skipped = whole.iter().filter(|(_, values)| values.is_none()).map(|(at, _)| *at);
        assert!(skipped.eq((0..61).filter(|at| at % 3 == 0 || at % 5 == 0)));
        assert!(all(0..61, 4, 0.5) == whole);
        assert!([all(0..7, 2, 0.5), all(7..40, 3, 0.5), all(40..61, 1, 0.5)].concat() == whole);
        assert!(all(0..9, 2, 0.0).iter().all(|(at, values)| values.is_some() == (at % 3 != 0)));
        assert!(all(5..5, 2, 0.5).is_empty());
    }

    #[test]
    fn a_tile_that_cannot_be_read_and_a_result_that_is_not_taken_end_the_run() {
        let encoder = encoder();
        let broken = |at: usize| if at == 30 { Err(Error::config("tile 30")) } else { tile(at) };
        let encode = |inputs: &[f32]| encoder.pooled(inputs);
        for readers in [1, 3] {
            let work = Work { tile: &broken, least_valid: 0.5, readers, clock: &|| 0.0 };
            let mut taken = 0;
            let ended = run(&encoder, &work, 0..600, encode, |_| -> Result<()> {
                taken += 1;
                Ok(())
            });
            assert_eq!(ended.expect_err("tile 30").to_string(), "tile 30");
            assert!(taken <= 24, "{taken}");
            let work = Work { tile: &tile, ..work };
            let full = run(&encoder, &work, 0..600, encode, |output| {
                if output.at == 11 { Err(Error::config("disk full")) } else { Ok(()) }
            });
            assert_eq!(full.expect_err("full").to_string(), "disk full");
        }
    }
}
