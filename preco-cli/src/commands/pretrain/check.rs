//! What can be said of settings before any image is read: for `config check`, and before a run.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use preco_train::recipe::Warmup;

use super::data::SCENES;
use super::{Args, Plan};
use crate::{config, names};

/// Passes of so many updates leave room for any warm-up that is no mistake.
const LONG_PASS: usize = 1 << 24;

/// Checks the flags and what follows from them.
///
/// # Errors
/// The first that cannot be, with its value and what would do.
pub(crate) fn check(args: &Args, plan: &Plan) -> Result<()> {
    config::to_table(args)?;
    args.machine().check()?;
    paths(args)?;
    if let Some(share) = args.held_out {
        ensure!((0.0..1.0).contains(&share), "--held-out {share} must be a share from 0 to below 1, such as 0.05");
    }
    if args.data.is_none() {
        files_without_data(args)?;
    }
    plan.runtime.validate()?;
    plan.config.validate(images(args, plan))?;
    let none_held_out = args.held_out == Some(0.0) || args.list.is_some();
    held_out_for_patience(plan, !none_held_out || args.val_list.is_some())
}

/// Refuses patience where no image is held out, on which anything could get better.
pub(super) fn held_out_for_patience(plan: &Plan, some: bool) -> Result<()> {
    ensure!(
        plan.config.recipe.patience == 0 || some,
        "--patience {} waits for better results on held-out images, and there are none; hold some out with --val-list, \
         or with --held-out 0.05 where there is no --list",
        plan.config.recipe.patience
    );
    Ok(())
}

/// The images of the run, or where they are not known as many as suit the settings best.
fn images(args: &Args, plan: &Plan) -> usize {
    match (&args.data, plan.config.recipe.warmup) {
        (None, _) => SCENES,
        // A warm-up of so many updates fits into the long passes of many images, one of so many passes into short ones.
        (Some(_), Warmup::Steps(_)) => plan.config.recipe.total_batch().saturating_mul(LONG_PASS).max(1),
        (Some(_), _) => plan.config.recipe.total_batch().max(1),
    }
}

fn files_without_data(args: &Args) -> Result<()> {
    for (flag, given) in [
        ("--list", args.list.is_some()),
        ("--val-list", args.val_list.is_some()),
        ("--held-out", args.held_out.is_some()),
        ("--skip-unreadable", args.skip_unreadable),
    ] {
        ensure!(!given, "{flag} is about files, and none are named: give their folder with --data");
    }
    Ok(())
}

fn paths(args: &Args) -> Result<()> {
    let paths = [
        ("--data", &args.data, true),
        ("--list", &args.list, true),
        ("--val-list", &args.val_list, true),
        // A name of published weights perhaps.
        ("--init-from", &args.init_from, false),
        ("--out", &args.out, false),
    ];
    for (flag, path, must_exist) in paths {
        let Some(path) = path else { continue };
        ensure!(!path.as_os_str().is_empty(), "{flag} is an empty path; name one, or leave {flag} away");
        if must_exist {
            exists(flag, path)?;
        }
    }
    Ok(())
}

fn exists(flag: &str, path: &Path) -> Result<()> {
    let wants_folder = flag == "--data";
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() == wants_folder => Ok(()),
        Ok(_) if wants_folder => bail!("{flag} {} is a file; a folder of images is needed", path.display()),
        Ok(_) => bail!("{flag} {} is a folder; a file with a path on each line is needed", path.display()),
        Err(error) => bail!("cannot read {flag} {}: {error}{}", path.display(), neighbour(path)),
    }
}

/// `. Did you mean data/EuroSAT?`, where something with such a name lies beside the path.
fn neighbour(path: &Path) -> String {
    let (parent, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
    let folder = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let beside: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    match names::nearest(&name.to_string_lossy(), beside.iter().map(String::as_str)) {
        Some(near) => format!(". Did you mean {}?", parent.join(near).display()),
        None => "; give one that is there".to_owned(),
    }
}
