//! `loadtest model`: what a number of users needs, from the measured figures; every line with its formula.

pub(crate) mod args;
mod figures;
mod needs;
mod show;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Serialize;

use args::Model;
use figures::{Figure, Figures};
use needs::{Line, Needs};

#[derive(Serialize)]
struct Answer<'a> {
    needs: &'a Needs,
    lines: &'a [Line],
    figures: std::collections::BTreeMap<&'a str, &'a Figure>,
}

/// Prints what is needed.
pub(crate) fn model(args: &Model) -> Result<bool, String> {
    let figures = Figures::load(args.figures.as_deref())?;
    let needs = needs::needs(args, &figures)?;
    let lines = needs::lines(args, &figures, &needs);
    show::print(args, &lines, &figures);
    if let Some(path) = &args.json {
        write(path, &Answer { needs: &needs, lines: &lines, figures: figures.all().collect() })?;
    }
    Ok(true)
}

/// Whether a file of figures would be taken.
#[cfg(test)]
pub(crate) fn takes(path: &Path) -> bool {
    Figures::load(Some(path)).is_ok()
}

fn write(path: &Path, answer: &Answer<'_>) -> Result<(), String> {
    let json = serde_json::to_vec_pretty(answer).map_err(|error| error.to_string())?;
    std::fs::write(path, json).map_err(|error| format!("{}: {error}", path.display()))
}
