//! A file across the network: whole and right, or an error.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;

use super::failure::{Failure, Patience, within};
use super::{Opened, Remote, Wanted};
use crate::cache::{Lock, Repository, make_parent};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::settings::Settings;

/// How often a whole file with another digest is thrown away and fetched anew.
const SECOND_CHANCES: usize = 1;

/// Makes the blob `etag` of `repository` of the wanted file. Of several processes that want it, one fetches it.
pub(super) async fn fetch(
    remote: &dyn Remote,
    wanted: &Wanted<'_>,
    repository: &Repository,
    etag: &str,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<()> {
    let blob = repository.blob(etag);
    make_parent(&blob)?;
    let waiting = || progress.note(&format!("{}: another process fetches it, waiting", wanted.file));
    let _lock = Lock::acquire(repository, etag, waiting)?;
    if blob.exists() {
        // Another process was here first. A wrong blob is fetched anew.
        match wanted.digest.as_ref().map_or(Ok(()), |digest| repository.check_file(&blob, digest)) {
            Ok(()) => return Ok(()),
            Err(Error::Digest { .. }) => progress.note(&format!("{}: was changed, fetching it anew", wanted.file)),
            Err(error) => return Err(error),
        }
    }
    let mut part = blob.clone().into_os_string();
    part.push(".incomplete");
    let part = PathBuf::from(part);
    receive(remote, wanted, &part, settings, progress).await?;
    let file = File::open(&part).map_err(Error::io("open", &part))?;
    file.sync_all().map_err(Error::io("write", &part))?;
    std::fs::rename(&part, &blob).map_err(Error::io("write", &blob))?;
    if let Some(digest) = &wanted.digest {
        // `receive` has compared it, under its other name.
        repository.remember_file(&blob, digest)?;
    }
    progress.end();
    Ok(())
}

/// Fills `part`, going on behind what it holds, until it is the wanted file.
async fn receive(
    remote: &dyn Remote,
    wanted: &Wanted<'_>,
    part: &Path,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<()> {
    let mut patience = Patience::new(settings, progress, remote.place());
    let mut thrown_away = 0;
    let begun = length(part).filter(|have| wanted.bytes.is_none_or(|bytes| *have <= bytes)).unwrap_or(0);
    progress.begin(wanted.file, wanted.bytes.unwrap_or(0), begun);
    room(wanted, begun, part)?;
    loop {
        let have = length(part).unwrap_or(0);
        let mut out = Part::open(part)?;
        if wanted.bytes.is_some_and(|bytes| have > bytes) {
            out.restart()?;
        }
        let resumed = out.have > 0;
        let before = out.have;
        let outcome = piece(remote, wanted, &mut out, settings, progress).await;
        let reason = match outcome {
            Ok(()) => match wrong(wanted, part, out.have)? {
                None => return Ok(()),
                Some(reason) => reason,
            },
            Err(Trouble::Failed(failure)) => {
                if matches!(failure, Failure::Range) {
                    out.restart()?;
                } else if out.have > before {
                    patience.renew();
                }
                patience.bear(failure).await?;
                continue;
            }
            Err(Trouble::Wrong(reason)) => reason,
            Err(Trouble::Here(error)) => return Err(error),
        };
        // What an earlier attempt left may have been of another file; that costs no chance.
        if !resumed {
            thrown_away += 1;
        }
        tracing::debug!(file = wanted.file, reason, "thrown away");
        out.restart()?;
        if thrown_away > SECOND_CHANCES {
            std::fs::remove_file(part).map_err(Error::io("remove", part))?;
            return Err(Error::Corrupt { place: remote.place(), file: wanted.file.to_owned(), reason });
        }
    }
}

/// Why one attempt did not end with the file.
enum Trouble {
    /// A failure of the other side.
    Failed(Failure),
    /// It sends something else than it promised.
    Wrong(String),
    /// The file system.
    Here(Error),
}

/// One attempt: from where `out` ends to the end of the file.
async fn piece(
    remote: &dyn Remote,
    wanted: &Wanted<'_>,
    out: &mut Part,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<(), Trouble> {
    if wanted.bytes == Some(out.have) {
        return Ok(());
    }
    let opening = remote.open(wanted.file, out.have, wanted.bytes);
    let Opened { from, remaining, mut body } = within(settings.timeout, opening).await.map_err(Trouble::Failed)?;
    if from == Some(0) && out.have > 0 {
        // It cannot send parts of files: everything comes again.
        out.restart().map_err(Trouble::Here)?;
    }
    if let (Some(bytes), Some(remaining)) = (wanted.bytes, remaining)
        && remaining != bytes - out.have
    {
        if remaining != bytes {
            return Err(Trouble::Wrong(format!("it sends {remaining} bytes where {} are missing", bytes - out.have)));
        }
        // Likewise.
        out.restart().map_err(Trouble::Here)?;
    }
    let end = wanted.bytes.or(remaining.map(|remaining| out.have + remaining));
    loop {
        let next = async { Ok(body.next().await) };
        let Some(bytes) = within(settings.timeout, next).await.map_err(Trouble::Failed)? else { break };
        let bytes = bytes.map_err(Trouble::Failed)?;
        if wanted.bytes.is_some_and(|most| out.have + bytes.len() as u64 > most) {
            return Err(Trouble::Wrong("it sends more bytes than the file has".to_owned()));
        }
        out.write(&bytes).map_err(Trouble::Here)?;
        progress.advance(bytes.len() as u64);
    }
    if end.is_some_and(|end| out.have < end) {
        return Err(Trouble::Failed(Failure::Transient(format!("the connection ended within {}", wanted.file))));
    }
    Ok(())
}

/// What of a whole `part` is not as wanted.
fn wrong(wanted: &Wanted<'_>, part: &Path, have: u64) -> Result<Option<String>> {
    let Some(digest) = &wanted.digest else { return Ok(None) };
    let mut file = File::open(part).map_err(Error::io("read", part))?;
    let found = digest.of(&mut file, have).map_err(Error::io("read", part))?;
    Ok((found != *digest).then(|| format!("what it sends has {found}, promised is {digest}")))
}

/// A file that is not whole yet.
struct Part {
    file: File,
    path: PathBuf,
    have: u64,
}

impl Part {
    fn open(path: &Path) -> Result<Self> {
        if std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            // Whatever it is, it is none of ours, and what it leads to is not to be written.
            std::fs::remove_file(path).map_err(Error::io("remove", path))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(Error::io("write", path))?;
        let have = file.metadata().map_err(Error::io("read", path))?.len();
        Ok(Self { file, path: path.into(), have })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))?;
        self.have += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(Error::io("write", &self.path))?;
        self.have = 0;
        Ok(())
    }
}

fn length(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.len())
}

/// Refuses a file that the disk has no room for, and a twentieth more.
fn room(wanted: &Wanted<'_>, have: u64, part: &Path) -> Result<()> {
    const MB: u64 = 1_000_000;
    let folder = part.parent().unwrap_or(Path::new("."));
    let (Some(bytes), Some(free)) = (wanted.bytes, free(folder)) else { return Ok(()) };
    let needed = bytes.saturating_sub(have) / 20 * 21;
    if needed <= free {
        return Ok(());
    }
    let (file, folder) = (wanted.file.to_owned(), folder.to_owned());
    Err(Error::Space { file, folder, needed_mb: needed.div_ceil(MB), free_mb: free / MB })
}

#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(folder).ok()?;
    system.f_bavail.checked_mul(system.f_frsize)
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}
